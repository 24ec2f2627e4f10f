"""Random draws from a generator of one's own, so that nobody else's draws change a run, nor a run anybody else's.

Dropout, the initialisation of a layer and a method such as PCGrad draw from PyTorch's global generator, which all
threads of a process share: two runs side by side would take numbers from each other. Inside ``with Draws(seed):`` the
calls that draw are given another generator. The block speaks for its own thread only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rulbook.errors import InputError

__all__ = ["Draws"]

_TAKE_A_GENERATOR = frozenset(
    {
        *("bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "multinomial", "normal"),
        *("normal_", "poisson", "rand", "randint", "randn", "random_", "randperm", "uniform_"),
    }
)
"""Calls implemented in C++ that draw and can be told from what; those written in Python say it in their signature."""


class Draws(TorchFunctionMode):
    """Inside its ``with`` block, PyTorch's draws come from here: on the CPU the numbers of a ``manual_seed``.

    Args:
        seed: Where the draws begin.
        device: Where dropout draws; what draws elsewhere than there draws on the CPU.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self._generators = {"cpu": torch.Generator().manual_seed(seed)}
        kind = torch.device(device).type
        if kind != "cpu":
            self._generators[kind] = torch.Generator(device).manual_seed(seed)

    def state(self) -> dict[str, Tensor]:
        """Where the draws stand, by kind of device, for :meth:`restore`."""
        return {kind: generator.get_state() for kind, generator in self._generators.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on drawing from where :meth:`state` was called; another kind of device than there was stays as it is.

        Raises:
            ValueError: If ``state`` holds no draws.
        """
        if "cpu" not in state:
            raise InputError(
                f"state holds {', '.join(state) or 'nothing'}: the state of the draws on the CPU is missing."
            )
        for kind, generator in self._generators.items():
            if kind in state:
                generator.set_state(state[kind])

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Stand in for what draws; let everything else pass."""
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is torch.lstm and isinstance(args[3], bool):
            return self._lstm(*args)
        if func in (torch.rand_like, torch.randn_like) and kwargs.get("generator") is None:
            empty = torch.empty_like(*args, **{name: value for name, value in kwargs.items() if name != "generator"})
            generator = self._generators[empty.device.type]
            fill = empty.uniform_ if func is torch.rand_like else empty.normal_
            return fill(generator=generator)
        if _takes_a_generator(func) and kwargs.get("generator") is None:
            on = next((value.device for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), None)
            device = torch.device(kwargs.get("device") or on or "cpu")
            kwargs = {**kwargs, "generator": self._generators.get(device.type)}
        return func(*args, **kwargs)

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002
        # In the order in which PyTorch does it on the CPU, to the bit.
        if not training or p == 0 or input.numel() == 0:
            return input
        if p == 1:
            return input.mul_(0.0) if inplace else input * 0.0
        generator = self._generators[input.device.type]
        noise = torch.empty_like(input).bernoulli_(1 - p, generator=generator).div_(1 - p)
        return input.mul_(noise) if inplace else input * noise

    def _lstm(
        self,
        input: Tensor,  # noqa: A002
        state: Sequence[Tensor],
        weights: list[Tensor],
        bias: bool,
        layers: int,
        dropout: float,
        training: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Layer by layer, since PyTorch takes no generator for the dropout between them."""
        directions = 2 if bidirectional else 1
        per_layer = directions * len(weights) // (directions * layers)
        passed = input.transpose(0, 1) if batch_first else input
        last = list[list[Tensor]]()
        for layer in range(layers):
            here = slice(layer * directions, (layer + 1) * directions)
            own = weights[layer * per_layer : (layer + 1) * per_layer]
            begin = [part[here] for part in state]
            passed, *ends = torch.lstm(passed, begin, own, bias, 1, 0.0, training, bidirectional, False)
            last.append(ends)
            if layer + 1 < layers:
                passed = self._dropout(passed, dropout, training)
        hidden, cell = (torch.cat(ends) for ends in zip(*last, strict=True))
        return (passed.transpose(0, 1) if batch_first else passed), hidden, cell


@cache
def _takes_a_generator(func: Callable[..., Any]) -> bool:
    if getattr(func, "__name__", "") in _TAKE_A_GENERATOR:
        return True
    # torch.nn.init and the like: Python functions that hand it on.
    if not inspect.isfunction(func):
        return False
    code = func.__code__
    return "generator" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
