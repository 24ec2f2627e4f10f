"""The formula of GABA: weights in inverse proportion to the gradient norms."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from rulbook._check import at_least, whole
from rulbook.weighting.tasks._base import Weighting


class InverseNorm(Weighting):
    r"""Weights in inverse proportion to the gradient norms (derived in section 17.2, run in section 17.4).

    .. math:: \lambda_i = \frac{1/(g_i + \epsilon)}{\sum_j 1/(g_j + \epsilon)}

    For epsilon = 0 these are the only weights that sum to 1 and let every task pull equally hard,
    :math:`\lambda_i g_i = \lambda_j g_j`, for any number of tasks.

    Two cases lie outside the formula, and a training run meets both:

    * A *dead* task has a norm of at most ``eps``. The formula would hand it all the weight, which helps no one: its
      gradient is zero at any weight. It gets 1/K instead, and the others share the rest by the formula.
    * A *broken* task has a norm that is infinite or NaN. It gets 0, and the others share everything. If all tasks are
      broken, the norms tell nothing and every weight is 1/K.

    This weighting has no memory, so that is the best it can do. A task that is merely absent from a batch has the norm
    of a dead one; :class:`EMA` and :class:`~rulbook.balancing.weighted_sum.WeightedSum`, which know the past, keep the
    weights where they were.

    Args:
        tasks: The number of tasks K.
        eps: Added to each norm; a norm that is not above it counts as zero. In units of the norms.
    """

    def __init__(self, tasks: int = 2, eps: float = 1e-8) -> None:
        super().__init__(whole("tasks", tasks, 2), at_least("eps", eps, 0))

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """Weights from the norms of this very step.

        Raises:
            ValueError: If ``norms`` is missing, has another shape than (K,), or holds a negative value.
        """
        norms = self._checked(norms)
        finite = torch.isfinite(norms)
        live = finite & (norms > self.eps)
        if not bool(finite.any()):
            return torch.full_like(norms, 1 / self.tasks)
        padded = torch.where(live, norms + self.eps, torch.inf)
        # Relative to the smallest norm, no inverse can overflow.
        pull = torch.where(live, padded.min() / padded, 0.0)
        share = pull / pull.sum() if bool(live.any()) else pull
        weights = torch.where(live, share * live.sum(), finite.to(share.dtype))
        return weights / finite.sum()

    def extra_repr(self) -> str:
        """Show the settings when the module is printed."""
        return f"tasks={self.tasks}, eps={self.eps:g}"
