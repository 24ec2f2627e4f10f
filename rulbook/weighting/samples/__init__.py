"""How samples are weighted inside the RUL task: the first of the two choices (chapter 14).

One file for each weighting, found by its file: :data:`SAMPLES` has their classes by name, and each can be had from
here, as in ``from rulbook.weighting.samples import Linear``. NumPy is all they need; torch tensors they take as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rulbook._found import classes
from rulbook.weighting.samples._base import SampleWeighting, sample_weighting

if TYPE_CHECKING:  # What a type checker should know; whoever runs the code finds all.
    from rulbook.weighting.samples.exponential import Exponential
    from rulbook.weighting.samples.geometric import Geometric
    from rulbook.weighting.samples.linear import Linear
    from rulbook.weighting.samples.sigmoid import Sigmoid
    from rulbook.weighting.samples.step import Step
    from rulbook.weighting.samples.uniform import Uniform

__all__ = [
    "SAMPLES",
    "Exponential",
    "Geometric",
    "Linear",
    "SampleWeighting",
    "Sigmoid",
    "Step",
    "Uniform",
    "sample_weighting",
]

SAMPLES: dict[str, type[SampleWeighting]] = classes(__name__, __path__, SampleWeighting)  # type: ignore[type-abstract]
"""Every sample weighting by the name of its class."""


def __getattr__(name: str) -> Any:
    """The class of a sample weighting."""
    if name in SAMPLES:
        return SAMPLES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *SAMPLES})
