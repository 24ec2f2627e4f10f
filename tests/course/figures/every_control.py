"""A figure of the tests: one control of each kind, and a point to drag along x, along y or along both."""

from __future__ import annotations

from matplotlib.axes import Axes

from rulbook.course.figures import Choice, LiveFigure, Several, Slider, Switch, fixed

__all__ = ["EveryControl"]


class EveryControl(LiveFigure):
    """What the kit offers, side by side."""

    script = "every_control.js"
    title = "Every control of the kit"
    alt = "A panel ten by ten with one point, which can be dragged along the directions that the list names."
    hint = "move whatever you like."

    east = Slider(2, low=0, high=10, step=0.5, label="East", unit="m")
    north = Slider(3, low=0, high=10, step=0.5, label="North", unit="m")
    along = Choice("x", ["x", "y", "xy"], label="The point moves along")
    parts = Several(["a"], ["a", "b", "c"], label="Parts")
    on = Switch(True, label="On")

    def read_out(self) -> str:
        """All of the state."""
        place = f"{fixed(self.east, 1)} east, {fixed(self.north, 1)} north"
        return f"{place}, along {self.along}, parts {'+'.join(self.parts) or 'none'}, {'on' if self.on else 'off'}."

    def picture(self, axes: Axes) -> None:
        """The point."""
        axes.plot([self.east], [self.north], "o")
