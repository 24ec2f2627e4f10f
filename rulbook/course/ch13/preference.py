r"""One number for two wishes: how a preference between RMSE and NASA score picks a method (section 13.3).

A candidate is a row ``[rmse, nasa_score]``; smaller is better in both columns. The preference w runs from 0, where
only RMSE counts, to 1, where only the score does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import Array, above, finite, numbers, within
from rulbook.errors import InputError

__all__ = ["Reign", "late_weight", "min_max", "preference", "reigns", "win_shares"]


class Reign(NamedTuple):
    """A candidate and the preferences at which it wins.

    Attributes:
        winner: Row of the candidate.
        start: Smallest preference at which it has the lowest J.
        end: Largest.
    """

    winner: int
    start: float
    end: float


def min_max(points: ArrayLike) -> Array:
    r"""Each column stretched so that its best candidate is 0 and its worst is 1.

    .. math:: \tilde x_i = \frac{x_i - \min_j x_j}{\max_j x_j - \min_j x_j}

    The result for one candidate depends on all the others. A column in which all agree becomes 0.

    Args:
        points: Shape (candidates, measures).

    Raises:
        ValueError: If ``points`` is no such table, is empty or holds a value that is not finite.
    """
    table = _table(points)
    low, high = table.min(axis=0), table.max(axis=0)
    return np.asarray((table - low) / np.where(high > low, high - low, 1.0))


def preference(points: ArrayLike, w: float) -> Array:
    r"""The value of each candidate at one preference: lower is better.

    .. math:: J_i(w) = (1 - w)\,\widetilde{\mathrm{RMSE}}_i + w\,\tilde S_i

    Args:
        points: RMSE in cycles and NASA score of each candidate, shape (candidates, 2).
        w: The preference, 0 (RMSE alone) to 1 (score alone).

    Returns:
        :math:`J`, shape (candidates,), each in [0, 1].

    Raises:
        ValueError: As :func:`min_max`; also if there are not two columns or ``w`` is out of range.
    """
    return np.asarray(min_max(_pairs(points)) @ [1.0 - within("w", w, 0, 1), w])


def reigns(points: ArrayLike) -> list[Reign]:
    """Who wins where: the candidates with the lowest J, from w = 0 to w = 1, and the preferences where they change.

    J is a straight line in w for each candidate, so the lowest of them is a chain of at most as many pieces.

    Args:
        points: RMSE and NASA score of each candidate, shape (candidates, 2).

    Raises:
        ValueError: As :func:`preference`.
    """
    start, slope = (lines := min_max(_pairs(points)))[:, 0], lines[:, 1] - lines[:, 0]
    # Of those equally good at w = 0, the one that falls fastest wins next.
    winner = min(range(len(lines)), key=lambda i: (start[i], slope[i]))
    w = 0.0
    found: list[Reign] = []
    while True:
        steeper = [i for i in range(len(lines)) if slope[i] < slope[winner]]
        meetings = {i: (start[i] - start[winner]) / (slope[winner] - slope[i]) for i in steeper}
        following = min(meetings, key=lambda i: (meetings[i], slope[i]), default=None)
        if following is None or meetings[following] >= 1:
            return [*found, Reign(winner, w, 1.0)]
        found.append(Reign(winner, w, float(meetings[following])))
        winner, w = following, float(meetings[following])


def late_weight(cost_late: float, cost_early: float) -> float:
    r"""The preference that two prices come to: :math:`w = c_l / (c_l + c_e)`.

    If the price of an error grows in proportion to its length, :math:`1 - w` is also the share of predictions that
    should be late (section 13.3).

    Args:
        cost_late: Price of one cycle late, above 0.
        cost_early: Price of one cycle early, above 0, in the same currency.

    Raises:
        ValueError: If a price is not positive.
    """
    late, early = above("cost_late", cost_late, 0), above("cost_early", cost_early, 0)
    return late / (late + early)


def win_shares(runs: ArrayLike, w: Sequence[float] | Array) -> Array:
    """How often each candidate wins if the seeds are drawn again: the bootstrap over seeds, all resamples counted.

    A resample draws as many seeds as there are, with replacement, the same for every candidate. Its means are
    normalised anew. No random numbers are involved: every resample enters with its probability.

    Args:
        runs: RMSE and NASA score of every run, shape (seeds, candidates, 2).
        w: The preferences to ask for, shape (preferences,).

    Returns:
        Shares, shape (preferences, candidates); each row sums to 1.

    Raises:
        ValueError: If ``runs`` has another shape, is empty, holds a value that is not finite, or has more than 10
            seeds; also if a preference is out of range.
    """
    table = numbers("runs", runs)
    if table.ndim != 3 or table.shape[2] != 2 or not 1 <= len(table) <= 10 or not table.shape[1]:
        raise InputError(f"runs has shape {table.shape}: it must be (seeds, candidates, 2), with 1 to 10 seeds.")
    finite("runs", table)
    preferences = np.array([within("w", value, 0, 1) for value in w])
    seeds, shares = len(table), np.zeros((len(preferences), table.shape[1]))
    for drawn in combinations_with_replacement(range(seeds), seeds):
        ways = factorial(seeds)
        for times in np.bincount(drawn):
            ways //= factorial(int(times))
        normalised = min_max(table[list(drawn)].mean(axis=0))
        value = np.outer(1 - preferences, normalised[:, 0]) + np.outer(preferences, normalised[:, 1])
        shares[np.arange(len(preferences)), value.argmin(axis=1)] += ways / seeds**seeds
    return shares


def _table(points: ArrayLike) -> Array:
    table = numbers("points", points)
    if table.ndim != 2 or not table.size:
        raise InputError(f"points has shape {table.shape}: it must be a table, (candidates, measures), with a row.")
    finite("points", table)
    return table


def _pairs(points: ArrayLike) -> Array:
    table = _table(points)
    if table.shape[1] != 2:
        raise InputError(f"points has {table.shape[1]} columns: two are wanted, RMSE and NASA score.")
    return table
