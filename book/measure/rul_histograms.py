"""Count how often each capped RUL occurs in NASA's C-MAPSS training files.

``rows`` counts every cycle of every training engine, ``windows`` every 30-cycle window by the RUL at its last cycle.
The last cycle of an engine has RUL 0; everything above the cap of 125 is counted at 125. With the nearness to failure
n = 1 - RUL / 125, the two moments of n give those of the AMNL weight w = 1 + (w_max - 1) n:

    E[w]   = 1 + (w_max - 1) E[n]
    E[w^2] = 1 + 2 (w_max - 1) E[n] + (w_max - 1)^2 E[n^2]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rulbook.course.measurement import Bench, measurement

SUBSETS = ("FD001", "FD002", "FD003", "FD004")


def histogram(rul: pd.Series[int], max_rul: int) -> dict[str, Any]:
    """Counts at RUL 0 .. max_rul cycles, and the moments of the nearness to failure."""
    counts = np.bincount(rul.clip(upper=max_rul), minlength=max_rul + 1)
    share, nearness = counts / counts.sum(), 1.0 - np.arange(max_rul + 1) / max_rul
    return {
        "total": int(counts.sum()),
        "share_at_cap": round(float(share[-1]), 6),
        "mean_nearness": round(float(share @ nearness), 6),
        "mean_square_nearness": round(float(share @ nearness**2), 6),
        "counts": counts.tolist(),
    }


@measurement(
    "How often each capped RUL occurs in the training files, over all cycles and over all windows by their last cycle, "
    "and the two moments of the nearness to failure.",
    pages=("11-dual-task-model", "12-gradient-imbalance", "13-accuracy-and-safety", "14-failure-biased-mse", "results"),
    data=SUBSETS,
    minutes=0.1,
    cheap=True,
)
def measure(bench: Bench, max_rul: int = 125, window: int = 30) -> dict[str, Any]:
    """The histograms of all four training sets."""
    subsets = {}
    for name in SUBSETS:
        train = bench.load(name).train
        rul = train.groupby("unit")["cycle"].transform("max") - train["cycle"]
        subsets[name] = {
            "engines": int(train["unit"].nunique()),
            "rows": histogram(rul, max_rul),
            "windows": histogram(rul[train["cycle"] >= window], max_rul),
        }
    return {"max_rul": max_rul, "window": window, "subsets": subsets}


if __name__ == "__main__":
    measure.main()
