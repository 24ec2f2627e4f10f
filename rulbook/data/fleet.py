"""A fleet: engines run to failure, engines cut off before it, and how long those had left.

Everything in :mod:`rulbook.data` works on tables with one row per engine and cycle, the columns ``unit`` and ``cycle``,
the rows of an engine together and in order of its cycles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook._check import shown, whole
from rulbook.data.columns import CMAPSS_COLUMNS, Columns, lacking
from rulbook.data.layout import SENSORS_14, SETTINGS
from rulbook.errors import InputError
from rulbook.horizon import Horizon

__all__ = ["CutRange", "EngineRuns", "Fleet", "engine_runs", "require_rows"]


@dataclass(frozen=True)
class CutRange:
    """Where in their lives engines run to failure may be cut, so that they look like a fleet's test engines.

    Attributes:
        shortest_rul: Rows that are left after the cut, at least.
        longest_rul: Rows that are left, at most; None: as many as the life allows.
        shortest_history: Rows that stay before the cut, if the engine lived that long; None: those of a window.

    Raises:
        ValueError: If a number is below 1, or the longest is below the shortest.
    """

    shortest_rul: int = 1
    longest_rul: int | None = None
    shortest_history: int | None = None

    def __post_init__(self) -> None:
        shortest = whole("shortest_rul", self.shortest_rul, 1)
        if self.longest_rul is not None and whole("longest_rul", self.longest_rul, 1) < shortest:
            raise InputError(f"longest_rul is {self.longest_rul}: it must be at least shortest_rul, {shortest}.")
        if self.shortest_history is not None:
            whole("shortest_history", self.shortest_history, 1)

    def keeping(self, window: int) -> CutRange:
        """The same range for whoever looks at ``window`` rows: at least so many stay."""
        return replace(self, shortest_history=max(window, self.shortest_history or window))


@dataclass(frozen=True, eq=False)
class Fleet:
    """Engines to train on and engines to be judged by.

    Attributes:
        subset: The name of the data set, such as ``"FD001"``.
        train: Engines run to failure: ``unit``, ``cycle``, the settings, the sensors.
        test: Engines cut off at some point of their life, same columns.
        test_rul: True RUL of each test engine after its last cycle, in the order of ``test``, in cycles.
        settings: The columns that say how the engine was operated.
        sensors: The columns that a model should see.
        horizon: Window, cap, health thresholds or measured health classes, and unit of time that suit these machines.
        columns: What these columns were called in the user's table, and what was left out of it.
        n_conditions: Operating conditions; None: as many as are found in the settings.
        cut: Where engines run to failure may be cut to look like the test engines.
    """

    subset: str
    train: pd.DataFrame
    test: pd.DataFrame
    test_rul: NDArray[np.float64]
    settings: tuple[str, ...] = SETTINGS
    sensors: tuple[str, ...] = SENSORS_14
    horizon: Horizon = Horizon()  # noqa: RUF009
    columns: Columns = CMAPSS_COLUMNS
    n_conditions: int | None = None
    cut: CutRange = CutRange()

    def __post_init__(self) -> None:
        if (self.columns.setting_names, self.columns.sensor_names) != (self.settings, self.sensors):
            object.__setattr__(self, "columns", self.columns.restricted(self.settings, self.sensors))

    def __repr__(self) -> str:
        rows = f"{self.horizon.time_unit}s"
        return (
            f"Fleet({self.subset}: {self.train['unit'].nunique()} training engines, {len(self.train):,} {rows}; "
            f"{len(self.test_rul)} test engines, {len(self.test):,} {rows})"
        )


class EngineRuns(NamedTuple):
    """Where each engine lies in a table: ``units`` (E,), row of its first cycle (E,), number of cycles (E,)."""

    units: NDArray[Any]
    first: NDArray[np.int64]
    length: NDArray[np.int64]

    @property
    def last(self) -> NDArray[np.int64]:
        """Row of each engine's last cycle, shape (E,)."""
        return self.first + self.length - 1


def engine_runs(frame: pd.DataFrame) -> EngineRuns:
    """Find the engines of a table, in order of appearance.

    Raises:
        ValueError: If ``unit`` or ``cycle`` is missing, an engine's rows are apart, or its cycles do not rise.
    """
    require_columns(frame, ("unit", "cycle"))
    unit, cycle = frame["unit"].to_numpy(), frame["cycle"].to_numpy()
    if len(unit) == 0:
        return EngineRuns(unit, np.zeros(0, np.int64), np.zeros(0, np.int64))
    changes = unit[1:] != unit[:-1]
    first = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    units = unit[first]
    apart = pd.Series(units).duplicated()
    if apart.any():
        raise InputError(f"frame has the rows of engine {units[apart][0]} in two places: sort it by unit and cycle.")
    stuck = np.flatnonzero(~changes & ~(cycle[1:] > cycle[:-1]))
    if len(stuck):
        row = stuck[0]
        raise InputError(
            f"frame has engine {unit[row]} at cycle {cycle[row + 1]} right after cycle {cycle[row]}: cycles must rise."
        )
    return EngineRuns(units, first, np.diff(np.append(first, len(unit))))


def require_columns(frame: pd.DataFrame, columns: Sequence[str], source: str = "frame") -> None:
    """Refuse a table that lacks one of ``columns``."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(lacking(frame, list(map(str, missing)), source))


def require_rows(
    frame: pd.DataFrame,
    columns: Sequence[str],
    source: str = "frame",
    lines: NDArray[np.int64] | None = None,
) -> None:
    """Refuse a table without rows, without a column, with a value that is no finite number, or with cycles below 1.

    ``lines`` are the lines of the file that the rows were read from, for the message.
    """
    require_columns(frame, ("unit", "cycle", *columns), source)
    if len(frame) == 0:
        raise InputError(f"{source} is empty: at least one cycle of one engine is needed.")
    for name in ("cycle", *columns):
        column = frame[name]
        if not holds_numbers(column):
            row = next((row for row, value in enumerate(column) if not is_number(value)), 0)
            kind = "" if isinstance(column.iloc[row], str) else f", not {column.dtype}"
            raise InputError(
                f"{source} holds {shown(column.iloc[row])} in column {name}: "
                f"it must hold numbers only{kind}. See {where_in(frame, row, lines)}."
                + (_COUNTED if name == "cycle" and not is_number(column.iloc[row]) else "")
            )
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(numbers).all():
            row = int(np.argmin(np.isfinite(numbers)))
            remedy = (
                "Is a field empty, or the file cut off?"
                if lines is not None
                else "Fill it from the cycle before, or drop the row."
            )
            raise InputError(
                f"{source} holds {numbers[row]} in column {name}, row {row + 1}: "
                f"every value must be finite. {remedy}{_details(frame, row, lines)}"
            )
    if frame["unit"].isna().any():
        place = where_in(frame, int(frame["unit"].isna().to_numpy().argmax()), lines)
        raise InputError(f"{source} has a row without a unit, {place}: each row must say which engine it belongs to.")
    cycles = frame["cycle"].to_numpy(dtype=np.float64)
    wrong = np.flatnonzero((cycles < 1) | (cycles != np.round(cycles)) | (cycles > _LARGEST_WHOLE))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{source} holds cycle {cycles[row]:g} in row {row + 1}: cycles are whole numbers from 1, "
            f"up to 2^53.{_details(frame, row, lines)}"
            + (" Add 1 if they count from 0." if cycles[row] == 0 else _COUNTED if cycles[row] % 1 else "")
        )


def _details(frame: pd.DataFrame, row: int, lines: NDArray[np.int64] | None) -> str:
    return where_in(frame, row, lines).removeprefix(f"row {row + 1}")


def holds_numbers(column: pd.Series) -> bool:
    """Whether a column is of whole or broken numbers: no text, dates, categories, True and False."""
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return False
    return bool(column.dtype.kind != "c")


def where_in(frame: pd.DataFrame, row: int, lines: NDArray[np.int64] | None = None) -> str:
    """The place of a row in words: its number from 1, its line in a file, its engine and cycle, as far as known."""
    known = [] if lines is None else [f"line {lines[row]}"]
    for name, word in (("unit", "engine"), ("cycle", "cycle")):
        if name in frame.columns and not pd.isna(value := frame[name].iloc[row]):
            known.append(f"{word} {value}")
    return f"row {row + 1}" + (f" ({', '.join(known)})" if known else "")


# Of dates and broken hours, which are no cycles.
_COUNTED = " To count rows instead: frame.groupby(unit).cumcount() + 1."
# Up to here every whole number is a float64 of its own.
_LARGEST_WHOLE = 2.0**53
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def is_number(value: Any) -> bool:
    """Whether it is a number, or a text that is one as every language writes it: no 1_2, no other digits, no nan."""
    if isinstance(value, (bool, np.bool_)):
        return False
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float, np.number)) and not isinstance(value, (complex, np.complexfloating))
