"""The gradients of several losses, measured and compared (chapters 12 and 18).

Nothing here touches ``.grad``. What writes it, as ``loss.backward()`` would, is a balancer: :mod:`rulbook.balancing`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from rulbook._check import shown
from rulbook.errors import InputError

__all__ = [
    "gradient_cosine",
    "task_gradient_norms",
    "task_gradients",
]

if TYPE_CHECKING:
    Losses = Tensor | Sequence[Tensor | float | None]
else:
    # Whatever comes is looked at by ``task_scalars``, which names what it cannot use.
    Losses = object


def task_gradients(losses: Losses, params: Sequence[Tensor]) -> Float[Tensor, "task n"]:
    """The gradient of each loss on all of ``params``, one flat row per task. The graph stays; ``.grad`` is not touched.

    Args:
        losses: K scalar losses, as a (K,) tensor or a sequence.
        params: Where the gradients are taken, n numbers in all: ``model.shared_parameters()`` for everything that the
            tasks share, ``model.last_shared_parameters()`` for the last shared layer, ``[z]`` for the representation.
            These are three different quantities, and so are their norms. A row is 0 where a loss does not reach, and
            at a parameter that is frozen.

    Raises:
        ValueError: If there are no losses or no params, all params are frozen, or a loss is no scalar with a graph.
    """
    if len(params) == 0:
        raise InputError("params is empty: say where the gradients are to be taken.")
    trained("params", params)
    roots = []
    for position, root in enumerate(loss_roots(checked_scalars(losses), losses)):
        if root is None:
            raise InputError(f"losses holds at position {position} a constant: every task must have a graph.")
        roots.append(root)
    return task_rows(roots, params)[0]


def task_gradient_norms(losses: Losses, params: Sequence[Tensor]) -> Float[Tensor, " task"]:
    r"""How hard each task pulls: :math:`g_i = \lVert \nabla_{\text{params}} L_i \rVert_2` (section 12.1).

    Args:
        losses: As in :func:`task_gradients`.
        params: *Where* the norms are taken; see :func:`task_gradients`. One that is named twice counts once.

    Returns:
        K norms without a graph. ``.grad`` is not touched, and the losses can still be differentiated.
    """
    return row_norms(task_gradients(losses, distinct(params)))


def gradient_cosine(losses: Losses, params: Sequence[Tensor]) -> float:
    """The cosine of the angle between the gradients of the first two losses: -1 against, 0 at right angles, 1 along.

    It is NaN if one of the two gradients is zero. Arguments as in :func:`task_gradients`.
    """
    rows = task_gradients(losses, distinct(params))
    if len(rows) < 2:
        raise InputError("losses holds one loss: an angle takes two.")
    return row_cosine(rows)


def task_scalars(losses: Losses) -> list[Tensor | None]:
    """The losses one by one, checked; None for a task that came without one (None, 0.0 or NaN in its place)."""
    if isinstance(losses, Tensor):
        if losses.ndim > 1:
            raise InputError(f"losses has shape {tuple(losses.shape)}: it must be (tasks,), or a sequence of scalars.")
        given: list[object] = list(losses.reshape(-1).unbind())
    elif isinstance(losses, Iterable) and not isinstance(losses, (dict, str, bytes)):
        given = list(losses)
    else:
        raise InputError(f"losses is {shown(losses)}: it must be a tensor or a sequence with one scalar for each task.")
    if not given:
        raise InputError("losses is empty: at least one loss is needed.")
    return [_scalar(position, loss) for position, loss in enumerate(given)]


def _scalar(position: int, loss: object) -> Tensor | None:
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad:
        return loss
    # A number without a graph can only be the trace of a task that the batch does not have.
    if loss is None or (isinstance(loss, (float, int)) and (loss == 0 or math.isnan(loss))):
        return None
    if not isinstance(loss, Tensor):
        raise InputError(
            f"losses holds {shown(loss)} at position {position}: it must be a scalar tensor with a graph, or None for "
            "a task that this batch does not have."
        )
    if loss.ndim == 0 and (loss == 0 or loss.isnan()):
        return None
    raise InputError(
        f"losses holds at position {position} a tensor of shape {tuple(loss.shape)} "
        f"{'with' if loss.requires_grad else 'without'} a graph: it must be a scalar with one."
    )


def checked_scalars(losses: Losses) -> list[Tensor]:
    """The losses one by one, checked; every task must have one."""
    scalars = []
    for position, loss in enumerate(task_scalars(losses)):
        if loss is None:
            raise InputError(f"losses holds at position {position} no tensor with a graph: every task must have one.")
        scalars.append(loss)
    return scalars


def loss_values(scalars: Sequence[Tensor | None]) -> Float[Tensor, " task"]:
    """The values of the losses without their graph; NaN where a task has none."""
    present = [loss for loss in scalars if loss is not None]
    like = present[0] if present else torch.zeros(())
    # Half precision beside single: the wider holds both, where 1e5 in the narrower would be infinite.
    dtype = functools.reduce(torch.promote_types, (loss.dtype for loss in present), like.dtype)
    like = like.detach().to(dtype)
    return torch.stack([like.new_tensor(math.nan) if loss is None else loss.detach().to(like) for loss in scalars])


class Root(NamedTuple):
    """Where the backward pass of one loss begins: at an edge of the graph, with a factor if there is one."""

    edge: GradientEdge
    factor: Tensor | None = None


_ELEMENT_BY_ELEMENT = ("MulBackward0", "DivBackward0", "NegBackward0", "ToCopyBackward0")


def loss_roots(scalars: Sequence[Tensor | None], losses: Losses) -> list[Root | None]:
    """Where the backward pass of each loss begins; None for a task without one.

    Losses that were stacked, and then perhaps scaled, are taken from before the stack: a pass that starts behind it
    runs through all of them, with zeros for the others, and zero times an infinite gradient is NaN.
    """
    stack = losses.grad_fn if isinstance(losses, Tensor) else None
    while stack is not None and stack.name() in _ELEMENT_BY_ELEMENT:
        parents = [node for node, _ in stack.next_functions if node is not None]
        stack = parents[0] if len(parents) == 1 else None
    if stack is not None and stack.name() == "StackBackward0" and len(stack.next_functions) == len(scalars):
        assert isinstance(losses, Tensor)
        factors: Sequence[Tensor | None] = [None] * len(scalars)
        if stack is not losses.grad_fn:
            one = torch.ones_like(losses)
            factors = torch.autograd.grad(losses, GradientEdge(stack, 0), one, retain_graph=True)[0].unbind()
        begins = zip(stack.next_functions, factors, strict=True)
        return [None if node is None else Root(GradientEdge(node, nr), factor) for (node, nr), factor in begins]
    return [None if loss is None else Root(get_gradient_edge(loss)) for loss in scalars]


def distinct(params: Iterable[Tensor]) -> list[Tensor]:
    """Each parameter once, in the order of the first mention."""
    return list(dict.fromkeys(params))


def trained(name: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters that are not frozen, each once; refused if there are some and all are frozen."""
    given = distinct(params)
    kept = [param for param in given if param.requires_grad]
    if given and not kept:
        raise InputError(f"{name} holds {len(given)} tensors, all frozen: one at least must require a gradient.")
    return kept


def task_rows(
    roots: Sequence[Root], params: Sequence[Tensor], *, retain_graph: bool = True
) -> tuple[Float[Tensor, "task n"], list[list[bool]]]:
    """The gradient of each task on all of ``params``, one flat row per task, and which of them each task reaches.

    A row is 0 where the task does not reach, and at a frozen parameter. Without ``retain_graph`` the last pass frees
    the memory of the graph.
    """
    dtype = functools.reduce(torch.promote_types, (param.dtype for param in params))
    rows = params[0].new_empty(len(roots), sum(param.numel() for param in params), dtype=dtype)
    asked = [param for param in params if param.requires_grad]
    reached = []
    for task, root in enumerate(roots):
        keep = retain_graph or task + 1 < len(roots)
        found = iter(torch.autograd.grad(root.edge, asked, root.factor, retain_graph=keep, allow_unused=True))
        grads = [next(found) if param.requires_grad else None for param in params]
        reached.append([grad is not None for grad in grads])
        parts = [
            param.new_zeros(param.numel()) if grad is None else grad.reshape(-1)
            for param, grad in zip(params, grads, strict=True)
        ]
        torch.cat(parts, out=rows[task])
    return rows, reached


def row_norms(rows: Tensor) -> Tensor:
    """The length of each row, in single precision or better: half precision cannot hold the square of 256.

    A row whose squares leave the range of its numbers is measured in units of its largest one, so that every row of
    finite numbers has a finite length, and only a row of zeros has length 0.
    """
    dtype = torch.promote_types(rows.dtype, torch.float32)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=dtype)
    safe = torch.finfo(dtype).tiny ** 0.5 / torch.finfo(dtype).eps
    extreme = ~torch.isfinite(norms) | (norms < safe)
    if rows.shape[1] and bool(extreme.any()):
        odd = rows[extreme].to(dtype)
        unit = odd.abs().amax(dim=1, keepdim=True)
        unit = torch.where(torch.isfinite(unit) & (unit > 0), unit, 1.0)
        norms[extreme] = unit[:, 0] * torch.linalg.vector_norm(odd / unit, dim=1)
    return norms


def row_cosine(rows: Tensor) -> float:
    """The cosine between the first two rows; NaN if one is zero."""
    first, second = row_norms(rows[:2])
    one, other = rows[0].to(first.dtype), rows[1].to(first.dtype)
    dot = torch.dot(one, other)
    if bool(torch.isfinite(dot)) and float(first) * float(second) > torch.finfo(first.dtype).tiny:
        return float(dot / first / second)
    return float(torch.dot(one / first, other / second))
