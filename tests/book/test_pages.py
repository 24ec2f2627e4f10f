"""Every built page: complete, quiet, light, readable for everyone, and at home on a phone and on a USB stick."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from builtbook import ROOT, BookPage, BookServer
from playwright.sync_api import Browser, expect

LANDING_LIMIT = 450_000
FORMULAS = 330_000
"""MathJax and its fonts: what the first page with a formula costs more."""
NEXT_PAGE_LIMIT = 200_000
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def toc_documents() -> list[str]:
    """Every document that _toc.yml names, the landing page first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = [toc["root"]]

    def walk(entry: object) -> None:
        if isinstance(entry, dict):
            if "file" in entry:
                found.append(entry["file"])
            for value in entry.values():
                walk(value)
        elif isinstance(entry, list):
            for item in entry:
                walk(item)

    walk(toc.get("parts", toc.get("chapters", [])))
    return found


PAGES = [f"{document}.html" for document in toc_documents()]
EVERY_PAGE = pytest.mark.parametrize("path", [*PAGES, "search.html"])


@cache
def soup(html: Path) -> BeautifulSoup:
    return BeautifulSoup(html.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(html: Path) -> set[str]:
    return {element["id"] for element in soup(html).find_all(id=True)}


def violations(opened: BookPage, **run_only: object) -> list[str]:
    """What axe-core finds wrong on the page, one line for each element; what is right it need not list."""
    options = {"runOnly": run_only, "resultTypes": ["violations"]}
    result = Axe().run(opened.page, options=options).response
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]}"
        for rule in result["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "touch"), [(1280, False), (390, True)], ids=["wide", "narrow"])
@EVERY_PAGE
def test_page_is_quiet_fits_the_screen_and_is_accessible(open_page, path, width, touch):
    opened = open_page(path, width=width, touch=touch)
    page = opened.page
    assert opened.outside_requests == []
    assert opened.console_errors == []
    assert page.locator("mjx-merror").count() == 0, page.locator("mjx-merror").all_inner_texts()
    # One pixel is rounding; more is a page that slides sideways under the thumb.
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 1
    assert violations(opened, type="tag", values=WCAG) == []

    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert violations(opened, type="rule", values=["color-contrast", "link-in-text-block"]) == []


@pytest.mark.browser
def test_pages_are_light(browser: Browser, book_server: BookServer, book_html: Path):
    """Bytes over the wire, with gzip and a cache as hosts of static pages have them: as the first page, and later."""
    assert PAGES[0] == "book/index.html"
    heavy = []
    for path in PAGES:
        with browser.new_context() as fresh:
            before = sum(book_server.sent.values())
            BookPage(fresh.new_page()).goto(book_server.url + path)
            sent = sum(book_server.sent.values()) - before
            limit = LANDING_LIMIT + FORMULAS * bool(soup(book_html / path).select(".math"))
            heavy += [f"{path} as the first page: {sent}"] * (sent > limit)
    with browser.new_context() as reader:
        opened = BookPage(reader.new_page())
        opened.goto(book_server.url + PAGES[0])
        opened.goto(book_server.url + "book/notation.html")
        for path in PAGES[1:]:
            before = sum(book_server.sent.values())
            opened.goto(book_server.url + path)
            sent = sum(book_server.sent.values()) - before
            heavy += [f"{path} as a later page: {sent}"] * (sent > NEXT_PAGE_LIMIT)
    assert heavy == []


@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES)
def test_page_works_from_a_folder(browser: Browser, book_html: Path, path):
    """Opened as a file: no server, no network, mathematics set."""
    with browser.new_context() as context:
        opened = BookPage(context.new_page())
        opened.goto((book_html / path).as_uri())
        assert opened.outside_requests == []
        assert opened.console_errors == []
        formulas = opened.page.locator(".math.notranslate").count()
        assert opened.page.locator(".math.notranslate mjx-container").count() >= formulas


@pytest.mark.browser
def test_the_colour_theme_can_be_changed_and_is_remembered(open_page, book_url):
    opened = open_page("book/notation.html", theme="light")
    page, button = opened.page, opened.page.locator(".theme-switch-button").first
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-theme", "light")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for _ in range(3):
        if theme.get_attribute("data-mode") == "dark":
            break
        button.click()
    expect(theme).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != background
    opened.goto(book_url + "book/references.html")
    expect(theme).to_have_attribute("data-theme", "dark")


@pytest.mark.browser
def test_a_dark_page_prints_on_white_with_nothing_folded_away(open_page):
    exercises = next((path for path in PAGES if "exercises" in path), PAGES[0])
    page = open_page(exercises, theme="dark").page
    folds = page.locator("article details")
    closed = folds.evaluate_all("all => all.filter((fold) => !fold.open).length")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert folds.evaluate_all("all => all.every((fold) => fold.open)")
    page.emulate_media(media="screen", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert folds.evaluate_all("all => all.filter((fold) => !fold.open).length") == closed


@pytest.mark.browser
def test_search_finds_a_page(open_page):
    opened = open_page("search.html?q=remaining")
    expect(opened.page.locator("#search-results li a").first).to_be_visible()
    assert opened.outside_requests == []
    assert opened.console_errors == []


@pytest.mark.browser
def test_the_contents_open_on_a_phone(open_page):
    opened = open_page(PAGES[0], width=390, touch=True)
    contents = opened.page.get_by_role("link", name="Notation")
    expect(contents).to_have_count(0)
    opened.page.locator(".primary-toggle").first.tap()
    expect(contents).to_be_visible()


def test_the_build_has_a_page_for_every_entry_and_no_other(book_html):
    built = {html.relative_to(book_html).as_posix() for html in book_html.rglob("*.html")}
    own = {path for path in built if "/_static/" not in f"/{path}"}
    moved = ROOT / "book" / "moved"
    led_on = {html.relative_to(moved).as_posix(): html.read_text(encoding="utf-8") for html in moved.rglob("*.html")}
    assert own - {"index.html", "genindex.html", "search.html"} == set(PAGES) | set(led_on)
    for path, text in led_on.items():
        named = re.findall(r'(?:href="|url=)([\w.-]+\.html)"', text)
        assert len(named) == 3
        assert {(Path(path).parent / name).as_posix() for name in named} <= set(PAGES), path


@EVERY_PAGE
def test_links_and_files_resolve(book_html, path):
    document = soup(book_html / path)
    missing = []
    for tag, attribute in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href"), ("source", "src")):
        for element in document.find_all(tag, attrs={attribute: True}):
            target = urlsplit(urljoin(f"/{path}", element[attribute]))
            if target.scheme or target.netloc:
                assert tag == "a", f"{path} loads {element[attribute]} from outside."
                continue
            file = book_html / unquote(target.path).lstrip("/")
            if not file.is_file():
                missing.append(element[attribute])
            elif target.fragment and file.suffix == ".html" and tag == "a":
                missing += [element[attribute]] * (unquote(target.fragment) not in anchors(file))
    assert missing == []


def test_the_site_holds_no_program_that_no_page_loads(book_html):
    """Every script and style is named by a page, imported by a style, or one of MathJax's own parts."""
    pages = [html for html in book_html.rglob("*.html") if "_static" not in html.parts]
    loaded = {
        (html.parent / unquote(urlsplit(element[attribute]).path)).resolve()
        for html in pages
        for tag, attribute in (("script", "src"), ("link", "href"))
        for element in soup(html).find_all(tag, attrs={attribute: True})
    }
    for style in [file for file in loaded if file.suffix == ".css"]:
        imports = re.findall(r'@import (?:url\()?"([^"]+)"', style.read_text(encoding="utf-8"))
        loaded |= {(style.parent / name).resolve() for name in imports}
    programs = [file for kind in ("*.js", "*.mjs", "*.css") for file in book_html.rglob(kind)]
    assert len(programs) > 30
    unused = [file for file in programs if file.resolve() not in loaded and "mathjax" not in file.parts]
    assert [file.relative_to(book_html).as_posix() for file in unused] == []
    assert list(book_html.rglob("*.map")) == []


def test_the_site_is_small(book_html):
    """A third of what the theme would leave: no source maps, icon fonts, translations."""
    size = {file: file.stat().st_size for file in book_html.rglob("*") if file.is_file()}
    stored = sum(count for file, count in size.items() if {"_sources", "_images", "_downloads"} & set(file.parts))
    assert sum(size.values()) - stored < 6_000_000
    # What the download button of a page gives, and nothing else.
    sources = {f"../{file.relative_to(book_html).as_posix()}" for file in size if "_sources" in file.parts}
    offered = {a["href"] for html in book_html.rglob("*.html") for a in soup(html).select('a[href*="_sources/"]')}
    assert {Path(place).name for place in sources} == {Path(place).name for place in offered}


@pytest.mark.parametrize("path", PAGES)
def test_every_picture_says_what_it_shows(book_html, path):
    """Jupyter Book writes a file's path where a description is missing, and accessibility checkers let that pass."""
    seen: set[str] = set()
    for image in soup(book_html / path).select("article img"):
        alt = (image.get("alt") or "").strip()
        assert len(alt) >= 20, f"{image.get('src')} is described by {alt!r}: at least 20 characters are needed."
        assert not alt.endswith((".png", ".svg", ".jpg")), f"{alt!r} is a path."
        assert "/" not in alt or " " in alt, f"{alt!r} is a path."
        assert alt not in seen, f"{alt!r} describes two pictures of {path}."
        seen.add(alt)
