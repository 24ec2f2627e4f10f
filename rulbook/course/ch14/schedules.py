r"""Six shapes for the sample weight w(y), and the constraints each keeps or breaks (section 14.2).

The shapes are those of :mod:`rulbook.weighting.samples`, under the names of the page. Some need a number of their own
(a rate, a threshold) and break the constraint that forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import Array, above, flat
from rulbook.horizon import MAX_RUL
from rulbook.weighting.samples import Exponential, Geometric, Linear, SampleWeighting, Sigmoid, Step, Uniform

__all__ = ["CONSTRAINTS", "SCHEDULES", "Schedule", "broken_constraints"]


@dataclass(frozen=True)
class Schedule:
    """A weight as a function of RUL, cap and ceiling: a sample weighting whose ceiling is still open.

    Attributes:
        name: How the schedule is called in text and plots.
        samples: The sample weighting.
    """

    name: str
    samples: type[SampleWeighting]

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """Numbers it needs besides ``max_rul`` and ``w_max``."""
        return self.samples().own_parameters

    def __call__(self, rul: ArrayLike, max_rul: float = MAX_RUL, w_max: float = 2.0) -> Array:
        """Weights for ``rul`` in cycles, shape (B,)."""
        return np.asarray(self.samples(w_max=w_max)(flat("rul", rul), max_rul), dtype=np.float64)


SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule("linear", Linear),
        Schedule("constant", Uniform),
        Schedule("exponential", Exponential),
        Schedule("sigmoid", Sigmoid),
        Schedule("step", Step),
        Schedule("geometric", Geometric),
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
