"""One loop for every method: the losses of the tasks come in, a balancer weighs them, one optimiser steps (14.4).

Nothing here asks which method runs. How samples are weighted is a number, ``w_max``; how tasks are weighted is the
method's balancer (:mod:`rulbook.gradients`). Validation *engines*, never seen in training, choose the epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from rulbook._check import above, at_least, one_of, whole, within
from rulbook.data import Prepared, Windows
from rulbook.evaluation import Evaluation, TensorWindows, evaluate
from rulbook.gradients import Balancer, StepReport, row_cosine, row_norms, task_gradients
from rulbook.losses import task_losses
from rulbook.methods import METHODS
from rulbook.model import PRESETS, DualTaskModel
from rulbook.run_folder import RunFolder, held
from rulbook.training_state import ResumableRun

__all__ = ["Evaluation", "TrainingConfig", "TrainingResult", "evaluate", "train"]


@dataclass(frozen=True)
class TrainingConfig:
    """What decides a run, besides the data.

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

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        one_of("preset", self.preset, PRESETS)
        for name, low in {"seed": 0, "epochs": 1, "batch_size": 2, "warmup_epochs": 0, "patience": 1}.items():
            whole(name, getattr(self, name), low)
        for name in ("plateau_patience", "probe_every"):
            whole(name, getattr(self, name), 0)
        above("learning_rate", self.learning_rate, 0)
        at_least("weight_decay", self.weight_decay, 0)
        above("clip_norm", self.clip_norm, 0)
        within("ema_decay", self.ema_decay, 0, 1)


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and how it got there.

    Attributes:
        model: The averaged weights of the epoch that the validation engines chose, in evaluation mode.
        history: One row per epoch: losses, task weights, norm ratio, learning rate, validation scores, seconds.
        best_epoch: The chosen epoch, counted from 1.
        config: The settings of the run.
        probes: One row per probe: epoch, step of the epoch, ``norm_rul``, ``norm_health`` and ``cosine`` of the task
            gradients on all shared parameters, for the losses that the method trains on.
    """

    model: DualTaskModel
    history: pd.DataFrame
    best_epoch: int
    config: TrainingConfig
    probes: pd.DataFrame


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

    Args:
        data: Windows of training and validation engines, from :func:`rulbook.data.prepare`.
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
            settings, its rows, its split, or the versions of rulbook and torch; if another process trains into it.
    """
    run = _Run(data, config or TrainingConfig(), None if folder is None else Path(folder), watched or {})
    # Dropout draws from torch's global generator and from no other: fork it, so that the caller's is left as it was.
    with held(folder), torch.random.fork_rng(devices=[]):
        run.start(resume)
        bar = tqdm(total=run.config.epochs, initial=run.epoch, desc=run.label, unit="epoch", disable=not progress)
        with bar:
            while not run.finished():
                row = run.one_epoch(bar)
                if on_epoch is not None:
                    on_epoch(row)
    return run.result()


class _Run(ResumableRun):
    """The moving parts of one training run, and how they are kept and found again."""

    def __init__(
        self, data: Prepared, config: TrainingConfig, folder: Path | None, watched: Mapping[str, Windows]
    ) -> None:
        self.data, self.config, self.folder = data, config, folder
        self.evaluated = {"validation": data.validation, **watched}
        self.method = METHODS[config.method]
        self.label = f"{self.method.label}, seed {config.seed}"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.windows = TensorWindows(data.train, self.device)
        self.max_rul = data.horizon.max_rul
        self.epoch, self.rows, self.probes = 0, list[dict[str, float]](), list[dict[str, float]]()
        self.best: dict[str, Tensor] = {}

    def start(self, resume: bool) -> None:
        kept = self._found(resume)
        torch.manual_seed(self.config.seed)
        self._build()
        if kept is not None:
            self._restore(*kept)

    def _build(self) -> None:
        config, mean_rul = self.config, float(np.mean(self.data.train.rul))
        n_features = int(self.data.train.rows.shape[1])
        self.model = DualTaskModel(n_features, config.preset, initial_rul=mean_rul).to(self.device)
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
        steps = [self._step(step, index) for step, index in enumerate(self._progress(self._batches(), bar))]
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
        bar.set_postfix_str(f"validation RMSE {row['validation_rmse']:.2f}, best {best:.2f} cycles")
        return row

    def _batches(self) -> list[Tensor]:
        order = torch.randperm(len(self.windows), generator=self.order)
        batches = list(torch.split(order, self.config.batch_size))
        # Batch normalisation cannot normalise a lone window.
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 else batches

    def _progress(self, batches: list[Tensor], bar: tqdm[Any]) -> Iterator[Tensor]:
        for done, index in enumerate(batches):
            bar.set_postfix_str(f"batch {done + 1}/{len(batches)}", refresh=done % 5 == 0)
            yield index

    def _step(self, step: int, index: Tensor) -> StepReport:
        self.model.train()
        representation = self.model.encode(self.windows.x(index))
        rul, health_logits = self.model.heads(representation)
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
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm, error_if_nonfinite=True)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return report

    def _parts(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self.average, "balancer": self.balancer}

    def _random_states(self) -> dict[str, Tensor]:
        states = {"dropout": torch.get_rng_state(), "order": self.order.get_state()}
        return states | ({"cuda": torch.cuda.get_rng_state()} if self.device.type == "cuda" else {})

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        self.order.set_state(states["order"])
        torch.set_rng_state(states["dropout"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"])

    def result(self) -> TrainingResult:
        self.model.load_state_dict(self.best)
        history, probes = pd.DataFrame(self.rows), pd.DataFrame(self.probes)
        return TrainingResult(self.model.eval(), history, self.best_epoch(), self.config, probes)


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
    losses = torch.stack([step.losses for step in steps]).mean(dim=0).tolist()
    weights = torch.stack([step.weights for step in steps]).mean(dim=0).tolist()
    norms = [step.norms for step in steps if step.norms is not None]
    cosines = [step.cosine for step in steps if step.cosine is not None]
    row = dict(zip(("loss_rul", "loss_health", "weight_rul", "weight_health"), [*losses, *weights], strict=True))
    if norms:
        table = torch.stack(norms)
        row["norm_ratio"] = float((table[:, 0] / table[:, 1]).nanmedian())
    if cosines:
        row["cosine"] = float(np.median(cosines))
    return row
