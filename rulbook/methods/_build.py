"""How balancers are built. Each function imports what it needs when it is called: the table is read without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rulbook.balancing.balancer import Balancer
else:
    Balancer = Any

__all__ = ["fixed", "inverse_gradient", "torchjd"]


def fixed(*weights: float) -> Balancer:
    """The same task weights at every step."""
    from rulbook.balancing.weighted_sum import WeightedSum
    from rulbook.weighting.tasks import FixedWeights

    return WeightedSum(FixedWeights(weights))


def inverse_gradient(**settings: Any) -> Balancer:
    """Task weights by inverse gradient norm; settings as in :class:`rulbook.weighting.InverseGradient`."""
    from rulbook.balancing.weighted_sum import WeightedSum
    from rulbook.weighting.tasks import InverseGradient

    return WeightedSum(InverseGradient(**settings))


def torchjd(name: str, **settings: Any) -> Balancer:
    """An aggregator of TorchJD, by the name of its class."""
    from rulbook.balancing.torchjd import aggregated

    return aggregated(name, **settings)
