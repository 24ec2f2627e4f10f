"""Splits by engine: a model is judged on engines that it never saw (section 14.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rulbook._check import finite_number, shown, whole
from rulbook.data.fleet import CutRange, engine_runs
from rulbook.errors import InputError

__all__ = ["cut_engines", "split_engines"]


def split_engines(units: ArrayLike, *, fraction: float = 0.2, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split engines, not windows: at least one engine on either side, unless ``fraction`` is 0.

    Args:
        units: The engine of each row or window, or each engine once.
        fraction: Share of the engines to hold out, in [0, 1).
        seed: Decides which.

    Returns:
        Training engines and validation engines, each sorted.

    Raises:
        ValueError: If ``fraction`` does not lie in [0, 1), or one engine must be held out and there is only one.
    """
    try:
        engines = np.unique(np.asarray(units))
    except TypeError as error:
        raise InputError(f"units is {shown(units)}: engines must be numbers or text, one kind for all.") from error
    whole("seed", seed, 0)
    if not 0 <= finite_number("fraction", fraction) < 1:
        raise InputError(f"fraction is {fraction}: it must be at least 0 and below 1.")
    if fraction == 0:
        return engines, engines[:0]
    if len(engines) < 2:
        raise InputError(f"units names {len(engines)} engine(s): at least two are needed to hold one out.")
    held_out = min(max(round(fraction * len(engines)), 1), len(engines) - 1)
    order = np.random.default_rng(seed).permutation(len(engines))
    return np.sort(engines[order[held_out:]]), np.sort(engines[order[:held_out]])


def cut_engines(
    frame: pd.DataFrame,
    within: CutRange = CutRange(),  # noqa: B008
    *,
    seed: int,
    cuts: int = 5,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Cut engines run to failure at random points of their life, so that they look like test engines.

    The RUL at each cut is drawn evenly from the range, as far as the history that must stay allows; an engine too short
    for that loses as little as it can, one cycle at least.

    Args:
        frame: Engines run to failure; the last cycle of each has RUL 0.
        within: Where they may be cut: a fleet's own range, ``fleet.cut``.
        seed: Decides where.
        cuts: Cuts of each engine. Each becomes an engine of its own.

    Returns:
        A table like ``frame`` in which ``unit`` counts the cuts from 1, and ``source_unit`` names the engine that was
        cut; and the RUL after each cut, in cycles.

    Raises:
        ValueError: If ``cuts`` is below 1.
    """
    whole("cuts", cuts, 1)
    runs = engine_runs(frame)
    rng = np.random.default_rng(whole("seed", seed, 0))
    if len(frame) == 0:
        return frame.assign(source_unit=frame["unit"]), np.zeros(0)
    source = np.repeat(np.arange(len(runs.units)), cuts)
    longest = np.clip(runs.length[source] - (within.shortest_history or 1), 1, within.longest_rul)
    shortest = np.minimum(within.shortest_rul, longest)
    left = np.minimum(rng.integers(shortest, longest, endpoint=True), runs.length[source] - 1)
    kept = runs.length[source] - left
    rows = np.concatenate([np.arange(first, first + n) for first, n in zip(runs.first[source], kept, strict=True)])
    cut = frame.iloc[rows].reset_index(drop=True)
    cut["source_unit"] = cut["unit"]
    cut["unit"] = np.repeat(np.arange(1, len(source) + 1), kept)
    cycle = frame["cycle"].to_numpy(dtype=np.float64)
    last_kept = runs.first[source] + kept - 1
    return cut, cycle[runs.last[source]] - cycle[last_kept]
