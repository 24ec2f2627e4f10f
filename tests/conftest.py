"""What every test may lean on: hints are executed, real data and a browser are found or their absence is said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook
from playwright.sync_api import Browser, sync_playwright

# Before torch is imported, here and in the kernels that run the notebooks: on a busy machine two threads that wait for
# each other are slower than one, by far.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shapes and types in the signatures are checked on every call that a test makes.
_hook = install_import_hook("rulbook", "typecheck.check")

hypothesis.settings.register_profile("book", deadline=None, derandomize=True, max_examples=60, database=None)
hypothesis.settings.load_profile("book")

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def real_data_folder() -> Path | None:
    """The folder with NASA's text files, if this machine has it."""
    from rulbook.data import cache_folder

    candidates = [os.environ.get("RULBOOK_DATA"), str(cache_folder())]
    for candidate in candidates:
        if candidate and (Path(candidate) / "train_FD001.txt").is_file():
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def cmapss_folder() -> Path:
    folder = real_data_folder()
    if folder is None:
        (pytest.fail if IN_CI else pytest.skip)("NASA's C-MAPSS files are not here: set RULBOOK_DATA to their folder.")
    return folder


def chromium_path() -> str | None:
    """A Chromium or Chrome that tests can start, if this machine has one."""
    named = os.environ.get("RULBOOK_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    path = chromium_path()
    if path is None:
        (pytest.fail if IN_CI else pytest.skip)("Chromium was not found: browser tests need it.")
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Headless Chromium in which every name but this machine's own fails to resolve."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],
        )
        yield browser
        browser.close()
