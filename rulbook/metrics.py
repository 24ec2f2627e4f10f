"""How good a prediction is: RMSE, NASA's asymmetric score, health-class measures, Pareto front (chapter 13).

One sign convention throughout: ``d = pred - true``. A positive ``d`` promises life that is not there: late, dangerous.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rulbook._check import paired
from rulbook.errors import InputError

__all__ = ["health_accuracy", "health_macro_f1", "nasa_score", "pareto_front", "rmse"]


def rmse(pred: ArrayLike, true: ArrayLike) -> float:
    r"""Root mean squared error in cycles: :math:`\sqrt{\frac1N \sum_i d_i^2}` with :math:`d_i = \hat y_i - y_i`.

    Args:
        pred: Predicted RUL, shape (N,) or (N, 1), in cycles.
        true: True RUL, as many values, in cycles.

    Raises:
        ValueError: If there are no values, the lengths differ or a value is not finite.
    """
    predicted, actual = paired(pred, true, "true")
    return float(np.sqrt(np.mean((predicted - actual) ** 2)))


def nasa_score(pred: ArrayLike, true: ArrayLike) -> float:
    r"""NASA's score: a sum over engines that charges a late prediction more than an early one (section 13.1).

    .. math:: S = \sum_i s(d_i), \qquad s(d) = \begin{cases} e^{-d/13} - 1 & d < 0 \text{ (early)} \\
              e^{d/10} - 1 & d \ge 0 \text{ (late)} \end{cases}, \qquad d = \hat y - y

    It is 0 exactly for perfect predictions, and grows without bound. Being a sum, it depends on the number of engines.

    Args:
        pred: Predicted RUL, shape (N,) or (N, 1), in cycles.
        true: True RUL, as many values, in cycles.

    Raises:
        ValueError: If there are no values, the lengths differ or a value is not finite.

    References:
        Saxena, Goebel, Simon, Eklund (2008), Damage propagation modeling for aircraft engine run-to-failure
        simulation, PHM 2008.
    """
    predicted, actual = paired(pred, true, "true")
    d = predicted - actual
    return float(np.expm1(np.where(d < 0, -d / 13.0, d / 10.0)).sum())


def health_accuracy(pred: ArrayLike, true: ArrayLike) -> float:
    """Share of samples whose health class is right, in [0, 1]."""
    predicted, actual = paired(pred, true, "true")
    return float(np.mean(predicted == actual))


def health_macro_f1(pred: ArrayLike, true: ArrayLike, classes: int = 3) -> float:
    """F1 of each health class, averaged with equal weight, so that the rare critical class counts in full.

    A class that is neither predicted nor present counts 0, so that a subset without critical engines shows it.

    Args:
        pred: Predicted class of each sample.
        true: True class of each sample.
        classes: Number of classes.
    """
    predicted, actual = paired(pred, true, "true")
    index = np.arange(classes)[:, None]
    said, is_there = predicted.astype(int) == index, actual.astype(int) == index
    # F1 is the harmonic mean of precision and recall: twice the hits, over all that was said and all that is there.
    both = said.sum(axis=1) + is_there.sum(axis=1)
    return float(np.mean(2 * (said & is_there).sum(axis=1) / np.maximum(both, 1)))


def pareto_front(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other point beats: smaller is better in every column (section 13.2).

    A point is dominated if another is at least as small in every column and smaller in one. Equal points do not
    dominate each other.

    Args:
        points: Shape (methods, measures), for instance RMSE and NASA score.

    Returns:
        A mask, shape (methods,): True where the point lies on the front.

    Raises:
        ValueError: If ``points`` is not a table or holds a value that is not finite.
    """
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError(f"points has shape {table.shape}: it must be a table of finite numbers, (methods, measures).")
    no_worse = (table[:, None, :] <= table[None, :, :]).all(axis=2)
    better = (table[:, None, :] < table[None, :, :]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))
