"""Windows without copies: one table of rows and the index at which each window starts (section 14.4).

Two windows that follow each other share all cycles but one. Storing every window costs the memory of the rows once for
each cycle of a window; storing the rows and one index per window costs the rows. A batch is cut out when it is needed:
``rows[starts[:, None] + arange(window)]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float32
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from rulbook._check import above, same_length, whole, within
from rulbook._needs import needed
from rulbook.data.fleet import EngineRuns, engine_runs
from rulbook.data.labels import health_labels, measured_labels, rul_labels
from rulbook.horizon import HEALTH_THRESHOLDS, MAX_RUL, WINDOW, MeasuredHealth

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Windows", "all_windows", "last_windows", "split_windows_at_random", "training_windows"]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of ``window`` consecutive rows, each labelled by its last cycle.

    Attributes:
        rows: The features of all cycles, shape (rows, features), float32.
        starts: The row at which each window starts, shape (n,).
        window: Cycles per window.
        unit: The engine of each window, shape (n,).
        cycle: The last cycle of each window, shape (n,).
        true_rul: RUL after that cycle, not capped, shape (n,), in cycles; NaN where it is not known.
        max_rul: The cap on the labels, in cycles; None leaves them as they are.
        thresholds: Of the health classes, in cycles; None where they are measured or not known.
        measured: The measured health class of each window, shape (n,); None where the thresholds make the classes.
    """

    rows: Float32[np.ndarray, "rows features"]
    starts: NDArray[np.int64]
    window: int
    unit: NDArray[Any]
    cycle: NDArray[np.int64]
    true_rul: NDArray[np.float64]
    max_rul: float | None = MAX_RUL
    thresholds: tuple[float, float] | None = HEALTH_THRESHOLDS
    measured: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        labels = "uncapped" if self.max_rul is None else f"capped at {self.max_rul:g}"
        return f"Windows({len(self):,} of {self.window} cycles x {self.rows.shape[1]} features, labels {labels})"

    @cached_property
    def rul(self) -> NDArray[np.float64]:
        """The labels in cycles, capped at ``max_rul``, shape (n,)."""
        return self.true_rul if self.max_rul is None else np.minimum(self.true_rul, self.max_rul)

    @cached_property
    def health(self) -> NDArray[np.int64]:
        """The health class of each window, measured or by ``thresholds``, shape (n,); -1 where it is not known."""
        if self.measured is not None:
            return self.measured
        if self.thresholds is None:
            return np.full(len(self), -1, dtype=np.int64)
        known = np.isfinite(self.true_rul)
        labels = np.full(len(self), -1, dtype=np.int64)
        labels[known] = health_labels(self.true_rul[known], self.thresholds)
        return labels

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last row of each window, shape (n,)."""
        return self.starts + self.window - 1

    @property
    def views(self) -> Float32[np.ndarray, "every window features"]:
        """Every run of ``window`` rows as a view, shape (rows - window + 1, window, features): ``views[starts[i]]``.

        No number is copied. A run that spans two engines is in here too; ``starts`` leaves it out.
        """
        return sliding_window_view(self.rows, self.window, axis=0).transpose(0, 2, 1)

    @property
    def x(self) -> Float32[np.ndarray, "n window features"]:
        """All windows, shape (n, window, features).

        A view where the windows lie evenly spaced, as those of one engine do. Windows of several engines do not: they
        are copied, at ``window`` times the memory of the rows. Use :meth:`gather` for a batch of them.
        """
        if len(self) == 0:
            return np.empty((0, self.window, self.rows.shape[1]), dtype=np.float32)
        steps = np.diff(self.starts)
        if len(steps) == 0 or (steps[0] > 0 and np.all(steps == steps[0])):
            step = int(steps[0]) if len(steps) else 1
            return self.views[int(self.starts[0]) : int(self.starts[-1]) + 1 : step]
        return self.views[self.starts]

    def __getitem__(self, index: int) -> Float32[np.ndarray, "window features"]:
        """One window, as a view."""
        start = int(self.starts[index])
        return self.rows[start : start + self.window]

    def gather(self, indices: ArrayLike) -> Float32[np.ndarray, "batch window features"]:
        """The windows at ``indices`` as one new array, shape (batch, window, features)."""
        chosen = self.starts[_index(indices)]
        return np.asarray(self.rows[chosen[:, None] + np.arange(self.window)])

    def take(self, indices: ArrayLike) -> Windows:
        """The windows at ``indices`` (numbers, or a mask), on the same rows."""
        index = _index(indices)
        per_window = ("starts", "unit", "cycle", "true_rul", *(() if self.measured is None else ("measured",)))
        kept = {name: getattr(self, name)[index] for name in per_window}
        return replace(self, **kept)

    def of_engines(self, units: ArrayLike) -> Windows:
        """The windows of the given engines, on the same rows."""
        return self.take(np.isin(self.unit, np.asarray(units)))

    def capped_at(self, max_rul: float | None) -> Windows:
        """The same windows with labels capped at ``max_rul`` cycles, or not at all (None)."""
        return replace(self, max_rul=None if max_rul is None else above("max_rul", max_rul, 0))

    def tensors(self, indices: ArrayLike | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Windows, RUL and health class as torch tensors: (n, window, features) and (n,) float32, (n,) int64."""
        with needed():
            import torch

            from rulbook.data.tensors import TensorWindows

        index = np.arange(len(self)) if indices is None else _index(indices)
        return TensorWindows.of(self).batch(torch.as_tensor(index if index.dtype == bool else index.astype(np.int64)))


def all_windows(
    features: Float32[np.ndarray, "rows features"],
    frame: pd.DataFrame,
    *,
    last_rul: ArrayLike | None,
    window: int = WINDOW,
    max_rul: float | None = MAX_RUL,
    thresholds: tuple[float, float] | None = HEALTH_THRESHOLDS,
    health: MeasuredHealth | None = None,
) -> Windows:
    """Every window of every engine.

    An engine shorter than the window gives one window, filled up on the left by repeating its first cycle: what is
    known is that the engine was no worse before. So no engine is left out.

    Args:
        features: One row per row of ``frame``, from :meth:`Preprocessor.transform`.
        frame: The table that says which row is which engine's which cycle.
        last_rul: RUL after each engine's last row, as in :func:`rul_labels`; None if it is not known.
        window: Cycles per window.
        max_rul: The cap on the labels, in cycles; None leaves them as they are.
        thresholds: Of the health classes, in cycles; None where they are measured.
        health: The column of ``frame`` with the measured health class, read in the last row of each window. Needs no
            thresholds.

    Raises:
        ValueError: If features and frame disagree in length, an argument is out of range, or a health class is missing.
    """
    same_length("features", features, "frame", frame)
    window = whole("window", window, 1)
    cap = None if max_rul is None else above("max_rul", max_rul, 0)
    rul = np.full(len(frame), np.nan) if last_rul is None else rul_labels(frame, last_rul=last_rul)
    runs = engine_runs(frame)
    rows, first, length = _fill_up_short_engines(features, runs, window)
    per_engine = length - window + 1
    position = _count_up(per_engine)
    starts = np.repeat(first, per_engine) + position
    # A window is labelled by its last row; that row of the table, since the filled-up rows have no label of their own.
    last = np.repeat(runs.last - per_engine + 1, per_engine) + position
    unit, cycle = frame["unit"].to_numpy(), frame["cycle"].to_numpy(dtype=np.int64)
    measured = None if health is None else measured_labels(frame, health)[last]
    known = thresholds if health is None else None
    return Windows(rows, starts, window, unit[last], cycle[last], rul[last], cap, known, measured)


def training_windows(
    features: Float32[np.ndarray, "rows features"],
    frame: pd.DataFrame,
    *,
    window: int = WINDOW,
    max_rul: float | None = MAX_RUL,
    last_rul: float = 0,
    thresholds: tuple[float, float] | None = HEALTH_THRESHOLDS,
    health: MeasuredHealth | None = None,
) -> Windows:
    """Every window of engines run to failure: :func:`all_windows` with the same RUL at each engine's last cycle."""
    told: dict[str, Any] = {"window": window, "max_rul": max_rul, "thresholds": thresholds, "health": health}
    return all_windows(features, frame, last_rul=last_rul, **told)


def last_windows(
    features: Float32[np.ndarray, "rows features"],
    frame: pd.DataFrame,
    *,
    last_rul: ArrayLike | None,
    window: int = WINDOW,
    max_rul: float | None = MAX_RUL,
    thresholds: tuple[float, float] | None = HEALTH_THRESHOLDS,
    health: MeasuredHealth | None = None,
) -> Windows:
    """The last window of each engine, in order of appearance: one prediction per engine, as NASA scores it.

    Arguments and filling up of short engines as in :func:`all_windows`.
    """
    told: dict[str, Any] = {"window": window, "max_rul": max_rul, "thresholds": thresholds, "health": health}
    windows = all_windows(features, frame, last_rul=last_rul, **told)
    return windows.take(last_of_each(windows))


def last_of_each(windows: Windows) -> NDArray[np.int64]:
    """The index of the last window of each engine."""
    if len(windows) == 0:
        return np.zeros(0, dtype=np.int64)
    # Neighbours that differ, not numbers that rise: engines stand in the order of their table.
    changes = windows.unit[1:] != windows.unit[:-1]
    return np.append(np.flatnonzero(changes), len(windows) - 1)


def split_windows_at_random(windows: Windows, *, fraction: float = 0.2, seed: int = 0) -> tuple[Windows, Windows]:
    """Split windows, not engines. **This leaks**; it is here to show by how much.

    Neighbouring windows share all cycles but one, so a held-out window has a twin among the training windows, one cycle
    away. A model is rewarded for remembering engines, and its error on the held-out part says little about a new one.

    Returns:
        Training windows and held-out windows, on the same rows.
    """
    within("fraction", fraction, 0, 1)
    order = np.random.default_rng(whole("seed", seed, 0)).permutation(len(windows))
    held_out = round(fraction * len(windows))
    return windows.take(np.sort(order[held_out:])), windows.take(np.sort(order[:held_out]))


def _index(indices: ArrayLike) -> NDArray[Any]:
    index = np.asarray(indices)
    # NumPy makes an empty list a float array, with which it then refuses to index.
    return index if index.size else index.astype(np.intp)


def _fill_up_short_engines(
    features: NDArray[np.float32], runs: EngineRuns, window: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Rows, first row and length of each engine, after short engines have had their first row repeated."""
    missing = np.maximum(window - runs.length, 0)
    if not missing.any():
        return features, runs.first, runs.length
    repeats = np.ones(len(features), dtype=np.int64)
    repeats[runs.first] += missing
    before = np.concatenate([[0], np.cumsum(missing)[:-1]])
    return np.repeat(features, repeats, axis=0), runs.first + before, runs.length + missing


def _count_up(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, …, a - 1, 0, 1, …, b - 1 for lengths (a, b)."""
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.arange(lengths.sum(), dtype=np.int64) - begin
