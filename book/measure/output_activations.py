"""Train the compact network with and without a ReLU at its RUL output.

On FD001, four arms, the same seeds for all: the last layer as PyTorch initialises it, or its bias at the mean label;
a ReLU behind it, or nothing. A fifth repeats the first without the health task, for the seeds that are born dead. Each
run counts how many of 512 fixed validation windows are answered by exactly 0, before the first step and after the last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.course.measurement import Bench, measurement
from rulbook.data import Prepared, prepare
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.training import step
from rulbook.weighting import FixedWeights

BATCH = 128
ARMS = {
    "ReLU, default bias": (True, False, 0.5),
    "ReLU, bias at the mean": (True, True, 0.5),
    "nothing, default bias": (False, False, 0.5),
    "nothing, bias at the mean": (False, True, 0.5),
}
FIRST, ALONE = "ReLU, default bias", "ReLU, default bias, RUL alone"


def network(seed: int, relu: bool, at_mean: bool, mean_rul: float) -> DualTaskModel:
    """The compact network with the given end of its RUL head; the same weights for all arms of a seed."""
    torch.manual_seed(seed)
    model = DualTaskModel(14, "compact", initial_rul=mean_rul)
    if not at_mean:
        # As nn.Linear does it: uniform between -1 / sqrt(inputs) and 1 / sqrt(inputs).
        nn.init.uniform_(model.rul_head[-1].bias, -0.25, 0.25)
    if relu:
        model.rul_head.append(nn.ReLU())
    return model


@torch.no_grad()
def look(model: DualTaskModel, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Share of windows answered by exactly 0, and RMSE in cycles, with dropout off."""
    model.eval()
    rul, _ = model(x)
    model.train()
    return float((rul == 0).float().mean()), float((rul - y).square().mean().sqrt())


def run(data: Prepared, seed: int, steps: int, relu: bool, at_mean: bool, health: float) -> dict[str, Any]:
    """One training, plain MSE and cross-entropy with the share ``health`` for the second, gradients clipped to 1."""
    model = network(seed, relu, at_mean, float(data.train.rul.mean()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    balancer = WeightedSum(FixedWeights((1 - health, health)))
    generator = np.random.default_rng(seed)
    x, y, _ = data.validation.tensors(np.random.default_rng(0).choice(len(data.validation), 512, replace=False))
    zeros_before, _ = look(model, x, y)
    for _ in range(steps):
        batch = data.train.tensors(generator.choice(len(data.train), BATCH, replace=False))
        step(model, batch, METHODS["baseline"], balancer, optimizer, max_rul=data.horizon.max_rul, clip_norm=1.0)
    zeros_after, rmse = look(model, x, y)
    return {
        "seed": seed,
        "zeros_before": round(zeros_before, 3),
        "zeros_after": round(zeros_after, 3),
        "rmse": round(rmse, 1),
    }


@measurement(
    "How many windows a fresh and a trained network answer by exactly 0, with and without a ReLU at the RUL output and "
    "with its bias at the mean label, and the RMSE after the last step: ten seeds on FD001.",
    pages=("11-dual-task-model",),
    data=("FD001",),
    minutes=10,
    quick={"seeds": 2, "steps": 10},
    tolerance=2e-3,
)
def measure(bench: Bench, seeds: int = 10, steps: int = 150) -> dict[str, Any]:
    """All arms, all seeds."""
    torch.set_num_threads(1)
    data = prepare(bench.load("FD001"), seed=0)
    arms: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    for seed in range(seeds):
        for name, arm in ARMS.items():
            arms[name].append(bench.part(f"{name}, seed {seed}", run, data, seed, steps, *arm))
    born_dead = [one["seed"] for one in arms[FIRST] if one["zeros_before"] == 1]
    arms[ALONE] = [bench.part(f"{ALONE}, seed {seed}", run, data, seed, steps, True, False, 0.0) for seed in born_dead]
    return {"data": "FD001, compact", "steps": steps, "batch_size": BATCH, "arms": arms}


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """The networks of three seeds before their first step."""
    data = prepare(bench.load("FD001"), seed=0)
    born = {name: [run(data, seed, 0, *arm) for seed in range(3)] for name, arm in ARMS.items()}
    return {
        "arms": {
            name: [{key: one[key] for key in ("seed", "zeros_before")} for one in runs] for name, runs in born.items()
        }
    }


if __name__ == "__main__":
    measure.main()
