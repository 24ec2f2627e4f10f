"""From a fleet to windows that a model can train on, in one call, with nothing fitted on held-out engines."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rulbook._check import at_least, finite_number, one_of
from rulbook.data.columns import CMAPSS_COLUMNS, Columns
from rulbook.data.fleet import Fleet, engine_runs
from rulbook.data.preprocess import Preprocessor
from rulbook.data.splits import cut_engines, split_engines
from rulbook.data.windows import (
    Windows,
    all_windows,
    last_of_each,
    last_windows,
    split_windows_at_random,
    training_windows,
)
from rulbook.errors import InputError
from rulbook.horizon import Horizon

__all__ = ["Prepared", "prepare"]

# Of C-MAPSS's windows the largest class has 54 to 63 %.
_LOPSIDED = 0.9


@dataclass(frozen=True, eq=False)
class Prepared:
    """Windows to train on, to choose by, and to judge by.

    Attributes:
        preprocessor: Fitted on the training engines alone.
        horizon: Window, cap, health classes and unit of time of all windows here.
        train: Every window of the training engines.
        validation: Windows of engines held out from training: every one, or those at random cuts.
        test: The last window of each test engine, labels capped.
        test_all: Every window of each test engine, labels capped. (:meth:`Windows.capped_at` gives other labels.)
        subset: The name of the fleet.
        settings: The arguments of :func:`prepare`, the number of engines in each part, and which validate.
        columns: What the columns were called in the user's table, for whoever predicts on another one.
    """

    preprocessor: Preprocessor
    horizon: Horizon
    train: Windows
    validation: Windows
    test: Windows
    test_all: Windows
    subset: str
    settings: dict[str, Any]
    columns: Columns = CMAPSS_COLUMNS

    @property
    def validation_units(self) -> NDArray[Any]:
        """The engines that validation windows come from, of the training file."""
        return np.asarray(self.settings["validation_units"])

    def describe(self) -> dict[str, Any]:
        """What the data were, as a JSON-able dictionary for run records and checkpoints."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test, "test_all": self.test_all}
        return {
            "subset": self.subset,
            "windows": {name: len(part) for name, part in parts.items()},
            "conditions": self.preprocessor.n_conditions_,
            **self.settings,
        }


def prepare(
    fleet: Fleet,
    *,
    window: int | None = None,
    max_rul: float | None = None,
    thresholds: tuple[float, float] | None = None,
    last_rul: float = 0,
    n_conditions: int | None = None,
    validation_fraction: float = 0.2,
    validation_cuts: int | None = None,
    split: str = "engines",
    seed: int = 0,
) -> Prepared:
    """Split the engines, fit the preprocessor on the training ones, cut windows out of all.

    Args:
        fleet: From :func:`load_cmapss`, :func:`demo_fleet` or :func:`fleet_from_frame`.
        window: Cycles per window. None, here and in the next two: as the fleet's horizon has it.
        max_rul: Cap on all labels and predictions, in cycles.
        thresholds: Of the health classes, in cycles, the larger first; they go before health classes that were
            measured.
        last_rul: RUL at the last cycle of an engine run to failure, in cycles: 0 here, 1 in other codes.
        n_conditions: Operating conditions, see :class:`Preprocessor`. None: as the fleet has it.
        validation_fraction: Share of the training engines held out to choose the epoch; 0 holds out none.
        validation_cuts: None validates on every window of those engines. A number cuts each of them at so many random
            points of the fleet's range and takes the last window before each cut, as NASA's test set does.
        split: ``"engines"`` holds out whole engines. ``"windows"`` holds out windows at random and fits the
            preprocessor on all engines. **That leaks**, see :func:`split_windows_at_random`; it is here to show by how
            much, since published numbers are made this way too.
        seed: Decides what is held out and where engines are cut, and starts k-means.

    Raises:
        ValueError: If an argument is out of range, the fleet has one training engine and one is to be held out, or
            ``validation_cuts`` is asked for windows split at random.

    Warns:
        UserWarning: If training engines are shorter than the window, or a health class never occurs among them, or
            thresholds leave next to nothing for all classes but one.
    """
    if not isinstance(fleet, Fleet):
        raise InputError(
            f"fleet is a {type(fleet).__name__}: it must be a Fleet, which fleet_from_frame makes of a table."
        )
    horizon = fleet.horizon.with_(window=window, max_rul=max_rul, thresholds=thresholds)
    cut_like: dict[str, Any] = {
        "window": horizon.window,
        "max_rul": horizon.max_rul,
        "thresholds": horizon.thresholds,
        "health": horizon.health,
    }
    if n_conditions is None:
        n_conditions = fleet.n_conditions
    by_engine = one_of("split", split, ("engines", "windows")) == "engines"
    if validation_cuts is not None and not by_engine:
        raise InputError(f"validation_cuts is {validation_cuts}: it needs split='engines', and split is {split!r}.")
    at_least("last_rul", last_rul, 0)
    kept, held_out = _split(fleet, validation_fraction, by_engine, seed)
    preprocessor = Preprocessor(
        n_conditions=n_conditions,
        sensors=fleet.sensors,
        settings=fleet.settings,
        random_state=seed,
    ).fit(fleet.train[fleet.train["unit"].isin(kept)])
    features = preprocessor.transform(fleet.train)
    run_to_failure = training_windows(features, fleet.train, last_rul=last_rul, **cut_like)
    if by_engine:
        train, validation = run_to_failure.of_engines(kept), run_to_failure.of_engines(held_out)
    else:
        train, validation = split_windows_at_random(run_to_failure, fraction=validation_fraction, seed=seed)
    if validation_cuts is not None and len(held_out):
        held_out_rows = fleet.train[fleet.train["unit"].isin(held_out)]
        cut, rul = cut_engines(held_out_rows, fleet.cut.keeping(horizon.window), seed=seed, cuts=validation_cuts)
        validation = last_windows(preprocessor.transform(cut), cut, last_rul=rul + last_rul, **cut_like)
    _tell_what_is_missing(fleet, train, horizon)
    test_all = _test_windows(fleet, preprocessor, cut_like)
    settings = {
        **horizon.to_dict(),
        "last_rul": last_rul,
        "n_conditions": n_conditions,
        "validation_fraction": validation_fraction,
        "validation_cuts": validation_cuts,
        "split": split,
        "seed": seed,
        "train_engines": len(kept),
        "validation_engines": len(held_out),
        "test_engines": len(fleet.test_rul),
        "validation_units": held_out.tolist(),
    }
    test = test_all.take(last_of_each(test_all))
    parts = (train, validation, test, test_all)
    return Prepared(preprocessor, horizon, *parts, fleet.subset, settings, fleet.columns)


def _split(fleet: Fleet, fraction: float, by_engine: bool, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Engines to train on and engines to choose by, or a sentence about the fleet on why there are none."""
    share = finite_number("validation_fraction", fraction)
    if not 0 <= share < 1:
        raise InputError(f"validation_fraction is {fraction}: it must be at least 0 and below 1.")
    engines = fleet.train["unit"].nunique()
    if engines == 0:
        raise InputError("the fleet has no training engines: at least one is needed.")
    if by_engine and share > 0 and engines < 2:
        raise InputError(
            f"the fleet has {engines} training engine, and validation_fraction is {fraction}: at least 2 are needed to "
            "hold one out. Give more engines, or validation_fraction=0 to hold out none."
        )
    return split_engines(fleet.train["unit"], fraction=share if by_engine else 0.0, seed=seed)


def _test_windows(fleet: Fleet, preprocessor: Preprocessor, cut_like: dict[str, Any]) -> Windows:
    engines = engine_runs(fleet.test).units
    if len(fleet.test_rul) != len(engines):
        raise InputError(
            f"the fleet's test_rul has {len(fleet.test_rul)} values but its test has {len(engines)} engines: they must "
            "agree."
        )
    if len(engines) == 0:
        features = np.zeros((0, len(fleet.sensors)), dtype=np.float32)
    else:
        features = preprocessor.transform(fleet.test)
    return all_windows(features, fleet.test, last_rul=fleet.test_rul, **cut_like)


def _tell_what_is_missing(fleet: Fleet, train: Windows, horizon: Horizon) -> None:
    """Warn of what a model cannot learn from these windows."""
    runs = engine_runs(fleet.train)
    chosen = np.isin(runs.units, np.unique(train.unit))
    short = runs.units[chosen & (runs.length < horizon.window)]
    if len(short):
        named = ", ".join(map(str, short[:5])) + (", …" if len(short) > 5 else "")
        every = " No engine is longer: nothing but the failure can be learned." if len(short) == chosen.sum() else ""
        warnings.warn(
            f"{len(short)} of {chosen.sum()} training engines are shorter than the window of {horizon.window} "
            f"{horizon.time_unit}s ({named}): each gives one window, filled up, at its failure.{every} "
            "Give a shorter window to see more of them.",
            stacklevel=3,
        )
    first, last = (fleet.train["cycle"].to_numpy()[rows] for rows in (runs.first, runs.last))
    gaps = runs.units[chosen & (last - first + 1 != runs.length)]
    if len(gaps):
        named = ", ".join(map(str, gaps[:5])) + (", …" if len(gaps) > 5 else "")
        warnings.warn(
            f"{len(gaps)} of {chosen.sum()} training engines lack {horizon.time_unit}s between first and last "
            f"({named}): a window counts rows, so that it reaches further back there.",
            stacklevel=3,
        )
    if len(train) == 0:
        return
    share = np.bincount(train.health, minlength=len(horizon.classes)) / len(train)
    never = [name for name, part in zip(horizon.classes, share, strict=True) if part == 0]
    if horizon.thresholds is None:
        if never:
            warnings.warn(
                f"no training window is {' or '.join(never)} by the health class that was measured: a model cannot "
                "learn to say so.",
                stacklevel=3,
            )
        return
    upper, lower = horizon.thresholds
    by = f"by the thresholds of {upper:g} and {lower:g} {horizon.time_unit}s"
    lives = f"give thresholds that suit lives of up to {runs.length[chosen].max()}."
    if never:
        warnings.warn(f"no training window is {' or '.join(never)} {by}: {lives}", stacklevel=3)
    elif share.max() > _LOPSIDED:
        most = horizon.classes[int(share.argmax())]
        warnings.warn(f"{100 * share.max():.0f} % of the training windows are {most} {by}: {lives}", stacklevel=3)
