"""The built book: how it is built, served and opened by the tests."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request

ROOT = Path(__file__).resolve().parents[1]
STRICT = ("-W", "--keep-going")
"""What the Makefile gives to ``jupyter-book build`` too: a warning fails, and all of them are shown."""

FIGURE = 'script[type="application/vnd.rulbook.figure+json"]'
"""Where a page has a live figure: the tag with its numbers."""

Theme = Literal["light", "dark"]


def build_book(source: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Build the book in ``source`` into ``output/_build/html``, from stored outputs, as the Makefile does."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", source, "--path-output", output, *STRICT]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class _GzipHandler(SimpleHTTPRequestHandler):
    """Serves files as a host of static pages does: gzip for text, ten minutes of cache, and a count of bytes sent."""

    protocol_version = "HTTP/1.1"
    server: BookServer

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_dir():
            file /= "index.html"
        if not file.is_file():
            self.send_error(404)
            return
        kind = self.guess_type(file.name)
        body = file.read_bytes()
        self.send_response(200)
        if kind.startswith(("text/", "application/javascript", "application/json", "image/svg")):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)
        self.server.sent[urlsplit(self.path).path] += len(body)

    def log_message(self, *_: object) -> None:
        """Keep the test log quiet."""


class BookServer(ThreadingHTTPServer):
    """A local server that remembers how many bytes of body it sent for each path."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_GzipHandler, directory=str(folder)))
        self.sent: defaultdict[str, int] = defaultdict(int)
        self.url = f"http://127.0.0.1:{self.server_port}/"


@dataclass
class BookPage:
    """An open page, and what went wrong on it so far."""

    page: Page
    outside_requests: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("console", lambda m: m.type == "error" and self.console_errors.append(m.text))
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "file"} and parts.hostname != "127.0.0.1":
            self.outside_requests.append(request.url)

    def goto(self, url: str) -> None:
        """Open ``url`` and wait until the fonts, the mathematics and the live figures are in place."""
        self.page.goto(url, wait_until="load")
        if self.page.locator(FIGURE).count():
            self.page.wait_for_function("document.documentElement.dataset.anyhost === 'done'")
        self.page.evaluate(
            """async () => {
                 await window.MathJax?.startup?.promise;
                 await document.fonts.ready;
                 await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
               }"""
        )
