"""One run from data to record: train, choose by validation engines, look at the test engines once, write it down."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from rulbook.checkpoint import versions, write_atomically
from rulbook.data import Prepared
from rulbook.plots import learning_curves, predicted_against_true
from rulbook.training import TrainingConfig, evaluate, train

__all__ = ["config_hash", "run_experiment"]


def config_hash(config: TrainingConfig, data: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that change when anything that decides the result changes."""
    decisive = json.dumps({"config": asdict(config), "data": data}, sort_keys=True)
    return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def run_experiment(
    data: Prepared,
    config: TrainingConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train, evaluate once on the test engines, and leave model, curves, picture and record in ``folder``.

    Args:
        data: From :func:`rulbook.data.prepare`.
        config: The settings of the run.
        folder: Gets ``best.safetensors``, ``history.csv``, ``learning_curves.png``, ``test_engines.png`` and, last
            of all, ``record.json``: a run with a record is a finished run.
        resume: Go on with an unfinished run in ``folder``.
        progress: Show a progress bar.
        on_epoch: Called with each new row of the history.

    Returns:
        The record: settings, chosen epoch, validation and test scores, time, versions and machine.
    """
    folder = Path(folder)
    started = time.perf_counter()
    result = train(data, config, folder=folder, resume=resume, progress=progress, on_epoch=on_epoch)
    test = evaluate(result.model, data.test, max_rul=data.preprocessor.max_rul)
    facts = data.describe()
    name = f"{facts['subset']}, {config.method}, seed {config.seed}"
    for file, figure in {
        "learning_curves.png": learning_curves(result.history, title=name),
        "test_engines.png": predicted_against_true(test, title=name),
    }.items():
        save_figure(figure, folder / file)
    chosen = {str(name): value for name, value in result.history.iloc[result.best_epoch - 1].items()}
    seconds = float(result.history["seconds"].sum())
    record = {
        "data": facts,
        "config": asdict(config),
        "config_hash": config_hash(config, facts),
        "selected_epoch": result.best_epoch,
        "epochs": len(result.history),
        "validation": {key.removeprefix("validation_"): chosen[key] for key in chosen if key.startswith("validation_")},
        "test": test.scores(),
        "task_weights": [chosen["weight_rul"], chosen["weight_health"]],
        "training_seconds": round(seconds, 1),
        "wall_seconds": round(time.perf_counter() - started, 1),
        "windows_per_second": round(len(data.train) * len(result.history) / seconds, 1),
        "versions": versions(),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    write_atomically(folder / "record.json", json.dumps(record, indent=2) + "\n")
    return record


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure to ``path`` and let go of it."""
    import matplotlib.pyplot as plt

    figure.savefig(path)
    plt.close(figure)
