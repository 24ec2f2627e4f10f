"""What a figure says is true: its script's sentence is Python's, over a sample of all that a reader can set.

Figures are found, not listed: a new one is held to its own ``read_out`` from the day on which its two files are there.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livefigures import LOAD, mount, sample, shown, state_of
from playwright.sync_api import Page

from rulbook.course.figures import LiveFigure, figure_class, figure_names, fixed, percent, short, whole
from rulbook.errors import InputError

FIGURES = figure_names()


def test_the_figures_are_found() -> None:
    assert len(FIGURES) >= 13


@pytest.mark.browser
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_in_the_browser_what_it_says_in_python(blank: Page, name: str) -> None:
    figure, states = figure_class(name)(), sample(figure_class(name))
    mount(blank, figure)
    wrong = []
    for state, seen in zip(states, shown(blank, states), strict=True):
        for control, value in state.items():
            setattr(figure, control, value)
        assert seen["inputs"] == state, "a value of the grid that the reader's input cannot take"
        assert not seen["broken"], f"{figure!r} draws at no place: {seen['broken'][:3]}"
        if seen["readout"] != (said := figure.read_out()):
            wrong.append(f"{figure!r}\n  the script: {seen['readout']}\n  Python:     {said}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(states)} sentences differ:", *wrong[:3]])


@pytest.mark.parametrize("name", FIGURES)
def test_the_sample_moves_each_control_over_all_of_its_way(name: str) -> None:
    kind = figure_class(name)
    opening, states = state_of(kind()), sample(kind)
    assert states[0] == opening
    for control, trait in kind.controls().items():
        alone = [s[control] for s in states if all(s[other] == opening[other] for other in opening if other != control)]
        assert len({repr(value) for value in alone}) >= min(12, len(trait.grid)), control
        for end in (trait.grid[0], trait.grid[-1]):
            assert end in alone


@pytest.mark.parametrize("name", FIGURES)
def test_each_control_changes_the_sentence(name: str) -> None:
    """Whatever else is set: a control that no sentence ever tells of is one that a reader cannot follow."""
    kind = figure_class(name)
    figure, said = kind(), {}
    for state in sample(kind):
        for control, value in state.items():
            setattr(figure, control, value)
        said[repr(figure)] = (state, figure.read_out())
    for control, trait in kind.controls().items():
        moved = False
        for state, sentence in list(said.values())[:80]:
            for other in (trait.grid[0], trait.grid[-1]):
                for name_, value in {**state, control: other}.items():
                    setattr(figure, name_, value)
                moved = moved or figure.read_out() != sentence
        assert moved, control


@pytest.fixture
def numerals(blank: Page) -> Page:
    """A page with the kit's own ways to write a number, from the module of any figure."""
    source = figure_class(FIGURES[0])._esm
    blank.evaluate(
        LOAD, source + "\nexport { fixed as _fixed, percent as _percent, short as _short, whole as _whole };"
    )
    return blank


HARD = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 0.125, -0.125, 0.375, 1.005, 0.045, 99.995, 999.5, -0.004, 1e-9, 123456.5, 1e15]
"""Halves, which the two languages round to different sides if they are let; zeros with a sign; many digits."""


@pytest.mark.browser
def test_numbers_are_written_as_the_script_writes_them(numerals: Page) -> None:
    drawn: list[float] = []

    @given(st.floats(-1e9, 1e9) | st.integers(-4000, 4000).map(lambda n: n / 64) | st.decimals(-99, 99, places=3))
    def collect(value: float) -> None:
        drawn.append(float(value))

    collect()
    values = [*HARD, *drawn]
    write = "([name, values, ...rest]) => values.map((value) => script[name](value, ...rest))"
    for digits in (0, 1, 2, 3, 4):
        assert numerals.evaluate(write, ["_fixed", values, digits]) == [fixed(value, digits) for value in values]
        assert numerals.evaluate(write, ["_percent", values, digits]) == [percent(value, digits) for value in values]
    assert numerals.evaluate(write, ["_whole", values]) == [whole(value) for value in values]
    positive = [abs(value) for value in values if abs(value) > 1e-12]
    assert numerals.evaluate(write, ["_short", positive]) == [short(value) for value in positive]


def test_numbers_by_hand() -> None:
    assert [fixed(2.5, 0), fixed(-1.005), fixed(0.125), fixed(-0.0, 1)] == ["3", "−1.00", "0.13", "0.0"]
    assert [percent(0.0625), percent(0.5, 0), whole(1234567.5), whole(-1.5)] == ["6.3 %", "50 %", "1,234,568", "−1"]
    assert [short(0.012345), short(9.876), short(99.96), short(12345.6)] == ["0.0123", "9.88", "100.0", "12,346"]
    for value in (float("nan"), float("inf"), 1e22):
        with pytest.raises(InputError, match="value is"):
            fixed(value)


def test_a_figure_without_a_sentence_says_so() -> None:
    class Mute(LiveFigure):
        title = alt = "mute"

    with pytest.raises(NotImplementedError, match="Mute has no read-out"):
        Mute().read_out()
