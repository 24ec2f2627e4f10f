"""Every measurement is found, says what it is, and finds its committed numbers again."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import pytest

from rulbook.course.measurement import ByHand, Measurement, by_hand, measurements, owners, readers
from rulbook.course.measurement._page import index_page, index_path
from rulbook.data import demo_fleet, sources

MEASURED = measurements()
OWNED: dict[str, Measurement | ByHand] = {one.result: one for one in [*MEASURED.values(), *by_hand().values()]}
EVERY = pytest.mark.parametrize("name", MEASURED)


def needs_files(one: Measurement) -> bool:
    return any(hasattr(sources.modules()[name], "SHA256") for name in one.data)


def test_every_result_has_an_owner() -> None:
    found = owners()
    assert set(OWNED) <= set(found)
    assert len(MEASURED) >= 9


@pytest.mark.parametrize("result", OWNED)
def test_the_pages_that_it_declares_are_those_that_read_it(result: str) -> None:
    assert sorted(OWNED[result].pages) == sorted(readers(result)), f"{result}: declared, and found in book/."


@EVERY
def test_a_test_can_rerun_it_or_a_piece_of_it(name: str) -> None:
    one = MEASURED[name]
    assert one.cheap or one.piece_function is not None, f"{name} is not cheap: mark a piece with @measure.piece."
    assert not one.cheap or one.minutes < 1, f"{name} takes {one.minutes:g} minutes: that is not cheap."


@EVERY
def test_its_file_says_how_it_came_to_be(name: str) -> None:
    one = MEASURED[name]
    _, provenance = one.stored()
    assert provenance["command"] == one.command(provenance["arguments"])
    unknown = [key for key in ("date", "versions", "data", "seconds") if provenance[key] is None]
    # What is not known is said; what is said is believable.
    assert bool(unknown) == ("remark" in provenance)
    if provenance["date"] is not None:
        day = datetime.date.fromisoformat(provenance["date"])
        assert datetime.date(2026, 1, 1) <= day <= datetime.datetime.now(tz=datetime.UTC).date()
    if provenance["data"] is not None:
        assert set(provenance["data"]) == set(one.data)
        assert all(len(value) == 64 for value in provenance["data"].values())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.real_data] * needs_files(one)) for name, one in MEASURED.items()]
)
def test_it_finds_the_committed_numbers_again(name: str, request: pytest.FixtureRequest) -> None:
    one = MEASURED[name]
    root: Path | None = request.getfixturevalue("cmapss_folder") if needs_files(one) else None
    assert one.check(root) == []


@pytest.mark.parametrize(
    "name", [name for name, one in MEASURED.items() if one.data and None not in one.default_arguments().values()]
)
def test_its_short_version_runs_to_its_end_on_made_up_engines(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fleet = demo_fleet(engines=20, conditions=1)
    monkeypatch.setattr(
        "rulbook.course.measurement._run.load_fleet", lambda name, root: dataclasses.replace(fleet, subset=name)
    )
    one, keep = MEASURED[name], tmp_path / "kept.parts"
    measured = one.run(keep=keep, **one.quick)
    (out,) = one.write(measured, tmp_path / one.result)
    stored, _ = one.stored()
    written = json.loads(out.read_text(encoding="utf-8"))
    assert list(written) == ["provenance", *stored]
    # A second run finds all parts of the first, so it gives the same.
    assert one.run(keep=keep, **one.quick).value == measured.value


def test_the_index_is_in_step_with_scripts_and_results() -> None:
    written = index_path().read_text(encoding="utf-8")
    assert written == index_page(), "book/measurements.md: run python -m rulbook.course.measurement index"
    assert all(f"\n### `{result}`\n" in written for result in OWNED)
