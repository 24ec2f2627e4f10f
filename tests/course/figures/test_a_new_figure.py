"""The figure that the documentation of rulbook.widgets shows how to write: cut out of it and put to work."""

from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path
from typing import Any

import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook import widgets


def shown(opening: str) -> str:
    """The indented block of the module's documentation that begins with this line."""
    assert widgets.__doc__ is not None
    lines = widgets.__doc__.splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith(opening))
    end = next((i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    ")), len(lines))
    return textwrap.dedent("\n".join(lines[start:end])).strip() + "\n"


@pytest.fixture
def cap(tmp_path: Path) -> Any:
    """The class ``Cap`` of the documentation, from files."""
    (tmp_path / "cap.py").write_text(shown("import numpy"))
    (tmp_path / "cap.js").write_text(shown("import { figure"))
    spec = importlib.util.spec_from_file_location("cap", tmp_path / "cap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # inspect finds the file of a class through the table of modules.
    import sys

    sys.modules["cap"] = module
    spec.loader.exec_module(module)
    yield module.Cap
    del sys.modules["cap"]


def test_it_is_short(cap: Any) -> None:
    assert len(shown("class Cap").splitlines()) <= 20
    assert len(shown("import { figure").splitlines()) <= 12


def test_its_python_half_works(cap: Any) -> None:
    assert repr(cap(cap=50)) == "Cap(cap=50.0)"
    assert len(cap().png()) > 5000
    with pytest.raises(ValueError, match="cap is 52: it must lie on the grid from 25 to 200 in steps of 5"):
        cap(cap=52)


@pytest.mark.browser
def test_it_draws_and_its_point_drags_upwards(cap: Any, blank: Page) -> None:
    figure = cap()
    blank.evaluate(LOAD, cap._esm)
    blank.add_style_tag(content=str(cap._css))
    blank.evaluate(
        """(traits) => {
          const acts = [];
          const model = { get: (name) => traits[name], on: (_, act) => acts.push(act), off() {}, save_changes() {} };
          model.set = (name, value) => { traits[name] = value; acts.forEach((act) => act()); };
          script.default.render({ model, el: document.body });
        }""",
        {"_spec": figure._spec, "_data": figure._data, "cap": figure.cap},
    )
    readout = blank.locator(".readout")
    assert readout.inner_text() == "The label stays at 125 until cycle 75, then falls by one a cycle."
    at = blank.locator(".handle").bounding_box()
    assert at is not None
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    blank.mouse.move(x, y)
    blank.mouse.down()
    blank.mouse.move(x, y + 60, steps=4)
    blank.mouse.up()
    value = int(blank.locator("input[name=cap]").input_value())
    assert 25 <= value < 125
    assert value % 5 == 0
    assert readout.inner_text() == f"The label stays at {value} until cycle {200 - value}, then falls by one a cycle."
