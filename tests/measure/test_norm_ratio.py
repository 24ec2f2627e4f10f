"""The recorded ratios of chapter 12 are consistent in themselves, and a step is worth what it should be."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rulbook.course.results import read_json
from rulbook.data import demo_fleet, prepare

SCRIPT = Path(__file__).resolve().parents[2] / "book" / "measure" / "norm_ratio.py"
RECORD: dict[str, Any] = read_json("norm_ratio")
PLACES = ("shared", "last_layer", "representation")


def test_an_epoch_is_as_many_batches_as_its_windows_fill() -> None:
    data = RECORD["data"]
    batches = -(-data["train_windows"] // data["batch_size"])
    assert data["batches"] == batches
    for place in PLACES:
        assert len(RECORD["fresh"]["every_batch"][place]) == batches
        for run in RECORD["runs"].values():
            assert {len(epoch[place]) for epoch in run["every_batch"].values()} == {batches}


@pytest.mark.parametrize("place", PLACES)
def test_the_quantiles_are_those_of_the_stored_values(place: str) -> None:
    stored = [(RECORD["fresh"]["seeds"]["0"]["ratio"][place], RECORD["fresh"]["every_batch"][place])]
    for run in RECORD["runs"].values():
        stored += [
            (run["epochs"][int(epoch) - 1]["ratio"][place], values[place])
            for epoch, values in run["every_batch"].items()
        ]
    for told, values in stored:
        assert list(told.values()) == sorted(told.values())
        assert np.median(values) == pytest.approx(told["median"], rel=0.006)
        assert np.quantile(values, 0.25) == pytest.approx(told["q1"], rel=0.006)
        assert max(values) == pytest.approx(told["max"], rel=0.006)


def test_a_gradient_averaged_over_batches_is_no_longer_than_those_of_the_batches() -> None:
    for run in RECORD["runs"].values():
        for whole in run["whole"].values():
            assert whole["whole_rul"] <= whole["mean_batch_rul"]
            assert whole["whole_health"] <= whole["mean_batch_health"]


def test_before_training_both_units_differ_by_125_squared() -> None:
    cycles, lives = (RECORD["runs"][unit]["whole"]["0"] for unit in ("cycles", "lives"))
    assert cycles["whole_ratio"] / lives["whole_ratio"] == pytest.approx(125**2, rel=0.002)
    assert cycles["whole_cosine"] == pytest.approx(lives["whole_cosine"], abs=0.002)


def test_the_runs_warm_up_and_one_does_not() -> None:
    for run in RECORD["runs"].values():
        assert [row["learning_rate"] for row in run["epochs"]] == [1e-4, 5.5e-4, *[1e-3] * 8]
    assert [row["learning_rate"] for row in RECORD["without_warmup"]] == [1e-3] * 10


def test_a_plain_step_makes_health_worse_where_the_cosine_says_so() -> None:
    run = RECORD["runs"]["cycles"]
    for epoch, values in run["every_batch"].items():
        below = np.array(values["cosine"]) < -1 / np.array(values["shared"])
        assert run["steps"][epoch]["health"]["plain_says_worse"] == below.sum()
        assert run["steps"][epoch]["rul"]["plain_says_worse"] == 0


def test_the_step_that_was_made_is_a_share_of_the_best() -> None:
    for found in RECORD["runs"]["cycles"]["steps"].values():
        assert found["steps"] == RECORD["data"]["batches"]
        for task in ("rul", "health"):
            for share in ("share_plain", "share_made"):
                assert -1 <= found[task][share]["min"] <= found[task][share]["max"] <= 1
            assert 0 <= found[task]["rose"] <= found["steps"]


def test_a_step_of_plain_descent_is_worth_what_the_plain_sum_is() -> None:
    script = runpy.run_path(str(SCRIPT))
    data = prepare(demo_fleet(), seed=0)
    probe = script["Probe"](script["fresh_model"](data, 0), data.train)
    optimizer = torch.optim.SGD(probe.model.parameters(), lr=1e-4)
    step = script["Worth"](probe, torch.arange(64))
    made = probe.forward(step.index)
    step.look(made)
    made.losses.sum().backward()
    optimizer.step()
    state = {name: value.clone() for name, value in probe.model.state_dict().items()}
    rng = torch.get_rng_state()
    worth = step.told()
    torch.testing.assert_close(worth["made"], worth["plain"], atol=2e-3, rtol=0)
    assert (worth["rose"] == (worth["plain"] < 0)).all()
    # Looking changes nothing: neither the network nor the next dropout mask.
    assert torch.equal(rng, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in probe.model.state_dict().items())


def test_each_task_is_told_at_its_own_best_epoch() -> None:
    for seeds in read_json("task_alone")["runs"].values():
        for found in seeds.values():
            assert found["rmse"] == pytest.approx(min(found["rmse_by_epoch"]), abs=0.006)
            assert found["macro_f1"] == pytest.approx(max(found["macro_f1_by_epoch"]), abs=0.0006)
            assert found["rmse_by_epoch"][found["rmse_epoch"] - 1] == min(found["rmse_by_epoch"])
            assert found["macro_f1_by_epoch"][found["macro_f1_epoch"] - 1] == max(found["macro_f1_by_epoch"])
