"""All that moves in a training run: kept in one file, and found again bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from rulbook._check import not_empty
from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.checkpoint import save_tensors
from rulbook.data import Prepared, Windows
from rulbook.errors import InputError
from rulbook.inference import require_finite_features
from rulbook.model import DualTaskModel
from rulbook.training.config import TrainingConfig
from rulbook.training.draws import Draws
from rulbook.training.step import Batch, Forward, step

__all__ = ["State", "require_labelled"]

_LOWEST_RATE = 5e-6


class State:
    """A training run between two steps.

    Every draw comes from generators of its own (:class:`~rulbook.training.draws.Draws`): the run is the same beside
    other threads, and nobody else's draws are moved.

    Args:
        data: What it trains on and what chooses the epoch.
        config: The settings.

    Attributes:
        model: The network that learns.
        average: The running average of its parameters; ``averaged`` is the network with these, which is judged.
        balancer: Weighs the tasks.
        epoch: How many epochs are finished.
        step: How many steps of the next one came before, of ``steps``.
        rows: The history: one row for each finished epoch.
        best: The averaged network of the epoch that the validation engines chose.

    Raises:
        ValueError: If the data cannot be trained on, or torch's default dtype is not float32.
    """

    def __init__(self, data: Prepared, config: TrainingConfig) -> None:
        _require_trainable(data)
        self.data, self.config, self.method = data, config, config.chosen_method
        self.label = f"{self.method.label}, seed {config.seed}"
        self.max_rul = data.horizon.max_rul
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.draws = Draws(config.seed, self.device)
        self.order = torch.Generator().manual_seed(config.seed)
        with self.draws:
            self.model = DualTaskModel(
                int(data.train.rows.shape[1]),
                config.model_config,
                initial_rul=float(np.mean(data.train.rul)),
                max_rul=self.max_rul,
                thresholds=data.horizon.thresholds,
                n_classes=len(data.horizon.classes),
            ).to(self.device)
            self.balancer: Balancer = self.method.balancer().to(self.device)
        self.average = AveragedModel(self.model, multi_avg_fn=_ramped_average(config.ema_decay), use_buffers=True)
        groups = [{"params": list(self.model.parameters()), "weight_decay": config.weight_decay}]
        if own := list(self.balancer.parameters()):
            groups.append({"params": own, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.warmup = torch.optim.lr_scheduler.LinearLR(
            self.optimizer, start_factor=0.1 if config.warmup_epochs else 1.0, total_iters=config.warmup_epochs
        )
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, factor=0.5, patience=config.plateau_patience, min_lr=_LOWEST_RATE
        )
        self.epoch, self.step, self.steps = 0, 0, 0
        self.rows = list[dict[str, float]]()
        self.best: dict[str, Tensor] = {}

    @property
    def averaged(self) -> DualTaskModel:
        """The network with the running average of the parameters."""
        found: DualTaskModel = self.average.module  # type: ignore[assignment]
        return found

    @property
    def learning_rate(self) -> float:
        """Of the coming step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def best_epoch(self) -> int:
        """The chosen epoch so far, counted from 1."""
        return 1 + int(np.argmin([row["validation_rmse"] for row in self.rows]))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or ``patience`` of them have brought nothing better."""
        patient = self.epoch == 0 or self.epoch - self.best_epoch < self.config.patience
        return self.epoch >= self.config.epochs or not patient

    def batches(self) -> list[Tensor]:
        """The positions of the training windows in a new random order, in batches."""
        order = torch.randperm(len(self.data.train), generator=self.order)
        batches = list(torch.split(order, self.config.batch_size))
        # A lone window cannot be normalised: it comes first some other time.
        return batches[:-1] if len(batches) > 1 and len(batches[-1]) < 2 else batches

    def train_on(self, batch: Batch, on_forward: Callable[[Forward], None] | None = None) -> StepReport:
        """One step, with the settings and draws of the run."""
        with self.draws:
            return step(
                self.model,
                batch,
                self.method,
                self.balancer,
                self.optimizer,
                clip_norm=self.config.clip_norm,
                precision=self.config.precision,
                average=self.average,
                on_forward=on_forward,
            )

    def end_epoch(self, row: dict[str, float]) -> None:
        """Add the row of an epoch that has been trained and scored: the learning rate moves, the best is chosen."""
        self.rows.append(row)
        if self.epoch <= self.config.warmup_epochs:
            self.warmup.step()
        else:
            self.plateau.step(row["validation_rmse"])
        if self.best_epoch == self.epoch:
            self.best = {name: tensor.detach().clone() for name, tensor in self.averaged.state_dict().items()}

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Write everything to one file, with further facts: whole, or not at all."""
        optimizer = self.optimizer.state_dict()
        tensors = {
            f"optimizer/{index}/{name}": value
            for index, values in optimizer["state"].items()
            for name, value in values.items()
        }
        for part_name, part in self._parts().items():
            tensors |= {f"{part_name}/{name}": value for name, value in part.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        tensors |= {f"rng/draws/{kind}": state for kind, state in self.draws.state().items()}
        tensors["rng/order"] = self.order.get_state()
        own = {
            "epoch": self.epoch,
            "rows": self.rows,
            "groups": optimizer["param_groups"],
            "warmup": self.warmup.state_dict(),
            "plateau": self.plateau.state_dict(),
        }
        save_tensors(path, tensors, {**facts, **own})

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from what :meth:`save` wrote.

        Raises:
            LookupError, RuntimeError, TypeError, ValueError: If that is another run's.
        """
        for name, part in self._parts().items():
            part.load_state_dict(_under(tensors, name))
        self.best = _under(tensors, "best")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(tensors, "optimizer").items():
            index, _, quantity = name.partition("/")
            moments.setdefault(int(index), {})[quantity] = value
        self.optimizer.load_state_dict({"state": moments, "param_groups": facts["groups"]})
        self.warmup.load_state_dict(facts["warmup"])
        self.plateau.load_state_dict(facts["plateau"])
        self.epoch, self.rows = facts["epoch"], facts["rows"]
        self.order.set_state(tensors["rng/order"])
        self.draws.restore(_under(tensors, "rng/draws"))

    def _parts(self) -> dict[str, nn.Module]:
        return {"model": self.model, "average": self.average, "balancer": self.balancer}


def require_labelled(name: str, windows: Windows) -> None:
    """Refuse windows that cannot be scored, in words of the data.

    Raises:
        ValueError: If they are none, a feature that one reads is not finite, or an RUL is not known.
    """
    not_empty(name, windows)
    require_finite_features(windows)
    unknown = np.flatnonzero(~np.isfinite(windows.rul.astype(np.float32)))
    if len(unknown):
        at = unknown[0]
        raise InputError(
            f"{name} has no RUL for engine {windows.unit[at]} at cycle {windows.cycle[at]} ({windows.rul[at]}): "
            "every window needs one."
        )


def _require_trainable(data: Prepared) -> None:
    """Say before training begins what would stop it."""
    train, validation = data.train, data.validation
    if len(train) < 2:
        raise InputError(f"train holds {len(train)} windows: batch normalisation needs two at least, and a run many.")
    if len(validation) == 0:
        raise InputError(
            "validation is empty: no engine chooses the epoch. Hold some out, with validation_fraction in prepare."
        )
    if validation.rows.shape[1] != train.rows.shape[1]:
        raise InputError(
            f"validation has {validation.rows.shape[1]} features but train has {train.rows.shape[1]}: they must agree."
        )
    require_labelled("train", train)
    require_labelled("validation", validation)
    if torch.get_default_dtype() != torch.float32:
        raise InputError(
            f"torch's default dtype is {torch.get_default_dtype()}: the network trains in float32. Call "
            "torch.set_default_dtype(torch.float32) before."
        )


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


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix`` and a slash, without it."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
