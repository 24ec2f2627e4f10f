"""Six shapes for the sample weight, side by side, and the wishes each breaks (section 14.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rulbook.course.ch14.schedules import CONSTRAINTS, SCHEDULES, broken_constraints
from rulbook.course.figures.controls import Several, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.palette import METHOD_COLORS, OTHERS

__all__ = ["WeightSchedules"]

MAX_RUL = 125
COLORS = dict(zip(SCHEDULES, [METHOD_COLORS["amnl"], *OTHERS], strict=True))
"""Colour of each schedule; the linear one is AMNL's."""


class WeightSchedules(LiveFigure):
    """The weight each schedule gives along RUL, and which wishes of section 14.2 it breaks.

    Args:
        shapes: Names in :data:`rulbook.course.ch14.schedules.SCHEDULES`.
        w_max: Weight at failure, 1.2 to 4.8.
        rul: The RUL at which the weights are read, 0 to 125 cycles.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "weight_schedules.js"
    title = "Of six shapes, only the straight line keeps all five wishes"
    alt = (
        "Sample weight against true RUL for the chosen shapes. The linear schedule falls evenly from w_max at failure "
        "to 1 at the cap of 125 cycles; the step jumps at 30 cycles; the exponential drops fast and then lies flat. "
        "A table below names the wishes that each shape breaks."
    )
    hint = "drag the point from 29 to 30 cycles. Tick geometric: how large must w_max be before it leaves the line?"

    shapes = Several(["linear", "exponential", "step"], list(SCHEDULES), label="Shapes")
    w_max = Slider(2.0, low=1.2, high=4.8, step=0.4, label="Weight at failure, w_max")
    rul = Slider(30, low=0, high=MAX_RUL, step=1, label="Read at RUL", unit="cycles")

    def tables(self) -> dict[str, Any]:
        """Weights over the whole grid, (w_max, RUL) per shape. What is broken does not depend on w_max."""
        rul, ceilings = np.arange(MAX_RUL + 1), type(self).w_max.grid
        return {
            "ceilings": ceilings,
            "constraints": len(CONSTRAINTS),
            "shapes": {
                name: {
                    "color": COLORS[name],
                    "broken": broken_constraints(schedule),
                    "weights": np.stack([schedule(rul, MAX_RUL, w_max) for w_max in ceilings]),
                }
                for name, schedule in SCHEDULES.items()
            },
        }

    def read_out(self) -> str:
        """The weight that each of the chosen shapes gives at the chosen RUL."""
        if not self.shapes:
            return "No shape is ticked."
        weights = {name: SCHEDULES[name]([self.rul], MAX_RUL, self.w_max)[0] for name in self.shapes}
        told = ", ".join(f"{name} {fixed(weight, 3)}" for name, weight in weights.items())
        return f"With w_max = {fixed(self.w_max, 1)}, a sample at RUL {fixed(self.rul, 0)} weighs: {told}."

    def picture(self, axes: Axes) -> None:
        """The chosen shapes."""
        rul = np.linspace(0, MAX_RUL + 15, 1401)
        for name in self.shapes:
            axes.plot(rul, SCHEDULES[name](rul, MAX_RUL, self.w_max), color=COLORS[name], label=name)
        axes.set(xlabel="true RUL (cycles)", ylabel="weight", xlim=(0, MAX_RUL + 15))
        if self.shapes:
            axes.legend()
