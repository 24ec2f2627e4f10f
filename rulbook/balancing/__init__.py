"""How task weights become ``.grad``: the weighted sum of losses, GradNorm, and the methods of TorchJD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rulbook.balancing.weighted_sum import WeightedSum

__all__ = ["WeightedSum"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: whoever lacks a package learns what the *module* needs that was asked for."""
    if name == "WeightedSum":
        from rulbook.balancing.weighted_sum import WeightedSum

        return WeightedSum
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
