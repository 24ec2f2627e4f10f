"""``rulbook predict``: what is left for the machines in files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rulbook._words import counted, plural
from rulbook.cli._arguments import checkpoint_of, place
from rulbook.cli._machines import read_machines
from rulbook.files import write_atomically

if TYPE_CHECKING:
    from rulbook.data import Columns

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]

SUMMARY = "predict RUL and health for machines in files"
DETAILS = """\
Takes files with the columns that the model was trained on, by the names that they had then; other columns
may be there. A model of NASA's engines takes unit, cycle, setting_1 .. setting_3 and its sensors of
s1 .. s21, or text in NASA's layout. Writes machine, time, rul (in the model's unit of time), health and
probability (of that class).

  rulbook predict runs/pumps-amnl-compact-0 today.csv --out predictions.csv
  rulbook predict runs/FD001-amnl-compact-0 test_FD001.txt --every-cycle"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", metavar="RUN", help="folder of a run, or its best.safetensors")
    parser.add_argument("files", metavar="FILE", nargs="+", help="CSV, Parquet, or C-MAPSS text file")
    parser.add_argument("--out", metavar="CSV", help="where to write (default: standard output)")
    parser.add_argument("--every-cycle", action="store_true", help="one line per cycle, not only each machine's last")


def run(args: argparse.Namespace) -> int:
    """Read, predict, write."""
    from rulbook.checkpoint import load_checkpoint
    from rulbook.inference import predict
    from rulbook.look import machine_word

    file = checkpoint_of(args.checkpoint)
    out = place(args.out, keep=(file, *args.files))
    checkpoint = load_checkpoint(file)
    columns = checkpoint.columns
    read = columns or (*checkpoint.preprocessor.settings, *checkpoint.preprocessor.sensors)
    table = predict(checkpoint, read_machines(args.files, read), every_cycle=args.every_cycle)
    machines = table["engine"].nunique()
    if columns is not None:
        table = table.rename(columns=_own_names(columns))
    text = table.to_csv(index=False, float_format="%.3f", lineterminator="\n")
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        machine = "engine" if columns is None else machine_word(columns)
        unit = checkpoint.horizon.time_unit
        rul = "" if unit == "cycle" else f", RUL in {plural(unit)},"
        print(f"{len(table)} predictions for {counted(machines, machine)}{rul} written to {out}")
    return 0


def _own_names(columns: Columns) -> dict[str, str]:
    """The user's names for the first two columns, unless they are the field's or those of the answer."""
    named = {"engine": str(columns.unit), "cycle": str(columns.cycle)}
    taken = ("rul", "health", "probability", "unit")
    return {inside: name for inside, name in named.items() if name not in taken and name.strip()}
