"""In JupyterLab with a live kernel: what the reader drags, Python reads; what Python sets, the figure shows."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[3]
CELLS = (
    "from rulbook.widgets import GradientDensity\nfigure = GradientDensity()\nfigure",
    "print('rul:', figure.rul, 'w_max:', figure.w_max, 'subset:', figure.subset)",
    "figure.w_max = 4.5\nfigure.subset = 'FD003'",
)


MARK = "<script>document.body.dataset.trusted = 'yes'</script>"
"""Runs in a notebook that JupyterLab trusts, and in no other."""


def trusted(notebook: Path, folder: Path) -> None:
    """A copy of the notebook that JupyterLab trusts as if its reader had run it here."""
    content = nbformat.read(notebook, as_version=4)
    content.cells[2].outputs.append(nbformat.v4.new_output("display_data", {"text/html": MARK}))
    nbformat.write(content, folder / "trusted.ipynb")
    data = folder / ".jupyter" / "DATA"
    data.mkdir(parents=True)
    notary = NotebookNotary(data_dir=str(data))
    notary.sign(nbformat.read(folder / "trusted.ipynb", as_version=4))


@pytest.fixture(scope="module")
def lab(stored_notebook: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab of our own, on this machine only, with two notebooks in it."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(stored_notebook, folder / "stored.ipynb")
    trusted(stored_notebook, folder)
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "figure.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "IdentityProvider.token": "",
        "ServerApp.allow_root": "True",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.open_browser": "False",
        "ServerApp.port": str(port),
        "ServerApp.root_dir": str(folder),
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": "None",
    }
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        **{f"JUPYTER_{name}_DIR": str(folder / ".jupyter" / name) for name in ("CONFIG", "RUNTIME", "DATA")},
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in settings.items())]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=1)
                break
            except OSError:
                assert server.poll() is None, (folder / "lab.log").read_text()
                time.sleep(0.5)
        yield f"{address}/lab/tree/"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def notebook(lab: str, browser: Browser) -> Iterator[Page]:
    """The notebook, open, its kernel idle."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{lab}figure.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").nth(2).wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
    yield page
    context.close()


def run_cell(page: Page, index: int) -> Locator:
    """Run a cell as a reader does, and return it. JupyterLab drops keys while it settles: press until it counts."""
    cell = page.locator(".jp-CodeCell").nth(index)
    for _ in range(20):
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Shift+Enter")
        try:
            expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[(\*|\d+)\]"), timeout=3_000)
        except AssertionError:
            continue
        return cell
    raise AssertionError(f"JupyterLab never ran cell {index}.")


def test_what_is_dragged_is_read_in_the_next_cell_and_what_is_set_is_shown(notebook: Page) -> None:
    page, figure = notebook, notebook.locator(".rulbook-figure")
    run_cell(page, 0)
    readout = figure.locator(".readout")
    expect(readout).to_contain_text("At RUL 5 the weighted loss pulls 1.96×", timeout=60_000)

    handle = figure.locator(".handle").bounding_box()
    drawing = figure.locator("svg").bounding_box()
    assert handle is not None
    assert drawing is not None
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(drawing["x"] + drawing["width"] / 2, handle["y"], steps=8)
    page.mouse.up()
    shown = re.search(r"At RUL (\d+) ", readout.inner_text())
    assert shown is not None
    assert 50 < int(shown[1]) < 80
    figure.get_by_label("Weight at failure").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    figure.get_by_label("Training set").select_option("FD002")

    printed = run_cell(page, 1).locator(".jp-OutputArea-output")
    expect(printed).to_have_text(f"rul: {int(shown[1])}.0 w_max: 2.3 subset: FD002", timeout=60_000)

    run_cell(page, 2)
    expect(figure.get_by_label("Training set")).to_have_value("FD003", timeout=60_000)
    expect(figure.get_by_label("Weight at failure")).to_have_value("4.5")
    expect(readout).to_contain_text("In FD003, ")


@pytest.mark.parametrize(("name", "trust"), [("stored", None), ("trusted", "yes")])
def test_a_notebook_not_yet_run_shows_pictures(lab: str, browser: Browser, name: str, trust: str | None) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(f"{lab}{name}.ipynb")
    picture = page.locator(".jp-OutputArea-output img").first
    expect(picture).to_be_visible(timeout=60_000)
    assert picture.evaluate("(image) => image.naturalWidth") > 600
    # A widget without its script would take its time, and then say that it failed.
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']:visible").wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)
    assert page.evaluate("document.body.dataset.trusted ?? null") == trust
    assert page.locator(".jupyter-widgets, .jp-OutputArea-output:has-text('Error')").count() == 0
    expect(page.locator(".jp-OutputArea-output img:visible").first).to_be_visible()
    context.close()
