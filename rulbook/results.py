"""The measured numbers of the book: small files under ``book/results``, each written by a script of this repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rulbook._check import existing_file

__all__ = ["read_json", "read_table", "results_folder"]


def results_folder() -> Path:
    """The folder ``book/results``, found upwards from the working directory, else beside the package.

    Raises:
        FileNotFoundError: If neither place has it, as when the package was installed without the book.
    """
    starts = [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[1]]
    for start in starts:
        folder = start / "book" / "results"
        if folder.is_dir():
            return folder
    raise FileNotFoundError("book/results was not found: run this from a clone of the book.")


def read_json(name: str) -> Any:
    """The content of ``book/results/<name>.json``."""
    return json.loads(existing_file("name", results_folder() / f"{name}.json").read_text(encoding="utf-8"))


def read_table(name: str) -> pd.DataFrame:
    """The table in ``book/results/<name>.csv``."""
    return pd.read_csv(existing_file("name", results_folder() / f"{name}.csv"))
