"""What looks at a run while it trains: the progress bar, the record, probes of the gradients, and what you write.

An observer sees each step and each epoch, and changes nothing. It is a subclass of :class:`Observer` that overrides
what it wants to see; a plain function is shown each new row of the history::

    class Weights(Observer):
        def on_step(self, report, run):
            print(run.epoch + 1, run.step, report.weights.tolist())

    train(data, observers=[Weights(), print])
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from rulbook._check import shown, whole
from rulbook.balancing.balancer import StepReport
from rulbook.data import Windows
from rulbook.data.tensors import upload
from rulbook.errors import InputError
from rulbook.gradients import row_cosine, row_norms, task_gradients
from rulbook.inference import evaluate
from rulbook.training.state import State, require_labelled
from rulbook.training.step import Forward

__all__ = ["Notes", "Observer", "Observing", "Probe", "ProgressBar", "Steps", "Watch", "observers_of"]


class Observer:
    """Looks at a run. Override what you want to see; everything here does nothing.

    The run that each call gets is the one under way: ``run.epoch`` epochs are finished, ``run.step`` of ``run.steps``
    steps of the next one came before this. It is there to be read.

    Attributes:
        recorded: What the record of the run calls this observer, if it leaves something there: columns of the history,
            or what :meth:`state_dict` gives. A stopped run goes on under the same recorded observers only.
    """

    recorded: str = ""

    def on_begin(self, run: State) -> None:
        """Before the first step, new or resumed."""

    def on_forward(self, seen: Forward, run: State) -> None:
        """Between the forward and the backward pass of each step. The graph must stay; draws made here are undone."""

    def on_step(self, report: StepReport, run: State) -> None:
        """After each step."""

    def columns(self, run: State) -> dict[str, float]:
        """What it adds to the row of the epoch that has just been trained."""
        return {}

    def on_epoch(self, row: dict[str, float], run: State) -> None:
        """After each epoch, when everything is kept. The row is a copy."""

    def on_end(self) -> None:
        """When the run is over, however it ended."""

    def state_dict(self) -> dict[str, Any]:
        """What it has to find again after a stop, as plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


if TYPE_CHECKING:
    Observing = Observer | Callable[[dict[str, float]], object]
else:
    # Whatever comes is looked at by ``observers_of``, which names what it cannot use.
    Observing = object


class _OnEpoch(Observer):
    """A function that is shown each new row."""

    def __init__(self, function: Callable[[dict[str, float]], object]) -> None:
        self.function = function

    def on_epoch(self, row: dict[str, float], run: State) -> None:
        self.function(row)


def observers_of(given: Iterable[Observing]) -> list[Observer]:
    """Observers as they are, functions as observers of the rows.

    Raises:
        ValueError: If one is neither.
    """
    if isinstance(given, Observer) or not isinstance(given, Iterable):
        raise InputError(f"observers is {shown(given)}: it must be a list, such as [Watch(test=data.test)].")
    found = list[Observer]()
    for one in given:
        if not isinstance(one, Observer) and (isinstance(one, type) or not callable(one)):
            raise InputError(f"observers holds {shown(one)}: it must be an Observer, or a function that takes a row.")
        found.append(one if isinstance(one, Observer) else _OnEpoch(one))
    return found


class Steps(Observer):
    """What the steps of the latest epoch saw: losses, weights, norms, their ratio and the cosine (section 12.1).

    Example:
        >>> steps = Steps()
        >>> steps.record(StepReport(losses=torch.tensor([25.0, 1.1]), weights=torch.tensor([0.25, 0.75])))
        >>> steps.weights.tolist()
        [[0.25, 0.75]]
    """

    def __init__(self) -> None:
        self.reports = list[StepReport]()

    def on_step(self, report: StepReport, run: State) -> None:
        """Keep the report; the first step of an epoch begins anew."""
        if run.step == 0:
            self.reports.clear()
        self.record(report)

    def record(self, report: StepReport) -> None:
        """Add one step."""
        self.reports.append(report)

    @property
    def losses(self) -> Float[Tensor, "step task"]:
        """Task losses; NaN for a task that came without one."""
        return self._stacked([report.losses for report in self.reports])

    @property
    def weights(self) -> Float[Tensor, "step task"]:
        """Applied weights."""
        return self._stacked([report.weights for report in self.reports])

    @property
    def norms(self) -> Float[Tensor, "step task"]:
        """Gradient norms; NaN in steps that measured none."""
        return self._stacked(
            [torch.full_like(r.losses, torch.nan) if r.norms is None else r.norms for r in self.reports]
        )

    @property
    def cosine(self) -> Float[Tensor, " step"]:
        """Cosine between the gradients of the first two tasks; NaN where it is not known."""
        return torch.tensor([torch.nan if report.cosine is None else report.cosine for report in self.reports])

    @property
    def joint_norm(self) -> Float[Tensor, " step"]:
        """Length of the joint gradient before it was clipped; NaN where no step was made."""
        return torch.tensor([torch.nan if report.joint_norm is None else report.joint_norm for report in self.reports])

    def summary(self) -> dict[str, float]:
        """Mean losses and task weights, median norm ratio and cosine where measured, and how many steps noted."""
        # A task that is absent from a batch has no loss there.
        losses, weights = self.losses.nanmean(dim=0).tolist(), self.weights.mean(dim=0).tolist()
        row = dict(zip(("loss_rul", "loss_health", "weight_rul", "weight_health"), [*losses, *weights], strict=True))
        norms = [report.norms for report in self.reports if report.norms is not None]
        cosines = [report.cosine for report in self.reports if report.cosine is not None]
        if norms:
            table = torch.stack(norms)
            row["norm_ratio"] = float((table[:, 0] / table[:, 1]).nanmedian())
        if cosines:
            row["cosine"] = float(np.median(cosines))
        row["noted_steps"] = float(sum(report.note is not None for report in self.reports))
        return row

    def _stacked(self, rows: Sequence[Tensor]) -> Tensor:
        if not rows:
            raise InputError("steps are none: record a step first.")
        return torch.stack(list(rows))


class Probe(Observer):
    """Measures both task gradients on all shared parameters, whatever the method itself measures.

    Args:
        every: At every so many steps of an epoch, from its first on. A probe costs two backward passes.

    Attributes:
        rows: One for each probe: epoch, step of the epoch, ``norm_rul``, ``norm_health`` and ``cosine``, for the losses
            that the method trains on.
    """

    def __init__(self, every: int) -> None:
        self.every = whole("every", every, 1)
        self.rows = list[dict[str, float]]()
        self.recorded = f"Probe(every={self.every})"

    def on_forward(self, seen: Forward, run: State) -> None:
        """Measure, if it is time."""
        if run.step % self.every:
            return
        gradients = task_gradients(seen.losses, run.model.shared_parameters())
        norm_rul, norm_health = row_norms(gradients).tolist()
        row = {"epoch": run.epoch + 1, "step": run.step, "norm_rul": norm_rul, "norm_health": norm_health}
        self.rows.append({**row, "cosine": row_cosine(gradients)})

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the rows of before."""
        self.rows = list(state["rows"])

    def frame(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame(self.rows)


class Watch(Observer):
    """Scores other windows after every epoch, for the record: they choose nothing.

    Args:
        windows: By name: ``Watch(test=data.test)`` adds ``test_rmse`` and the rest to the history.

    Raises:
        ValueError: If windows are none, are not finite or lack an RUL, or are called ``validation``, as those that
            choose the epoch.
    """

    def __init__(self, **windows: Windows) -> None:
        if "validation" in windows:
            raise InputError("watched names 'validation': those windows choose the epoch. Give it another name.")
        for name, watched in windows.items():
            require_labelled(name, watched)
        self.windows = windows
        self.recorded = f"Watch({', '.join(sorted(windows))})"

    def on_begin(self, run: State) -> None:
        """Bring the windows to where the run is: once, not in every epoch."""
        self._there = dict(zip(self.windows, upload(list(self.windows.values()), run.device), strict=True))

    def columns(self, run: State) -> dict[str, float]:
        """The scores of the averaged model."""
        return {
            f"{name}_{score}": value
            for name, windows in self._there.items()
            for score, value in evaluate(run.averaged, windows, max_rul=run.max_rul).scores().items()
        }


class Notes(Observer):
    """Counts what steps noted, and says each kind once.

    Attributes:
        counts: In how many steps; notes that differ in a measured number only are of one kind.
    """

    recorded = "Notes()"

    def __init__(self) -> None:
        self.counts = dict[str, int]()

    def on_step(self, report: StepReport, run: State) -> None:
        """Count, and warn if it is new."""
        for remark in filter(None, (report.note or "").split("; ")):
            kind = re.sub(r"\d+(\.\d+)?e[+-]?\d+|\d+\.\d+", "…", remark)
            if kind not in self.counts:
                with tqdm.external_write_mode():
                    warnings.warn(
                        f"{run.label}, epoch {run.epoch + 1}: {remark}. Said once; counted in the history.",
                        stacklevel=6,
                    )
            self.counts[kind] = self.counts.get(kind, 0) + 1

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting; what was said before is not said again."""
        self.counts = dict(state["counts"])


class ProgressBar(Observer):
    """Shows how far the run is, and how good."""

    _bar: tqdm[Any] | None = None

    def on_begin(self, run: State) -> None:
        """Draw it."""
        self._bar = tqdm(total=run.config.epochs, initial=run.epoch, desc=run.label, unit="epoch")

    def on_step(self, report: StepReport, run: State) -> None:
        """Name the batch."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"batch {run.step + 1}/{run.steps}", refresh=run.step % 5 == 0)

    def on_epoch(self, row: dict[str, float], run: State) -> None:
        """Name the score of the epoch, and the best one."""
        if self._bar is not None:
            now, best = row["validation_rmse"], run.rows[run.best_epoch - 1]["validation_rmse"]
            self._bar.update()
            self._bar.set_postfix_str(f"validation RMSE {now:.2f}, best {best:.2f} {run.data.horizon.time_unit}s")

    def on_end(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()
