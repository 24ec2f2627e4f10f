"""The loop: it learns, resumes bit for bit after a kill, leaks nothing, and leaves the caller's state alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from rulbook.checkpoint import load_checkpoint, load_tensors, save_tensors
from rulbook.data import demo_fleet, prepare
from rulbook.experiments import run_experiment
from rulbook.training import TrainingConfig, evaluate, train

QUICK = TrainingConfig(epochs=3, batch_size=128, seed=1)


@pytest.fixture(scope="module")
def data():
    return prepare(demo_fleet(engines=10, test_engines=6, seed=3), seed=0)


def weights(model):
    return torch.cat([value.double().reshape(-1) for value in model.state_dict().values()])


def test_training_beats_the_mean_and_is_repeatable(data):
    result = train(data, replace(QUICK, epochs=6), progress=False)
    rmse = evaluate(result.model, data.validation).scores()["rmse"]
    guess = np.sqrt(np.mean((data.validation.rul - data.train.rul.mean()) ** 2))
    assert rmse < 0.7 * guess
    assert rmse == pytest.approx(result.history["validation_rmse"].min(), abs=1e-4)
    again = train(data, replace(QUICK, epochs=6), progress=False)
    assert torch.equal(weights(result.model), weights(again.model))
    other = train(data, replace(QUICK, seed=2), progress=False)
    assert not torch.equal(weights(result.model), weights(other.model))


@pytest.mark.parametrize("method", ["baseline", "amnl", "gaba", "grace"])
def test_the_same_loop_serves_all_four_methods(data, method):
    result = train(data, replace(QUICK, method=method, epochs=1), progress=False)
    row = result.history.iloc[0]
    assert row["weight_rul"] + row["weight_health"] == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(row["validation_rmse"])


def test_resume_gives_the_same_weights_bit_for_bit(data, tmp_path):
    config = replace(QUICK, method="grace", probe_every=5)
    whole = train(data, config, folder=tmp_path / "whole", progress=False)
    train(data, replace(config, epochs=1), folder=tmp_path / "parts", progress=False)
    torch.rand(7)  # whatever the caller draws in between must not matter
    resumed = train(data, config, folder=tmp_path / "parts", resume=True, progress=False)
    assert torch.equal(weights(whole.model), weights(resumed.model))
    pd.testing.assert_frame_equal(whole.probes, resumed.probes)
    a, b = (load_tensors(tmp_path / name / "state.safetensors")[0] for name in ("whole", "parts"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_watching_and_probing_change_nothing(data):
    plain = train(data, replace(QUICK, method="gaba", epochs=2), progress=False)
    config = replace(QUICK, method="gaba", epochs=2, probe_every=5)
    watched = train(data, config, progress=False, watched={"test": data.test})
    assert torch.equal(weights(plain.model), weights(watched.model))
    assert plain.probes.empty
    assert "test_rmse" not in plain.history
    last = watched.history.iloc[watched.best_epoch - 1]
    assert last["test_rmse"] == pytest.approx(evaluate(watched.model, data.test).scores()["rmse"], abs=1e-4)
    steps = -(-len(data.train) // 128)
    assert watched.probes["step"].tolist() == 2 * list(range(0, steps, 5))
    assert watched.probes["epoch"].tolist() == sorted(watched.probes["epoch"])
    assert (watched.probes[["norm_rul", "norm_health"]] > 0).all(axis=None)
    assert watched.probes["cosine"].abs().max() <= 1


def test_a_record_tells_what_other_protocols_would_have_made_of_the_run(data, tmp_path):
    record = run_experiment(data, replace(QUICK, probe_every=4), tmp_path / "run", progress=False)
    other = record["other_protocols"]
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert other["best_test_epoch"]["rmse"] == pytest.approx(history["test_rmse"].min())
    assert other["best_test_epoch"]["rmse"] <= record["test"]["rmse"] + 1e-4
    model = load_checkpoint(tmp_path / "run" / "best.safetensors").model
    seen = evaluate(model, data.test)
    assert record["test"]["rmse"] == pytest.approx(seen.scores()["rmse"], abs=1e-4)
    uncapped = np.sqrt(np.mean((seen.rul - data.test.true_rul) ** 2))
    assert other["uncapped"]["rmse"] == pytest.approx(uncapped, abs=1e-4)
    every = evaluate(model, data.test_all)
    assert len(every.rul) > len(seen.rul)
    assert other["all_windows"]["rmse"] == pytest.approx(every.scores()["rmse"], abs=1e-4)
    ratio = record["gradients"]["norm_ratio"]
    assert 0 < ratio["q1"] <= ratio["median"] <= ratio["q3"]
    assert record["gradients"]["probes"] == 3 * len(range(0, -(-len(data.train) // 128), 4))
    without = run_experiment(data, replace(QUICK, epochs=1), tmp_path / "other", progress=False)
    assert without["gradients"] is None


SCRIPT = """
import sys
from rulbook.data import demo_fleet, prepare
from rulbook.training import TrainingConfig, train
data = prepare(demo_fleet(engines=10, test_engines=6, seed=3), seed=0)
train(data, TrainingConfig(epochs=3, batch_size=128, seed=1), folder=sys.argv[1], resume=True, progress=False,
      on_epoch=lambda row: print("epoch", int(row["epoch"]), flush=True))
"""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(data, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "epoch 1\n"
        time.sleep(0.3)  # somewhere inside the second epoch
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    resumed = train(data, QUICK, folder=tmp_path / "killed", resume=True, progress=False)
    whole = train(data, QUICK, progress=False)
    assert torch.equal(weights(whole.model), weights(resumed.model))


def test_a_folder_in_use_is_not_overwritten(data, tmp_path):
    train(data, replace(QUICK, epochs=1), folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="holds a run already"):
        train(data, QUICK, folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="holds a run with another method"):
        train(data, replace(QUICK, method="baseline"), folder=tmp_path, resume=True, progress=False)


def test_the_callers_random_state_is_left_alone(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(data, replace(QUICK, epochs=1), progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_leaves_model_curves_picture_and_record(data, tmp_path):
    record = run_experiment(data, replace(QUICK, epochs=2), tmp_path, progress=False)
    assert {"best.safetensors", "history.csv", "learning_curves.png", "test_engines.png", "record.json"} <= {
        file.name for file in tmp_path.iterdir()
    }
    assert json.loads((tmp_path / "record.json").read_text()) == record
    checkpoint = load_checkpoint(tmp_path / "best.safetensors")
    scores = evaluate(checkpoint.model, data.test).scores()
    assert scores == pytest.approx(record["test"])
    assert len(record["data"]["validation_units"]) == 2


def test_the_test_engines_do_not_touch_training(data):
    other = replace(data, test=data.test.take(np.arange(2)))
    a, b = (train(d, replace(QUICK, epochs=1), progress=False) for d in (data, other))
    assert torch.equal(weights(a.model), weights(b.model))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "magic"}, "method is 'magic': it must be one of baseline, amnl"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 1}, "batch_size is 1: it must be a whole number of at least 2"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0: it must be greater than 0"),
        ({"ema_decay": 1.5}, "ema_decay is 1.5"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**change)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(200))
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        load_checkpoint(tmp_path / "noise")
    with pytest.raises(ValueError, match="no such file"):
        load_checkpoint(tmp_path / "nothing")
    save_tensors(tmp_path / "bare", {"x": torch.zeros(2)}, {})
    with pytest.raises(ValueError, match="holds no model"):
        load_checkpoint(tmp_path / "bare")


def test_a_truncated_checkpoint_is_refused(data, tmp_path):
    train(data, replace(QUICK, epochs=1), folder=tmp_path, progress=False)
    content = (tmp_path / "best.safetensors").read_bytes()
    (tmp_path / "half").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        load_checkpoint(tmp_path / "half")
