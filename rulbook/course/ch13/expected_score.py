r"""RMSE and NASA score of normal errors, in closed form (section 13.1).

Let the error of a prediction be :math:`d = b + \sigma n`, with bias b, noise :math:`\sigma` and a standard normal n.
"""

from __future__ import annotations

import math

from rulbook._check import above, finite_number
from rulbook._needs import needed
from rulbook.errors import InputError

__all__ = ["best_bias", "expected_score", "score_slope"]

LATE, EARLY = 10.0, 13.0
"""The two scales of NASA's score, in cycles."""


def expected_score(bias: float, sigma: float) -> float:
    r"""Mean NASA score of one engine whose error is normal.

    .. math:: \mathrm E[s] = e^{b/10 + \sigma^2/200}\,\Phi\!\left(\tfrac b\sigma + \tfrac{\sigma}{10}\right)
              + e^{-b/13 + \sigma^2/338}\,\Phi\!\left(\tfrac{\sigma}{13} - \tfrac b\sigma\right) - 1

    Args:
        bias: Mean error b in cycles; positive is late.
        sigma: Standard deviation of the error in cycles, above 0.

    Raises:
        ValueError: If ``bias`` is not finite, ``sigma`` not positive, or the score larger than any number.
    """
    late, early = _parts(bias, sigma)
    return late + early - 1


def score_slope(bias: float, sigma: float) -> float:
    r"""Derivative of :func:`expected_score` by the bias, per cycle.

    It is a tenth of the first term less a thirteenth of the second.
    """
    late, early = _parts(bias, sigma)
    return late / LATE - early / EARLY


def best_bias(sigma: float) -> float:
    r"""The bias in cycles at which the mean score is lowest: always negative, early.

    The mean score is convex in the bias, so its slope has one zero, which is found by halving an interval. For small
    noise it is :math:`\sigma\,\Phi^{-1}(10/23) = -0.164\,\sigma`; it grows faster than the noise does.

    Args:
        sigma: Standard deviation of the error in cycles, above 0.

    Raises:
        ValueError: If ``sigma`` is not positive.
    """
    above("sigma", sigma, 0)
    low, high = -(sigma + sigma**2), 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if score_slope(middle, sigma) < 0 else (low, middle)
    return (low + high) / 2


def _parts(bias: float, sigma: float) -> tuple[float, float]:
    """The two terms of :func:`expected_score` that hold an exponential: late and early."""
    b, s = finite_number("bias", bias), above("sigma", sigma, 0)
    late = _term(b / LATE + s**2 / (2 * LATE**2), b / s + s / LATE)
    early = _term(-b / EARLY + s**2 / (2 * EARLY**2), s / EARLY - b / s)
    if math.isinf(late) and math.isinf(early):
        raise InputError(f"sigma is {sigma}: the mean score of so much noise is larger than any number.")
    return late, early


def _term(exponent: float, z: float) -> float:
    """An exponential times the probability that a standard normal lies below z; infinite if it is too large."""
    try:
        return math.exp(exponent) * _below(z)
    except OverflowError:
        # The product may be in reach where the first factor is not.
        with needed():
            from scipy.special import log_ndtr

        logarithm = exponent + float(log_ndtr(z))
        return math.exp(logarithm) if logarithm < 709 else math.inf


def _below(z: float) -> float:
    """Probability that a standard normal lies below z."""
    return math.erfc(-z / math.sqrt(2)) / 2
