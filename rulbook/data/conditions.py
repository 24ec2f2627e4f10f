"""Operating conditions from the settings: as many as there are, told by the gaps between the levels of each setting.

A setting tells conditions apart if its values lie in lumps with nothing between them: altitudes of 0, 10 and 20, each
met within a few feet. A setting without such gaps varies continuously, is nearly constant, or is noise, and has no say,
however large its noise is beside its own spread. Lumps of different settings together make the conditions, and each of
those is looked at again, so that points that hide behind each other in one setting are told apart by another.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "find_conditions"]

# Between two lumps lies a gap of so many times the usual distance of neighbouring values …
_GAP = 50.0
# … and their centres are so many standard deviations of the wider one apart.
_APART = 8.0
# A lump that is no outlier holds this share of the rows, and so many of them; lumps hold this share of all rows.
_SMALLEST_SHARE, _SMALLEST_COUNT, _COVERED = 0.005, 3, 0.9
# Values that recur exactly are levels if there are no more of them, met so often on average.
_MOST_LEVELS, _ROWS_PER_LEVEL = 40, 5
# What differs by less than this share of its size is nearly constant; by less than this share of its spread, one lump.
_NEARLY_CONSTANT, _ONE_LUMP = 1e-3, 5e-3
_CONSTANT = 1e-9
# More combinations than this, or fewer rows than that for each, are no conditions to take statistics over.
_MOST_CONDITIONS, _ROWS_PER_CONDITION = 64, 3


class Found(NamedTuple):
    """Conditions found: their ``centroids`` (C, settings), which settings tell them apart, what each looks like."""

    centroids: NDArray[np.float64]
    telling: NDArray[np.bool_]
    looks: tuple[str, ...]


def find_conditions(settings: NDArray[np.float64]) -> Found:
    """The operating conditions in ``settings``, shape (rows, settings): one, unless there are gaps that say more."""
    spans = np.ptp(settings, axis=0) if settings.size else np.zeros(settings.shape[1])
    sizes = np.abs(settings).max(axis=0, initial=0.0)
    looks = ["constant" if s <= _CONSTANT * size else "" for s, size in zip(spans, sizes, strict=True)]
    for index, (span, size) in enumerate(zip(spans, sizes, strict=True)):
        if not looks[index]:
            looks[index] = "nearly constant" if span <= _NEARLY_CONSTANT * size else "varies continuously"
    candidates = [index for index, look in enumerate(looks) if look == "varies continuously"]
    spreads = settings.std(axis=0)
    telling = np.zeros(settings.shape[1], dtype=np.bool_)
    smallest = max(_SMALLEST_COUNT, int(np.ceil(_SMALLEST_SHARE * len(settings))))
    cells = [np.arange(len(settings))]
    finished: list[NDArray[np.intp]] = []
    while cells:
        cell = cells.pop()
        labels = np.zeros(len(cell), dtype=np.int64)
        for index in candidates:
            cuts = _cuts(settings[cell, index], spreads[index], smallest)
            if len(cuts):
                telling[index] = True
                labels = labels * (len(cuts) + 1) + np.searchsorted(cuts, settings[cell, index])
        if labels.any():
            cells += [cell[labels == label] for label in np.unique(labels)]
        elif len(cell) >= min(smallest, len(settings)):
            finished.append(cell)
        if len(finished) + len(cells) > 8 * _MOST_CONDITIONS:
            break
    for index in np.flatnonzero(telling).tolist():
        looks[index] = "has levels"
    too_many = len(finished) > min(_MOST_CONDITIONS, max(1, len(settings) // _ROWS_PER_CONDITION)) or bool(cells)
    if too_many or len(finished) < 2:
        if too_many:
            looks = [f"{look}, too many to tell apart" if look == "has levels" else look for look in looks]
        centroids = settings.mean(axis=0, keepdims=True)
        return Found(np.asarray(centroids), np.zeros_like(telling), tuple(looks))
    return Found(np.stack([settings[cell].mean(axis=0) for cell in finished]), telling, tuple(looks))


def _cuts(values: NDArray[np.float64], spread: float, smallest: int) -> NDArray[np.float64]:
    """Where to cut one setting into lumps; empty if it is one lump or none at all."""
    nothing = np.zeros(0)
    if len(values) < 2 * smallest or values.std() <= _ONE_LUMP * spread:
        return nothing
    levels, counts = np.unique(values, return_counts=True)
    if len(levels) < 2:
        return nothing
    often = counts >= max(smallest, _ROWS_PER_LEVEL)
    if counts[often].sum() >= _COVERED * len(values) and often.sum() <= _MOST_LEVELS:
        if often.sum() < 2:
            return nothing
        # Rare values are asked too: they may be the ends of a bell.
        if not any(_is_rounded_noise(levels[some], counts[some]) for some in (often, counts > 0)):
            return _between(levels[often], levels[often])
    return _cuts_at_gaps(levels, counts, smallest)


def _cuts_at_gaps(levels: NDArray[np.float64], counts: NDArray[np.int64], smallest: int) -> NDArray[np.float64]:
    """Cuts in the middle of gaps that are far wider than the usual distance of neighbouring values."""
    gaps = np.diff(levels)
    wide = np.flatnonzero(gaps > _GAP * np.median(gaps))
    if len(wide) == 0:
        return np.zeros(0)
    first = np.concatenate([[0], wide + 1])
    rows = np.add.reduceat(counts, first)
    mean = np.add.reduceat(counts * levels, first) / rows
    # The spread about the lump's own mean: squares of large numbers would drown it.
    off = levels - np.repeat(mean, np.diff(np.append(first, len(levels))))
    std = np.sqrt(np.add.reduceat(counts * off**2, first) / rows)
    low, high = levels[first], levels[np.append(wide, len(levels) - 1)]
    kept = rows >= smallest
    if rows[kept].sum() < _COVERED * rows.sum():
        return np.zeros(0)
    lumps = np.column_stack([rows[kept], mean[kept], std[kept], low[kept], high[kept]]).astype(float).tolist()
    while len(lumps) > 1:
        apart = [(b[1] - a[1]) / max(a[2], b[2], 1e-300) for a, b in pairwise(lumps)]
        nearest = int(np.argmin(apart))
        if apart[nearest] >= _APART:
            break
        lumps[nearest : nearest + 2] = [_merged(lumps[nearest], lumps[nearest + 1])]
    return _between(np.array([lump[3] for lump in lumps]), np.array([lump[4] for lump in lumps]))


def _merged(one: list[float], other: list[float]) -> list[float]:
    rows = one[0] + other[0]
    mean = (one[0] * one[1] + other[0] * other[1]) / rows
    squares = sum(lump[0] * (lump[2] ** 2 + (lump[1] - mean) ** 2) for lump in (one, other))
    return [rows, mean, float(np.sqrt(squares / rows)), one[3], other[4]]


def _between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((high[:-1] + low[1:]) / 2)


def _is_rounded_noise(levels: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether levels are a continuum after rounding: neighbours on the last decimal, or an even bell."""
    if len(levels) < 5:
        return False
    gaps = np.diff(levels)
    tolerance = 1e-9 * np.abs(levels).max()
    for decimals in range(9):
        if np.all(np.abs(levels.round(decimals) - levels) <= tolerance):
            if decimals >= 1 and gaps.min() < 1.5 * 10.0**-decimals:
                return True
            break
    even = np.ptp(gaps) <= 0.01 * gaps.mean()
    return bool(even and max(counts[0], counts[-1]) < np.median(counts) / 3)
