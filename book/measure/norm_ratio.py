"""How hard the two tasks pull on the shared parameters on FD001.

The plain loss (half MSE, half cross-entropy) on the compact network, every batch of 256 windows:

* ``fresh``: networks that have not been trained, one for each of three seeds, all batches of one epoch;
* ``runs``: the same while the network trains, with the RUL in cycles (method ``baseline``) and with predictions and
  targets divided by 125 (method ``scaled_targets``). Each epoch keeps quantiles of the ratio of the norms at four
  places (all shared parameters, the last shared layer, the representation, the outputs of the heads), of the cosine,
  and of the joint gradient that is clipped at 1; the first and the last epoch keep every value;
* ``whole``: the task gradients averaged over all batches of an epoch while the parameters stand still, and their norms
  beside the norms of single batches;
* ``steps``, in cycles: of the step that AdamW makes of the clipped sum on the shared parameters, the share of the best
  step of its length that each task gets (the cosine between the step and the task's own way down), the same for a step
  along the plain sum, and in how many steps the loss of the batch rose, with the heads and the dropout mask held;
* ``without_warmup``: the run in cycles once more, with the full learning rate from the first step on. (The others rise
  to it as ``rulbook train`` does: a tenth in the first epoch, 0.55 in the second, all of it from the third on.)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.course.measurement import Bench, digits, measurement
from rulbook.data import Prepared, Windows, prepare
from rulbook.gradients import task_gradient_norms, task_gradients
from rulbook.inference import evaluate
from rulbook.losses import task_losses
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.training import Forward, Steps, TrainingConfig, step
from rulbook.weighting import FixedWeights

QUANTILES = {"min": 0, "p5": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "p95": 0.95, "max": 1}
PLACES = ("shared", "last_layer", "representation")
WHOLE_AFTER = (0, 1, 3, 10)
"""After how many epochs the gradient of the whole training set is taken."""


def quantiles(values: list[float] | np.ndarray) -> dict[str, float]:
    """Seven quantiles, to four digits."""
    return {name: digits(np.quantile(values, q)) for name, q in QUANTILES.items()}


def fresh_model(data: Prepared, seed: int) -> DualTaskModel:
    """The network as ``rulbook train`` starts it."""
    torch.manual_seed(seed)
    n_features = int(data.train.rows.shape[1])
    return DualTaskModel(n_features, "compact", initial_rul=float(np.mean(data.train.rul))).train()


def batches(windows: Windows, order: torch.Generator, size: int = 256) -> list[Tensor]:
    """All windows once, in random order; the last batch is smaller."""
    return list(torch.split(torch.randperm(len(windows), generator=order), size))


class Probe:
    """The forward pass of one batch, as a step makes it."""

    def __init__(self, model: DualTaskModel, windows: Windows, scale: float = 1.0) -> None:
        self.model, self.windows, self.scale = model, windows, scale

    def forward(self, index: Tensor) -> Forward:
        """The windows in ``index``, and both task losses with predictions and targets divided by ``scale``."""
        x, rul, health = self.windows.tensors(index.numpy())
        representation = self.model.encode(x)
        rul_hat, logits = self.model.heads(representation)
        losses = task_losses(rul_hat / self.scale, logits, rul / self.scale, health)
        return Forward((x, rul, health), representation, rul_hat, logits, losses)


def cheap(made: Forward, model: DualTaskModel) -> dict[str, Tensor]:
    """Norms where only the heads, or the heads and one layer, have to be crossed."""
    return {
        "outputs": torch.stack(
            [
                torch.autograd.grad(loss, output, retain_graph=True)[0].norm()
                for loss, output in zip(made.losses, (made.rul, made.health_logits), strict=True)
            ]
        ),
        "representation": task_gradient_norms(made.losses, [made.representation]),
        "last_layer": task_gradient_norms(made.losses, model.last_shared_parameters()),
    }


def fresh(data: Prepared, seed: int, most: int | None = None) -> dict[str, list[float]]:
    """Every batch (or the first few) through a network that does not train: both norms at all places, and cosines."""
    model = fresh_model(data, seed)
    probe = Probe(model, data.train)
    seen: dict[str, list[float]] = defaultdict(list)
    for index in batches(data.train, torch.Generator().manual_seed(seed))[:most]:
        made = probe.forward(index)
        found = cheap(made, model)
        rows = task_gradients(made.losses, model.shared_parameters())
        found["shared"] = rows.norm(dim=1)
        for place, (first, second) in found.items():
            seen[f"{place} rul"].append(digits(first))
            seen[f"{place} health"].append(digits(second))
        seen["cosine"].append(digits(torch.cosine_similarity(rows[0], rows[1], dim=0)))
    return dict(seen)


def ratios(seen: dict[str, list[float]], place: str) -> np.ndarray:
    """Norm of RUL over norm of health, batch by batch."""
    return np.array(seen[f"{place} rul"]) / np.array(seen[f"{place} health"])


def summary(seen: dict[str, list[float]]) -> dict[str, Any]:
    """The quantiles of what the batches of an epoch showed."""
    return {
        "ratio": {place: quantiles(ratios(seen, place)) for place in (*PLACES, "outputs")},
        "norm_rul": quantiles(seen["shared rul"]),
        "norm_health": quantiles(seen["shared health"]),
        "cosine": quantiles(seen["cosine"]),
    }


def whole_gradient(probe: Probe, seed: int) -> dict[str, float]:
    """Average both task gradients over every batch while the parameters stand still; compare with single batches."""
    state = {name: value.clone() for name, value in probe.model.state_dict().items()}
    rng = torch.get_rng_state()
    total: Tensor | None = None
    norms, count = [], 0
    for index in batches(probe.windows, torch.Generator().manual_seed(seed)):
        rows = task_gradients(probe.forward(index).losses, probe.model.shared_parameters())
        norms.append(rows.norm(dim=1))
        total = rows * len(index) + (0 if total is None else total)
        count += len(index)
    probe.model.load_state_dict(state)  # the running means of batch normalisation have moved
    torch.set_rng_state(rng)
    assert total is not None
    mean, single = total / count, torch.stack(norms)
    return {
        "whole_rul": digits(mean[0].norm()),
        "whole_health": digits(mean[1].norm()),
        "whole_ratio": digits(mean[0].norm() / mean[1].norm()),
        "whole_cosine": digits(torch.cosine_similarity(mean[0], mean[1], dim=0)),
        "mean_batch_rul": digits(single[:, 0].mean()),
        "mean_batch_health": digits(single[:, 1].mean()),
        "ratio_of_means": digits(single[:, 0].mean() / single[:, 1].mean()),
        "mean_of_ratios": digits((single[:, 0] / single[:, 1]).mean()),
        "median_ratio": digits((single[:, 0] / single[:, 1]).median()),
    }


class Worth:
    """What one step of the optimiser on the shared parameters is worth to each task, on the batch that made it.

    Create it before the forward pass of the step; it draws no random number, and leaves everything as the step left it.
    """

    def __init__(self, probe: Probe, index: Tensor) -> None:
        self.probe, self.index = probe, index
        self.rng = torch.get_rng_state()
        self.before = {name: value.clone() for name, value in probe.model.state_dict().items()}

    def look(self, made: Forward) -> None:
        """Keep the task gradients of the step; the graph stays."""
        self.losses = made.losses.detach()
        self.rows = task_gradients(made.losses, self.probe.model.shared_parameters())

    def told(self) -> dict[str, Tensor]:
        """After the step: cosines of both tasks with the plain sum and with the step, and whether each loss rose."""
        model = self.probe.model
        shared = {id(parameter) for parameter in model.shared_parameters()}
        names = [name for name, parameter in model.named_parameters() if id(parameter) in shared]
        after = {name: value.clone() for name, value in model.state_dict().items()}
        moved = torch.cat([(self.before[name] - after[name]).flatten() for name in names])
        rng = torch.get_rng_state()
        # Only the shared parameters go; heads, running means and dropout mask are those from before the step.
        model.load_state_dict({**self.before, **{name: after[name] for name in names}})
        torch.set_rng_state(self.rng)
        with torch.no_grad():
            losses = self.probe.forward(self.index).losses
        model.load_state_dict(after)
        torch.set_rng_state(rng)
        return {
            "plain": torch.cosine_similarity(self.rows, self.rows.sum(dim=0, keepdim=True)),
            "made": torch.cosine_similarity(self.rows, moved[None]),
            "rose": losses > self.losses,
        }


def worth_of(steps: list[dict[str, Tensor]]) -> dict[str, Any]:
    """Of all steps of an epoch: quartiles of the shares, and in how many steps a loss was said to rise, and did."""
    told: dict[str, Any] = {"steps": len(steps)}
    for task, name in enumerate(("rul", "health")):
        plain, made, rose = (np.array([float(step[key][task]) for step in steps]) for key in ("plain", "made", "rose"))
        told[name] = {
            "share_plain": quantiles(plain),
            "share_made": quantiles(made),
            "plain_says_worse": int((plain < 0).sum()),
            "made_says_worse": int((made < 0).sum()),
            "rose": int(rose.sum()),
        }
    return told


@dataclass(frozen=True)
class Training:
    """The settings of ``rulbook train``, without its plateau and average."""

    probe: Probe
    config: TrainingConfig
    balancer: WeightedSum
    optimizer: torch.optim.Optimizer
    warmup: torch.optim.lr_scheduler.LinearLR
    order: torch.Generator

    @classmethod
    def of(cls, data: Prepared, method: str, *, seed: int = 0, warmup_epochs: int = 2) -> Training:
        """A fresh network and its optimiser."""
        config = TrainingConfig(method=method, seed=seed, warmup_epochs=warmup_epochs)
        model = fresh_model(data, seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        start = 0.1 if warmup_epochs else 1.0
        return cls(
            Probe(model, data.train, METHODS[method].rul_scale),
            config,
            WeightedSum(FixedWeights((0.5, 0.5)), observe=True),
            optimizer,
            torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=warmup_epochs),
            torch.Generator().manual_seed(seed),
        )

    def steps(
        self, data: Prepared, most: int | None = None, *, watch: bool = False
    ) -> tuple[dict[str, list[float]], Steps, list[dict[str, Tensor]]]:
        """One epoch (or its first steps): norms at all places, what the steps report, what each was worth."""
        model, seen, steps, worth = self.probe.model, defaultdict[str, list[float]](list), Steps(), []
        for index in batches(data.train, self.order, self.config.batch_size)[:most]:
            one = Worth(self.probe, index) if watch else None

            def look(made: Forward, one: Worth | None = one) -> None:
                if one is not None:
                    one.look(made)
                for place, (first, second) in cheap(made, model).items():
                    seen[f"{place} rul"].append(float(first))
                    seen[f"{place} health"].append(float(second))

            steps.record(
                step(
                    model,
                    data.train.tensors(index.numpy()),
                    METHODS[self.config.method],
                    self.balancer,
                    self.optimizer,
                    max_rul=data.horizon.max_rul,
                    clip_norm=self.config.clip_norm,
                    on_forward=look,
                )
            )
            if one is not None:
                worth.append(one.told())
        seen["shared rul"], seen["shared health"] = steps.norms.T.tolist()
        seen["cosine"], seen["joint"] = steps.cosine.tolist(), steps.joint_norm.tolist()
        return dict(seen), steps, worth


def run(data: Prepared, method: str, epochs: int, *, warmup_epochs: int = 2, watch: bool = False) -> dict[str, Any]:
    """Train, and look at every step."""
    training = Training.of(data, method, warmup_epochs=warmup_epochs)
    config, model = training.config, training.probe.model
    told, raw, whole, steps = [], {}, {}, {}
    if 0 in WHOLE_AFTER:
        whole["0"] = whole_gradient(training.probe, config.seed)
    for epoch in range(1, epochs + 1):
        learning_rate = training.optimizer.param_groups[0]["lr"]
        model.train()
        seen, recorded, worth = training.steps(data, watch=watch)
        training.warmup.step()
        joint_norms = np.array(seen["joint"])
        scores = evaluate(model, data.validation).scores()
        told.append(
            {
                "epoch": epoch,
                "learning_rate": digits(learning_rate),
                **summary(seen),
                "joint": quantiles(joint_norms),
                "clipped": digits(np.mean(joint_norms > config.clip_norm)),
                "losses": [digits(value) for value in recorded.losses.mean(dim=0)],
                "validation_rmse": digits(scores["rmse"]),
                "validation_health_accuracy": digits(scores["health_accuracy"]),
                "validation_health_macro_f1": digits(scores["health_macro_f1"]),
            }
        )
        if epoch in (1, epochs):
            raw[str(epoch)] = {place: [digits(value, 3) for value in ratios(seen, place)] for place in PLACES}
            raw[str(epoch)]["cosine"] = [digits(value, 3) for value in seen["cosine"]]
        if epoch in WHOLE_AFTER:
            whole[str(epoch)] = whole_gradient(training.probe, config.seed)
        if watch:
            steps[str(epoch)] = worth_of(worth)
        middle = told[-1]["ratio"]["shared"]["median"]
        print(f"{method}, epoch {epoch}: median ratio {middle}, RMSE {told[-1]['validation_rmse']}", flush=True)
    return {"epochs": told, "every_batch": raw, "whole": whole} | ({"steps": steps} if watch else {})


@measurement(
    "How hard the two tasks pull on what they share: the norms of their gradients, their ratio and cosine, in every "
    "batch of FD001, on fresh networks and over ten epochs of training, and what a step is worth to each task.",
    pages=("12-gradient-imbalance",),
    data=("FD001",),
    minutes=15,
    quick={"epochs": 1},
    tolerance=0.05,
)
def measure(bench: Bench, epochs: int = 10) -> dict[str, Any]:
    """Everything that the file holds."""
    data = prepare(bench.load("FD001"), seed=0)
    every = {seed: bench.part(f"fresh, seed {seed}", fresh, data, seed) for seed in (0, 1, 2)}
    return {
        "data": facts(data),
        "fresh": {
            "seeds": {str(seed): summary(seen) for seed, seen in every.items()},
            "every_batch": {place: [digits(value, 3) for value in ratios(every[0], place)] for place in PLACES},
        },
        "runs": {
            "cycles": bench.part("run in cycles", run, data, "baseline", epochs, watch=True),
            "lives": bench.part("run in lives", run, data, "scaled_targets", epochs),
        },
        "without_warmup": bench.part("run without warm-up", run, data, "baseline", epochs, warmup_epochs=0)["epochs"],
    }


def facts(data: Prepared) -> dict[str, Any]:
    """What was trained on."""
    return {
        "subset": "FD001",
        "train_windows": len(data.train),
        "batches": len(batches(data.train, torch.Generator())),
        "batch_size": 256,
        "preset": "compact",
    }


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """The first batches of a fresh network, and the first steps of the run in cycles."""
    data = prepare(bench.load("FD001"), seed=0)
    before = fresh(data, 0, most=4)
    seen, _, _ = Training.of(data, "baseline").steps(data, most=4)
    return {
        "data": facts(data),
        "fresh": {"every_batch": {place: ratios(before, place) for place in PLACES}},
        "runs": {"cycles": {"every_batch": {"1": {place: ratios(seen, place) for place in PLACES}}}},
    }


if __name__ == "__main__":
    measure.main()
