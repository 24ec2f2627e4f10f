"""Wrappers: when and how fast the weights move. Each takes a weighting and is one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from rulbook._check import whole, within
from rulbook.weighting.tasks._base import Weighting, Wrapper, precision


class EMA(Wrapper):
    r"""An exponential moving average of the weights, started at 1/K (equation 17.6).

    .. math:: \tilde\lambda_t = \beta^s\,\tilde\lambda_{t-s} + (1 - \beta^s)\,\lambda_t

    with s = 1 when norms are measured at every step. Measured every s steps, the factor is raised to s, so that the
    average forgets at the same pace per step. A norm that says nothing leaves the average where it is: one that is
    infinite or NaN, and one of at most ``eps``, as a task has that is absent from the batch.

    Args:
        inner: The weighting to smooth.
        beta: The share of the past, from 0 (no smoothing) to below 1. At 0.99 half of a change arrives in 69 steps.
    """

    smoothed: Tensor

    def __init__(self, inner: Weighting, beta: float = 0.99) -> None:
        super().__init__(inner)
        self.beta = within("beta", beta, 0, 1)
        self.register_buffer("smoothed", torch.full((self.tasks,), 1 / self.tasks, dtype=torch.float64))

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The average after it has taken in the weights of this step.

        Raises:
            ValueError: If ``steps`` is no whole number of at least 1, or the norms are refused.
        """
        whole("steps", steps, 1)
        looked_at = norms is not None and self.needs_norms
        weights: Tensor = self.inner(norms, steps=steps)
        if norms is None or not looked_at or bool((torch.isfinite(norms) & (norms > self.eps)).all()):
            # Written as a step towards the new weights: equal weights then stay exactly equal.
            self.smoothed.add_((1 - self.beta**steps) * (weights.to(self.smoothed) - self.smoothed))
        return self.smoothed.to(weights, copy=True)

    def reset(self) -> None:
        """Start again at 1/K."""
        super().reset()
        self.smoothed.fill_(1 / self.tasks)

    def extra_repr(self) -> str:
        """Show the setting when the module is printed."""
        return f"beta={self.beta:g}"


class AffineFloor(Wrapper):
    r"""Keeps every weight at or above a floor by mixing in equal weights (equation 17.8).

    .. math:: \lambda'_i = f + (1 - K f)\,\lambda_i

    The sum stays 1, the floor is kept, and being affine it commutes with :class:`EMA`: smoothing before or after
    gives the same weights.

    Args:
        inner: The weighting to lift.
        floor: The smallest weight f, from 0 to 1/K.
    """

    def __init__(self, inner: Weighting, floor: float = 0.05) -> None:
        super().__init__(inner)
        self.floor = within("floor", floor, 0, 1 / self.tasks)

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The lifted weights."""
        weights: Tensor = self.inner(norms, steps=steps)
        # The same line around its fixed point 1/K: equal weights stay exactly equal.
        return 1 / self.tasks + (1 - self.tasks * self.floor) * (weights - 1 / self.tasks)

    def extra_repr(self) -> str:
        """Show the setting when the module is printed."""
        return f"floor={self.floor:g}"


class ClipFloor(Wrapper):
    r"""Clips the weights from below, then divides by their sum: the published way (equation 17.7).

    .. math:: \lambda'_i = \frac{\max(\lambda_i, f)}{\sum_j \max(\lambda_j, f)}

    The division undoes part of the clipping: (0.002, 0.998) with f = 0.05 becomes (0.0477, 0.9523), below the floor.
    It does not commute with :class:`EMA`. Kept because the published results were made with it.

    Args:
        inner: The weighting to clip.
        floor: The value f, from 0 to 1/K.
    """

    def __init__(self, inner: Weighting, floor: float = 0.05) -> None:
        super().__init__(inner)
        self.floor = within("floor", floor, 0, 1 / self.tasks)

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The clipped and renormalised weights."""
        weights: Tensor = self.inner(norms, steps=steps).clamp(min=self.floor)
        return weights / weights.sum()

    def extra_repr(self) -> str:
        """Show the setting when the module is printed."""
        return f"floor={self.floor:g}"


class Warmup(Wrapper):
    """Equal weights, exactly 1/K, for the first steps; only then does the wrapped weighting see its first norms.

    A network at its first steps has gradients that say little about the ones to come (section 17.4). Nothing is
    measured in that time, so these steps cost a plain step.

    Args:
        inner: The weighting to hold back.
        steps: How many steps to wait.
    """

    waited: Tensor

    def __init__(self, inner: Weighting, steps: int = 100) -> None:
        super().__init__(inner)
        self.steps = whole("steps", steps, 0)
        self.register_buffer("waited", torch.zeros((), dtype=torch.int64))

    @property
    def needs_norms(self) -> bool:
        """Not before the wait is over."""
        return int(self.waited) >= self.steps and self.inner.needs_norms

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """Equal weights while waiting, then those of the wrapped weighting."""
        if int(self.waited) >= self.steps:
            weights: Tensor = self.inner(norms, steps=steps)
            return weights
        self.waited += steps
        return torch.full((self.tasks,), 1 / self.tasks, dtype=precision(norms), device=self.waited.device)

    def reset(self) -> None:
        """Wait again from the start."""
        super().reset()
        self.waited.zero_()

    def extra_repr(self) -> str:
        """Show the setting when the module is printed."""
        return f"steps={self.steps}"
