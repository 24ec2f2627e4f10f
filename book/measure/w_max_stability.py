"""How far can w_max be raised before training turns unstable? Measured on real windows, for section 14.3.

Two experiments:

* a linear model under gradient descent, where theory names the largest stable learning rate, 2 / (largest curvature),
  and runs just below and just above it show whether the theory holds;
* the compact network under Adam, the same number of steps for each w_max and seed: the validation RMSE on the way,
  every sample counted alike, and the spread of the per-sample gradients.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.course.measurement import Bench, digits, measurement
from rulbook.data import Prepared, prepare
from rulbook.inference import evaluate
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.reference import failure_weights
from rulbook.training import Forward, step
from rulbook.weighting import FixedWeights
from rulbook.weighting.samples import Linear

CEILINGS = (1.0, 2.0, 3.0, 5.0, 10.0)
LOOKS = (100, 200, 300)
SUBSETS = ("FD001", "FD002", "FD003", "FD004")


def last_cycles(data: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """The last cycle of each training window with a column of ones, and its RUL."""
    rows = np.asarray(data.train.rows, np.float64)[np.asarray(data.train.starts) + data.train.window - 1]
    return np.column_stack([rows, np.ones(len(rows))]), np.asarray(data.train.rul, np.float64)


def linear_model(x: np.ndarray, rul: np.ndarray, w_max: float, steps: int = 300) -> dict[str, float]:
    """Curvature of the weighted loss, the largest stable rate, and what runs on both sides of it do."""
    weights = failure_weights(rul, w_max=w_max)
    hessian = 2.0 / len(x) * x.T @ (weights[:, None] * x)
    curvature = float(np.linalg.eigvalsh(hessian)[-1])

    def loss_after(rate: float) -> float:
        coefficients = np.zeros(x.shape[1])
        coefficients[-1] = rul.mean()
        for _ in range(steps):
            coefficients -= rate * 2.0 / len(x) * x.T @ (weights * (x @ coefficients - rul))
        return float(np.mean(weights * (x @ coefficients - rul) ** 2))

    return {
        "w_max": w_max,
        "mean_weight": round(float(weights.mean()), 4),
        "mean_square_weight": round(float(np.mean(weights**2)), 4),
        "curvature": round(curvature, 4),
        "stable_rate": round(2.0 / curvature, 5),
        "loss_below": digits(loss_after(1.9 / curvature), 6),
        "loss_above": digits(loss_after(2.1 / curvature), 6),
    }


def network(data: Prepared, w_max: float, seed: int, steps: int, batch_size: int = 256) -> dict[str, float]:
    """Adam on the compact network: validation RMSE after 100, 200 and 300 steps, and the spread of |dL/d rul|."""
    method = replace(METHODS["amnl"], samples=Linear(w_max))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DualTaskModel(data.train.rows.shape[1], "compact", initial_rul=float(data.train.rul.mean()))
        optimizer, balancer = torch.optim.Adam(model.parameters(), lr=1e-3), WeightedSum(FixedWeights((0.5, 0.5)))
        draw, spreads, rmse_after = np.random.default_rng(seed), [], {}

        def look(made: Forward) -> None:
            pull = torch.autograd.grad(made.losses[0], made.rul, retain_graph=True)[0].abs().numpy()
            spreads.append(np.quantile(pull, 0.99) / np.median(pull))

        for done in range(1, steps + 1):
            batch = data.train.tensors(draw.choice(len(data.train), batch_size, replace=False))
            # Not clipped: a long gradient is what is looked for.
            step(
                model,
                batch,
                method,
                balancer,
                optimizer,
                max_rul=data.horizon.max_rul,
                clip_norm=math.inf,
                on_forward=look,
            )
            if done in LOOKS:
                scores = evaluate(model.eval(), data.validation).scores()
                rmse_after[f"rmse_after_{done}"] = round(scores["rmse"], 3)
    return {"w_max": w_max, "seed": seed, "p99_over_median": round(float(np.median(spreads)), 3), **rmse_after}


@measurement(
    "How far w_max can be raised before training turns unstable: a linear model on both sides of its largest stable "
    "learning rate, and the compact network under Adam.",
    pages=("14-failure-biased-mse",),
    data=SUBSETS,
    minutes=15,
    quick={"steps": 5},
    tolerance=2e-3,
)
def measure(bench: Bench, steps: int = 300) -> dict[str, Any]:
    """Both experiments."""
    prepared = {name: prepare(bench.load(name), seed=0) for name in SUBSETS}
    linear = {
        name: [
            bench.part(f"linear, {name}, w_max {w_max:g}", linear_model, *last_cycles(data), w_max)
            for w_max in CEILINGS
        ]
        for name, data in prepared.items()
    }
    runs = [(w_max, seed) for w_max in CEILINGS for seed in range(2)]
    return {
        "linear": linear,
        "network_FD001": [
            bench.part(f"network, w_max {w_max:g}, seed {seed}", network, prepared["FD001"], w_max, seed, steps)
            for w_max, seed in runs
        ],
    }


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """The linear model on FD001, with the two lowest ceilings."""
    x, rul = last_cycles(prepare(bench.load("FD001"), seed=0))
    return {"linear": {"FD001": [linear_model(x, rul, w_max) for w_max in CEILINGS[:2]]}}


if __name__ == "__main__":
    measure.main()
