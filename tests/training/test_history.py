"""The recorder keeps what the steps reported."""

from __future__ import annotations

import math

import matplotlib as mpl
import pytest
import torch

from rulbook.gradients import StepReport
from rulbook.training.history import StepHistory

mpl.use("Agg")


def recorded() -> StepHistory:
    history = StepHistory()
    history.record(StepReport(torch.tensor([25.0, 1.1]), torch.tensor([0.5, 0.5])))
    norms = torch.tensor([4.8, 0.01], dtype=torch.float64)
    history.record(StepReport(torch.tensor([20.0, 1.0]), torch.tensor([0.1, 0.9]), norms, 0.4, "task 1 sleeps"))
    return history


def test_rows_come_back_and_gaps_are_nan():
    history = recorded()
    assert len(history) == 2
    assert history.weights.tolist() == torch.tensor([[0.5, 0.5], [0.1, 0.9]]).tolist()
    assert math.isnan(history.ratio[0])
    assert history.ratio[1] == pytest.approx(480)
    assert history.cosine[1] == pytest.approx(0.4)
    assert history.notes == {1: "task 1 sleeps"}
    frame = history.frame()
    assert list(frame) == ["loss_0", "loss_1", "weight_0", "weight_1", "norm_0", "norm_1", "ratio", "cosine"]
    assert frame["loss_0"].tolist() == [25.0, 20.0]


def test_the_plot_shows_each_task():
    figure = recorded().plot(("RUL", "health"))
    top, middle, _ = figure.axes
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["RUL", "health"]
    assert middle.get_lines()[0].get_xdata().tolist() == [1]


def test_an_empty_history_says_so():
    with pytest.raises(ValueError, match="record a step first"):
        StepHistory().weights  # noqa: B018
