"""The pictures of a run: what they mark, count and name is what the numbers say."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from rulbook.inference import Evaluation
from rulbook.runs.plots import learning_curves, predicted_against_true


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_chosen_epoch_is_marked_where_the_validation_error_is_smallest():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss_rul": [9.0, 4.0, 2.0],
            "loss_health": [1.1, 1.0, 0.9],
            "validation_rmse": [30, 12.5, 20],
        }
    )
    left, right = learning_curves(history, title="mine", time_unit="charge").axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[9.0, 4.0, 2.0], [1.1, 1.0, 0.9]]
    assert (right.lines[1].get_xdata()[0], right.lines[1].get_ydata()[0]) == (2, 12.5)
    assert right.texts[0].get_text() == "epoch 2: 12.50"
    assert right.get_ylabel() == "validation RMSE (charges)"
    assert left.get_legend_handles_labels()[1][0] == "RUL loss (charges²)"
    with pytest.raises(ValueError, match="history is empty"):
        learning_curves(history.iloc[:0])


def test_late_engines_are_counted_and_drawn_as_late():
    true, predicted = np.array([40.0, 100.0, 30.0, 100.0]), np.array([60.0, 80.0, 30.0, 100.0])
    seen = Evaluation(predicted, true, np.full((4, 3), 1 / 3, dtype=np.float32), np.zeros(4, dtype=np.int64))
    (axes,) = predicted_against_true(seen, title="mine", time_unit="hour").axes
    dots = {
        part.get_label(): part.get_offsets().tolist()
        for part in axes.collections
        if part.get_label() in ("late", "early")
    }
    assert dots == {"late": [[40.0, 60.0]], "early": [[100.0, 80.0], [30.0, 30.0], [100.0, 100.0]]}
    assert axes.get_title(loc="left") == "mine: 25 % of engines late, RMSE 14.1 hours"
    assert axes.get_xlabel() == "true RUL (hours)"
    assert axes.get_ylabel() == "predicted RUL (hours)"
    nobody = Evaluation(np.zeros(0), np.zeros(0), np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64))
    with pytest.raises(ValueError, match="is empty"):
        predicted_against_true(nobody)
