"""Task weights from gradient norms: the second of the two choices (chapters 17 and 18).

A weighting maps one statistic, the K gradient norms of the tasks, to K weights. Wrap it to change when and how fast the
weights move: ``Warmup(AffineFloor(EMA(InverseNorm())))`` is what :class:`InverseGradient` builds.

They are found by their files: :data:`TASKS` has their classes by name, and each can be had from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rulbook._found import classes
from rulbook.weighting.tasks._base import Weighting

if TYPE_CHECKING:  # What a type checker should know; whoever runs the code finds all.
    from rulbook.weighting.tasks.fixed import FixedWeights
    from rulbook.weighting.tasks.inverse_gradient import InverseGradient
    from rulbook.weighting.tasks.inverse_norm import InverseNorm
    from rulbook.weighting.tasks.wrappers import EMA, AffineFloor, ClipFloor, Warmup

__all__ = [
    "EMA",
    "TASKS",
    "AffineFloor",
    "ClipFloor",
    "FixedWeights",
    "InverseGradient",
    "InverseNorm",
    "Warmup",
    "Weighting",
]

TASKS: dict[str, type[Weighting]] = classes(__name__, __path__, Weighting)  # type: ignore[type-abstract]
"""Every task weighting by the name of its class."""


def __getattr__(name: str) -> Any:
    """The class of a task weighting."""
    if name in TASKS:
        return TASKS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *TASKS})
