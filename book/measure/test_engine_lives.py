"""What a trained network says of FD001's test engines, cycle by cycle.

Two engines are kept whole, named by a rule before any prediction: the test engine with the fewest cycles left after its
last record, and the one with the longest record.

Over all windows of all test engines it compares the two heads with the truth, and with *fresh* health heads: the
network stands still, its representation of every training window is computed once, and a new health head, of the same
layers, learns to read it by the cross-entropy alone. It trains for as many epochs as the network had, and none of them
is selected. The same on a network that was never trained tells how much a head can read off random features. (Those are
tiny, so each number of the representation is first brought to mean 0 and spread 1 over the training windows, for both.)

First a network, then this script:

    rulbook train --dataset FD001 --method baseline --preset compact --seed 0 --out runs/heads
    python book/measure/test_engine_lives.py runs/heads
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rulbook.checkpoint import Checkpoint, load_checkpoint
from rulbook.course.measurement import Bench, measurement
from rulbook.data import Fleet, Windows, all_windows, health_labels, prepare
from rulbook.metrics import health_accuracy, health_macro_f1
from rulbook.model import DualTaskModel

SEEDS = (0, 1, 2)


def chosen(fleet: Fleet) -> dict[str, int]:
    """The engine nearest to failure at its last record, and the one with the longest record."""
    lengths = fleet.test.groupby("unit")["cycle"].max()
    return {"fewest left": int(lengths.index[np.argmin(fleet.test_rul)]), "longest record": int(lengths.idxmax())}


def test_windows(fleet: Fleet, checkpoint: Checkpoint) -> Windows:
    """Every window of every test engine, labels not capped."""
    preprocessor = checkpoint.preprocessor
    features = preprocessor.transform(fleet.test)
    return all_windows(features, fleet.test, last_rul=fleet.test_rul, window=checkpoint.horizon.window, max_rul=None)


def life(windows: Windows, engine: int, checkpoint: Checkpoint) -> dict[str, list[float]]:
    """Cycle, true RUL, predicted RUL and the three health probabilities of one engine's windows."""
    own = windows.of_engines([engine])
    x, true_rul, _ = own.tensors()
    rul, probabilities = checkpoint.model.predict(x, max_rul=checkpoint.horizon.max_rul)
    return {
        "cycle": own.cycle.tolist(),
        "true_rul": [int(value) for value in true_rul],
        "rul": [round(value, 1) for value in rul.tolist()],
        **{
            name: [round(value, 3) for value in column]
            for name, column in zip(("normal", "degrading", "critical"), probabilities.T.tolist(), strict=True)
        },
    }


def parts(windows: Windows) -> list[np.ndarray]:
    """The numbers of all windows, a thousand or so at a time."""
    return np.array_split(np.arange(len(windows)), len(windows) // 1024 + 1)


def judged(named: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Macro-F1, accuracy, and how often each class (column) was named where each class (row) holds."""
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (truth, named), 1)
    return {
        "macro_f1": round(health_macro_f1(named, truth), 3),
        "accuracy": round(health_accuracy(named, truth), 3),
        "confusion": counts.tolist(),
    }


def both_heads(windows: Windows, checkpoint: Checkpoint) -> dict[str, Any]:
    """Over all windows of all test engines: the classes, what each head makes of them, and how often the two differ."""
    normal, critical = windows.thresholds
    rul_named, health_named = [], []
    for index in parts(windows):
        rul, probabilities = checkpoint.model.predict(windows.tensors(index)[0], max_rul=checkpoint.horizon.max_rul)
        rul_named.append(((rul <= normal).long() + (rul <= critical).long()).numpy())
        health_named.append(probabilities.argmax(dim=1).numpy())
    by_rul, by_health, truth = np.concatenate(rul_named), np.concatenate(health_named), windows.health
    apart = np.abs(by_rul - by_health)
    return {
        "windows": len(windows),
        "differ": int((apart > 0).sum()),
        "normal_against_critical": int((apart > 1).sum()),
        "named": {
            who: np.bincount(classes, minlength=3).tolist()
            for who, classes in {"truth": truth, "RUL head": by_rul, "health head": by_health}.items()
        },
        "scores": {"RUL head": judged(by_rul, truth), "health head": judged(by_health, truth)},
    }


@torch.no_grad()
def represented(model: DualTaskModel, windows: Windows) -> Tensor:
    """What both heads would see of every window, dropout off, shape (N, 32)."""
    model.eval()
    return torch.cat([model.encode(windows.tensors(index)[0]) for index in parts(windows)])


def fresh_head(seed: int, slips: Tensor, classes: Tensor, epochs: int) -> nn.Sequential:
    """A health head of the model's own layers, trained on representations that stand still."""
    torch.manual_seed(seed)
    head = DualTaskModel(14, "compact").health_head.train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=1e-4)
    for _ in range(epochs):
        for index in torch.split(torch.randperm(len(slips)), 256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(slips[index]), classes[index]).backward()
            optimizer.step()
    return head.eval()


def fresh_heads(checkpoint: Checkpoint, train: Windows, test: Windows, epochs: int) -> dict[str, Any]:
    """Three fresh health heads on the trained network, and three on one that was never trained."""
    torch.manual_seed(0)
    networks = {"trained network": checkpoint.model, "untrained network": DualTaskModel(14, "compact")}
    classes, found = torch.as_tensor(train.health, dtype=torch.int64), {}
    for name, network in networks.items():
        seen, unseen = represented(network, train), represented(network, test)
        middle, spread = seen.mean(dim=0), seen.std(dim=0) + 1e-6
        seen, unseen = (seen - middle) / spread, (unseen - middle) / spread
        heads = {str(seed): fresh_head(seed, seen, classes, epochs) for seed in SEEDS}
        with torch.no_grad():
            found[name] = {
                seed: judged(head(unseen).argmax(dim=1).numpy(), test.health) for seed, head in heads.items()
            }
    return {"epochs": epochs, "parameters": sum(p.numel() for p in checkpoint.model.health_head.parameters()), **found}


@measurement(
    "What a trained network says of two test engines of FD001, cycle by cycle, and how well its health head, the "
    "thresholded RUL head and fresh health heads name the classes of all test windows. The network is trained first, "
    "which takes minutes.",
    pages=("11-dual-task-model",),
    data=("FD001",),
    minutes=1,
)
def measure(bench: Bench, run: Path) -> dict[str, Any]:
    """Everything that the page shows, of the network in the folder ``run``."""
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(run / "best.safetensors")
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    fleet = bench.load("FD001")
    windows, engines = test_windows(fleet, checkpoint), chosen(fleet)
    return {
        "run": {
            "command": "rulbook train --dataset FD001 --method baseline --preset compact --seed 0 --out runs/heads",
            "selected_epoch": record["selected_epoch"],
            "test_rmse": round(record["test"]["rmse"], 2),
            "test_health_accuracy": round(record["test"]["health_accuracy"], 3),
            "date": record["date"],
            "torch": torch.__version__.partition("+")[0],
        },
        "engines": {why: {"engine": engine, **life(windows, engine, checkpoint)} for why, engine in engines.items()},
        "heads": both_heads(windows, checkpoint),
        "fresh_heads": fresh_heads(checkpoint, prepare(fleet, seed=0).train, windows, record["selected_epoch"]),
    }


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """What needs no network: the two engines, their cycles, and the classes of all windows."""
    fleet = bench.load("FD001")
    lengths = fleet.test.groupby("unit")["cycle"].max().to_numpy()
    lives = {}
    for why, engine in chosen(fleet).items():
        at = fleet.test["unit"].unique().tolist().index(engine)
        cycle = np.arange(30, lengths[at] + 1)
        lives[why] = {"engine": engine, "cycle": cycle, "true_rul": fleet.test_rul[at] + lengths[at] - cycle}
    true_rul = [left + np.arange(max(length - 29, 1)) for left, length in zip(fleet.test_rul, lengths, strict=True)]
    classes = np.bincount(health_labels(np.concatenate(true_rul)))
    return {"engines": lives, "heads": {"windows": classes.sum(), "named": {"truth": classes}}}


if __name__ == "__main__":
    measure.main()
