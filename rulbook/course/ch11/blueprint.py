"""What a network is made of, read off a run of it: each layer, the shapes it sees, its parameters (section 11.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rulbook._check import whole
from rulbook.model import DualTaskModel

__all__ = ["BLOCKS", "Layer", "blueprint"]

BLOCKS: dict[str, tuple[str, ...]] = {
    "CNN": ("convolutions",),
    "BiLSTM": ("lstm",),
    "attention": ("attention", "attention_norm"),
    "funnel": ("funnel",),
    "RUL head": ("rul_head",),
    "health head": ("health_head",),
}
"""The blocks in the order of the data, each with the modules of :class:`DualTaskModel` that it consists of."""


@dataclass(frozen=True)
class Layer:
    """One layer with parameters, as a run of the network met it.

    Attributes:
        block: A name in :data:`BLOCKS`.
        kind: What the layer is, as PyTorch calls it.
        takes: Shape of its input for one window, without the batch.
        gives: Shape of its output for one window, without the batch.
        parameters: Trainable numbers in it.
    """

    block: str
    kind: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    parameters: int


def blueprint(model: DualTaskModel, window: int = 30) -> list[Layer]:
    """Send one window through the network and note every layer that has parameters, in the order of the run.

    Args:
        model: The network. Its mode and its running averages stay as they are.
        window: Cycles in the window.
    """
    seen: list[Layer] = []
    handles = []
    for block, names in BLOCKS.items():
        for name in names:
            for layer in _layers(getattr(model, name)):

                def note(module: nn.Module, inputs: tuple[Any, ...], output: Any, block: str = block) -> None:
                    # Attention is called with a query, keys and values: what it reads are the keys.
                    read = inputs[1] if isinstance(module, nn.MultiheadAttention) else inputs[0]
                    given = output[0] if isinstance(output, tuple) else output
                    parameters = sum(parameter.numel() for parameter in module.parameters())
                    seen.append(Layer(block, type(module).__name__, _one(read), _one(given), parameters))

                handles.append(layer.register_forward_hook(note))
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, whole("window", window, 1), model.n_features))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return seen


def _layers(module: nn.Module) -> list[nn.Module]:
    """The layers that are called: a sequence's parts if they have parameters, anything else as a whole."""
    parts = list(module) if isinstance(module, nn.Sequential) else [module]
    return [part for part in parts if any(True for _ in part.parameters())]


def _one(batch: Tensor) -> tuple[int, ...]:
    return tuple(batch.shape[1:])
