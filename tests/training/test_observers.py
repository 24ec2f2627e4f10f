"""Observers see everything and change nothing."""

from __future__ import annotations

import inspect
import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from rulbook.balancing.balancer import StepReport
from rulbook.data import demo_fleet, prepare
from rulbook.errors import InputError
from rulbook.gradients import task_gradient_norms
from rulbook.training import Observer, Probe, Steps, TrainingConfig, Watch, train
from rulbook.training.observers import Notes, observers_of
from rulbook.training.state import State

TINY = TrainingConfig(epochs=2, batch_size=64, seed=1)


@pytest.fixture(scope="module")
def tiny():
    prepared = prepare(demo_fleet(engines=5, test_engines=3, seed=3), window=8, seed=0)
    return replace(prepared, train=prepared.train.take(np.arange(0, len(prepared.train), 4)))


@pytest.fixture(scope="module")
def plain(tiny):
    return train(tiny, TINY, progress=False)


def weights(result):
    return torch.cat([value.double().reshape(-1) for value in result.model.state_dict().values()])


class Everything(Observer):
    """Writes down what it is shown, and draws wherever it can."""

    def __init__(self):
        self.seen = []

    def on_begin(self, run):
        torch.rand(3)
        self.seen.append("begin")

    def on_forward(self, seen, run):
        torch.nn.functional.dropout(torch.rand(5), 0.5)
        self.seen.append(("forward", run.epoch, run.step, run.steps))
        self.norms = task_gradient_norms(seen.losses, run.model.shared_parameters())

    def on_step(self, report, run):
        torch.rand(3)
        self.seen.append(("step", run.epoch, run.step, run.steps))

    def on_epoch(self, row, run):
        self.seen.append(("epoch", run.epoch))
        row.clear()

    def on_end(self):
        self.seen.append("end")


def test_an_observer_is_shown_all_in_its_order_and_moves_nothing(tiny, plain):
    looking, rows = Everything(), []
    result = train(tiny, TINY, progress=False, observers=[looking, rows.append])
    count = math.ceil(len(tiny.train) / 64)
    assert looking.seen == [
        "begin",
        *[(kind, 0, step, count) for step in range(count) for kind in ("forward", "step")],
        ("epoch", 1),
        *[(kind, 1, step, count) for step in range(count) for kind in ("forward", "step")],
        ("epoch", 2),
        "end",
    ]
    assert torch.equal(weights(result), weights(plain))
    assert [row["validation_rmse"] for row in rows] == plain.history["validation_rmse"].tolist()


def test_an_observer_is_told_of_the_end_however_the_run_ends(tiny):
    class Stopping(Everything):
        def on_step(self, report, run):
            raise KeyboardInterrupt

    looking = [Everything(), Stopping()]
    with pytest.raises(KeyboardInterrupt):
        train(tiny, TINY, progress=False, observers=looking)
    assert [one.seen[-1] for one in looking] == ["end", "end"]


@pytest.mark.parametrize("wrong", [3, "bar", Probe, None])
def test_what_cannot_observe_is_named(tiny, wrong):
    with pytest.raises(InputError, match=r"observers holds .*: it must be an Observer, or a function"):
        train(tiny, TINY, progress=False, observers=[wrong])


def test_a_lone_observer_or_none_is_asked_for_as_a_list():
    # The rule itself: the checker of types in the tests would refuse them before.
    for wrong in (None, Steps()):
        with pytest.raises(InputError, match=r"observers is .*: it must be a list"):
            inspect.unwrap(observers_of)(wrong)


def test_a_probe_of_ones_own_measures_what_that_of_the_setting_does(tiny, plain):
    probe = Probe(every=3)
    result = train(tiny, TINY, progress=False, observers=[probe])
    asked = train(tiny, replace(TINY, probe_every=3), progress=False)
    assert probe.frame().equals(asked.probes)
    assert len(probe.rows) > 2
    assert torch.equal(weights(result), weights(plain))
    with pytest.raises(InputError, match="every is 0"):
        Probe(every=0)


def test_recorded_observers_go_on_after_a_stop_and_belong_to_the_run(tiny, tmp_path):
    def looking():
        return [Probe(every=4), Watch(test=tiny.test), lambda row: None]

    whole, parts = looking(), looking()
    expected = train(tiny, TINY, progress=False, observers=whole)
    train(tiny, replace(TINY, epochs=1), folder=tmp_path, progress=False, observers=looking())
    result = train(tiny, TINY, folder=tmp_path, resume=True, progress=False, observers=parts)
    assert parts[0].rows == whole[0].rows
    assert result.history["test_rmse"].tolist() == expected.history["test_rmse"].tolist()
    longer = replace(TINY, epochs=3)
    for others in ([], [Watch(test=tiny.test)], [Probe(every=5), Watch(test=tiny.test)]):
        with pytest.raises(InputError, match=r"another choice of observers \(\[.*Probe\(every=4\)"):
            train(tiny, longer, folder=tmp_path, resume=True, progress=False, observers=others)


def test_the_bar_names_the_run_its_batches_and_its_scores(tiny, capsys):
    result = train(tiny, TINY)
    told = capsys.readouterr().err
    assert "AMNL, seed 1" in told
    assert f"batch 1/{math.ceil(len(tiny.train) / 64)}" in told
    last, best = result.history["validation_rmse"].iloc[-1], result.history["validation_rmse"].min()
    assert f"validation RMSE {last:.2f}, best {best:.2f} cycles" in told
    assert "2/2" in told


def test_rows_of_steps_come_back_and_gaps_are_nan():
    steps = Steps()
    with pytest.raises(ValueError, match="record a step first"):
        steps.weights  # noqa: B018
    steps.record(StepReport(torch.tensor([25.0, 1.0]), torch.tensor([0.5, 0.5]), joint_norm=4.0))
    norms = torch.tensor([4.8, 0.01], dtype=torch.float64)
    steps.record(StepReport(torch.tensor([20.0, math.nan]), torch.tensor([0.25, 0.75]), norms, 0.4, "task 1 sleeps"))
    assert steps.weights.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert steps.losses[:, 0].tolist() == [25.0, 20.0]
    assert steps.norms[0].isnan().all()
    assert float(steps.norms[1, 0] / steps.norms[1, 1]) == pytest.approx(480)
    assert (math.isnan(steps.cosine[0]), float(steps.cosine[1])) == (True, pytest.approx(0.4))
    assert (float(steps.joint_norm[0]), math.isnan(steps.joint_norm[1])) == (4.0, True)
    assert steps.summary() == {
        "loss_rul": 22.5,
        "loss_health": 1.0,
        "weight_rul": 0.375,
        "weight_health": 0.625,
        "norm_ratio": pytest.approx(480),
        "cosine": 0.4,
        "noted_steps": 1.0,
    }


def test_a_summary_takes_medians_of_what_was_measured_and_counts_the_steps_that_noted_something():
    steps, losses, weights = Steps(), torch.tensor([4.0, 1.0]), torch.tensor([0.5, 0.5])
    for norms, cosine in (([2.0, 1.0], 0.1), ([30.0, 1.0], 0.5), ([400.0, 100.0], 0.3), ([0.0, 0.0], None)):
        steps.record(StepReport(losses, weights, torch.tensor(norms), cosine))
    steps.record(StepReport(losses, weights, note="task 1 sleeps; task 0 sleeps"))
    row = steps.summary()
    # The ratios are 2, 30 and 4; that of two zeros is none.
    assert (row["norm_ratio"], row["cosine"], row["noted_steps"]) == (4.0, 0.3, 1.0)
    quiet = Steps()
    quiet.record(StepReport(losses, weights))
    assert quiet.summary() == {
        **dict.fromkeys(("weight_rul", "weight_health"), 0.5),
        **{"loss_rul": 4.0, "loss_health": 1.0, "noted_steps": 0.0},
    }


class Fifth(State):
    """A run in its fifth epoch, and nothing more."""

    label, epoch = "AMNL, seed 1", 4

    def __init__(self):
        pass


def test_notes_are_counted_by_kind_and_said_once_also_after_a_stop():
    run, notes = Fifth(), Notes()
    report = StepReport(torch.ones(2), torch.ones(2))
    said = ["task 1 has a norm of 2.5e-09", "task 1 has a norm of 3e-10; task 0 sleeps", None, "task 0 sleeps"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for note in said:
            notes.on_step(replace(report, note=note), run)
        assert notes.counts == {"task 1 has a norm of …": 2, "task 0 sleeps": 2}
        assert [str(one.message).partition(". Said once")[0] for one in caught] == [
            "AMNL, seed 1, epoch 5: task 1 has a norm of 2.5e-09",
            "AMNL, seed 1, epoch 5: task 0 sleeps",
        ]
        again = Notes()
        again.load_state_dict(json.loads(json.dumps(notes.state_dict())))
        again.on_step(replace(report, note="task 0 sleeps"), run)
    assert (again.counts["task 0 sleeps"], notes.counts["task 0 sleeps"], len(caught)) == (3, 2, 2)


def test_steps_keep_the_latest_epoch(tiny):
    steps = Steps()
    result = train(tiny, TINY, progress=False, observers=[steps])
    assert len(steps.reports) == math.ceil(len(tiny.train) / 64)
    assert steps.summary()["loss_rul"] == result.history["loss_rul"].iloc[-1]
