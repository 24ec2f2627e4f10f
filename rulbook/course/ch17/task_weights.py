"""GABA's weight of the RUL task over the steps, with and without its floor (section 17.4)."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes

from rulbook._check import above, within
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.palette import METHOD_COLORS, OTHERS

__all__ = ["TaskWeights", "floored_weight", "smoothed_weight", "steps_until_floor"]

STEPS = 700


def smoothed_weight(step: float, ratio: float, beta: float) -> float:
    r"""The smoothed weight of the RUL task after some steps at one ratio of norms, started at 1/2 (section 17.4).

    .. math:: \bar\lambda_n = \lambda + \beta^n \left(\tfrac12 - \lambda\right), \qquad \lambda = \frac{1}{1 + \rho}

    Args:
        step: Steps since the warm-up, n.
        ratio: Norm of the RUL gradient over that of the health gradient, :math:`\rho`.
        beta: Memory of the moving average.
    """
    target = 1 / (1 + above("ratio", ratio, 0))
    return target + float(within("beta", beta, 0, 1) ** step) * (0.5 - target)


def floored_weight(weight: float, floor: float, form: str) -> float:
    """The RUL weight of two tasks after the floor: clipped and renormalised (``"clip"``) or lifted (``"affine"``)."""
    if form == "affine":
        return floor + (1 - 2 * floor) * weight
    clipped, other = max(weight, floor), max(1 - weight, floor)
    return clipped / (clipped + other)


def steps_until_floor(ratio: float, floor: float, beta: float) -> int | None:
    """After how many steps the smoothed RUL weight lies below the floor; None if it stays at or above it."""
    target = 1 / (1 + above("ratio", ratio, 0))
    if target >= floor:
        return None
    return math.floor(math.log((0.5 - target) / (floor - target)) / math.log(1 / beta)) + 1


class TaskWeights(LiveFigure):
    """The RUL weight and the ratio of the pulls while GABA's average settles at a fixed ratio of norms.

    Args:
        ratio: Norm of the RUL gradient over that of the health gradient, 1 to 1000.
        floor: The floor f, 0 to 0.25.
        beta: Memory of the moving average, 0.9 to 0.998.
        form: ``"clip"``, the published floor, or ``"affine"``.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "task_weights.js"
    title = "Where the floor acts, the weight stands still and equal pull ends"
    alt = (
        "Above, the weight of the RUL task over the steps after the warm-up, on a logarithmic axis: it falls from one "
        "half towards its target and, with a floor, turns level there. Below, the pull of the RUL task over that of "
        "the health task: without a floor it falls to 1, with the published floor at a ratio of 500 to 25."
    )
    hint = "lower the floor to 0. What happens to the lower curve? Then put it back and halve the ratio."

    ratio = Slider(500, low=1, high=1000, step=1, label="Ratio of norms, RUL / health")
    floor = Slider(0.05, low=0, high=0.25, step=0.005, label="Floor f")
    beta = Slider(0.99, low=0.9, high=0.998, step=0.002, label="Memory β")
    form = Choice("clip", ["clip", "affine"], label="Kind of floor")

    def tables(self) -> dict[str, Any]:
        """How many steps are drawn."""
        return {"steps": STEPS}

    def read_out(self) -> str:
        """Where the weight is heading, when it meets the floor, and what the task weighs and pulls in the end."""
        target = 1 / (1 + self.ratio)
        weight = floored_weight(target, self.floor, self.form)
        met = steps_until_floor(self.ratio, self.floor, self.beta) if self.form == "clip" else None
        return (
            f"At a ratio of {fixed(self.ratio, 0)} the smoothed weight of the RUL task heads for {fixed(target, 4)}; "
            f"half of the way takes {fixed(-1 / math.log2(self.beta), 1)} steps."
            f"{'' if met is None else f' It falls below the floor after {met} steps.'} In the end the RUL task weighs "
            f"{fixed(weight, 4)} and pulls {fixed(self.ratio * weight / (1 - weight), 1)} times as hard as the health "
            "task."
        )

    def picture(self, axes: Axes) -> None:
        """The weight with the floor over the one without."""
        step = range(STEPS + 1)
        free = [smoothed_weight(n, self.ratio, self.beta) for n in step]
        kept = [floored_weight(weight, self.floor, self.form) for weight in free]
        axes.plot(step, free, "--", color=OTHERS[1], label="no floor")
        axes.plot(step, kept, color=METHOD_COLORS["gaba"], label=f"floor {self.floor:g}, {self.form}")
        axes.set(yscale="log", ylim=(0.0009, 0.7), xlabel="steps after the warm-up", ylabel="weight of the RUL task")
        axes.legend()
