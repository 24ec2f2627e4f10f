"""Predict RUL and health for engines in a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from rulbook.checkpoint import Checkpoint
from rulbook.data import all_windows, last_windows

__all__ = ["HEALTH_NAMES", "predict"]

HEALTH_NAMES = ("normal", "degrading", "critical")
"""Names of the health classes 0, 1 and 2 (section 7.3)."""


def predict(checkpoint: Checkpoint, frame: pd.DataFrame, *, every_cycle: bool = False) -> pd.DataFrame:
    """What a trained model says about each engine of a table.

    Args:
        checkpoint: From :func:`rulbook.checkpoint.load_checkpoint`.
        frame: One row per engine and cycle, from :func:`rulbook.data.read_table`; needs the columns ``unit``, ``cycle``
            and the settings and sensors that the model was trained with.
        every_cycle: One line for each cycle from the window's length on, instead of one per engine at its last cycle.

    Returns:
        Columns ``engine``, ``cycle``, ``rul`` (cycles), ``health`` (a name) and ``probability`` (of that class).

    Raises:
        ValueError: If a column is missing or a value is not finite.
    """
    preprocessor = checkpoint.preprocessor
    frame = frame.sort_values(["unit", "cycle"], kind="stable").reset_index(drop=True)
    cut = all_windows if every_cycle else last_windows
    windows = cut(preprocessor.transform(frame), frame, last_rul=None, window=checkpoint.horizon.window)
    parts = [
        checkpoint.model.predict(torch.from_numpy(windows.gather(index)), max_rul=checkpoint.horizon.max_rul)
        for index in np.array_split(np.arange(len(windows)), max(1, len(windows) // 1024))
    ]
    rul, probabilities = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    health = probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "engine": windows.unit,
            "cycle": windows.cycle,
            "rul": rul,
            "health": np.array(HEALTH_NAMES)[health],
            "probability": probabilities.max(axis=1),
        }
    )
