"""The ratio of the two gradient norms in every step of a recorded run on NASA's FD001 (section 12.3)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rulbook._check import Array
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import short, whole
from rulbook.course.results import read_json
from rulbook.palette import ACCENT

__all__ = ["PLACES", "QUANTILES", "UNITS", "RatioOverEpochs", "recorded_ratios"]

QUANTILES = ("min", "p5", "q1", "median", "q3", "p95", "max")
PLACES = {
    "all shared parameters": "shared",
    "last shared layer": "last_layer",
    "representation": "representation",
    "outputs of the heads": "outputs",
}
UNITS = {"cycles": "cycles", "cycles / 125": "lives"}
EPOCHS = 10


@cache
def recorded_ratios(place: str, unit: str) -> Array:
    """Quantiles of the ratio, (epochs + 1, 7): row 0 is the untrained network, row e every step of epoch e.

    Args:
        place: A key of :data:`PLACES`.
        unit: A key of :data:`UNITS`.
    """
    record = read_json("norm_ratio")
    key, run = PLACES[place], UNITS[unit]
    # Untrained, both units have the same predictions: the squared error, and all that follows, differ by 125 squared.
    scale = 1.0 if run == "cycles" else 125.0**2
    rows = [[record["fresh"]["seeds"]["0"]["ratio"][key][q] / scale for q in QUANTILES]]
    rows += [[epoch["ratio"][key][q] for q in QUANTILES] for epoch in record["runs"][run]["epochs"]]
    return np.array(rows)


class RatioOverEpochs(LiveFigure):
    """Quartiles and extremes of the ratio of norms, epoch by epoch, for a place of measurement and a unit of RUL.

    Args:
        place: Where the norms are taken, a key of :data:`PLACES`.
        unit: In which unit RUL enters the loss, a key of :data:`UNITS`.
        epoch: The epoch that is read out, 0 (not trained) to 10.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "ratio_over_epochs.js"
    title = (
        "There is no one ratio: it moves with training, with the place of measurement, and most of all with the unit"
    )
    alt = (
        "Ratio of the RUL gradient norm to the health gradient norm on a logarithmic axis, for an untrained network "
        "and for each of ten epochs: the range of all steps, a bar for their middle half, and the median. In cycles on "
        "all shared parameters it starts near 20 and rises to more than a thousand; divided by 125 it stays below one."
    )
    hint = "change only the place, then only the unit. Which of the two moves the band further?"

    place = Choice("all shared parameters", list(PLACES), label="Norms taken on")
    unit = Choice("cycles", list(UNITS), label="RUL counted in")
    epoch = Slider(1, low=0, high=EPOCHS, step=1, label="Epoch (0: not trained)")

    def tables(self) -> dict[str, Any]:
        """All quantiles, as lists: single precision would turn the last digit of some that are recorded with four."""
        return {
            "quantiles": {unit: {place: recorded_ratios(place, unit).tolist() for place in PLACES} for unit in UNITS},
        }

    def read_out(self) -> str:
        """Median, middle half and range of the ratio in the chosen epoch."""
        row = recorded_ratios(self.place, self.unit)[int(self.epoch)]
        at = {name: short(value) for name, value in zip(QUANTILES, row, strict=True)}
        when = f"Epoch {whole(self.epoch)}" if self.epoch else "The untrained network"
        where = self.place if self.place == "all shared parameters" else f"the {self.place}"
        return (
            f"{when}, RUL in {self.unit}, norms on {where}: median ratio {at['median']}, half of the steps between "
            f"{at['q1']} and {at['q3']}, all between {at['min']} and {at['max']}."
        )

    def picture(self, axes: Axes) -> None:
        """The bands of the chosen place and unit."""
        rows, epochs = recorded_ratios(self.place, self.unit), np.arange(EPOCHS + 1)
        axes.fill_between(epochs, rows[:, 0], rows[:, 6], color=ACCENT, alpha=0.15, label="all steps")
        axes.fill_between(epochs, rows[:, 2], rows[:, 4], color=ACCENT, alpha=0.35, label="middle half")
        axes.plot(epochs, rows[:, 3], color=ACCENT, label="median")
        axes.set(yscale="log", xlabel="epoch (0: not trained)", ylabel="norm RUL / norm health")
        axes.legend()
