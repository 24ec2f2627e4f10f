"""TorchJD's methods as balancers, and GABA as a TorchJD weighting (chapter 19). Needs the extra ``rulbook[torchjd]``.

TorchJD (https://torchjd.org) implements the methods that GABA is compared with; what it has is used as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rulbook.errors import InputError
from rulbook.gradients import Balancer, Losses, StepReport, checked_scalars, row_cosine, row_norms
from rulbook.weighting import InverseGradient, Weighting

try:
    from torchjd import aggregation, autojac, scalarization
except ImportError as error:
    raise ImportError(
        "TorchJD is not installed: this method is one of its own. Install the extra with "
        '`pip install "rulbook[torchjd]"`.'
    ) from error

__all__ = ["Aggregated", "DynamicWeightAverage", "GramianWeighting", "Scalarized", "aggregated", "scalarized"]


class GramianWeighting(aggregation.Weighting[Tensor]):
    """A weighting of ours for TorchJD: it reads the norms off the diagonal of the Gramian.

    Args:
        weighting: The weighting; GABA's by default.

    Example:
        >>> from torchjd.aggregation import GramianWeightedAggregator
        >>> gaba = GramianWeightedAggregator(GramianWeighting(InverseGradient(warmup=0)))
    """

    def __init__(self, weighting: Weighting | None = None) -> None:
        super().__init__()
        self.weighting = InverseGradient() if weighting is None else weighting

    def forward(self, gramian: Float[Tensor, "task task"], /) -> Float[Tensor, " task"]:
        """The weights for a Gramian J Jᵀ of the task gradients."""
        weights: Tensor = self.weighting(gramian.diagonal().sqrt())
        return weights.to(gramian)


class Aggregated(Balancer):
    """The shared parameters follow a TorchJD aggregation of the task gradients; each head follows its own loss.

    That is how these methods are published: their weights act on the shared parameters only, where
    :class:`~rulbook.weighted_sum.WeightedSum` weighs whole losses, heads included.

    Args:
        aggregator: For instance ``torchjd.aggregation.UPGrad()``.
    """

    def __init__(self, aggregator: aggregation.Aggregator) -> None:
        super().__init__()
        self.aggregator = aggregator

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step; see :meth:`Balancer.backward <rulbook.gradients.Balancer.backward>`.

        Raises:
            ValueError: If ``representation`` is missing: TorchJD cuts the network there.
        """
        if representation is None:
            raise InputError("representation is None: TorchJD needs the last shared tensor, where the heads begin.")
        scalars = checked_scalars(losses)
        params = [param for param in shared if param.requires_grad]
        # One task after the other: an LSTM cannot be differentiated for several at once by vmap. The graph is kept
        # because losses that were stacked into one tensor share its last node.
        autojac.mtl_backward(scalars, representation, shared_params=params, retain_graph=True, parallel_chunk_size=1)
        rows = torch.cat([param.jac.reshape(len(scalars), -1) for param in params], dim=1)  # type: ignore[attr-defined]
        norms, cosine = row_norms(rows), row_cosine(rows)
        weights = autojac.jac_to_grad(params, self.aggregator)
        values = torch.stack([loss.detach() for loss in scalars])
        if weights is None:  # The aggregator is no weighted sum.
            weights = torch.full_like(values, torch.nan)
        return StepReport(values, weights.to(values), norms, cosine)


def aggregated(name: str, **settings: Any) -> Aggregated:
    """A balancer from the name of a class in ``torchjd.aggregation``, and its settings."""
    return Aggregated(getattr(aggregation, name)(**settings))


class Scalarized(Balancer):
    """One step on a TorchJD scalarization of the losses. What it learns, its ``parameters()``, gets a gradient too.

    Args:
        scalarizer: For instance ``torchjd.scalarization.UW(2)``, uncertainty weighting.
    """

    def __init__(self, scalarizer: scalarization.Scalarizer) -> None:
        super().__init__()
        self.scalarizer = scalarizer

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step; the reported weights are the derivatives of the scalarization with respect to the losses."""
        scalars = checked_scalars(losses)
        values = torch.stack([loss.detach() for loss in scalars]).requires_grad_()
        torch.autograd.backward(self.scalarizer(values))
        weights = values.grad
        assert weights is not None
        torch.autograd.backward(scalars, list(weights))
        return StepReport(values.detach(), weights)


def scalarized(name: str, *args: Any, **settings: Any) -> Scalarized:
    """A balancer from the name of a class in ``torchjd.scalarization``, and its arguments."""
    return Scalarized(getattr(scalarization, name)(*args, **settings))


class DynamicWeightAverage(Scalarized):
    """TorchJD's DWA, with its memory in buffers, so that a checkpoint restores it.

    DWA keeps the mean losses of the last two epochs and the sum of the running one in plain attributes. They are
    mirrored here, and fed to it again when a state is loaded.

    Args:
        tasks: The number of tasks K.
        temperature: DWA's softmax temperature; the paper uses 2.
    """

    scalarizer: scalarization.DWA
    means: Tensor
    epochs: Tensor
    running_sum: Tensor
    running_steps: Tensor

    def __init__(self, tasks: int = 2, temperature: float = 2.0) -> None:
        super().__init__(scalarization.DWA(temperature))
        self.register_buffer("means", torch.zeros(2, tasks))
        self.register_buffer("epochs", torch.tensor(0))
        self.register_buffer("running_sum", torch.zeros(tasks))
        self.register_buffer("running_steps", torch.tensor(0))
        self.register_load_state_dict_post_hook(_replay)  # type: ignore[no-untyped-call]

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step; see :meth:`Scalarized.backward`."""
        report = super().backward(losses, shared=shared, representation=representation, last_shared=last_shared)
        self.running_sum += report.losses
        self.running_steps += 1
        return report

    def end_epoch(self) -> None:
        """Turn the running sum into the newest mean."""
        if int(self.running_steps) == 0:
            return
        self.scalarizer.step()
        self.means.copy_(torch.stack([self.means[1], self.running_sum / int(self.running_steps)]))
        self.epochs += 1
        self.running_sum.zero_()
        self.running_steps.zero_()

    def reset(self) -> None:
        """Forget all epochs."""
        self.scalarizer.reset()
        for buffer in (self.means, self.epochs, self.running_sum, self.running_steps):
            buffer.zero_()


def _replay(module: DynamicWeightAverage, _: Any) -> None:
    """Bring TorchJD's DWA to where the buffers say it was, through its public calls."""
    dwa = module.scalarizer
    dwa.reset()
    known = min(int(module.epochs), 2)
    for mean in module.means[2 - known :]:
        dwa(mean)
        dwa.step()
    if int(module.running_steps):
        dwa(module.running_sum)
    for _ in range(int(module.running_steps) - 1):
        # Counts as a step and leaves the sum as it is.
        dwa(torch.zeros_like(module.running_sum))
