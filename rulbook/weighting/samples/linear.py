"""The straight line: AMNL's sample weights."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook.weighting.samples._base import SampleWeighting, Values, nearness


@dataclass(frozen=True)
class Linear(SampleWeighting):
    r"""AMNL's weights: 1 at the cap, ``w_max`` at failure, a straight line between (section 14.1).

    .. math:: w(y) = 1 + (w_\text{max} - 1)\,n, \qquad
              n = \operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Attributes:
        w_max: The weight at RUL 0; 1 turns the weighting off.
    """

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The line in the nearness to failure."""
        return 1.0 + (self.w_max - 1.0) * nearness(rul, max_rul)
