"""What the steps of a run saw, one row each: losses, weights, norms, their ratio and the cosine (section 12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from rulbook._needs import needed
from rulbook.errors import InputError
from rulbook.gradients import StepReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["StepHistory"]


class StepHistory:
    """Collects the reports of a run. Recording keeps references and computes nothing; reading stacks them.

    Example:
        >>> history = StepHistory()
        >>> history.record(StepReport(losses=torch.tensor([25.0, 1.1]), weights=torch.tensor([0.05, 0.95])))
        >>> history.weights.tolist()
        [[0.05000000074505806, 0.949999988079071]]
    """

    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def __len__(self) -> int:
        return len(self.reports)

    def record(self, report: StepReport) -> None:
        """Add one step."""
        self.reports.append(report)

    @property
    def losses(self) -> Float[Tensor, "step task"]:
        """Task losses."""
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
    def ratio(self) -> Float[Tensor, " step"]:
        """The first task's norm over the second's; NaN in steps that measured none."""
        return self.norms[:, 0] / self.norms[:, 1]

    @property
    def cosine(self) -> Float[Tensor, " step"]:
        """Cosine between the gradients of the first two tasks; NaN where it is not known."""
        return torch.tensor([torch.nan if report.cosine is None else report.cosine for report in self.reports])

    @property
    def notes(self) -> dict[int, str]:
        """What was unusual, by step."""
        return {step: report.note for step, report in enumerate(self.reports) if report.note is not None}

    def frame(self) -> pd.DataFrame:
        """One row per step; the columns of task i end in ``_i``."""
        columns = {
            f"{name}_{task}": values
            for name, table in (("loss", self.losses), ("weight", self.weights), ("norm", self.norms))
            for task, values in enumerate(table.cpu().T.numpy())
        }
        return pd.DataFrame({**columns, "ratio": self.ratio.cpu().numpy(), "cosine": self.cosine.numpy()})

    def plot(self, tasks: tuple[str, ...] = ("RUL", "health")) -> Figure:
        """Weights, the ratio of the first two norms, and their cosine, over the steps.

        Args:
            tasks: The name of each task, for the legend.
        """
        with needed():
            import matplotlib.pyplot as plt

        from rulbook.palette import METHOD_COLORS, OTHERS

        figure, (top, middle, bottom) = plt.subplots(3, 1, sharex=True, figsize=(7.2, 6.0))
        measured = ~self.norms.isnan().any(dim=1)
        steps = torch.arange(len(self))
        for task, name in enumerate(tasks):
            top.plot(steps, self.weights[:, task].cpu(), color=OTHERS[task], label=name)
        top.set(ylabel="task weight", ylim=(-0.02, 1.02))
        top.legend()
        grey = METHOD_COLORS["baseline"]
        middle.plot(steps[measured], self.ratio[measured].cpu(), ".", markersize=3, color=grey)
        middle.set(ylabel=f"norm {tasks[0]} / {tasks[1]}", yscale="log")
        bottom.plot(steps[measured], self.cosine[measured], ".", markersize=3, color=grey)
        bottom.axhline(0, color="black", linewidth=0.8)
        bottom.set(ylabel="cosine", xlabel="step", ylim=(-1.05, 1.05))
        return figure

    def _stacked(self, rows: list[Tensor]) -> Tensor:
        if not rows:
            raise InputError("The history is empty: record a step first.")
        return torch.stack([row.to(rows[0].dtype) for row in rows])
