r"""What a weighted squared error asks a network to predict, where the label is not certain (section 14.3).

Many engines look alike at one window x and have different lives left. The best single answer to all of them is not
their mean if the loss counts some of them more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rulbook._check import above, at_least, flat, not_empty, same_length, shown, within
from rulbook.errors import InputError
from rulbook.horizon import MAX_RUL

__all__ = ["early_shift", "weighted_minimiser"]


def weighted_minimiser(labels: ArrayLike, weights: ArrayLike, probabilities: ArrayLike | None = None) -> float:
    r"""The prediction f at which the mean of :math:`w\,(f - y)^2` is lowest.

    .. math:: f^* = \frac{\mathrm E[w\,y]}{\mathrm E[w]} = \mathrm E[y] + \frac{\operatorname{Cov}(w, y)}{\mathrm E[w]}

    For weights that never rise with the label, the covariance is not positive and ``f`` not above the mean label.

    Args:
        labels: Values that the label may take at one input, shape (n,), in cycles.
        weights: The sample weight of each, shape (n,), none negative.
        probabilities: How often each occurs, shape (n,), in any unit; None: all alike.

    Returns:
        The prediction, in cycles.

    Raises:
        ValueError: If there are no labels, lengths differ, a value is not finite, a weight or a probability is
            negative, or all of their products are zero.
    """
    values, weight = flat("labels", labels), flat("weights", weights)
    often = np.ones_like(values) if probabilities is None else flat("probabilities", probabilities)
    not_empty("labels", values)
    for name, numbers in (("weights", weight), ("probabilities", often)):
        same_length(name, numbers, "labels", values)
        if (numbers < 0).any():
            raise InputError(f"{name} holds {shown(float(numbers.min()))}: none may be negative.")
        if not numbers.any():
            raise InputError(f"{name} are all 0: at least one must be greater.")
    # Scaled by their largest first: the quotient does not mind, and no product of two large numbers overflows.
    counted = (weight / weight.max()) * (often / often.max())
    if not counted.any():
        raise InputError("weights and probabilities are 0 in turn: at least one label must have both.")
    return float(counted / counted.sum() @ values)


def early_shift(mean: float, variance: float, max_rul: float = MAX_RUL, w_max: float = 2.0) -> float:
    r"""How many cycles AMNL's weights move the best prediction at one input: zero or negative, early.

    .. math:: f^* - \mu = -\frac{w_\text{max} - 1}{R_\text{max}} \cdot \frac{\operatorname{Var}[y]}{\mathrm E[w]},
              \qquad \mathrm E[w] = 1 + (w_\text{max} - 1)\left(1 - \frac{\mu}{R_\text{max}}\right)

    Exact for every distribution of labels between 0 and the cap: mean and variance say all that matters.

    Args:
        mean: Mean :math:`\mu` of the labels at that input, from 0 to ``max_rul``, in cycles.
        variance: Their variance, in cycles squared. Labels between 0 and the cap have at most
            :math:`\mu\,(R_\text{max} - \mu)`.
        max_rul: The cap :math:`R_\text{max}` on the labels, in cycles.
        w_max: The weight at failure.

    Returns:
        The shift, in cycles.

    Raises:
        ValueError: If a value is not finite or out of its range, or no labels within the cap have that mean and
            variance.
    """
    cap, rise = above("max_rul", max_rul, 0), at_least("w_max", w_max, 1) - 1
    centre = within("mean", mean, 0, cap)
    largest = centre * (cap - centre)
    spread = at_least("variance", variance, 0)
    # A rounding error beyond the largest is no mistake of the caller.
    if spread > largest * (1 + 1e-9) + 1e-9 * cap**2:
        raise InputError(
            f"variance is {variance:g}: labels from 0 to {cap:g} with mean {centre:g} have at most {largest:g}."
        )
    return -spread * (rise / (cap + rise * (cap - centre)))
