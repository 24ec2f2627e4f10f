"""The gradients of several losses: measured, compared, and combined into one step (chapters 12 and 18).

The measuring functions leave ``.grad`` alone. Only :meth:`Balancer.backward` writes it, as ``loss.backward()`` would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from rulbook.errors import InputError

__all__ = [
    "Balancer",
    "StepReport",
    "gradient_cosine",
    "task_gradient_norms",
    "task_gradients",
]

Losses = Tensor | Sequence[Tensor]


def task_gradients(losses: Losses, params: Sequence[Tensor]) -> Float[Tensor, "task n"]:
    """The gradient of each loss on all of ``params``, one flat row per task. The graph stays; ``.grad`` is not touched.

    Args:
        losses: K scalar losses, as a (K,) tensor or a sequence.
        params: Where the gradients are taken, n numbers in all: ``model.shared_parameters()`` for everything that the
            tasks share, ``model.last_shared_parameters()`` for the last shared layer, ``[z]`` for the representation.
            These are three different quantities, and so are their norms. A row is 0 where a loss does not reach.

    Raises:
        ValueError: If there are no losses or no params, or a loss is no scalar with a graph.
    """
    if len(params) == 0:
        raise InputError("params is empty: say where the gradients are to be taken.")
    return gradient_rows(loss_edges(losses), params)


def task_gradient_norms(losses: Losses, params: Sequence[Tensor]) -> Float[Tensor, " task"]:
    r"""How hard each task pulls: :math:`g_i = \lVert \nabla_{\text{params}} L_i \rVert_2` (section 12.1).

    Args:
        losses: As in :func:`task_gradients`.
        params: *Where* the norms are taken; see :func:`task_gradients`.

    Returns:
        K norms without a graph. ``.grad`` is not touched, and the losses can still be differentiated.
    """
    return row_norms(task_gradients(losses, params))


def gradient_cosine(losses: Losses, params: Sequence[Tensor]) -> float:
    """The cosine of the angle between the gradients of the first two losses: -1 against, 0 at right angles, 1 along.

    It is NaN if one of the two gradients is zero. Arguments as in :func:`task_gradients`.
    """
    rows = task_gradients(losses, params)
    if len(rows) < 2:
        raise InputError("losses holds one loss: an angle takes two.")
    return row_cosine(rows)


@dataclass(frozen=True)
class StepReport:
    """What one step saw. Tensors are detached.

    Attributes:
        losses: The task losses, (K,).
        weights: The weights that were applied, (K,).
        norms: The gradient norms that the step measured, (K,), where its balancer says; None if it measured none.
        cosine: Cosine between the gradients of the first two tasks on the shared parameters; None if it was not
            measured, or if one of them is zero.
        note: A sentence about a task whose gradient is zero, infinite or NaN; None if all is well.
    """

    losses: Float[Tensor, " task"]
    weights: Float[Tensor, " task"]
    norms: Float[Tensor, " task"] | None = None
    cosine: float | None = None
    note: str | None = None


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
            losses: K scalar losses with their graph, as a (K,) tensor or a sequence.
            shared: The parameters that all tasks share.
            representation: The last tensor that all tasks share; wanted by some balancers.
            last_shared: The parameters of the last layer that all tasks share; wanted by some balancers.
        """

    def end_epoch(self) -> None:
        """Called by the training loop after each epoch. Most balancers have nothing to do then."""

    def reset(self) -> None:
        """Forget the past."""


def checked_scalars(losses: Losses) -> list[Tensor]:
    """The losses one by one, checked."""
    scalars = list(losses.reshape(-1).unbind() if isinstance(losses, Tensor) and losses.ndim < 2 else losses)
    if not scalars:
        raise InputError("losses is empty: at least one loss is needed.")
    for position, loss in enumerate(scalars):
        if loss.ndim != 0 or not loss.requires_grad:
            raise InputError(
                f"losses holds at position {position} a tensor of shape {tuple(loss.shape)} "
                f"{'with' if loss.requires_grad else 'without'} a graph: it must be a scalar with one."
            )
    return scalars


def loss_edges(losses: Losses) -> list[GradientEdge]:
    """Where the backward pass of each loss begins.

    Losses that were stacked are taken from before the stack: a pass that starts behind it runs through all of them,
    with zeros for the others, and zero times an infinite gradient is NaN.
    """
    scalars = checked_scalars(losses)
    stack = losses.grad_fn if isinstance(losses, Tensor) else None
    if stack is not None and stack.name() == "StackBackward0":
        edges = [GradientEdge(node, output) for node, output in stack.next_functions if node is not None]
        if len(edges) == len(scalars):
            return edges
    return [get_gradient_edge(loss) for loss in scalars]


def gradient_rows(
    edges: Sequence[GradientEdge], params: Sequence[Tensor], *, retain_graph: bool = True
) -> Float[Tensor, "task n"]:
    """As :func:`task_gradients`. Without ``retain_graph`` the last pass frees the memory of the graph."""
    rows = params[0].new_empty(len(edges), sum(param.numel() for param in params))
    for task, edge in enumerate(edges):
        keep = retain_graph or task + 1 < len(edges)
        grads = torch.autograd.grad(edge, params, retain_graph=keep, allow_unused=True, materialize_grads=True)
        torch.cat([grad.reshape(-1) for grad in grads], out=rows[task])
    return rows


def row_norms(rows: Tensor) -> Tensor:
    """The length of each row, in single precision or better: half precision cannot hold the square of 256."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.promote_types(rows.dtype, torch.float32))
    return norms


def row_cosine(rows: Tensor) -> float:
    """The cosine between the first two rows; NaN if one is zero."""
    first, second = row_norms(rows[:2])
    return float(torch.dot(rows[0], rows[1]) / first / second)
