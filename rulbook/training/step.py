"""One optimiser step of the dual-task network, whatever the method: what the loop, measurements and benchmarks do.

Nothing here asks which method runs. How samples are weighted is in the method, how tasks are weighted in its balancer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from rulbook._check import above, one_of, shown
from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.errors import InputError
from rulbook.losses import task_losses
from rulbook.methods import Method
from rulbook.model import DualTaskModel

__all__ = ["PRECISIONS", "Batch", "DivergedError", "Forward", "step"]

PRECISIONS = ("fp32", "bf16")
"""What the network computes in."""

Batch = tuple[Float[Tensor, "batch time feature"], Float[Tensor, " batch"], Int[Tensor, " batch"]]
"""Windows, their RUL in cycles and their health class, as :meth:`rulbook.data.Windows.tensors` gives them."""


@dataclass(frozen=True)
class Forward:
    """What the forward pass of a step made, with its graph: there to be looked at before the backward pass.

    Attributes:
        batch: The windows, their RUL in cycles and their health classes.
        representation: What both heads see, (B, 32).
        rul: The RUL head's answers in cycles, (B,).
        health_logits: The health head's answers, (B, C).
        losses: The losses of the two tasks, as the method has them, (2,).
    """

    batch: Batch
    representation: Float[Tensor, "batch width"]
    rul: Float[Tensor, " batch"]
    health_logits: Float[Tensor, "batch health_class"]
    losses: Float[Tensor, "2"]


class DivergedError(InputError):
    """The network answers NaN or infinity, or its gradient is no number."""


def step(
    model: DualTaskModel,
    batch: Batch,
    method: Method,
    balancer: Balancer,
    optimizer: torch.optim.Optimizer,
    *,
    max_rul: float | None = None,
    clip_norm: float = 1.0,
    precision: str = "fp32",
    average: AveragedModel | None = None,
    on_forward: Callable[[Forward], None] | None = None,
) -> StepReport:
    """Train on one batch: forward, the losses of both tasks, their gradients as the balancer weighs them, clip, move.

    Args:
        model: The network; it is put into training mode.
        batch: From :meth:`rulbook.data.Windows.tensors`, on the model's device.
        method: Weighs the samples inside the RUL loss.
        balancer: Weighs the tasks, and keeps what it learns from step to step: one of ``method.balancer()``, for
            the whole run.
        optimizer: Over the parameters of the model, and of the balancer if it has any.
        max_rul: The cap on RUL in cycles, for the weights of the samples. None: the one that the model was told.
        clip_norm: Largest norm of the joint gradient of all parameters; ``math.inf`` clips nothing.
        precision: ``"bf16"``: what the tasks share computes in bfloat16 where PyTorch's autocast deems that safe.
        average: A running average of the parameters, to be moved along.
        on_forward: Is shown what the forward pass made, before the backward pass; the graph must stay.

    Returns:
        What the balancer saw, and the length of the joint gradient before it was clipped.

    Raises:
        DivergedError: If an answer of the network or the joint gradient is NaN or infinite. No parameter has moved.
        ValueError: If the cap is not known, an argument is not what it must be, or the batch does not fit the model.
    """
    _require(method, balancer, precision)
    if clip_norm != math.inf:
        above("clip_norm", clip_norm, 0)
    x, rul, health = _taken_apart(batch, model)
    cap = _cap(model, max_rul)
    model.train()
    # Autocast keeps rounded weights until its outermost block ends: inside a caller's, they would be the last step's.
    torch.clear_autocast_cache()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        representation = model.encode(x)
    # Between 64 and 128 cycles bfloat16 counts in halves: heads and losses stay in float32.
    representation = representation.to(x.dtype)
    answers, logits = model.heads(representation)
    if not bool(torch.isfinite(answers).all() & torch.isfinite(logits).all()):
        raise DivergedError("the network answers NaN or infinity")
    losses = task_losses(answers, logits, rul, health, max_rul=cap, samples=method.samples, rul_scale=method.rul_scale)
    if on_forward is not None:
        on_forward(Forward(batch, representation, answers, logits, losses))
    optimizer.zero_grad(set_to_none=True)
    shared, last = model.shared_parameters(), model.last_shared_parameters()
    report = balancer.backward(losses, shared=shared, representation=representation, last_shared=last)
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not bool(torch.isfinite(norm)):
        raise DivergedError(f"losses of {_listed(losses)} have a gradient of norm {float(norm)}")
    optimizer.step()
    if average is not None:
        average.update_parameters(model)
    return replace(report, joint_norm=float(norm))


def _cap(model: DualTaskModel, max_rul: float | None) -> float:
    cap = model.max_rul if max_rul is None else above("max_rul", max_rul, 0)
    if cap is None:
        raise InputError("max_rul is None, and the model was told no cap either: give one of the two.")
    return cap


def _require(method: object, balancer: object, precision: str) -> None:
    """Refuse what would fail in the middle of a step, or be passed over: an unknown precision computes as fp32."""
    one_of("precision", precision, PRECISIONS)
    if not isinstance(method, Method):
        raise InputError(f"method is {shown(method)}: it must be a Method, such as METHODS['amnl'].")
    if not callable(getattr(balancer, "backward", None)):
        raise InputError(f"balancer is {shown(balancer)}: it must be a balancer, one of method.balancer().")


def _taken_apart(batch: object, model: DualTaskModel) -> Batch:
    if not isinstance(batch, (tuple, list)) or len(batch) != 3 or not all(isinstance(one, Tensor) for one in batch):
        raise InputError("batch is not three tensors: windows, RUL and health classes are wanted, as of tensors().")
    x, rul, health = batch
    if x.ndim != 3 or x.shape[2] != model.n_features:
        raise InputError(f"batch has windows of shape {tuple(x.shape)}: the model reads (B, T, {model.n_features}).")
    return x, rul, health


def _listed(losses: Tensor) -> str:
    return ", ".join(f"{loss:.3g}" for loss in losses.tolist())
