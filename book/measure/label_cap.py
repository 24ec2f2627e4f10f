"""How far the true RULs of NASA's test engines exceed the cap of 125.

A model that never promises more than 125 cycles cannot come closer to an engine with y > 125 cycles left than y - 125.
``least_rmse`` is the RMSE of such a model at its best, judged on labels without a cap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rulbook.course.measurement import Bench, measurement

SUBSETS = ("FD001", "FD002", "FD003", "FD004")


@measurement(
    "How many test engines of each subset have more cycles left than the cap, and the RMSE of a model that never says "
    "more than the cap and is right everywhere else.",
    pages=("13-accuracy-and-safety", "evidence"),
    data=SUBSETS,
    minutes=0.1,
    cheap=True,
)
def measure(bench: Bench, max_rul: int = 125) -> dict[str, Any]:
    """The four test sets."""
    subsets = {}
    for name in SUBSETS:
        rul = bench.load(name).test_rul
        beyond = np.maximum(rul - max_rul, 0)
        subsets[name] = {
            "engines": len(rul),
            "above_cap": int((beyond > 0).sum()),
            "largest_rul": int(rul.max()),
            "from_70_to_90": int(((rul >= 70) & (rul <= 90)).sum()),
            "least_rmse": round(float(np.sqrt(np.mean(beyond**2.0))), 3),
        }
    return {"max_rul": max_rul, "subsets": subsets}


if __name__ == "__main__":
    measure.main()
