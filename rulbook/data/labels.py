"""Labels: remaining useful life, the cap, three health classes (sections 14.1 and 11.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rulbook._check import above, finite, finite_number, flat, same_length, shown
from rulbook.data.facts import HEALTH_THRESHOLDS, MAX_RUL
from rulbook.data.fleet import engine_runs
from rulbook.errors import InputError

__all__ = ["cap", "health_labels", "rul_labels"]


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
        thresholds: (80, 30) means normal for RUL > 80, degrading for 30 < RUL <= 80, critical for RUL <= 30.

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
