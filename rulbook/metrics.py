"""How good a prediction is: RMSE, NASA's asymmetric score, health-class measures, Pareto front (chapter 13).

One sign convention throughout: ``d = pred - true``. A positive ``d`` promises life that is not there: late, dangerous.

One order throughout, too: the prediction comes first. scikit-learn and Keras call a measure with the true values
first, and NASA's score would then take late for early. :func:`as_scorer` and :func:`true_first` turn the order round,
and ``nasa_score`` refuses a call that comes from scikit-learn itself. Names are safe in any order:
``nasa_score(true=y, pred=y_hat)``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rulbook._check import Array, numbers, paired, whole
from rulbook.errors import InputError

__all__ = [
    "as_scorer",
    "health_accuracy",
    "health_macro_f1",
    "nasa_score",
    "nasa_scorer",
    "pareto_front",
    "rmse",
    "rmse_scorer",
    "true_first",
]

Measure = Callable[[Any, Any], float]


def rmse(pred: ArrayLike, true: ArrayLike) -> float:
    r"""Root mean squared error in cycles: :math:`\sqrt{\frac1N \sum_i d_i^2}` with :math:`d_i = \hat y_i - y_i`.

    Args:
        pred: Predicted RUL, shape (N,) or (N, 1), in cycles.
        true: True RUL, as many values, in cycles.

    Raises:
        ValueError: If there are no values, the lengths differ or a value is not finite.
    """
    predicted, actual = paired(pred, true, "true")
    with np.errstate(over="ignore"):
        plain = float(np.sqrt(np.mean((predicted - actual) ** 2)))
        if np.isfinite(plain):
            return plain
        # In units of the largest error no square overflows.
        largest = np.abs(predicted - actual).max()
        return float(largest * np.sqrt(np.mean(((predicted - actual) / largest) ** 2)))


def nasa_score(pred: ArrayLike, true: ArrayLike) -> float:
    r"""NASA's score: a sum over engines that charges a late prediction more than an early one (section 13.1).

    .. math:: S = \sum_i s(d_i), \qquad s(d) = \begin{cases} e^{-d/13} - 1 & d < 0 \text{ (early)} \\
              e^{d/10} - 1 & d \ge 0 \text{ (late)} \end{cases}, \qquad d = \hat y - y

    It is 0 exactly for perfect predictions, and grows without bound. Being a sum, it depends on the number of engines.
    An error of more than 7,097 cycles late, or 9,227 early, is beyond the largest number there is: the score is then
    infinite.

    Args:
        pred: Predicted RUL, shape (N,) or (N, 1), in cycles. Mind the order: scikit-learn's is the other one.
        true: True RUL, as many values, in cycles.

    Raises:
        ValueError: If there are no values, the lengths differ or a value is not finite; also if scikit-learn calls,
            which gives the true values first (see :func:`as_scorer`).

    References:
        Saxena, Goebel, Simon, Eklund (2008), Damage propagation modeling for aircraft engine run-to-failure
        simulation, PHM 2008.
    """
    if _caller().startswith("sklearn."):
        raise InputError(
            "nasa_score is called by scikit-learn, which gives the true values first, so that late would count as "
            "early: use as_scorer(nasa_score), or make_scorer(true_first(nasa_score), greater_is_better=False)."
        )
    predicted, actual = paired(pred, true, "true")
    d = predicted - actual
    with np.errstate(over="ignore"):
        return float(np.expm1(np.where(d < 0, -d / 13.0, d / 10.0)).sum())


def health_accuracy(pred: ArrayLike, true: ArrayLike) -> float:
    """Share of samples whose health class is right, in [0, 1].

    Args:
        pred: Predicted class of each sample.
        true: True class of each sample.

    Raises:
        ValueError: If there are no values, the lengths differ, or a value is no class: a whole number of at least 0.
    """
    predicted, actual = _classes(pred, true, None)
    return float(np.mean(predicted == actual))


def health_macro_f1(pred: ArrayLike, true: ArrayLike, classes: int = 3) -> float:
    """F1 of each health class, averaged with equal weight, so that the rare critical class counts in full.

    A class that is neither predicted nor present counts 0, so that a subset without critical engines shows it.

    Args:
        pred: Predicted class of each sample.
        true: True class of each sample.
        classes: Number of classes.

    Raises:
        ValueError: If there are no values, the lengths differ, or a value is no whole number from 0 to ``classes`` - 1.
    """
    predicted, actual = _classes(pred, true, whole("classes", classes, 1))
    index = np.arange(classes)[:, None]
    said, is_there = predicted.astype(int) == index, actual.astype(int) == index
    # F1 is the harmonic mean of precision and recall: twice the hits, over all that was said and all that is there.
    both = said.sum(axis=1) + is_there.sum(axis=1)
    return float(np.mean(2 * (said & is_there).sum(axis=1) / np.maximum(both, 1)))


@dataclass(frozen=True)
class Scorer:
    """A measure as scikit-learn scores with it: greater is better, so what is to be small is taken negative.

    Attributes:
        measure: A measure with the prediction first.
        sign: 1 or -1.
    """

    measure: Measure
    sign: int

    def __call__(self, estimator: Any, rows: Any, true: ArrayLike) -> float:
        """The score of an estimator on rows whose true values are known."""
        return self.sign * self.measure(estimator.predict(rows), true)


@dataclass(frozen=True)
class TrueFirst:
    """A measure with its two arguments turned round.

    Attributes:
        measure: A measure with the prediction first.
    """

    measure: Measure

    @property
    def __name__(self) -> str:
        """The measure's: scikit-learn shows it."""
        return str(getattr(self.measure, "__name__", self.measure))

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """The measure, called in scikit-learn's order."""
        return self.measure(y_pred, y_true)


def as_scorer(measure: Measure) -> Scorer:
    """A measure of this module for ``scoring=`` in ``cross_val_score``, ``GridSearchCV`` and the like.

    RMSE and NASA score are to be small, so their scores are negative; accuracy and F1 are taken as they are.

    Args:
        measure: :func:`rmse`, :func:`nasa_score`, :func:`health_accuracy`, :func:`health_macro_f1`, or one of your own
            with the prediction first, which is taken as an error.

    Example:
        >>> from sklearn.dummy import DummyRegressor
        >>> always_60 = DummyRegressor(strategy="constant", constant=60.0).fit([[0.0]], [0.0])
        >>> round(as_scorer(nasa_score)(always_60, [[0.0]], [50.0]), 3)  # Ten cycles late.
        -1.718
    """
    return Scorer(measure, 1 if measure in (health_accuracy, health_macro_f1) else -1)


def true_first(measure: Measure) -> TrueFirst:
    """A measure of this module in the order ``(y_true, y_pred)``, for ``sklearn.metrics.make_scorer`` and Keras.

    Args:
        measure: A measure with the prediction first.
    """
    return TrueFirst(measure)


nasa_scorer = as_scorer(nasa_score)
"""The negative NASA score of an estimator's predictions: ``cross_val_score(model, X, y, scoring=nasa_scorer)``."""

rmse_scorer = as_scorer(rmse)
"""The negative RMSE of an estimator's predictions."""


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
    table = numbers("points", points)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError(f"points has shape {table.shape}: it must be a table of finite numbers, (methods, measures).")
    no_worse = (table[:, None, :] <= table[None, :, :]).all(axis=2)
    better = (table[:, None, :] < table[None, :, :]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def _classes(pred: ArrayLike, true: ArrayLike, classes: int | None) -> tuple[Array, Array]:
    predicted, actual = paired(pred, true, "true")
    for name, labels in (("pred", predicted), ("true", actual)):
        bad = (labels < 0) | (labels != np.floor(labels))
        if classes is not None:
            bad |= labels >= classes
        if bad.any():
            wanted = "of at least 0" if classes is None else f"from 0 to {classes - 1}"
            raise InputError(f"{name} holds the health class {labels[bad][0]:g}: it must be a whole number {wanted}.")
    return predicted, actual


def _caller() -> str:
    """The module that calls the measure, past the frames that check hints in tests."""
    frame: FrameType | None = sys._getframe()
    calls = 0  # This function, the measure, whoever calls it.
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        checks_hints = frame.f_code.co_filename.startswith("<@") or module.startswith(("jaxtyping", "beartype"))
        calls += not checks_hints
        if calls == 3:
            return module
        frame = frame.f_back
    return ""
