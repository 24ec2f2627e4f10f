"""How far the true RULs of NASA's test engines exceed the cap of 125; write ``book/results/label_cap.json``.

A model that never promises more than 125 cycles cannot come closer to an engine with y > 125 cycles left than y - 125.
``least_rmse`` is the RMSE of such a model at its best, judged on labels without a cap.

Run it with ``python book/measure/label_cap.py``; it takes seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rulbook.data import load_cmapss

MAX_RUL = 125
SUBSETS = ("FD001", "FD002", "FD003", "FD004")
RESULT = Path(__file__).resolve().parents[1] / "results" / "label_cap.json"


def measure(root: Path | None = None) -> dict[str, Any]:
    """The four test sets, from the files in ``root`` (or where the loader finds them)."""
    subsets = {}
    for name in SUBSETS:
        rul = load_cmapss(name, root).test_rul
        beyond = np.maximum(rul - MAX_RUL, 0)
        subsets[name] = {
            "engines": len(rul),
            "above_cap": int((beyond > 0).sum()),
            "largest_rul": int(rul.max()),
            "from_70_to_90": int(((rul >= 70) & (rul <= 90)).sum()),
            "least_rmse": round(float(np.sqrt(np.mean(beyond**2.0))), 3),
        }
    return {"command": "python book/measure/label_cap.py", "max_rul": MAX_RUL, "subsets": subsets}


def as_text(result: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(result, indent=2) + "\n"


if __name__ == "__main__":
    RESULT.write_text(as_text(measure()), encoding="utf-8")
    print(f"wrote {RESULT.name}")
