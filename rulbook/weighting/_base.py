"""What every weighting is: one statistic in, K task weights out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from rulbook.errors import InputError


class Weighting(nn.Module, ABC):
    """Maps the gradient norms of the K tasks to K weights.

    A weighting may keep state from step to step. The state lives in buffers, so ``state_dict`` holds it, and weights
    never carry a graph: to the optimiser they are constants.

    Args:
        tasks: The number of tasks K.
        eps: A norm that is not above it counts as zero (see :class:`InverseNorm`).
    """

    def __init__(self, tasks: int, eps: float = 0.0) -> None:
        super().__init__()
        self.tasks = tasks
        self.eps = eps

    @property
    def needs_norms(self) -> bool:
        """Whether the next call must be given norms. If not, the step may save itself the measurement."""
        return True

    @abstractmethod
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The weights for the coming step.

        Args:
            norms: The K gradient norms; None is enough while :attr:`needs_norms` is False.
            steps: How many optimiser steps have passed since the last call. Above 1 if norms are measured rarely.
        """

    def reset(self) -> None:
        """Forget the past: the state is again that of a new weighting."""
        for child in self.children():
            if isinstance(child, Weighting):
                child.reset()

    def _checked(self, norms: Tensor | None) -> Tensor:
        """Norms of shape (K,) without a graph, in single precision or better: half precision ends at 65504."""
        if norms is None:
            raise InputError(
                f"norms is None: {type(self).__name__} needs the {self.tasks} gradient norms of the tasks."
            )
        if norms.shape != (self.tasks,):
            raise InputError(
                f"norms has shape {tuple(norms.shape)}: it must be ({self.tasks},), one norm for each task."
            )
        norms = norms.detach()
        if bool((norms < 0).any()):
            raise InputError(f"norms holds a negative value: {norms.tolist()}. A norm is at least 0.")
        return norms.to(torch.promote_types(norms.dtype, torch.float32))
