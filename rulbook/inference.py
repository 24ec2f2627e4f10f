"""A trained network asked: for windows with the truth beside them, or for the engines of a table (chapter 13).

Every prediction comes from one place, :func:`predict_windows`: those of :func:`evaluate`, of the validation engines
while a model trains, and of :func:`predict`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Float64, Num

from rulbook._check import not_empty, whole
from rulbook.checkpoint import Checkpoint
from rulbook.data import Preprocessor, Windows, all_windows, last_windows
from rulbook.data.fleet import require_columns, require_rows
from rulbook.data.tables import in_order
from rulbook.data.tensors import TensorWindows
from rulbook.errors import InputError
from rulbook.metrics import health_accuracy, health_macro_f1, nasa_score, rmse
from rulbook.model import DualTaskModel, NotFiniteError

__all__ = [
    "BROKEN",
    "UNUSUAL",
    "Evaluation",
    "evaluate",
    "predict",
    "predict_windows",
    "require_finite_features",
]

UNUSUAL, BROKEN = 100.0, 1e6
"""Standard deviations from the training engines' mean: the engines of C-MAPSS stay within ten."""
_FARTHEST = 1e20
MOSTLY_UNUSUAL = 10.0
"""So many for half of a sensor's readings is another unit or another machine, where a single one may be a spike."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth, and what they are worth.

    Attributes:
        rul: Predicted RUL in cycles, clamped to [0, max_rul], shape (windows,).
        true_rul: True RUL in cycles, shape (windows,).
        health_probabilities: Probability of each health class, shape (windows, classes).
        true_health: Number of the true class, shape (windows,).
    """

    rul: Num[np.ndarray, " window"]
    true_rul: Num[np.ndarray, " window"]
    health_probabilities: Num[np.ndarray, "window health_class"]
    true_health: Num[np.ndarray, " window"]

    def scores(self) -> dict[str, float]:
        """RMSE in cycles, NASA score (a sum over the samples), health accuracy and macro-F1."""
        health = self.health_probabilities.argmax(axis=1)
        return {
            "rmse": rmse(self.rul, self.true_rul),
            "nasa_score": nasa_score(self.rul, self.true_rul),
            "health_accuracy": health_accuracy(health, self.true_health),
            "health_macro_f1": health_macro_f1(health, self.true_health, self.health_probabilities.shape[1]),
        }


def evaluate(
    model: DualTaskModel, windows: Windows | TensorWindows, *, max_rul: float | None = None, batch_size: int = 1024
) -> Evaluation:
    """Predict every window, in evaluation mode, and put the truth beside it.

    Args:
        model: The network.
        windows: From :func:`rulbook.data.prepare`, or any :class:`~rulbook.data.Windows` with labels. Who evaluates
            the same windows again and again uploads them once (:func:`rulbook.data.tensors.upload`) and gives those.
        max_rul: Predictions are clamped to [0, ``max_rul``] cycles. None: to the smaller of two caps, that on the
            windows' labels and that the model was trained with. No label lies above the first, and the model never
            says more than the second. Where neither is known, to C-MAPSS's.
        batch_size: Windows per forward pass.

    Raises:
        ValueError: If there are no windows, an argument is out of its range, or something is NaN or infinite: the
            message names engine and cycle, or the model.

    Warns:
        UserWarning: If the windows' health classes have other thresholds than those the model was trained with.
    """
    tensors = _on_the_device_of(model, windows)
    windows = tensors.windows
    if model.thresholds is not None and windows.thresholds != model.thresholds:
        warnings.warn(
            f"windows have health thresholds {windows.thresholds}, but the model was trained with {model.thresholds}: "
            "its classes mean something else.",
            stacklevel=2,
        )
    rul, probabilities = predict_windows(model, tensors, max_rul=max_rul, batch_size=batch_size)
    return Evaluation(rul, windows.rul, probabilities, windows.health)


def predict_windows(
    model: DualTaskModel,
    windows: Windows | TensorWindows,
    *,
    max_rul: float | None = None,
    batch_size: int = 1024,
    names: Sequence[str] = (),
) -> tuple[Float64[np.ndarray, " window"], Float32[np.ndarray, "window health_class"]]:
    """RUL in cycles and health probabilities of every window: the one forward pass that all predictions come from.

    Args:
        model: The network.
        windows: With labels or without; uploaded already, or not.
        max_rul: As in :func:`evaluate`.
        batch_size: Windows per forward pass.
        names: What the features are called, for messages.

    Raises:
        ValueError: As :func:`evaluate`.
    """
    tensors = _on_the_device_of(model, windows)
    windows = tensors.windows
    not_empty("windows", windows)
    if windows.rows.shape[1] != model.n_features:
        raise InputError(f"windows have {windows.rows.shape[1]} features: the model reads {model.n_features}.")
    require_finite_features(windows, names)
    if max_rul is None:
        max_rul = min((cap for cap in (model.max_rul, windows.max_rul) if cap is not None), default=None)
    parts = []
    for batch in torch.split(torch.arange(len(tensors), device=tensors.device), whole("batch_size", batch_size, 1)):
        try:
            # Under a caller's autocast a prediction would be rounded to the half cycle.
            with torch.autocast(tensors.device.type, enabled=False):
                parts.append(model.predict(tensors.x(batch), max_rul=max_rul))
        except NotFiniteError as error:
            if error.window is None:
                raise
            at = int(batch[error.window])
            raise InputError(
                f"the model gives no number for engine {windows.unit[at]} at cycle {windows.cycle[at]}: its readings "
                f"lie up to {np.abs(windows[at]).max():.3g} standard deviations from what is usual."
            ) from error
    rul, probabilities = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return rul.astype(np.float64), probabilities


def _on_the_device_of(model: DualTaskModel, windows: Windows | TensorWindows) -> TensorWindows:
    device = next(model.parameters()).device
    if isinstance(windows, Windows):
        return TensorWindows.of(windows, device)
    if windows.device != device:
        raise InputError(f"windows lie on {windows.device}: they must lie where the model does, on {device}.")
    return windows


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


def require_finite_features(windows: Windows, names: Sequence[str] = ()) -> None:
    """Refuse windows that hold NaN or infinity, and say whose they are. What no window reads may be what it likes."""
    found = first_reading(windows, ~np.isfinite(windows.rows), names)
    if found:
        raise InputError(f"{found}: every value must be finite.")


def first_reading(windows: Windows, wrong: Bool[np.ndarray, "rows features"], names: Sequence[str] = ()) -> str | None:
    """The first value marked as wrong that a window reads: whose it is, when and what; None if no window reads any."""
    rows = np.flatnonzero(wrong.any(axis=1))
    # The first marked row at or after the start of a window lies in the window, or behind it.
    first = np.append(rows, len(wrong))[np.searchsorted(rows, windows.starts)]
    reached = np.flatnonzero(first <= windows.ends)
    if len(reached) == 0:
        return None
    at = reached[0]
    row = first[at]
    feature = int(np.argmax(wrong[row]))
    name = names[feature] if feature < len(names) else f"feature {feature}"
    return (
        f"engine {windows.unit[at]} has a value of {windows.rows[row, feature]:g} for {name} in the window that ends "
        f"at cycle {windows.cycle[at]}"
    )
