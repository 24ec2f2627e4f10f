"""One run from data to record: train, choose by validation engines, score the chosen model, write it all down.

The record also holds what the *same model* scores under other common protocols. Comparing those with ``test`` says how
much of a published number is protocol. None of them has a part in training or in choosing the epoch.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rulbook.checkpoint import versions
from rulbook.data import Prepared, Windows
from rulbook.data.tensors import upload
from rulbook.errors import InputError
from rulbook.files import write_atomically
from rulbook.inference import Evaluation, evaluate
from rulbook.metrics import rmse
from rulbook.runs.plots import learning_curves, predicted_against_true, save_figure
from rulbook.runs.record import (
    Band,
    ChosenByTest,
    Gradients,
    Machine,
    OtherProtocols,
    Quartiles,
    Record,
    Scores,
    write_record,
)
from rulbook.training import Observing, TrainingConfig, TrainingResult, Watch, train
from rulbook.training.keeping import run_identity
from rulbook.training.run_folder import RunFolder, held

__all__ = [
    "bands_of",
    "config_hash",
    "data_checksum",
    "gradient_quartiles",
    "other_protocols",
    "predictions_of",
    "run",
]

# What the windows of the test engines are called in the history: their scores stand in test_rmse and so on.
_TEST = "test"


def config_hash(config: TrainingConfig, data: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that change when anything that decides the result changes."""
    decisive = json.dumps({"config": config.to_dict(), "data": data}, sort_keys=True)
    return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def run(
    data: Prepared,
    config: TrainingConfig,
    folder: str | Path | RunFolder,
    *,
    resume: bool = False,
    progress: bool = True,
    observers: Sequence[Observing] = (),
) -> Record:
    """Train, evaluate once on the test engines, and leave model, curves, picture and record in ``folder``.

    Args:
        data: From :func:`rulbook.data.prepare`.
        config: The settings of the run.
        folder: Gets ``best.safetensors``, ``state.safetensors``, ``history.csv``, ``learning_curves.png``, where there
            are test engines ``predictions.csv`` and ``test_engines.png``, and, last of all, ``record.json``: a run with
            a record is a finished run. No other process may use it meanwhile.
        resume: Go on with an unfinished run in ``folder``, or lengthen a finished one to ``config.epochs``.
        progress: Show a progress bar.
        observers: What else looks on, as in :func:`rulbook.training.train`.

    Returns:
        The record, as :func:`rulbook.runs.record.read_record` gives it back.

    Raises:
        ValueError: If ``folder`` holds a finished run that is not to be lengthened, and as
            :func:`rulbook.training.train` does.
    """
    with held(folder) as own:
        assert own is not None
        return _run(data, config, own, resume, progress, observers)


def _run(
    data: Prepared,
    config: TrainingConfig,
    folder: RunFolder,
    resume: bool,
    progress: bool,
    observers: Sequence[Observing],
) -> Record:
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
        observers=[*([Watch(**{_TEST: data.test})] if len(data.test) else []), *observers],
    )
    # An epoch more would have taken the record away.
    if folder.record.exists():
        raise InputError(f"folder {str(folder)!r} holds a finished run: {_why_finished(result)}.")
    facts = data.describe()
    name = f"{facts['subset']}, {config.method_name}, seed {config.seed}"
    time_unit, thresholds = data.horizon.time_unit, data.horizon.thresholds
    save_figure(learning_curves(result.history, title=name, time_unit=time_unit), folder.path / "learning_curves.png")
    test = evaluate(result.model, data.test, max_rul=data.horizon.max_rul) if len(data.test) else None
    if test is not None:
        figure = predicted_against_true(test, title=name, time_unit=time_unit)
        save_figure(figure, folder.path / "test_engines.png")
        write_atomically(folder.predictions, predictions_of(test, data.test, data.horizon.classes).to_csv(index=False))
    chosen, last = (result.history.iloc[epoch - 1] for epoch in (result.best_epoch, len(result.history)))
    seconds = float(result.history["seconds"].sum())
    record = Record(
        data=_plain(facts),
        config=_plain(config.to_dict()),
        config_hash=config_hash(config, facts),
        selected_epoch=result.best_epoch,
        epochs=len(result.history),
        validation=_scores_in(chosen, "validation"),
        test=None if test is None else Scores.of(test.scores()),
        other_protocols=None if test is None else other_protocols(result, data),
        task_weights=_weights_in(chosen),
        last_task_weights=_weights_in(last),
        training_seconds=round(seconds, 1),
        windows_per_second=round(len(data.train) * len(result.history) / seconds, 1),
        # Without what a build adds, such as +cpu: that is the machine's.
        versions={package: version.partition("+")[0] for package, version in versions().items()},
        machine=Machine(
            device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            threads=torch.get_num_threads(),
            processor=platform.machine(),
            cores=os.cpu_count(),
            torch_build=torch.__version__,
        ),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        gradients=gradient_quartiles(result.probes),
        notes=dict(result.notes),
        wall_seconds=round(time.perf_counter() - started, 1),
        bands=() if test is None or thresholds is None else bands_of(test, thresholds),
        data_checksum=data_checksum(data),
        history=folder.history.name,
        predictions=None if test is None else folder.predictions.name,
    )
    write_record(folder.record, record)
    return record


def data_checksum(data: Prepared) -> str:
    """Twelve hexadecimal digits that change when any row or label changes that a run trains on or is judged by."""
    rows = json.dumps(run_identity(data)["rows"], sort_keys=True)
    return hashlib.sha256(rows.encode()).hexdigest()[:12]


def predictions_of(evaluation: Evaluation, windows: Windows, classes: Sequence[str]) -> pd.DataFrame:
    """The evaluation of ``windows`` as a table, one row each, as :func:`rulbook.runs.record.read_predictions` says."""
    probabilities = {
        f"probability_{name}": column.round(4)
        for name, column in zip(classes, evaluation.health_probabilities.astype(np.float64).T, strict=True)
    }
    columns = {
        "engine": windows.unit,
        "cycle": windows.cycle,
        "true_rul": windows.true_rul,
        "rul": evaluation.rul.round(3),
    }
    return pd.DataFrame({**columns, **probabilities})


def bands_of(evaluation: Evaluation, thresholds: Sequence[float]) -> tuple[Band, ...]:
    """Error and bias where the true RUL is low, where it is high, and between: as labelled, so at most the cap.

    Args:
        evaluation: One sample per engine.
        thresholds: Where the bands meet, in units of time; each belongs to the band below it.
    """
    bounds = [None, *sorted(thresholds), None]
    bands = []
    for above, up_to in pairwise(bounds):
        inside = np.ones(len(evaluation.rul), dtype=bool)
        if above is not None:
            inside &= evaluation.true_rul > above
        if up_to is not None:
            inside &= evaluation.true_rul <= up_to
        predicted, true = evaluation.rul[inside], evaluation.true_rul[inside]
        some = bool(inside.any())
        bands.append(
            Band(
                above,
                up_to,
                engines=int(inside.sum()),
                rmse=rmse(predicted, true) if some else None,
                bias=float(np.mean(predicted - true)) if some else None,
            )
        )
    return tuple(bands)


def other_protocols(result: TrainingResult, data: Prepared) -> OtherProtocols:
    """What the same run would have been credited with under protocols that papers use.

    Args:
        result: Of a training that watched the test engines.
        data: What it was trained on.
    """
    parts = upload([data.test.capped_at(None), data.test_all], next(result.model.parameters()).device)
    uncapped, all_windows = (
        Scores.of(evaluate(result.model, windows, max_rul=data.horizon.max_rul).scores()) for windows in parts
    )
    best = result.history.iloc[int(result.history[f"{_TEST}_rmse"].argmin())]
    at_best = ChosenByTest(**asdict(_scores_in(best, _TEST)), epoch=int(best["epoch"]))
    return OtherProtocols(uncapped, all_windows, at_best)


def gradient_quartiles(probes: pd.DataFrame) -> Gradients | None:
    """Quartiles of norm ratio (RUL over health) and cosine over the probes of a run; None if it made none."""
    if probes.empty:
        return None
    return Gradients(
        where="all shared parameters",
        probes=len(probes),
        norm_ratio=_quartiles(probes["norm_rul"] / probes["norm_health"]),
        cosine=_quartiles(probes["cosine"]),
    )


def _quartiles(values: pd.Series[float]) -> Quartiles:
    # A gradient of zero makes the ratio infinite, and the cosine no number.
    with np.errstate(invalid="ignore"):
        q1, median, q3 = (float(value) for value in values.quantile([0.25, 0.5, 0.75]))
    return Quartiles(*(value if math.isfinite(value) else None for value in (q1, median, q3)))


def _scores_in(row: pd.Series[float], part: str) -> Scores:
    """The scores of a part, as they stand in a row of the history."""
    return Scores.of({str(name).removeprefix(f"{part}_"): value for name, value in row.items()})


def _weights_in(row: pd.Series[float]) -> tuple[float, float]:
    return float(row["weight_rul"]), float(row["weight_health"])


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from the file, where a tuple is a list."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _why_finished(result: TrainingResult) -> str:
    done, config = len(result.history), result.config
    if done >= config.epochs:
        return f"all its epochs ({done}) are done. More epochs lengthen it; or give another folder"
    return (
        f"it stopped after epoch {done}, since {config.patience} epochs brought nothing better than epoch "
        f"{result.best_epoch}. More epochs change nothing: give another folder"
    )
