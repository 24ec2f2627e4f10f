"""Where the ratio of two gradient norms comes from: units, errors, probabilities, and not the dimension (12.2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rulbook._check import above, within
from rulbook.course.figures.controls import Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, short
from rulbook.palette import ACCENT, OTHERS

__all__ = ["NormScales", "even_unit", "modelled_norms"]

BATCH = 256
RUL_SLOPE = 10.0
"""Cycles that the RUL output moves for one unit of what the shared part hands on."""
HEALTH_SLOPE = 1.0
"""Logits that the health output moves for one unit of the same."""


def modelled_norms(unit: float, rmse: float, p_true: float, parameters: float) -> tuple[float, float]:
    r"""Both gradient norms on n shared parameters, in a model that keeps the scales and nothing else (section 12.2).

    .. math:: g_\text{rul} = \sqrt{\tfrac nB}\, \frac{2\,\text{RMSE}}{u}\, \frac{m_\text{rul}}{u}, \qquad
              g_\text{hs} = \sqrt{\tfrac nB}\, \sqrt{\tfrac32}\,(1 - p)\, m_\text{hs}

    What arrives at each output, times the slope of its head, times one share for each of the n parameters.

    Args:
        unit: Cycles in one unit of RUL, u.
        rmse: Root mean squared error of the predictions, in cycles.
        p_true: Probability that every window's true class gets, p; the two other classes share the rest.
        parameters: Number of shared parameters, n.
    """
    share = math.sqrt(above("parameters", parameters, 0) / BATCH)
    u = above("unit", unit, 0)
    rul = share * 2 * above("rmse", rmse, 0) / u * RUL_SLOPE / u
    return rul, share * math.sqrt(1.5) * (1 - within("p_true", p_true, 0, 1)) * HEALTH_SLOPE


def even_unit(rmse: float, p_true: float) -> float:
    """The unit of RUL, in cycles, in which both norms of :func:`modelled_norms` are equal."""
    rul, health = modelled_norms(1.0, rmse, p_true, 1.0)
    return math.sqrt(rul / health)


class NormScales(LiveFigure):
    """Both gradient norms and their ratio for a unit of RUL, an error, a probability and a number of parameters.

    Args:
        unit: Cycles in one unit of RUL, 1 to 125.
        rmse: Error of the RUL predictions, 1 to 60 cycles.
        p_true: Probability of the true class, 0.05 to 0.99.
        size: Shared parameters, as a power of ten, 1 to 6.5.

    Raises:
        ValueError: If a value is off its grid; the message names both.
    """

    script = "norm_scales.js"
    title = "The unit of RUL decides which task is louder; the number of parameters does not"
    alt = (
        "Above, two bars on a logarithmic axis: the gradient norm of the RUL task and that of the health task. Below, "
        "their ratio against the unit in which RUL is counted, a straight line that falls by a factor of a hundred "
        "for each factor of ten in the unit; the present unit and the unit with ratio 1 are marked."
    )
    hint = "make the network a thousand times larger. What moves, and what not? Then count RUL in units of 125 cycles."

    unit = Slider(1, low=1, high=125, step=1, label="Cycles in one unit of RUL")
    rmse = Slider(20, low=1, high=60, step=1, label="RMSE of the predictions", unit="cycles")
    p_true = Slider(0.8, low=0.05, high=0.99, step=0.01, label="Probability of the true class")
    size = Slider(4, low=1, high=6.5, step=0.5, label="Shared parameters, power of ten")

    def tables(self) -> dict[str, Any]:
        """The constants of the model."""
        return {"batch": BATCH, "rulSlope": RUL_SLOPE, "healthSlope": HEALTH_SLOPE}

    def read_out(self) -> str:
        """Both norms, which task is louder and by how much, and the unit in which they would be equally loud."""
        rul, health = modelled_norms(self.unit, self.rmse, self.p_true, 10**self.size)
        (loud, task), (quiet, other) = sorted([(health, "health"), (rul, "RUL")], reverse=True)
        return (
            f"RUL in units of {fixed(self.unit, 0)} {'cycle' if self.unit == 1 else 'cycles'}, an RMSE of "
            f"{fixed(self.rmse, 0)} cycles, the true class at {fixed(self.p_true)}: norms {short(rul)} and "
            f"{short(health)}. The {task} task is {short(loud / quiet)} times as loud as the {other} task. They would "
            f"be equally loud in units of {fixed(even_unit(self.rmse, self.p_true), 1)} cycles."
        )

    def picture(self, axes: Axes) -> None:
        """The ratio against the unit."""
        units = np.geomspace(1, 125, 60)
        norms = np.array([modelled_norms(u, self.rmse, self.p_true, 10**self.size) for u in units])
        axes.plot(units, norms[:, 0] / norms[:, 1], color=OTHERS[0])
        rul, health = modelled_norms(self.unit, self.rmse, self.p_true, 10**self.size)
        axes.plot([self.unit], [rul / health], "o", color=ACCENT)
        axes.axhline(1, color="#888888", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="cycles in one unit of RUL", ylabel="norm RUL / norm health")
