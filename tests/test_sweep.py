"""Sweeps: what a file plans, that nothing finished is lost or repeated after SIGKILL, and that any executor will do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rulbook.cli import main
from rulbook.sweep import (
    WORKER_ENVIRONMENT,
    SweepError,
    _processes,
    finished_record,
    plan,
    read_sweep,
    run_sweep,
)

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
    assert [record["config"]["method"] for record in both] == ["baseline", "amnl"]
    with pytest.raises(ValueError, match="is of a run with another epochs"):
        run_sweep(plan([{**SMALL, "epochs": 2}]), tmp_path, progress=False)


def test_a_run_that_fails_stops_no_other(tmp_path):
    runs = plan([{**SMALL, "methods": ["baseline", "amnl"]}])
    # The folder of the first run is a file: it cannot be written to.
    (tmp_path / runs[0].name).write_text("")
    with ThreadPoolExecutor(1) as executor, pytest.raises(SweepError, match=r"1 of 2 runs failed") as failed:
        run_sweep(runs, tmp_path, executor=executor, progress=False)
    assert list(failed.value.errors) == [runs[0].name]
    assert finished_record(runs[1], tmp_path)["config"]["method"] == "amnl"


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
    assert [record["config"]["method"] for record in records] == ["baseline", "amnl"]
    with ThreadPoolExecutor(1) as executor:
        (again,) = run_sweep(runs[:1], tmp_path / "again", executor=executor, progress=False)
    assert again["test"] == records[0]["test"]
    assert again["gradients"] == records[0]["gradients"]


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
        a, b = (json.loads((tmp_path / part / name / "record.json").read_text()) for part in ("killed", "whole"))
        assert a["test"] == b["test"]
        assert a["selected_epoch"] == b["selected_epoch"]
