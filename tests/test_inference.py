"""What a model is worth: scores by hand, one cap for labels and predictions, and nothing that is no number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rulbook.data import Windows
from rulbook.inference import Evaluation, evaluate, predict_windows
from rulbook.model import DualTaskModel


class Says(DualTaskModel):
    """Answers the first reading of a window's last cycle, and class 0, 1 or 2 with the second as its logit."""

    def forward(self, x):
        return x[:, -1, 0], torch.nn.functional.one_hot(x[:, -1, 1].long(), 3).float() * 5


def windows(answers, true_rul, classes=None, *, max_rul=125.0, thresholds=(80.0, 30.0)):
    """One window of 3 cycles for each answer, of engines 1, 2, ... at cycles 11, 12, ..."""
    rows = np.zeros((3 * len(answers), 2), dtype=np.float32)
    rows[2::3, 0] = answers
    rows[2::3, 1] = np.zeros(len(answers)) if classes is None else classes
    count = np.arange(len(answers))
    true_rul = np.asarray(true_rul, dtype=np.float64)
    return Windows(rows, 3 * count, 3, count + 1, count + 11, true_rul, max_rul, thresholds)


def test_scores_of_four_engines_by_hand():
    seen = Evaluation(
        rul=np.array([60.0, 80.0, 40.0, 100.0]),  # 20 late, 20 early, 10 late, right
        true_rul=np.array([40.0, 100.0, 30.0, 100.0]),
        health_probabilities=np.array(
            [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.6, 0.1, 0.3], [0.3, 0.4, 0.3]], dtype=np.float32
        ),
        true_health=np.array([0, 0, 0, 1]),
    )
    scores = seen.scores()
    assert scores["rmse"] == pytest.approx(15.0)
    # Late over 10, early over 13. As many late as early by as much would not show the two exchanged.
    assert scores["nasa_score"] == pytest.approx((7.389056 - 1) + (4.657423 - 1) + (2.718282 - 1), abs=2e-5)
    assert scores["health_accuracy"] == 0.75
    # Class 0: precision 1, recall 2/3. Class 1: precision 1/2, recall 1. Class 2 is neither there nor said.
    assert scores["health_macro_f1"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize(
    ("told", "labels", "given", "cap"),
    [
        (None, 100.0, None, 100.0),
        (None, 125.0, None, 125.0),
        (None, 200.0, None, 200.0),
        (None, None, None, 125.0),
        (100.0, None, None, 100.0),
        (200.0, None, None, 200.0),
        (100.0, 200.0, None, 100.0),
        (200.0, 100.0, None, 100.0),
        (200.0, 200.0, 90.0, 90.0),
        (90.0, 90.0, 200.0, 200.0),
    ],
)
def test_predictions_end_at_the_smaller_cap_of_labels_and_model(told, labels, given, cap):
    model = Says(2, "compact", max_rul=told)
    seen = evaluate(model, windows([140, -5, 250, 70], [160, 20, 300, 70], max_rul=labels), max_rul=given)
    assert seen.rul.tolist() == [min(140, cap), 0, min(250, cap), 70]
    top = np.inf if labels is None else labels
    assert seen.true_rul.tolist() == [min(160, top), 20, min(300, top), 70]
    scores = seen.scores()
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((seen.rul - seen.true_rul) ** 2)))


def test_health_is_judged_by_the_thresholds_of_the_windows():
    ruls, classes = [90.0, 60.0, 20.0, 10.0], [0, 0, 1, 2]
    narrow = windows(ruls, ruls, classes, thresholds=(50.0, 15.0))
    seen = evaluate(Says(2, "compact", thresholds=(50, 15)), narrow)
    assert seen.true_health.tolist() == classes
    assert seen.health_probabilities.argmax(axis=1).tolist() == classes
    assert seen.scores()["health_accuracy"] == 1.0
    with pytest.warns(UserWarning, match=r"thresholds \(80.0, 30.0\), but the model was trained with \(50.0, 15.0\)"):
        other = evaluate(Says(2, "compact", thresholds=(50, 15)), windows(ruls, ruls, classes))
    assert other.true_health.tolist() == [0, 1, 2, 2]


def test_batches_change_no_answer():
    given = windows(range(10), range(10))
    whole = evaluate(Says(2, "compact"), given)
    for size in (1, 3, 10, 100):
        assert evaluate(Says(2, "compact"), given, batch_size=size).rul.tolist() == whole.rul.tolist() == [*range(10)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", range(0, 12, 2))
def test_a_broken_reading_is_named_by_engine_and_cycle(value, row):
    broken = windows([10, 20, 30, 40], [10, 20, 30, 40])
    broken.rows[row, 1] = value
    with pytest.raises(
        ValueError, match=f"engine {row // 3 + 1} has a value of {value} for feature 1 .*cycle {row // 3 + 11}"
    ):
        evaluate(Says(2, "compact"), broken)
    others = np.arange(4) != row // 3
    assert evaluate(Says(2, "compact"), broken.take(others)).rul.tolist() == [
        answer for answer, kept in zip((10, 20, 30, 40), others, strict=True) if kept
    ]


def test_an_answer_that_is_no_number_is_named_by_engine_and_cycle():
    class Overflows(Says):
        def forward(self, x):
            rul, logits = super().forward(x)
            return rul * 1e38, logits

    class Undecided(Says):
        def forward(self, x):
            rul, logits = super().forward(x)
            return rul, logits * torch.where(rul > 25, torch.nan, 1.0)[:, None]

    given = windows([1, 2, 30, 4], [1, 2, 3, 4])
    for model in (Overflows(2, "compact"), Undecided(2, "compact")):
        for size in (1, 2, 100):
            with pytest.raises(ValueError, match="no number for engine 3 at cycle 13"):
                evaluate(model, given, batch_size=size)


def test_weights_that_are_no_numbers_are_the_models_fault():
    model = DualTaskModel(2, "compact").eval()
    given = windows([1, 2], [1, 2])
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        for value in (torch.nan, torch.inf, -torch.inf):
            kept = tensor.reshape(-1)[0].clone()
            tensor.reshape(-1)[0] = value
            with pytest.raises(ValueError, match=f"the model holds {value} in {name}"):
                evaluate(model, given)
            with pytest.raises(ValueError, match=f"the model holds {value} in {name}"):
                model.predict(torch.zeros(1, 3, 2))
            tensor.reshape(-1)[0] = kept
    assert np.isfinite(evaluate(model, given).rul).all()


def test_what_does_not_fit_is_named():
    given = windows([1, 2], [1, 2])
    with pytest.raises(ValueError, match="windows is empty"):
        evaluate(Says(2, "compact"), given.take([]))
    with pytest.raises(ValueError, match="windows have 2 features: the model reads 3"):
        evaluate(Says(3, "compact"), given)
    with pytest.raises(ValueError, match="batch_size is 0"):
        predict_windows(Says(2, "compact"), given, batch_size=0)
    with pytest.raises(ValueError, match="max_rul is -1"):
        evaluate(Says(2, "compact"), given, max_rul=-1)
    unknown = replace(given, true_rul=np.array([np.nan, 2.0]))
    assert evaluate(Says(2, "compact"), unknown).rul.tolist() == [1, 2]
    with pytest.raises(ValueError, match="true holds nan"):
        evaluate(Says(2, "compact"), unknown).scores()
