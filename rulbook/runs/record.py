"""The record of a finished run, ``record.json``: what stands in it, how it is written, and how it is read.

Nobody else knows how the file is laid out. :func:`write_record` is called in one place, at the end of
:func:`rulbook.runs.run.run`; whoever wants to know something about a run reads a :class:`Record`. What is longer than a
line, such as the prediction for each test engine, lies in a table beside the record, which the record names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from rulbook._check import existing_file, shown, whole
from rulbook._json import json_object
from rulbook._needs import needed
from rulbook.errors import InputError
from rulbook.files import one_line, write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FORMAT",
    "Band",
    "ChosenByTest",
    "Gradients",
    "Machine",
    "OtherProtocols",
    "Quartiles",
    "Record",
    "RecordError",
    "Scores",
    "read_history",
    "read_predictions",
    "read_record",
    "read_records",
    "write_record",
]

FORMAT = 2
"""Of the records that are written now. It rises with every entry that is added or means something else.

1 had no bands of RUL, no checksum of the data, no tables beside it, and did not say its number.
"""


class RecordError(InputError):
    """A ``record.json`` that is damaged, or that another version wrote. The message names the file and the entry."""


@dataclass(frozen=True)
class Scores:
    """What a model is worth on some windows.

    Attributes:
        rmse: In units of time of the fleet, such as cycles.
        nasa_score: A sum over the windows; None if it is larger than any number (:func:`rulbook.metrics.nasa_score`).
        health_accuracy: Share of windows in the right class, in [0, 1].
        health_macro_f1: F1, averaged over the classes, in [0, 1].
    """

    rmse: float
    nasa_score: float | None
    health_accuracy: float
    health_macro_f1: float

    @classmethod
    def of(cls, scores: Mapping[str, float]) -> Scores:
        """From :meth:`rulbook.inference.Evaluation.scores`, or from a row of a history."""
        chosen = {name: float(scores[name]) for name in _SCORES}
        nasa = chosen.pop("nasa_score")
        return cls(nasa_score=nasa if math.isfinite(nasa) else None, **chosen)


@dataclass(frozen=True)
class ChosenByTest(Scores):
    """The epoch with the lowest test RMSE, which nobody can know without the answers.

    Attributes:
        epoch: Counted from 1.
    """

    epoch: int


@dataclass(frozen=True)
class OtherProtocols:
    """What the same run would have been credited with under protocols that papers use.

    Attributes:
        uncapped: The last window of each test engine, against its true RUL as it is given, above the cap too.
        all_windows: Every window of each test engine, labels capped, so that long-lived engines count more.
        best_test_epoch: The epoch that the test engines would have chosen.
    """

    uncapped: Scores
    all_windows: Scores
    best_test_epoch: ChosenByTest


@dataclass(frozen=True)
class Band:
    """The test engines whose true RUL lies between two bounds, and how far off the predictions are there.

    Attributes:
        above: The true RUL is larger than this; None: no lower bound.
        up_to: The true RUL is at most this; None: no upper bound.
        engines: How many.
        rmse: None where there is no engine.
        bias: Mean of predicted minus true RUL; positive is late. None where there is no engine.
    """

    above: float | None
    up_to: float | None
    engines: int
    rmse: float | None
    bias: float | None


@dataclass(frozen=True)
class Quartiles:
    """Of a quantity over the probes of a run. None where it is no number: one of the two gradients was zero."""

    q1: float | None
    median: float | None
    q3: float | None


@dataclass(frozen=True)
class Gradients:
    """What the gradients of both tasks were like (section 12.1).

    Attributes:
        where: On which parameters they were measured.
        probes: How often.
        norm_ratio: Norm of the RUL task's gradient over that of the health task's.
        cosine: Between the two.
    """

    where: str
    probes: int
    norm_ratio: Quartiles
    cosine: Quartiles


@dataclass(frozen=True)
class Machine:
    """Where a run was done.

    Attributes:
        device: The name of the graphics card, or ``"cpu"``.
        threads: Of PyTorch.
        processor: Its architecture.
        cores: As the system counts them.
        torch_build: PyTorch's version with what it was built for, such as ``"2.13.0+cpu"``.
    """

    device: str
    threads: int
    processor: str | None = None
    cores: int | None = None
    torch_build: str | None = None


@dataclass(frozen=True)
class Record:
    """What is known of a finished run.

    Attributes:
        data: What the data were, as :meth:`rulbook.data.Prepared.describe` says it.
        config: The settings, as :class:`rulbook.training.TrainingConfig` has them.
        config_hash: Twelve digits that change when anything that decides the result changes.
        selected_epoch: The epoch that the validation engines chose, counted from 1.
        epochs: How many were done.
        validation: Scores of the chosen epoch on the validation windows.
        test: On the test engines, one prediction each; None if there are none.
        other_protocols: None if there are no test engines.
        task_weights: Mean weights of RUL and health in the *chosen* epoch.
        last_task_weights: In the last epoch.
        training_seconds: Time in epochs.
        windows_per_second: Training windows over that time.
        versions: Of rulbook and what it computes with, the same for all builds of a version.
        machine: Where it was done.
        date: The day, as 2026-11-24.
        gradients: None if the run made no probes.
        notes: What steps noted, in words, and in how many steps.
        wall_seconds: Time from the data to the record.
        bands: Error and bias on the test engines by true RUL, from the shortest on. They meet at the health
            thresholds, and there are none where health is measured.
        data_checksum: Twelve digits that change when any row or label that the run saw changes.
        history: The name of the table beside the record with a row for each epoch, for :func:`read_history`.
        predictions: The same with a row for each test engine, for :func:`read_predictions`.
        format: See :data:`FORMAT`.
    """

    data: Mapping[str, Any]
    config: Mapping[str, Any]
    config_hash: str
    selected_epoch: int
    epochs: int
    validation: Scores | None
    test: Scores | None
    other_protocols: OtherProtocols | None
    task_weights: tuple[float, float]
    last_task_weights: tuple[float, float]
    training_seconds: float
    windows_per_second: float
    versions: Mapping[str, str]
    machine: Machine
    date: str
    gradients: Gradients | None = None
    notes: Mapping[str, int] = field(default_factory=dict)
    wall_seconds: float | None = None
    bands: tuple[Band, ...] = ()
    data_checksum: str | None = None
    history: str | None = None
    predictions: str | None = None
    format: int = FORMAT

    @property
    def dataset(self) -> str:
        """The name of the fleet."""
        return str(self.data["subset"])

    @property
    def split(self) -> str:
        """What was held out to choose the epoch: whole ``"engines"``, or ``"windows"``, which leaks."""
        return str(self.data["split"])

    @property
    def method(self) -> str:
        """A name in :data:`rulbook.methods.METHODS`."""
        return str(self.config["method"])

    @property
    def preset(self) -> str:
        """The network: a name in :data:`rulbook.model.PRESETS`."""
        return str(self.config["preset"])

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.config["seed"])

    @property
    def steps_until_chosen(self) -> int:
        """Optimiser steps until the end of the chosen epoch."""
        return self.selected_epoch * -(-int(self.data["windows"]["train"]) // int(self.config["batch_size"]))

    def to_row(self) -> dict[str, Any]:
        """One flat row of a table: what was run, what it scored under each protocol, what its gradients did.

        Numbers have five significant digits: more than any spread between seeds can use, and the same on every machine
        that reads. What the run does not have is NaN; quartiles of gradients are left out where there are none.
        """
        other = self.other_protocols
        # Of the other protocols the accuracy tells nothing that the F1 does not.
        fewer = ("rmse", "nasa_score", "health_macro_f1")
        quartiles = {
            f"{quantity}_{name}": _rounded(value)
            for quantity in ("norm_ratio", "cosine")
            if self.gradients is not None
            for name, value in asdict(getattr(self.gradients, quantity)).items()
        }
        return {
            "dataset": self.dataset,
            "method": self.method,
            "preset": self.preset,
            "split": self.split,
            "seed": self.seed,
            "epochs": self.epochs,
            "selected_epoch": self.selected_epoch,
            **_columns("validation", self.validation),
            **_columns("test", self.test),
            **_columns("uncapped", None if other is None else other.uncapped, fewer),
            **_columns("all_windows", None if other is None else other.all_windows, fewer),
            "best_test_epoch": math.nan if other is None else other.best_test_epoch.epoch,
            **_columns("best_test", None if other is None else other.best_test_epoch, fewer),
            **quartiles,
            "weight_rul": _rounded(self.last_task_weights[0]),
            "weight_health": _rounded(self.last_task_weights[1]),
            "training_seconds": self.training_seconds,
            "windows_per_second": self.windows_per_second,
            "config_hash": self.config_hash,
            "torch": self.versions["torch"],
            "device": self.machine.device,
            "threads": self.machine.threads,
            "date": self.date,
        }


def write_record(path: str | Path, record: Record) -> None:
    """Write ``record`` to ``path``, whole or not at all; :func:`read_record` gives an equal one back.

    Raises:
        RecordError: If it could not be read again, as with a number that is not finite. Nothing is written then.
    """
    values = asdict(record)
    text = json.dumps({"format": values.pop("format"), **values}, indent=2) + "\n"
    if _parsed(f"record for {str(path)!r}", text) != record:
        raise RecordError(f"record for {str(path)!r} would not be read as it is: data and config must be plain values.")
    write_atomically(path, text)


def read_record(path: str | Path) -> Record:
    """The record in a file that :func:`write_record` wrote, or an earlier version of it.

    Raises:
        RecordError: If it is no JSON, or an entry is missing, unknown or of another kind than it was written with.
        ValueError: If there is no such file.
    """
    file = existing_file("record", path)
    where = f"record {str(path)!r}"
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{where} is damaged: {one_line(error)} {_REMEDY}") from error
    return _parsed(where, text)


def read_records(folder: str | Path) -> list[Record]:
    """The records of all runs in ``folder``, which holds one folder a run, in the order of their names.

    Raises:
        ValueError: If there is none, or one is damaged.
    """
    files = sorted(Path(folder).glob("*/record.json"))
    if not files:
        raise InputError(f"folder {str(folder)!r} holds no */record.json: name the --out folder of a sweep.")
    return [read_record(file) for file in files]


def read_history(path: str | Path) -> pd.DataFrame:
    """One row for each epoch of the run whose record is at ``path``: losses, task weights, scores.

    Raises:
        ValueError: If the record is damaged, names no such table, or it is not there.
    """
    return _table_beside(path, "history")


def read_predictions(path: str | Path) -> pd.DataFrame:
    """One row for each test engine of the run whose record is at ``path``.

    Columns are ``engine``, ``cycle``, ``true_rul`` (not capped), ``rul`` (as predicted), and one of the probability of
    each health class, such as ``probability_normal``. RUL is in units of time of the fleet. Engines that are called by
    numbers come back as numbers.

    Raises:
        ValueError: If the record is damaged, names no such table, or it is not there.
    """
    return _table_beside(path, "predictions")


def _table_beside(path: str | Path, which: str) -> pd.DataFrame:
    with needed():
        import pandas as pd

    name = getattr(read_record(path), which)
    if name is None:
        raise InputError(f"record {str(path)!r} names no table of {which}: its run left none.")
    file = existing_file(f"the table of {which} beside record {str(path)!r}", Path(path).with_name(name))
    try:
        return pd.read_csv(file)
    except ValueError as error:
        raise RecordError(f"{str(file)!r} is damaged: {one_line(error)}.") from error


_REMEDY = "Remove it, and the run is finished anew from what else is in its folder."
# No score comes near it, and a whole number beyond it cannot be shown as one with a point.
_HUGE = 1e300
_KINDS: dict[Any, str] = {str: "a text", int: "a whole number", float: "a number"}
# What is asked of the parts that other classes describe, whatever else they say.
_ASKED: dict[str, dict[str, type]] = {
    "versions": {"torch": str},
    "data": {"subset": str, "split": str},
    "config": {"method": str, "preset": str, "seed": int, "epochs": int},
}


def _parsed(where: str, text: str) -> Record:
    try:
        values = json_object("it", text)
    except InputError as error:
        raise RecordError(f"{where} is damaged: {one_line(error)} {_REMEDY}") from error
    written = values.setdefault("format", 1)
    if isinstance(written, int) and written > FORMAT:
        raise RecordError(f"{where} has the format {written}: a later rulbook wrote it, and this one reads {FORMAT}.")
    try:
        if written != whole("format", written, 1):
            raise _wrong("format", written, "a whole number")
        record: Record = _read(Record, values, "")
        for part, entries in _ASKED.items():
            for name, kind in entries.items():
                _read(kind, _entry(values[part], part, name), f"{part}.{name}")
        for name in ("history", "predictions"):
            _require_beside(name, getattr(record, name))
    except InputError as error:
        raise RecordError(f"{where} is damaged, or of another version: {one_line(error)}. {_REMEDY}") from error
    return record


def _read(hint: Any, value: Any, name: str) -> Any:
    """``value``, as JSON has it, as what ``hint`` names; an InputError says which entry is at fault."""
    origin, inner = get_origin(hint), get_args(hint)
    if NoneType in inner:
        # A part that a run does not have was once written as an empty object.
        (hint,) = (part for part in inner if part is not NoneType)
        return None if value is None or (value == {} and is_dataclass(hint)) else _read(hint, value, name)
    if is_dataclass(hint):
        return _object(hint, value, name)
    if origin is tuple:
        length = None if inner[-1] is Ellipsis else len(inner)
        if not isinstance(value, list) or length not in (None, len(value)):
            raise _wrong(name, value, "a list" if length is None else f"a list of {length}")
        return tuple(_read(inner[0], one, f"{name}[{at}]") for at, one in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object")
        return {key: _read(inner[1], one, f"{name}.{key}") for key, one in value.items()}
    if hint is not Any and not _is(value, hint):
        raise _wrong(name, value, _KINDS[hint])
    return value


def _object(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    hints, parts = get_type_hints(kind), {part.name: part for part in fields(kind)}
    inside = f"{name}." if name else ""
    if unknown := sorted(set(value) - set(parts)):
        raise InputError(f"it has the unknown entry {inside}{shown(unknown[0], 40)[1:-1]}")
    return kind(
        **{
            key: _read(hints[key], value[key], f"{inside}{key}")
            for key, part in parts.items()
            if key in value or _must_be_there(part, inside)
        }
    )


def _must_be_there(part: Field[Any], inside: str) -> bool:
    if part.default is MISSING and part.default_factory is MISSING:
        raise InputError(f"it has no {inside}{part.name}")
    return False


def _entry(values: dict[str, Any], part: str, name: str) -> Any:
    if name not in values:
        raise InputError(f"it has no {part}.{name}")
    return values[name]


def _is(value: Any, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) if kind is int else abs(value) < _HUGE


def _wrong(name: str, value: Any, wanted: str) -> InputError:
    return InputError(f"{name or 'it'} is {shown(value, 40)}, and must be {wanted}")


def _require_beside(name: str, file: str | None) -> None:
    """Refuse a name that leads out of the record's folder."""
    if file is not None and (file in ("", ".", "..") or set(file) & set("/\\:\0")):
        raise _wrong(name, file, "the name of a file beside it")


_SCORES = tuple(part.name for part in fields(Scores))


def _columns(part: str, scores: Scores | None, names: tuple[str, ...] = _SCORES) -> dict[str, float]:
    return {f"{part}_{name}": _rounded(None if scores is None else getattr(scores, name)) for name in names}


def _rounded(value: float | None) -> float:
    return math.nan if value is None else float(f"{value:.5g}")
