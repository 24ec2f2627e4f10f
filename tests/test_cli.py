"""The command line: what it prints, what it writes, and one clear line with exit code 2 when the input is at fault."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from rulbook.cli import main
from rulbook.data import demo_fleet, fleet_from_frame, prepare
from rulbook.experiments import run_experiment
from rulbook.training import TrainingConfig


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(folder)]) == 0
    return folder


def test_training_tells_what_it_found(tmp_path, capsys):
    assert main(["train", "--epochs", "1", "--quiet", "--method", "baseline", "--out", str(tmp_path / "r")]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "r" / "record.json").read_text())
    assert f"test: RMSE {record['test']['rmse']:.2f} cycles, NASA score" in out
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(tmp_path / "r")]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_evaluate_prints_what_the_record_says_and_draws(run_folder, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    assert main(["evaluate", str(run_folder / "best.safetensors"), "--out", str(picture)]) == 0
    record = json.loads((run_folder / "record.json").read_text())
    assert f"RMSE             {record['test']['rmse']:8.2f} cycles" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_predict_reads_a_csv_and_writes_one_line_per_engine(run_folder, tmp_path, capsys):
    frame = demo_fleet().test
    frame.to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "predictions.csv"
    assert main(["predict", str(run_folder / "best.safetensors"), str(tmp_path / "mine.csv"), "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert list(table) == ["engine", "cycle", "rul", "health", "probability"]
    assert table["engine"].tolist() == frame["unit"].unique().tolist()
    assert table["cycle"].tolist() == frame.groupby("unit")["cycle"].max().tolist()
    assert table["rul"].between(0, 125).all()
    assert table["probability"].between(1 / 3, 1).all()
    assert set(table["health"]) <= {"normal", "degrading", "critical"}

    capsys.readouterr()
    assert main(["predict", str(run_folder / "best.safetensors"), str(tmp_path / "mine.csv"), "--every-cycle"]) == 0
    lines = capsys.readouterr().out.splitlines()
    lengths = frame.groupby("unit")["cycle"].size()
    assert len(lines) - 1 == (lengths - 29).clip(lower=1).sum()


def test_predict_reads_nasas_layout_alike(run_folder, tmp_path, capsys):
    frame = demo_fleet().test
    frame.to_csv(tmp_path / "mine.csv", index=False)
    frame.to_csv(tmp_path / "mine.txt", index=False, header=False, sep=" ")
    printed = []
    for name in ("mine.csv", "mine.txt"):
        assert main(["predict", str(run_folder / "best.safetensors"), str(tmp_path / name)]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_a_fleet_with_columns_of_its_own_trains_and_predicts(tmp_path, capsys):
    engines = demo_fleet(engines=8, test_engines=2).train.rename(columns={"s4": "temperature", "s11": "pressure"})
    engines = engines[["unit", "cycle", "temperature", "pressure"]]
    fleet = fleet_from_frame(engines, settings=[], sensors=["temperature", "pressure"])
    run_experiment(prepare(fleet), TrainingConfig(epochs=1), tmp_path / "run", progress=False)
    fleet.test.to_csv(tmp_path / "mine.csv", index=False)
    assert main(["predict", str(tmp_path / "run" / "best.safetensors"), str(tmp_path / "mine.csv")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + fleet.test["unit"].nunique()


def wrong(tmp_path, name, change):
    frame = change(demo_fleet().test.copy())
    frame.to_csv(tmp_path / name, index=False)
    return str(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="s11"), "s11"),
        (lambda f: f.assign(s4=float("nan")), "s4"),
        (lambda f: f.assign(cycle=-f["cycle"]), "cycle"),
        (lambda f: f.iloc[:0], "empty"),
    ],
)
def test_a_table_at_fault_is_refused_in_one_line(run_folder, tmp_path, capsys, change, words):
    assert main(["predict", str(run_folder / "best.safetensors"), wrong(tmp_path, "bad.csv", change)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rulbook predict: ")
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--method", "magic"],
        ["train", "--preset", "huge"],
        ["train", "--epochs", "0"],
        ["train", "--dataset", "FD001", "--root", "/nowhere"],
        ["evaluate", "/nowhere/best.safetensors"],
        ["predict", "/nowhere/best.safetensors", "/nowhere/mine.csv"],
    ],
)
def test_wrong_arguments_end_with_code_2_and_their_name(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"rulbook {arguments[0]}: ")
    assert error.count("\n") == 1


@pytest.mark.real_data
def test_data_prints_nasas_facts(cmapss_folder, capsys):
    assert main(["data", "--root", str(cmapss_folder), "--dataset", "FD002"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("FD002"))
    assert line.split()[:6] == ["FD002", "260", "259", "53,759", "46,219", "6"]


def test_help_teaches_and_loads_no_torch():
    code = "import sys, rulbook.cli\ntry: rulbook.cli.main(['-h'])\nexcept SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("False\n")
    assert "rulbook train --dataset demo --epochs 5" in out


def test_importing_the_package_is_light():
    code = "import sys, rulbook, rulbook.reference, rulbook.metrics, rulbook.schedules; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
