"""``rulbook predict``: one line for each engine, from any table that has its columns."""

from __future__ import annotations

import pandas as pd
import pytest
from modelfile import model_file

from rulbook.cli import main
from rulbook.data import demo_fleet, fleet_from_frame, prepare
from rulbook.runs.run import run as do
from rulbook.training import TrainingConfig


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
    do(prepare(fleet), TrainingConfig(epochs=1), tmp_path / "run", progress=False)
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


def test_predict_takes_window_and_cap_from_the_model(tmp_path, capsys):
    fleet = demo_fleet(engines=3, test_engines=2)
    fleet.test.to_csv(tmp_path / "mine.csv", index=False)
    lengths = fleet.test.groupby("unit")["cycle"].size()
    for window, cap in ((20, 100.0), (40, 130.0)):
        file = model_file(tmp_path / "m", fleet, {}, window=window, max_rul=cap)
        assert main(["predict", file, str(tmp_path / "mine.csv"), "--every-cycle"]) == 0
        rul = [float(line.split(",")[2]) for line in capsys.readouterr().out.splitlines()[1:]]
        assert len(rul) == (lengths - window + 1).clip(lower=1).sum()
        # The network says about 110, wherever it looks.
        assert max(rul) <= cap
        assert (max(rul) == cap) == (cap < 110)
