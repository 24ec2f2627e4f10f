"""The live figures of the built chapters: few bytes, drawn at once, and moved by every one of their controls."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from builtbook import FIGURE, ROOT, BookPage, BookServer
from playwright.sync_api import Browser, expect

from rulbook.course import scripts
from rulbook.course.scripts import FIGURE_MIME as KIND

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

PAGES = [
    path.relative_to(ROOT).with_suffix(".html").as_posix()
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb"))
    if f'"{KIND}"' in path.read_text(encoding="utf-8")
]
"""The pages that show a figure, by what their notebooks hold."""

OURS = ("_static/figures/", "_static/walkthrough/", "_static/anyhost.js")
"""What a page without a figure and a walkthrough has no use for."""


@pytest.fixture(scope="session")
def pages_with_figures(book_html: Path) -> list[str]:
    found = [path for path in sorted(book_html.rglob("*.html")) if KIND in path.read_text(encoding="utf-8")]
    assert len(found) >= 6, "hardly a page of the book shows a live figure"
    return [path.relative_to(book_html).as_posix() for path in found]


def ours(text: str) -> list[str]:
    """The files of figures and walkthroughs that a page names, below the root of the site."""
    named = re.findall(r'(?:src|href)="(?:\.\./)*(_static/[^"?]+)', text)
    return [place for place in named if place.startswith(OURS)]


def test_a_page_loads_the_scripts_of_its_own_figures_and_no_others(book_html: Path) -> None:
    for path in book_html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        wanted = {f"_static/figures/{address}" for address in re.findall(r'data-script="([^"]+)"', text)}
        if wanted:
            wanted |= {f"_static/{scripts.KIT}", f"_static/{scripts.STYLE}", "_static/anyhost.js"}
        if '<div class="wt ' in text:
            wanted |= {f"_static/{place}" for place in scripts.WALKTHROUGH}
        assert sorted(ours(text)) == sorted(wanted), path


def test_pages_hold_numbers_and_no_program_of_a_figure(pages_with_figures: list[str], book_html: Path) -> None:
    for path in pages_with_figures:
        stored = re.findall(
            f'<script type="{re.escape(KIND)}"[^>]*>(.*?)</script>', (book_html / path).read_text("utf-8")
        )
        assert stored
        assert all(set(json.loads(text)) == {"script", "spec", "data", "state"} for text in stored), path
        assert sum(len(text.encode()) for text in stored) < 120_000, path


@pytest.fixture(scope="module")
def moved_book(book_html: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built book in another folder, whose name needs escaping."""
    return Path(shutil.copytree(book_html, tmp_path_factory.mktemp("moved") / "my book, copied"))


def test_figures_are_drawn_from_a_folder_that_was_moved(
    browser: Browser, moved_book: Path, pages_with_figures: list[str]
) -> None:
    with browser.new_context(offline=True) as context:
        for path in pages_with_figures:
            opened = BookPage(context.new_page())
            opened.goto(f"{(moved_book / path).as_uri()}#a-place-on-the-page")
            assert opened.console_errors == []
            assert opened.outside_requests == []
            drawn = opened.page.locator(".rulbook-figure:has(svg g)")
            assert drawn.count() == opened.page.locator(FIGURE).count() > 0
            walkthroughs = opened.page.locator(".wt")
            assert walkthroughs.locator(".wt-nav").count() == walkthroughs.count()
            opened.page.close()


def test_the_kit_is_fetched_once_for_all_pages(
    browser: Browser, book_server: BookServer, pages_with_figures: list[str]
) -> None:
    with browser.new_context() as reader:
        opened = BookPage(reader.new_page())
        opened.goto(book_server.url + pages_with_figures[0])
        kept = {f"/_static/{place}" for place in (scripts.KIT, scripts.STYLE)} | {"/_static/anyhost.js"}
        before = {place: book_server.sent[place] for place in kept}
        assert all(before.values())
        for path in pages_with_figures[1:]:
            opened.goto(book_server.url + path)
        assert {place: book_server.sent[place] for place in kept} == before


def test_the_pages_with_figures_are_those_whose_notebooks_hold_one(pages_with_figures: list[str]) -> None:
    assert pages_with_figures == PAGES


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_of_every_figure_moves_it(path: str, open_page: Callable[..., BookPage], width: int) -> None:
    page = open_page(path, width=width).page
    figures = page.locator(".rulbook-figure")
    assert figures.count() == page.locator(FIGURE).count() > 0
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
