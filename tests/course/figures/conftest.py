"""A small book with every figure on a page and all on one, and Chromium to open it with the network refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
import yaml
from livefigures import OpenFigures, Watched
from nbclient import NotebookClient
from playwright.sync_api import Browser, BrowserContext, Request, Route

from rulbook.course.figures import figure_names
from rulbook.course.storing import without_programs

BUILDERS = ("myst_nb", "jupyter_book", "sphinx_comments", "sphinx_external_toc", "sphinx_book_theme")
FIGURES = figure_names()
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def stored_notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that shows every figure, executed and stored as ours are: with numbers, without programs."""
    cells = [nbformat.v4.new_markdown_cell("# Every figure")]
    for name in FIGURES:
        cells.append(nbformat.v4.new_markdown_cell(f"## {name}"))
        cells.append(nbformat.v4.new_code_cell(f"from rulbook.widgets import {name}\n{name}()"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    path = tmp_path_factory.mktemp("stored") / "figures.ipynb"
    nbformat.write(without_programs(notebook), path)
    return path


@pytest.fixture(scope="session")
def figures_page(stored_notebook: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that Jupyter Book builds from that notebook, with nothing of the book but the host script.

    Beside it stands a page for each figure alone, which opens in a fraction of the time.
    """
    source = tmp_path_factory.mktemp("figures")
    (source / "assets").mkdir()
    shutil.copy(ROOT / "book" / "assets" / "anyhost.js", source / "assets")
    shutil.copy(stored_notebook, source)
    for name in FIGURES:
        alone = nbformat.read(stored_notebook, as_version=4)
        alone.cells = [alone.cells[0], *(cell for cell in alone.cells[1:] if re.search(rf"\b{name}\b", cell.source))]
        nbformat.write(alone, source / f"{name}.ipynb")
    settings = {
        "extensions": [*BUILDERS, "rulbook.course.site"],
        "html_static_path": ["assets"],
        "mathjax_path": "there-is-no-formula-here.js",
        "nb_ipywidgets_js": {},
    }
    config = {"execute": {"execute_notebooks": "off"}, "sphinx": {"config": settings}}
    (source / "_config.yml").write_text(yaml.safe_dump(config))
    toc = {"format": "jb-book", "root": "figures", "chapters": [{"file": name} for name in FIGURES]}
    (source / "_toc.yml").write_text(yaml.safe_dump(toc))
    command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-4000:]
    return source / "_build" / "html" / "figures.html"


@pytest.fixture
def open_figures(browser: Browser, figures_page: Path) -> Iterator[OpenFigures]:
    """``open_figures(only=None, theme="light", width=1280, touch=False)``: the page from the disk, its figures drawn.

    ``only`` names a figure to be opened alone.
    """
    contexts: list[BrowserContext] = []

    def open_(
        *,
        only: str | None = None,
        theme: str = "light",
        width: int = 1280,
        touch: bool = False,
        reduced: str = "no-preference",
    ) -> Watched:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, has_touch=touch, reduced_motion=reduced
        )
        contexts.append(context)
        watched = Watched(context.new_page())

        def judge(route: Route, request: Request) -> None:
            if urlsplit(request.url).scheme in {"file", "blob", "data"}:
                route.continue_()
            else:
                watched.refused.append(request.url)
                route.abort()

        context.route("**/*", judge)
        page = watched.page
        page.on("console", lambda message: message.type == "error" and watched.errors.append(message.text))
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        # When the last figure was drawn, in milliseconds since the navigation began.
        page.add_init_script(
            """new MutationObserver(() => {
                 if (document.documentElement.dataset.anyhost) window.drawnAt ??= performance.now();
               }).observe(document, { attributes: true, subtree: true });"""
        )
        page.goto((figures_page if only is None else figures_page.with_name(f"{only}.html")).as_uri())
        page.wait_for_function("window.drawnAt !== undefined")
        return watched

    yield open_
    for context in contexts:
        context.close()
