"""Collect the records of the benchmark into one table, one row per run.

    rulbook sweep book/results/benchmark.toml --out book/results/benchmark
    python book/measure/benchmark_table.py

The first command does what is still to do; the second writes ``book/results/benchmark.csv``, which the pages read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rulbook.files import write_atomically
from rulbook.runs.comparison import collect

RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> None:
    """Read the records, write the table, say what is there."""
    parser = argparse.ArgumentParser(description="Collect run records into one table.")
    parser.add_argument("--runs", type=Path, default=RESULTS / "benchmark", help="folder of the sweep")
    parser.add_argument("--to", type=Path, default=RESULTS / "benchmark.csv", help="the CSV to write")
    args = parser.parse_args()
    table = collect(args.runs)
    write_atomically(args.to, table.to_csv(index=False))
    counts = table.pivot_table(index=["split", "method"], columns="dataset", values="seed", aggfunc="count")
    print(counts.fillna(0).astype(int))
    print(f"wrote {len(table)} runs to {args.to}")


if __name__ == "__main__":
    main()
