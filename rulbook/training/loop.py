"""The loop: epochs of steps, scored by validation *engines* that training never sees, which choose the epoch.

What a step does is in :func:`rulbook.training.step`, what moves in :mod:`rulbook.training.state`, what is shown and
recorded in :mod:`rulbook.training.observers`, and what is written to a folder in :mod:`rulbook.training.keeping`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from rulbook.data import Prepared
from rulbook.data.tensors import TensorWindows, upload
from rulbook.errors import InputError
from rulbook.inference import evaluate
from rulbook.model import DualTaskModel
from rulbook.training.config import TrainingConfig
from rulbook.training.keeping import Keeper
from rulbook.training.observers import Notes, Observer, Observing, Probe, ProgressBar, Steps, observers_of
from rulbook.training.run_folder import RunFolder, held
from rulbook.training.state import State
from rulbook.training.step import DivergedError, Forward

__all__ = ["TrainingResult", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and how it got there.

    Attributes:
        model: The averaged weights of the epoch that the validation engines chose, in evaluation mode.
        history: One row per epoch: losses, task weights, norm ratio, ``noted_steps`` (steps that were not as they
            should be), validation scores and those of watched windows, learning rate, seconds.
        best_epoch: The chosen epoch, counted from 1.
        config: The settings of the run.
        probes: What the :class:`~rulbook.training.observers.Probe` of ``config.probe_every`` measured, one row each:
            epoch, step of the epoch, ``norm_rul``, ``norm_health`` and ``cosine`` of the task gradients on all shared
            parameters, for the losses that the method trains on.
        notes: What was unusual, in words, and in how many steps: a task left out of a step, a gradient of zero. Notes
            that differ in a measured number only count as one.
    """

    model: DualTaskModel
    history: pd.DataFrame
    best_epoch: int
    config: TrainingConfig
    probes: pd.DataFrame
    notes: dict[str, int] = field(default_factory=dict)


@contextmanager
def _settings_of_its_own() -> Iterator[None]:
    """What the caller has switched on around a run does not reach it: ``no_grad``, inference mode, autocast."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        yield


@_settings_of_its_own()
def train(
    data: Prepared,
    config: TrainingConfig | None = None,
    *,
    folder: str | Path | RunFolder | None = None,
    resume: bool = False,
    progress: bool = True,
    observers: Iterable[Observing] = (),
) -> TrainingResult:
    """Train a :class:`~rulbook.model.DualTaskModel` and keep the epoch that validation engines choose.

    Every draw comes from generators of the run's own (:class:`~rulbook.training.draws.Draws`): the result is the same
    beside other threads, and nobody else's draws are moved.

    Args:
        data: Windows of training and validation engines, from :func:`rulbook.data.prepare`. Test engines are not
            needed.
        config: The settings; the default trains AMNL on the compact preset.
        folder: Where to keep ``best.safetensors`` (the model), ``state.safetensors`` (to go on after a stop) and
            ``history.csv``. Without it nothing is written. While it trains, no other process may train into it.
        resume: Go on from ``state.safetensors`` in ``folder``. The weights come out bit for bit as without the stop. A
            run that has done all its epochs goes on where ``config.epochs`` is raised.
        progress: Show a progress bar.
        observers: What else looks on (:mod:`rulbook.training.observers`), such as
            :class:`~rulbook.training.observers.Watch`; a function is called with each new row of the history.

    Raises:
        ValueError: If ``folder`` holds a run already and ``resume`` is off; if the run there is another one, by its
            settings, its observers, its rows, its split, or the versions of rulbook and torch; if another process
            trains into it; if no engine validates, or windows are too few, not finite or do not fit each other; if a
            gradient overflows or the memory does not suffice; if torch's default dtype is not float32. What was
            finished before is kept in ``folder``.

    Warns:
        UserWarning: At the first step of each kind that was not as it should be; see ``notes`` of the result.
    """
    config = config or TrainingConfig()
    notes, probes = Notes(), [Probe(config.probe_every)] if config.probe_every else []
    looking = [notes, *probes, *observers_of(observers), *([ProgressBar()] if progress else [])]
    # What is wrong with the data is said before a folder is made.
    with _memory_explained(config):
        run = State(data, config)
        # Once for the whole run: no epoch uploads anything.
        train_on, judge_on = upload([data.train, data.validation], run.device)
    with held(folder) as place, _ended(looking):
        keeper = None if place is None else Keeper(place, run, looking)
        if keeper is not None:
            keeper.find(resume=resume)
        for observer in looking:
            observer.on_begin(run)
        while not run.finished:
            with _memory_explained(config):
                row = _one_epoch(run, train_on, judge_on, looking)
                if keeper is not None:
                    keeper.keep()
            for observer in looking:
                observer.on_epoch(dict(row), run)
    run.model.load_state_dict(run.best)
    history, probed = pd.DataFrame(run.rows), probes[0].frame() if probes else pd.DataFrame()
    return TrainingResult(run.model.eval(), history, run.best_epoch, config, probed, notes.counts)


def train_epoch(run: State, windows: TensorWindows, observers: Sequence[Observer]) -> Steps:
    """One pass over the training windows; what its steps saw."""
    batches, steps, on_forward = run.batches(), Steps(), _forward_observer(run, observers)
    run.steps = len(batches)
    for run.step, index in enumerate(batches):
        with _divergence_explained(run):
            report = run.train_on(windows.batch(index), on_forward)
        steps.record(report)
        for observer in observers:
            observer.on_step(report, run)
    run.balancer.end_epoch()
    run.epoch += 1
    return steps


def _one_epoch(
    run: State, train_on: TensorWindows, judge_on: TensorWindows, observers: Sequence[Observer]
) -> dict[str, float]:
    started, learning_rate = time.perf_counter(), run.learning_rate
    steps = train_epoch(run, train_on, observers)
    scores = evaluate(run.averaged, judge_on, max_rul=run.max_rul).scores()
    row: dict[str, float] = {"epoch": run.epoch, **steps.summary()}
    row |= {f"validation_{name}": value for name, value in scores.items()}
    for observer in observers:
        row |= observer.columns(run)
    row |= {"learning_rate": learning_rate, "seconds": time.perf_counter() - started}
    run.end_epoch(row)
    return row


def _forward_observer(run: State, observers: Sequence[Observer]) -> Callable[[Forward], None] | None:
    """Those who look between the two passes, as one, whose draws are not the run's; None if there are none."""
    looking = [observer for observer in observers if type(observer).on_forward is not Observer.on_forward]
    if not looking:
        return None

    def on_forward(seen: Forward) -> None:
        before = run.draws.state()
        for observer in looking:
            observer.on_forward(seen, run)
        run.draws.restore(before)

    return on_forward


@contextmanager
def _ended(observers: Sequence[Observer]) -> Iterator[None]:
    try:
        yield
    finally:
        for observer in observers:
            observer.on_end()


@contextmanager
def _divergence_explained(run: State) -> Iterator[None]:
    """Say where a run diverged, and what to lower."""
    try:
        yield
    except DivergedError as error:
        precision = "" if run.config.precision == "fp32" else ", or leave precision at fp32"
        raise DivergedError(
            f"training diverged: in epoch {run.epoch + 1}, step {run.step + 1}, {error}. Lower learning_rate (it is "
            f"{run.config.learning_rate:g}){precision}."
        ) from error


@contextmanager
def _memory_explained(config: TrainingConfig) -> Iterator[None]:
    """Turn PyTorch's several words for a full memory into one sentence that says what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        full = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
        if not full:
            raise
        raise InputError(
            f"the memory does not suffice for batch_size {config.batch_size} with preset {config.preset!r}: lower the "
            "one, or take a smaller preset."
        ) from error
