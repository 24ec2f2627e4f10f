"""How far can w_max be raised before training turns unstable? Measured on real windows, for section 14.3.

Two experiments, written to ``book/results/w_max_stability.json``:

* a linear model under gradient descent, where theory names the largest stable learning rate, 2 / (largest curvature),
  and runs just below and just above it show whether the theory holds;
* the compact network under Adam, the same number of steps for each w_max and seed: the validation RMSE on the way,
  every sample counted alike, and the spread of the per-sample gradients.

Run it with ``python book/measure/w_max_stability.py``; it takes some minutes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from rulbook.data import Prepared, load_cmapss, prepare
from rulbook.losses import task_losses
from rulbook.model import DualTaskModel
from rulbook.reference import failure_weights
from rulbook.training import evaluate
from rulbook.weighting.samples import Linear

CEILINGS = (1.0, 2.0, 3.0, 5.0, 10.0)
LOOKS = (100, 200, 300)
RESULT = Path(__file__).resolve().parents[1] / "results" / "w_max_stability.json"


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
        "loss_below": float(f"{loss_after(1.9 / curvature):.6g}"),
        "loss_above": float(f"{loss_after(2.1 / curvature):.6g}"),
    }


def network(data: Prepared, w_max: float, seed: int, batch_size: int = 256) -> dict[str, float]:
    """Adam on the compact network: validation RMSE after 100, 200 and 300 steps, and the spread of |dL/d rul|."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DualTaskModel(data.train.rows.shape[1], "compact", initial_rul=float(data.train.rul.mean()))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        draw, spreads, rmse_after = np.random.default_rng(seed), [], {}
        for step in range(1, max(LOOKS) + 1):
            index = draw.choice(len(data.train), batch_size, replace=False)
            x, target_rul, target_health = data.train.tensors(index)
            rul, health_logits = model.train()(x)
            rul.retain_grad()
            losses = task_losses(rul, health_logits, target_rul, target_health, samples=Linear(w_max))
            optimizer.zero_grad()
            (0.5 * losses.sum()).backward()
            optimizer.step()
            pull = rul.grad.abs().numpy()
            spreads.append(np.quantile(pull, 0.99) / np.median(pull))
            if step in LOOKS:
                scores = evaluate(model.eval(), data.validation).scores()
                rmse_after[f"rmse_after_{step}"] = round(scores["rmse"], 3)
    return {"w_max": w_max, "seed": seed, "p99_over_median": round(float(np.median(spreads)), 3), **rmse_after}


def measure() -> dict[str, Any]:
    """Both experiments."""
    prepared = {name: prepare(load_cmapss(name), seed=0) for name in ("FD001", "FD002", "FD003", "FD004")}
    linear = {name: [linear_model(*last_cycles(data), w_max) for w_max in CEILINGS] for name, data in prepared.items()}
    runs = [(w_max, seed) for w_max in CEILINGS for seed in range(2)]
    return {
        "command": "python book/measure/w_max_stability.py",
        "linear": linear,
        "network_FD001": [network(prepared["FD001"], *run) for run in tqdm(runs, unit="run")],
    }


if __name__ == "__main__":
    RESULT.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {RESULT}")
