"""What half and half costs the health task on FD001; write ``book/results/task_alone.json``.

Three kinds of run with the compact network and everything else as in ``rulbook train``: half and half in cycles
(``baseline``), half and half with predictions and targets divided by 125 (``scaled_targets``), and the
health task alone. Each run keeps the validation scores of the epoch with the lowest RMSE and of the epoch with the
highest health macro-F1, so that no task is judged at an epoch that another task chose.

Run it with ``python book/measure/task_alone.py``; on one core it takes about ten minutes. The file is
renewed after every run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.checkpoint import versions
from rulbook.data import Prepared, load_cmapss, prepare
from rulbook.methods import METHODS, Method
from rulbook.training import TrainingConfig, train
from rulbook.weighting import FixedWeights

RESULT = Path(__file__).resolve().parents[1] / "results" / "task_alone.json"
SEEDS = (0, 1)
EPOCHS = 8


def weighed(name: str, *weights: float) -> Method:
    """The baseline with other task weights."""
    return replace(METHODS["baseline"], name=name, make_balancer=partial(_fixed, weights))


def _fixed(weights: tuple[float, ...]) -> WeightedSum:
    return WeightedSum(FixedWeights(weights))


RUNS = {
    "health alone": weighed("health_alone", 0.0, 1.0),
    "half and half, cycles": METHODS["baseline"],
    "half and half, lives": METHODS["scaled_targets"],
}


def run(data: Prepared, method: Method, seed: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train once; each task is judged at its own best epoch."""
    METHODS[method.name] = method
    config = TrainingConfig(method=method.name, seed=seed, epochs=epochs, patience=epochs)
    history = train(data, config, progress=False).history
    by_rmse = history.loc[history["validation_rmse"].idxmin()]
    by_f1 = history.loc[history["validation_health_macro_f1"].idxmax()]
    return {
        "rmse": round(float(by_rmse["validation_rmse"]), 2),
        "rmse_epoch": int(by_rmse["epoch"]),
        "accuracy": round(float(by_f1["validation_health_accuracy"]), 4),
        "macro_f1": round(float(by_f1["validation_health_macro_f1"]), 4),
        "macro_f1_epoch": int(by_f1["epoch"]),
        "macro_f1_by_epoch": [round(float(value), 3) for value in history["validation_health_macro_f1"]],
        "rmse_by_epoch": [round(float(value), 2) for value in history["validation_rmse"]],
    }


def measure(root: Path | None = None, to: Path | None = None) -> dict[str, Any]:
    """All runs, each with every seed; written to a file after each, if one is named."""
    data = prepare(load_cmapss("FD001", root), seed=0)
    runs: dict[str, dict[str, Any]] = {name: {} for name in RUNS}
    result = {
        "command": "python book/measure/task_alone.py",
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "data": {"subset": "FD001", "preset": "compact", "epochs": EPOCHS, "scores": "every window of 20 engines"},
        "runs": runs,
    }
    for seed in SEEDS:
        for name, method in RUNS.items():
            runs[name][str(seed)] = run(data, method, seed)
            print(seed, name, runs[name][str(seed)], flush=True)
            if to is not None:
                to.write_text(as_text(result), encoding="utf-8")
    return result


def as_text(result: dict[str, Any]) -> str:
    """JSON with lists on one line."""
    return re.sub(r"\[[^\[\]{}]+\]", lambda part: " ".join(part[0].split()), json.dumps(result, indent=1)) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=RESULT, help="where to write")
    arguments = parser.parse_args()
    measure(to=arguments.to)
    print(f"wrote {arguments.to}")
