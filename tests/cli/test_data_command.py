"""``rulbook data``: NASA's facts."""

from __future__ import annotations

import pytest

from rulbook.cli import main


@pytest.mark.real_data
def test_data_prints_nasas_facts(cmapss_folder, capsys):
    assert main(["data", "--root", str(cmapss_folder), "--dataset", "FD002"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("FD002"))
    assert line.split()[:6] == ["FD002", "260", "259", "53,759", "46,219", "6"]


@pytest.mark.real_data
def test_files_with_other_numbers_are_loaded_on_request(cmapss_folder, tmp_path, capsys):
    for part in ("train", "test", "RUL"):
        content = (cmapss_folder / f"{part}_FD001.txt").read_bytes()
        (tmp_path / f"{part}_FD001.txt").write_bytes(content.replace(b"518.67", b"518.68", 1))
    command = ["data", "--root", str(tmp_path), "--dataset", "FD001"]
    assert main(command) == 2
    assert "differs from NASA's file" in capsys.readouterr().err
    assert main([*command, "--no-verify"]) == 0
    told = capsys.readouterr()
    assert all(line.startswith("rulbook: warning: ") for line in told.err.splitlines())
    assert next(line for line in told.out.splitlines() if line.startswith("FD001")).split()[1:4] == [
        "100",
        "100",
        "20,631",
    ]
