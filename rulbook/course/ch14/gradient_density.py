"""How hard one sample pulls, and how much of the whole pull comes from near failure (section 14.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from rulbook._check import Array, flat
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent
from rulbook.course.results import read_json
from rulbook.palette import ACCENT, METHOD_COLORS
from rulbook.reference import failure_weights

__all__ = ["GradientDensity", "near_failure_share"]

SUBSETS = tuple(read_json("rul_histograms")["subsets"])
NEAR = 30
"""RUL in cycles up to which a sample counts as near failure; the last health class starts here."""
RESIDUAL = 10.0
"""Every prediction of the figure is this many cycles late, so that only the weight makes a difference."""


def near_failure_share(counts: ArrayLike, w_max: float) -> float:
    r"""Share of the whole gradient that comes from samples with RUL up to 30, if all residuals are equal.

    .. math:: \frac{\sum_{y \le 30} n_y w(y)}{\sum_y n_y w(y)}

    Args:
        counts: Number of samples at each whole RUL from 0 to the cap, in cycles.
        w_max: The weight at RUL 0; 1 is the plain mean squared error.
    """
    pull = _pull(counts, w_max)
    return float(pull[: NEAR + 1].sum() / pull.sum())


def _pull(counts: ArrayLike, w_max: float) -> Array:
    numbers = flat("counts", counts)
    rul = np.arange(len(numbers), dtype=np.float64)
    return numbers * failure_weights(rul, max_rul=rul[-1], w_max=w_max)


class GradientDensity(LiveFigure):
    """Per-sample gradients of the plain and the weighted loss along RUL, over the histogram of real training RULs.

    Args:
        w_max: Weight at failure, 1 to 5.
        rul: The test point, 0 to 125 cycles.
        subset: ``"FD001"`` to ``"FD004"``.
        samples: ``"windows"`` counts every 30-cycle window of the training engines, ``"cycles"`` every cycle.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "gradient_density.js"
    title = "A weight makes samples near failure pull harder"
    alt = (
        "Gradient of one sample against its true RUL, for a prediction that is 10 cycles late. The plain loss is a "
        "flat line at 20 cycles. The weighted loss falls in a straight line from failure to the cap at 125 cycles, "
        "where both meet. Behind them, a histogram of the training RULs: level up to the cap, one tall bar at the cap. "
        "Below, two bars: the share of the whole pull that comes from near failure, without and with the weight."
    )
    hint = "set w_max to 1, where both lines are one. Then raise it: how much of the whole pull does near failure gain?"

    w_max = Slider(2.0, low=1, high=5, step=0.1, label="Weight at failure, w_max")
    rul = Slider(5, low=0, high=125, step=1, label="Test point, RUL", unit="cycles")
    subset = Choice("FD001", SUBSETS, label="Training set")
    samples = Choice("windows", ("windows", "cycles"), label="Count")

    def tables(self) -> dict[str, Any]:
        """The histograms, with all that the sums of the figure need."""
        return {
            "residual": RESIDUAL,
            "near": NEAR,
            "counts": {name: {kind: np.array(n) for kind, n in both.items()} for name, both in _histograms().items()},
        }

    def read_out(self) -> str:
        """The pull at the test point, and the share of it all that comes from near failure."""
        [weight] = failure_weights([self.rul], w_max=self.w_max)
        counts = _histograms()[self.subset][self.samples]
        plain, weighted = (near_failure_share(counts, w_max) for w_max in (1.0, self.w_max))
        return (
            f"At RUL {fixed(self.rul, 0)} the weighted loss pulls {fixed(weight)}× as hard as plain MSE: "
            f"{fixed(2 * RESIDUAL * weight, 1)} cycles instead of {fixed(2 * RESIDUAL, 1)}, divided by the batch size "
            f"B. In {self.subset}, samples with RUL ≤ {NEAR} bring {percent(weighted)} of the whole pull; under plain "
            f"MSE it is {percent(plain)}."
        )

    def picture(self, axes: Axes) -> None:
        """Both gradients, the test point and the histogram behind."""
        counts = np.array(_histograms()[self.subset][self.samples])
        rul = np.arange(len(counts))
        behind = axes.twinx()
        behind.bar(rul[:-1:5] + 2.5, counts[:-1].reshape(-1, 5).sum(axis=1) / counts.sum(), 4.5, color="0.85")
        behind.bar(127.5, counts[-1] / counts.sum(), 4.5, color="0.85")
        behind.set(ylim=(0, 0.55), yticks=[])
        axes.set_zorder(1)
        axes.patch.set_visible(False)
        axes.axhline(2 * RESIDUAL, color=METHOD_COLORS["baseline"], label="plain MSE")
        pull = 2 * RESIDUAL * failure_weights(rul, w_max=self.w_max)
        axes.plot(rul, pull, color=METHOD_COLORS["amnl"], label=f"weighted, w_max = {self.w_max:g}")
        axes.plot(self.rul, pull[int(self.rul)], "o", color=ACCENT, markersize=9)
        axes.set(xlim=(0, 135), ylim=(0, 105), xlabel="true RUL (cycles)", ylabel="B × gradient (cycles)")
        axes.legend(loc="upper center")


def _histograms() -> dict[str, dict[str, list[int]]]:
    subsets = read_json("rul_histograms")["subsets"]
    return {
        name: {"cycles": one["rows"]["counts"], "windows": one["windows"]["counts"]} for name, one in subsets.items()
    }
