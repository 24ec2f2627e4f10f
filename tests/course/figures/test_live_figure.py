"""The Python half of every figure: it refuses bad values in a sentence, prints the same anywhere, carries a picture."""

from __future__ import annotations

import ast
import base64
import inspect
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
import traitlets
from every_control import EveryControl
from hypothesis import given
from hypothesis import strategies as st
from livefigures import sample, state_of

from rulbook import course, widgets
from rulbook.course import figures
from rulbook.course.figures import Choice, Control, LiveFigure, Several, Slider, Switch, figure_class, figure_names
from rulbook.errors import InputError

FIGURES = figure_names()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"east": 11}, "east is 11.0: it must lie between 0 and 10."),
        ({"east": -0.5}, "east is -0.5: it must lie between 0 and 10."),
        ({"east": float("nan")}, "east is nan: it must be a finite number."),
        ({"east": 2.25}, "east is 2.25: it must lie on the grid from 0 to 10 in steps of 0.5."),
        ({"along": "z"}, "along is 'z': it must be one of x, y, xy."),
        ({"parts": ["a", "d"]}, "parts is 'd': it must be one of a, b, c."),
        ({"west": 1}, "west is no control of EveryControl: it has east, north, along, parts, on."),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        EveryControl(**values)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", FIGURES)
def test_every_control_of_every_figure_refuses_what_lies_beyond_its_grid(name: str) -> None:
    figure = figure_class(name)()
    for control, trait in figure.controls().items():
        before, beyond = getattr(figure, control), "no such name"
        if isinstance(trait, Slider):
            step = trait.metadata["control"]["step"]
            wrong: list[Any] = [trait.grid[0] - step, trait.grid[-1] + step, trait.grid[0] + step / 2]
        else:
            wrong = {Choice: [beyond], Several: [[beyond]], Switch: [beyond]}[type(trait)]
        for value in wrong:
            with pytest.raises((InputError, traitlets.TraitError), match=control):
                setattr(figure, control, value)
        assert getattr(figure, control) == before


def test_what_is_no_number_is_refused_with_the_name_of_the_control() -> None:
    figure = EveryControl(east=3)
    with pytest.raises(traitlets.TraitError, match="'east'"):
        figure.east = "two"
    assert figure.east == 3.0


@pytest.mark.parametrize("name", FIGURES)
def test_every_value_of_a_grid_is_taken_as_it_is_spelled(name: str) -> None:
    figure = figure_class(name)()
    for control, trait in figure.controls().items():
        for value in trait.grid:
            setattr(figure, control, value)
            assert getattr(figure, control) == value
        assert len({repr(value) for value in trait.grid}) == len(trait.grid) > 1
        if isinstance(trait, Slider):
            # 0.1 * 23 is 2.3000000000000003 in floating point.
            low, step = (trait.metadata["control"][key] for key in ("low", "step"))
            assert [trait.validate(None, low + step * i) for i in range(len(trait.grid))] == trait.grid
            assert trait.grid[-1] == trait.metadata["control"]["high"]


def test_grids_by_hand() -> None:
    grids = {name: control.grid for name, control in EveryControl.controls().items()}
    assert grids["east"] == [i / 2 for i in range(21)]
    assert grids["along"] == ["x", "y", "xy"]
    assert grids["parts"] == [[], ["c"], ["b"], ["a"], ["b", "c"], ["a", "c"], ["a", "b"], ["a", "b", "c"]]
    assert grids["on"] == [False, True]
    assert Slider(1.0, low=1, high=2, step=0.1, label="").grid == [1 + i / 10 for i in range(11)]


def test_several_keeps_the_order_of_its_choices_and_no_repeats() -> None:
    assert EveryControl(parts=["c", "a", "c"]).parts == ["a", "c"]


@given(st.data())
def test_the_repr_is_the_call_that_makes_the_figure_again(data: st.DataObject) -> None:
    values = {name: data.draw(st.sampled_from(trait.grid)) for name, trait in EveryControl.controls().items()}
    text = repr(EveryControl(**values))
    [call] = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert ast.unparse(call.func) == "EveryControl"
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords} == values


def test_a_repr_by_hand() -> None:
    assert repr(EveryControl(on=False)) == "EveryControl(east=2.0, north=3.0, along='x', parts=['a'], on=False)"


@pytest.mark.parametrize("name", FIGURES)
def test_the_output_carries_a_view_a_picture_and_words(name: str) -> None:
    figure = figure_class(name)()
    bundle, _ = figure._repr_mimebundle_()
    assert bundle["text/plain"] == f"{figure!r}\n{figure.read_out()}"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == figure.model_id
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert pixels.shape[0] > 300
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50
    assert len(figure.alt) > 100
    assert figure.hint


@pytest.mark.parametrize("name", FIGURES)
def test_a_sentence_is_one_and_has_numbers(name: str) -> None:
    figure = figure_class(name)()
    for state in sample(figure_class(name), drawn=10):
        for control, value in state.items():
            setattr(figure, control, value)
        said = figure.read_out()
        assert said.endswith(".")
        assert "\n" not in said
        assert not re.search(r"nan|inf\b|None|\d-|-\d|e[+-]\d", said), said
    assert re.search(r"\d", figure_class(name)().read_out())


def test_the_picture_shows_the_present_state_and_leaves_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    assert EveryControl(east=4).png() != EveryControl(east=2).png()
    assert dict(mpl.rcParams) == before


def test_what_a_figure_lacks_is_said() -> None:
    class Bare(LiveFigure):
        level = Slider(1, low=0, high=2, step=0.5, label="Level")
        title = alt = "bare"

    assert state_of(Bare()) == {"level": 1.0}
    with pytest.raises(NotImplementedError, match="Bare has no picture"):
        Bare().png()
    with pytest.raises(NotImplementedError, match="Control has no grid"):
        _ = Control().grid


def test_a_figure_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="name is 'Cap': it must be one of"):
        figure_class("Cap")
    with pytest.raises(AttributeError, match="no attribute 'Cap'"):
        _ = widgets.Cap


def test_every_script_and_every_class_in_a_room_is_found() -> None:
    rooms = Path(course.__file__).parent
    scripts = {path.with_suffix("") for path in rooms.glob("ch[0-9][0-9]/*.js")}
    classes = {path.with_suffix("") for path in rooms.glob("ch[0-9][0-9]/*.py") if "(LiveFigure)" in path.read_text()}
    found = {Path(inspect.getfile(figure_class(name))).with_suffix("") for name in FIGURES}
    assert scripts == classes == found
    for name in FIGURES:
        assert Path(inspect.getfile(figure_class(name))).stem == Path(figure_class(name).script).stem


def test_two_rooms_with_a_file_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("ch14", "ch17"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "cap.py").touch()
        (tmp_path / room / "__init__.py").touch()
    monkeypatch.setattr(course, "_HERE", tmp_path)
    with pytest.raises(InputError, match=r"cap\.py lies in ch14 and in ch17: rename one of them"):
        course.room_files("*.py")


def test_a_script_whose_module_lacks_the_class_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_modules", lambda: {"Cap": "rulbook.course.ch14.minimiser"})
    with pytest.raises(InputError, match=r"ch14\.minimiser has a script beside it: it must define the figure Cap"):
        figure_class("Cap")


def test_importing_the_figures_does_not_import_torch() -> None:
    code = f"import sys, rulbook.widgets as w; {[f'w.{name}' for name in FIGURES]}; sys.exit('torch' in sys.modules)"
    code = code.replace("'w.", "w.").replace("',", ",").replace("']", "]")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
