"""The threshold that operators like to draw."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook._check import above
from rulbook.horizon import HEALTH_THRESHOLDS
from rulbook.weighting.samples._base import SampleWeighting, Values


@dataclass(frozen=True)
class Step(SampleWeighting):
    r"""``w_max`` below a threshold, 1 from there on (section 14.2).

    .. math:: w(y) = w_\text{max} \text{ if } y < \min(\theta, R_\text{max}) \text{, else } 1

    The threshold stays where it is put, whatever the cap: it is a number of cycles and no share of a life. A sample at
    or above the cap weighs 1 even if the cap lies below the threshold.

    Attributes:
        w_max: The weight below the threshold.
        threshold: RUL :math:`\theta` below which a sample is near failure, in the unit of RUL (cycles in C-MAPSS).
    """

    threshold: float = HEALTH_THRESHOLDS[1]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep("threshold", above("threshold", self.threshold, 0))

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """Which side of the threshold a sample lies on; RUL itself is compared, so that no rounding moves it."""
        near: Values = (rul < min(self.threshold, max_rul)) + 0.0 * rul  # 0 or 1, in the precision of RUL.
        return 1.0 + (self.w_max - 1.0) * near
