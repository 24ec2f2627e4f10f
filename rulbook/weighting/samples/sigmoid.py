"""The step with its corners rounded."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook._check import above, within
from rulbook.weighting.samples._base import SampleWeighting, Values, exp, nearness

_FLAT = 60.0
"""Beyond this many units from the middle a sigmoid is 0 or 1 to the last digit; exp() could overflow."""


@dataclass(frozen=True)
class Sigmoid(SampleWeighting):
    r"""A soft step from near 1 at the cap to near ``w_max`` at failure; it reaches neither (section 14.2).

    .. math:: w(y) = 1 + \frac{w_\text{max} - 1}{1 + e^{-k(n - c)}}, \qquad
              n = \operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Attributes:
        w_max: What the weight tends to at failure.
        rate: How steep the step is: :math:`k`, in lives.
        centre: The nearness :math:`c` at which half of the way is gone, from 0 (the cap) to 1 (failure).
    """

    rate: float = 12.0
    centre: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep("rate", above("rate", self.rate, 0))
        self._keep("centre", within("centre", self.centre, 0, 1))

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The logistic function of the nearness to failure."""
        away: Values = (-self.rate * (nearness(rul, max_rul) - self.centre)).clip(-_FLAT, _FLAT)
        return 1.0 + (self.w_max - 1.0) / (1.0 + exp(away))
