"""The live figures of the built chapters: few bytes, drawn at once, and moved by every one of their controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builtbook import BookPage
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

KEYS = """(control) =>
  control.type === "checkbox" ? ["Space"]
  : control.type !== "range" && control.selectedIndex + 1 === control.options.length ? ["ArrowUp"]
  : ["ArrowDown", "ArrowRight", "ArrowRight"]"""
"""What moves a control by keyboard: a list that stands at its last choice can only go up."""

RESTORE = """(control, before) => {
  if (control.type === "checkbox") { if (control.checked !== before.checked) control.click(); return; }
  control.value = before.value;
  for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, { bubbles: true }));
}"""
"""Every control is tried from the state in which the page opens: what one of them empties, another cannot move."""

STATE = 'script[type="application/vnd.jupyter.widget-state+json"]'


@pytest.fixture(scope="session")
def pages_with_figures(book_html: Path) -> list[str]:
    found = [
        path for path in sorted(book_html.rglob("*.html")) if "rulbook.widgets." in path.read_text(encoding="utf-8")
    ]
    assert found, "no page of the book shows a live figure"
    return [str(path.relative_to(book_html)) for path in found]


def test_pages_carry_less_than_300_kb_for_their_figures(
    pages_with_figures: list[str], open_page: Callable[..., BookPage]
) -> None:
    for path in pages_with_figures:
        states = open_page(path).page.locator(STATE).all_text_contents()
        assert sum(len(text.encode()) for text in states) < 300_000, path


@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_of_every_figure_moves_it(
    pages_with_figures: list[str], open_page: Callable[..., BookPage], width: int
) -> None:
    for path in pages_with_figures:
        page = open_page(path, width=width).page
        figures = page.locator(".rulbook-figure")
        assert figures.count() == page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
        for figure in figures.all():
            for control in figure.locator("input, select").all():
                readout, drawing = figure.locator(".readout").inner_text(), figure.locator("svg").inner_html()
                before = control.evaluate("({ value, checked }) => ({ value, checked })")
                control.focus()
                for key in control.evaluate(KEYS):
                    page.keyboard.press(key)
                expect(figure.locator(".readout")).not_to_have_text(readout)
                assert figure.locator("svg").inner_html() != drawing
                control.evaluate(RESTORE, before)
                expect(figure.locator(".readout")).to_have_text(readout)
