"""What the balancers share: which tasks a step can use, what lies behind their losses, and how ``.grad`` is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from rulbook.errors import InputError
from rulbook.gradients import Losses, Root, loss_roots, loss_values, task_scalars

_SOUND, _OVERFLOWN, _ABSENT = 0, 1, 2


class Graph:
    """What a backward pass from the losses would run through.

    Attributes:
        leaves: Every tensor whose ``.grad`` such a pass would fill, in the order of the walk.
        hides: Whether a reentrant checkpoint hides a part: what lies in it cannot be seen from here.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        self._edges = {(root.edge.node, root.edge.output_nr) for root in roots}
        leaves: dict[Tensor, None] = {}
        nodes: list[Node] = [root.edge.node for root in roots]
        seen = set(nodes)
        self.hides = False
        while nodes:
            node = nodes.pop()
            if hasattr(node, "variable"):  # The node at the end of every path, which fills .grad.
                leaves[node.variable] = None
            self.hides |= node.name() == "CheckpointFunctionBackward"
            for parent, output in node.next_functions:
                if parent is not None:
                    self._edges.add((parent, output))
                    if parent not in seen:
                        seen.add(parent)
                        nodes.append(parent)
        self.leaves = list(leaves)
        self._leaves = leaves

    def reaches(self, tensor: Tensor) -> bool:
        """Whether the losses depend on this very tensor."""
        if tensor.is_leaf:
            return tensor in self._leaves
        edge = get_gradient_edge(tensor)
        return (edge.node, edge.output_nr) in self._edges


class StepLosses:
    """The losses of one step, sorted by what the step can do with them.

    A task is *absent* if it came as None, 0.0 or NaN: a batch without its labels. It is *overflown* if its loss is
    infinite. All others are sound, as far as their losses tell.

    Args:
        losses: As a balancer gets them.
        tasks: How many there must be; None for any number.
        process_group: What is so for a task in one of these processes holds for all of them.
    """

    def __init__(
        self, losses: Losses, tasks: int | None = None, process_group: dist.ProcessGroup | None = None
    ) -> None:
        self._scalars = scalars = task_scalars(losses)
        if tasks is not None and len(scalars) != tasks:
            raise InputError(f"losses holds {len(scalars)} losses: the weighting is for {tasks} tasks.")
        self.values = loss_values(scalars)
        self.roots = loss_roots(scalars, losses)
        states = [
            _ABSENT if root is None or math.isnan(value) else _OVERFLOWN if math.isinf(value) else _SOUND
            for root, value in zip(self.roots, self.values.tolist(), strict=True)
        ]
        if process_group is not None:
            if None in self.roots:
                raise InputError(
                    f"losses holds nothing at position {self.roots.index(None)}: with a process_group an absent task "
                    "must be NaN with its graph, so that all processes build the same one."
                )
            shared_states = torch.tensor(states, device=self.values.device)
            dist.all_reduce(shared_states, op=dist.ReduceOp.MAX, group=process_group)
            states = shared_states.tolist()
        self.sound = [task for task, state in enumerate(states) if state == _SOUND]
        self.overflown = [task for task, state in enumerate(states) if state == _OVERFLOWN]
        self.graph = Graph([root for root in self.roots if root is not None])

    def scalar(self, task: int) -> Tensor:
        """The loss of a task that is there."""
        loss = self._scalars[task]
        assert loss is not None
        return loss

    def root(self, task: int) -> Root:
        """Where the backward pass of a task that is there begins."""
        root = self.roots[task]
        assert root is not None
        return root

    def remarks(
        self, good: Sequence[int], norms: Tensor | None = None, *, eps: float = 0.0, weights: Tensor | None = None
    ) -> list[str]:
        """What the report tells: which tasks were left out and why, and whose gradient is zero.

        Args:
            good: The tasks that stayed in the step.
            norms: The gradient norms, if the step measured them.
            eps: Norms up to this one count as zero.
            weights: The weights before tasks were left out; an overflow of a task that weighs nothing is not shown.
        """
        told = []
        for task, number in enumerate((self.values if norms is None else norms).tolist()):
            if self.roots[task] is None:
                told.append(f"task {task} is absent from this batch: it is left out of this step")
            elif task not in good:
                what = f"has a {'loss' if norms is None else 'gradient norm'} of {number}: it is left out of this step"
                if (task in self.overflown or task in self.sound) and (weights is None or weights[task] != 0):
                    what += ", and " + (
                        "its own parameters show it" if good else "no task is left, and every parameter shows it"
                    )
                told.append(f"task {task} {what}")
            elif norms is not None and number == 0:
                told.append(f"task {task} has a zero gradient")
            elif norms is not None and number <= eps:
                told.append(f"task {task} has a gradient norm of {number:.2g}, which counts as zero")
        return told

    def refuse_off_path(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Refuse tensors of which no loss depends on any."""
        if not tensors or not self.graph.leaves or (self.graph.hides and all(tensor.is_leaf for tensor in tensors)):
            return
        if not any(self.graph.reaches(tensor) for tensor in tensors):
            raise InputError(
                f"{name} is off the path of the losses: none of them depends on it. A copy or a clone, another "
                "model's parameters or a compiled model's second output is not what the losses were computed from."
            )

    def refuse_a_way_around(self, name: str, task: int, shared: Sequence[Tensor], by: str) -> None:
        """Refuse a place off the path of a task that reaches shared parameters: its norm there would always be 0."""
        root = self.root(task)
        grads = torch.autograd.grad(root.edge, shared, root.factor, retain_graph=True, allow_unused=True)
        if any(grad is not None for grad in grads):
            raise InputError(
                f"{name} is off the path of task {task}, which reaches shared parameters another way: {by} cannot "
                "measure it there."
            )

    def backward(self, tasks: Sequence[int], weights: Tensor) -> None:
        """One backward pass of the weighted sum of these tasks."""
        if tasks:
            torch.autograd.backward([self.root(task).edge for task in tasks], self.factors(tasks, weights))

    def factors(self, tasks: Sequence[int], weights: Tensor) -> list[Tensor]:
        """What each pass begins with: the weight, times the factor of a scaled stack."""
        given = []
        for task in tasks:
            factor, weight = self.root(task).factor, weights[task].to(self.values)
            given.append(weight if factor is None else weight * factor)
        return given

    def show_overflow(self, tasks: Sequence[int], shared: Sequence[Tensor], *, everywhere: bool) -> None:
        """Make the overflow of these tasks visible in ``.grad``; the graph is kept. See :func:`poison`."""
        leaves = self.graph.leaves
        for task in tasks:
            root = self.root(task)
            grads = torch.autograd.grad(root.edge, leaves, root.factor, retain_graph=True, allow_unused=True)
            poison(leaves, grads, shared, everywhere=everywhere)


def poison(
    params: Sequence[Tensor], grads: Sequence[Tensor | None], shared: Sequence[Tensor], *, everywhere: bool
) -> None:
    """Add infinities to ``.grad`` of a task's own parameters, those outside ``shared``.

    A gradient scaler, ``error_if_nonfinite`` and a user who looks then see the overflow, while the shared parameters
    stay finite. A task without parameters of its own shows it on the shared ones, and so does every task if
    ``everywhere``.
    """
    kept = set(shared)
    reached = [(param, grad) for param, grad in zip(params, grads, strict=True) if grad is not None]
    own = [(param, grad) for param, grad in reached if param not in kept]
    shown = reached if everywhere or not own else own
    accumulate([param for param, _ in shown], [grad * math.inf for _, grad in shown])


def accumulate(params: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
    """Add to ``.grad`` as the end of a backward pass does: hooks that wait for it are called, and nothing is aliased.

    Hooks on the tensors themselves have seen these gradients already, when they were computed, and rest here.
    """
    leaves = [(param, grad) for param, grad in zip(params, grads, strict=True) if param.is_leaf]
    if not leaves:
        return
    with _hooks_at_rest([param for param, _ in leaves]):
        torch.autograd.backward(
            [param for param, _ in leaves], [grad.reshape(param.shape).to(param.dtype) for param, grad in leaves]
        )


@contextmanager
def _hooks_at_rest(params: Sequence[Tensor]) -> Iterator[None]:
    resting = []
    for param in params:
        hooks = param._backward_hooks
        if hooks:
            resting.append((hooks, dict(hooks)))
            hooks.clear()
    try:
        yield
    finally:
        for hooks, kept in resting:
            hooks.update(kept)


def nonfinite(params: Sequence[Tensor]) -> bool:
    """Whether ``.grad`` of one of them holds an infinity or NaN."""
    grads = [param.grad for param in params if param.is_leaf and param.grad is not None]
    return bool(grads) and not math.isfinite(float(torch.nn.utils.get_total_norm(grads, norm_type=math.inf)))
