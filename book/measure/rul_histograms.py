"""Count how often each capped RUL occurs in NASA's C-MAPSS training files; write ``book/results/rul_histograms.json``.

``rows`` counts every cycle of every training engine, ``windows`` every 30-cycle window by the RUL at its last cycle.
The last cycle of an engine has RUL 0; everything above the cap of 125 is counted at 125. With the nearness to failure
n = 1 - RUL / 125, the two moments of n give those of the AMNL weight w = 1 + (w_max - 1) n:

    E[w]   = 1 + (w_max - 1) E[n]
    E[w^2] = 1 + 2 (w_max - 1) E[n] + (w_max - 1)^2 E[n^2]

Run it with ``python book/measure/rul_histograms.py``; it takes seconds.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rulbook.data import load_cmapss

MAX_RUL = 125
WINDOW = 30
SUBSETS = ("FD001", "FD002", "FD003", "FD004")
RESULT = Path(__file__).resolve().parents[1] / "results" / "rul_histograms.json"


def histogram(rul: pd.Series[int]) -> dict[str, Any]:
    """Counts at RUL 0 .. 125 cycles, and the moments of the nearness to failure."""
    counts = np.bincount(rul.clip(upper=MAX_RUL), minlength=MAX_RUL + 1)
    share, nearness = counts / counts.sum(), 1.0 - np.arange(MAX_RUL + 1) / MAX_RUL
    return {
        "total": int(counts.sum()),
        "share_at_cap": round(float(share[-1]), 6),
        "mean_nearness": round(float(share @ nearness), 6),
        "mean_square_nearness": round(float(share @ nearness**2), 6),
        "counts": counts.tolist(),
    }


def measure(root: Path | None = None) -> dict[str, Any]:
    """The histograms of all four training sets, from the files in ``root`` (or where the loader finds them)."""
    subsets = {}
    for name in SUBSETS:
        train = load_cmapss(name, root).train
        rul = train.groupby("unit")["cycle"].transform("max") - train["cycle"]
        subsets[name] = {
            "engines": int(train["unit"].nunique()),
            "rows": histogram(rul),
            "windows": histogram(rul[train["cycle"] >= WINDOW]),
        }
    return {
        "command": "python book/measure/rul_histograms.py",
        "max_rul": MAX_RUL,
        "window": WINDOW,
        "subsets": subsets,
    }


def as_text(result: dict[str, Any]) -> str:
    """JSON with each list on one line."""
    return re.sub(r"\[[\d,\s]+\]", lambda numbers: " ".join(numbers[0].split()), json.dumps(result, indent=1)) + "\n"


if __name__ == "__main__":
    RESULT.write_text(as_text(measure()), encoding="utf-8")
    print(f"wrote {RESULT}")
