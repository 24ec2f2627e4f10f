"""What all balancers have in common: losses come in, ``.grad`` is written, a report goes out (chapter 18)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from rulbook.gradients import Losses

__all__ = ["Balancer", "StepReport"]


@dataclass(frozen=True)
class StepReport:
    """What one step saw. Tensors are detached.

    Attributes:
        losses: The task losses, (K,); NaN for a task that came without one.
        weights: The weights that were applied, (K,); 0 for a task that was left out.
        norms: The gradient norms that the step measured, (K,), where its balancer says; None if it measured none.
        cosine: Cosine between the gradients of the first two tasks on the shared parameters; None if it was not
            measured, or if one of them is zero.
        note: A sentence about each task that is absent from the batch, or whose loss or gradient is zero, infinite or
            NaN; None if all is well.
        joint_norm: The length of the weighted sum of the gradients on all parameters of the network, before it was
            clipped; None from a balancer alone, which neither clips nor steps.
    """

    losses: Float[Tensor, " task"]
    weights: Float[Tensor, " task"]
    norms: Float[Tensor, " task"] | None = None
    cosine: float | None = None
    note: str | None = None
    joint_norm: float | None = None


class Balancer(nn.Module, ABC):
    """How one step weighs the tasks. State lives in buffers; what is learned, in parameters for the optimiser."""

    @abstractmethod
    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """Add the gradient of the weighted sum to ``.grad`` of everything that the losses reach.

        Args:
            losses: K scalar losses with their graph, as a (K,) tensor or a sequence. A task that the batch has no
                labels for is given as None, as 0.0 or as NaN, and is left out of the step.
            shared: The parameters that all tasks share.
            representation: The last tensor that all tasks share; wanted by some balancers.
            last_shared: The parameters of the last layer that all tasks share; wanted by some balancers.
        """

    def end_epoch(self) -> None:
        """Called by the training loop after each epoch. Most balancers have nothing to do then."""

    def reset(self) -> None:
        """Forget the past."""
