"""What half and half costs the health task on FD001.

Three kinds of run with the compact network and everything else as in ``rulbook train``: half and half in cycles
(``baseline``), half and half with predictions and targets divided by 125 (``scaled_targets``), and the
health task alone. Each run keeps the validation scores of the epoch with the lowest RMSE and of the epoch with the
highest health macro-F1, so that no task is judged at an epoch that another task chose.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.course.measurement import Bench, measurement
from rulbook.data import Prepared, prepare
from rulbook.methods import METHODS, Method
from rulbook.training import TrainingConfig, train
from rulbook.weighting import FixedWeights

SEEDS = (0, 1)


def weighed(name: str, *weights: float) -> Method:
    """The baseline with other task weights."""
    return replace(METHODS["baseline"], name=name, balancer=partial(_fixed, weights))


def _fixed(weights: tuple[float, ...]) -> WeightedSum:
    return WeightedSum(FixedWeights(weights))


RUNS = {
    "health alone": weighed("health_alone", 0.0, 1.0),
    "half and half, cycles": METHODS["baseline"],
    "half and half, lives": METHODS["scaled_targets"],
}


def run(data: Prepared, method: Method, seed: int, epochs: int) -> dict[str, Any]:
    """Train once; each task is judged at its own best epoch."""
    config = TrainingConfig(method=method, seed=seed, epochs=epochs, patience=epochs)
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


@measurement(
    "What half and half costs the health task: the compact network on FD001 trained half and half in cycles, half and "
    "half in lives, and on the health task alone, each task judged at its own best epoch of eight.",
    pages=("12-gradient-imbalance",),
    data=("FD001",),
    minutes=10,
    quick={"epochs": 1},
    tolerance=0.05,
)
def measure(bench: Bench, epochs: int = 8) -> dict[str, Any]:
    """All runs, each with every seed."""
    data = prepare(bench.load("FD001"), seed=0)
    runs: dict[str, dict[str, Any]] = {name: {} for name in RUNS}
    for seed in SEEDS:
        for name, method in RUNS.items():
            runs[name][str(seed)] = bench.part(f"{name}, seed {seed}", run, data, method, seed, epochs)
    return {
        "data": {"subset": "FD001", "preset": "compact", "epochs": epochs, "scores": "every window of 20 engines"},
        "runs": runs,
    }


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """The first epoch of the health task alone."""
    found = run(prepare(bench.load("FD001"), seed=0), RUNS["health alone"], 0, 1)
    return {"runs": {"health alone": {"0": {key: found[key] for key in ("rmse_by_epoch", "macro_f1_by_epoch")}}}}


if __name__ == "__main__":
    measure.main()
