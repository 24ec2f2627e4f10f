"""Task weights from gradient norms (chapters 17 and 18).

A weighting maps one statistic, the K gradient norms of the tasks, to K weights. Wrap it to change when and how fast the
weights move: ``Warmup(AffineFloor(EMA(InverseNorm())))`` is what :class:`InverseGradient` builds.
"""

from rulbook.weighting.tasks._base import Weighting
from rulbook.weighting.tasks._fixed import FixedWeights
from rulbook.weighting.tasks._inverse_gradient import InverseGradient
from rulbook.weighting.tasks._inverse_norm import InverseNorm
from rulbook.weighting.tasks._wrappers import EMA, AffineFloor, ClipFloor, Warmup

__all__ = ["EMA", "AffineFloor", "ClipFloor", "FixedWeights", "InverseGradient", "InverseNorm", "Warmup", "Weighting"]
