"""What every weighting is: one statistic in, K task weights out."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from rulbook._check import shown
from rulbook.errors import InputError


class KeepsPrecision(nn.Module):
    """A module whose own buffers are never cast to a lower precision than they were made in.

    A moving average that forgets a hundredth a step does not move at all in eight bits: ``model.bfloat16()`` must not
    reach it. Only a device that has no double precision takes it down to single, and says so.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> KeepsPrecision:
        own = {
            name: buffer for name, buffer in self._buffers.items() if buffer is not None and buffer.is_floating_point()
        }
        self._buffers.update(dict.fromkeys(own))
        try:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        finally:
            self._buffers.update(own)
        for name, buffer in own.items():
            self._buffers[name] = _moved(buffer, fn)
        return self


def _moved(buffer: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    device = move(torch.zeros((), dtype=torch.float32, device=buffer.device)).device
    if buffer.dtype == torch.float64 and not has_double(device):
        warnings.warn(f"{device.type} has no double precision: the average is kept in single.", stacklevel=4)
        buffer = buffer.to(torch.float32)
    moved = move(buffer)
    lowered = torch.promote_types(moved.dtype, buffer.dtype) != moved.dtype
    return buffer.to(moved.device) if lowered else moved


def has_double(device: torch.device) -> bool:
    """Whether the device computes in double precision: Apple's does not."""
    return device.type != "mps"


def precision(norms: Tensor | None) -> torch.dtype:
    """The precision of weights: that of the norms, single at least; torch's default where there are none."""
    return torch.promote_types(norms.dtype, torch.float32) if isinstance(norms, Tensor) else torch.get_default_dtype()


class Weighting(KeepsPrecision, ABC):
    """Maps the gradient norms of the K tasks to K weights.

    A weighting may keep state from step to step. The state lives in buffers, so ``state_dict`` holds it, and weights
    never carry a graph: to the optimiser they are constants. They come in the precision of the norms, single at least,
    whether the norms are looked at or not; without norms, in torch's default. Casting a module that holds a weighting
    leaves the state in its own precision.

    A class in a file of this folder is found. The tests of the family make it as it comes: without arguments, with
    ``tasks`` if it has such an argument, and around another weighting if it is a :class:`Wrapper`.

    Args:
        tasks: The number of tasks K.
        eps: A norm that is not above it counts as zero (see :class:`~rulbook.weighting.InverseNorm`).
    """

    total: float = 1.0
    """What the weights sum to."""

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
            norms: The K gradient norms; None is enough while :attr:`needs_norms` is False, and norms that are given
                then are not looked at, but for their precision.
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
        if not isinstance(norms, Tensor) or norms.is_complex() or norms.dtype == torch.bool:
            raise InputError(f"norms is {shown(norms)}: it must be a tensor of {self.tasks} real numbers.")
        if norms.shape != (self.tasks,):
            raise InputError(
                f"norms has shape {tuple(norms.shape)}: it must be ({self.tasks},), one norm for each task."
            )
        norms = norms.detach()
        if bool((norms < 0).any()):
            raise InputError(f"norms holds a negative value: {norms.tolist()}. A norm is at least 0.")
        return norms.to(torch.promote_types(norms.dtype, torch.float32))


class Wrapper(Weighting):
    """A weighting around another one, which its first argument is."""

    def __init__(self, inner: Weighting) -> None:
        super().__init__(inner.tasks, inner.eps)
        self.total = inner.total
        self.inner = inner

    @property
    def needs_norms(self) -> bool:
        """Whether the wrapped weighting needs them."""
        return self.inner.needs_norms
