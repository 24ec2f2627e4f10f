"""The two choices: how samples are weighted inside the RUL task, and how the tasks are weighted against each other.

``samples`` has one file for each sample weighting, ``tasks`` one for each idea of task weighting. All names of both can
be had from here. Task weightings need torch, so each comes when it is asked for: sample weightings do without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rulbook.weighting.samples import SAMPLES, SampleWeighting

if TYPE_CHECKING:  # What a type checker should know; whoever runs the code finds all.
    from rulbook.weighting.samples import Exponential, Geometric, Linear, Sigmoid, Step, Uniform
    from rulbook.weighting.tasks import (
        EMA,
        TASKS,
        AffineFloor,
        ClipFloor,
        FixedWeights,
        InverseGradient,
        InverseNorm,
        Warmup,
        Weighting,
    )

__all__ = [
    "EMA",
    "SAMPLES",
    "TASKS",
    "AffineFloor",
    "ClipFloor",
    "Exponential",
    "FixedWeights",
    "Geometric",
    "InverseGradient",
    "InverseNorm",
    "Linear",
    "SampleWeighting",
    "Sigmoid",
    "Step",
    "Uniform",
    "Warmup",
    "Weighting",
]


def __getattr__(name: str) -> Any:
    """A weighting of samples or of tasks; torch is imported with the first of the latter."""
    if name in SAMPLES:
        return SAMPLES[name]
    if not name.startswith("_"):
        tasks = importlib.import_module("rulbook.weighting.tasks")
        if name in ("TASKS", "Weighting", *tasks.TASKS):
            return getattr(tasks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
