"""GradNorm: weights that are learned until every task trains at the same rate (section 17.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rulbook._check import at_least, whole
from rulbook.errors import InputError
from rulbook.gradients import Balancer, Losses, StepReport, checked_scalars, task_gradient_norms

__all__ = ["GradNorm"]


class GradNorm(Balancer):
    r"""Learned weights that steer each weighted gradient norm towards a common one times the task's training rate.

    .. math:: \min_w \sum_i \bigl| w_i g_i - \bar G\, r_i^\alpha \bigr|, \qquad
              \bar G = \tfrac1K \sum_j w_j g_j, \qquad
              r_i = \frac{L_i / L_i(0)}{\tfrac1K \sum_j L_j / L_j(0)}

    with the right-hand side held constant. A weight only scales its gradient, :math:`\lVert \nabla w_i L_i \rVert =
    w_i g_i`, so no second derivative of the network is needed.

    One deviation from the paper: the weights are :math:`w = K \operatorname{softmax}(\theta)`, and :math:`\theta` is
    learned. They are positive and sum to K by construction; the paper learns w and rescales it after each step.

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
            ValueError: If ``last_shared`` is missing, or a task's first loss is not positive.
        """
        if not last_shared:
            raise InputError("last_shared is missing: GradNorm needs the parameters of the last shared layer.")
        scalars = checked_scalars(losses)
        values = torch.stack([loss.detach() for loss in scalars])
        if bool(self.initial_losses.isnan().any()):
            if bool((values <= 0).any()):
                raise InputError(
                    f"losses is {values.tolist()} at the first step: GradNorm divides by each, so all must be > 0."
                )
            self.initial_losses.copy_(values)
        norms = task_gradient_norms(scalars, last_shared)
        weights = self.weights()
        torch.autograd.backward(self.discrepancy(weights, norms, values))
        torch.autograd.backward(scalars, list(weights.detach().to(values)))
        return StepReport(values, weights.detach().to(values), norms)

    def weights(self) -> Float[Tensor, " task"]:
        """The weights, positive and summing to K, with their graph to ``log_weights``."""
        return self.tasks * self.log_weights.softmax(dim=0)

    def discrepancy(
        self, weights: Float[Tensor, " task"], norms: Float[Tensor, " task"], losses: Float[Tensor, " task"]
    ) -> Float[Tensor, ""]:
        """How far the weighted norms are from their targets: the sum that ``log_weights`` descends."""
        progress = losses / self.initial_losses
        rate = progress / progress.mean()
        target = (weights.detach() * norms).mean() * rate**self.alpha
        return (weights * norms - target).abs().sum()

    def reset(self) -> None:
        """Equal weights again, and new initial losses at the next step."""
        with torch.no_grad():
            self.log_weights.zero_()
        self.initial_losses.fill_(torch.nan)
