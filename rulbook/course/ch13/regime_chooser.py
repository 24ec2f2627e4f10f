"""A preference between RMSE and NASA score, and the method that it picks (sections 13.2 to 13.4)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rulbook._check import Array
from rulbook.course.ch13.preference import preference, reigns, win_shares
from rulbook.course.figures.controls import Choice, Slider, Switch
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent
from rulbook.course.results import read_benchmark, read_json
from rulbook.methods import CANDIDATES, METHODS
from rulbook.metrics import pareto_front
from rulbook.palette import ACCENT

__all__ = ["REGIMES", "RegimeChooser", "measured_points", "measured_runs", "regime_tables", "reported_points"]

BOTH = "FD002 + FD004"
SUBSETS = (BOTH, *read_json("rul_histograms")["subsets"])
SQUARE = tuple(name for name, method in METHODS.items() if method.family == "square")
"""The methods of the book, in the order of the legend. The others compete on request."""
REGIMES = (("truck", 0.0, 0.15), ("airline", 0.15, 0.40), ("cruise", 0.40, 1.0))
"""The source's three deployment regimes and the preferences that it assigns to each."""
STEPS = 100
"""The slider of the preference has this many steps."""
MEASURES = ["test_rmse", "test_nasa_score"]

Points = dict[str, list[dict[str, Any]]]


def reported_points() -> Points:
    """What the source prints: subset -> candidates with RMSE, NASA score and, where printed, one standard deviation."""
    stored = read_json("reported")["points"]
    numbers = ("rmse", "rmse_std", "nasa", "nasa_std")
    return {
        subset: [_point(one["method"], **{name: one[name] for name in numbers}) for one in stored.get(subset, [])]
        for subset in SUBSETS
    }


def _point(method: str, *, rmse: float, rmse_std: float | None, nasa: float, nasa_std: float | None) -> dict[str, Any]:
    def around(value: float, std: float | None, digits: int) -> list[float | None]:
        # Rounded, so that every machine stores the same figure.
        ends = (None, None) if std is None else (round(value - std, digits), round(value + std, digits))
        return [round(value, digits), *ends]

    one = CANDIDATES[method]
    return {
        "method": method,
        "label": one.label,
        "color": one.look.color,
        "dash": one.look.dash,
        "marker": one.look.marker,
        "hollow": one.look.hollow,
        "main": method in SQUARE,
        **dict(zip(("rmse", "rmse_low", "rmse_high"), around(rmse, rmse_std, 3), strict=True)),
        **dict(zip(("nasa", "nasa_low", "nasa_high"), around(nasa, nasa_std, 1), strict=True)),
    }


def measured_runs(benchmark: pd.DataFrame | None = None) -> dict[str, tuple[list[str], Array]]:
    """Our own runs on the test engines: subset -> the methods, and their runs, shape (seeds, methods, 2).

    Methods are compared on the same seeds: those that every method of the book has in that subset. Another method takes
    part if it has them all. For two subsets together, RMSE and score are the means of both. A subset without runs is
    left out.

    Args:
        benchmark: One row a run, as :func:`rulbook.course.results.read_benchmark` returns them; if left out, those.
    """
    return {
        subset: (methods, runs)
        for subset in SUBSETS
        for methods, runs in [_runs_of(subset, read_benchmark() if benchmark is None else benchmark)]
        if methods
    }


def _runs_of(subset: str, benchmark: pd.DataFrame) -> tuple[list[str], Array]:
    parts = [
        benchmark[benchmark["dataset"] == name].groupby(["method", "seed"])[MEASURES].mean()
        for name in subset.split(" + ")
    ]
    table = pd.concat(parts, axis=1, join="inner")
    seeds = {str(method): set(rows.index.get_level_values("seed")) for method, rows in table.groupby(level="method")}
    book = [seeds[method] for method in SQUARE if method in seeds]
    shared = sorted(set.intersection(*book)) if book else []
    methods = [method for method in CANDIDATES if shared and set(shared) <= seeds.get(method, set())]
    runs = np.array(
        [[[table.loc[(method, seed), name].mean() for name in MEASURES] for method in methods] for seed in shared]
    )
    return methods, runs


def measured_points(runs: dict[str, tuple[list[str], Array]] | None = None) -> Points:
    """Mean and one standard deviation over the seeds: subset -> candidates. No deviation if there is one seed."""
    found = measured_runs() if runs is None else runs
    points: Points = {subset: [] for subset in SUBSETS}
    for subset, (methods, values) in found.items():
        stds = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
        for method, (rmse, nasa), std in zip(methods, values.mean(axis=0), stds, strict=True):
            rmse_std, nasa_std = (None if np.isnan(one) else float(one) for one in std)
            points[subset].append(_point(method, rmse=rmse, rmse_std=rmse_std, nasa=nasa, nasa_std=nasa_std))
    return points


@cache
def regime_tables() -> dict[str, Any]:
    """What the figures on regimes draw from: points, seeds, shares of wins over the grid of w, regimes."""
    runs = measured_runs()
    grid = np.linspace(0, 1, STEPS + 1)
    wins: dict[str, dict[str, Array]] = {}
    for subset, (methods, values) in runs.items():
        book = [place for place, method in enumerate(methods) if method in SQUARE]
        wins[subset] = {"book": win_shares(values[:, book], grid), "all": win_shares(values, grid)}
    return {
        "points": {"reported": reported_points(), "measured": measured_points(runs)},
        "seeds": {subset: len(values) for subset, (_, values) in runs.items()},
        "wins": wins,
        "regimes": [list(regime) for regime in REGIMES],
    }


class RegimeChooser(LiveFigure):
    """RMSE against NASA score of every method, the front, and the method with the lowest J at a preference.

    Args:
        w: The preference, 0 (RMSE alone) to 1 (score alone).
        numbers: ``"reported"``, what the source prints, or ``"measured"``, the runs of this book.
        subset: Whose test engines: ``"FD002 + FD004"`` (means of both) or one subset.
        everybody: Whether methods beside those of the book compete.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "regime_chooser.js"
    title = "Who wins depends on the preference, and on who else is in the race"
    alt = (
        "Above, RMSE against NASA score, one point a method, with a bar of one standard deviation where it is known; "
        "the points that no other beats are joined by a stair, and the winner has a ring. Below, the value J of each "
        "method as a straight line over the preference w from 0 to 1; the lowest line at w is the winner's. The "
        "bands of the source's three regimes are marked above the lines."
    )
    hint = "let the other methods compete, and watch where the winner changes. Then switch to our measured numbers."

    w = Slider(0.1, low=0, high=1, step=1 / STEPS, label="Preference w, RMSE ← → score")
    numbers = Choice("reported", ["reported", "measured"], label="Numbers")
    subset = Choice(BOTH, SUBSETS, label="Test engines")
    everybody = Switch(False, label="Let other methods compete")

    def tables(self) -> dict[str, Any]:
        """Points of both sources, and how often each method wins over all resamples of the seeds."""
        return regime_tables()

    def read_out(self) -> str:
        """The regime of the preference, who wins there, how surely, and who is on the front."""
        regime = next((name for name, _, end in REGIMES if self.w < end), REGIMES[-1][0])
        band = f"In the source's bands, w = {fixed(self.w)} is the {regime} regime."
        tables = regime_tables()
        points = [p for p in tables["points"][self.numbers][self.subset] if p["main"] or self.everybody]
        if not points:
            return f"There are no {self.numbers} numbers for {self.subset}, so nothing wins. {band}"
        table = np.array([[p["rmse"], p["nasa"]] for p in points])
        value = preference(table, self.w)
        winner = int(value.argmin())
        sure = "How sure that is cannot be told: the source prints means, not runs."
        if self.numbers == "measured":
            wins = tables["wins"][self.subset]["all" if self.everybody else "book"][round(STEPS * self.w), winner]
            seeds = tables["seeds"][self.subset]
            sure = f"It wins in {percent(wins, 0)} of all ways to draw the {seeds} seeds again."
        front = ", ".join(points[i]["label"] for i in np.lexsort(table.T[::-1]) if pareto_front(table)[i])
        return (
            f"{band} Of {len(points)} methods {points[winner]['label']} has the lowest J, {fixed(value[winner], 3)}. "
            f"{sure} On the front: {front}."
        )

    def picture(self, axes: Axes) -> None:
        """The points with their bars, the front, and a ring around the winner."""
        points = [p for p in regime_tables()["points"][self.numbers][self.subset] if p["main"] or self.everybody]
        axes.set(xlabel="RMSE (cycles)", ylabel="NASA score")
        if not points:
            axes.text(0.5, 0.5, f"no {self.numbers} numbers for {self.subset}", ha="center", transform=axes.transAxes)
            return
        table = np.array([[p["rmse"], p["nasa"]] for p in points])
        for point, (x, y) in zip(points, table, strict=True):
            for low, high, along in (("rmse_low", "rmse_high", "xerr"), ("nasa_low", "nasa_high", "yerr")):
                if point[low] is not None:
                    half = (point[high] - point[low]) / 2
                    axes.errorbar(x, y, **{along: half}, color=point["color"], alpha=0.5)
            axes.plot(
                *(x, y, point["marker"]),
                color=point["color"],
                fillstyle="none" if point["hollow"] else "full",
                label=point["label"],
            )
        front = table[pareto_front(table)]
        front = front[np.lexsort((front[:, 1], front[:, 0]))]
        axes.step(front[:, 0], front[:, 1], where="post", color="0.6", linewidth=1)
        winner = int(np.argmin(preference(table, self.w)))
        axes.plot(*table[winner], "o", markersize=15, fillstyle="none", color=ACCENT)
        held = next(reign for reign in reigns(table) if reign.start <= self.w <= reign.end)
        axes.set_title(
            f"{points[held.winner]['label']} wins from w = {held.start:.2f} to {held.end:.2f}", fontweight="bold"
        )
        axes.legend(fontsize="small")
