"""Collect the records of the benchmark into one table, one row per run.

    rulbook sweep book/results/benchmark.toml --out book/results/benchmark
    python book/measure/benchmark_table.py

The first command does what is still to do; the second writes ``book/results/benchmark.csv``, which the pages read.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rulbook.course.measurement import Bench, measurement
from rulbook.runs.comparison import collect

ROOT = Path(__file__).resolve().parents[2]


@measurement(
    "The runs of the benchmark, one row each: settings, scores, norms, weights, speed and the day of the run.",
    pages=(
        "11-dual-task-model",
        "12-gradient-imbalance",
        "13-accuracy-and-safety",
        "14-failure-biased-mse",
        "17-inverse-gradient-weights",
        "results",
    ),
    minutes=0.1,
    cheap=True,
    result="benchmark.csv",
    made_from=("benchmark", "benchmark.toml"),
)
def measure(bench: Bench, runs: Path = Path("book/results/benchmark")) -> pd.DataFrame:
    """Read the records of the sweep's folder ``runs``, and say what is there."""
    # The default is a folder of the clone, wherever the script is called.
    folder = runs if runs.is_absolute() or runs.is_dir() else ROOT / runs
    table = collect(folder)
    counts = table.pivot_table(index=["split", "method"], columns="dataset", values="seed", aggfunc="count")
    print(counts.fillna(0).astype(int))
    return table


if __name__ == "__main__":
    measure.main()
