"""How a page of the book gets the programs of what stands on it: an extension of Sphinx, named in ``_config.yml``.

Notebooks store numbers. While a notebook is read, the numbers of a figure become a tag of its page; when the page is
written, it is given the scripts and styles of its own figures and walkthroughs, and no others. At the end, what no page
loads is taken out of the site. The book is built without the package's dependencies: standard library and Sphinx only.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from rulbook.course import scripts

__all__ = ["setup"]

Sphinx = Any
"""``sphinx.application.Sphinx``, which none but the builder of the book has."""

_FIGURE = re.compile(f'<script type="{re.escape(scripts.FIGURE_MIME)}" data-script="([^"]*)">')
_WIDGET = '<script type="application/vnd.jupyter.widget-view+json">'
_HOST = "anyhost.js"
_EARLY = 400
"""Priority of our scripts: before MathJax, so that figures do not wait for the mathematics."""

_LEFT_OVER = ("locales", "vendor", "webpack-macros.html", "sbt-webpack-macros.html")
"""What the theme leaves in the static folder: what its own build needs, and an icon font that custom.css replaces."""

_ICONS = re.compile(
    r'@font-face\{[^}]*Font Awesome[^}]*\}|(?:\.fa-[\w-]+:{1,2}before,?)+\{content:"[^"]*"\}'
    r"|/\*# sourceMappingURL=.*?\*/"
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the steps."""
    app.connect("builder-inited", _write)
    app.connect("source-read", _show_figures)
    app.connect("html-page-context", _bring_programs)
    app.connect("html-page-context", _spare_mathematics, priority=900)
    # After the themes' own: they copy files at the end, too.
    app.connect("build-finished", _drop_unused, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx) -> None:
    """Write all programs where pages find them."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for folder in {place.partition("/")[0] for place in scripts.site_files()}:
        shutil.rmtree(static / folder, ignore_errors=True)
    for place, text in scripts.site_files().items():
        (static / place).parent.mkdir(parents=True, exist_ok=True)
        (static / place).write_text(text, encoding="utf-8")


def _show_figures(app: Sphinx, docname: str, source: list[str]) -> None:
    """Of the forms in which a notebook stores a figure, a page takes HTML: the numbers in a tag."""
    if scripts.FIGURE_MIME not in source[0] or not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if stored := output.get("data", {}).pop(scripts.FIGURE_MIME, None):
                numbers = json.dumps(stored, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
                kind = f'type="{scripts.FIGURE_MIME}" data-script="{stored["script"]}"'
                output["data"]["text/html"] = f"<script {kind}>{numbers}</script>"
    source[0] = json.dumps(notebook)


def _bring_programs(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Name on a page the scripts and styles of what stands on it."""
    if app.builder.format != "html":
        return
    body = context.get("body", "")
    if figures := list(dict.fromkeys(_FIGURE.findall(body))):
        app.add_css_file(scripts.STYLE)
        for place in (scripts.KIT, *(f"figures/{address}" for address in figures)):
            app.add_js_file(place, priority=_EARLY, defer="defer")
    if figures or _WIDGET in body:
        app.add_js_file(_HOST, priority=_EARLY, defer="defer")
    if '<div class="wt ' in body:
        script, style = scripts.WALKTHROUGH
        app.add_css_file(style)
        app.add_js_file(script, priority=_EARLY, defer="defer")


def _spare_mathematics(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page without a formula does not load MathJax, the heaviest file of the site."""
    if 'class="math' not in context.get("body", ""):
        kept = [script for script in context["script_files"] if "/mathjax/" not in f"/{script.filename}"]
        context["script_files"][:] = kept


def _drop_unused(app: Sphinx, exception: Exception | None) -> None:
    """Take scripts, styles and source maps that no page loads out of the site."""
    if app.builder.format != "html" or exception is not None:
        return
    site = Path(app.outdir)
    static = site / "_static"
    for name in _LEFT_OVER:
        target = static / name
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    # With the icon font go its faces and the numbers of its two thousand icons.
    style = static / "styles" / "pydata-sphinx-theme.css"
    if style.is_file():
        style.write_text(_ICONS.sub("", style.read_text(encoding="utf-8")), encoding="utf-8")
    loaded = _loaded(site)
    for path in [*site.rglob("*.map"), *site.rglob("*.js"), *site.rglob("*.css")]:
        # MathJax loads its own extensions when a formula needs them.
        if path.resolve() not in loaded and static / "mathjax" not in path.parents:
            path.unlink()
    for place in scripts.site_files():
        folder = (static / place).parent
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _loaded(site: Path) -> set[Path]:
    """The files that pages name in tags, and those that their styles import."""
    found = {
        (page.parent / address.partition("?")[0]).resolve()
        for page in site.rglob("*.html")
        for tag in re.findall(r"<(?:script|link)\b[^>]*>", page.read_text(encoding="utf-8"))
        for address in re.findall(r'(?:src|href)="([^":]+)"', tag)
    }
    for path in [path for path in found if path.suffix == ".css" and path.is_file()]:
        imports = re.findall(r'@import\s+(?:url\()?["\']?([^"\');]+)', path.read_text(encoding="utf-8"))
        found |= {(path.parent / address).resolve() for address in imports}
    return found
