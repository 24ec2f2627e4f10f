"""Tables from files and frames: NASA's text format, a CSV with a header, a frame of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rulbook._check import existing_file, finite, same_length
from rulbook.data.facts import COLUMNS, SENSORS_14, SETTINGS
from rulbook.data.fleet import Fleet, engine_runs, is_number, require_columns, require_rows
from rulbook.data.splits import cut_engines, split_engines
from rulbook.errors import InputError

__all__ = ["fleet_from_frame", "read_cmapss_text", "read_table"]

# NASA ends each line with two spaces, which read as two empty columns.
_TRAILING = ("space_1", "space_2")
_DTYPES = {name: np.int64 if name in ("unit", "cycle") else np.float64 for name in COLUMNS}


def read_cmapss_text(path: str | Path) -> pd.DataFrame:
    """Read a file in NASA's format: 26 numbers a line, separated by spaces, no header.

    Raises:
        ValueError: If the file is missing, empty, cut off, or holds something else.
    """
    file = existing_file("path", path)
    # Splitting at single spaces, as NASA writes them, takes half the time of splitting at any white space.
    for separator in (" ", r"\s+"):
        try:
            frame = pd.read_csv(file, sep=separator, header=None, names=[*COLUMNS, *_TRAILING])
        except ValueError:
            continue
        if _is_sound(frame):
            frame = frame[list(COLUMNS)].astype(_DTYPES)
            require_rows(frame, COLUMNS[2:], file.name)
            return frame
    raise InputError(f"{file.name} cannot be read: {_first_fault(file) or 'it is empty.'}")


def read_table(path: str | Path, *, columns: Sequence[str] = (*SETTINGS, *SENSORS_14)) -> pd.DataFrame:
    """Read engines from a CSV with a header line, or from a file in NASA's text format.

    Args:
        path: A CSV with the columns ``unit`` and ``cycle`` and ``columns``, or 26 numbers a line without a header.
        columns: What must be there and hold finite numbers, besides ``unit`` and ``cycle``. Others may hold anything.

    Returns:
        The table, sorted by unit and cycle.

    Raises:
        ValueError: If the file is missing, empty or cut off, lacks a column, or holds a missing or infinite value, text
            where numbers must be, or a cycle below 1.
    """
    file = existing_file("path", path)
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise InputError(f"{file.name} is empty: at least one cycle of one engine is needed.")
    if "," not in first and all(map(is_number, first.split())):
        frame = read_cmapss_text(file)
    elif all(map(is_number, first.split(","))):
        raise InputError(f"{file.name} starts with numbers: a CSV needs a first line that names its columns.")
    else:
        try:
            frame = pd.read_csv(file, skipinitialspace=True, encoding="utf-8-sig")
        except ValueError as error:
            raise InputError(f"{file.name} is no CSV: {str(error).strip()}.") from error
    require_rows(frame, columns, file.name)
    return _in_order(frame, file.name)


def fleet_from_frame(
    frame: pd.DataFrame,
    *,
    unit: str = "unit",
    cycle: str = "cycle",
    settings: Sequence[str] | None = None,
    sensors: Sequence[str] | None = None,
    test: pd.DataFrame | None = None,
    test_rul: ArrayLike | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    name: str = "own",
) -> Fleet:
    """A fleet from a table of your own, one row per engine and cycle.

    Args:
        frame: Engines run to failure, rows in any order.
        unit: The column that names the engine.
        cycle: The column that counts its cycles (flights, hours, charges), from 1.
        settings: The columns that say how it was operated. None: those whose names start with ``setting``.
        sensors: The columns that a model should see. None: every other column of numbers.
        test: Engines cut off before failure, same columns.
        test_rul: RUL after the last cycle of each test engine, in the order of the units, in cycles.
        test_fraction: Without ``test``, this share of the engines is held out and each cut at a random point.
        seed: Decides which engines, and where they are cut.
        name: What to call the fleet.

    Raises:
        ValueError: If a column is missing, a value is not a finite number, a cycle occurs twice or is below 1, or only
            one of ``test`` and ``test_rul`` is given.
    """
    require_columns(frame, (unit, cycle))
    if (test is None) != (test_rul is None):
        raise InputError("test and test_rul belong together: give both or neither.")
    chosen_settings = tuple(_starting_with_setting(frame, (unit, cycle)) if settings is None else settings)
    taken = {unit, cycle, *chosen_settings}
    numbers = [str(column) for column in frame.columns if pd.api.types.is_numeric_dtype(frame[column])]
    chosen = tuple(column for column in numbers if column not in taken) if sensors is None else tuple(sensors)
    if not chosen:
        raise InputError("sensors is empty: the table has no column of numbers besides unit, cycle and settings.")

    def tidy(table: pd.DataFrame, source: str) -> pd.DataFrame:
        require_columns(table, (unit, cycle, *chosen_settings, *chosen), source)
        kept = table[[unit, cycle, *chosen_settings, *chosen]].rename(columns={unit: "unit", cycle: "cycle"})
        require_rows(kept, (*chosen_settings, *chosen), source)
        return _in_order(kept, source)

    train = tidy(frame, "frame")
    if test is not None:
        own_test, own_rul = tidy(test, "test"), np.asarray(test_rul, dtype=np.float64)
        finite("test_rul", own_rul)
        same_length("test_rul", own_rul, "the list of test engines", engine_runs(own_test).units)
    else:
        kept, held_out = split_engines(train["unit"], fraction=test_fraction, seed=seed)
        own_test, own_rul = cut_engines(train[train["unit"].isin(held_out)], seed=seed, cuts=1)
        own_test = own_test.drop(columns="unit").rename(columns={"source_unit": "unit"})[list(train.columns)]
        train = train[train["unit"].isin(kept)].reset_index(drop=True)
    return Fleet(name, train, own_test, own_rul, chosen_settings, chosen)


def _starting_with_setting(frame: pd.DataFrame, taken: Sequence[str]) -> list[str]:
    return [str(name) for name in frame.columns if str(name).startswith("setting") and name not in taken]


def _in_order(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Sorted by engine and cycle; a cycle that an engine has twice is refused."""
    ordered = frame.sort_values(["unit", "cycle"], kind="stable").reset_index(drop=True)
    ordered["cycle"] = ordered["cycle"].astype(np.int64)
    twice = ordered.duplicated(["unit", "cycle"]).to_numpy()
    if twice.any():
        row = ordered.loc[twice, ["unit", "cycle"]].iloc[0]
        raise InputError(f"{source} has cycle {row['cycle']} of engine {row['unit']} twice: once is wanted.")
    return ordered


def _is_sound(frame: pd.DataFrame) -> bool:
    """Whether every line held 26 finite numbers, the first two of them whole, and nothing more."""
    values = [frame[name] for name in COLUMNS]
    return (
        len(frame) > 0
        and all(pd.api.types.is_numeric_dtype(column) and np.isfinite(column.to_numpy()).all() for column in values)
        and all((column % 1 == 0).all() for column in values[:2])
        and all(frame[name].isna().all() for name in _TRAILING)
    )


def _first_fault(file: Path) -> str | None:
    """What is wrong with the first bad line of a file in NASA's format."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            values = line.split()
            if len(values) != len(COLUMNS):
                return f"line {number} has {len(values)} values and {len(COLUMNS)} are wanted. Is the file cut off?"
            for name, value in zip(COLUMNS, values, strict=True):
                if not is_number(value) or not math.isfinite(float(value)):
                    return f"line {number} holds {value!r} as {name}: a finite number is wanted."
                if name in ("unit", "cycle") and not float(value).is_integer():
                    return f"line {number} holds {value!r} as {name}: a whole number is wanted."
    return None


def rul_vector(text: str, source: str) -> NDArray[np.float64]:
    """The RUL values of a file of NASA's, one a line."""
    try:
        values = np.array(text.split(), dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{source} cannot be read: {error}.") from error
    finite(source, values)
    return values
