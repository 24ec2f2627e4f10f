"""Labels: remaining useful life, the cap, health classes from it or measured (sections 14.1 and 11.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rulbook._check import above, finite, finite_number, flat, same_length, shown
from rulbook.data.fleet import engine_runs, where_in
from rulbook.errors import InputError
from rulbook.horizon import HEALTH_THRESHOLDS, MAX_RUL, MeasuredHealth

__all__ = ["cap", "health_labels", "measured_labels", "rul_labels"]


def rul_labels(frame: pd.DataFrame, *, last_rul: ArrayLike = 0) -> NDArray[np.float64]:
    r"""RUL at every row: the cycles from there to the engine's last row, plus what was left after it.

    .. math:: y_t = (t_\text{last} - t) + y_\text{last}

    For engines run to failure the last cycle has RUL 0 here; others count the failing cycle itself and start at 1.
    The choice shifts every label by one cycle, so state it beside a result. For engines cut off before failure, such
    as NASA's test engines, ``last_rul`` is the true RUL of each.

    Args:
        frame: A table of engines.
        last_rul: RUL at the last row in cycles: one number, or one for each engine in order of appearance.

    Returns:
        RUL in cycles, shape (rows,), not capped.

    Raises:
        ValueError: If ``last_rul`` is negative, not finite, or does not match the engines.
    """
    runs = engine_runs(frame)
    try:
        left = np.asarray(last_rul, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"last_rul is {shown(last_rul)}: it must be a number, or one for each engine.") from error
    finite("last_rul", left)
    if left.ndim == 2 and left.shape[1] == 1:
        left = left.reshape(-1)
    if left.ndim > 1:
        raise InputError(f"last_rul has shape {left.shape}: it must be a number, or one for each engine.")
    if left.ndim == 0:
        left = np.full(len(runs.units), left)
    same_length("last_rul", left, "the list of engines", runs.units)
    if np.any(left < 0):
        raise InputError(f"last_rul holds {left.min():g}: an engine cannot have fewer than 0 cycles left.")
    cycle = frame["cycle"].to_numpy(dtype=np.float64)
    return np.asarray(np.repeat(cycle[runs.last] + left, runs.length) - cycle)


def cap(rul: ArrayLike, max_rul: float = MAX_RUL) -> NDArray[np.float64]:
    r"""The capped RUL, :math:`\min(y, R_\text{max})`, in cycles (section 14.1).

    Raises:
        ValueError: If ``max_rul`` is not positive or a value is not finite.
    """
    return np.minimum(flat("rul", rul), above("max_rul", max_rul, 0))


def health_labels(rul: ArrayLike, thresholds: tuple[float, float] = HEALTH_THRESHOLDS) -> NDArray[np.int64]:
    """Health class from RUL: 0 normal above the first threshold, 2 critical up to the second, 1 degrading between.

    Args:
        rul: RUL in cycles, capped or not: both give the same classes as long as the cap is above the thresholds.
        thresholds: (a, b) means normal for RUL > a, degrading for b < RUL <= a, critical for RUL <= b.

    Raises:
        ValueError: If the thresholds do not fall or a value is not finite.
    """
    try:
        normal, critical = thresholds
    except (TypeError, ValueError) as error:
        raise InputError(f"thresholds is {shown(thresholds)}: it must be two numbers, the larger first.") from error
    if not finite_number("thresholds[0]", normal) > finite_number("thresholds[1]", critical):
        raise InputError(f"thresholds is {thresholds}: the first must be greater than the second.")
    y = flat("rul", rul)
    return (y <= normal).astype(np.int64) + (y <= critical)


def measured_labels(frame: pd.DataFrame, health: MeasuredHealth, source: str = "frame") -> NDArray[np.int64]:
    """The measured health class at every row: its place in ``health.classes``.

    A row without a class has that of the row before it, of the same engine.

    Args:
        frame: A table of engines, with the column that ``health`` names.
        health: The column and its classes. It holds their names, or their places from 0.
        source: What to call the table in a message.

    Returns:
        Shape (rows,).

    Raises:
        ValueError: If the column is missing, holds what is no class, or is empty where an engine begins.
    """
    if health.column not in frame.columns:
        raise InputError(f"{source} lacks the column {health.column}, the health class that was measured.")
    column = frame[health.column]
    codes = {name: place for place, name in enumerate(health.classes)}
    found = np.full(len(frame), -1, dtype=np.int64)
    empty = column.isna().to_numpy()
    values = column.astype(object).to_numpy()
    for row in np.flatnonzero(~empty).tolist():
        value = values[row]
        place = codes.get(value.strip()) if isinstance(value, str) else _place(value, len(codes))
        if place is None:
            raise InputError(
                f"{source} holds {shown(value)} in column {health.column}, {where_in(frame, row)}: a health class "
                f"must be one of {', '.join(health.classes)}, or its place from 0."
            )
        found[row] = place
    runs = engine_runs(frame)
    if empty[runs.first].any():
        first = int(runs.first[empty[runs.first]][0])
        raise InputError(
            f"{source} has no health class in column {health.column}, {where_in(frame, first)}: an engine must have "
            "one from its first row on."
        )
    if empty.any():
        # The last row with a class at or before each row: it lies in the same engine, since each begins with one.
        found = found[np.maximum.accumulate(np.where(empty, 0, np.arange(len(frame))))]
    return found


def _place(value: object, classes: int) -> int | None:
    """A number as the place of a class; None if it is none."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    return int(value) if 0 <= value < classes and value == int(value) else None
