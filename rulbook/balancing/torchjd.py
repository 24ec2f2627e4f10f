"""TorchJD's methods as balancers, and GABA as a TorchJD weighting. Needs the extra ``rulbook[torchjd]``.

TorchJD (https://torchjd.org) implements the methods that GABA is compared with; what it has is used as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rulbook.balancing._step import StepLosses, accumulate, nonfinite
from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.errors import InputError
from rulbook.gradients import Losses, distinct, row_cosine, row_norms
from rulbook.weighting import InverseGradient, Weighting
from rulbook.weighting.tasks._base import KeepsPrecision

try:
    from torchjd import Stateful, aggregation, autojac, scalarization
except ImportError as error:
    raise ImportError(
        "TorchJD is not installed: this method is one of its own. Install the extra with "
        '`pip install "rulbook[torchjd]"`.'
    ) from error

__all__ = [
    "Aggregated",
    "DynamicWeightAverage",
    "GramianAggregator",
    "GramianWeighting",
    "Scalarized",
    "aggregated",
    "scalarized",
]


class GramianWeighting(aggregation.Weighting[Tensor], Stateful):
    """A weighting of ours for TorchJD: it reads the norms off the diagonal of the Gramian.

    Of the properties that TorchJD's own tests ask of a method, these hold (yes), hold for two tasks only (2), or fail
    (no). A weighting with a memory, the average or the warm-up, is compared after a ``reset()`` before each call.

    =========================  ===========================  ===================  ==============================
    property                   ``InverseNorm(eps=0)``       with a floor         with an average or a warm-up
    =========================  ===========================  ===================  ==============================
    finite on any finite rows  yes                          yes                  yes
    permutation of the tasks   yes                          yes                  yes, after a reset
    linear under scaling       no                           no                   no; the warm-up: yes
    conflicts with no task     2                            no                   no
    strongly stationary        yes                          yes                  yes
    differentiable             no, weights are constants    no                   no
    =========================  ===========================  ===================  ==============================

    *Caveat.* A Gramian holds squared norms. Half precision loses every norm above 255, which then counts as infinite,
    and single precision every norm below about 1e-23, which counts as zero. Compute the Gramian in single or double
    precision, or let :class:`~rulbook.balancing.weighted_sum.WeightedSum` measure the norms themselves.

    Args:
        weighting: The weighting; GABA's by default, for as many tasks as the first Gramian has. One task alone gets
            all the weight whatever the weighting is made for.

    Example:
        >>> gaba = GramianAggregator(GramianWeighting(InverseGradient(warmup=0)))
    """

    def __init__(self, weighting: Weighting | None = None) -> None:
        super().__init__()
        self._by_default = weighting is None
        self.weighting = InverseGradient() if weighting is None else weighting

    @torch.no_grad()
    def forward(self, gramian: Float[Tensor, "task task"], /) -> Float[Tensor, " task"]:
        """The weights for a Gramian J Jᵀ of the task gradients. They carry no graph."""
        tasks = len(gramian)
        if tasks == 1:
            return torch.full_like(gramian[0], self.weighting.total)
        if self._by_default and tasks != self.weighting.tasks:
            self.weighting = InverseGradient(tasks, floor=min(0.05, 1 / tasks)).to(gramian.device)
        if tasks != self.weighting.tasks:
            raise InputError(f"gramian has {tasks} rows: the weighting is for {self.weighting.tasks} tasks.")
        weights: Tensor = self.weighting(gramian.diagonal().sqrt())
        return weights.to(gramian)

    def reset(self) -> None:
        """Forget the past: the average, the warm-up."""
        self.weighting.reset()


class GramianAggregator(aggregation.GramianWeightedAggregator, Stateful):
    """A TorchJD aggregator from a weighting of ours; like TorchJD's own of this kind, it cannot be differentiated.

    Args:
        weighting: The weighting.
    """

    gramian_weighting: GramianWeighting

    def __init__(self, weighting: GramianWeighting | None = None) -> None:
        super().__init__(GramianWeighting() if weighting is None else weighting)

    @torch.no_grad()
    def forward(self, matrix: Float[Tensor, "task n"], /) -> Float[Tensor, " n"]:
        """The weighted sum of the rows."""
        step: Tensor = self._combine(matrix, self.weighting(matrix))  # type: ignore[arg-type]
        return step

    def reset(self) -> None:
        """Forget the past."""
        self.gramian_weighting.reset()


class Aggregated(Balancer):
    """The shared parameters follow a TorchJD aggregation of the task gradients; each head follows its own loss.

    That is how these methods are published: their weights act on the shared parameters only, where
    :class:`~rulbook.balancing.weighted_sum.WeightedSum` weighs whole losses, heads included.

    A task that is absent from a batch (None, 0.0 or NaN) is left out of the step; one that overflows is left out of the
    shared parameters and shows it on its own ones. The aggregator then sees the rows of the others only.

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
        """One step; see :meth:`Balancer.backward <rulbook.balancing.balancer.Balancer.backward>`.

        Raises:
            ValueError: If ``representation`` is missing, where TorchJD cuts the network, or off the path of the losses,
                or if ``shared`` is, or holds what is no parameter.
        """
        if representation is None:
            raise InputError("representation is None: TorchJD needs the last shared tensor, where the heads begin.")
        step = StepLosses(losses)
        shared = [param for param in distinct(shared) if param.requires_grad]
        step.refuse_off_path("shared", shared)
        step.refuse_off_path("representation", [representation])
        if not all(param.is_leaf for param in shared):
            raise InputError(
                "shared holds a tensor that is computed from others, as a weight under a parametrization is: TorchJD "
                "needs the parameters behind it. Give those of the module's parameters()."
            )
        # What no loss reaches keeps its .grad as it is.
        params = [param for param in shared if step.graph.reaches(param)]
        norms = torch.full_like(step.values, math.nan, dtype=torch.promote_types(step.values.dtype, torch.float32))
        norms[step.overflown] = math.inf
        weights, cosine = torch.full_like(step.values, math.nan), math.nan
        good: list[int] = []
        if step.sound:
            _keep_jacobians(step, representation, params)
            rows = torch.cat([param.jac.reshape(len(step.sound), -1) for param in params], dim=1)  # type: ignore[attr-defined]
            found = row_norms(rows)
            norms[step.sound] = found.to(norms)
            kept = torch.isfinite(found)
            good = [task for task, keep in zip(step.sound, kept.tolist(), strict=True) if keep]
            if step.sound[:2] == [0, 1]:
                cosine = row_cosine(rows)
            for param in params:
                del param.jac  # type: ignore[attr-defined]
            if good:
                joint, told = self._joint(rows[kept])
                if told is not None:  # None: the aggregator is no weighted sum.
                    weights[good] = told.to(weights)
                accumulate(params, torch.split(joint, [param.numel() for param in params]))
        lost = [task for task in range(len(norms)) if task not in good]
        weights[lost] = 0.0
        broken = [task for task in step.sound if task not in good]
        step.show_overflow([*step.overflown, *broken], shared, everywhere=not good)
        remarks = step.remarks(good, norms)
        if good and nonfinite(params):
            remarks.append("the gradient of the shared parameters is infinite or NaN, as .grad shows")
        note = "; ".join(remarks) or None
        return StepReport(step.values, weights, norms, None if math.isnan(cosine) else cosine, note)

    def reset(self) -> None:
        """Forget the past that the aggregator, or its weighting, has."""
        _reset_all(self.aggregator)

    def _joint(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The aggregation of the rows, and their weights where it is a weighted sum.

        A Gramian holds squares, which half precision cannot: it is taken in single.
        """
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
        joint = torch.zeros_like(wide[0], requires_grad=True)
        joint.jac = wide  # type: ignore[attr-defined]
        told = autojac.jac_to_grad([joint], self.aggregator)
        assert joint.grad is not None
        return joint.grad, told


def _reset_all(module: torch.nn.Module) -> None:
    """Reset every part that has a memory, the outermost first; what holds others answers for them."""
    if isinstance(module, Stateful):
        module.reset()
        return
    for part in module.children():
        _reset_all(part)


def _keep_jacobians(step: StepLosses, representation: Tensor, params: Sequence[Tensor]) -> None:
    """Fill ``.jac`` of the shared parameters with a row for each sound task, and ``.grad`` of each head."""
    if len(step.sound) == len(step.values):
        # One task after the other: an LSTM cannot be differentiated for several at once by vmap. The graph is kept
        # because losses that were stacked into one tensor share its last node.
        scalars = [step.scalar(task) for task in step.sound]
        autojac.mtl_backward(scalars, representation, shared_params=params, retain_graph=True, parallel_chunk_size=1)
        return
    # TorchJD begins behind a stack, from where a pass runs through the broken loss as well. This is the same, by hand.
    heads = [leaf for leaf in step.graph.leaves if leaf not in set(params)]
    jacobians: list[list[Tensor]] = []
    for task in step.sound:
        root = step.root(task)
        grads = torch.autograd.grad(root.edge, [*params, *heads], root.factor, True, allow_unused=True)
        own = [(head, grad) for head, grad in zip(heads, grads[len(params) :], strict=True) if grad is not None]
        accumulate([head for head, _ in own], [grad for _, grad in own])
        jacobians.append(
            [torch.zeros_like(param) if grad is None else grad for param, grad in zip(params, grads, strict=False)]
        )
    for param, *rows in zip(params, *jacobians, strict=True):
        param.jac = torch.stack(rows)


def aggregated(name: str, **settings: Any) -> Aggregated:
    """A balancer from the name of a class in ``torchjd.aggregation``, and its settings.

    *Caveat.* ``UPGrad`` adds a small regularisation before it projects, 1e-4 by default. When the norms of the tasks
    lie more than about 20 to 1 apart, that is enough for its step to work against the quiet task;
    ``projector=torchjd.linalg.QuadprogProjector(reg_eps=1e-8)`` moves the limit to several hundred.
    """
    return Aggregated(getattr(aggregation, name)(**settings))


class Scalarized(Balancer):
    """One step on a TorchJD scalarization of the losses. What it learns, its ``parameters()``, gets a gradient too.

    A task that is absent from a batch or overflows is left out, as :class:`~rulbook.balancing.weighted_sum.WeightedSum`
    describes; in such a step the others keep the weights that they have, and the scalarizer learns nothing.

    *Caveat.* The weights come from the losses as they are given. Losses that a ``GradScaler`` has multiplied by 65,536
    give most scalarizers other weights: train with ``bfloat16``, which needs no scaler, or leave it out.

    Args:
        scalarizer: For instance ``torchjd.scalarization.UW(2)``, uncertainty weighting.
    """

    tasks: int | None = None

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
        step = StepLosses(losses, self.tasks)
        shared = [param for param in distinct(shared) if param.requires_grad]
        step.refuse_off_path("shared", shared)
        values = step.values.clone().requires_grad_()
        if len(step.sound) == len(values):
            with torch.enable_grad():
                total = self.scalarizer(values)
            torch.autograd.backward(total)
            weights = values.grad
            assert weights is not None
        else:
            # A copy is asked, so that neither its parameters nor its memory learn from a number that was made up.
            with torch.no_grad():
                values[[task for task in range(len(values)) if task not in step.sound]] = 1.0
            with torch.enable_grad():
                total = copy.deepcopy(self.scalarizer)(values)
            (weights,) = torch.autograd.grad(total, values)
            weights[[task for task in range(len(values)) if task not in step.sound]] = 0.0
        step.show_overflow(step.overflown, shared, everywhere=not step.sound)
        step.backward(step.sound, weights)
        note = "; ".join(step.remarks(step.sound)) or None
        if note is None and nonfinite(shared):
            note = "the gradient of the shared parameters is infinite or NaN, as .grad shows"
        return StepReport(step.values, weights, note=note)

    def reset(self) -> None:
        """Forget the past that the scalarizer has, what it learned included."""
        _reset_all(self.scalarizer)


def scalarized(name: str, *args: Any, **settings: Any) -> Scalarized:
    """A balancer from the name of a class in ``torchjd.scalarization``, and its arguments."""
    return Scalarized(getattr(scalarization, name)(*args, **settings))


class DynamicWeightAverage(KeepsPrecision, Scalarized):
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
        self.tasks = tasks
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
        # TorchJD's own memory has taken in the same steps: those in which every task has a finite loss.
        if bool(torch.isfinite(report.losses).all()):
            self.running_sum += report.losses.to(self.running_sum)
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
