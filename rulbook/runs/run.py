"""One run from data to record: train, choose by validation engines, score the chosen model, write it all down.

The record also holds what the *same model* scores under other common protocols. Comparing those with ``test`` says how
much of a published number is protocol. None of them has a part in training or in choosing the epoch.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rulbook._needs import needed
from rulbook.checkpoint import versions
from rulbook.data import Prepared
from rulbook.errors import InputError
from rulbook.files import write_atomically
from rulbook.inference import evaluate
from rulbook.runs.plots import learning_curves, predicted_against_true
from rulbook.training import Observer, TrainingConfig, TrainingResult, Watch, train
from rulbook.training.run_folder import RunFolder, held

__all__ = ["config_hash", "gradient_quartiles", "other_protocols", "run_experiment", "save_figure"]


def config_hash(config: TrainingConfig, data: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that change when anything that decides the result changes."""
    decisive = json.dumps({"config": config.to_dict(), "data": data}, sort_keys=True)
    return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def run_experiment(
    data: Prepared,
    config: TrainingConfig,
    folder: str | Path | RunFolder,
    *,
    resume: bool = False,
    progress: bool = True,
    observers: Sequence[Observer | Callable[[dict[str, float]], object]] = (),
) -> dict[str, Any]:
    """Train, evaluate once on the test engines, and leave model, curves, picture and record in ``folder``.

    Args:
        data: From :func:`rulbook.data.prepare`.
        config: The settings of the run.
        folder: Gets ``best.safetensors``, ``state.safetensors``, ``history.csv``, ``learning_curves.png``,
            ``test_engines.png`` and, last of all, ``record.json``: a run with a record is a finished run. No other
            process may use it meanwhile.
        resume: Go on with an unfinished run in ``folder``, or lengthen a finished one to ``config.epochs``.
        progress: Show a progress bar.
        observers: What else looks on, as in :func:`rulbook.training.train`.

    Returns:
        The record: settings, chosen epoch, validation and test scores, scores under other protocols, quartiles of the
        norm ratio and cosine where the run probed them, task weights, what steps noted, time, versions and machine.
    """
    with held(folder) as run:
        assert run is not None
        return _run(data, config, run, resume, progress, observers)


def _run(
    data: Prepared,
    config: TrainingConfig,
    folder: RunFolder,
    resume: bool,
    progress: bool,
    observers: Sequence[Observer | Callable[[dict[str, float]], object]],
) -> dict[str, Any]:
    started = time.perf_counter()
    if folder.record.exists():
        if not resume:
            raise InputError(f"folder {str(folder)!r} holds a finished run: give another folder.")
        if not folder.state.is_file():
            raise InputError(
                f"folder {str(folder)!r} holds a finished run without its state.safetensors: it cannot go on."
            )
    result = train(
        data,
        config,
        folder=folder,
        resume=resume,
        progress=progress,
        observers=[*([Watch(test=data.test)] if len(data.test) else []), *observers],
    )
    # An epoch more would have taken the record away.
    if folder.record.exists():
        raise InputError(f"folder {str(folder)!r} holds a finished run: {_why_finished(result)}.")
    test = evaluate(result.model, data.test, max_rul=data.horizon.max_rul) if len(data.test) else None
    facts = data.describe()
    name = f"{facts['subset']}, {config.method_name}, seed {config.seed}"
    time_unit = data.horizon.time_unit
    save_figure(learning_curves(result.history, title=name, time_unit=time_unit), folder.path / "learning_curves.png")
    if test is not None:
        figure = predicted_against_true(test, title=name, time_unit=time_unit)
        save_figure(figure, folder.path / "test_engines.png")
    chosen = {str(name): value for name, value in result.history.iloc[result.best_epoch - 1].items()}
    last = result.history.iloc[-1]
    seconds = float(result.history["seconds"].sum())
    record = {
        "data": facts,
        "config": config.to_dict(),
        "config_hash": config_hash(config, facts),
        "selected_epoch": result.best_epoch,
        "epochs": len(result.history),
        "validation": {key.removeprefix("validation_"): chosen[key] for key in chosen if key.startswith("validation_")},
        "test": {} if test is None else test.scores(),
        "other_protocols": {} if test is None else other_protocols(result, data),
        "gradients": gradient_quartiles(result.probes),
        "task_weights": [chosen["weight_rul"], chosen["weight_health"]],
        "last_task_weights": [float(last["weight_rul"]), float(last["weight_health"])],
        # In words, and in how many steps; empty where every step was as it should be.
        "notes": dict(result.notes),
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
    write_atomically(folder.record, json.dumps(record, indent=2) + "\n")
    return record


def other_protocols(result: TrainingResult, data: Prepared) -> dict[str, dict[str, float]]:
    """What the same run would have been credited with under protocols that papers use.

    ``uncapped``: the last window of each test engine, against its true RUL as NASA gives it, above the cap too.
    ``all_windows``: every window of each test engine, labels capped, so that long-lived engines count more.
    ``best_test_epoch``: the epoch with the lowest test RMSE, which nobody can know without the answers.
    """
    max_rul = data.horizon.max_rul
    uncapped = evaluate(result.model, data.test.capped_at(None), max_rul=max_rul).scores()
    all_windows = evaluate(result.model, data.test_all, max_rul=max_rul).scores()
    best = result.history.iloc[int(result.history["test_rmse"].argmin())]
    return {
        "uncapped": uncapped,
        "all_windows": all_windows,
        "best_test_epoch": {
            "epoch": int(best["epoch"]),
            **{name: float(best[f"test_{name}"]) for name in uncapped},
        },
    }


def gradient_quartiles(probes: pd.DataFrame) -> dict[str, Any] | None:
    """Quartiles of norm ratio (RUL over health) and cosine over the probes of a run; None if it made none."""
    if probes.empty:
        return None
    measured = {"norm_ratio": probes["norm_rul"] / probes["norm_health"], "cosine": probes["cosine"]}
    quartiles = {
        name: dict(zip(("q1", "median", "q3"), values.quantile([0.25, 0.5, 0.75]).tolist(), strict=True))
        for name, values in measured.items()
    }
    return {"where": "all shared parameters", "probes": len(probes), **quartiles}


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure to ``path``, as its ending says or as PNG if it has none, and let go of it.

    Raises:
        ValueError: If the ending names no kind of picture.
    """
    with needed():
        import matplotlib.pyplot as plt

    try:
        kinds = figure.canvas.get_supported_filetypes()
        kind = Path(path).suffix.removeprefix(".").lower() or "png"
        if kind not in kinds:
            raise InputError(
                f"picture {str(path)!r} ends in .{kind}: it must end in one of {', '.join(sorted(kinds))}."
            )
        content = io.BytesIO()
        figure.savefig(content, format=kind)
        write_atomically(path, content.getvalue())
    finally:
        plt.close(figure)


def _why_finished(result: TrainingResult) -> str:
    done, config = len(result.history), result.config
    if done >= config.epochs:
        return f"all its epochs ({done}) are done. More epochs lengthen it; or give another folder"
    return (
        f"it stopped after epoch {done}, since {config.patience} epochs brought nothing better than epoch "
        f"{result.best_epoch}. More epochs change nothing: give another folder"
    )
