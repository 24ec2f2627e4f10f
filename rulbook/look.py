"""A first look at a fleet, before anything is trained on it: what was taken as what, and what there is to learn from.

>>> from rulbook.data import demo_fleet
>>> print(first_look(demo_fleet(engines=3, test_engines=2)).lives_told)
3 engines run to failure, 607 cycles; lives of 168 to 223 cycles, median 216
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook._needs import needed
from rulbook._words import counted, plural
from rulbook.data import Columns, Fleet, Preprocessor, Windows, engine_runs, training_windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FirstLook", "first_look", "machine_word"]

# A model learns little from a cap that is nearly always on, or hardly ever.
_MOSTLY_AT_CAP, _HARDLY_AT_CAP = 0.8, 0.01
_MOST_DRAWN, _SENSORS_DRAWN = 6, 4
_WIDTH = 80


def machine_word(columns: Columns) -> str:
    """What one machine is called, by the column that names it: ``pump_id`` makes ``pump``, ``unit`` an engine."""
    word = re.sub(r"[\s_.-]*(ids?|nr|no|num|number|name)$", "", str(columns.unit).strip(), flags=re.IGNORECASE)
    word = re.sub(r"[\s_]+", " ", word).strip()
    plain = word.isascii() and len(word) > 2 and word.replace(" ", "").isalpha()
    return word.lower() if plain and word.lower() not in ("unit", "units") else "engine"


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What a fleet holds, as numbers, as text (``print`` it) and as a picture (:meth:`plot`).

    Attributes:
        fleet: The fleet.
        lives: Rows of each machine run to failure, in the order of the table.
        preprocessor: Fitted on all machines run to failure: the operating conditions, the constant sensors.
        windows: Every window that there is to train and to choose by.
    """

    fleet: Fleet
    lives: NDArray[np.int64]
    preprocessor: Preprocessor
    windows: Windows

    @property
    def machine(self) -> str:
        """What one machine is called."""
        return machine_word(self.fleet.columns)

    @property
    def constant(self) -> tuple[str, ...]:
        """The sensors that never move within a condition: a model learns nothing from them."""
        still = np.atleast_1d(self.preprocessor.stds_.max(axis=0) == 0)
        return tuple(name for name, is_still in zip(self.fleet.sensors, still, strict=True) if is_still)

    @property
    def shares(self) -> dict[str, float]:
        """The share of the windows in each health class, from 0 to 1."""
        return {
            name: float((self.windows.health == label).mean()) for label, name in enumerate(self.fleet.horizon.classes)
        }

    @property
    def at_cap(self) -> float:
        """The share of the windows whose label is the cap, from 0 to 1."""
        return float((self.windows.rul == self.windows.max_rul).mean())

    @property
    def lives_told(self) -> str:
        """How many machines there are, and how long they lived, in a sentence."""
        unit, lives = self.fleet.horizon.time_unit, self.lives
        return (
            f"{counted(len(lives), self.machine)} run to failure, {counted(int(lives.sum()), unit)}; "
            f"lives of {lives.min():,} to {lives.max():,} {plural(unit)}, median {np.median(lives):,.0f}"
        )

    @property
    def conditions_told(self) -> str:
        """How many operating conditions there are, and by what they were told."""
        fitted = self.preprocessor
        told = ", ".join(fitted.telling_)
        looks = [f"{name} {_look(fitted.evidence_[name])}" for name in fitted.settings if name not in fitted.telling_]
        why = [f"told by {told}"] if told else [] if looks else ["no setting is given"]
        return f"{counted(fitted.n_conditions_, 'operating condition')}: {'; '.join([*why, *looks])}"

    @property
    def horizon_told(self) -> str:
        """Window, cap and thresholds, and what share of the windows is in each class."""
        horizon, unit = self.fleet.horizon, self.fleet.horizon.time_unit
        if horizon.thresholds is None:
            by = f"health as measured in column {horizon.health.column if horizon.health else ''}"
        else:
            upper, lower = horizon.thresholds
            by = f"normal above {upper:g} {plural(unit)} left, critical up to {lower:g}"
        shares = ", ".join(f"{name} {_percent(share)}" for name, share in self.shares.items())
        return (
            f"window of {counted(horizon.window, unit)}, labels capped at {horizon.max_rul:g} {plural(unit)} "
            f"({_percent(self.at_cap)} of {len(self.windows):,} windows are at the cap)\n"
            f"{by}: {shares} of the windows"
        )

    @property
    def test_told(self) -> str:
        """How many test machines there are, and where their life was cut off."""
        left, unit = self.fleet.test_rul, self.fleet.horizon.time_unit
        if not len(left):
            return f"no test {plural(self.machine)}"
        machines = counted(len(left), f"test {self.machine}")
        if left.min() == left.max():
            return f"{machines}, cut off {counted(int(left.min()), unit)} before failure"
        return f"{machines}, cut off {left.min():g} to {left.max():g} {plural(unit)} before failure"

    @property
    def doubts(self) -> tuple[str, ...]:
        """What suits these machines badly, one sentence each; empty where nothing was found."""
        horizon, unit = self.fleet.horizon, self.fleet.horizon.time_unit
        doubts = []
        if self.at_cap > _MOSTLY_AT_CAP:
            doubts.append(
                f"the cap of {horizon.max_rul:g} is short for these lives: {_percent(self.at_cap)} of all labels are "
                "the cap, and a model that always says it is nearly always right."
            )
        elif self.at_cap < _HARDLY_AT_CAP:
            doubts.append(
                f"the cap of {horizon.max_rul:g} is long for these lives: it holds {_percent(self.at_cap)} of all "
                "labels, so that a model has to tell wear where there is none to see."
            )
        short = int((self.lives < horizon.window).sum())
        if short:
            doubts.append(
                f"{short} of {len(self.lives)} lives are shorter than the window of {counted(horizon.window, unit)}: "
                f"such a {self.machine} gives one window, at its failure."
            )
        rare = [name for name, share in self.shares.items() if share < 0.01]
        if rare:
            told = "" if horizon.thresholds is None else ": thresholds that suit these lives would say more"
            doubts.append(f"hardly a window is {' or '.join(rare)}{told}.")
        return tuple(doubts)

    def __str__(self) -> str:
        lines = [f"{self.fleet.subset}, taken as", *(f"  {line}" for line in str(self.fleet.columns).splitlines())]
        if self.constant:
            lines.append(f"  constant:  {', '.join(self.constant)} (a sensor that says nothing)")
        lines += [self.lives_told, self.conditions_told, *self.horizon_told.splitlines(), self.test_told]
        lines += [f"look again: {doubt}" for doubt in self.doubts]
        # A list of many sensors goes on under its first.
        return "\n".join(
            textwrap.fill(line, _WIDTH, subsequent_indent=" " * (13 if line.startswith("  ") else 4)) for line in lines
        )

    def plot(self) -> Figure:
        """Lives, operating conditions, and the four sensors that move most towards failure."""
        with needed():
            import matplotlib.pyplot as plt

        from rulbook.palette import use_book_style

        use_book_style()
        figure = plt.figure(figsize=(9.0, 6.4))
        halves: Any = figure.subfigures(2, 1)
        top, bottom = halves
        left, right = top.subplots(1, 2)
        self._plot_lives(left)
        self._plot_conditions(right)
        self._plot_sensors(bottom)
        return figure

    def _plot_lives(self, axes: Axes) -> None:
        from rulbook.palette import ACCENT, OTHERS

        horizon, ordered = self.fleet.horizon, np.sort(self.lives)
        place = np.arange(1, len(ordered) + 1)
        capped = np.maximum(ordered - horizon.max_rul, 0)
        axes.bar(place, capped, width=0.8, color=OTHERS[1], alpha=0.35, label="label is the cap")
        axes.bar(place, ordered - capped, width=0.8, bottom=capped, color=OTHERS[1], label="label counts down")
        axes.axhline(horizon.window, color=ACCENT, linewidth=1.2, label="one window")
        axes.set(
            xlabel=f"{self.machine}, by length of life",
            ylabel=f"life ({plural(horizon.time_unit)})",
            ylim=(0, 1.4 * ordered.max()),
            title=f"Lives of {ordered.min():,} to {ordered.max():,} {plural(horizon.time_unit)}",
        )
        axes.legend(loc="upper left", fontsize="small", ncols=3, handlelength=1.2, columnspacing=1.0)

    def _plot_conditions(self, axes: Axes) -> None:
        from rulbook.palette import OTHERS

        fitted, table = self.preprocessor, self.fleet.train
        count = fitted.n_conditions_
        title = counted(count, "operating condition")
        # Those that tell conditions apart first: two of them make the picture.
        names = [*fitted.telling_, *(name for name in fitted.settings if name not in fitted.telling_)][:2]
        if not names:
            axes.text(0.5, 0.5, "no setting is given", ha="center", va="center", transform=axes.transAxes)
            axes.set(title=title, xticks=[], yticks=[])
            return
        rows = table.iloc[_drawn(len(table), 2000)]
        labels = fitted.conditions(rows)
        if len(names) == 1:
            if fitted.telling_:
                levels = [f"{center:.4g}" for center in fitted.centroids_[:, fitted.settings.index(names[0])]]
                shares = 100 * np.bincount(labels, minlength=count) / len(labels)
                axes.bar(levels, shares, width=0.5, color=[OTHERS[c % len(OTHERS)] for c in range(count)])
            else:
                values = rows[names[0]].to_numpy(dtype=np.float64)
                axes.hist(values, bins=30, weights=np.full(len(values), 100 / len(values)), color=OTHERS[0])
            axes.set(xlabel=f"setting {names[0]}", ylabel="share of rows (%)", title=title)
            return
        for condition in range(count):
            chosen = rows[labels == condition]
            axes.plot(chosen[names[0]], chosen[names[1]], ".", color=OTHERS[condition % len(OTHERS)], markersize=5)
        axes.margins(0.15)
        axes.set(xlabel=f"setting {names[0]}", ylabel=f"setting {names[1]}", title=title)

    def _plot_sensors(self, figure: Any) -> None:
        from rulbook.palette import OTHERS

        features = self.preprocessor.transform(self.fleet.train)
        left = _left(self.fleet.train)
        names = self.moving_sensors(features, left)
        grid = np.atleast_1d(figure.subplots(1, len(names), sharex=True, sharey=True))
        runs = engine_runs(self.fleet.train)
        machines = np.unique(np.linspace(0, len(runs.units) - 1, _MOST_DRAWN).round().astype(int))
        for axes, name in zip(grid, names, strict=True):
            column = features[:, self.fleet.sensors.index(name)]
            for number, machine in enumerate(machines):
                rows = slice(runs.first[machine], runs.last[machine] + 1)
                smooth = pd.Series(column[rows]).rolling(max(1, runs.length[machine] // 20), min_periods=1).mean()
                axes.plot(left[rows], smooth, color=OTHERS[number % len(OTHERS)], linewidth=1.0, alpha=0.9)
            axes.set(title=_short(name), xlabel=f"{plural(self.fleet.horizon.time_unit)} left")
        grid[0].invert_xaxis()
        grid[0].set_ylabel("z-score, smoothed")
        drawn = counted(len(machines), self.machine)
        figure.suptitle(
            f"The sensors that move most towards failure, within a condition; {drawn} drawn",
            fontsize="medium",
            x=0.01,
            ha="left",
        )

    def moving_sensors(self, features: NDArray[np.float32], left: NDArray[np.float64]) -> tuple[str, ...]:
        """Up to four sensors, those first whose mean differs most between the end of life and the rest, in z-scores."""
        total = np.repeat(self.lives, self.lives)
        late = left < 0.1 * total
        if late.all() or not late.any():
            late = left <= np.median(left)
        shift = (
            np.abs(features[late].mean(axis=0) - features[~late].mean(axis=0))
            if (~late).any()
            else np.zeros(features.shape[1])
        )
        order = [self.fleet.sensors[index] for index in np.argsort(-shift, kind="stable")]
        moving = [name for name in order if name not in self.constant] or order
        return tuple(moving[:_SENSORS_DRAWN])


def first_look(fleet: Fleet) -> FirstLook:
    """Look at a fleet.

    Args:
        fleet: From :func:`~rulbook.data.fleet_from_frame`, :func:`~rulbook.data.load_cmapss` or
            :func:`~rulbook.data.demo_fleet`.

    Raises:
        ValueError: If a value in it is no finite number or too large to be squared.
    """
    preprocessor = Preprocessor(sensors=fleet.sensors, settings=fleet.settings, n_conditions=fleet.n_conditions).fit(
        fleet.train
    )
    nothing = np.zeros((len(fleet.train), 1), dtype=np.float32)
    horizon = fleet.horizon
    windows = training_windows(
        nothing,
        fleet.train,
        window=horizon.window,
        max_rul=horizon.max_rul,
        thresholds=horizon.thresholds,
        health=horizon.health,
    )
    return FirstLook(fleet, engine_runs(fleet.train).length, preprocessor, windows)


def _left(table: pd.DataFrame) -> NDArray[np.float64]:
    """Time before failure at each row of machines run to failure."""
    cycle = table["cycle"].to_numpy(dtype=np.float64)
    runs = engine_runs(table)
    return np.asarray(np.repeat(cycle[runs.last], runs.length) - cycle, dtype=np.float64)


def _drawn(rows: int, most: int) -> NDArray[np.int64]:
    chosen = np.random.default_rng(0).permutation(rows)[:most]
    return np.asarray(np.sort(chosen), dtype=np.int64)


def _look(evidence: str) -> str:
    return evidence if evidence.startswith(("varies", "has")) else f"is {evidence}"


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent == 0 or percent >= 1 else "under 1 %"


def _short(name: str, longest: int = 18) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
