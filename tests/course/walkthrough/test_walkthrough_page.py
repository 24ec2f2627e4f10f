"""The page form in a real browser: by mouse, by keyboard, on a phone, in the dark, without scripts."""

# The functions that are walked through bind names in order to be watched.
# ruff: noqa: RET504

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from test_walkthrough import PRED, TARGET, asks_helpers

from rulbook import reference
from rulbook.walkthrough import walkthrough

pytestmark = pytest.mark.browser

DESKTOP, PHONE = 1280, 390
VISIBLE = "states => states.filter(s => s.checkVisibility({visibilityProperty: true})).map(s => s.innerText)"


def broken(pred, target):
    # The residual needs `pred` & `target` of one length: 3 < 6.
    residual = pred[:3] - target
    return residual


@cache
def page_of(theme: str, copies: int = 1) -> str:
    walks = [
        walkthrough(reference.amnl_weighted_mse, PRED, TARGET, notes={"residual": "Late is positive."}),
        walkthrough(broken, PRED, TARGET),
        walkthrough(asks_helpers, [2, 4, 6], depth=1),
        walkthrough(reference.softmax_cross_entropy, np.eye(2), [0, 1]),
    ]
    colors = {"light": "#1f2328; background: #ffffff", "dark": "#dcdfe3; background: #16191d"}
    return f"""<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>Walkthroughs</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ max-width: 696px; margin: 0 auto; padding: 0 16px; color: {colors[theme]}; }}</style>
<main><h1>Walkthroughs</h1>{"".join(walk._repr_html_() for walk in walks) * copies}</main></html>"""


@pytest.fixture
def opened(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page with four walkthroughs on which nothing may be logged."""
    options = {"theme": "light", "width": DESKTOP, "copies": 1, "scripts": True} | getattr(request, "param", {})
    context = browser.new_context(
        viewport={"width": options["width"], "height": 900},
        java_script_enabled=options["scripts"],
        has_touch=options["width"] == PHONE,
    )
    page = context.new_page()
    logged: list[str] = []
    page.on("console", lambda message: logged.append(message.text))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda sent: logged.append(sent.url) if sent.url != "about:blank" else None)
    page.set_content(page_of(options["theme"], options["copies"]))
    yield page
    assert not logged
    context.close()


def on(**options: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", [options], indirect=True)


def chosen(walk: Locator) -> str:
    """What the visible state says."""
    states: list[str] = walk.locator(".wt-state").evaluate_all(VISIBLE)
    assert len(states) == 1
    return states[0]


def code_of(walk: Locator) -> str:
    return walk.locator(".wt-step:has(:checked) .wt-line code").first.inner_text().strip()


@pytest.mark.parametrize("opened", [{"scripts": True}, {"scripts": False}], indirect=True)
def test_a_click_on_a_line_shows_its_state_and_its_note(opened):
    walk = opened.locator(".wt").first
    assert "max_rul" in chosen(walk)
    walk.get_by_text("weights = failure_weights").click()
    assert re.search(r"weights\s+array float64 \(6,\)\s+\[1.96, 1.84, 1.6, 1.28, 1, 1\]", chosen(walk))
    walk.get_by_text("residual = pred - target").click()
    assert "Late is positive." in chosen(walk)
    others = opened.locator(".wt")
    assert "ValueError" in chosen(others.nth(1)), "each walkthrough keeps its own line"


@pytest.mark.parametrize("opened", [{"scripts": True}, {"scripts": False}], indirect=True)
def test_arrow_keys_move_from_line_to_line(opened):
    walk = opened.locator(".wt").first
    walk.locator("label").first.click()
    opened.keyboard.press("ArrowDown")
    assert code_of(walk) == "pred, target = paired(pred, target)"
    opened.keyboard.press("ArrowRight")
    assert "weights" in chosen(walk)
    opened.keyboard.press("ArrowUp")
    assert code_of(walk) == "pred, target = paired(pred, target)"


def test_end_and_home_and_no_running_over_the_ends(opened):
    walk = opened.locator(".wt").first
    walk.locator("label").first.click()
    opened.keyboard.press("ArrowUp")
    assert code_of(walk).startswith("def")
    opened.keyboard.press("End")
    assert code_of(walk).startswith("return")
    opened.keyboard.press("ArrowDown")
    assert code_of(walk).startswith("return")
    opened.keyboard.press("Home")
    assert code_of(walk).startswith("def")
    opened.keyboard.press("Enter")
    assert code_of(walk).startswith("def"), "Enter submits nothing"


def test_buttons_step_and_say_where_one_is(opened):
    walk = opened.locator(".wt").first
    previous, following = walk.get_by_role("button", name="Previous line"), walk.get_by_role("button", name="Next line")
    expect(walk.locator(".wt-count")).to_have_text("1 of 7")
    expect(previous).to_have_attribute("aria-disabled", "true")
    following.click()
    following.press("Enter")
    following.press("ArrowDown")
    expect(walk.locator(".wt-count")).to_have_text("4 of 7")
    assert code_of(walk) == "residual = pred - target"
    for _ in range(3):
        following.click()
    expect(following).to_have_attribute("aria-disabled", "true")
    following.press("Enter")
    assert "returns" in chosen(walk)
    previous.click()
    expect(walk.locator(".wt-count")).to_have_text("6 of 7")


def test_a_run_that_failed_opens_at_the_line_that_raised(opened):
    walk = opened.locator(".wt").nth(1)
    said = chosen(walk)
    assert "operands could not be broadcast together with shapes (3,) (6,)" in said
    assert "The residual needs pred & target of one length: 3 < 6." in said
    assert "not reached" in walk.locator("label").last.inner_text()


def test_a_helper_unfolds_in_the_state(opened):
    walk = opened.locator(".wt").nth(2)
    walk.get_by_text("total = sum").click()
    walk.get_by_text("Inside halved, called 3 times").click()
    assert "return checked(value) / 2" in chosen(walk)
    walk.get_by_text("Inside halved, called").press("ArrowDown")
    assert code_of(walk).startswith("total = sum"), "keys inside the state are left to it"


def test_code_stands_left_of_its_state_and_nothing_jumps(opened):
    walk = opened.locator(".wt").first
    line = walk.locator("label").nth(2)
    box = walk.bounding_box()
    for i in range(7):
        walk.locator("label").nth(i).click()
        assert walk.bounding_box() == box
    state = walk.locator(".wt-state:visible").last.bounding_box()
    assert state["x"] >= line.bounding_box()["x"] + line.bounding_box()["width"]


@on(width=PHONE)
def test_on_a_phone_only_the_chosen_line_is_unfolded_below_itself(opened):
    walk = opened.locator(".wt").first
    for i in (2, 5):
        label = walk.locator("label").nth(i)
        label.tap()
        chosen(walk)
        state, line = walk.locator(".wt-state:visible").bounding_box(), label.bounding_box()
        assert state["y"] == pytest.approx(line["y"] + line["height"], abs=1)
    assert opened.evaluate("document.documentElement.scrollWidth") == PHONE


@pytest.mark.parametrize(
    "opened",
    [{"theme": theme, "width": width} for theme in ("light", "dark") for width in (DESKTOP, PHONE)],
    indirect=True,
)
def test_axe_finds_nothing_and_fingers_find_everything(opened):
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    walks = opened.locator(".wt")
    walks.nth(0).get_by_text("residual = pred - target").click()
    walks.nth(2).get_by_text("total = sum").click()
    walks.nth(2).get_by_text("Inside halved, called").click()
    walks.nth(3).get_by_text("if scores.ndim").click()
    found = Axe().run(opened, options={"runOnly": {"type": "tag", "values": tags}}).response
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    assert {"color-contrast", "target-size", "label"} <= {rule["id"] for rule in found["passes"]}
    targets = opened.locator("label, button, .wt-step:has(:checked) summary")
    heights = targets.evaluate_all("targets => targets.map(target => target.getBoundingClientRect().height)")
    assert min(heights) >= 24


def test_light_and_dark_differ(browser):
    inks = []
    for theme in ("light", "dark"):
        page = browser.new_page()
        page.set_content(page_of(theme))
        inks.append(page.locator(".wt").first.evaluate("e => getComputedStyle(e).color"))
        page.close()
    assert inks == ["rgb(31, 35, 40)", "rgb(220, 223, 227)"]


@on(copies=2)
def test_the_same_walkthrough_twice_on_a_page_stays_two(opened):
    first, second = opened.locator(".wt").nth(0), opened.locator(".wt").nth(4)
    first.locator("label").nth(3).click()
    second.locator("label").nth(5).click()
    assert code_of(first) == "residual = pred - target"
    assert code_of(second).startswith("grad")
    assert opened.evaluate("document.querySelectorAll('[id]').length") == 0


@on(scripts=False)
def test_without_scripts_there_are_no_buttons_that_do_nothing(opened):
    assert opened.get_by_role("button").count() == 0


def test_without_a_style_sheet_every_state_is_read_below_its_line(opened):
    opened.evaluate("document.querySelectorAll('style').forEach(style => style.remove())")
    text = opened.locator(".wt").first.inner_text()
    order = [
        "weights = failure_weights",
        "[1.96, 1.84",
        "residual = pred",
        "Late is positive.",
        "144.67",
        "return loss",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_on_paper_every_state_is_there(opened):
    opened.emulate_media(media="print")
    walk = opened.locator(".wt").first
    states = walk.locator(".wt-state")
    assert len(states.evaluate_all(VISIBLE)) == states.count() == 7
    assert not walk.locator(".wt-nav").is_visible()
