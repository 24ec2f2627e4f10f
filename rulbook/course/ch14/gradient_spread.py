r"""How far a larger w_max spreads the gradients of single samples (section 14.3).

Let residuals be normal with standard deviation :math:`\sigma` at every RUL. One sample's gradient, times the batch
size, is :math:`G = 2 w(y) r`: a normal whose standard deviation depends on the sample's RUL. Over a training set, its
magnitude is a mixture of half-normals, one for each RUL, and needs no simulation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import erf

from rulbook._check import Array, above, flat, within
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.course.results import read_json
from rulbook.palette import ACCENT, METHOD_COLORS
from rulbook.reference import failure_weights

__all__ = ["GradientSpread", "magnitude_quantile", "mean_square_weight"]

SUBSETS = tuple(read_json("rul_histograms")["subsets"])
SIGMA = 10.0
"""Standard deviation of the residuals in the figure, in cycles."""


def mean_square_weight(counts: ArrayLike, w_max: float) -> float:
    r""":math:`E[w^2]` over samples, the factor by which weighting multiplies the variance of the gradient.

    If every RUL up to the cap were equally common it would be :math:`(1 + w_\max + w_\max^2) / 3`.

    Args:
        counts: Number of samples at each whole RUL from 0 to the cap, in cycles.
        w_max: The weight at RUL 0.
    """
    share, weights = _mixture(counts, w_max)
    return float(share @ weights**2)


def magnitude_quantile(counts: ArrayLike, q: float, w_max: float, sigma: float = SIGMA) -> float:
    r"""The value that a share ``q`` of the samples' gradient magnitudes, times B, stays below.

    .. math:: F(g) = \sum_y p_y\, \operatorname{erf}\!\left(\frac{g}{\sqrt2 \cdot 2 \sigma w(y)}\right) = q

    Args:
        counts: Number of samples at each whole RUL from 0 to the cap, in cycles.
        q: The share, in [0, 1).
        w_max: The weight at RUL 0.
        sigma: Standard deviation of the residuals in cycles.

    Returns:
        The quantile of :math:`B\,|\partial L / \partial \hat y|`, in cycles.
    """
    within("q", q, 0, 1 - 1e-12)
    above("sigma", sigma, 0)
    share, weights = _mixture(counts, w_max)
    scale = np.sqrt(2.0) * 2.0 * sigma * weights
    return float(brentq(lambda g: float(share @ erf(g / scale)) - q, 0.0, 8.0 * scale.max(), xtol=1e-12))


def _mixture(counts: ArrayLike, w_max: float) -> tuple[Array, Array]:
    numbers = flat("counts", counts)
    rul = np.arange(len(numbers), dtype=np.float64)
    return numbers / numbers.sum(), failure_weights(rul, max_rul=rul[-1], w_max=w_max)


class GradientSpread(LiveFigure):
    """Distribution of per-sample gradient magnitudes over real training windows, and E[w^2], as w_max grows.

    Args:
        w_max: Weight at failure, 1 to 10.
        subset: ``"FD001"`` to ``"FD004"``; its 30-cycle training windows.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "gradient_spread.js"
    title = "A larger w_max makes a few samples far louder than the rest"
    alt = (
        "Above, a histogram of the gradient magnitudes of single samples on a logarithmic axis: one hill, which moves "
        "right and grows wider with w_max; median and 99th percentile are marked. Below, the mean square of the "
        "weight against w_max: it rises like a parabola, on real windows less steeply than for equally common RULs."
    )
    hint = "double w_max from 2 to 4, then to 8. What grows faster, the median or the 99 % mark?"

    w_max = Slider(2.0, low=1, high=10, step=0.1, label="Weight at failure, w_max")
    subset = Choice("FD001", SUBSETS, label="Training windows of")

    def tables(self) -> dict[str, Any]:
        """The RUL histograms of the windows."""
        return {"sigma": SIGMA, "counts": {name: np.array(counts) for name, counts in _windows().items()}}

    def read_out(self) -> str:
        """Median and 99th percentile of the magnitudes, and the variance on real and on even windows."""
        counts = _windows()[self.subset]
        median, tail = (magnitude_quantile(counts, q, self.w_max) for q in (0.5, 0.99))
        even = (1 + self.w_max + self.w_max**2) / 3
        return (
            f"Residuals spread by {fixed(SIGMA, 0)} cycles, w_max = {fixed(self.w_max, 1)}: half of all gradients stay "
            f"below {fixed(median, 1)} ÷ B cycles, 99 % below {fixed(tail, 1)} ÷ B, which is {fixed(tail / median)}× "
            f"the median. The variance of the gradient is E[w²] = {fixed(mean_square_weight(counts, self.w_max))} "
            f"times that of plain MSE; if every RUL were equally common it would be {fixed(even)} times."
        )

    def picture(self, axes: Axes) -> None:
        """The distribution at w_max, over the one of the plain loss."""
        edges = 10 ** np.arange(0, 2.86, 0.05)
        for w_max, color in ((1.0, METHOD_COLORS["baseline"]), (self.w_max, METHOD_COLORS["amnl"])):
            share, weights = _mixture(_windows()[self.subset], w_max)
            below = erf(edges[:, None] / (np.sqrt(2) * 2 * SIGMA * weights)) @ share
            axes.stairs(np.diff(below), edges, label=f"w_max = {w_max:g}", linewidth=2, color=color)
        for q, name in ((0.5, "median"), (0.99, "99 %")):
            mark = magnitude_quantile(_windows()[self.subset], q, self.w_max)
            axes.axvline(mark, color=ACCENT, linestyle=":")
            axes.annotate(f" {name}: {mark:.0f}", (mark, 0.059), color=ACCENT)
        axes.set(
            xscale="log", ylim=(0, 0.064), xlabel="B × |gradient| of one sample (cycles)", ylabel="share of samples"
        )
        axes.legend(loc="upper left")


def _windows() -> dict[str, list[int]]:
    return {name: one["windows"]["counts"] for name, one in read_json("rul_histograms")["subsets"].items()}
