"""The committed figures on test labels beyond the cap are what NASA's files say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from rulbook.course.results import read_json

SCRIPT = Path(__file__).resolve().parents[2] / "book" / "measure" / "label_cap.py"


def test_more_than_a_quarter_of_fd004_lies_beyond_the_cap():
    found = read_json("label_cap")["subsets"]
    assert {name: one["above_cap"] for name, one in found.items()} == {
        "FD001": 11,
        "FD002": 57,
        "FD003": 15,
        "FD004": 67,
    }
    assert found["FD002"]["least_rmse"] > found["FD001"]["least_rmse"]


@pytest.mark.real_data
def test_the_script_writes_the_committed_file_again(cmapss_folder: Path):
    script = runpy.run_path(str(SCRIPT))
    assert script["as_text"](script["measure"](cmapss_folder)) == script["RESULT"].read_text(encoding="utf-8")
