"""A trained network looked at from outside: predictions beside the truth, and what they are worth (chapter 13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rulbook.data import Windows
from rulbook.metrics import health_accuracy, health_macro_f1, nasa_score, rmse
from rulbook.model import DualTaskModel

__all__ = ["Evaluation", "TensorWindows", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth, and what they are worth.

    Attributes:
        rul: Predicted RUL in cycles, clamped to [0, max_rul], shape (N,).
        true_rul: True RUL in cycles, shape (N,).
        health_probabilities: Shape (N, 3).
        true_health: True class, shape (N,).
    """

    rul: np.ndarray
    true_rul: np.ndarray
    health_probabilities: np.ndarray
    true_health: np.ndarray

    def scores(self) -> dict[str, float]:
        """RMSE in cycles, NASA score (a sum over the samples), health accuracy and macro-F1."""
        health = self.health_probabilities.argmax(axis=1)
        return {
            "rmse": rmse(self.rul, self.true_rul),
            "nasa_score": nasa_score(self.rul, self.true_rul),
            "health_accuracy": health_accuracy(health, self.true_health),
            "health_macro_f1": health_macro_f1(health, self.true_health),
        }


@torch.no_grad()
def evaluate(model: DualTaskModel, windows: Windows, *, max_rul: float = 125.0, batch_size: int = 1024) -> Evaluation:
    """Predict every window, in evaluation mode, and put the truth beside it.

    Args:
        model: The network.
        windows: From :func:`rulbook.data.prepare`, or any :class:`~rulbook.data.Windows` with labels.
        max_rul: Predictions are clamped to [0, ``max_rul``] cycles.
        batch_size: Windows per forward pass.
    """
    tensors = TensorWindows(windows, next(model.parameters()).device)
    parts = [
        model.predict(tensors.x(torch.arange(start, min(start + batch_size, len(tensors)))), max_rul=max_rul)
        for start in range(0, len(tensors), batch_size)
    ]
    rul, probabilities = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Evaluation(rul.astype(np.float64), windows.rul, probabilities, windows.health)


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
