"""Mouse, finger and keyboard on the kit: once for each kind of control and each kind of point that can be dragged.

What holds for a kind holds for every figure that uses it; that a figure hands the kit the right numbers is asked of its
sentence and of its drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from every_control import EveryControl
from livefigures import inputs, mount
from playwright.sync_api import Browser, Locator, Page, expect

from rulbook.course.figures import Choice, Control, Several, Slider, Switch, controls

pytestmark = pytest.mark.browser

DEVICES = ("mouse", "touch", "keyboard")
NAMES = {Slider: "east", Choice: "along", Several: "parts", Switch: "on"}
"""Which control of the figure stands for each kind."""


@pytest.fixture
def open_figure(browser: Browser) -> Iterator[Callable[..., Page]]:
    """``open_figure(device, **state)``: the figure alone on a page, on a phone if it is touched."""
    contexts = []

    def open_(device: str = "mouse", **state: Any) -> Page:
        touch = device == "touch"
        context = browser.new_context(viewport={"width": 390 if touch else 800, "height": 900}, has_touch=touch)
        contexts.append(context)
        page = context.new_page()
        mount(page, EveryControl(**state))
        return page

    yield open_
    for context in contexts:
        context.close()


def box(locator: Locator) -> dict[str, float]:
    locator.scroll_into_view_if_needed()
    found = locator.bounding_box()
    assert found is not None
    return dict(found)


def middle(locator: Locator) -> tuple[float, float]:
    found = box(locator)
    return found["x"] + found["width"] / 2, found["y"] + found["height"] / 2


def pull(page: Page, device: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press at ``start``, move to ``end`` in ten steps, let go; then move on, which must do nothing."""
    if device == "mouse":
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=10)
        page.mouse.up()
        page.mouse.move(end[0] + 50, end[1] + 20)
        return
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    touch("touchStart", start)
    for step in np.linspace(0, 1, 11):
        touch("touchMove", (start[0] + step * (end[0] - start[0]), start[1] + step * (end[1] - start[1])))
    touch("touchEnd")
    session.detach()


def state(page: Page) -> dict[str, Any]:
    """What the inputs say, which is what the traits are and what the sentence tells."""
    found = inputs(page)
    assert page.evaluate("(names) => names.map((name) => model.get(name))", list(found)) == list(found.values())
    assert page.locator(".readout").inner_text() == EveryControl(**found).read_out()
    return found


def move(page: Page, kind: type[Control], device: str) -> Any:
    """Give the control of this kind another value, as a reader does, and return that value."""
    control = page.locator(f"[name={NAMES[kind]}]").first
    if kind is Slider:
        if device == "keyboard":
            control.focus()
            for key in ("ArrowRight", "ArrowUp", "ArrowRight", "ArrowLeft"):
                page.keyboard.press(key)
            return 3.0
        at = box(control)
        thumb = at["x"] + 12 + 0.2 * (at["width"] - 24)
        pull(page, device, (thumb, at["y"] + at["height"] / 2), (at["x"] + at["width"] / 2, at["y"] + at["height"] / 2))
        return 5.0
    if kind is Choice:
        if device == "keyboard":
            control.focus()
            page.keyboard.press("ArrowDown")
        else:
            # The list itself is drawn by the operating system; what reaches the page is the choice.
            control.select_option("y")
        return "y"
    tick = page.get_by_label("c" if kind is Several else "On", exact=True)
    if device == "keyboard":
        tick.focus()
        page.keyboard.press("Space")
    else:
        (tick.tap if device == "touch" else tick.click)()
    return {Several: ["a", "c"], Switch: False}[kind]


def test_there_is_one_of_every_kind() -> None:
    kinds = {kind for kind in vars(controls).values() if isinstance(kind, type) and issubclass(kind, Control)}
    assert {type(control) for control in EveryControl.controls().values()} == kinds - {Control} == set(NAMES)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", NAMES)
def test_a_control_moves_its_trait_and_nothing_else(
    open_figure: Callable[..., Page], kind: type[Control], device: str
) -> None:
    page = open_figure(device)
    before, drawing = state(page), page.locator("svg").inner_html()
    value = move(page, kind, device)
    assert state(page) == {**before, NAMES[kind]: value} != before
    if kind is not Several:
        assert page.locator("svg").inner_html() != drawing


@pytest.mark.parametrize("device", ["mouse", "touch"])
@pytest.mark.parametrize(("along", "moved"), [("x", {"east": 6}), ("y", {"north": 7}), ("xy", {"east": 6, "north": 7})])
def test_a_point_is_dragged_along_its_axes(
    open_figure: Callable[..., Page], along: str, moved: dict[str, float], device: str
) -> None:
    page = open_figure(device, along=along)
    before, handle = state(page), page.locator(".handle")
    # Where the point stands when its controls say so, it is to be pulled to.
    page.evaluate("model.put({ east: 6, north: 7 })")
    goal = middle(handle)
    page.evaluate("(state) => model.put(state)", before)
    pull(page, device, middle(handle), goal)
    assert state(page) == {**before, **moved}


@pytest.mark.parametrize(("along", "name"), [("x", "east"), ("y", "north"), ("xy", "east")])
def test_the_keyboard_of_a_point_is_the_input_of_its_first_axis(
    open_figure: Callable[..., Page], along: str, name: str
) -> None:
    page = open_figure(along=along)
    before = state(page)
    page.mouse.click(*middle(page.locator(".handle")))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert state(page) == {**before, name: before[name] + 1}
    expect(page.locator(".ring")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(".ring")).to_have_count(0)


def test_a_finger_that_scrolls_the_page_moves_no_point(open_figure: Callable[..., Page]) -> None:
    page = open_figure("touch")
    page.add_style_tag(content="body { padding-bottom: 2000px }")
    x, y = middle(page.locator(".handle"))
    before, top = state(page), page.evaluate("scrollY")
    pull(page, "touch", (x + 60, y), (x + 60, y - 250))
    page.wait_for_function("(top) => scrollY > top + 50", arg=top)
    assert state(page) == before


def test_a_finger_on_a_point_that_moves_up_and_down_does_not_scroll(open_figure: Callable[..., Page]) -> None:
    page = open_figure("touch", along="y")
    page.add_style_tag(content="body { padding-bottom: 2000px }")
    x, y = middle(page.locator(".handle"))
    pull(page, "touch", (x, y), (x, y - 150))
    assert page.evaluate("scrollY") == 0
    assert state(page)["north"] > 5


def test_a_click_anywhere_in_the_panel_brings_the_point_there(open_figure: Callable[..., Page]) -> None:
    page = open_figure()
    page.evaluate("model.put({ east: 8 })")
    goal = middle(page.locator(".handle"))[0]
    page.evaluate("model.put({ east: 2 })")
    page.mouse.click(goal, middle(page.locator(".handle"))[1] - 100)
    assert state(page)["east"] == 8


def test_a_click_with_another_button_moves_nothing(open_figure: Callable[..., Page]) -> None:
    page = open_figure()
    before, (x, y) = state(page), middle(page.locator(".handle"))
    page.mouse.click(x + 100, y, button="right")
    assert state(page) == before


def test_a_change_is_spoken_once_the_reader_pauses(open_figure: Callable[..., Page]) -> None:
    page = open_figure()
    status = page.get_by_role("status")
    assert status.inner_text() == ""
    page.locator("input[name=east]").focus()
    page.evaluate(
        """() => {
          window.said = 0;
          new MutationObserver(() => said++).observe(document.querySelector(".spoken"), { childList: true });
        }"""
    )
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(status).to_have_text(page.locator(".readout").inner_text())
    assert page.evaluate("said") == 1
    assert status.get_attribute("aria-live") == "polite"
    assert page.locator("input[name=east]").get_attribute("aria-valuetext") == "4.5 m"


def test_a_change_of_width_redraws_at_the_new_width(open_figure: Callable[..., Page]) -> None:
    page = open_figure()
    wide, letters = box(page.locator("svg"))["width"], "(text) => text.getBoundingClientRect().height"
    height = page.locator("svg text").first.evaluate(letters)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.querySelector('svg').clientWidth < 390")
    assert box(page.locator("svg"))["width"] < 390 < wide
    # Drawn anew, not shrunk: letters stay as large as they were.
    assert page.locator("svg text").first.evaluate(letters) == pytest.approx(height, rel=0.05)
    state(page)


def test_a_figure_that_is_taken_away_leaves_nothing_behind(open_figure: Callable[..., Page]) -> None:
    page = open_figure()
    assert page.evaluate("model.listening()") == 5
    page.evaluate("leave()")
    assert page.evaluate("[model.listening(), el.children.length]") == [0, 0]
