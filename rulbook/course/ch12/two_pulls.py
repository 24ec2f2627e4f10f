"""Two gradients, one step: whom does it follow, and who gets worse (sections 12.1 and 12.4)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rulbook._check import above, within
from rulbook.course.figures.controls import Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.palette import ACCENT, OTHERS

__all__ = ["TwoPulls", "joint_cosines", "tipping_cosine"]


def joint_cosines(angle: float, ratio: float, weight: float) -> tuple[float, float]:
    r"""Cosines of the weighted sum of two gradients with the first and with the second; NaN if they cancel.

    A step of length one along minus the sum changes the loss of task k, to first order, by :math:`-g_k` times its
    cosine: 1 is the best that a step of this length can do for the task, and below 0 the task gets worse.

    Args:
        angle: Between the gradients, in degrees.
        ratio: Norm of the first gradient over that of the second.
        weight: Task weight of the first; the second has 1 minus that.
    """
    cosine = math.cos(math.radians(within("angle", angle, 0, 180)))
    first, second = within("weight", weight, 0, 1) * above("ratio", ratio, 0), 1 - weight
    length = math.sqrt(max(first**2 + second**2 + 2 * first * second * cosine, 0.0))
    if length < 1e-9 * max(first, second):
        return math.nan, math.nan
    return (first + second * cosine) / length, (first * cosine + second) / length


def tipping_cosine(ratio: float, weight: float = 0.5) -> float:
    r"""The cosine below which a small step on the weighted sum makes the second task worse (section 12.1).

    .. math:: \cos\varphi < -\frac{1 - \lambda}{\lambda \rho}

    Below -1 no angle can do it. Arguments as in :func:`joint_cosines`.
    """
    return -(1 - weight) / (weight * above("ratio", ratio, 0))


class TwoPulls(LiveFigure):
    """The weighted sum of two gradients, and what a step along it does for each task.

    Args:
        angle: Between the two gradients, 0 to 180 degrees.
        decades: Norm of the RUL gradient over that of the health gradient, as a power of ten, -1 to 3.
        weight: Task weight of RUL, 0.01 to 0.99.

    Raises:
        ValueError: If a value is off its grid; the message names both.
    """

    script = "two_pulls.js"
    title = "One step for two tasks: the longer gradient sets the course, the angle decides what the other gets"
    alt = (
        "Above, three arrows from one point: the weighted gradient of the RUL task, that of the health task, and "
        "their sum. Below, the cosine of the sum with each task against the ratio of the two weighted gradients: two "
        "curves that cross at a ratio of one; beyond it the sum follows RUL and its cosine with the health task "
        "levels off at the cosine between the two gradients, which may lie below zero."
    )
    hint = "set the ratio to 2.7, which is 500, and turn the angle from 60 to 91 degrees. When does health get worse?"

    angle = Slider(110, low=0, high=180, step=1, label="Angle between the gradients", unit="°")
    decades = Slider(0.6, low=-1, high=3, step=0.1, label="Ratio of norms, power of ten")
    weight = Slider(0.5, low=0.01, high=0.99, step=0.01, label="Task weight of RUL")

    def tables(self) -> dict[str, Any]:
        """Nothing: the module computes what it draws."""
        return {}

    def read_out(self) -> str:
        """How the two pulls compare, what a step along their sum does for each task, and when health gets worse."""
        ratio = 10**self.decades
        pull = ratio * self.weight / (1 - self.weight)
        cosines = joint_cosines(self.angle, ratio, self.weight)
        if math.isnan(cosines[0]):
            return (
                f"At {fixed(self.angle, 0)}° and equal pulls the two gradients cancel: the sum is zero, and nobody "
                "moves."
            )
        rul, health = (f"{'gets worse' if cosine < 0 else 'improves'} ({fixed(cosine, 3)}" for cosine in cosines)
        tipping = tipping_cosine(ratio, self.weight)
        edge = "No angle" if tipping < -1 else f"Any cosine below {fixed(tipping, 4)}"
        return (
            f"The weighted RUL gradient is {fixed(pull, 0 if pull >= 100 else 2)} times as long as the other, at a "
            f"cosine of {fixed(math.cos(math.radians(self.angle)), 3)}. A short step along the sum: the RUL task {rul} "
            f"of the best possible), the health task {health}). {edge} between the gradients would make health worse."
        )

    def picture(self, axes: Axes) -> None:
        """Both cosines against the ratio of the pulls."""
        pulls = np.geomspace(1e-3, 1e3, 121)
        cosines = np.array([joint_cosines(self.angle, pull, 0.5) for pull in pulls])
        axes.plot(pulls, cosines[:, 0], color=OTHERS[0], label="with RUL")
        axes.plot(pulls, cosines[:, 1], color=OTHERS[1], label="with health")
        axes.axvline(10**self.decades * self.weight / (1 - self.weight), color=ACCENT, linestyle=":")
        axes.axhline(0, color="#888888", linewidth=1)
        axes.set(xscale="log", xlabel="pull of RUL / pull of health", ylabel="cosine of the step", ylim=(-1.05, 1.05))
        axes.legend()
