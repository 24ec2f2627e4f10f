"""What the notebooks store, which is all that the built pages have: the numbers of the present code, and no program."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from traitlets import Unicode

from rulbook import widgets
from rulbook.course.scripts import FIGURE_MIME
from rulbook.course.storing import without_programs
from rulbook.course.walkthrough import _page
from rulbook.reference import uniform_mse
from rulbook.walkthrough import walkthrough
from rulbook.widgets import GradientDensity

NOTEBOOKS = sorted((Path(__file__).resolve().parents[3] / "notebooks").rglob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
VIEW = "application/vnd.jupyter.widget-view+json"
# A table of pandas brings three lines of style of its own.
PROGRAM = re.compile(r"export default|import \{|\bfunction\b ?\w*\(|\) => |<script|<style(?! scoped)|@media|_esm|_css")


@cache
def stored(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def bundles(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    return [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]


@EACH
def test_stored_figures_are_what_the_code_makes_now(path: Path) -> None:
    for bundle in bundles(stored(path)):
        if (kept := bundle.get(FIGURE_MIME)) is not None:
            name = bundle["text/plain"].partition("(")[0]
            fresh = getattr(widgets, name)(**kept["state"]).stored()
            for part in fresh:
                if kept[part] != json.loads(json.dumps(fresh[part])):
                    pytest.fail(f"{path.name} holds an older {name} ({part} differs): run the notebook again.")


def test_there_are_stored_figures_on_many_pages() -> None:
    shown = {path.stem: sum(FIGURE_MIME in bundle for bundle in bundles(stored(path))) for path in NOTEBOOKS}
    assert sum(shown.values()) >= 16
    assert sum(count > 0 for count in shown.values()) >= 6


@EACH
def test_a_notebook_stores_numbers_and_no_program(path: Path) -> None:
    notebook = stored(path)
    assert "widgets" not in notebook.metadata
    for bundle in bundles(notebook):
        assert VIEW not in bundle, f"{path.name}: a widget without its state shows nothing. Run the notebook again."
        texts = {mime: json.dumps(data) for mime, data in bundle.items() if not mime.startswith("image/")}
        assert [mime for mime, text in texts.items() if PROGRAM.search(text)] == []


@EACH
def test_the_figures_of_a_notebook_take_little_room(path: Path) -> None:
    sizes = [len(json.dumps(bundle[FIGURE_MIME])) for bundle in bundles(stored(path)) if FIGURE_MIME in bundle]
    assert all(size < 60_000 for size in sizes), sizes
    assert sum(sizes) < 150_000


def kept(*shown: object) -> str:
    """The text of a notebook that shows these things, as it is stored."""
    outputs = []
    for thing in shown:
        if isinstance(thing, GradientDensity):
            data, metadata = thing._repr_mimebundle_()
        else:
            data, metadata = {"text/plain": repr(thing), "text/html": thing._repr_html_()}, {}
        outputs.append(nbformat.v4.new_output("display_data", data, metadata=metadata))
    cell = nbformat.v4.new_code_cell("show", id="one", outputs=outputs)
    metadata = {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"state": {"_esm": "x"}}}}}}
    return nbformat.writes(without_programs(nbformat.v4.new_notebook(cells=[cell], metadata=metadata)))


def test_an_edit_of_a_program_changes_nothing_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept(GradientDensity(), walkthrough(uniform_mse, [1.0, 2.0], [2.0, 4.0]))

    class Edited(GradientDensity):
        _esm = Unicode(f"{GradientDensity._esm}// another kit\n").tag(sync=True)
        _css = Unicode("p { color: red; }").tag(sync=True)

    Edited.__name__ = "GradientDensity"
    asset = _page._asset
    monkeypatch.setattr(_page, "_asset", lambda name: asset(name) + "/* another */")
    walk = walkthrough(uniform_mse, [1.0, 2.0], [2.0, 4.0])
    assert "/* another */" in walk._repr_html_()
    assert kept(Edited(), walk) == before
    assert not PROGRAM.search(re.sub(r'"image/png": "[^"]*"', "", before))


def test_a_view_of_another_widget_keeps_its_state() -> None:
    output = nbformat.v4.new_output("display_data", {VIEW: {"model_id": "a"}, "text/plain": "slider"})
    cell = nbformat.v4.new_code_cell("show", outputs=[output])
    other = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {"a": {}}}})
    assert "widgets" in without_programs(other).metadata
    assert VIEW in other.cells[0].outputs[0].data


def test_html_that_is_no_walkthrough_keeps_its_style() -> None:
    table = "<div>\n<style>th { color: red }</style>\n<table></table></div>"
    output = nbformat.v4.new_output("display_data", {"text/html": table})
    cell = nbformat.v4.new_code_cell("show", outputs=[output])
    notebook = without_programs(nbformat.v4.new_notebook(cells=[cell]))
    assert notebook.cells[0].outputs[0].data["text/html"] == table
