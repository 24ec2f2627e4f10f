"""The losses as the chapters derive them: NumPy only, gradients by hand.

Each function returns the loss together with what the derivation needs next. The PyTorch forms in
:mod:`rulbook.losses` are held to these by tests, and these are held to central differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import Array, above, at_least, finite, flat, not_empty, paired, same_length

__all__ = ["amnl_weighted_mse", "failure_weights", "softmax_cross_entropy", "uniform_mse"]


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


def failure_weights(target: ArrayLike, max_rul: float = 125.0, w_max: float = 2.0) -> Array:
    r"""The AMNL weight of each sample: 1 at the cap, ``w_max`` at failure, a straight line between (section 14.2).

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
    above("max_rul", max_rul, 0)
    at_least("w_max", w_max, 1)
    nearness = np.clip(1.0 - flat("target", target) / max_rul, 0.0, 1.0)
    return 1.0 + (w_max - 1.0) * nearness


def amnl_weighted_mse(
    pred: ArrayLike, target: ArrayLike, max_rul: float = 125.0, *, w_max: float = 2.0
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
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"logits has shape {scores.shape}: it must be (batch, classes).")
    finite("logits", scores)
    classes = np.asarray(labels).reshape(-1)
    not_empty("logits", scores)
    same_length("logits", scores, "labels", classes)
    if classes.min() < 0 or classes.max() >= scores.shape[1] or np.any(classes != classes.astype(np.int64)):
        raise ValueError(
            f"labels holds values from {classes.min()} to {classes.max()}: "
            f"they must be whole numbers from 0 to {scores.shape[1] - 1}."
        )
    rows, classes = np.arange(len(scores)), classes.astype(np.int64)
    # Subtracting the row maximum changes no probability and keeps exp() from overflowing.
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = float(-log_p[rows, classes].mean())
    grad = np.exp(log_p)
    grad[rows, classes] -= 1.0
    return loss, grad / len(scores)
