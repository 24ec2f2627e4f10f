"""GradNorm: weights that are learned until every task trains at the same rate (section 13.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rulbook._check import at_least, whole
from rulbook.balancing._step import StepLosses
from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.errors import InputError
from rulbook.gradients import Losses, distinct, row_norms, task_rows
from rulbook.weighting.tasks._base import KeepsPrecision

__all__ = ["GradNorm"]


class GradNorm(KeepsPrecision, Balancer):
    r"""Learned weights that steer each weighted gradient norm towards a common one times the task's training rate.

    .. math:: \min_w \sum_i \bigl| w_i g_i - \bar G\, r_i^\alpha \bigr|, \qquad
              \bar G = \tfrac1K \sum_j w_j g_j, \qquad
              r_i = \frac{L_i / L_i(0)}{\tfrac1K \sum_j L_j / L_j(0)}

    with the right-hand side held constant. A weight only scales its gradient, :math:`\lVert \nabla w_i L_i \rVert =
    w_i g_i`, so no second derivative of the network is needed.

    One deviation from the paper: the weights are :math:`w = K \operatorname{softmax}(\theta)`, and :math:`\theta` is
    learned. They are positive and sum to K by construction; the paper learns w and rescales it after each step.

    A task that is absent from a batch or overflows is left out of the step as
    :class:`~rulbook.balancing.weighted_sum.WeightedSum` describes. The weights learn from the others alone, with means
    over those, and the initial loss of a task is the first that it has.

    Args:
        tasks: The number of tasks K.
        alpha: How strongly slow tasks are pushed; 0 asks for equal norms.

    References:
        Chen, Badrinarayanan, Lee, Rabinovich (2018), GradNorm: gradient normalization for adaptive loss balancing in
        deep multitask networks, ICML.
    """

    initial_losses: Tensor

    def __init__(self, tasks: int = 2, alpha: float = 1.5) -> None:
        super().__init__()
        self.tasks = whole("tasks", tasks, 2)
        self.alpha = at_least("alpha", alpha, 0)
        self.log_weights = nn.Parameter(torch.zeros(tasks))
        self.register_buffer("initial_losses", torch.full((tasks,), torch.nan))

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step, with norms taken on the last shared layer, as in the paper; ``log_weights`` gets its gradient.

        Raises:
            ValueError: If ``last_shared`` is missing or frozen, it or ``shared`` is off the path of the losses, there
                are not as many losses as tasks, a task's first loss is not positive, or a later one is negative.
        """
        place = [param for param in distinct(last_shared or ()) if param.requires_grad]
        if not place:
            raise InputError(
                "last_shared is missing: GradNorm needs the parameters of the last shared layer, not all frozen."
            )
        step = StepLosses(losses, self.tasks)
        step.refuse_off_path("last_shared", place)
        step.refuse_off_path("shared", [param for param in distinct(shared) if param.requires_grad])
        shared = distinct([*shared, *place])
        self._note_first(step)
        norms = torch.full_like(step.values, math.nan, dtype=torch.promote_types(step.values.dtype, torch.float32))
        norms[step.overflown] = math.inf
        if step.sound:
            rows, reached = task_rows([step.root(task) for task in step.sound], place)
            for task, there in zip(step.sound, reached, strict=True):
                if not any(there):
                    step.refuse_a_way_around("last_shared", task, shared, "GradNorm")
            norms[step.sound] = row_norms(rows)
        good = [task for task in step.sound if math.isfinite(norms[task])]
        broken = [task for task in step.sound if task not in good]
        step.show_overflow([*step.overflown, *broken], shared, everywhere=not good)
        if good:
            with torch.enable_grad():
                told = self.discrepancy(self.weights(), norms, step.values, tasks=good)
            torch.autograd.backward(told)
        applied = torch.zeros_like(step.values)
        applied[good] = self.weights().detach().to(applied)[good]
        step.backward(good, applied)
        return StepReport(step.values, applied, norms, note="; ".join(step.remarks(good, norms)) or None)

    def _note_first(self, step: StepLosses) -> None:
        if any(step.values[task] < 0 for task in step.sound):
            raise InputError(
                f"losses is {step.values.tolist()}: GradNorm compares each to its first value, so none may be negative."
            )
        new = [task for task in step.sound if self.initial_losses[task].isnan()]
        if any(step.values[task] <= 0 for task in new):
            raise InputError(
                f"losses is {step.values.tolist()} at the first step: GradNorm divides by each, so all must be > 0."
            )
        self.initial_losses[new] = step.values[new].to(self.initial_losses)

    def weights(self) -> Float[Tensor, " task"]:
        """The weights, positive and summing to K, with their graph to ``log_weights``."""
        return self.tasks * self.log_weights.softmax(dim=0)

    def discrepancy(
        self,
        weights: Float[Tensor, " task"],
        norms: Float[Tensor, " task"],
        losses: Float[Tensor, " task"],
        *,
        tasks: Sequence[int] | None = None,
    ) -> Float[Tensor, ""]:
        """How far the weighted norms are from their targets: the sum that ``log_weights`` descends.

        Args:
            weights: The weights, with their graph.
            norms: The gradient norms.
            losses: The task losses.
            tasks: Over which tasks to sum and to average; None for all.
        """
        chosen = list(range(self.tasks)) if tasks is None else list(tasks)
        progress = losses[chosen] / self.initial_losses[chosen]
        # All at zero: all are equally far.
        rate = progress / progress.mean() if bool(progress.any()) else torch.ones_like(progress)
        pulls = weights[chosen] * norms[chosen]
        target = pulls.detach().mean() * rate**self.alpha
        return (pulls - target).abs().sum()

    def reset(self) -> None:
        """Equal weights again, and new initial losses at the next step."""
        with torch.no_grad():
            self.log_weights.zero_()
        self.initial_losses.fill_(torch.nan)
