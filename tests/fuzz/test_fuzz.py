"""No file and no option brings a traceback to a user of the command, and no damaged model another prediction."""

from __future__ import annotations

import random

import pytest
from fuzz.attacks import KINDS, Case, Workshop, fault

TRIES = 40


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_in_one_line_and_never_believed(workshop, kind):
    found = {seed: fault(workshop.case(kind, random.Random(seed))) for seed in range(TRIES)}
    assert {seed: words for seed, words in found.items() if words} == {}


def test_the_judge_sees_what_it_looks_for(workshop, monkeypatch):
    good = workshop.predict(workshop.folder / "good.safetensors")
    assert fault(Case("good", good, same=workshop.answer)) == ""
    assert "another answer" in fault(Case("other", good, same=workshop.answer.replace("1", "2")))

    def fails(_):
        raise KeyError("inner")

    monkeypatch.setattr("rulbook.cli.predict.run", fails)
    assert "exit code 70" in fault(Case("own fault", good))
