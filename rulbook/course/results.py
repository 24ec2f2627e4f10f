"""The measured numbers of the book: small files under ``book/results``, each written by a script of this repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook._book import book_root
from rulbook._check import existing_file
from rulbook._needs import needed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_json", "read_table", "results_folder"]


def results_folder() -> Path:
    """The folder ``book/results``: the copy that came with the installed package, or the clone's own.

    Raises:
        FileNotFoundError: If there is neither.
    """
    return book_root() / "book" / "results"


def read_json(name: str) -> Any:
    """The content of ``book/results/<name>.json``.

    Raises:
        ValueError: If there is no such file.
    """
    return json.loads(existing_file("name", results_folder() / f"{name}.json").read_text(encoding="utf-8"))


def read_table(name: str) -> pd.DataFrame:
    """The table in ``book/results/<name>.csv``.

    Raises:
        ValueError: If there is no such file.
    """
    with needed():
        import pandas as pd
    return pd.read_csv(existing_file("name", results_folder() / f"{name}.csv"))
