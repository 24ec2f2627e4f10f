"""One loop for every method: the losses of the tasks come in, a balancer weighs them, one optimiser steps (14.4).

Nothing here asks which method runs. How samples are weighted is a number, ``w_max``; how tasks are weighted is the
method's balancer (:mod:`rulbook.gradients`). Validation *engines*, never seen in training, choose the epoch.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from rulbook._check import above, at_least, not_empty, one_of, whole, within
from rulbook.data import Prepared, Windows
from rulbook.errors import InputError
from rulbook.evaluation import Evaluation, TensorWindows, evaluate, require_finite_features
from rulbook.gradients import Balancer, StepReport, row_cosine, row_norms, task_gradients
from rulbook.losses import task_losses
from rulbook.methods import METHODS
from rulbook.model import PRESETS, DualTaskModel
from rulbook.training.draws import Draws
from rulbook.training.run_folder import RunFolder, held
from rulbook.training.state import ResumableRun, under

__all__ = ["PRECISIONS", "Evaluation", "TrainingConfig", "TrainingResult", "evaluate", "train"]

PRECISIONS = ("fp32", "bf16")
"""What the network computes in."""

_LOWEST = {
    0: ("seed", "warmup_epochs", "plateau_patience", "probe_every"),
    1: ("epochs", "patience"),
    # Batch normalisation cannot normalise a lone window.
    2: ("batch_size",),
}
_LARGEST_WHOLE = 2**32 - 1
"""The largest seed that NumPy and scikit-learn take, which split and prepare the data of a run."""
_LARGEST = 1e30
"""Of what is multiplied with a weight: float32 ends at 3.4e38, and AdamW needs room for its own factors."""


@dataclass(frozen=True)
class TrainingConfig:
    """What decides a run, besides the data.

    Whole numbers may come as 3.0, and are kept as 3.

    Attributes:
        method: A name in :data:`rulbook.methods.METHODS`.
        preset: A name in :data:`rulbook.model.PRESETS`.
        seed: Decides the initial weights, the order of the batches and the dropout.
        epochs: At most so many passes over the training windows.
        batch_size: Windows per step.
        learning_rate: Of AdamW, after the warm-up.
        weight_decay: Of AdamW.
        warmup_epochs: Epochs over which the learning rate rises from a tenth.
        plateau_patience: Epochs without a better validation RMSE before the learning rate halves.
        patience: Epochs without a better validation RMSE before training stops.
        clip_norm: Largest norm of the joint gradient.
        ema_decay: Decay per step of the weight average that is evaluated and kept; 0 turns it off.
        probe_every: Measure both task gradients on all shared parameters at every so many steps of an epoch, for the
            record, whatever the method itself measures; 0 never. A probe costs two backward passes and changes nothing.
        precision: ``"fp32"``, or ``"bf16"``: what both tasks share computes in bfloat16 where PyTorch's autocast deems
            that safe. Weights and their gradients, heads, losses, averages and every evaluation stay in float32.

    Raises:
        ValueError: If a value is out of its range.
    """

    method: str = "amnl"
    preset: str = "compact"
    seed: int = 0
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: int = 2
    plateau_patience: int = 3
    patience: int = 8
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    probe_every: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        one_of("preset", self.preset, PRESETS)
        one_of("precision", self.precision, PRECISIONS)
        checked: dict[str, float] = {
            name: whole(name, whole(name, getattr(self, name), low), low, _LARGEST_WHOLE)
            for low, names in _LOWEST.items()
            for name in names
        }
        for name in ("learning_rate", "clip_norm"):
            checked[name] = within(name, above(name, getattr(self, name), 0), 0, _LARGEST)
        checked["weight_decay"] = within("weight_decay", at_least("weight_decay", self.weight_decay, 0), 0, _LARGEST)
        checked["ema_decay"] = within("ema_decay", self.ema_decay, 0, 1)
        for name, value in checked.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and how it got there.

    Attributes:
        model: The averaged weights of the epoch that the validation engines chose, in evaluation mode.
        history: One row per epoch: losses, task weights, norm ratio, ``noted_steps`` (steps that were not as they
            should be), learning rate, validation scores, seconds.
        best_epoch: The chosen epoch, counted from 1.
        config: The settings of the run.
        probes: One row per probe: epoch, step of the epoch, ``norm_rul``, ``norm_health`` and ``cosine`` of the task
            gradients on all shared parameters, for the losses that the method trains on.
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
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    watched: Mapping[str, Windows] | None = None,
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
        on_epoch: Called with each new row of the history.
        watched: Other windows, by name, to score after every epoch for the record: ``{"test": data.test}`` adds
            ``test_rmse`` and the rest to the history. They choose nothing.

    Raises:
        ValueError: If ``folder`` holds a run already and ``resume`` is off; if the run there is another one, by its
            settings, its rows, its split, or the versions of rulbook and torch; if another process trains into it; if
            no engine validates, or windows are too few, not finite or do not fit each other; if a gradient overflows or
            the memory does not suffice; if torch's default dtype is not float32. What was finished before is kept in
            ``folder``.

    Warns:
        UserWarning: At the first step of each kind that was not as it should be; see ``notes`` of the result.
    """
    config = config or TrainingConfig()
    # What is wrong with the data is said before a folder is made.
    with _memory_explained(config):
        run = _Run(data, config, None if folder is None else Path(folder), watched or {})
    with held(folder):
        with _memory_explained(config):
            run.start(resume)
        bar = tqdm(total=run.config.epochs, initial=run.epoch, desc=run.label, unit="epoch", disable=not progress)
        with bar:
            while not run.finished():
                with _memory_explained(config):
                    row = run.one_epoch(bar)
                if on_epoch is not None:
                    on_epoch(dict(row))  # A copy: what the callback writes into it stays out of the run.
    return run.result()


class _Run(ResumableRun):
    """The moving parts of one training run, and how they are kept and found again."""

    def __init__(
        self, data: Prepared, config: TrainingConfig, folder: Path | None, watched: Mapping[str, Windows]
    ) -> None:
        self.data, self.config, self.folder = data, config, folder
        if "validation" in watched:
            raise InputError("watched names 'validation': those windows choose the epoch. Give it another name.")
        if torch.get_default_dtype() != torch.float32:
            raise InputError(
                f"torch's default dtype is {torch.get_default_dtype()}: the network trains in float32. Call "
                "torch.set_default_dtype(torch.float32) before."
            )
        self.evaluated = {"validation": data.validation, **watched}
        _require_trainable(data.train, self.evaluated)
        self.method = METHODS[config.method]
        self.label = f"{self.method.label}, seed {config.seed}"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.windows = TensorWindows(data.train, self.device)
        self.max_rul = data.horizon.max_rul
        self.draws = Draws(config.seed, self.device)
        self.epoch, self.rows, self.probes = 0, list[dict[str, float]](), list[dict[str, float]]()
        self.notes = dict[str, int]()
        self.best: dict[str, Tensor] = {}

    def start(self, resume: bool) -> None:
        kept = self._found(resume)
        with self.draws:
            self._build()
        if kept is not None:
            self._restore(*kept)

    def _build(self) -> None:
        config, mean_rul = self.config, float(np.mean(self.data.train.rul))
        n_features = int(self.data.train.rows.shape[1])
        horizon = self.data.horizon
        self.model = DualTaskModel(
            n_features,
            config.preset,
            initial_rul=mean_rul,
            max_rul=horizon.max_rul,
            thresholds=horizon.thresholds,
            n_classes=len(horizon.classes),
        ).to(self.device)
        self.balancer: Balancer = self.method.make_balancer().to(self.device)
        self.average = AveragedModel(self.model, multi_avg_fn=_ramped_average(config.ema_decay), use_buffers=True)
        groups = [{"params": list(self.model.parameters()), "weight_decay": config.weight_decay}]
        if own := list(self.balancer.parameters()):
            groups.append({"params": own, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.warmup = torch.optim.lr_scheduler.LinearLR(
            self.optimizer, start_factor=0.1 if config.warmup_epochs else 1.0, total_iters=config.warmup_epochs
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, factor=0.5, patience=config.plateau_patience, min_lr=5e-6
        )
        self.order = torch.Generator().manual_seed(config.seed)

    def finished(self) -> bool:
        if self.epoch >= self.config.epochs:
            return True
        return self.epoch > 0 and self.epoch - self.best_epoch() >= self.config.patience

    def best_epoch(self) -> int:
        return 1 + int(np.argmin([row["validation_rmse"] for row in self.rows]))

    def one_epoch(self, bar: tqdm[Any]) -> dict[str, float]:
        started = time.perf_counter()
        learning_rate = self.optimizer.param_groups[0]["lr"]
        steps = list[StepReport]()
        for step, index in enumerate(self._progress(self._batches(), bar)):
            with self.draws:
                steps.append(self._step(step, index))
            self._take_note(steps[-1].note, bar)
        self.balancer.end_epoch()
        self.epoch += 1
        evaluated: DualTaskModel = self.average.module  # type: ignore[assignment]
        row = {
            "epoch": self.epoch,
            **_summary(steps),
            **{
                f"{part}_{name}": value
                for part, windows in self.evaluated.items()
                for name, value in evaluate(evaluated, windows, max_rul=self.max_rul).scores().items()
            },
            "learning_rate": learning_rate,
            "seconds": time.perf_counter() - started,
        }
        self.rows.append(row)
        if self.epoch <= self.config.warmup_epochs:
            self.warmup.step()
        else:
            self.plateau.step(row["validation_rmse"])
        if self.best_epoch() == self.epoch:
            self.best = {name: tensor.detach().clone() for name, tensor in evaluated.state_dict().items()}
        self._keep()
        best = self.rows[self.best_epoch() - 1]["validation_rmse"]
        bar.update()
        bar.set_postfix_str(
            f"validation RMSE {row['validation_rmse']:.2f}, best {best:.2f} {self.data.horizon.time_unit}s"
        )
        return row

    def _batches(self) -> list[Tensor]:
        order = torch.randperm(len(self.windows), generator=self.order)
        batches = list(torch.split(order, self.config.batch_size))
        # A lone window cannot be normalised: it comes first some other time.
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 else batches

    def _progress(self, batches: list[Tensor], bar: tqdm[Any]) -> Iterator[Tensor]:
        for done, index in enumerate(batches):
            bar.set_postfix_str(f"batch {done + 1}/{len(batches)}", refresh=done % 5 == 0)
            yield index

    def _step(self, step: int, index: Tensor) -> StepReport:
        self.model.train()
        # Autocast keeps the weights that it has rounded until the outermost of its blocks ends, and there is one around
        # the run: without this the next step would compute with the weights of the last.
        torch.clear_autocast_cache()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            representation = self.model.encode(self.windows.x(index))
        # Between 64 and 128 cycles bfloat16 counts in halves: heads and losses stay in float32.
        representation = representation.float()
        rul, health_logits = self.model.heads(representation)
        if not bool(torch.isfinite(rul).all() & torch.isfinite(health_logits).all()):
            raise InputError(self._diverged(step, "the network answers NaN or infinity"))
        index = index.to(self.device)
        scale = self.method.rul_scale
        losses = task_losses(
            rul / scale,
            health_logits,
            self.windows.rul[index] / scale,
            self.windows.health[index],
            max_rul=self.max_rul / scale,
            w_max=self.method.w_max,
        )
        if self.config.probe_every and step % self.config.probe_every == 0:
            gradients = task_gradients(losses, self.model.shared_parameters())
            (norm_rul, norm_health), cosine = row_norms(gradients).tolist(), row_cosine(gradients)
            probe = {"epoch": self.epoch + 1, "step": step, "norm_rul": norm_rul, "norm_health": norm_health}
            self.probes.append({**probe, "cosine": cosine})
        self.optimizer.zero_grad(set_to_none=True)
        report = self.balancer.backward(
            losses,
            shared=self.model.shared_parameters(),
            representation=representation,
            last_shared=self.model.last_shared_parameters(),
        )
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        if not bool(torch.isfinite(norm)):
            said = ", ".join(f"{loss:.3g}" for loss in losses.tolist())
            raise InputError(self._diverged(step, f"losses of {said} have a gradient of norm {float(norm)}"))
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return report

    def _diverged(self, step: int, what: str) -> str:
        config = self.config
        return (
            f"training diverged: in epoch {self.epoch + 1}, step {step + 1}, {what}. Lower learning_rate (it is "
            f"{config.learning_rate:g}){'' if config.precision == 'fp32' else ', or leave precision at fp32'}."
        )

    def _take_note(self, note: str | None, bar: tqdm[Any]) -> None:
        """Count what a step noted, and say each kind once."""
        for remark in filter(None, (note or "").split("; ")):
            kind = re.sub(r"\d+(\.\d+)?e[+-]?\d+|\d+\.\d+", "…", remark)
            if kind not in self.notes:
                with bar.external_write_mode():
                    warnings.warn(
                        f"{self.label}, epoch {self.epoch + 1}: {remark}. Said once; counted in the history.",
                        stacklevel=5,
                    )
            self.notes[kind] = self.notes.get(kind, 0) + 1

    def _parts(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self.average, "balancer": self.balancer}

    def _random_states(self) -> dict[str, Tensor]:
        draws = {f"draws/{kind}": state for kind, state in self.draws.state().items()}
        return {"order": self.order.get_state(), **draws}

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        self.order.set_state(states["order"])
        self.draws.restore(under(states, "draws"))

    def _further_facts(self) -> dict[str, Any]:
        return {"notes": self.notes}

    def _set_further_facts(self, facts: dict[str, Any]) -> None:
        self.notes = facts["notes"]

    def result(self) -> TrainingResult:
        self.model.load_state_dict(self.best)
        history, probes = pd.DataFrame(self.rows), pd.DataFrame(self.probes)
        return TrainingResult(self.model.eval(), history, self.best_epoch(), self.config, probes, self.notes)


def _require_trainable(train: Windows, evaluated: Mapping[str, Windows]) -> None:
    """Say before training begins what would stop it, in words of the data."""
    if len(train) < 2:
        raise InputError(f"train holds {len(train)} windows: batch normalisation needs two at least, and a run many.")
    if len(evaluated["validation"]) == 0:
        raise InputError(
            "validation is empty: no engine chooses the epoch. Hold some out, with validation_fraction in prepare."
        )
    for name, windows in {"train": train, **evaluated}.items():
        not_empty(name, windows)
        if windows.rows.shape[1] != train.rows.shape[1]:
            raise InputError(
                f"{name} has {windows.rows.shape[1]} features but train has {train.rows.shape[1]}: they must agree."
            )
        require_finite_features(windows)
        unknown = np.flatnonzero(~np.isfinite(windows.rul.astype(np.float32)))
        if len(unknown):
            at = unknown[0]
            raise InputError(
                f"{name} has no RUL for engine {windows.unit[at]} at cycle {windows.cycle[at]} ({windows.rul[at]}): "
                "every window needs one."
            )


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


def _ramped_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average whose decay starts low, so that the random initial weights are soon forgotten."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], steps: Tensor | int) -> None:
        now = min(decay, (1.0 + float(steps)) / (10.0 + float(steps)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1.0 - now)
            else:
                mean.copy_(value)

    return update


def _summary(steps: list[StepReport]) -> dict[str, float]:
    """What an epoch's steps come to: mean losses and task weights, median norm ratio and cosine where measured."""
    # A task that is absent from a batch has no loss there.
    losses = torch.stack([step.losses for step in steps]).nanmean(dim=0).tolist()
    weights = torch.stack([step.weights for step in steps]).mean(dim=0).tolist()
    norms = [step.norms for step in steps if step.norms is not None]
    cosines = [step.cosine for step in steps if step.cosine is not None]
    row = dict(zip(("loss_rul", "loss_health", "weight_rul", "weight_health"), [*losses, *weights], strict=True))
    if norms:
        table = torch.stack(norms)
        row["norm_ratio"] = float((table[:, 0] / table[:, 1]).nanmedian())
    if cosines:
        row["cosine"] = float(np.median(cosines))
    row["noted_steps"] = float(sum(step.note is not None for step in steps))
    return row
