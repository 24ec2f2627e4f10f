"""Collect run records into one table: one row per run, the columns that a page shows.

For the table of section 14.4:

    for seed in 0 1 2; do
      rulbook train --dataset FD001 --method amnl --seed $seed
      rulbook train --dataset FD001 --method baseline --seed $seed
    done
    python book/measure/run_table.py runs/FD001-* --to book/results/fd001_first_runs.csv
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd


def row(folder: Path) -> dict[str, object]:
    """One run's record, flattened."""
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return {
        "dataset": record["data"]["subset"],
        "method": record["config"]["method"],
        "preset": record["config"]["preset"],
        "seed": record["config"]["seed"],
        "epoch": record["selected_epoch"],
        "validation_rmse": round(record["validation"]["rmse"], 3),
        "test_rmse": round(record["test"]["rmse"], 3),
        "test_nasa_score": round(record["test"]["nasa_score"], 1),
        "test_health_macro_f1": round(record["test"]["health_macro_f1"], 3),
        "training_seconds": record["training_seconds"],
        "config_hash": record["config_hash"],
        "torch": record["versions"]["torch"],
        "device": record["machine"]["device"],
        "threads": record["machine"]["threads"],
        "date": record["date"],
    }


def main() -> None:
    """Read the folders named on the command line, write one CSV."""
    parser = argparse.ArgumentParser(description="Collect run records into one table.")
    parser.add_argument("runs", nargs="+", type=Path, help="folders with a record.json")
    parser.add_argument("--to", required=True, type=Path, help="the CSV to write")
    args = parser.parse_args()
    table = pd.DataFrame([row(folder) for folder in args.runs])
    table.sort_values(["dataset", "preset", "method", "seed"]).to_csv(args.to, index=False)
    print(f"wrote {len(table)} runs to {args.to}")


if __name__ == "__main__":
    main()
