"""Predict RUL and health for engines in a table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rulbook.checkpoint import Checkpoint
from rulbook.data import Preprocessor, Windows, all_windows, last_windows
from rulbook.data.fleet import require_columns, require_rows
from rulbook.data.tables import in_order
from rulbook.errors import InputError
from rulbook.evaluation import first_reading, predict_windows, require_finite_features

__all__ = ["BROKEN", "UNUSUAL", "predict"]

UNUSUAL, BROKEN = 100.0, 1e6
"""Standard deviations from the training engines' mean: the engines of C-MAPSS stay within ten."""
_FARTHEST = 1e20
MOSTLY_UNUSUAL = 10.0
"""So many for half of a sensor's readings is another unit or another machine, where a single one may be a spike."""


def predict(checkpoint: Checkpoint, frame: pd.DataFrame, *, every_cycle: bool = False) -> pd.DataFrame:
    """What a trained model says about each engine of a table.

    Args:
        checkpoint: From :func:`rulbook.checkpoint.load_checkpoint`.
        frame: One row per engine and cycle, with the columns that the model was trained with: by the names of the
            user's own table, or as :func:`rulbook.data.read_table` gives them. Engines come out in its order.
        every_cycle: One line for each cycle from the window's length on, instead of one per engine at its last cycle.

    Returns:
        Columns ``engine``, ``cycle``, ``rul`` (cycles), ``health`` (a name) and ``probability`` (of that class).

    Raises:
        ValueError: If a column is missing, if a cycle occurs twice, if a reading, a z-score or an answer of the model
            is not finite, or if a z-score is a million or more: a sensor that says so is broken, and the network would
            answer all the same. The message names engine, cycle and column, or the model.

    Warns:
        UserWarning: If a z-score is a hundred or more, or most of a sensor's are more than ten: another unit, it seems.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"frame is a {type(frame).__name__}: it must be a pandas DataFrame.")
    preprocessor, horizon = checkpoint.preprocessor, checkpoint.horizon
    if checkpoint.columns is not None:
        frame = checkpoint.columns.rename(frame)
    columns = (*preprocessor.settings, *preprocessor.sensors)
    _require_finite_readings(frame, columns)
    require_rows(frame, columns)
    frame = in_order(frame, "frame")
    if not every_cycle:
        # What lies in no window is nobody's business.
        frame = frame.groupby("unit", sort=False).tail(horizon.window).reset_index(drop=True)
    cut = all_windows if every_cycle else last_windows
    windows = cut(
        preprocessor.transform(_within_reach(frame, preprocessor)),
        frame,
        last_rul=None,
        window=horizon.window,
        max_rul=horizon.max_rul,
        thresholds=horizon.thresholds,
    )
    names = [f"the z-score of {sensor}" for sensor in preprocessor.sensors]
    _require_readings_of_this_world(windows, names)
    rul, probabilities = predict_windows(checkpoint.model, windows, max_rul=horizon.max_rul, names=names)
    return pd.DataFrame(
        {
            "engine": windows.unit,
            "cycle": windows.cycle,
            "rul": rul.astype(np.float32),
            "health": np.array(horizon.classes)[probabilities.argmax(axis=1)],
            "probability": probabilities.max(axis=1),
        }
    )


def _require_finite_readings(frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Say of a broken sensor which engine's it is, before the table as a whole is refused for it."""
    require_columns(frame, ("unit", "cycle", *columns))
    for name in columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            continue
        readings = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(readings).all():
            row = int(np.argmin(np.isfinite(readings)))
            unit, cycle = frame["unit"].iloc[row], frame["cycle"].iloc[row]
            raise InputError(
                f"engine {unit} has {readings[row]} in column {name} at cycle {cycle}: every reading must be finite. "
                "Fill it, or leave its rows out."
            )


def _within_reach(frame: pd.DataFrame, preprocessor: Preprocessor) -> pd.DataFrame:
    """The table with readings that would overflow a z-score put where they are still named as broken, by engine."""
    width = _FARTHEST * preprocessor.stds_.max(axis=0)
    low, high = preprocessor.means_.min(axis=0) - width, preprocessor.means_.max(axis=0) + width
    names = list(preprocessor.sensors)
    return frame.assign(**dict(zip(names, np.clip(frame[names].to_numpy(dtype=np.float64), low, high).T, strict=True)))


def _require_readings_of_this_world(windows: Windows, names: Sequence[str]) -> None:
    require_finite_features(windows, names)
    size = np.abs(windows.rows)
    if found := first_reading(windows, size >= BROKEN, names):
        raise InputError(f"{found}: the sensor is broken, or its unit is another than in the training data.")
    if found := first_reading(windows, size >= UNUSUAL, names):
        warnings.warn(f"{found}, unlike any in the training data: predictions from it are guesses.", stacklevel=3)
    middle = np.median(size, axis=0) if len(size) else np.zeros(len(names))
    shifted = [f"{name} ({middle[place]:.0f})" for place, name in enumerate(names) if middle[place] > MOSTLY_UNUSUAL]
    if shifted:
        warnings.warn(
            f"{', '.join(shifted)} in half of all rows and more, unlike any in the training data: another unit, or "
            "other machines? Predictions from it are guesses.",
            stacklevel=3,
        )
