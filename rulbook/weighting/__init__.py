"""The two choices: how samples are weighted inside the RUL task, and how the tasks are weighted against each other.

``tasks`` has one file per task weighting; their names can be had here. They need torch, so each comes when it is asked
for: the schedules of sample weights are importable without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rulbook.weighting.tasks import (
        EMA,
        AffineFloor,
        ClipFloor,
        FixedWeights,
        InverseGradient,
        InverseNorm,
        Warmup,
        Weighting,
    )

__all__ = ["EMA", "AffineFloor", "ClipFloor", "FixedWeights", "InverseGradient", "InverseNorm", "Warmup", "Weighting"]


def __getattr__(name: str) -> Any:
    """A task weighting; torch is imported with the first."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rulbook.weighting import tasks

    return getattr(tasks, name)
