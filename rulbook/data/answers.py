"""Columns that give the answer away: RUL joined in, life spans, counters, row numbers, whatever they are called.

A model that is shown one of these is right on every engine of the table and knows nothing about the next. Two things
betray such a column: its name, and its contents. Contents are held to what the labels are made of: the cycle, the RUL
and the life of each engine. A reading that merely falls towards failure is a sensor, and a good one; a reading that is
the label to within a thousandth is none.
"""

from __future__ import annotations

import re
from math import lgamma, log, log2
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
    if not known.any() or (largest := np.abs(values[known]).max()) == 0:
        return None
    # In units of its largest value and then of its own spread, so that no sum, difference or square overflows.
    scaled = values / largest
    spread = np.ptp(scaled[known])
    if spread <= 1e-9:
        return None
    scaled = (scaled - scaled[known].mean()) / spread
    engine = np.repeat(np.arange(len(runs.units)), runs.length)
    if known.all():
        if _numbers_rows(values, order):
            return "counts the rows of the table"
        level = values[runs.first]
        if np.array_equal(values, level[engine]):
            return _reason_of_constant(level, scaled[runs.first], runs, cycle, unit)
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
    for told, what in ((rul, "cycles that are left"), (cycle / (cycle + rul), "share of the life that is over")):
        if _follows(told, scaled, engine):
            return f"is determined by the {what}"
    if known.all() and len(runs.units) > 1 and _ends_alike(scaled, runs):
        return "moves one way only in every engine and ends alike in all: it tells the way to the end"
    return None


def _reason_of_constant(
    level: NDArray[np.float64],
    scaled: NDArray[np.float64],
    runs: EngineRuns,
    cycle: NDArray[np.float64],
    unit: pd.Series,
) -> str | None:
    """Why a column that is constant in each engine is no sensor: it is the life of the engine, or its number."""
    engines = len(level)
    if pd.api.types.is_numeric_dtype(unit) and np.array_equal(level, unit.to_numpy(dtype=np.float64)[runs.first]):
        return "is the number of the engine"
    life = cycle[runs.last]
    different = len(np.unique(life))
    # Two engines suffice where the very number of cycles stands there, or that number but for one.
    if engines > 1 and different > 1 and any(np.array_equal(level, life + shift) for shift in (-1, 0, 1)):
        return "is the life of each engine"
    if engines < 3 or different < 3:
        return None
    if len(np.unique(level)) == engines and np.ptp(np.diff(scaled)) <= 1e-12:
        return "numbers the engines"
    if _left_by_line(scaled, life) <= 1e-12 * scaled.var():
        return "is the life of each engine"
    return "is determined by the life of each engine" if _sorts_lives(level, life) else None


def _sorts_lives(level: NDArray[np.float64], life: NDArray[np.float64]) -> bool:
    """Whether levels put all engines in the order of their lives, or into classes of it, and not by chance."""
    pairs = np.unique(np.column_stack([life, level]), axis=0)
    different = len(np.unique(life))
    steps = np.diff(pairs[:, 1])
    if len(pairs) > different or not ((steps >= 0).all() or (steps <= 0).all()):
        return False
    _, sizes = np.unique(pairs[:, 1], return_counts=True)
    # Of all ways to deal these levels to the lives, two are in order: the rising and the falling one.
    ways = lgamma(different + 1) - sum(lgamma(size + 1) for size in sizes)
    return log(2) - ways < log(_CHANCE)


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
    # Shared rows that all hold one value, but for how it was rounded, say nothing.
    return bool(total > 1e-18 * len(values) and ((values - mean) ** 2).sum() <= _EXACT * total)


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


def _follows(told: NDArray[np.float64], values: NDArray[np.float64], engine: NDArray[np.int64]) -> bool:
    """Whether all engines laid over one another by ``told`` go one way only, and not by chance.

    Rows of different engines need not share a single value of ``told``, as :func:`_is_told_by` asks for: a tenth of the
    life that is over, or a class of the hours that are left, steps at the same place in all.
    """
    order = np.lexsort((values, told))
    steps = np.diff(values[order])
    if not (steps >= 0).all():
        order = np.lexsort((-values, told))
        if not (np.diff(values[order]) <= 0).all():
            return False
    within = (np.diff(engine) == 0) & (np.diff(values) != 0)
    changes = np.bincount(engine[1:][within], minlength=int(engine.max()) + 1)
    lengths = np.bincount(engine, minlength=len(changes))
    # One engine is free to step where it likes. Each step of another had to find its place among as many rows as a
    # level lasts, and steps at every row had at least to come in order.
    forced = int(changes.sum() - changes.max())
    places = max(1.0, log2(lengths.sum() / (changes.sum() + len(lengths))))
    return forced * places >= -log2(_CHANCE)
