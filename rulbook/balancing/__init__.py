"""How task weights become ``.grad``: the weighted sum of losses, GradNorm, and the methods of TorchJD."""

from rulbook.balancing.weighted_sum import WeightedSum

__all__ = ["WeightedSum"]
