"""Columns that give the answer away: RUL joined in, life spans, counters, row numbers, whatever they are called.

A model that is shown one of these is right on every engine of the table and knows nothing about the next. Two things
betray such a column: its name, and its contents. Contents are held to what the labels are made of: the cycle, the RUL
and the life of each engine. A reading that merely falls towards failure is a sensor, and a good one; a reading that is
the label to within a thousandth is none.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook.data.columns import letters
from rulbook.data.fleet import EngineRuns, engine_runs

__all__ = ["by_contents", "by_name"]

# Share of a column's variance that what determines it may leave: rounding, and the jitter of a clock.
_EXACT = 1e-6
# A straight line through the RUL that leaves less than this is the RUL with noise on it.
_STRAIGHT = 1e-3
# A column that moves one way in every engine and ends alike in all tells the way to the end, if it takes so many steps.
_FEWEST_STEPS, _SHARE_OF_STEPS = 8, 0.25
# So unlikely must it be that readings put engines in the order of their lives by chance.
_CHANCE = 1e-3

_WORD = re.compile(r"rul(?!e|in)[a-z]*|[a-z]*rul|ttf|eol|rtf")
_WHOLE = re.compile(r"(label|target)s?\d*")
_PHRASES = re.compile(
    r"remain(ing|der)?(useful)?(life|cycle|time)|usefullife|timeto(next)?(failure|fail|event|breakdown|eol)"
    r"|(cycle|hour|day|flight|charge)sto(failure|fail|event|breakdown|eol)|(cycle|life|time)s?(left|remaining)"
    r"|max(imum)?cycle|cyclesmax|^cyclemax|life(span|time|length)|endoflife|totallife|totalcycles|lastcycle"
    r"|life(fraction|percent|ratio|pct|norm)|(fraction|percent|share|ratio|pct)(of)?life"
)
_INDEX = frozenset({"index", "rowindex", "level0", "row", "rows", "rowid", "rowno", "rownr", "rownumber"})


def by_name(label: object) -> str | None:
    """Why a column cannot be a sensor by its name; None if nothing speaks against it."""
    text = str(label)
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    plain = letters(text)
    if any(map(_WORD.fullmatch, words)) or _WHOLE.fullmatch(plain) or _PHRASES.search(plain):
        return "gives the answer away, by its name"
    if plain in _INDEX or re.fullmatch(r"unnamed\d+", plain) or not plain:
        return "counts the rows, by its name"
    return None


def by_contents(table: pd.DataFrame, columns: list[Any], order: NDArray[np.intp]) -> dict[Any, str]:
    """Why columns of numbers cannot be sensors by what they hold.

    Args:
        table: Engines run to failure, ``unit`` and ``cycle`` and the ``columns``, sorted.
        columns: Which to look at.
        order: The place in the user's table of each row of ``table``.

    Returns:
        The reasons, for those that something speaks against.
    """
    runs = engine_runs(table)
    cycle = table["cycle"].to_numpy(dtype=np.float64)
    rul = np.repeat(cycle[runs.last], runs.length) - cycle
    reasons = {}
    for column in columns:
        values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        reason = _reason(values, runs, cycle, rul, order, table["unit"])
        if reason is not None:
            reasons[column] = reason
    return reasons


def _reason(
    values: NDArray[np.float64],
    runs: EngineRuns,
    cycle: NDArray[np.float64],
    rul: NDArray[np.float64],
    order: NDArray[np.intp],
    unit: pd.Series,
) -> str | None:
    known = np.isfinite(values)
    if not known.any() or np.ptp(values[known]) <= 1e-9 * np.abs(values[known]).max():
        return None
    # In units of its own spread, so that no square overflows.
    scaled = (values - values[known].mean()) / np.ptp(values[known])
    engine = np.repeat(np.arange(len(runs.units)), runs.length)
    if known.all():
        if _numbers_rows(values, order):
            return "counts the rows of the table"
        level = values[runs.first]
        if np.array_equal(values, level[engine]):
            return _reason_of_constant(level, runs, cycle, unit)
    return _reason_of_course(scaled[known], engine[known], cycle[known], rul[known], runs, known)


def _reason_of_course(
    scaled: NDArray[np.float64],
    engine: NDArray[np.int64],
    cycle: NDArray[np.float64],
    rul: NDArray[np.float64],
    runs: EngineRuns,
    known: NDArray[np.bool_],
) -> str | None:
    """Why a column that changes within engines is no sensor."""
    within, left = _left_by_line_per_engine(scaled, cycle, engine, len(runs.units))
    if within > 0 and left <= _EXACT * within:
        return "only counts: within each engine it is a straight line of the cycle"
    if _left_by_line(scaled, rul) <= _STRAIGHT * scaled.var():
        return "is the remaining life, but for its scale and noise"
    for told, what in ((rul, "the cycles that are left"), (cycle, "the cycles that are behind")):
        if _is_told_by(told, scaled, engine):
            return f"is determined by {what}"
    if known.all() and len(runs.units) > 1 and _ends_alike(scaled, runs):
        return "moves one way only in every engine and ends alike in all: it tells the way to the end"
    return None


def _reason_of_constant(
    level: NDArray[np.float64], runs: EngineRuns, cycle: NDArray[np.float64], unit: pd.Series
) -> str | None:
    """Why a column that is constant in each engine is no sensor: it is the life of the engine, or its number."""
    engines = len(level)
    if pd.api.types.is_numeric_dtype(unit) and np.array_equal(level, unit.to_numpy(dtype=np.float64)[runs.first]):
        return "is the number of the engine"
    life = cycle[runs.last]
    different = len(np.unique(life))
    if engines < 3 or different < 3:
        return None
    if len(np.unique(level)) == engines and np.all(np.diff(level) == level[1] - level[0]):
        return "numbers the engines"
    spread = (level - level.mean()) / np.ptp(level)
    if _left_by_line(spread, life) <= 1e-12 * spread.var():
        return "is the life of each engine"
    by_life = level[np.argsort(life, kind="stable")]
    steps = np.diff(by_life)
    one_for_one = len(np.unique(np.column_stack([life, level]), axis=0)) == different == len(np.unique(level))
    chance = 2.0 / float(np.prod(np.arange(1.0, min(different, 20) + 1)))
    if one_for_one and chance < _CHANCE and ((steps >= 0).all() or (steps <= 0).all()):
        return "is determined by the life of each engine"
    return None


def _numbers_rows(values: NDArray[np.float64], order: NDArray[np.intp]) -> bool:
    """Whether values are whole numbers that rise by the row of the user's table, or number its rows in any order."""
    if len(values) < 3 or np.any(values != np.round(values)):
        return False
    in_place = np.empty_like(values)
    in_place[order] = values
    if np.all(np.diff(in_place) > 0):
        return True
    return bool(np.ptp(values) == len(values) - 1 and len(np.unique(values)) == len(values))


def _left_by_line(values: NDArray[np.float64], told: NDArray[np.float64]) -> float:
    """The variance that a straight line of ``told`` leaves of ``values``."""
    x, y = told - told.mean(), values - values.mean()
    slope = (x @ y) / max(float(x @ x), 1e-300)
    return float(((y - slope * x) ** 2).mean())


def _left_by_line_per_engine(
    values: NDArray[np.float64], cycle: NDArray[np.float64], engine: NDArray[np.int64], engines: int
) -> tuple[float, float]:
    """The sum of squares within engines, and what a line of the cycle of its own leaves of it in each."""
    count = np.maximum(np.bincount(engine, minlength=engines), 1)

    def centred(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(numbers - (np.bincount(engine, numbers, minlength=engines) / count)[engine])

    x, y = centred(cycle), centred(values)
    # Two points always lie on a line: engines of one or two cycles say nothing.
    tells = count[engine] > 2
    x, y, engine = x[tells], y[tells], engine[tells]
    slope = np.bincount(engine, x * y, minlength=engines) / np.maximum(
        np.bincount(engine, x * x, minlength=engines), 1e-9
    )
    return float(y @ y), float(((y - slope[engine] * x) ** 2).sum())


def _is_told_by(told: NDArray[np.float64], values: NDArray[np.float64], engine: NDArray[np.int64]) -> bool:
    """Whether rows of different engines with the same ``told`` hold the same value, nearly."""
    which, group = np.unique(told, return_inverse=True)
    count = np.bincount(group)
    shared = count[group] > 1
    # One engine says nothing about what another would hold; and two dozen shared rows are no accident.
    if shared.sum() < 24 or len(np.unique(engine[shared])) < 2 or len(which) < 3:
        return False
    values, group = values[shared], group[shared]
    count = np.maximum(np.bincount(group), 1)
    mean = (np.bincount(group, values) / count)[group]
    total = ((values - values.mean()) ** 2).sum()
    return bool(total > 0 and ((values - mean) ** 2).sum() <= _EXACT * total)


def _ends_alike(values: NDArray[np.float64], runs: EngineRuns) -> bool:
    """Whether every engine goes one way, in many steps, to one value."""
    if np.ptp(values[runs.last]) > 1e-3:
        return False
    for first, length in zip(runs.first, runs.length, strict=True):
        steps = np.diff(values[first : first + length])
        taken = np.count_nonzero(steps)
        if taken < max(_FEWEST_STEPS, _SHARE_OF_STEPS * length) or not ((steps >= 0).all() or (steps <= 0).all()):
            return False
    return True
