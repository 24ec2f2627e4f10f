"""From what a user types to a fleet: the name of a data set, or files with machines of their own."""

from __future__ import annotations

import argparse
import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook._check import one_of, shown
from rulbook.cli._words import in_words_of_the_shell, said
from rulbook.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from rulbook.data import Columns, Fleet, Horizon

__all__ = [
    "OTHERWISE",
    "OWN",
    "Named",
    "add_machines",
    "fingerprints",
    "fleet_of",
    "measured_in",
    "named",
    "read_machines",
    "rul_of",
    "table_of",
]

OWN = "own_fleet"
"""Under this name a run on files keeps with its data which machines it has seen, and how test machines are cut."""

FILES = """\
A file is a CSV with a line of names (commas, semicolons, tabs or blanks between them), Parquet, or text in
NASA's layout; either packed by gzip if you like. One row for each machine and unit of time, from new to
failure. Several files are put together: all of them need the same columns."""


OTHERWISE = """\
to have it otherwise: --unit, --cycle, --settings, --sensors, --health, --test,
    --window, --cap, --thresholds, --time-unit"""


@dataclass(frozen=True)
class Named:
    """What a command was asked to work on: data sets by name, or files."""

    datasets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def named(words: Sequence[str], dataset: Sequence[str] = (), default: Sequence[str] = ()) -> Named:
    """Sort the words after a command into names of data sets and files.

    Raises:
        ValueError: If a word is neither, or there are some of both.
    """
    from rulbook.data import sources

    known = sources.names()
    for name in dataset:
        one_of("--dataset", name, known)
    if words and dataset:
        raise InputError(f"--dataset is {dataset[0]!r}, and {words[0]!r} is given too: one of them is enough.")
    sets = tuple(word for word in words if word in known)
    files = tuple(word for word in words if word not in known)
    if sets and files:
        raise InputError(f"{sets[0]} is a data set of rulbook's and {files[0]!r} is not: give names or files.")
    for file in files:
        require_file(file, known)
    return Named(tuple(dataset) or sets or (() if files else tuple(default)), files)


def require_file(file: str, known: Sequence[str] = ()) -> None:
    """Refuse what is no file; where the name of a data set would do, with the names of all."""
    path = Path(file)
    if path.is_dir():
        raise InputError(f"{file!r} is a folder: name the files in it.")
    if not path.is_file():
        wanted = (
            f", and no data set: those are {', '.join(known)}"
            if known and path.name == file and not path.suffix
            else ""
        )
        raise InputError(f"{file!r}: no such file{wanted}.")


def add_machines(parser: argparse.ArgumentParser) -> None:
    """What the columns of files are, how far a model looks, and which machines test it."""
    group = parser.add_argument_group("your own files", "what is left away is told from names and contents, and said")
    group.add_argument("--unit", metavar="COLUMN", help="the column that names the machine, such as engine or pump_id")
    group.add_argument("--cycle", metavar="COLUMN", help="the column that counts its time from 1: flight, day, charge")
    group.add_argument("--settings", metavar="A,B", help="the columns that say how it was operated; '' for none")
    group.add_argument(
        "--sensors", metavar="A,B", help="the columns that a model sees (default: all others of numbers)"
    )
    group.add_argument(
        "--health",
        metavar="COLUMN",
        help="the column of a health class that was measured; without it, --thresholds make the classes",
    )
    group.add_argument(
        "--health-classes",
        metavar="A,B",
        help="its classes from the healthiest on (default: by number, or by how much life is left in each)",
    )
    group.add_argument("--test", metavar="FILE", nargs="+", help="machines cut off before failure, same columns")
    group.add_argument(
        "--test-rul", metavar="FILE", help="what each of those had left: a number a line in their order, or a CSV"
    )
    group.add_argument(
        "--test-fraction",
        metavar="SHARE",
        type=float,
        help="without --test: hold out this share, each cut at a random point; 0 for none (default 0.2)",
    )
    group.add_argument(
        "--test-seed", metavar="N", type=int, help="decides which are held out and where they are cut (default 0)"
    )
    group.add_argument("--time-unit", metavar="WORD", help="what a row counts, for the output (default: as --cycle)")
    group.add_argument("--name", metavar="WORD", help="what to call the fleet (default: the first file's name)")
    add_horizon(parser)


def add_horizon(parser: argparse.ArgumentParser) -> None:
    """How far a model looks back and ahead."""
    group = parser.add_argument_group(
        "how far to look", "in units of time; what is left away is C-MAPSS's, whose engines live some 200 flights"
    )
    group.add_argument("--window", metavar="N", type=int, help="rows that a model sees at once (default 30)")
    group.add_argument("--cap", metavar="RUL", type=float, help="cap on labels and predictions (default 125)")
    group.add_argument(
        "--thresholds",
        metavar="A,B",
        help="a machine is normal with more than A left, critical with B or less (default 80,30)",
    )


_ONLY_FOR_FILES = (
    "unit",
    "cycle",
    "settings",
    "sensors",
    "test",
    "test_rul",
    "test_fraction",
    "test_seed",
    "time_unit",
    "name",
    "health",
    "health_classes",
)


def fleet_of(args: argparse.Namespace, asked: Named) -> Fleet:
    """The fleet that was asked for, with the horizon that was asked for.

    Raises:
        ValueError: If a file, a column or a number is at fault; the message names it.
    """
    thresholds = _thresholds(args.thresholds)
    if asked.files:
        fleet = _own_fleet(args, asked.files, thresholds)
    else:
        given = [name for name in _ONLY_FOR_FILES if getattr(args, name) is not None]
        if given:
            option = given[0].replace("_", "-")
            raise InputError(f"--{option} is for files of your own, and {asked.datasets[0]} is a data set.")
        fleet = load(asked.datasets[0], args)
        with in_words_of_the_shell(()):
            horizon = fleet.horizon.with_(window=args.window, max_rul=args.cap, thresholds=thresholds)
        fleet = replace(fleet, horizon=horizon)
    _require_cap(fleet.horizon)
    return fleet


def load(dataset: str, args: argparse.Namespace) -> Fleet:
    """A data set by its name."""
    from rulbook.data import sources

    return sources.load(dataset, args.root, verify=args.verify)


def _own_fleet(args: argparse.Namespace, files: Sequence[str], thresholds: tuple[float, float] | None) -> Fleet:
    from rulbook.data import fleet_from_frame, sources

    tests = args.test or []
    if bool(tests) != (args.test_rul is not None):
        raise InputError("--test and --test-rul belong together: give both or neither.")
    for option, value in (("--test-fraction", args.test_fraction), ("--test-seed", args.test_seed)):
        if tests and value is not None:
            raise InputError(f"{option} is {value}, and --test names the test machines: give one of the two.")
    name = args.name if args.name is not None else _called(files[0], sources.names())
    known = sources.names()
    if not name.strip() or name in known or Path(name).name != name or name in (".", ".."):
        raise InputError(f"--name is {shown(name)}: it must be a word, and none of {', '.join(known)}.")
    frame = table_of(files)
    test = None
    for file in tests:
        require_file(file)
    if tests:
        test = table_of(tests)
    told: list[warnings.WarningMessage]
    with in_words_of_the_shell(files, tests), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fleet = fleet_from_frame(
            frame,
            unit=_label(frame, args.unit),
            cycle=_label(frame, args.cycle),
            settings=_labels(frame, args.settings),
            sensors=_labels(frame, args.sensors),
            test=test,
            test_rul=None if args.test_rul is None else rul_of(args.test_rul),
            test_fraction=0.2 if args.test_fraction is None else args.test_fraction,
            seed=args.test_seed or 0,
            name=name,
            window=args.window,
            max_rul=args.cap,
            thresholds=thresholds,
            time_unit=None if args.cycle is None else time_word(args.cycle),
            health=measured_in(frame, args.health, args.health_classes),
        )
        unit = args.time_unit if args.time_unit is not None else time_word(fleet.columns.cycle)
        fleet = replace(fleet, horizon=replace(fleet.horizon, time_unit=unit))
    for warning in told:
        if text := _unsaid(str(warning.message), fleet):
            warnings.warn(text, stacklevel=2)
    return fleet


def _called(file: str, known: Sequence[str]) -> str:
    """The name of a fleet by its file; a file that is called like a data set keeps its ending."""
    path = Path(file)
    stem = path.name.split(".")[0] or path.name
    return path.name if stem in known else stem


def _unsaid(text: str, fleet: Fleet) -> str:
    """A warning of the fleet without what the first look says anyway."""
    taken = f"{fleet.subset}: columns were taken as follows. Name them to have it otherwise.\n{fleet.columns}"
    text = text.replace(taken, "")
    return said("\n".join(line for line in text.splitlines() if line.strip()))


def time_word(cycle: str | int) -> str:
    """What a row counts, by the column that counts it: ``operating_day`` makes ``operating day``."""
    from rulbook.data.columns import meaning

    label = str(cycle)
    word = re.sub(r"[\s_]+", " ", label).strip().lower()
    word = word.removesuffix(" nr").removesuffix(" no").removesuffix(" number").removesuffix(" id")
    word = word[:-1] if word.endswith("s") and not word.endswith("ss") else word
    plain = len(word) > 2 and word.isascii() and word.replace(" ", "").isalpha()
    if not plain or (meaning(label) == "cycle" and word != "flight"):
        return "cycle"
    return word


def table_of(files: Sequence[str]) -> pd.DataFrame:
    """The rows of all files, one below the other.

    Raises:
        ValueError: If a file cannot be read, or has other columns than the first.
    """
    import pandas as pd

    from rulbook.data import read_frame

    tables = [read_frame(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        more, less = (
            [str(name) for name in one.columns if name not in other.columns]
            for one, other in ((table, tables[0]), (tables[0], table))
        )
        if more or less:
            word, column = ("lacks", less[0]) if less else ("has", more[0])
            raise InputError(f"{file} {word} the column {column}, unlike {files[0]}: files need the same columns.")
    return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)


def read_machines(files: Sequence[str], columns: Columns | Sequence[str], also: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of machines from files, under the names inside the model that they are meant for.

    Raises:
        ValueError: If a file cannot be read, lacks a column, or a machine's time occurs in two files.
    """
    import pandas as pd

    from rulbook.data import Columns, read_table

    for file in files:
        require_file(file)
    tables = [read_table(file, columns=columns) for file in files]
    wanted = list(columns.names) if isinstance(columns, Columns) else ["unit", "cycle", *columns]
    wanted += [name for name in also if all(name in table.columns for table in tables)]
    if len(tables) == 1:
        return tables[0]
    kinds = {str(table["unit"].dtype.kind) for table in tables}
    if len(kinds) > 1:
        raise InputError(f"{files[0]} and another file name machines by numbers and by text: one kind for all.")
    return pd.concat([table[wanted] for table in tables], ignore_index=True)


def rul_of(file: str) -> Any:
    """What test machines had left: numbers in their order, or a table that names them.

    Raises:
        ValueError: If the file is missing or cannot be read.
    """
    from rulbook.data import read_frame
    from rulbook.data.fleet import is_number
    from rulbook.data.textfiles import rul_vector

    require_file(file)
    data = Path(file).read_bytes()
    words = data.decode("utf-8-sig", errors="replace").split()
    if not words:
        raise InputError(f"{file} is empty: a number for each test machine is wanted.")
    if is_number(words[0]):
        return rul_vector(data.decode("utf-8-sig", errors="replace"), Path(file).name)
    return read_frame(file)


def fingerprints(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """A short hash of each machine's rows, in order of appearance: its readings, and not what it is called."""
    import numpy as np

    from rulbook.data import engine_runs

    runs = engine_runs(table)
    values = np.ascontiguousarray(table[["cycle", *names]].to_numpy(dtype=np.float64))
    rows = [slice(first, first + length) for first, length in zip(runs.first, runs.length, strict=True)]
    return [hashlib.sha256(values[place].tobytes()).hexdigest()[:12] for place in rows]


def _thresholds(given: str | None) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        upper, lower = (float(part) for part in given.split(","))
    except ValueError as error:
        raise InputError(f"--thresholds is {shown(given)}: two numbers are wanted, such as 120,40.") from error
    return upper, lower


def measured_in(frame: pd.DataFrame, column: str | None, classes: str | None) -> Any:
    """The health class that a column holds, with its classes where they are given."""
    from rulbook.horizon import MeasuredHealth

    if classes is None:
        return _label(frame, column)
    if column is None:
        raise InputError(f"--health-classes is {shown(classes)}: it goes with --health, which names the column.")
    return MeasuredHealth(column, tuple(part.strip() for part in classes.split(",")))


def _require_cap(horizon: Horizon) -> None:
    if horizon.thresholds is not None and horizon.max_rul < horizon.thresholds[0]:
        raise InputError(
            f"--cap is {horizon.max_rul:g}, but a machine is normal above {horizon.thresholds[0]:g} (--thresholds): "
            "the cap must not lie below."
        )


def _label(frame: pd.DataFrame, given: str | None) -> Any:
    """The column that a word on the command line names; of a table without names, by its number."""
    return None if given is None else {str(label): label for label in frame.columns}.get(given, given)


def _labels(frame: pd.DataFrame, given: str | None) -> list[Any] | None:
    if given is None:
        return None
    return [_label(frame, part.strip()) for part in given.split(",") if part.strip()]
