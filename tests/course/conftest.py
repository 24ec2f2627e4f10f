"""An empty page, for a figure's script alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    """An empty page of its own."""
    context = browser.new_context(viewport={"width": 800, "height": 900})
    yield context.new_page()
    context.close()
