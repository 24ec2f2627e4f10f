"""A run's folder: the same run alone goes on, a finished one can be lengthened, one process at a time writes there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from rulbook import checkpoint as checkpoints
from rulbook.checkpoint import load_tensors
from rulbook.data import demo_fleet, prepare
from rulbook.runs.record import read_record
from rulbook.runs.run import run
from rulbook.training import TrainingConfig, Watch, keeping, train
from rulbook.training.run_folder import RunInUseError, held

QUICK = TrainingConfig(epochs=1, batch_size=256, seed=1, method="grace", probe_every=3)


def small_fleet(seed=3):
    return demo_fleet(engines=6, test_engines=3, seed=seed)


@pytest.fixture(scope="module")
def data():
    return prepare(small_fleet(), seed=0)


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    """A run with one epoch behind it, and its record."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    run(data, QUICK, folder, progress=False)
    return folder


@pytest.fixture
def folder(begun, tmp_path):
    """A copy of it that a test may spoil, without the record, as after a kill."""
    (tmp_path / "run").mkdir()
    for name in ("best.safetensors", "state.safetensors", "history.csv"):
        (tmp_path / "run" / name).write_bytes((begun / name).read_bytes())
    return tmp_path / "run"


def with_one_reading_changed(data):
    rows = data.train.rows.copy()
    rows[5, 2] = np.nextafter(rows[5, 2], np.float32(9))
    return replace(data, train=replace(data.train, rows=rows))


def with_labels_swapped(data):
    return replace(data, train=replace(data.train, true_rul=data.train.true_rul[::-1].copy()))


OTHERS = {
    "another fleet of that name": (lambda d: prepare(small_fleet(4), seed=0), "windows|rows differ"),
    "another data set": (lambda d: replace(d, subset="FD001"), r"data set \('demo', not 'FD001'\)"),
    "another seed of the split": (lambda d: prepare(small_fleet(), seed=7), r"seed \(0, not 7\)"),
    "another fraction": (lambda d: prepare(small_fleet(), validation_fraction=0.5), r"validation_fraction \(0\.2, not"),
    "a split that leaks": (lambda d: prepare(small_fleet(), split="windows"), r"split \('engines', not 'windows'\)"),
    "another cap": (lambda d: prepare(small_fleet(), max_rul=100), r"max_rul \(125\.0, not 100\.0\)"),
    "one reading, by one bit": (with_one_reading_changed, "rows differ in train"),
    "labels in another order": (with_labels_swapped, "rows differ in train"),
    "other test engines": (lambda d: replace(d, test=d.test.take(np.array([1, 0, 2]))), "rows differ in test"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_data_are_refused_by_name(data, folder, name):
    change, words = OTHERS[name]
    before = (folder / "state.safetensors").read_bytes()
    with pytest.raises(ValueError, match=words) as refused:
        run(change(data), replace(QUICK, epochs=2), folder, resume=True, progress=False)
    assert str(refused.value).startswith(f"folder {str(folder)!r} holds a run with another ")
    assert (folder / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "amnl"}, r"method \('grace', not 'amnl'\)"),
        ({"seed": 2, "batch_size": 64}, r"seed \(1, not 2\), batch_size \(256, not 64\)"),
        ({"patience": 3}, r"patience \(8, not 3\)"),
    ],
)
def test_other_settings_are_refused_by_name(data, folder, change, words):
    with pytest.raises(ValueError, match=words):
        run(data, replace(QUICK, epochs=2, **change), folder, resume=True, progress=False)


@pytest.mark.parametrize("name", ["rulbook", "torch"])
def test_another_version_is_refused_by_name(data, folder, monkeypatch, name):
    monkeypatch.setattr(keeping, "versions", lambda: {**checkpoints.versions(), name: "0.0.9"})
    with pytest.raises(ValueError, match=f"version of {name}"):
        run(data, replace(QUICK, epochs=2), folder, resume=True, progress=False)


def test_a_damaged_state_is_refused(data, folder):
    content, rng = (folder / "state.safetensors").read_bytes(), random.Random(1)
    for _ in range(20):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (folder / "state.safetensors").write_bytes(changed)
        with pytest.raises(ValueError, match=r"state\.safetensors"):
            train(data, QUICK, folder=folder, resume=True, progress=False)


def test_a_model_in_the_place_of_the_state_is_refused(data, folder):
    (folder / "best.safetensors").replace(folder / "state.safetensors")
    with pytest.raises(ValueError, match="holds no training run"):
        train(data, QUICK, folder=folder, resume=True, progress=False)


def test_fewer_epochs_than_are_done_are_refused(data, folder):
    run(data, replace(QUICK, epochs=2), folder, resume=True, progress=False)
    with pytest.raises(ValueError, match=r"epochs is 1: the run in .* has 2 behind it already"):
        run(data, QUICK, folder, resume=True, progress=False)


def test_a_finished_run_is_lengthened_as_if_it_had_never_ended(data, begun, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for file in begun.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    records = []
    longer = replace(QUICK, epochs=3)
    # While it goes on, the old record is of no run that is finished.
    run(
        data,
        longer,
        folder,
        resume=True,
        progress=False,
        observers=[lambda row: records.append((folder / "record.json").exists())],
    )
    assert records == [False, False]
    whole = run(data, longer, tmp_path / "whole", progress=False)
    lengthened = read_record(folder / "record.json")
    timed = {"training_seconds": 0.0, "wall_seconds": 0.0, "windows_per_second": 0.0}
    assert replace(lengthened, **timed) == replace(whole, **timed)
    assert (folder / "predictions.csv").read_bytes() == (tmp_path / "whole" / "predictions.csv").read_bytes()
    # Equal runs leave equal models, byte for byte, and equal states but for the clock.
    assert (folder / "best.safetensors").read_bytes() == (tmp_path / "whole" / "best.safetensors").read_bytes()
    a, b = (load_tensors(place / "state.safetensors")[0] for place in (folder, tmp_path / "whole"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_is_neither_begun_again_nor_gone_on_with_for_nothing(data, begun, tmp_path):
    kept = {file.name: file.read_bytes() for file in begun.iterdir()}
    with pytest.raises(ValueError, match="holds a finished run: give another folder"):
        run(data, QUICK, begun, progress=False)
    with pytest.raises(ValueError, match=r"all its epochs \(1\) are done\. More epochs lengthen it"):
        run(data, QUICK, begun, resume=True, progress=False)
    assert {file.name: file.read_bytes() for file in begun.iterdir()} == kept
    (begun.parent / "bare").mkdir()
    (begun.parent / "bare" / "record.json").write_bytes(kept["record.json"])
    with pytest.raises(ValueError, match=r"without its state\.safetensors"):
        run(data, QUICK, begun.parent / "bare", resume=True, progress=False)


def test_more_epochs_change_nothing_where_patience_ended_the_run(data, tmp_path):
    impatient = replace(QUICK, epochs=40, patience=1, learning_rate=0.05)
    done = run(data, impatient, tmp_path, progress=False).epochs
    assert done < 40
    with pytest.raises(
        ValueError, match=rf"after epoch {done}, since 1 epochs brought nothing better than epoch {done - 1}"
    ):
        run(data, replace(impatient, epochs=60), tmp_path, resume=True, progress=False)


def test_a_run_killed_before_its_record_is_only_written_down(data, begun, folder):
    record = run(data, QUICK, folder, resume=True, progress=False)
    assert record.test == read_record(begun / "record.json").test


def test_what_a_killed_process_left_half_written_is_cleared_away(data, folder):
    (folder / ".state.safetensors.4711").write_bytes(b"half")
    run(data, QUICK, folder, resume=True, progress=False)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors",
        "history.csv",
        "learning_curves.png",
        "predictions.csv",
        "record.json",
        "state.safetensors",
        "test_engines.png",
    ]


HOLD = """
import sys, time
from rulbook.training.run_folder import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_one_process_alone_and_free_again_when_that_is_killed(data, folder):
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        for attempt in (train, run):
            with pytest.raises(RunInUseError, match=f"is in use: process {holder.pid} is training into it"):
                attempt(data, replace(QUICK, epochs=2), folder=folder, resume=True, progress=False)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
        holder.kill()
        holder.wait()
        # What it held goes with it at once: its lock file is still there, and stops nobody.
        assert (folder / "run.lock").exists()
        with held(folder):
            pass
    assert not (folder / "run.lock").exists()


def test_a_folder_is_one_thread_alone_and_free_after_an_error(tmp_path):
    with held(tmp_path) as outer:
        with pytest.raises(RunInUseError), held(tmp_path):
            pass
        # Whoever has it hands it on.
        with held(outer) as inner:
            assert inner is outer
        assert (tmp_path / "run.lock").exists()
    with pytest.raises(KeyError), held(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


TRAIN = """
import functools, sys
from rulbook.cli import main
from rulbook.data.sources import demo
demo.demo_fleet = functools.partial(demo.demo_fleet, engines=6, test_engines=3, seed=3)
sys.exit(main(["train", "--epochs", "500", "--patience", "500", "--quiet", "--out", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_run_in_one_line_and_it_goes_on(tmp_path, number):
    folder = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", TRAIN, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        deadline = time.monotonic() + 300
        while not (folder / "state.safetensors").exists():
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(number)
        out, complaint = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert out == ""
    assert complaint == (
        f"rulbook train: stopped by {number.name}. The same command with --resume goes on after the last whole epoch.\n"
    )
    assert {file.name for file in folder.iterdir()} == {"best.safetensors", "history.csv", "state.safetensors"}
    done = load_tensors(folder / "state.safetensors")[1]["epoch"]
    config = TrainingConfig(epochs=500, patience=500)
    data = prepare(small_fleet(), seed=0)
    longer, watching = replace(config, epochs=done + 1), [Watch(test=data.test)]
    resumed = train(data, longer, folder=folder, resume=True, progress=False, observers=watching)
    whole = train(data, longer, progress=False, observers=watching)
    assert torch.equal(*(torch.cat([p.reshape(-1) for p in r.model.parameters()]) for r in (resumed, whole)))
