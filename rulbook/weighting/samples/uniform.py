"""Every sample alike."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook.weighting.samples._base import SampleWeighting, Values


@dataclass(frozen=True)
class Uniform(SampleWeighting):
    r"""Every sample alike: with the default ceiling of 1, plain mean squared error (section 14.2).

    .. math:: w(y) = \tfrac12\,(1 + w_\text{max})

    Nothing reaches the ceiling here. What a ceiling does is set the level, half-way between 1 and ``w_max``, so that
    the loss has the size of another weighting's with that ceiling.

    Attributes:
        w_max: Twice the weight, less 1.
    """

    w_max: float = 1.0

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The same weight for all."""
        return 0.0 * rul + (1.0 + self.w_max) / 2.0
