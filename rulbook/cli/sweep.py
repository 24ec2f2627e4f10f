"""``rulbook sweep``: many runs from one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rulbook.cli._arguments import add_root, place
from rulbook.cli._words import say

if TYPE_CHECKING:
    from rulbook.runs.sweep import PlannedRun

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]

SUMMARY = "do many runs that one TOML file plans"
DETAILS = """\
Each [[runs]] table is a grid of datasets, methods, presets, splits and seeds. Finished runs are kept and
never done again; stopped at any moment, the same command goes on. A run that fails stops no other.
Example:

  [defaults]
  epochs = 20

  [[runs]]
  datasets = ["FD001", "FD003"]
  methods = ["baseline", "amnl", "gaba", "grace"]
  seeds = [0, 1, 2, 3, 4]"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sweep", help="the TOML file")
    parser.add_argument("--out", metavar="FOLDER", default="runs", help="one folder per run goes here (default runs)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--plan", action="store_true", help="list the runs and how far each is, and do nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_root(parser)


def run(args: argparse.Namespace) -> int:
    """Do the runs, or list them."""
    from rulbook.runs.sweep import SweepError, read_sweep, run_sweep

    out = place(args.out) or Path("runs")
    runs = read_sweep(args.sweep)
    if args.plan:
        return _plan(runs, out)
    try:
        records = run_sweep(
            runs, out, root=args.root, verify=args.verify, workers=args.workers, progress=not args.quiet
        )
    except SweepError as error:
        print(f"rulbook sweep: {error}", file=sys.stderr)
        return 1
    print(f"{len(records)} runs finished, each with its record.json in {out}/")
    return 0


def _plan(runs: list[PlannedRun], out: Path) -> int:
    """List the runs and how far each is; 1 if a record is damaged."""
    from rulbook.runs.record import RecordError
    from rulbook.runs.sweep import epochs_done, finished_record

    width = max(len(run.name) for run in runs)
    damaged = []
    for run in runs:
        try:
            record = finished_record(run, out)
        except RecordError as error:
            damaged.append(str(error))
            print(f"{run.name:{width}}  damaged record")
            continue
        epochs = epochs_done(run, out)
        state = "finished" if record else f"epoch {epochs}" if epochs else "to do"
        result = f"   test RMSE {record.test.rmse:.2f}" if record and record.test else ""
        print(f"{run.name:{width}}  {state}{result}")
    for line in damaged:
        say(f"rulbook sweep: {line}")
    return 1 if damaged else 0
