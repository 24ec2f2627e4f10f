"""A trained network looked at from outside: predictions beside the truth, and what they are worth (chapter 13)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Num
from torch import Tensor

from rulbook._check import not_empty, whole
from rulbook.data import Windows
from rulbook.errors import InputError
from rulbook.metrics import health_accuracy, health_macro_f1, nasa_score, rmse
from rulbook.model import DualTaskModel, NotFiniteError

__all__ = ["Evaluation", "TensorWindows", "evaluate", "predict_windows"]


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth, and what they are worth.

    Attributes:
        rul: Predicted RUL in cycles, clamped to [0, max_rul], shape (N,).
        true_rul: True RUL in cycles, shape (N,).
        health_probabilities: Shape (N, classes).
        true_health: True class, shape (N,).
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
    model: DualTaskModel, windows: Windows, *, max_rul: float | None = None, batch_size: int = 1024
) -> Evaluation:
    """Predict every window, in evaluation mode, and put the truth beside it.

    Args:
        model: The network.
        windows: From :func:`rulbook.data.prepare`, or any :class:`~rulbook.data.Windows` with labels.
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
    if model.thresholds is not None and windows.thresholds != model.thresholds:
        warnings.warn(
            f"windows have health thresholds {windows.thresholds}, but the model was trained with {model.thresholds}: "
            "its classes mean something else.",
            stacklevel=2,
        )
    rul, probabilities = predict_windows(model, windows, max_rul=max_rul, batch_size=batch_size)
    return Evaluation(rul, windows.rul, probabilities, windows.health)


def predict_windows(
    model: DualTaskModel,
    windows: Windows,
    *,
    max_rul: float | None = None,
    batch_size: int = 1024,
    names: Sequence[str] = (),
) -> tuple[Float64[np.ndarray, " window"], Float32[np.ndarray, "window health_class"]]:
    """RUL in cycles and health probabilities of every window: the one forward pass that all predictions come from.

    Args:
        model: The network.
        windows: With labels or without.
        max_rul: As in :func:`evaluate`.
        batch_size: Windows per forward pass.
        names: What the features are called, for messages.

    Raises:
        ValueError: As :func:`evaluate`.
    """
    not_empty("windows", windows)
    if windows.rows.shape[1] != model.n_features:
        raise InputError(f"windows have {windows.rows.shape[1]} features: the model reads {model.n_features}.")
    require_finite_features(windows, names)
    if max_rul is None:
        max_rul = min((cap for cap in (model.max_rul, windows.max_rul) if cap is not None), default=None)
    tensors = TensorWindows(windows, next(model.parameters()).device)
    parts = []
    for batch in torch.split(torch.arange(len(tensors)), whole("batch_size", batch_size, 1)):
        try:
            # Under a caller's autocast a prediction would be rounded to the half cycle.
            with torch.autocast(tensors.rows.device.type, enabled=False):
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


class TensorWindows:
    """Rows once in memory, windows cut out by index: an epoch needs no per-sample loader."""

    def __init__(self, windows: Windows, device: torch.device) -> None:
        self.rows = torch.as_tensor(windows.rows, device=device)
        self.starts = torch.as_tensor(windows.starts, device=device)
        self.offsets = torch.arange(windows.window, device=device)
        self.rul = torch.as_tensor(windows.rul, dtype=torch.float32, device=device)
        self.health = torch.as_tensor(windows.health, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return len(self.starts)

    def x(self, index: Tensor) -> Tensor:
        """The windows at ``index``, shape (batch, window, features)."""
        return self.rows[self.starts[index.to(self.starts.device)][:, None] + self.offsets]
