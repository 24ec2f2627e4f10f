"""The losses as the chapters derive them: NumPy only, gradients by hand.

Each function returns the loss together with what the derivation needs next. The PyTorch forms in
:mod:`rulbook.losses` are held to these by tests, and these are held to central differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import Array, above, at_least, finite, flat, not_empty, numbers, paired, same_length, within
from rulbook.errors import InputError
from rulbook.horizon import MAX_RUL
from rulbook.weighting.samples import Linear

__all__ = [
    "amnl_loss",
    "amnl_weighted_mse",
    "failure_weights",
    "gaba_loss",
    "grace_loss",
    "inverse_gradient_weights",
    "softmax_cross_entropy",
    "uniform_mse",
]


def uniform_mse(pred: ArrayLike, target: ArrayLike) -> tuple[float, Array]:
    r"""Mean squared error and its gradient on the predictions (section 14.1).

    .. math:: L = \frac1B \sum_i (\hat y_i - y_i)^2, \qquad
              \frac{\partial L}{\partial \hat y_i} = \frac2B (\hat y_i - y_i)

    Args:
        pred: Predicted RUL, shape (B,) or (B, 1), in cycles.
        target: True RUL, as many values, in cycles.

    Returns:
        The loss in cycles squared, and the gradient, shape (B,), in cycles.

    Raises:
        ValueError: If the batch is empty, the lengths differ or a value is not finite.
    """
    pred, target = paired(pred, target)
    residual = pred - target
    loss = float(np.mean(residual**2))
    grad = 2.0 / len(target) * residual
    return loss, grad


def failure_weights(target: ArrayLike, max_rul: float = MAX_RUL, w_max: float = 2.0) -> Array:
    r"""The AMNL weight of each sample: 1 at the cap, ``w_max`` at failure, a straight line between (section 14.1).

    .. math:: w(y) = 1 + (w_\text{max} - 1)\,\operatorname{clip}(1 - y / R_\text{max},\, 0,\, 1)

    Args:
        target: True RUL, shape (B,) or (B, 1), in cycles.
        max_rul: The cap :math:`R_\text{max}`, in cycles. At and above it a sample weighs 1.
        w_max: The weight at RUL 0; 1 turns the weighting off.

    Returns:
        Weights, shape (B,), each in [1, ``w_max``].

    Raises:
        ValueError: If a value is not finite, ``max_rul`` is not positive or ``w_max`` is below 1.
    """
    return np.asarray(Linear(w_max)(flat("target", target), max_rul))


def amnl_weighted_mse(
    pred: ArrayLike, target: ArrayLike, max_rul: float = MAX_RUL, *, w_max: float = 2.0
) -> tuple[float, Array, Array]:
    r"""AMNL's weighted mean squared error, its weights and its gradient (section 14.1).

    .. math:: L = \frac1B \sum_i w(y_i)\,(\hat y_i - y_i)^2, \qquad
              \frac{\partial L}{\partial \hat y_i} = \frac2B\, w(y_i)\,(\hat y_i - y_i)

    The mean is over the batch, not over the weights: a batch with many samples near failure has a larger loss.

    Args:
        pred: Predicted RUL, shape (B,) or (B, 1), in cycles.
        target: True RUL, as many values, in cycles.
        max_rul: The cap on RUL, in cycles.
        w_max: The weight at RUL 0.

    Returns:
        The loss in cycles squared, the weights (B,), and the gradient (B,) in cycles.

    Raises:
        ValueError: As :func:`uniform_mse` and :func:`failure_weights`.
    """
    pred, target = paired(pred, target)
    weights = failure_weights(target, max_rul, w_max)
    residual = pred - target
    loss = float(np.mean(weights * residual**2))
    grad = 2.0 / len(target) * weights * residual
    return loss, weights, grad


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, Array]:
    r"""Cross-entropy of a softmax and its gradient on the logits (section 12.2).

    .. math:: L = -\frac1B \sum_i \log p_{i, c_i}, \qquad p_i = \operatorname{softmax}(z_i), \qquad
              \frac{\partial L}{\partial z_{ik}} = \frac1B (p_{ik} - [k = c_i])

    Args:
        logits: Scores :math:`z`, shape (B, C).
        labels: The true class :math:`c` of each sample, B whole numbers in 0 .. C - 1.

    Returns:
        The loss in nats, and the gradient, shape (B, C).

    Raises:
        ValueError: If the batch is empty, the lengths differ, a logit is not finite or a label is no class.
    """
    scores = numbers("logits", logits)
    if scores.ndim != 2:
        raise InputError(f"logits has shape {scores.shape}: it must be (batch, classes).")
    finite("logits", scores)
    classes = flat("labels", labels)
    not_empty("logits", scores)
    same_length("logits", scores, "labels", classes)
    if classes.min() < 0 or classes.max() >= scores.shape[1] or np.any(classes != np.floor(classes)):
        raise InputError(
            f"labels holds values from {classes.min():g} to {classes.max():g}: "
            f"they must be whole numbers from 0 to {scores.shape[1] - 1}."
        )
    rows, columns = np.arange(len(scores)), classes.astype(np.int64)
    # Subtracting the row maximum changes no probability and keeps exp() from overflowing.
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = float(-log_p[rows, columns].mean())
    grad = np.exp(log_p)
    grad[rows, columns] -= 1.0
    return loss, grad / len(scores)


def inverse_gradient_weights(norms: ArrayLike, eps: float = 1e-8, *, total: float = 1.0) -> Array:
    r"""Task weights in inverse proportion to the tasks' gradient norms (section 17.2).

    .. math:: \lambda_i = T\,\frac{1/(g_i + \epsilon)}{\sum_j 1/(g_j + \epsilon)}

    Two conventions are in use. With ``total=1``, the default here, a weight is the task's share. With ``total=K`` the
    mean weight is 1; the published code for two tasks does that. The directions agree, the lengths differ K times.

    A task whose norm is at most ``eps`` is dead: it gets T/K, and the others share the rest by the formula. A norm that
    is infinite or NaN gets 0; if all are, every weight is T/K.

    Args:
        norms: The gradient norms :math:`g`, shape (K,), K at least 2, none negative.
        eps: Added to each norm, in their units.
        total: What the weights sum to, :math:`T`.

    Returns:
        Weights, shape (K,), summing to ``total``.

    Raises:
        ValueError: If there are fewer than two norms, one is negative, or ``eps`` or ``total`` is out of range.
    """
    at_least("eps", eps, 0)
    above("total", total, 0)
    g = numbers("norms", norms)
    if g.ndim != 1 or len(g) < 2:
        raise InputError(f"norms has shape {g.shape}: it must be (tasks,), for two tasks or more.")
    if np.any(g < 0):
        raise InputError(f"norms holds {g.min()}: a norm is at least 0.")
    finite_norm = np.isfinite(g)
    live = finite_norm & (g > eps)
    if not finite_norm.any():
        return np.full(len(g), total / len(g))
    weights = finite_norm / finite_norm.sum()
    if live.any():
        padded = g[live] + eps
        # The smallest norm over each, and not 1 over each: no inverse overflows.
        pull = padded.min() / padded
        weights[live] *= live.sum() * pull / pull.sum()
    return np.asarray(total * weights)


def amnl_loss(
    pred: ArrayLike,
    target: ArrayLike,
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    lam_hs: float = 0.5,
    max_rul: float = MAX_RUL,
    w_max: float = 2.0,
) -> float:
    r"""Weighted samples, fixed task weights (sections 13.4 and 14.4, equation 14.8).

    .. math:: L = (1 - \lambda_\text{hs})\,\mathrm{wMSE} + \lambda_\text{hs}\,\mathrm{CE}

    With ``w_max=1`` this is the baseline.

    Args:
        pred: Predicted RUL, shape (B,) or (B, 1), in cycles.
        target: True RUL, as many values, in cycles.
        logits: Scores of the health classes, shape (B, C).
        labels: The true class of each sample.
        lam_hs: Share of the health task, in [0, 1].
        max_rul: The cap on RUL, in cycles.
        w_max: The weight of a sample at RUL 0.

    Raises:
        ValueError: As :func:`amnl_weighted_mse` and :func:`softmax_cross_entropy`, or if ``lam_hs`` is out of range.
    """
    within("lam_hs", lam_hs, 0, 1)
    mse = amnl_weighted_mse(pred, target, max_rul, w_max=w_max)[0]
    return (1.0 - lam_hs) * mse + lam_hs * softmax_cross_entropy(logits, labels)[0]


def gaba_loss(
    pred: ArrayLike,
    target: ArrayLike,
    logits: ArrayLike,
    labels: ArrayLike,
    norms: ArrayLike,
    *,
    eps: float = 1e-8,
    total: float = 1.0,
) -> float:
    r"""Samples alike, tasks weighted by inverse gradient norm (section 17.2).

    .. math:: L = \lambda_\text{rul}\,\mathrm{MSE} + \lambda_\text{hs}\,\mathrm{CE}, \qquad
              \lambda_t \propto 1 / (g_t + \epsilon)

    Args:
        pred: Predicted RUL, shape (B,) or (B, 1), in cycles.
        target: True RUL, as many values, in cycles.
        logits: Scores of the health classes, shape (B, C).
        labels: The true class of each sample.
        norms: Gradient norms of the two tasks on the shared parameters, RUL first. Constants of the loss.
        eps: Added to each norm.
        total: What the two task weights sum to.

    Raises:
        ValueError: As :func:`uniform_mse`, :func:`softmax_cross_entropy` and :func:`inverse_gradient_weights`.
    """
    return grace_loss(pred, target, logits, labels, norms, eps=eps, total=total, w_max=1.0)


def grace_loss(
    pred: ArrayLike,
    target: ArrayLike,
    logits: ArrayLike,
    labels: ArrayLike,
    norms: ArrayLike,
    *,
    eps: float = 1e-8,
    total: float = 1.0,
    max_rul: float = MAX_RUL,
    w_max: float = 2.0,
) -> float:
    r"""AMNL's sample weights and GABA's task weights (section 13.4).

    .. math:: L = \lambda_\text{rul}\,\mathrm{wMSE} + \lambda_\text{hs}\,\mathrm{CE}, \qquad
              \lambda_t \propto 1 / (g_t + \epsilon)

    AMNL's own task share does not enter: the norms alone decide between the tasks. With ``w_max=1`` this is GABA.

    Args:
        pred: Predicted RUL, shape (B,) or (B, 1), in cycles.
        target: True RUL, as many values, in cycles.
        logits: Scores of the health classes, shape (B, C).
        labels: The true class of each sample.
        norms: Gradient norms of the two tasks, RUL first, taken on the *weighted* RUL loss. Constants of the loss.
        eps: Added to each norm.
        total: What the two task weights sum to.
        max_rul: The cap on RUL, in cycles.
        w_max: The weight of a sample at RUL 0.

    Raises:
        ValueError: As :func:`gaba_loss` and :func:`amnl_weighted_mse`; also if there are not two norms.
    """
    weights = inverse_gradient_weights(norms, eps, total=total)
    if len(weights) != 2:
        raise InputError(f"norms has {len(weights)} values: there are two tasks, RUL and health.")
    mse = amnl_weighted_mse(pred, target, max_rul, w_max=w_max)[0]
    return float(weights @ [mse, softmax_cross_entropy(logits, labels)[0]])
