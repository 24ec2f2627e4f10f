"""Many finished runs, read together: one table, paired differences, and how sure one may be of them (the results page).

Runs of one data set and seed share the split of the engines, the first weights and the order of the batches, so two
methods are compared *pair by pair*. The pairs say how a method fares under other seeds on the same test engines; they
say nothing about other engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rulbook._check import finite, flat, not_empty, one_of, same_length, whole, within
from rulbook._needs import needed
from rulbook.errors import InputError
from rulbook.runs.record import Record, read_records

__all__ = [
    "Comparison",
    "bootstrap_interval",
    "collect",
    "compare",
    "holm",
    "paired_differences",
    "smallest_wilcoxon_p",
    "wilcoxon_p",
]


def collect(runs: str | Path | Iterable[Record]) -> pd.DataFrame:
    """A table of many runs, one row each, sorted by what was run.

    Args:
        runs: Their records, or the folder that holds a folder for each of them, as ``--out`` of a sweep.

    Raises:
        ValueError: If there is no record, or one is damaged.
    """
    records = read_records(runs) if isinstance(runs, (str, Path)) else list(runs)
    not_empty("runs", records)
    order = ["preset", "split", "dataset", "method", "seed"]
    return pd.DataFrame([record.to_row() for record in records]).sort_values(order, ignore_index=True)


def paired_differences(
    table: pd.DataFrame, method: str, reference: str, measure: str = "test_rmse", *, relative: bool = False
) -> pd.Series[float]:
    r"""``method`` minus ``reference`` for every data set and seed that both have; negative: ``method`` is lower.

    Args:
        table: From :func:`collect`, or a file that it was written to.
        method: A name in its column ``method``.
        reference: Another.
        measure: A column of numbers.
        relative: Take :math:`\ln(a / b)` in place of a - b: differences of data sets with other levels then compare.

    Returns:
        Differences, indexed by data set and seed.

    Raises:
        ValueError: If a method has no runs, or the two share no data set and seed.
    """
    by_pair = table.set_index(["dataset", "seed"])
    known = sorted(set(table["method"]))
    ours, theirs = (by_pair[by_pair["method"] == one_of("method", name, known)] for name in (method, reference))
    a, b = ours[measure].align(theirs[measure], join="inner")
    if a.empty:
        raise InputError(f"method {method!r} and reference {reference!r} share no data set and seed.")
    return pd.Series(np.log(a / b) if relative else a - b, name=measure).sort_index()


@dataclass(frozen=True)
class Comparison:
    """A method against another, over all pairs of runs that share data set and seed.

    Attributes:
        pairs: How many.
        subsets: Of how many data sets.
        lower: In how many pairs the method is lower.
        change: Relative change, from the mean over data sets of the mean logarithm of the quotient; -0.1 is 10 % lower.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p: Of the exact two-sided Wilcoxon test.
    """

    pairs: int
    subsets: int
    lower: int
    change: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """``lower`` or ``higher`` if the interval lies on one side of zero and p < 0.05, else ``cannot be told apart``.

        Both are asked for since the interval is too short where seeds are few. Below six pairs the verdict is
        ``too few pairs``: then not even pairs that all agree could reach p < 0.05.
        """
        if smallest_wilcoxon_p(self.pairs) > 0.05:
            return "too few pairs"
        if self.p >= 0.05 or self.low <= 0 <= self.high:
            return "cannot be told apart"
        return "lower" if self.high < 0 else "higher"

    def __str__(self) -> str:
        change, low, high = (f"{100 * value:+.1f}" for value in (self.change, self.low, self.high))
        interval = f" ({low} to {high})" if self.pairs > 2 else ""
        return f"{change} %{interval}, lower in {self.lower} of {self.pairs} pairs: {self.verdict}"


def compare(table: pd.DataFrame, method: str, reference: str, measure: str = "test_rmse") -> Comparison:
    """How ``method`` compares with ``reference``; arguments and errors as for :func:`paired_differences`.

    Data sets with a single pair are left out where others have more: drawn again, one value is always itself, and would
    pass for a certainty.
    """
    pairs = paired_differences(table, method, reference, measure, relative=True)
    repeated = pairs.groupby(level="dataset").transform("size") > 1
    if repeated.any():
        pairs = pairs[repeated]
    subsets = pairs.index.get_level_values("dataset")
    low, high = bootstrap_interval(pairs, list(subsets))
    return Comparison(
        pairs=len(pairs),
        subsets=subsets.nunique(),
        lower=int((pairs < 0).sum()),
        change=float(np.expm1(pairs.groupby(subsets).mean().mean())),
        low=float(np.expm1(low)),
        high=float(np.expm1(high)),
        p=wilcoxon_p(pairs),
    )


def bootstrap_interval(
    values: ArrayLike, groups: Sequence[Any] | None = None, *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """A percentile interval for the mean, by drawing the values again with replacement, within each group.

    With groups, each draw takes the mean of the group means, so that a data set with more seeds counts no more.
    Fewer than about eight values make such an interval too short: five seeds reach the nominal 95 % about 85 times in
    a hundred. Say so beside it.

    Args:
        values: Shape (n,).
        groups: The group of each value; None: one group.
        level: Share of the draws inside the interval.
        draws: How often to draw.
        seed: Of the draws.

    Raises:
        ValueError: If there are no values, one is not finite, or the lengths differ.
    """
    numbers = flat("values", values)
    not_empty("values", numbers)
    labels = (
        np.zeros(len(numbers), dtype=int) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    same_length("values", numbers, "groups", labels)
    rng = np.random.default_rng(seed)
    means = np.zeros(whole("draws", draws, 1))
    for label in range(labels.max() + 1):
        members = numbers[labels == label]
        means += members[rng.integers(len(members), size=(draws, len(members)))].mean(axis=1)
    tail = (1 - within("level", level, 0, 1)) / 2
    low, high = np.quantile(means / (labels.max() + 1), [tail, 1 - tail])
    return float(low), float(high)


def wilcoxon_p(differences: ArrayLike) -> float:
    """The p-value of the exact two-sided Wilcoxon signed-rank test that the differences scatter around zero."""
    with needed():
        from scipy.stats import wilcoxon

    numbers = flat("differences", differences)
    not_empty("differences", numbers)
    return float(wilcoxon(numbers, alternative="two-sided", method="exact").pvalue)


def smallest_wilcoxon_p(pairs: int) -> float:
    """The smallest p that :func:`wilcoxon_p` can give: all pairs on one side, one sign pattern in 2ⁿ, two sides."""
    return float(2.0 ** (1 - whole("pairs", pairs, 1)))


def holm(p_values: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Holm's correction for testing several hypotheses at once, in the order given.

    The smallest p is multiplied by the number of tests, the next by one less, and so on; none falls below the last.
    """
    p = np.asarray(p_values, dtype=np.float64)
    finite("p_values", p)
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return corrected
