r"""Losses for two tasks, in PyTorch (chapters 14 to 23).

Two choices make a loss here: how samples are weighted inside the RUL task, and how the two tasks are weighted against
each other.

=============================  ======================  ===============================
samples \\ tasks                fixed task weights      inverse-gradient task weights
=============================  ======================  ===============================
every sample alike             plain MSE + CE          GABA
samples near failure more      AMNL                    GRACE
=============================  ======================  ===============================

Both choices are objects of :mod:`rulbook.weighting`. The first, from ``samples``, is given to :func:`task_losses`; the
second, from ``tasks``, to a balancer. One training loop serves all four cells.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor, nn

from rulbook._check import above, not_empty, numbers, same_length, within
from rulbook.errors import InputError
from rulbook.horizon import MAX_RUL
from rulbook.weighting.samples import Linear, SampleWeighting, Uniform, sample_weighting
from rulbook.weighting.tasks import InverseGradient

Values = Tensor | ArrayLike
"""A tensor; a list or an array is taken as a tensor without a graph."""

EVERY_SAMPLE_ALIKE = Uniform()
"""The sample weights of the baseline and of GABA."""

__all__ = ["AMNL", "GABA", "GRACE", "failure_weights", "moderate_weighted_mse_loss", "task_losses"]


def failure_weights(target: Values, max_rul: float = MAX_RUL, w_max: float = 2.0) -> Float[Tensor, "..."]:
    r"""The AMNL weight of each sample: 1 at the cap, ``w_max`` at failure (section 14.1).

    .. math:: w(y) = 1 + (w_\text{max} - 1)\,\operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Args:
        target: True RUL in cycles, any shape.
        max_rul: The cap :math:`R_\text{max}` in cycles. At and above it a sample weighs 1.
        w_max: The weight at RUL 0; 1 turns the weighting off.

    Returns:
        Weights of the same shape, each in [1, ``w_max``].

    Raises:
        ValueError: If a value is not finite, ``max_rul`` is not positive or ``w_max`` is below 1.
    """
    return Linear(w_max)(_finite("target", _floats("target", target)), max_rul)


def moderate_weighted_mse_loss(
    pred: Values,
    target: Values,
    max_rul: float = MAX_RUL,
    *,
    w_max: float = 2.0,
) -> Float[Tensor, ""]:
    r"""AMNL's weighted mean squared error: a drop-in for ``F.mse_loss`` (section 14.1).

    .. math:: L = \frac1B \sum_i w(y_i)\,(\hat y_i - y_i)^2

    Unlike ``F.mse_loss``, shapes (N,) and (N, 1) mean the same here in any mix; nothing is broadcast. Half precision
    and whole numbers are computed in single precision, for 256 cycles squared are too large for a half.

    Args:
        pred: Predicted RUL in cycles, shape (N,) or (N, 1).
        target: True RUL in cycles, shape (N,) or (N, 1).
        max_rul: The cap on RUL in cycles.
        w_max: The weight at RUL 0.

    Returns:
        A scalar in cycles squared, in single precision or better.

    Raises:
        ValueError: If the batch is empty, the lengths differ or a value is not finite.
    """
    return _weighted_mse(pred, target, Linear(w_max), max_rul)


def _weighted_mse(
    pred: Values, target: Values, samples: SampleWeighting, max_rul: float, rul_scale: float = 1.0
) -> Tensor:
    pred, target = _column("pred", pred), _column("target", target)
    same_length("pred", pred, "target", target)
    not_empty("pred", pred)
    # The scale is one of the loss. The weights see RUL as it is: a threshold in cycles stays one in cycles.
    return (samples(target, max_rul) * (pred / rul_scale - target / rul_scale) ** 2).mean()


def task_losses(
    rul: Values,
    health_logits: Values,
    target_rul: Values,
    target_health: Values,
    *,
    max_rul: float = MAX_RUL,
    samples: SampleWeighting = EVERY_SAMPLE_ALIKE,
    rul_scale: float = 1.0,
) -> Float[Tensor, "2"]:
    r"""The losses of the two tasks, not yet weighed against each other: (weighted) MSE and cross-entropy.

    .. math:: L_\text{rul} = \frac1B \sum_i w(y_i)\,\Bigl(\frac{\hat y_i - y_i}{s}\Bigr)^2, \qquad
              L_\text{hs} = -\frac1B \sum_i \ln p_{i,c_i}

    Args:
        rul: Predicted RUL in cycles, shape (N,) or (N, 1).
        health_logits: Scores of the health classes, shape (N, C).
        target_rul: True RUL in cycles, shape (N,) or (N, 1).
        target_health: True class of each sample, whole numbers from 0 to C - 1, shape (N,) or (N, 1).
        max_rul: The cap on RUL in cycles.
        samples: The weight w of each sample, from :mod:`rulbook.weighting.samples`; by default every sample alike,
            which is the plain MSE. ``Linear(w_max=2.0)`` is AMNL's.
        rul_scale: The loss is taken in units of s cycles. What the weights see stays in cycles.

    Returns:
        ``[mse, cross_entropy]``, in units of ``rul_scale`` cycles squared, and in nats.

    Raises:
        ValueError: As :func:`moderate_weighted_mse_loss`; also if the four do not have as many samples, a logit is not
            finite, a health label is no class, ``samples`` is no sample weighting or ``rul_scale`` is not positive.
    """
    sample_weighting("samples", samples)
    above("rul_scale", rul_scale, 0)
    rul, logits = _column("rul", rul), _finite("health_logits", _floats("health_logits", health_logits))
    if logits.ndim != 2:
        raise InputError(f"health_logits has shape {tuple(logits.shape)}: it must be (batch, classes).")
    labels = _labels(target_health, logits.shape[1]).to(logits.device)
    same_length("health_logits", logits, "target_health", labels)
    same_length("rul", rul, "health_logits", logits)
    mse = _weighted_mse(rul, target_rul, samples, max_rul, rul_scale)
    return torch.stack([mse, F.cross_entropy(logits, labels)])


class AMNL(nn.Module):
    r"""Samples near failure weigh more; the two tasks are mixed at fixed weights (chapter 14).

    .. math:: L = (1 - \lambda_\text{hs})\,\frac1B \sum_i w(y_i)(\hat y_i - y_i)^2 + \lambda_\text{hs}\,\mathrm{CE}

    With ``w_max=1`` this is the baseline of the book, plain MSE + CE.

    Args:
        lam_hs: Share of the health task, in [0, 1].
        max_rul: The cap on RUL in cycles.
        w_max: The weight at RUL 0 of AMNL's straight line; 2 if left out.
        samples: Another sample weighting in place of that line, with a ceiling of its own.

    Raises:
        ValueError: If an argument is out of its range, or ``w_max`` is given beside ``samples``.
    """

    def __init__(
        self,
        lam_hs: float = 0.5,
        *,
        max_rul: float = MAX_RUL,
        w_max: float | None = None,
        samples: SampleWeighting | None = None,
    ) -> None:
        super().__init__()
        self.lam_hs = within("lam_hs", lam_hs, 0, 1)
        self.max_rul = above("max_rul", max_rul, 0)
        self.samples = _line_or(samples, w_max)

    @property
    def w_max(self) -> float:
        """The ceiling of the sample weights."""
        return self.samples.w_max

    def forward(
        self,
        rul: Values,
        target_rul: Values,
        health_logits: Values,
        target_health: Values,
    ) -> Float[Tensor, ""]:
        """The weighted sum of the two task losses; arguments as in :func:`task_losses`."""
        mse, cross_entropy = task_losses(
            rul, health_logits, target_rul, target_health, max_rul=self.max_rul, samples=self.samples
        )
        total: Tensor = (1.0 - self.lam_hs) * mse + self.lam_hs * cross_entropy
        return total

    def extra_repr(self) -> str:
        """Show the three settings when the module is printed."""
        return f"lam_hs={self.lam_hs:g}, max_rul={self.max_rul:g}, samples={self.samples}"


class GRACE(nn.Module):
    r"""Samples near failure weigh more, and the tasks are weighted by inverse gradient norm (section 13.4).

    .. math:: L = \lambda_\text{rul}\,\frac1B \sum_i w(y_i)(\hat y_i - y_i)^2 + \lambda_\text{hs}\,\mathrm{CE}, \qquad
              \lambda_t \propto \frac{1}{g_t + \epsilon}

    The norms come from the caller and are constants here: no gradient flows through the weights. AMNL's own task share
    is off, so the norms alone decide between the tasks.

    This module is the *bare formula*, for a loop of your own that measures the norms. The *method* of the same name,
    ``METHODS["grace"]`` (``rulbook train --method grace``), is more than it: there
    :class:`~rulbook.balancing.weighted_sum.WeightedSum` measures the norms, and the weights wait out a warm-up, move as
    an average, and keep a floor. The formula is one to both, :class:`~rulbook.weighting.InverseGradient`; with every
    part of it left out (``beta=0, floor=0, warmup=0``) the two take the same step, and a test holds them to that.

    Args:
        eps: Added to each norm.
        total: What the two task weights sum to: 1 (shares), or 2 as in the published code.
        max_rul: The cap on RUL in cycles.
        w_max: The weight of a sample at RUL 0, on AMNL's straight line; 2 if left out, and 1 makes this :class:`GABA`.
        samples: Another sample weighting in place of that line, with a ceiling of its own.

    Raises:
        ValueError: If an argument is out of its range, or ``w_max`` is given beside ``samples``.
    """

    def __init__(
        self,
        eps: float = 1e-8,
        *,
        total: float = 1.0,
        max_rul: float = MAX_RUL,
        w_max: float | None = None,
        samples: SampleWeighting | None = None,
    ) -> None:
        super().__init__()
        self.weighting = InverseGradient(2, beta=0, floor=0, warmup=0, eps=eps, total=total)
        self.max_rul = above("max_rul", max_rul, 0)
        self.samples = _line_or(samples, w_max)

    @property
    def w_max(self) -> float:
        """The ceiling of the sample weights."""
        return self.samples.w_max

    def forward(
        self,
        rul: Values,
        target_rul: Values,
        health_logits: Values,
        target_health: Values,
        norms: Values,
    ) -> Float[Tensor, ""]:
        """The weighted sum of the two task losses.

        Args:
            rul: As in :func:`task_losses`, like the next three.
            target_rul: True RUL.
            health_logits: Scores of the health classes.
            target_health: True classes.
            norms: Gradient norms of the two tasks on the shared parameters, RUL first: from
                :func:`rulbook.gradients.task_gradient_norms`, or two plain numbers.
        """
        losses = task_losses(rul, health_logits, target_rul, target_health, max_rul=self.max_rul, samples=self.samples)
        # The weighting detaches: the weights are constants to the optimiser (section 17.2 shows what happens if not).
        norms = norms if isinstance(norms, Tensor) else torch.from_numpy(numbers("norms", norms))
        weights: Tensor = self.weighting(norms)
        return torch.dot(weights.to(losses), losses)


class GABA(GRACE):
    r"""Every sample alike, and the tasks weighted by inverse gradient norm (chapter 17).

    .. math:: L = \lambda_\text{rul}\,\mathrm{MSE} + \lambda_\text{hs}\,\mathrm{CE}, \qquad
              \lambda_t \propto \frac{1}{g_t + \epsilon}

    This is :class:`GRACE` with every sample alike; and like it the *bare formula*, without the average, floor and
    warm-up of the method that ``METHODS["gaba"]`` and ``rulbook train --method gaba`` name.

    Args:
        eps: Added to each norm.
        total: What the two task weights sum to: 1 (shares), or 2 as in the published code.
    """

    def __init__(self, eps: float = 1e-8, *, total: float = 1.0) -> None:
        super().__init__(eps, total=total, samples=EVERY_SAMPLE_ALIKE)


def _line_or(samples: SampleWeighting | None, w_max: float | None) -> SampleWeighting:
    """The sample weighting that is given, or AMNL's line up to ``w_max``."""
    if samples is None:
        return Linear() if w_max is None else Linear(w_max)
    if w_max is not None:
        raise InputError(f"w_max is {w_max} beside samples, which is {samples}: give one of the two.")
    return sample_weighting("samples", samples)


def _floats(name: str, values: Values) -> Tensor:
    """Real numbers in single precision or better."""
    if not isinstance(values, Tensor):
        array = numbers(name, values)
        double = isinstance(values, np.ndarray) and values.dtype == np.float64
        return torch.as_tensor(array, dtype=torch.float64 if double else torch.get_default_dtype())
    if values.is_complex() or values.dtype == torch.bool:
        raise InputError(f"{name} is a tensor of {values.dtype}: it must hold real numbers.")
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _finite(name: str, values: Tensor) -> Tensor:
    if not bool(torch.isfinite(values).all()):
        raise InputError(f"{name} holds a value that is not finite: NaN or infinity cannot be trained on.")
    return values


def _column(name: str, values: Values) -> Tensor:
    column = _floats(name, values)
    if column.ndim > 2 or (column.ndim == 2 and column.shape[1] != 1):
        raise InputError(f"{name} has shape {tuple(column.shape)}: it must be (batch,) or (batch, 1).")
    return _finite(name, column).reshape(-1)


def _labels(given: Values, classes: int) -> Tensor:
    """Health classes as cross-entropy wants them."""
    labels = given if isinstance(given, Tensor) else torch.from_numpy(numbers("target_health", given))
    if labels.ndim > 2 or (labels.ndim == 2 and labels.shape[1] != 1):
        raise InputError(f"target_health has shape {tuple(labels.shape)}: it must be (batch,) or (batch, 1).")
    labels = labels.reshape(-1)
    whole_labels = labels.to(torch.int64)
    bad = (whole_labels < 0) | (whole_labels >= classes) | (whole_labels != labels)
    if bool(bad.any()):
        raise InputError(
            f"target_health holds {labels[bad][0].item():g}: a label must be a whole number from 0 to {classes - 1}."
        )
    return whole_labels
