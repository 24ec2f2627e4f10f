"""The curve whose weight grows by the same factor with every lost cycle."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook.weighting.samples._base import SampleWeighting, Values, nearness


@dataclass(frozen=True)
class Geometric(SampleWeighting):
    r"""From 1 at the cap to ``w_max`` at failure, each lost cycle by the same factor (section 14.2).

    .. math:: w(y) = w_\text{max}^{\,n}, \qquad n = \operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Attributes:
        w_max: The weight at RUL 0.
    """

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The ceiling to the power of the nearness to failure."""
        weights: Values = self.w_max ** nearness(rul, max_rul)
        return weights
