"""The built book, a server for it, and pages that can reach nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builtbook import ROOT, BookPage, BookServer, Theme, build_book
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def book_html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built book: the one that ``RULBOOK_BOOK_HTML`` names, or a fresh strict build."""
    if named := os.environ.get("RULBOOK_BOOK_HTML"):
        assert (Path(named) / "search.html").is_file(), f"RULBOOK_BOOK_HTML is {named!r}: no book is built there."
        return Path(named).resolve()
    output = tmp_path_factory.mktemp("book")
    built = build_book(ROOT, output)
    assert built.returncode == 0, f"The strict build failed:\n{built.stdout[-2000:]}\n{built.stderr[-8000:]}"
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def book_server(book_html: Path) -> Iterator[BookServer]:
    with BookServer(book_html) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def book_url(book_server: BookServer) -> str:
    """Where the built book is served, ending in a slash."""
    return book_server.url


OpenPage = Callable[..., BookPage]


@pytest.fixture
def open_page(browser: Browser, book_url: str) -> Iterator[OpenPage]:
    """``open_page(path, *, theme="light", width=1280, touch=False)``: a page of the book in a context of its own."""
    contexts = []

    def open_(path: str, *, theme: Theme = "light", width: int = 1280, touch: bool = False) -> BookPage:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, has_touch=touch, reduced_motion="reduce"
        )
        contexts.append(context)
        opened = BookPage(context.new_page())
        opened.goto(book_url + path.lstrip("/"))
        return opened

    yield open_
    for context in contexts:
        context.close()
