"""The plot of the figure kit puts marks where the axes say, and reads a dragged point back from there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from livefigures import mount
from playwright.sync_api import Page

from rulbook.widgets import LiveFigure, Slider

pytestmark = pytest.mark.browser

# 640 px wide; the panel's axes run from 46 to 624 px across. Its label on top takes 30 px, that below 46 px.
LEFT, RIGHT, TOP, BOTTOM = 46.0, 624.0, 30.0, 154.0


class Marks(LiveFigure):
    """One mark of each kind."""

    script = "marks.js"
    title = "Marks"
    alt = "One mark of each kind, for a test."
    level = Slider(1, low=-1, high=3, step=0.5, label="Level")


@pytest.fixture
def drawn(blank: Page) -> Page:
    """The marks in a page 640 px wide."""
    blank.add_style_tag(content="body { margin: 0; width: 640px } .rulbook-figure { width: 640px !important; }")
    mount(blank, Marks())
    return blank


def across(value: float) -> float:
    return LEFT + value / 10 * (RIGHT - LEFT)


def up(value: float) -> float:
    return BOTTOM - (value + 1) / 4 * (BOTTOM - TOP)


def marks(page: Page, selector: str, *names: str) -> list[list[str | None]]:
    """The attributes of all elements, as they were written."""
    return page.locator(selector).evaluate_all(
        "(found, names) => found.map((element) => names.map((name) => element.getAttribute(name)))", list(names)
    )


def labels(page: Page) -> list[list[Any]]:
    """Text, place and anchor of everything that is written."""
    read = "(t) => [t.textContent, +t.getAttribute('x'), +t.getAttribute('y'), t.getAttribute('text-anchor')]"
    return page.locator("svg text").evaluate_all(f"(found) => found.map({read})")


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def test_every_kind_of_mark_stands_where_its_axes_say(drawn: Page) -> None:
    assert drawn.locator("svg").get_attribute("width") == "640"
    assert drawn.locator("svg").get_attribute("height") == "350"
    [[line, dash, width]] = marks(drawn, ".line", "d", "stroke-dasharray", "stroke-width")
    assert numbers(line) == pytest.approx([across(0), up(-1), across(5), up(1), across(10), up(3)], abs=0.06)
    assert (dash, width) == ("4 4", "3")
    [[area]] = marks(drawn, ".area", "d")
    corners = [across(2), up(0), across(4), up(2), across(4), up(-1), across(2), up(-1)]
    assert numbers(area) == pytest.approx(corners, abs=0.06)
    [bar] = marks(drawn, ".bar", "x", "y", "width", "height")
    wanted = [across(1), up(2), across(2) - across(1) - 1, up(0) - up(2)]
    assert [float(value) for value in bar] == pytest.approx(wanted, abs=1e-6)
    rules = [numbers(path) for [path] in marks(drawn, ".rule", "d")]
    assert rules[0] == pytest.approx([across(5), up(-1), up(3)])
    assert rules[1] == pytest.approx([across(7.5), up(-1), up(1)])
    dots = [[float(value) for value in dot] for dot in marks(drawn, ".dot", "cx", "cy", "r")]
    assert dots[0] == pytest.approx([across(10), up(3), 6])
    # The scale behind has the same panel and its own ends.
    assert [across(5), (TOP + BOTTOM) / 2, 2] in [pytest.approx(dot) for dot in dots]
    [handle] = marks(drawn, ".handle", "cx", "cy")
    assert [float(value) for value in handle] == pytest.approx([across(5), up(1)])


def test_a_second_panel_stands_below_the_first(drawn: Page) -> None:
    dots = [[float(value) for value in dot] for dot in marks(drawn, ".dot", "cx", "cy", "r")]
    # 200 px of the first panel, 150 of its own, 26 of them for the numbers below an axis without a label.
    assert dots[-1] == pytest.approx([LEFT, 200 + 150 - 26, 3])


def test_ticks_are_at_their_values_and_those_not_given_are_round(drawn: Page) -> None:
    texts = {text: place[:2] for text, *place in labels(drawn)}
    assert texts["10"][1] == pytest.approx(BOTTOM + 19)
    assert texts["3"] == pytest.approx([LEFT - 8, up(3) + 4])
    assert texts["across"] == pytest.approx([(LEFT + RIGHT) / 2, BOTTOM + 39])
    # About one tick per 44 px on 114 px: steps of 50 from 0 to 97; across one per 64 px: steps of 0.2.
    second = [text for text in texts if text in {"0", "50", "97", "100", "20", "40"}]
    assert "50" in second
    assert not {"97", "100", "20", "40"} & set(second)
    assert {"0.2", "0.4", "0.6", "0.8"} <= set(texts)


def test_labels_stand_beside_their_dots_and_apart(drawn: Page) -> None:
    texts = {text: place for text, *place in labels(drawn)}
    assert texts["high"][:2] == pytest.approx([across(1) + 14, up(1.1) - 12])
    assert texts["low"][1] == pytest.approx(texts["high"][1] + 17)
    assert texts["floor"][:2] == pytest.approx([across(9) - 14, BOTTOM - 12])
    assert (texts["high"][2], texts["floor"][2]) == ("start", "end")
    assert texts["middle"][:2] == pytest.approx([across(5) + 8, up(1) - 4])


@pytest.mark.parametrize(("pointer", "level"), [(0.2, 0), (2.3, 2.5), (9.0, 3.0), (-5.0, -1.0)])
def test_a_dragged_point_is_read_back_to_the_nearest_step(drawn: Page, pointer: float, level: float) -> None:
    box = drawn.locator("svg").bounding_box()
    assert box is not None
    drawn.mouse.move(box["x"] + across(5), box["y"] + up(1))
    drawn.mouse.down()
    drawn.mouse.move(box["x"] + across(5), box["y"] + up(pointer))
    drawn.mouse.up()
    assert drawn.evaluate("model.get('level')") == level
    assert drawn.locator(".readout").inner_text() == f"The level is {level:g}."
