"""Bias and noise of the errors, against RMSE and NASA score (section 13.1)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes

from rulbook.course.ch13.expected_score import best_bias, expected_score
from rulbook.course.figures.controls import Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent
from rulbook.palette import ACCENT, METHOD_COLORS

__all__ = ["ScoreOfErrors"]


class ScoreOfErrors(LiveFigure):
    """Normal errors with a bias and a noise: where their score comes from, and the bias at which it is lowest.

    Args:
        bias: Mean error, -20 (early) to 20 (late) cycles.
        sigma: Standard deviation of the error, 1 to 30 cycles.

    Raises:
        ValueError: If a value is off its grid; the message names it.
    """

    script = "score_of_errors.js"
    title = "RMSE wants no bias; NASA's score wants to be early, and the more so the larger the noise"
    alt = (
        "Above, over the error from 60 cycles early to 60 cycles late: a bell for how often each error occurs, and a "
        "curve for how much of the mean score it brings, with two humps of which the late one is larger. Below, RMSE "
        "and mean score over the bias, each divided by its own minimum: RMSE is lowest at a bias of 0, the score at a "
        "negative bias."
    )
    hint = "raise the noise from 5 to 25 with the bias at 0. Then shift the bias left until the score is lowest."

    bias = Slider(0, low=-20, high=20, step=0.25, label="Bias (late is positive)", unit="cycles")
    sigma = Slider(15, low=1, high=30, step=0.5, label="Noise σ", unit="cycles")

    def read_out(self) -> str:
        """RMSE, mean score and share of late predictions here, and the bias at which the score is lowest."""
        best = best_bias(self.sigma)
        late = 1 - NormalDist(self.bias, self.sigma).cdf(0)
        return (
            f"With bias {fixed(self.bias, 1)} and noise {fixed(self.sigma, 1)} cycles the RMSE is "
            f"{fixed(math.hypot(self.bias, self.sigma), 1)} and an engine scores "
            f"{fixed(expected_score(self.bias, self.sigma))} on average; {percent(late, 0)} of the predictions are "
            f"late. The score is lowest, {fixed(expected_score(best, self.sigma))}, at a bias of {fixed(best, 1)} "
            f"cycles, where the RMSE is {fixed(math.hypot(best, self.sigma), 1)}."
        )

    def picture(self, axes: Axes) -> None:
        """RMSE and mean score over the bias, each over its minimum."""
        grid = np.linspace(-20, 20, 201)
        best = best_bias(self.sigma)
        score = [expected_score(b, self.sigma) / expected_score(best, self.sigma) for b in grid]
        axes.plot(grid, np.hypot(grid, self.sigma) / self.sigma, color=METHOD_COLORS["baseline"], label="RMSE")
        axes.plot(grid, score, color=ACCENT, label="mean NASA score")
        here = expected_score(self.bias, self.sigma) / expected_score(best, self.sigma)
        axes.plot(self.bias, min(here, 2), "o", color=ACCENT, markersize=9)
        axes.plot(self.bias, math.hypot(self.bias, self.sigma) / self.sigma, "o", color=METHOD_COLORS["baseline"])
        axes.set(ylim=(0.95, 2), xlabel="bias (cycles, late is positive)", ylabel="times its own minimum")
        axes.legend()
