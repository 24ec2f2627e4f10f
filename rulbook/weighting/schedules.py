r"""Six shapes for the sample weight w(y), and the constraints each keeps or breaks (section 14.2).

Every schedule maps RUL in cycles to a weight, given the cap ``max_rul`` and the ceiling ``w_max``. Some need a number
of their own (a rate, a threshold): those carry a default here and break the constraint that forbids it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import Array, above, at_least, flat
from rulbook.horizon import MAX_RUL
from rulbook.reference import failure_weights

__all__ = ["CONSTRAINTS", "SCHEDULES", "Schedule", "broken_constraints"]


def _constant(nearness: Array, w_max: float) -> Array:
    return np.full_like(nearness, (1.0 + w_max) / 2.0)


def _exponential(nearness: Array, w_max: float) -> Array:
    return 1.0 + (w_max - 1.0) * np.exp(-5.0 * (1.0 - nearness))


def _sigmoid(nearness: Array, w_max: float) -> Array:
    return 1.0 + (w_max - 1.0) / (1.0 + np.exp(-12.0 * (nearness - 0.6)))


def _step(nearness: Array, w_max: float) -> Array:
    return np.where(nearness > 1.0 - 30.0 / 125.0, w_max, 1.0)


def _geometric(nearness: Array, w_max: float) -> Array:
    return np.asarray(w_max**nearness)


@dataclass(frozen=True)
class Schedule:
    """A weight as a function of RUL.

    Attributes:
        name: How the schedule is called in text and plots.
        formula: LaTeX, with ``n`` for the nearness to failure, clip(1 - y / max_rul, 0, 1).
        own_parameters: Numbers it needs besides ``max_rul`` and ``w_max``.
        of_nearness: The weight as a function of nearness and ``w_max``.
    """

    name: str
    formula: str
    own_parameters: tuple[str, ...]
    of_nearness: Callable[[Array, float], Array]

    def __call__(self, rul: ArrayLike, max_rul: float = MAX_RUL, w_max: float = 2.0) -> Array:
        """Weights for ``rul`` in cycles, shape (B,)."""
        above("max_rul", max_rul, 0)
        at_least("w_max", w_max, 1)
        nearness = np.clip(1.0 - flat("rul", rul) / max_rul, 0.0, 1.0)
        return self.of_nearness(nearness, w_max)


def _linear(nearness: Array, w_max: float) -> Array:
    # One line of truth: the package's own weights, at the RUL whose nearness this is when the cap is 1.
    return failure_weights(1.0 - nearness, max_rul=1.0, w_max=w_max)


SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule("linear", r"1 + (w_\max - 1)\,n", (), _linear),
        Schedule("constant", r"(1 + w_\max)/2", (), _constant),
        Schedule("exponential", r"1 + (w_\max - 1)\,e^{-5(1 - n)}", ("rate",), _exponential),
        Schedule("sigmoid", r"1 + (w_\max - 1)\,\sigma(12(n - 0.6))", ("centre", "rate"), _sigmoid),
        Schedule("step", r"w_\max \text{ if } y < 30 \text{, else } 1", ("threshold",), _step),
        Schedule("geometric", r"w_\max^{\,n}", (), _geometric),
    )
}
"""The schedules compared in section 14.2; AMNL's is ``linear``."""

CONSTRAINTS: dict[str, str] = {
    "ordered": "less life left never weighs less",
    "anchored": "exactly 1 at the cap and above, exactly w_max at failure",
    "continuous": "one cycle more or less never makes the weight jump",
    "parameter-free": "no number to tune besides max_rul and w_max",
    "even": "every lost cycle adds the same weight",
}
"""What section 14.2 asks of a schedule, in the order in which it asks."""


def broken_constraints(schedule: Schedule, max_rul: float = MAX_RUL, w_max: float = 2.0) -> list[str]:
    """The names in :data:`CONSTRAINTS` that ``schedule`` breaks, found by evaluating it, not by its name.

    Args:
        schedule: The schedule to examine.
        max_rul: The cap on RUL in cycles.
        w_max: The ceiling; above 1, or there is nothing to examine.
    """
    above("w_max", w_max, 1)
    fine = np.linspace(0.0, max_rul, 12_501)
    weights = schedule(fine, max_rul, w_max)
    slopes = np.diff(weights)
    step, tolerance = (w_max - 1.0) / (len(fine) - 1), 1e-9 * w_max
    ends = schedule([0.0, max_rul, 2.0 * max_rul], max_rul, w_max)
    kept = {
        "ordered": bool((slopes <= tolerance).all()),
        "anchored": bool(np.allclose(ends, [w_max, 1.0, 1.0], rtol=0, atol=tolerance)),
        # A jump keeps its height however fine the grid is; a steep slope does not.
        "continuous": bool(np.abs(slopes).max() < 100.0 * step),
        "parameter-free": not schedule.own_parameters,
        "even": bool(np.ptp(slopes) < tolerance) and bool(weights[0] > weights[-1]),
    }
    return [name for name in CONSTRAINTS if not kept[name]]
