"""The weighting of GABA and GRACE, complete: formula, average, floor, warm-up."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor

from rulbook._check import above, one_of
from rulbook.weighting.tasks._base import Weighting
from rulbook.weighting.tasks.inverse_norm import InverseNorm
from rulbook.weighting.tasks.wrappers import EMA, AffineFloor, ClipFloor, Warmup


class InverseGradient(Weighting):
    """The weighting of GABA and GRACE: ``Warmup(Floor(EMA(InverseNorm())))``, times ``total`` (section 17.4).

    Each part can be left out: ``beta=0``, ``floor=0``, ``warmup=0``, ``eps=0``.

    With the published floor of 0.05 and two tasks, every ratio of norms above 19 ends at the floor: the weights are
    then all but constant, and the tasks pull equally hard no longer. ``floor=0`` keeps the promise of the formula.

    Args:
        tasks: The number of tasks K, at least 2.
        beta: The share of the past in the moving average.
        floor: The smallest weight, as a share of ``total``, at most 1/K.
        warmup: How many first steps weigh all tasks alike.
        eps: Added to each norm; a norm that is not above it counts as zero.
        floor_form: ``"affine"`` keeps the floor; ``"clip"`` is the published form, which ends below it.
        total: What the weights sum to: 1 (weights are shares, the default) or K (the mean weight is 1, as in the
            published code for two tasks). Under SGD this scales the learning rate; AdamW hides most of it.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        tasks: int = 2,
        beta: float = 0.99,
        floor: float = 0.05,
        warmup: int = 100,
        eps: float = 1e-8,
        *,
        floor_form: str = "affine",
        total: float = 1.0,
    ) -> None:
        super().__init__(tasks, eps)
        self.total = above("total", total, 0)
        one_of("floor_form", floor_form, ("affine", "clip"))
        chain: Weighting = InverseNorm(tasks, eps)
        if beta != 0:
            chain = EMA(chain, beta)
        if floor != 0:
            chain = (AffineFloor if floor_form == "affine" else ClipFloor)(chain, floor)
        if warmup != 0:
            chain = Warmup(chain, warmup)
        self.chain = chain

    @property
    def needs_norms(self) -> bool:
        """Not during the warm-up."""
        return self.chain.needs_norms

    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The weights for the coming step, summing to ``total``."""
        weights: Tensor = self.chain(norms, steps=steps)
        return self.total * weights
