"""The training step that measures gradient norms, turns them into task weights and applies these (chapter 18)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.graph import GradientEdge

from rulbook._check import one_of, whole
from rulbook.errors import InputError
from rulbook.gradients import (
    Balancer,
    Losses,
    StepReport,
    checked_scalars,
    gradient_rows,
    loss_edges,
    row_cosine,
    row_norms,
)
from rulbook.weighting import Weighting

__all__ = ["MEASURES", "WeightedSum"]

MEASURES = ("reuse", "naive", "last_layer", "representation")

_CALIBRATION_PACE = 0.25


class WeightedSum(Balancer):
    r"""One step on :math:`\sum_i \lambda_i L_i`, with weights from a weighting and norms measured as told.

    ``measure`` says where the norms are taken and what that costs:

    ====================  =====================  ============================================================
    ``measure``           norms are taken on     cost of a measured step
    ====================  =====================  ============================================================
    ``"reuse"``           all shared parameters  K backward passes, whose results become the update
    ``"naive"``           all shared parameters  K backward passes, thrown away, and one more
    ``"last_layer"``      last shared layer      one backward pass, and K through the heads and that layer
    ``"representation"``  last shared tensor     one backward pass, and K through the heads
    ====================  =====================  ============================================================

    The first two give the same numbers to rounding. The other two measure *different quantities*; ``calibrate``
    corrects them by an exact measurement now and then. A step whose weighting needs no norms costs a plain step.

    A task with a zero gradient, and one with an infinite or NaN gradient, get the weights that
    :class:`~rulbook.weighting.InverseNorm` describes, and the latter is left out of the step. If no task is left,
    ``.grad`` is not written at all and the optimiser leaves the parameters alone. The report tells each case.

    Args:
        weighting: Maps norms to weights.
        measure: Where and how norms are measured.
        every: Measure at every how many steps. Between, the last weights stay; an average forgets at the same pace.
        calibrate: For the cheap places: measure exactly at every how many measurements, and from then on multiply the
            cheap norms by the smoothed quotient of exact and cheap. None: use the cheap norms as they are.
        observe: Measure also while the weighting does not need it, for the report only.
        process_group: Average gradients over these processes, so that all of them find the same norms, weights and
            ``.grad``. Each must build the same graph on a batch of the same size. The model must not be wrapped in
            ``DistributedDataParallel``: its hooks do not see gradients that are asked for task by task.

    Raises:
        ValueError: If an argument is out of its range.
    """

    weights: Tensor
    step: Tensor
    since: Tensor
    measurements: Tensor
    log_correction: Tensor

    def __init__(
        self,
        weighting: Weighting,
        *,
        measure: str = "reuse",
        every: int = 1,
        calibrate: int | None = None,
        observe: bool = False,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        one_of("measure", measure, MEASURES)
        if calibrate is not None and measure in ("reuse", "naive"):
            raise InputError(f"calibrate is {calibrate}, but measure={measure!r} is exact: leave calibrate out.")
        self.weighting = weighting
        self.measure = measure
        self.every = whole("every", every, 1)
        self.calibrate = None if calibrate is None else whole("calibrate", calibrate, 1)
        self.observe = observe
        self.process_group = process_group
        tasks = weighting.tasks
        self.register_buffer("weights", torch.full((tasks,), 1 / tasks, dtype=torch.float64))
        self.register_buffer("step", torch.tensor(0))
        # Steps since the weighting last saw norms; -1: it never has.
        self.register_buffer("since", torch.tensor(-1))
        self.register_buffer("measurements", torch.tensor(0))
        self.register_buffer("log_correction", torch.zeros(tasks, dtype=torch.float64))

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step; see :meth:`Balancer.backward`.

        Raises:
            ValueError: If there are not as many losses as tasks, or a tensor is missing that ``measure`` needs.
        """
        values = torch.stack([loss.detach() for loss in checked_scalars(losses)])
        if len(values) != self.weighting.tasks:
            raise InputError(f"losses holds {len(values)} losses: the weighting is for {self.weighting.tasks} tasks.")
        edges = loss_edges(losses)
        shared = [param for param in shared if param.requires_grad]
        place = self._cheap_place(representation, last_shared)
        self.step += 1
        if not self._due():
            weights, norms, cosine = self._plain_step(edges), None, None
        else:
            calibrating = self.calibrate is not None and int(self.measurements) % self.calibrate == 0
            self.measurements += 1
            if place and not calibrating:
                (weights, norms), cosine = self._cheap_step(edges, place), None
            else:
                weights, norms, cosine = self._exact_step(edges, shared, place)
        note = None if norms is None else _note(norms, self.weighting.eps)
        return StepReport(values, weights.to(values, copy=True), norms, cosine, note)

    def reset(self) -> None:
        """Start again: the weighting, the counters and the calibration."""
        self.weighting.reset()
        self.weights.fill_(1 / self.weighting.tasks)
        self.since.fill_(-1)
        for buffer in (self.step, self.measurements, self.log_correction):
            buffer.zero_()

    def extra_repr(self) -> str:
        """Show the settings when the module is printed."""
        return f"measure={self.measure!r}, every={self.every}, calibrate={self.calibrate}, observe={self.observe}"

    def _due(self) -> bool:
        """Whether this step measures."""
        if self.weighting.needs_norms:
            return int(self.since) < 0 or int(self.since) + 1 >= self.every
        return self.observe and (int(self.step) - 1) % self.every == 0

    def _cheap_place(self, representation: Tensor | None, last_shared: Sequence[Tensor] | None) -> list[Tensor]:
        """Where the cheap norms are taken; empty if the measurement is exact."""
        if self.measure == "representation":
            if representation is None:
                raise InputError("representation is None: measure='representation' needs the last shared tensor.")
            return [representation]
        if self.measure == "last_layer":
            if not last_shared:
                raise InputError(
                    "last_shared is missing: measure='last_layer' needs the last shared layer's parameters."
                )
            return list(last_shared)
        return []

    def _plain_step(self, edges: list[GradientEdge]) -> Tensor:
        if self.weighting.needs_norms:
            self.since += 1
        else:
            self.weights.copy_(self.weighting())
        self._backward_once(edges, self.weights)
        return self.weights

    def _cheap_step(self, edges: list[GradientEdge], place: list[Tensor]) -> tuple[Tensor, Tensor]:
        norms = self._cheap_norms(edges, place)
        norms *= self.log_correction.exp()
        weights = self._weigh(norms)
        self._backward_once(edges, weights)
        return weights, norms

    def _exact_step(
        self, edges: list[GradientEdge], shared: list[Tensor], place: list[Tensor]
    ) -> tuple[Tensor, Tensor, float | None]:
        if not shared:
            raise InputError("shared is empty: norms are measured on the shared parameters, and none can be trained.")
        reuse = self.measure != "naive"
        cheap_norms = self._cheap_norms(edges, place) if place else None
        params = _leaves(edges, first=shared) if reuse else shared
        rows = self._averaged(gradient_rows(edges, params, retain_graph=not reuse))
        on_shared = rows[:, : sum(param.numel() for param in shared)]
        norms, cosine = row_norms(on_shared), row_cosine(on_shared)
        if cheap_norms is not None:
            self._learn_correction(norms, cheap_norms)
        weights = self._weigh(norms)
        if reuse:
            _combine(params, rows, weights)
        else:
            self._backward_once(edges, weights)
        return weights, norms, None if math.isnan(cosine) else cosine

    def _weigh(self, norms: Tensor) -> Tensor:
        """Show the norms to the weighting, and take from its weights those of the broken tasks."""
        if self.weighting.needs_norms:
            weights = self.weighting(norms, steps=int(self.since) + 1 if self.since >= 0 else 1)
            self.since.zero_()
        else:
            weights = self.weighting()
        self.weights.copy_(weights)
        return torch.where(torch.isfinite(norms), weights.to(norms), 0.0)

    def _cheap_norms(self, edges: list[GradientEdge], place: list[Tensor]) -> Tensor:
        rows = gradient_rows(edges, place)
        if self.measure == "last_layer":
            return row_norms(self._averaged(rows))
        if self.process_group is None:
            return row_norms(rows)
        # The representation is no parameter: each process has the rows of its own samples, so squares add up over the
        # processes. The loss is the mean over the processes, so each of these gradients counts one part of them all.
        squares = row_norms(rows) ** 2
        dist.all_reduce(squares, group=self.process_group)
        return squares.sqrt() / dist.get_world_size(self.process_group)

    def _learn_correction(self, norms: Tensor, cheap_norms: Tensor) -> None:
        """Move the log of exact over cheap towards what was just measured: a mean at first, then a moving one.

        The quotient scatters by a third or more from batch to batch, so a single one says little.
        """
        quotient = (norms / cheap_norms).to(self.log_correction)
        usable = torch.isfinite(quotient) & (quotient > 0)
        calibrations = (int(self.measurements) - 1) // (self.calibrate or 1) + 1
        pace = max(1 / calibrations, _CALIBRATION_PACE)
        change = pace * (torch.where(usable, quotient, 1.0).log() - self.log_correction)
        self.log_correction += torch.where(usable, change, 0.0)

    def _averaged(self, rows: Tensor) -> Tensor:
        """The mean of the rows over all processes; in place."""
        if self.process_group is not None:
            dist.all_reduce(rows, group=self.process_group)
            rows /= dist.get_world_size(self.process_group)
        return rows

    def _backward_once(self, edges: list[GradientEdge], weights: Tensor) -> None:
        """One backward pass of the weighted sum. A task of weight 0 is left out: 0 times NaN would be NaN."""
        kept = [task for task, weight in enumerate(weights.tolist()) if weight != 0]
        if not kept:
            return
        begins, factors = [edges[task] for task in kept], [weights[task] for task in kept]
        if self.process_group is None:
            torch.autograd.backward(begins, factors)
            return
        params = _leaves(edges)
        grads = torch.autograd.grad(begins, params, factors, allow_unused=True, materialize_grads=True)
        _add_to_grad(params, self._averaged(torch.cat([grad.reshape(-1) for grad in grads])))


def _leaves(edges: Sequence[GradientEdge], first: Sequence[Tensor] = ()) -> list[Tensor]:
    """Every tensor whose ``.grad`` a backward pass from the losses would fill: ``first``, then the others."""
    leaves = dict.fromkeys(first)
    nodes = [edge.node for edge in edges]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if hasattr(node, "variable"):  # The node at the end of every path, which fills .grad.
            leaves[node.variable] = None
        parents = [parent for parent, _ in node.next_functions if parent is not None and parent not in seen]
        seen.update(parents)
        nodes.extend(parents)
    return list(leaves)


def _combine(params: Sequence[Tensor], rows: Tensor, weights: Tensor) -> None:
    """Add the weighted sum of the rows to ``.grad``; a row of weight 0 is left out, for it may hold NaN."""
    kept = weights != 0
    if bool(kept.any()):
        _add_to_grad(params, weights.to(rows) @ rows if bool(kept.all()) else weights[kept].to(rows) @ rows[kept])


def _add_to_grad(params: Sequence[Tensor], flat: Tensor) -> None:
    """Hand a flat gradient out to the parameters: added to what is there, as a backward pass does."""
    for param, piece in zip(params, torch.split(flat, [param.numel() for param in params]), strict=True):
        grad = piece.view(param.shape).to(param.dtype)
        param.grad = grad if param.grad is None else param.grad + grad


def _note(norms: Tensor, eps: float) -> str | None:
    """What is unusual about these norms, in words."""
    remarks = []
    for task, norm in enumerate(norms.tolist()):
        if not math.isfinite(norm):
            remarks.append(f"task {task} has a gradient norm of {norm}: it is left out of this step")
        elif norm == 0:
            remarks.append(f"task {task} has a zero gradient")
        elif norm <= eps:
            remarks.append(f"task {task} has a gradient norm of {norm:.2g}, which counts as zero")
    return "; ".join(remarks) or None
