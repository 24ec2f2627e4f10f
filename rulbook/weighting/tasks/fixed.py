"""Weights that never move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from rulbook._check import at_least
from rulbook.errors import InputError
from rulbook.weighting.tasks._base import Weighting, precision


class FixedWeights(Weighting):
    """The same weights at every step: (0.5, 0.5) is the book's baseline.

    Args:
        weights: One weight for each task, not negative, not all zero. Their sum is taken as it is.
    """

    weights: Tensor

    def __init__(self, weights: Sequence[float] = (0.5, 0.5)) -> None:
        values = [at_least("weights", weight, 0) for weight in weights]
        if len(values) < 2 or sum(values) == 0:
            raise InputError(f"weights is {list(weights)}: at least two tasks are wanted, and one weight above 0.")
        super().__init__(len(values))
        self.total = sum(values)
        self.register_buffer("weights", torch.tensor(values, dtype=torch.float64))

    @property
    def needs_norms(self) -> bool:
        """Never: a step with fixed weights costs a plain step."""
        return False

    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The weights, whatever the norms."""
        return self.weights.to(precision(norms), copy=True)

    def extra_repr(self) -> str:
        """Show the weights when the module is printed."""
        return ", ".join(f"{weight:g}" for weight in self.weights.tolist())
