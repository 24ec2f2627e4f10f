"""The balancer of the book: gradient norms are measured, become task weights, and these are applied (section 17.5)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from rulbook._check import one_of, whole
from rulbook.balancing._step import StepLosses, accumulate, nonfinite, poison
from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.errors import InputError
from rulbook.gradients import Losses, distinct, row_cosine, row_norms, task_rows
from rulbook.weighting import Weighting
from rulbook.weighting.tasks._base import KeepsPrecision

__all__ = ["MEASURES", "WeightedSum"]

MEASURES = ("reuse", "naive", "last_layer", "representation")

_CALIBRATION_PACE = 0.25


class WeightedSum(KeepsPrecision, Balancer):
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

    What a batch lacks or a computer cannot hold is told apart, in every kind of step, and told in the report:

    * An *absent* task came as None, 0.0 or NaN: the batch has no labels for it. It is left out of the step, shared
      parameters and head. If all tasks are absent, ``.grad`` is not written.
    * A task with a *zero gradient*, or one not above the weighting's ``eps``, is one that the batch says nothing about,
      or one that has learned all it can; the numbers are the same. It stays in the sum, where it moves nothing.
    * An *overflown* task has an infinite loss, or an infinite or NaN gradient. It is left out of the shared parameters,
      and the gradient of its own ones is made infinite or NaN, so that a gradient scaler, ``error_if_nonfinite`` or
      your own check finds it. If no other task is left, or the task has no parameter of its own, the shared ones
      show it. A step that does not measure sees infinite losses only: an overflow further back stays in ``.grad`` as
      ``loss.backward()`` leaves it, and the report says so.

    In each of these cases the weights stay where the last measured step left them (equal, before the first), and so
    does the average: a task that returns finds its weight as it was.

    With ``torch.amp``, scale the losses one by one and unscale before you clip or step; the weights do not depend on
    the scale as long as the norms stay well above ``eps``::

        losses = [scaler.scale(loss) for loss in losses]
        balancer.backward(losses, shared=model.shared_parameters())
        scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    A tensor of losses may be scaled as a whole. Networks under ``torch.compile`` work; a ``representation`` that the
    compiled call hands out beside the losses is not the one inside, and is refused. Parameters inside a reentrant
    checkpoint cannot be seen: exact measures refuse them, ``use_reentrant=False`` helps.

    Args:
        weighting: Maps norms to weights.
        measure: Where and how norms are measured.
        every: Measure at every how many steps. Between, the last weights stay; an average forgets at the same pace.
        calibrate: For the cheap places: measure exactly at every how many measurements, and from then on multiply the
            cheap norms by the smoothed quotient of exact and cheap. None: use the cheap norms as they are.
        observe: Measure also while the weighting does not need it, for the report only.
        process_group: Average gradients over these processes, so that all of them find the same norms, weights and
            ``.grad``. Each must build the same graph on a batch of the same size. With it the model need not be
            wrapped in ``DistributedDataParallel``. Without it, in a distributed run, each process weighs by the norms
            of its own batch; a warning says so at the first measured step.

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
        self._warned = False
        tasks = weighting.tasks
        self.register_buffer("weights", torch.full((tasks,), weighting.total / tasks, dtype=torch.float64))
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
            ValueError: If there are not as many losses as tasks, a tensor is missing that ``measure`` needs, or one is
                given on which no loss depends.
        """
        step = StepLosses(losses, self.weighting.tasks, self.process_group)
        shared = [param for param in distinct(shared) if param.requires_grad]
        place = self._cheap_place(representation, last_shared)
        step.refuse_off_path("shared", shared)
        if place:
            step.refuse_off_path("last_shared" if self.measure == "last_layer" else "representation", place)
        self.step += 1
        if not self._due():
            return self._plain_step(step, shared)
        calibrating = self.calibrate is not None and int(self.measurements) % self.calibrate == 0
        self.measurements += int(bool(step.sound))
        self._warn_of_other_processes()
        if place and not calibrating:
            return self._cheap_step(step, shared, place)
        return self._exact_step(step, shared, place)

    def reset(self) -> None:
        """Start again: the weighting, the counters and the calibration."""
        self.weighting.reset()
        self.weights.fill_(self.weighting.total / self.weighting.tasks)
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
            found = [param for param in distinct(last_shared or ()) if param.requires_grad]
            if not found:
                raise InputError(
                    "last_shared is missing: measure='last_layer' needs the last shared layer's parameters, and one at "
                    "least that is not frozen."
                )
            return found
        return []

    def _plain_step(self, step: StepLosses, shared: list[Tensor]) -> StepReport:
        if self.weighting.needs_norms:
            self.since += 1
        else:
            self.weights.copy_(self._weights_without_norms(step))
        return self._backward_once(step, shared, self.weights, None)

    def _cheap_step(self, step: StepLosses, shared: list[Tensor], place: list[Tensor]) -> StepReport:
        norms = self._cheap_norms(step, shared, place) * self.log_correction.exp().to(step.values)
        return self._backward_once(step, shared, self._weigh(step, norms), norms)

    def _exact_step(self, step: StepLosses, shared: list[Tensor], place: list[Tensor]) -> StepReport:
        if not shared:
            raise InputError("shared is empty: norms are measured on the shared parameters, and none can be trained.")
        reuse = self.measure != "naive"
        if step.graph.hides and (reuse or not all(step.graph.reaches(param) for param in shared)):
            raise InputError(
                f"shared lies in part inside a reentrant checkpoint, where measure={self.measure!r} cannot measure: "
                "make the checkpoint with use_reentrant=False."
            )
        cheap_norms = self._cheap_norms(step, shared, place) if place else None
        lost = not step.sound
        if reuse:
            step.show_overflow(self._overflown(step), shared, everywhere=lost)
        if lost:
            norms = self._norms(step, step.values.new_zeros(0))
            return self._backward_once(step, shared, self._weigh(step, norms), norms, shown=reuse)

        params = [*shared, *(leaf for leaf in step.graph.leaves if leaf not in set(shared))] if reuse else shared
        rows, reached = task_rows([step.root(task) for task in step.sound], params, retain_graph=not reuse)
        rows = self._averaged(rows)
        on_shared = rows[:, : sum(param.numel() for param in shared)]
        norms = self._norms(step, row_norms(on_shared))
        cosine = row_cosine(on_shared) if step.sound[:2] == [0, 1] else math.nan
        if cheap_norms is not None:
            self._learn_correction(norms, cheap_norms)
        weights = self._weigh(step, norms)
        if reuse:
            good = torch.isfinite(norms)
            _combine(params, rows, reached, torch.where(good, weights.to(norms), 0.0)[step.sound])
            broken = [row for row, task in enumerate(step.sound) if not good[task] and weights[task] != 0]
            lost = not bool(good.any())
            for row in broken:
                pieces = torch.split(rows[row], [param.numel() for param in params])
                grads = [
                    piece.view(param.shape) if there else None
                    for piece, param, there in zip(pieces, params, reached[row], strict=True)
                ]
                poison(params, grads, shared, everywhere=lost)
            return self._report(step, weights, norms, cosine)
        return self._backward_once(step, shared, weights, norms, cosine=cosine)

    def _weights_without_norms(self, step: StepLosses) -> Tensor:
        """The weights while the weighting does not look at norms; what it is given says the precision."""
        weights: Tensor = self.weighting(torch.ones_like(step.values))
        return weights

    def _weigh(self, step: StepLosses, norms: Tensor) -> Tensor:
        """Show the norms to the weighting; if one says nothing, the weights stay where they are."""
        if not self.weighting.needs_norms:
            self.weights.copy_(self._weights_without_norms(step))
        else:
            if bool((torch.isfinite(norms) & (norms > self.weighting.eps)).all()):
                self.weights.copy_(self.weighting(norms, steps=int(self.since) + 1 if self.since >= 0 else 1))
                self.since.zero_()
            elif self.since >= 0:
                self.since.zero_()
        return self.weights

    def _norms(self, step: StepLosses, sound: Tensor) -> Tensor:
        """The norms of all tasks: those that were measured, and NaN or infinity for the others."""
        if len(step.sound) == len(step.values):
            return sound
        norms = sound.new_full((len(step.values),), math.nan)
        norms[step.overflown] = math.inf
        norms[step.sound] = sound
        return norms

    def _cheap_norms(self, step: StepLosses, shared: list[Tensor], place: list[Tensor]) -> Tensor:
        if not step.sound:
            return self._norms(step, step.values.new_zeros(0))
        rows, reached = task_rows([step.root(task) for task in step.sound], place)
        for task, there in zip(step.sound, reached, strict=True):
            if not any(there):
                name = "last_shared" if self.measure == "last_layer" else "representation"
                step.refuse_a_way_around(name, task, shared, f"measure={self.measure!r}")
        if self.measure == "last_layer":
            return self._norms(step, row_norms(self._averaged(rows)))
        norms = row_norms(rows)
        if self.process_group is not None:
            # The representation is no parameter: each process has the rows of its own samples, so squares add up over
            # the processes. The loss is the mean over them, so each of these gradients counts one part of them all.
            squares = norms.double() ** 2
            dist.all_reduce(squares, group=self.process_group)
            norms = (squares.sqrt() / dist.get_world_size(self.process_group)).to(norms)
        return self._norms(step, norms)

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

    def _backward_once(
        self,
        step: StepLosses,
        shared: list[Tensor],
        weights: Tensor,
        norms: Tensor | None,
        *,
        cosine: float = math.nan,
        shown: bool = False,
    ) -> StepReport:
        """One backward pass of the weighted sum of the tasks that are in order, and the report of the step."""
        good = step.sound if norms is None else [task for task in step.sound if math.isfinite(norms[task])]
        lost = not good
        if not shown:
            broken = [task for task in step.sound if task not in good and weights[task] != 0]
            step.show_overflow([*self._overflown(step), *broken], shared, everywhere=lost)
        # A task of weight 0 is left out: 0 times NaN would be NaN.
        kept = [task for task in good if weights[task] != 0]
        overflow_behind = False
        if kept and self.process_group is None:
            step.backward(kept, weights)
            overflow_behind = nonfinite(shared)
        elif kept:
            leaves = step.graph.leaves
            edges = [step.root(task).edge for task in kept]
            grads = torch.autograd.grad(edges, leaves, step.factors(kept, weights), allow_unused=True)
            flat = torch.cat(
                [
                    (leaf.new_zeros(leaf.shape) if grad is None else grad).reshape(-1)
                    for leaf, grad in zip(leaves, grads, strict=True)
                ]
            )
            _hand_out(leaves, self._averaged(flat), [grad is not None for grad in grads])
            overflow_behind = nonfinite(shared)
        return self._report(step, weights, norms, cosine, overflow_behind=overflow_behind)

    def _overflown(self, step: StepLosses) -> list[int]:
        """The tasks whose infinite loss is to be seen: one that weighs nothing is of no concern."""
        return [task for task in step.overflown if self.weights[task] != 0]

    def _report(
        self, step: StepLosses, weights: Tensor, norms: Tensor | None, cosine: float, *, overflow_behind: bool = False
    ) -> StepReport:
        seen = step.values.tolist() if norms is None else norms.tolist()
        good = [task for task in step.sound if math.isfinite(seen[task])]
        remarks = step.remarks(good, norms, eps=self.weighting.eps, weights=weights)
        if overflow_behind:
            remarks.append("the gradient of the shared parameters is infinite or NaN, as .grad shows")
        applied = torch.zeros_like(step.values)
        applied[good] = weights.to(step.values)[good]
        return StepReport(
            step.values, applied, norms, None if math.isnan(cosine) else cosine, "; ".join(remarks) or None
        )

    def _warn_of_other_processes(self) -> None:
        if self._warned or self.process_group is not None or not (dist.is_available() and dist.is_initialized()):
            return
        self._warned = True
        if dist.get_world_size() > 1:
            warnings.warn(
                f"WeightedSum runs in {dist.get_world_size()} processes without a process_group: each measures the "
                "norms of its own batch, so their weights differ, and so do their models unless "
                "DistributedDataParallel averages the gradients. Give process_group=torch.distributed.group.WORLD.",
                stacklevel=3,
            )


def _combine(params: Sequence[Tensor], rows: Tensor, reached: Sequence[Sequence[bool]], weights: Tensor) -> None:
    """Add the weighted sum of the rows to ``.grad``; a row of weight 0 is left out, for it may hold NaN."""
    kept = weights != 0
    if not bool(kept.any()):
        return
    flat = weights.to(rows) @ rows if bool(kept.all()) else weights[kept].to(rows) @ rows[kept]
    chosen = [there for there, keep in zip(reached, kept.tolist(), strict=True) if keep]
    _hand_out(params, flat, [any(column) for column in zip(*chosen, strict=True)])


def _hand_out(params: Sequence[Tensor], flat: Tensor, reached: Sequence[bool]) -> None:
    """Give each parameter that a loss reaches its piece of a flat gradient; the others stay as they are."""
    pieces = zip(params, torch.split(flat, [param.numel() for param in params]), reached, strict=True)
    there = [(param, piece) for param, piece, reach in pieces if reach]
    accumulate([param for param, _ in there], [piece for _, piece in there])
