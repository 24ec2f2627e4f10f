"""The measured numbers of the book: small files under ``book/results``, each written by a script of this repository.

The benchmark, all methods on all subsets, is among them: one table and, behind it, the record of every run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook._book import book_root
from rulbook._check import existing_file
from rulbook._needs import needed

if TYPE_CHECKING:
    import pandas as pd

    from rulbook.runs.record import Record

__all__ = ["benchmark_records", "planned_runs", "read_benchmark", "read_json", "read_table", "results_folder"]


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


def read_benchmark(name: str = "benchmark", *, preset: str = "compact", split: str = "engines") -> pd.DataFrame:
    """The committed benchmark, one row per run, as :func:`rulbook.runs.comparison.collect` makes it.

    Args:
        name: ``book/results/<name>.csv``.
        preset: Runs of this network only.
        split: ``"engines"``, or ``"windows"`` for the runs that leak.

    Raises:
        ValueError: If there is no such file.
    """
    table = read_table(name)
    chosen = (table["preset"] == preset) & (table["split"] == split)
    return table[chosen].reset_index(drop=True)


def benchmark_records() -> list[Record]:
    """The record of every run of the benchmark, in the order of their names.

    Raises:
        ValueError: If one is damaged, or there is none.
    """
    from rulbook.runs.record import read_records

    return read_records(results_folder() / "benchmark")


def planned_runs() -> int:
    """How many runs ``book/results/benchmark.toml`` plans."""
    from rulbook.runs.sweep import read_sweep

    return len(read_sweep(results_folder() / "benchmark.toml"))
