"""What a measurement declares, and how it runs: arguments, result, provenance, files."""

from __future__ import annotations

import argparse
import datetime
import hashlib
import inspect
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from rulbook._check import above, shown
from rulbook.course.measurement._run import Bench
from rulbook.course.measurement._text import as_text, disagreements, plain
from rulbook.course.results import results_folder
from rulbook.errors import InputError
from rulbook.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ByHand", "Measured", "Measurement", "measurement"]

_TYPES = (int, float, str, Path)


def measurement(
    what: str,
    *,
    pages: tuple[str, ...],
    minutes: float,
    data: tuple[str, ...] = (),
    cheap: bool = False,
    quick: Mapping[str, Any] | None = None,
    result: str | None = None,
    made_from: tuple[str, ...] = (),
    tolerance: float = 1e-6,
) -> Callable[[Callable[..., Any]], Measurement]:
    """Declare a measurement: put this before a function ``measure(bench, ...)`` in ``book/measure/NAME.py``.

    The function returns a dictionary, which becomes JSON, or a pandas table, which becomes CSV.

    Args:
        what: One sentence: what is measured.
        pages: The pages that read it, such as ``"14-failure-biased-mse"``.
        minutes: What it costs on one core.
        data: The data sets that it loads, such as ``"FD001"``.
        cheap: A test may rerun it whole; it takes seconds.
        quick: Arguments of a short version, for ``--quick``.
        result: The file's name in ``book/results``; the default is that of the script, with ``.json``.
        made_from: What else in ``book/results`` it is made from, such as the plan of a sweep.
        tolerance: By how much, and by how large a share, a number may differ when it is measured again.

    Raises:
        ValueError: If a field says nothing or is out of range, or ``quick`` names no argument of the function.
    """

    def declare(function: Callable[..., Any]) -> Measurement:
        return Measurement(function, what, pages, minutes, data, cheap, quick or {}, result, made_from, tolerance)

    return declare


@dataclass(frozen=True)
class Measured:
    """A result, and how it came to be.

    Attributes:
        value: A dictionary of numbers, or a table.
        provenance: Command, arguments, date, seconds, versions, checksums of the data.
    """

    value: dict[str, Any] | pd.DataFrame
    provenance: dict[str, Any]


@dataclass(frozen=True)
class ByHand:
    """A file of ``book/results`` that no script wrote: its numbers were typed in.

    Attributes:
        result: The file's name.
        what: What it holds.
        source: What it was typed in from.
        pages: The pages that read it.
    """

    result: str
    what: str
    source: str
    pages: tuple[str, ...]


class Measurement:
    """A script of ``book/measure``: what it declares, and its function. Made by :func:`measurement`."""

    def __init__(
        self,
        function: Callable[..., Any],
        what: str,
        pages: tuple[str, ...],
        minutes: float,
        data: tuple[str, ...],
        cheap: bool,
        quick: Mapping[str, Any],
        result: str | None,
        made_from: tuple[str, ...],
        tolerance: float,
    ) -> None:
        self.function, self.cheap, self.data, self.made_from = function, cheap, data, made_from
        self.script = Path(function.__code__.co_filename)
        self.name = self.script.stem
        self.what = _sentence(self.name, what)
        self.pages = _names(self.name, "pages", pages)
        self.minutes = above(f"minutes of {self.name}", minutes, 0)
        self.tolerance = above(f"tolerance of {self.name}", tolerance, 0)
        self.result = f"{self.name}.json" if result is None else result
        if Path(self.result).name != self.result or Path(self.result).suffix not in (".json", ".csv"):
            raise InputError(f"result of {self.name} is {shown(self.result)}: it must be a file name in .json or .csv.")
        self.parameters = _parameters(self.name, function)
        self.quick = {**quick}
        unknown = [name for name in quick if name not in self.parameters]
        if unknown:
            raise InputError(f"quick of {self.name} names {unknown[0]!r}, which is no argument of {function.__name__}.")
        self.piece_function: Callable[[Bench], Any] | None = None

    def __repr__(self) -> str:
        return f"Measurement({self.name!r})"

    @property
    def path(self) -> Path:
        """The file in ``book/results``."""
        return results_folder() / self.result

    @property
    def provenance_path(self) -> Path:
        """Where the provenance stands: in the JSON file itself, or beside the table."""
        return self.path if self.path.suffix == ".json" else self.path.with_suffix(".provenance.json")

    def piece(self, function: Callable[[Bench], Any]) -> Callable[[Bench], Any]:
        """Declare what of a long measurement a test reruns: dictionaries may lack keys, and lists end early."""
        self.piece_function = function
        return function

    def run(
        self,
        root: Path | None = None,
        *,
        keep: Path | None = None,
        quiet: bool = True,
        **arguments: Any,
    ) -> Measured:
        """Measure.

        Args:
            root: The folder with the files of the data; None looks where their loader does.
            keep: A file for the parts of a measurement that may be stopped.
            quiet: Print no progress.
            arguments: Of the function; what is not given takes its default.

        Raises:
            ValueError: If an argument is unknown or missing.
        """
        given = self._filled(arguments)
        from rulbook.checkpoint import versions

        key = {
            "script": hashlib.sha256(self.script.read_bytes()).hexdigest(),
            "arguments": _stored(given),
            "versions": versions(),
        }
        bench = Bench(root, data=self.data, keep=keep, key=key, quiet=quiet)
        started = time.perf_counter()
        value = self.function(bench, **given)
        provenance = {
            "command": self.command(given),
            "arguments": _stored(given),
            "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            "seconds": round(time.perf_counter() - started, 1),
            "versions": key["versions"],
            "data": bench.checksums,
        }
        return Measured(plain(value, self.name) if isinstance(value, Mapping) else value, provenance)

    def _piece(self, bench: Bench) -> Any:
        if self.piece_function is None:
            raise InputError(f"{self.name} declares no piece: mark one with @measure.piece, or say that it is cheap.")
        return plain(self.piece_function(bench), self.name)

    def stored(self) -> tuple[Any, dict[str, Any]]:
        """The committed numbers and their provenance.

        Raises:
            ValueError: If a file is missing, or says nothing of its provenance.
        """
        for path in (self.path, self.provenance_path):
            if not path.is_file():
                raise InputError(f"{self.name} has no {path.name} in book/results: run {self.command({})}.")
        facts = json.loads(self.provenance_path.read_text(encoding="utf-8"))
        provenance = facts.pop("provenance", None) if isinstance(facts, dict) else None
        if not isinstance(provenance, dict) or "command" not in provenance:
            raise InputError(f"{self.provenance_path.name} does not say by which command it was written.")
        if self.path.suffix == ".csv":
            return self.path.read_text(encoding="utf-8"), provenance
        return facts, provenance

    def check(self, root: Path | None = None) -> list[str]:
        """Measure again and compare: what is cheap with the stored arguments, of anything else the declared piece.

        Returns:
            Where numbers or data differ, in words.

        Raises:
            ValueError: If nothing is stored, or no piece is declared.
        """
        stored, provenance = self.stored()
        bench = Bench(root, data=self.data)
        given = self._filled(provenance.get("arguments", {}))
        again = self.function(bench, **given) if self.cheap else self._piece(bench)
        measured_on = provenance.get("data") or {}
        found = [
            f"{self.result} was measured on other data named {name}."
            for name, now in bench.checksums.items()
            if measured_on.get(name, now) != now
        ]
        if self.path.suffix == ".csv":
            again, stored = _rows(_table_text(again)), _rows(stored)
        return found + disagreements(
            plain(again, self.name), stored, self.tolerance, piece=not self.cheap, where=self.result
        )

    def write(self, measured: Measured, out: Path | None = None) -> list[Path]:
        """Write the result, whole or not at all: JSON with its provenance, or CSV with a file of it beside."""
        target = self.path if out is None else out
        if isinstance(measured.value, Mapping):
            write_atomically(target, as_text({"provenance": measured.provenance, **measured.value}))
            return [target]
        beside = target.with_suffix(".provenance.json")
        write_atomically(target, _table_text(measured.value))
        write_atomically(beside, as_text({"provenance": measured.provenance}))
        return [target, beside]

    def command(self, arguments: Mapping[str, Any]) -> str:
        """What to type for these arguments; those at their defaults are left out."""
        words = ["python", f"book/measure/{self.script.name}"]
        for name, parameter in self.parameters.items():
            value = parameter.annotation(arguments[name]) if name in arguments else parameter.default
            if parameter.default is inspect.Parameter.empty:
                words.append(name.upper() if value is parameter.default else shlex.quote(str(value)))
            elif value != parameter.default:
                words += [f"--{name.replace('_', '-')}", shlex.quote(str(value))]
        return " ".join(words)

    def default_arguments(self) -> dict[str, Any]:
        """The function's arguments with what they are if nobody says otherwise; None for one that must be given."""
        empty = inspect.Parameter.empty
        return {name: None if one.default is empty else one.default for name, one in self.parameters.items()}

    def main(self, argv: list[str] | None = None) -> None:
        """The command line of the script; what is wrong with its arguments ends it with one line and code 2."""
        try:
            code = self._main(argv)
        except InputError as error:
            print(f"{self.script.name}: {' '.join(str(error).split())}", file=sys.stderr)
            code = 2
        raise SystemExit(code)

    def _main(self, argv: list[str] | None) -> int:
        parser = argparse.ArgumentParser(
            prog=f"python book/measure/{self.script.name}",
            description=f"{self.what} {cost(self.minutes)} on one core.",
        )
        for name, parameter in self.parameters.items():
            kind = parameter.annotation
            if parameter.default is inspect.Parameter.empty:
                parser.add_argument(name, type=kind)
            else:
                parser.add_argument(
                    f"--{name.replace('_', '-')}", type=kind, default=None, help=f"default {parameter.default}"
                )
        parser.add_argument("--out", type=Path, help=f"the file to write; default book/results/{self.result}")
        parser.add_argument("--data", type=Path, help="the folder with the files of the data")
        if self.quick:
            short = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self.quick.items())
            parser.add_argument("--quick", action="store_true", help=f"a short version: {short}; it needs --out")
        parser.add_argument("--check", action="store_true", help="write nothing; compare with the file in place")
        given = vars(parser.parse_args(argv))
        out, root, check, quick = (given.pop(name, None) for name in ("out", "data", "check", "quick"))
        if check:
            found = self.check(root)
            print("\n".join(found) if found else f"{self.result}: what was measured again agrees")
            return int(bool(found))
        if quick and out is None:
            raise InputError("--quick measures less than the book reads: name another file with --out.")
        arguments = {**(self.quick if quick else {}), **{k: v for k, v in given.items() if v is not None}}
        target: Path = self.path if out is None else out
        keep = target.with_name(f"{target.name}.parts")
        measured = self.run(root, keep=keep, quiet=False, **arguments)
        for path in self.write(measured, out):
            print(f"wrote {path}")
        keep.unlink(missing_ok=True)
        return 0

    def _filled(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        unknown = [name for name in arguments if name not in self.parameters]
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise InputError(f"{self.name} has no argument {unknown[0]!r}: it has {known}.")
        given = {}
        for name, parameter in self.parameters.items():
            value = arguments.get(name, parameter.default)
            if value is inspect.Parameter.empty:
                raise InputError(f"{self.name} needs the argument {name!r}.")
            given[name] = parameter.annotation(value)
        return given


def cost(minutes: float) -> str:
    """A duration in words, as it stands in the index."""
    if minutes < 1:
        return "Seconds"
    if minutes < 90:
        return f"About {minutes:.0f} minute{'' if round(minutes) == 1 else 's'}"
    return f"About {minutes / 60:.0f} hours"


def _sentence(name: str, what: str) -> str:
    if not isinstance(what, str) or not what.strip().endswith(".") or len(what.split()) < 3:
        raise InputError(f"what of {name} is {shown(what)}: it must be a sentence that says what is measured.")
    return " ".join(what.split())


def _names(name: str, field: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(values, str) or not values or not all(isinstance(value, str) and value for value in values):
        raise InputError(f"{field} of {name} is {shown(values)}: it must name one page at least, in a tuple.")
    return tuple(values)


def _parameters(name: str, function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments behind ``bench``, with their types."""
    hints = get_type_hints(function)
    found = list(inspect.signature(function).parameters.values())[1:]
    for parameter in found:
        if hints.get(parameter.name) not in _TYPES:
            raise InputError(
                f"the argument {parameter.name!r} of {name} is {shown(hints.get(parameter.name))}: it must be int, "
                "float, str or Path, so that it can be typed."
            )
        if parameter.name in ("out", "data", "check", "quick", "root", "keep", "quiet"):
            raise InputError(f"the argument {parameter.name!r} of {name} is a word of the kit: take another.")
    return {parameter.name: parameter.replace(annotation=hints[parameter.name]) for parameter in found}


def _stored(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.as_posix() if isinstance(value, Path) else value for name, value in arguments.items()}


def _table_text(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False)
    return text


def _rows(text: str) -> list[list[Any]]:
    """The cells of a CSV file, numbers as numbers."""
    import csv

    return [[_cell(cell) for cell in row] for row in csv.reader(text.splitlines())]


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
