"""The price of a cycle late and of a cycle early, and what the source's route makes of them (section 13.3)."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from matplotlib.axes import Axes

from rulbook.course.ch13.preference import late_weight, preference, reigns
from rulbook.course.ch13.regime_chooser import BOTH, REGIMES, STEPS, SUBSETS, regime_tables
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent
from rulbook.methods import METHODS
from rulbook.palette import ACCENT

__all__ = ["NAMED", "CostsToRegime"]

NAMED = {"truck": "amnl", "airline": "gaba", "cruise": "grace"}
"""The method that the source names for each of its regimes (its section 13.4)."""
SOURCES = ("reported", "measured")


@cache
def _segments() -> dict[str, dict[str, list[list[Any]]]]:
    """Source of the numbers -> subset -> who wins where among the methods of the book: [label, colour, from, to]."""
    found: dict[str, dict[str, list[list[Any]]]] = {}
    for source in SOURCES:
        found[source] = {}
        for subset in SUBSETS:
            points = [point for point in regime_tables()["points"][source][subset] if point["main"]]
            chain = reigns([[point["rmse"], point["nasa"]] for point in points]) if points else []
            found[source][subset] = [
                [points[i]["label"], points[i]["color"], round(start, 4), round(end, 4)] for i, start, end in chain
            ]
    return found


def _winner(source: str, subset: str, w: float) -> tuple[int, str] | None:
    """Place and label of the method with the lowest J among those of the book; None where there are no numbers."""
    points = [point for point in regime_tables()["points"][source][subset] if point["main"]]
    if not points:
        return None
    best = int(preference([[point["rmse"], point["nasa"]] for point in points], w).argmin())
    return best, points[best]["label"]


class CostsToRegime(LiveFigure):
    """Two prices, the preference they come to, its regime, and who wins there by the reported and by our numbers.

    Args:
        cost_late: Price of a cycle late, 5 to 1000 thousand USD.
        cost_early: Price of a cycle early, 5 to 1000 thousand USD.
        subset: Whose test engines.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "costs_to_regime.js"
    title = "As soon as late is dearer than early, the preference lies in the last regime"
    alt = (
        "Three bars over the preference w from 0 to 1. The first is cut into the source's regimes: truck to 0.15, "
        "airline to 0.40, cruise beyond. The second and third are cut where the method with the lowest J changes, by "
        "the numbers that the source prints and by those of this book. An upright line marks the preference that the "
        "two prices come to."
    )
    hint = "find two prices that lead to the truck regime. Who would pay them?"

    cost_late = Slider(100, low=5, high=1000, step=5, label="A cycle late costs", unit="thousand USD")
    cost_early = Slider(20, low=5, high=1000, step=5, label="A cycle early costs", unit="thousand USD")
    subset = Choice(BOTH, SUBSETS, label="Test engines")

    def tables(self) -> dict[str, Any]:
        """Regimes with the method named for each, who wins where, and how sure that is."""
        return {
            "regimes": [[name, METHODS[NAMED[name]].label, start, end] for name, start, end in REGIMES],
            "segments": _segments(),
            "wins": {subset: both["book"] for subset, both in regime_tables()["wins"].items()},
            "order": {
                subset: [point["label"] for point in points if point["main"]]
                for subset, points in regime_tables()["points"]["measured"].items()
            },
            "steps": STEPS,
        }

    def read_out(self) -> str:
        """The preference that the prices come to, its regime, and whom J chooses there by both sources of numbers."""
        w = late_weight(self.cost_late, self.cost_early)
        regime = next((name for name, _, end in REGIMES if w < end), REGIMES[-1][0])
        reported, measured = (_winner(source, self.subset, w) for source in SOURCES)
        theirs = f"It prints no numbers for {self.subset}"
        if reported:
            theirs = f"By J, its own numbers for {self.subset} choose {reported[1]}"
        own = "we have measured none yet"
        if measured:
            # The shares are known on a grid of preferences; a half is rounded up.
            wins = regime_tables()["wins"][self.subset]["book"][math.floor(w * STEPS + 0.5), measured[0]]
            own = f"ours choose {measured[1]}, in {percent(wins, 0)} of the resamples"
        return (
            f"A cycle late at {fixed(self.cost_late, 0)} and a cycle early at {fixed(self.cost_early, 0)} thousand USD "
            f"make w = {fixed(w, 3)}: the {regime} regime, for which the source names "
            f"{METHODS[NAMED[regime]].label}. {theirs}; {own}. For such prices {percent(1 - w)} of the predictions "
            "should be late."
        )

    def picture(self, axes: Axes) -> None:
        """The three bars and the line."""
        rows: dict[str, list[list[Any]]] = {
            "regime (source)": [[name, "0.8", start, end] for name, start, end in REGIMES]
        }
        for source in SOURCES:
            rows[f"winner, {source}"] = _segments()[source][self.subset]
        for place, pieces in enumerate(rows.values()):
            for label, color, start, end in pieces:
                axes.barh(-place, end - start, left=start, color=color, alpha=0.65, edgecolor="white")
                axes.text((start + end) / 2, -place, label if end - start > 0.08 else "", ha="center", va="center")
        axes.axvline(late_weight(self.cost_late, self.cost_early), color=ACCENT, linewidth=3)
        axes.set(yticks=[0, -1, -2], yticklabels=list(rows), xlim=(0, 1), xlabel="preference w = late / (late + early)")
        axes.grid(visible=False)
