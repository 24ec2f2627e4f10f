"""The loop: it learns, resumes bit for bit after a kill, leaks nothing, and leaves the caller's state alone."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from rulbook.data import demo_fleet, fleet_from_frame, prepare
from rulbook.data.tensors import upload
from rulbook.errors import InputError
from rulbook.inference import predict
from rulbook.methods import METHODS
from rulbook.runs.record import read_record
from rulbook.runs.run import run
from rulbook.training import TrainingConfig, Watch, evaluate, keeping, loop, train
from rulbook.training.draws import Draws
from rulbook.training.state import State
from rulbook.weighting import FixedWeights, Linear, Uniform

QUICK = TrainingConfig(epochs=3, batch_size=128, seed=1)
TINY = TrainingConfig(epochs=1, batch_size=64, seed=1)


@pytest.fixture(scope="module")
def data():
    return prepare(demo_fleet(engines=10, test_engines=6, seed=3), seed=0)


@pytest.fixture(scope="module")
def tiny():
    """Few and short windows, for what does not depend on learning much."""
    prepared = prepare(demo_fleet(engines=5, test_engines=3, seed=3), window=8, seed=0)
    return replace(prepared, train=prepared.train.take(np.arange(0, len(prepared.train), 4)))


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
    watched = train(data, config, progress=False, observers=[Watch(test=data.test)])
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
    record = run(data, replace(QUICK, probe_every=4), tmp_path / "run", progress=False)
    other = record.other_protocols
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert other.best_test_epoch.rmse == pytest.approx(history["test_rmse"].min())
    assert other.best_test_epoch.rmse <= record.test.rmse + 1e-4
    model = load_checkpoint(tmp_path / "run" / "best.safetensors").model
    seen = evaluate(model, data.test)
    assert record.test.rmse == pytest.approx(seen.scores()["rmse"], abs=1e-4)
    uncapped = np.sqrt(np.mean((seen.rul - data.test.true_rul) ** 2))
    assert other.uncapped.rmse == pytest.approx(uncapped, abs=1e-4)
    every = evaluate(model, data.test_all)
    assert len(every.rul) > len(seen.rul)
    assert other.all_windows.rmse == pytest.approx(every.scores()["rmse"], abs=1e-4)
    ratio = record.gradients.norm_ratio
    assert 0 < ratio.q1 <= ratio.median <= ratio.q3
    assert record.gradients.probes == 3 * len(range(0, -(-len(data.train) // 128), 4))
    without = run(data, replace(QUICK, epochs=1), tmp_path / "other", progress=False)
    assert without.gradients is None


SCRIPT = """
import sys
from rulbook.data import demo_fleet, prepare
from rulbook.training import TrainingConfig, train
data = prepare(demo_fleet(engines=10, test_engines=6, seed=3), seed=0)
train(data, TrainingConfig(epochs=3, batch_size=128, seed=1), folder=sys.argv[1], resume=True, progress=False,
      observers=[lambda row: print("epoch", int(row["epoch"]), flush=True)])
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
    record = run(data, replace(QUICK, epochs=2), tmp_path, progress=False)
    assert {"best.safetensors", "history.csv", "learning_curves.png", "test_engines.png", "record.json"} <= {
        file.name for file in tmp_path.iterdir()
    }
    assert read_record(tmp_path / "record.json") == record
    checkpoint = load_checkpoint(tmp_path / "best.safetensors")
    scores = evaluate(checkpoint.model, data.test).scores()
    assert scores == pytest.approx(asdict(record.test))
    assert len(record.data["validation_units"]) == 2


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


# Draws: a run's are its own


def test_runs_beside_each_other_are_what_they_are_alone(tiny):
    configs = [replace(TINY, method=method, seed=seed) for method, seed in (("grace", 0), ("pcgrad", 1), ("grace", 1))]
    alone = [weights(train(tiny, config, progress=False).model) for config in configs]
    done = threading.Event()

    def draw():
        while not done.is_set():
            torch.rand(100)

    with ThreadPoolExecutor(4) as pool:
        noise = pool.submit(draw)
        together = list(pool.map(lambda config: weights(train(tiny, config, progress=False).model), configs))
        done.set()
        noise.result()
    assert not torch.equal(alone[0], alone[2])
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_draws_from_the_global_generator(tiny, method):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seen = []
    config = replace(TINY, method=method)
    plain = train(tiny, config, progress=False, observers=[lambda row: seen.append(torch.get_rng_state())])
    assert all(torch.equal(state, before) for state in [*seen, torch.get_rng_state()])
    # Nor does it matter what a caller draws between the epochs.
    drawing = train(tiny, config, progress=False, observers=[lambda row: torch.rand(3)])
    assert torch.equal(weights(plain.model), weights(drawing.model))


# What a method trains with, written out a second time


EQUAL = {key: [0.5, 0.5] for key in ("baseline", "amnl", "scaled_targets")}
FIXED = EQUAL | {"constant": [0.0477, 0.9523], "single_task": [1.0, 0.0]}


@pytest.mark.parametrize("method", [*FIXED, "gaba", "grace", "gaba_no_floor"])
def test_the_settings_of_every_method_of_the_book(method):
    chosen = METHODS[method]
    assert chosen.samples == (Linear(2.0) if method in ("amnl", "grace") else Uniform())
    assert chosen.rul_scale == (125.0 if method == "scaled_targets" else 1.0)
    assert chosen.name == method
    weighting = chosen.balancer().weighting
    if method in FIXED:
        assert weighting().tolist() == pytest.approx(FIXED[method], abs=1e-7)
    else:
        floor = 0.0 if method == "gaba_no_floor" else 0.05
        for _ in range(100):  # equal weights while it warms up
            assert weighting(torch.tensor([500.0, 1.0])).tolist() == [0.5, 0.5]
        for _ in range(2000):
            settled = weighting(torch.tensor([500.0, 1.0]))
        smallest = 1 / 501 if floor == 0 else floor / (floor + 500 / 501)  # as published: below the floor it names
        assert settled.tolist() == pytest.approx([smallest, 1 - smallest], abs=1e-4)


# One step, by hand


def started(data, config):
    return State(data, config)


def batches(run, count):
    """The positions in the first batches of an epoch, and these batches."""
    return [(index, run.data.train.tensors(index.numpy())) for index in run.batches()[:count]]


def one_epoch(run):
    return loop._one_epoch(run, *upload([run.data.train, run.data.validation], run.device), [])


def parameters(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


@pytest.mark.parametrize("method", METHODS)
def test_one_step_of_every_method_by_hand(method):
    data = prepare(demo_fleet(engines=5, test_engines=2, seed=3), window=8, max_rul=100, seed=0)
    config = replace(TINY, method=method, clip_norm=0.5, weight_decay=0.1, learning_rate=0.01)
    run, chosen = started(data, config), METHODS[method]
    (index, batch), model = batches(run, 1)[0], copy.deepcopy(run.model)
    draws = Draws(0)
    draws.restore(run.draws.state())
    report = run.train_on(batch)

    x, rul, health = data.train.tensors(index.numpy())
    balancer = chosen.balancer()
    with draws:
        representation = model.train().encode(x)
        predicted, logits = model.heads(representation)
        line = chosen.samples == Linear(chosen.samples.w_max)
        worth = 1 + (chosen.samples.w_max - 1) * (1 - rul / 100) if line else chosen.samples(rul, 100)
        squares = (worth * (predicted - rul) ** 2).mean() / (125**2 if method == "scaled_targets" else 1)
        picked = logits.log_softmax(dim=1)[torch.arange(len(health)), health]
        losses = torch.stack([squares, -picked.mean()])
        balancer.backward(
            losses,
            shared=model.shared_parameters(),
            representation=representation,
            last_shared=model.last_shared_parameters(),
        )
    torch.testing.assert_close(report.losses, losses.detach(), rtol=1e-5, atol=1e-6)

    gradients = [parameter.grad for parameter in model.parameters()]
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients if gradient is not None))
    clip = min(1.0, 0.5 / (float(norm) + 1e-6))
    rate = 0.01 * (0.1 if config.warmup_epochs else 1.0)
    for name, now, before, gradient in zip(
        dict(model.named_parameters()), run.model.parameters(), model.parameters(), gradients, strict=True
    ):
        if gradient is None:  # A task of weight 0 does not reach its head.
            assert torch.equal(now, before), name
            continue
        # The first step of AdamW: both averages are the gradient's own, so it moves each weight by the rate.
        moved = clip * gradient / ((clip * gradient).abs() + 1e-8)
        expected = before.detach() * (1 - rate * 0.1) - rate * moved
        torch.testing.assert_close(now.detach(), expected, rtol=1e-4, atol=1e-5, msg=name)
    decays = [group["weight_decay"] for group in run.optimizer.param_groups]
    learned = list(balancer.parameters())
    assert decays == ([0.1, 0.0] if learned else [0.1])
    for now, before in zip(run.balancer.parameters(), learned, strict=True):
        assert before.grad is not None
        step_of_adam = before.grad / (before.grad.abs() + 1e-8)
        torch.testing.assert_close(now.detach(), before.detach() - rate * step_of_adam)


def test_a_method_that_scales_and_weighs_scales_the_cap_too(tiny, monkeypatch):
    losses = {}
    for scale in (1.0, 50.0):
        monkeypatch.setitem(METHODS, "amnl", replace(METHODS["amnl"], rul_scale=scale))
        run = started(tiny, TINY)
        losses[scale] = run.train_on(batches(run, 1)[0][1]).losses
    assert float(losses[50.0][0]) == pytest.approx(float(losses[1.0][0]) / 50**2, rel=1e-5)
    assert float(losses[50.0][1]) == float(losses[1.0][1])


def test_a_loose_clip_changes_nothing_and_a_tight_one_shortens_the_gradient(tiny):
    norms = {}
    for clip in (1e9, 0.01):
        run = started(tiny, replace(TINY, clip_norm=clip))
        run.train_on(batches(run, 1)[0][1])
        norms[clip] = float(torch.sqrt(sum((p.grad**2).sum() for p in run.model.parameters())))
    assert norms[1e9] > 1
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("decay", [0.99, 0.15, 0.0])
def test_the_average_after_three_steps_by_hand(tiny, decay):
    run = started(tiny, replace(TINY, ema_decay=decay, learning_rate=0.01))
    means = None
    for steps, (_, batch) in enumerate(batches(run, 3)):
        run.train_on(batch)
        now, share = parameters(run.model), min(decay, (1 + steps) / (10 + steps))
        means = now if means is None else [share * a + (1 - share) * b for a, b in zip(means, now, strict=True)]
    for mean, found, last in zip(means, run.average.module.parameters(), now, strict=True):
        torch.testing.assert_close(found.detach(), mean, rtol=1e-5, atol=1e-7)
        assert torch.equal(found, last) == (decay == 0.0 or torch.equal(mean, last))


def test_the_average_is_what_is_judged_and_kept(tiny):
    averaged, raw = (train(tiny, replace(TINY, ema_decay=decay), progress=False) for decay in (0.99, 0.0))
    assert not torch.equal(weights(averaged.model), weights(raw.model))
    run = started(tiny, TINY)
    row = one_epoch(run)
    assert row["validation_rmse"] == evaluate(run.average.module, tiny.validation).scores()["rmse"]
    assert row["validation_rmse"] != evaluate(run.model, tiny.validation).scores()["rmse"]
    assert row["loss_rul"] > row["loss_health"] > 0


# Which epoch is kept, and when a run stops


@pytest.fixture
def scripted(monkeypatch, tiny):
    """Validation RMSE as scripted, everything else as it is."""

    def script(*scores):
        told = iter(scores)

        def judged(model, windows, **keywords):
            seen = evaluate(model, windows, **keywords)
            if windows.windows is not tiny.validation:
                return seen
            return SimpleNamespace(scores=lambda: {**seen.scores(), "rmse": next(told)})

        monkeypatch.setattr(loop, "evaluate", judged)

    return script


def test_the_best_epoch_is_kept_even_if_it_is_not_the_last(tiny, tmp_path, scripted):
    scripted(30.0, 10.0)
    short = train(tiny, replace(TINY, epochs=2), progress=False)
    scripted(30.0, 10.0, 20.0)
    record = run(tiny, replace(TINY, epochs=3), tmp_path, progress=False)
    scripted(30.0, 10.0, 20.0)
    result = train(tiny, replace(TINY, epochs=3), progress=False)
    checkpoint = load_checkpoint(tmp_path / "best.safetensors")
    assert record.selected_epoch == result.best_epoch == checkpoint.facts["best_epoch"] == 2
    assert len(result.history) == 3
    for model in (result.model, checkpoint.model):
        assert torch.equal(weights(model), weights(short.model))
        assert not any(module.training for module in model.modules())
    assert asdict(record.test) == pytest.approx(evaluate(short.model, tiny.test).scores())
    assert record.validation.rmse == 10.0
    scripted(30.0, 10.0, 20.0)
    last = started(tiny, TINY)
    for _ in range(3):
        one_epoch(last)
    assert not torch.equal(weights(last.average.module), weights(result.model))


def test_an_epoch_that_is_no_better_leaves_the_kept_model_alone(tiny, tmp_path, scripted, monkeypatch):
    kept = []

    def keep(path, *given, **named):
        kept.append(given[-1]["best_epoch"])
        return save_checkpoint(path, *given, **named)

    monkeypatch.setattr(keeping, "save_checkpoint", keep)
    scripted(30.0, 10.0, 20.0, 15.0)
    train(tiny, replace(TINY, epochs=4), folder=tmp_path, progress=False)
    assert kept == [1, 2]
    # A run that is lengthened writes it once more, for the settings in it are others; and then as before.
    scripted(20.0, 15.0, 5.0)
    train(tiny, replace(TINY, epochs=7), folder=tmp_path, resume=True, progress=False)
    assert kept == [1, 2, 2, 7]


def test_the_kept_model_knows_the_table_that_it_was_trained_on(tmp_path):
    theirs = {"unit": "machine", "cycle": "day", "s2": "heat", "s3": "noise"}
    table = demo_fleet(engines=5, test_engines=1, seed=3).train[[*theirs, "setting_1"]].rename(columns=theirs)
    fleet = fleet_from_frame(
        table, unit="machine", cycle="day", settings=["setting_1"], sensors=["heat", "noise"], window=8, max_rul=60
    )
    data = prepare(fleet, thresholds=(40, 15), seed=0)
    result = train(data, TINY, folder=tmp_path, progress=False)
    kept = load_checkpoint(tmp_path / "best.safetensors")
    assert kept.columns == fleet.columns
    assert kept.horizon == data.horizon
    assert (kept.facts["data"]["subset"], kept.facts["config"]) == ("own", TINY.to_dict())
    (row,) = result.history.to_dict("records")
    assert kept.facts["validation"] == pytest.approx({name: row[name] for name in row if name != "seconds"})
    assert len(predict(kept, table)) == 5


def test_patience_ends_a_run(tiny, scripted):
    scripted(20.0, 10.0, 11.0, 12.0, 9.0)
    assert len(train(tiny, replace(TINY, epochs=5, patience=2), progress=False).history) == 4
    scripted(20.0, 10.0, 11.0, 12.0, 9.0)
    result = train(tiny, replace(TINY, epochs=5, patience=3), progress=False)
    assert (len(result.history), result.best_epoch) == (5, 5)


def test_the_learning_rate_warms_up_then_halves_on_a_plateau(tiny, scripted):
    scripted(*[10.0] * 7)
    config = replace(TINY, epochs=7, warmup_epochs=2, plateau_patience=1, learning_rate=0.001)
    rates = train(tiny, config, progress=False).history["learning_rate"].tolist()
    assert rates == pytest.approx([1e-4, 5.5e-4, 1e-3, 1e-3, 1e-3, 5e-4, 5e-4])


# One cap and one pair of thresholds from the data to the last prediction


@pytest.mark.parametrize("cap", [100, 200])
def test_the_cap_of_the_data_is_the_cap_of_everything(cap, tmp_path):
    fleet = demo_fleet(engines=6, test_engines=4, seed=3)
    data = prepare(fleet, window=8, max_rul=cap, thresholds=(50, 20), seed=0)
    record = run(data, replace(TINY, epochs=1), tmp_path, progress=False)
    checkpoint = load_checkpoint(tmp_path / "best.safetensors")
    model = checkpoint.model
    assert (model.max_rul, model.thresholds) == (cap, (50, 20))
    with torch.no_grad():
        model.rul_head[-1].bias += 1000.0
    for windows in (data.test, data.test_all, data.test.capped_at(None)):
        assert (evaluate(model, windows).rul == cap).all()
    assert (model.predict(data.test.tensors()[0])[0] == cap).all()
    assert (predict(checkpoint, fleet.test)["rul"] == cap).all()
    assert evaluate(model, data.test).true_rul.max() <= cap
    assert record.data["max_rul"] == cap
    assert evaluate(model, data.test_all).true_health.tolist() == [
        0 if rul > 50 else 2 if rul <= 20 else 1 for rul in data.test_all.true_rul
    ]


# Mixed precision


@pytest.mark.parametrize("method", ["baseline", "grace", "gradnorm", "uncertainty", "upgrad"])
def test_bfloat16_trains_nearly_as_float32(tiny, method):
    half, single = (
        train(tiny, replace(TINY, method=method, epochs=2, precision=precision), progress=False)
        for precision in ("bf16", "fp32")
    )
    assert not torch.equal(weights(half.model), weights(single.model))
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    assert np.isfinite(half.history.to_numpy()).all()
    near = single.history["validation_rmse"].to_numpy()
    np.testing.assert_allclose(half.history["validation_rmse"], near, rtol=0.01)
    assert half.history["loss_rul"].iloc[-1] == pytest.approx(single.history["loss_rul"].iloc[-1], rel=0.02)


def test_bfloat16_resumes_to_the_bit_and_stays_what_it_was(tiny, tmp_path):
    config = replace(TINY, method="grace", epochs=2, precision="bf16")
    whole = train(tiny, config, progress=False)
    train(tiny, replace(config, epochs=1), folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"another .*precision"):
        train(tiny, replace(config, precision="fp32"), folder=tmp_path, resume=True, progress=False)
    resumed = train(tiny, config, folder=tmp_path, resume=True, progress=False)
    assert torch.equal(weights(whole.model), weights(resumed.model))


def test_buffers_of_a_balancer_keep_their_precision(tiny):
    run = started(tiny, replace(TINY, method="grace", precision="bf16"))
    kinds = {name: buffer.dtype for name, buffer in run.balancer.named_buffers()}
    report = run.train_on(batches(run, 1)[0][1])
    assert {name: buffer.dtype for name, buffer in run.balancer.named_buffers()} == kinds
    assert report.losses.dtype == report.weights.dtype == torch.float32


def test_a_record_without_a_precision_is_one_of_float32():
    assert TrainingConfig().precision == "fp32"
    kept = {name: value for name, value in TrainingConfig().to_dict().items() if name != "precision"}
    assert TrainingConfig.from_dict(kept) == TrainingConfig()


# What a step notes


class Remarking(WeightedSum):
    """A balancer that remarks on every second step, and on one more."""

    seen = 0

    def backward(self, losses, **keywords):
        self.seen += 1
        note = f"task 1 has a gradient norm of {self.seen}.5e-09, which counts as zero" if self.seen % 2 else None
        if self.seen == 3:
            note += "; task 0 has a zero gradient"
        return replace(super().backward(losses, **keywords), note=note)


def test_what_steps_note_is_said_once_counted_and_kept(tiny, tmp_path, monkeypatch):
    remarking = replace(METHODS["baseline"], balancer=lambda: Remarking(FixedWeights((0.5, 0.5))))
    monkeypatch.setitem(METHODS, "baseline", remarking)
    config = replace(TINY, method="baseline", epochs=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = train(tiny, config, folder=tmp_path, progress=False)
    steps = 2 * len(started(tiny, config).batches())
    said = [str(warning.message) for warning in caught if "epoch" in str(warning.message)]
    assert [message.partition(": ")[0] for message in said] == ["plain MSE + CE, seed 1, epoch 1"] * 2
    assert "task 1 has a gradient norm of 1.5e-09" in said[0]
    assert "task 0 has a zero gradient" in said[1]
    kind = "task 1 has a gradient norm of …, which counts as zero"
    assert result.notes == {kind: -(-steps // 2), "task 0 has a zero gradient": 1}
    assert result.history["noted_steps"].sum() == -(-steps // 2)
    assert pd.read_csv(tmp_path / "history.csv")["noted_steps"].tolist() == result.history["noted_steps"].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resumed = train(tiny, replace(config, epochs=3), folder=tmp_path, resume=True, progress=False)
    assert resumed.notes[kind] > result.notes[kind]
    assert resumed.notes["task 0 has a zero gradient"] == 2


def test_a_run_without_remarks_says_nothing(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = train(tiny, replace(TINY, method="grace"), progress=False)
    assert result.notes == {}
    assert result.history["noted_steps"].tolist() == [0.0]


# What cannot be trained is said before, and what went wrong in words


def broken_rows(windows):
    rows = windows.rows.copy()
    rows[windows.starts[3] + 1, 2] = np.nan
    return replace(windows, rows=rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: {"validation": d.validation.take([])}, "validation is empty: no engine chooses the epoch"),
        (lambda d: {"train": d.train.take([])}, "train holds 0 windows"),
        (lambda d: {"train": d.train.take([0])}, "train holds 1 windows"),
        (
            lambda d: {"train": broken_rows(d.train)},
            "has a value of nan for feature 2 in the window that ends at cycle",
        ),
        (lambda d: {"validation": broken_rows(d.validation)}, "has a value of nan"),
        (
            lambda d: {"validation": replace(d.validation, rows=d.validation.rows[:, :3])},
            "validation has 3 features but train has 14",
        ),
        (
            lambda d: {"train": replace(d.train, true_rul=np.where(d.train.cycle == 9, np.nan, d.train.true_rul))},
            "train has no RUL for engine .* at cycle 9",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused_before_training(tiny, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        train(replace(tiny, **change(tiny)), TINY, folder=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_no_validation_engines_is_said_in_the_words_of_prepare():
    data = prepare(demo_fleet(engines=4, test_engines=2, seed=3), window=8, validation_fraction=0)
    with pytest.raises(ValueError, match="validation_fraction"):
        train(data, TINY, progress=False)


def test_watched_windows_choose_nothing_and_must_be_some(tiny):
    with pytest.raises(ValueError, match="watched names 'validation'"):
        Watch(validation=tiny.test)
    with pytest.raises(ValueError, match="test is empty"):
        Watch(test=tiny.test.take([]))


def test_no_test_engines_are_needed(tiny):
    without = replace(tiny, test=tiny.test.take([]), test_all=tiny.test_all.take([]))
    assert torch.equal(*(weights(train(data, TINY, progress=False).model) for data in (tiny, without)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 1e300}, "learning_rate is 1e\\+300: it must lie between 0 and 1e\\+30"),
        ({"weight_decay": 1e300}, "weight_decay is 1e\\+300"),
        ({"clip_norm": 1e300}, "clip_norm is 1e\\+300"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"seed": 2**32}, "seed is 4294967296: it must be a whole number from 0 to 4294967295"),
        ({"seed": -1}, "seed is -1"),
        ({"batch_size": 10**30}, "batch_size is 10{30}"),
        ({"precision": "fp16"}, "precision is 'fp16': it must be one of fp32, bf16"),
    ],
)
def test_settings_beyond_what_the_machine_holds_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**change)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_diverges_says_where_and_what_to_lower(tiny, precision):
    config = replace(TINY, learning_rate=1e30, warmup_epochs=0, precision=precision)
    with pytest.raises(InputError, match=r"epoch 1, step \d+.*Lower learning_rate \(it is 1e\+30\)"):
        train(tiny, config, progress=False)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_is_said_in_the_words_of_the_settings(tiny, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(State, "train_on", full)
    with pytest.raises(InputError, match="memory does not suffice for batch_size 64 with preset 'compact'"):
        train(tiny, TINY, progress=False)


def test_a_fault_of_our_own_is_no_fault_of_the_input(tiny, monkeypatch):
    def wrong(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(State, "train_on", wrong)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tiny, TINY, progress=False)


def test_what_a_caller_has_switched_on_does_not_reach_the_run_or_its_predictions(tiny):
    plain = train(tiny, TINY, progress=False)
    for around in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        with around:
            inside = train(tiny, TINY, progress=False)
            scores = evaluate(plain.model, tiny.validation).scores()
        assert torch.equal(weights(inside.model), weights(plain.model))
        assert scores == evaluate(plain.model, tiny.validation).scores()
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(InputError, match=r"default dtype is torch\.float64: the network trains in float32"):
            train(tiny, TINY, progress=False)
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_a_callback_writes_into_its_row_stays_out_of_the_run(tiny):
    config = replace(TINY, epochs=3)
    plain = train(tiny, config, progress=False)

    def scribble(row):
        row["validation_rmse"] = -row["epoch"]
        row["mine"] = 1.0

    scribbled = train(tiny, config, progress=False, observers=[scribble])
    assert torch.equal(weights(scribbled.model), weights(plain.model))
    assert scribbled.best_epoch == plain.best_epoch
    assert scribbled.history.drop(columns="seconds").equals(plain.history.drop(columns="seconds"))
