"""The curve that rises steeply at the end."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook._check import above
from rulbook.weighting.samples._base import SampleWeighting, Values, exp, nearness


@dataclass(frozen=True)
class Exponential(SampleWeighting):
    r"""``w_max`` at failure, and an exponential fall towards 1, not quite reached at the cap (section 14.2).

    .. math:: w(y) = 1 + (w_\text{max} - 1)\,e^{-k(1 - n)}, \qquad
              n = \operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Attributes:
        w_max: The weight at RUL 0.
        rate: How steep it falls: :math:`k`, in lives. At the cap :math:`e^{-k}` of the way is left.
    """

    rate: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep("rate", above("rate", self.rate, 0))

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The exponential in the distance from failure."""
        return 1.0 + (self.w_max - 1.0) * exp(-self.rate * (1.0 - nearness(rul, max_rul)))
