"""Sweeps: what a file plans, that nothing finished is lost or repeated after SIGKILL, and that any executor will do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread

import pytest
from fuzz.attacks import RECORD

from rulbook.cli import main
from rulbook.runs import sweep as sweeps
from rulbook.runs.record import read_record
from rulbook.runs.sweep import (
    WORKER_ENVIRONMENT,
    SweepError,
    _processes,
    finished_record,
    plan,
    read_sweep,
    run_sweep,
)
from rulbook.training.run_folder import held

RUNS = '[[runs]]\ndatasets = ["demo"]\nmethods = ["amnl"]\n'
SMALL = {"datasets": ["demo"], "methods": ["baseline", "amnl"], "epochs": 1}


def test_a_file_plans_the_product_of_its_lists(tmp_path):
    (tmp_path / "s.toml").write_text(
        "[defaults]\nepochs = 9\n"
        '[[runs]]\ndatasets = ["FD001", "FD003"]\nmethods = ["gaba"]\nseeds = [0, 1]\n'
        '[[runs]]\ndatasets = ["FD002"]\nmethods = ["amnl"]\nsplits = ["engines", "windows"]\nepochs = 7\n'
    )
    runs = read_sweep(tmp_path / "s.toml")
    assert [run.name for run in runs] == [
        "FD001-gaba-compact-0",
        "FD001-gaba-compact-1",
        "FD003-gaba-compact-0",
        "FD003-gaba-compact-1",
        "FD002-amnl-compact-0",
        "FD002-amnl-compact-0-windows",
    ]
    assert [run.config.epochs for run in runs] == [9, 9, 9, 9, 7, 7]
    assert runs[-1].split == "windows"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runs = 3", "must hold"),
        ("[[runs]\n", "is no TOML"),
        ('[[runs]]\ndatasets = ["FD005"]\nmethods = ["amnl"]', "datasets is 'FD005'"),
        ('[[runs]]\ndatasets = ["FD001"]\nmethods = ["magic"]', "method is 'magic'"),
        ('[[runs]]\ndatasets = ["FD001"]', r"methods is \[\]"),
        ('[[runs]]\ndatasets = ["FD001"]\nmethods = ["amnl"]\ncolour = 3', "sweep has colour"),
        ('[[runs]]\ndatasets = ["FD001"]\nmethods = ["amnl"]\nsplits = ["halves"]', "splits is 'halves'"),
        ('[defaults]\ncolour = 3\n[[runs]]\ndatasets = ["demo"]\nmethods = ["amnl"]', "sweep has colour"),
        ("[defaults]\nepochs = 3", "must hold"),
    ],
)
def test_a_file_at_fault_is_refused(tmp_path, capsys, text, words):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_sweep(tmp_path / "s.toml")
    assert main(["sweep", str(tmp_path / "s.toml")]) == 2
    assert capsys.readouterr().err.startswith("rulbook sweep: ")


WRONG_KINDS = [
    ("runs = [1]", "1 as entry 1 of runs"),
    ('runs = [{datasets = ["demo"], methods = ["amnl"]}, 3]', "3 as entry 2 of runs"),
    ("runs = []", "plans nothing"),
    ("runs = [[1]]", "entry 1 of runs"),
    ("defaults = [1]\n" + RUNS, "must hold"),
    ('[[runs]]\ndatasets = [["demo"]]\nmethods = ["amnl"]', r"datasets is \['demo'\]"),
    ('[[runs]]\ndatasets = ["demo"]\nmethods = [["amnl"]]', r"method is \['amnl'\], a list"),
    ('[[runs]]\ndatasets = ["demo"]\nmethods = [{a = 1}]', "method is {'a': 1}, a table"),
    ('[[runs]]\ndatasets = ["demo"]\nmethods = "amnl"', "methods is 'amnl': it must be a list"),
    (RUNS + "presets = [1]", "preset is 1: it must be a text"),
    (RUNS + "seeds = [inf]", "seed is inf: it must be a finite number"),
    (RUNS + "seeds = [nan]", "seed is nan"),
    (RUNS + 'seeds = ["1"]', "seed is '1', a text: it must be a whole number"),
    (RUNS + "seeds = [true]", "seed is True, true or false: it must be a whole number"),
    (RUNS + "seeds = [1.5]", r"seed is 1\.5: it must be a whole number"),
    (RUNS + "seeds = [-1]", "seed is -1"),
    (RUNS + "seeds = [2024-01-01]", "a date: it must be a whole number"),
    (RUNS + "seeds = [4294967296]", "seed is 4294967296: it must be at most 4,294,967,295"),
    (RUNS + 'epochs = "10"', "epochs is '10', a text: it must be a whole number"),
    (RUNS + "epochs = [1]", r"epochs is \[1\], a list: it must be a whole number"),
    (RUNS + "epochs = 10:00:00", "a time: it must be a whole number"),
    (RUNS + f"epochs = {'9' * 400}", "epochs is 999"),
    (RUNS + f"epochs = {'9' * 5000}", "no TOML"),
    (RUNS + 'learning_rate = "0.1"', r"learning_rate is '0\.1', a text: it must be a number"),
    (RUNS + "learning_rate = true", "learning_rate is True, true or false"),
    (RUNS + "learning_rate = {a = 1}", "a table: it must be a number"),
    (RUNS + "learning_rate = 1e300", r"learning_rate is 1e\+300: it must be at most"),
    (RUNS + f"seeds = [{'[' * 2000}", "no TOML that can be read: it is nested too deep"),
    (RUNS + '"a\\nb" = 3', r"sweep has a\\nb: known are"),
    (f"[[runs]]\ndatasets = {['demo'] * 400}\nmethods = ['amnl']\nseeds = {list(range(400))}", "160,000 runs"),
]


@pytest.mark.parametrize(("text", "words"), WRONG_KINDS)
def test_an_entry_of_the_wrong_kind_is_refused_by_name_in_one_line(tmp_path, capsys, text, words):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_sweep(tmp_path / "s.toml")
    assert main(["sweep", str(tmp_path / "s.toml"), "--plan"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rulbook sweep: sweep {str(tmp_path / 's.toml')!r}")


def test_encodings_are_told_apart(tmp_path):
    (tmp_path / "s.toml").write_text(RUNS, encoding="utf-8-sig")
    assert len(read_sweep(tmp_path / "s.toml")) == 1
    (tmp_path / "s.toml").write_text(RUNS, encoding="utf-16")
    with pytest.raises(ValueError, match="is not written in UTF-8"):
        read_sweep(tmp_path / "s.toml")


def test_a_whole_number_with_a_point_is_that_number():
    (run,) = plan([{**SMALL, "methods": ["amnl"], "seeds": [1, 1.0, 1], "epochs": 2.0, "learning_rate": 1}])
    assert run.name == "demo-amnl-compact-1"
    assert (run.config.epochs, run.config.learning_rate) == (2, 1.0)
    assert isinstance(run.config.epochs, int)


def test_one_run_cannot_be_planned_in_two_ways():
    with pytest.raises(ValueError, match="plans demo-baseline-compact-0 twice"):
        plan([{**SMALL, "epochs": 1}, {**SMALL, "epochs": 2}])


def test_finished_runs_are_kept_and_any_executor_will_do(tmp_path):
    runs = plan([SMALL])
    with ThreadPoolExecutor(1) as executor:
        first = run_sweep(runs[:1], tmp_path, executor=executor, progress=False)
        written = (tmp_path / runs[0].name / "record.json").stat().st_mtime_ns
        both = run_sweep(runs, tmp_path, executor=executor, progress=False)
    assert both[0] == first[0]
    assert (tmp_path / runs[0].name / "record.json").stat().st_mtime_ns == written
    assert [record.config["method"] for record in both] == ["baseline", "amnl"]
    with pytest.raises(ValueError, match="is of a run with another epochs"):
        run_sweep(plan([{**SMALL, "epochs": 2}]), tmp_path, progress=False)


def test_a_run_that_fails_stops_no_other(tmp_path):
    runs = plan([{**SMALL, "methods": ["baseline", "amnl"]}])
    # The folder of the first run is a file: it cannot be written to.
    (tmp_path / runs[0].name).write_text("")
    with ThreadPoolExecutor(1) as executor, pytest.raises(SweepError, match=r"1 of 2 runs failed") as failed:
        run_sweep(runs, tmp_path, executor=executor, progress=False)
    assert list(failed.value.errors) == [runs[0].name]
    assert finished_record(runs[1], tmp_path).method == "amnl"


def test_the_command_reports_a_failed_run_and_lists_what_is_done(tmp_path, capsys):
    (tmp_path / "s.toml").write_text('[[runs]]\ndatasets = ["demo"]\nmethods = ["baseline", "amnl"]\nepochs = 1\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo-baseline-compact-0").write_text("")
    command = ["sweep", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--quiet", "--workers", "1"]) == 1
    assert "1 of 2 runs failed" in capsys.readouterr().err
    (tmp_path / "out" / "demo-baseline-compact-0").unlink()
    assert main([*command, "--plan"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["demo-baseline-compact-0", "to", "do"]
    assert second.startswith("demo-amnl-compact-0      finished   test RMSE ")


def record_of(run, **changes):
    data = {"subset": run.dataset, "split": run.split}
    return {**RECORD, "config": run.config.to_dict(), "data": data, **changes}


def keep(run, folder, text):
    (folder / run.name).mkdir(parents=True, exist_ok=True)
    (folder / run.name / "record.json").write_text(text)


def quick_run(data, config, folder, **_):
    """In the place of a training run: its record, without the run."""
    record = {**RECORD, "config": config.to_dict(), "data": {"subset": data.subset, "split": data.settings["split"]}}
    (Path(folder) / "record.json").write_text(json.dumps(record))
    return read_record(Path(folder) / "record.json")


DAMAGED = {
    "empty": "",
    "cut off": json.dumps(RECORD)[:100],
    "no object": "[]",
    "null": "null",
    "nothing in it": "{}",
    "a number": "3",
    "deep": "[" * 100_000,
    "nested": json.dumps({**RECORD, "data": json.loads("[" * 200 + "]" * 200)}),
    "not UTF-8": "\udcff",
    "a setting of another version": json.dumps({**RECORD, "config": {**RECORD["config"], "colour": 3}}),
    "a setting of another kind": json.dumps({**RECORD, "config": {**RECORD["config"], "learning_rate": "0.1"}}),
    "a setting out of range": json.dumps({**RECORD, "config": {**RECORD["config"], "clip_norm": -1}}),
    "scores of another kind": json.dumps({**RECORD, "test": {**RECORD["test"], "rmse": "15"}}),
    "scores that are not finite": json.dumps({**RECORD, "test": {**RECORD["test"], "rmse": float("nan")}}),
    "a score missing": json.dumps({**RECORD, "validation": {"rmse": 1.0}}),
    "other protocols missing": json.dumps({key: part for key, part in RECORD.items() if key != "other_protocols"}),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_record_is_named_and_stops_no_other_run(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.setattr("rulbook.runs.run.run", quick_run)
    bad, good = plan([SMALL])
    (tmp_path / "runs" / bad.name).mkdir(parents=True)
    file = tmp_path / "runs" / bad.name / "record.json"
    file.write_bytes(DAMAGED[kind].encode(errors="surrogateescape"))
    with ThreadPoolExecutor(1) as executor, pytest.raises(SweepError, match=r"1 of 2 runs failed") as failed:
        run_sweep([bad, good], tmp_path / "runs", executor=executor, progress=False)
    assert list(failed.value.errors) == [bad.name]
    assert repr(str(file)) in str(failed.value)
    assert "is damaged" in str(failed.value)
    assert file.read_bytes() == DAMAGED[kind].encode(errors="surrogateescape")
    assert finished_record(good, tmp_path / "runs") is not None

    (tmp_path / "s.toml").write_text('[[runs]]\ndatasets = ["demo"]\nmethods = ["baseline", "amnl"]\nepochs = 1\n')
    assert main(["sweep", str(tmp_path / "s.toml"), "--plan", "--out", str(tmp_path / "runs")]) == 1
    told = capsys.readouterr()
    assert [line.split()[1] for line in told.out.splitlines()] == ["damaged", "finished"]
    assert repr(str(file)) in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"subset": "FD001", "split": "engines"}}, "another subset"),
        ({"data": {"subset": "demo", "split": "windows"}}, "another split"),
    ],
)
def test_a_record_of_other_data_is_not_taken_for_the_run(tmp_path, change, words):
    (run,) = plan([{**SMALL, "methods": ["amnl"]}])
    keep(run, tmp_path, json.dumps(record_of(run)))
    assert finished_record(run, tmp_path).epochs == 2
    keep(run, tmp_path, json.dumps(record_of(run, **change)))
    with pytest.raises(ValueError, match=words):
        finished_record(run, tmp_path)


def test_a_setting_that_came_after_a_record_was_written_has_its_default(tmp_path):
    (run,) = plan([{**SMALL, "methods": ["amnl"]}])
    older = {name: value for name, value in run.config.to_dict().items() if name not in ("probe_every", "ema_decay")}
    keep(run, tmp_path, json.dumps(record_of(run, config=older)))
    assert finished_record(run, tmp_path) is not None


def test_a_run_that_another_process_has_is_waited_for_and_not_done_twice(tmp_path, monkeypatch):
    runs = plan([SMALL])
    monkeypatch.setattr("rulbook.runs.run.run", quick_run)
    monkeypatch.setattr(sweeps, "_PAUSE", 0.05)
    # The other process finishes the first run while this one is at the second.
    theirs = record_of(runs[0], date="theirs")

    def other():
        with held(tmp_path / runs[0].name):
            ready.set()
            time.sleep(0.5)
            keep(runs[0], tmp_path, json.dumps(theirs))

    ready = Event()
    thread = Thread(target=other)
    thread.start()
    assert ready.wait(10)
    with ThreadPoolExecutor(1) as executor, pytest.warns(UserWarning, match=f"another process is at {runs[0].name}"):
        first, second = run_sweep(runs, tmp_path, executor=executor, progress=False)
    thread.join()
    assert first.date == "theirs"
    assert second.method == "amnl"


def test_a_process_that_dies_takes_its_own_run_alone():
    with _processes(2) as pool:
        dead, alive = pool.submit(os._exit, 3), pool.submit(os.getpid)
        with pytest.raises(RuntimeError, match="ended from outside"):
            dead.result()
        assert alive.result() != os.getpid()
        assert pool.submit(os.getpid).result() != os.getpid()


def test_an_error_in_the_parent_ends_the_workers_in_the_middle_of_their_work():
    before = set(active_children())

    def interrupted():
        with _processes(2) as pool:
            assert pool.submit(os.getpid).result()
            for _ in range(3):
                pool.submit(time.sleep, 600)
            time.sleep(0.5)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 120
    assert set(active_children()) <= before


PARENT = """
import os, time
from rulbook.runs.sweep import _processes
if __name__ == "__main__":
    with _processes(1) as pool:
        worker = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 600)
        print(worker, flush=True)
        time.sleep(600)
"""


def alive(pid):
    """Whether a process runs; one that has ended and that nobody asked after does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 20
    while alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_signal_stops_a_sweep_with_its_workers_in_one_line(tmp_path):
    (tmp_path / "s.toml").write_text('[[runs]]\ndatasets = ["demo"]\nmethods = ["baseline", "grace"]\nepochs = 500\n')
    command = [sys.executable, "-m", "rulbook.cli", "sweep", str(tmp_path / "s.toml"), "--workers", "1", "--quiet"]
    command += ["--out", str(tmp_path / "out")]
    run = tmp_path / "out" / "demo-baseline-compact-0"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not (run / "run.lock").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, complaint = process.communicate(timeout=120)
    assert (process.returncode, out) == (143, "")
    assert complaint == "rulbook sweep: stopped by SIGTERM. The same command goes on.\n"
    # The worker is gone: nobody holds the folder.
    with held(run):
        pass


def test_the_workers_environment_is_theirs_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    with _processes(1) as pool:
        assert pool.submit(os.getenv, "MALLOC_TOP_PAD_").result() == WORKER_ENVIRONMENT["MALLOC_TOP_PAD_"]
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MALLOC_TOP_PAD_" not in os.environ


def test_dask_workers_can_do_the_runs(tmp_path):
    import distributed

    runs = plan([{**SMALL, "seeds": [3]}])
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        records = run_sweep(runs, tmp_path / "out", executor=client.get_executor(), progress=False)
    assert [record.config["method"] for record in records] == ["baseline", "amnl"]
    with ThreadPoolExecutor(1) as executor:
        (again,) = run_sweep(runs[:1], tmp_path / "again", executor=executor, progress=False)
    assert again.test == records[0].test
    assert again.gradients == records[0].gradients


def test_a_killed_sweep_goes_on_and_ends_with_the_same_numbers(tmp_path):
    (tmp_path / "s.toml").write_text('[[runs]]\ndatasets = ["demo"]\nmethods = ["baseline", "grace"]\nepochs = 2\n')
    command = [sys.executable, "-m", "rulbook.cli", "sweep", str(tmp_path / "s.toml"), "--workers", "1", "--quiet"]
    killed = [*command, "--out", str(tmp_path / "killed")]
    first = tmp_path / "killed" / "demo-baseline-compact-0" / "record.json"
    second = tmp_path / "killed" / "demo-grace-compact-0" / "state.safetensors"
    with subprocess.Popen(killed, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while not (first.exists() and second.exists()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    kept = first.read_bytes()
    assert not second.with_name("record.json").exists()
    subprocess.run(killed, check=True)
    assert first.read_bytes() == kept
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True)
    for name in ("demo-baseline-compact-0", "demo-grace-compact-0"):
        a, b = (read_record(tmp_path / part / name / "record.json") for part in ("killed", "whole"))
        assert a.test == b.test
        assert a.selected_epoch == b.selected_epoch
