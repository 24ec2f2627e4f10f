"""The little that the generators need of nbformat, which is imported when first needed: a check does without it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rulbook._needs import needed

__all__ = ["Cell", "Notebook", "code", "markdown", "notebook", "raw", "read_notebook", "write_notebook"]

Cell = Any  # nbformat's dictionaries with attributes
Notebook = Any

_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def _nbformat() -> Any:
    with needed():
        import nbformat
    return nbformat


def markdown(source: str) -> Cell:
    """A Markdown cell."""
    return _nbformat().v4.new_markdown_cell(source)


def code(source: str) -> Cell:
    """A code cell that has not been run."""
    return _nbformat().v4.new_code_cell(source)


def raw(source: str) -> Cell:
    """A raw cell."""
    return _nbformat().v4.new_raw_cell(source)


def notebook(cells: Iterable[Cell]) -> Notebook:
    """A Python notebook; each cell's id is made from its text, so that it changes only where the source does."""
    seen: Counter[str] = Counter()
    named = list(cells)
    for cell in named:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return _nbformat().v4.new_notebook(cells=named, metadata=_KERNEL)


def read_notebook(path: Path) -> Notebook:
    """The notebook in a file."""
    return _nbformat().read(path, as_version=4)


def write_notebook(path: Path, content: Notebook) -> None:
    """Write a notebook, with the folders on its way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _nbformat().write(content, path)
