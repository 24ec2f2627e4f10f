"""The figure that the guide shows how to write: cut out of it, put where the guide says, and put to work."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from livefigures import inputs, mount, sample, shown
from playwright.sync_api import Page

from rulbook import widgets
from rulbook.course import figures
from rulbook.course.figures import LiveFigure, figure_class, figure_names

ROOT = Path(__file__).resolve().parents[3]
ROOM = "rulbook/course/ch14"


def cut(opening: str) -> str:
    """The indented block of the guide that follows this line."""
    assert figures.__doc__ is not None
    lines = figures.__doc__.splitlines()
    start = next(i for i, line in enumerate(lines) if line.endswith(opening)) + 1
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    "))
    return textwrap.dedent("\n".join(lines[start:end])).strip() + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the two files in the room of a chapter."""
    place = tmp_path_factory.mktemp("guide")
    shutil.copytree(ROOT / "rulbook", place / "rulbook", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    (place / ROOM / "cap.py").write_text(cut("``cap.py``::"), encoding="utf-8")
    (place / ROOM / "cap.js").write_text(cut("``cap.js``::"), encoding="utf-8")
    return place


@pytest.fixture
def cap(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LiveFigure]]:
    """The class, as the package that runs here finds it in that room."""
    rooms = figures._modules()
    module = f"{ROOM.replace('/', '.')}.cap"
    monkeypatch.setattr(figures, "_modules", lambda: {**rooms, "Cap": module})
    # The room has a second folder: that of the copy.
    room = importlib.import_module(ROOM.replace("/", "."))
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(place / ROOM)])
    yield figure_class("Cap")
    del sys.modules[module]


def ran(place: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_found_where_the_guide_puts_it(place: Path) -> None:
    code = "from rulbook.widgets import Cap; print(repr(Cap(cap=50)), Cap(cap=50).read_out(), len(Cap().png()) > 5000)"
    said = "The label stays at 50 until cycle 150, then falls by one a cycle."
    assert ran(place, sys.executable, "-c", code) == f"Cap(cap=50.0) {said} True\n"


def test_it_is_as_tidy_as_the_package(place: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    ran(place, *ruff, "check", "--no-cache", f"{ROOM}/cap.py")
    ran(place, *ruff, "format", "--no-cache", "--check", f"{ROOM}/cap.py")
    ran(place, sys.executable, "-m", "mypy", "--cache-dir", str(place.parent / "mypy"), "-m", "rulbook.course.ch14.cap")


def test_its_values_are_refused_as_any_figures(cap: type[LiveFigure]) -> None:
    with pytest.raises(ValueError, match="cap is 52: it must lie on the grid from 25 to 200 in steps of 5"):
        cap(cap=52)
    assert "Cap" not in figure_names() or widgets.Cap is cap


@pytest.mark.browser
def test_its_sentence_is_pythons_and_its_point_drags_upwards(cap: type[LiveFigure], blank: Page) -> None:
    mount(blank, cap())
    states = sample(cap)
    assert [seen["readout"] for seen in shown(blank, states)] == [cap(**state).read_out() for state in states]
    at = blank.locator(".handle").bounding_box()
    assert at is not None
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    before = inputs(blank)["cap"]
    blank.mouse.move(x, y)
    blank.mouse.down()
    blank.mouse.move(x, y + 60 if before > 100 else y - 60, steps=4)
    blank.mouse.up()
    value = inputs(blank)["cap"]
    assert (value < before) == (before > 100)
    assert blank.locator(".readout").inner_text() == cap(cap=value).read_out()
