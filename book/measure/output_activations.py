"""Train the compact network with and without a ReLU at its RUL output; write ``book/results/output_activations.json``.

On FD001, four arms, the same seeds for all: the last layer as PyTorch initialises it, or its bias at the mean label;
a ReLU behind it, or nothing. A fifth repeats the first without the health task, for the seeds that are born dead. Each
run counts how many of 512 fixed validation windows are answered by exactly 0, before the first step and after the last.

    python book/measure/output_activations.py

It takes some ten minutes on one thread.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rulbook.data import Prepared, load_cmapss, prepare
from rulbook.losses import task_losses
from rulbook.model import DualTaskModel

RESULT = Path(__file__).resolve().parents[1] / "results" / "output_activations.json"
SEEDS, STEPS, BATCH = range(10), 150, 128
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


def run(data: Prepared, seed: int, relu: bool, at_mean: bool, health: float) -> dict[str, Any]:
    """One training, plain MSE and cross-entropy with the share ``health`` for the second, gradients clipped to 1."""
    model = network(seed, relu, at_mean, float(data.train.rul.mean()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = np.random.default_rng(seed)
    x, y, _ = data.validation.tensors(np.random.default_rng(0).choice(len(data.validation), 512, replace=False))
    zeros_before, _ = look(model, x, y)
    for _ in range(STEPS):
        x_batch, y_rul, y_health = data.train.tensors(generator.choice(len(data.train), BATCH, replace=False))
        rul, logits = model(x_batch)
        optimizer.zero_grad()
        mse, cross_entropy = task_losses(rul, logits, y_rul, y_health)
        ((1 - health) * mse + health * cross_entropy).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    zeros_after, rmse = look(model, x, y)
    return {
        "seed": seed,
        "zeros_before": round(zeros_before, 3),
        "zeros_after": round(zeros_after, 3),
        "rmse": round(rmse, 1),
    }


def main() -> None:
    """All arms, all seeds."""
    torch.set_num_threads(1)
    data = prepare(load_cmapss("FD001"), seed=0)
    arms: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    for seed in SEEDS:
        for name, arm in ARMS.items():
            arms[name].append(run(data, seed, *arm))
            print(name, arms[name][-1], flush=True)
    born_dead = [one["seed"] for one in arms[FIRST] if one["zeros_before"] == 1]
    arms[ALONE] = [run(data, seed, True, False, 0.0) for seed in born_dead]
    result = {
        "command": "python book/measure/output_activations.py",
        "date": date.today().isoformat(),
        "torch": torch.__version__.partition("+")[0],
        "data": "FD001, compact",
        "steps": STEPS,
        "batch_size": BATCH,
        "arms": arms,
    }
    text = re.sub(r"\{[^{}\[\]]+\}", lambda one: " ".join(one[0].split()), json.dumps(result, indent=1))
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {RESULT}")


if __name__ == "__main__":
    main()
