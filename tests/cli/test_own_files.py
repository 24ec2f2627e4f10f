"""A fleet of one's own from the shell: look, train, evaluate, predict, with its own names and its own unit of time."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pumps import HORIZON, ROLES, cut, pumps

from rulbook.checkpoint import load_checkpoint
from rulbook.cli import main
from rulbook.data import COLUMNS, Horizon, demo_fleet, fleet_from_frame, prepare
from rulbook.runs.record import read_record

QUICK = ["--epochs", "1", "--quiet"]


def written(folder, kind, table, name="pumps"):
    file = folder / f"{name}.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        table.to_parquet(file)
    elif kind == "txt":
        table.to_csv(file, index=False, header=False, sep=" ")
    else:
        table.to_csv(file, index=False, sep=";" if kind == "csv" else ",")
    return str(file)


def complaint(capsys):
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("rulbook: warning: ")]
    return line


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a file of pumps: the folder, and the file."""
    folder = tmp_path_factory.mktemp("pumps")
    file = written(folder, "csv", pumps())
    assert main(["train", file, *ROLES, *HORIZON, *QUICK, "--out", str(folder / "run")]) == 0
    return folder / "run", file


def test_a_file_with_names_of_its_own_goes_from_look_to_prediction(trained, tmp_path, capsys):
    run, file = trained
    record = json.loads((run / "record.json").read_text())
    checkpoint = load_checkpoint(run / "best.safetensors")
    assert checkpoint.horizon == Horizon(10, 45.0, (30.0, 12.0), "operating day")
    assert checkpoint.columns.used == ("pump_id", "Operating day", "duty", "flow (l/s)", "vibration")
    assert (record["data"]["subset"], record["data"]["max_rul"]) == ("pumps", 45)

    # Evaluate finds the pumps again that training held out, and cuts them where it did.
    assert main(["evaluate", str(run), file, "--out", str(tmp_path / "p.png")]) == 0
    out = capsys.readouterr().out
    assert "pumps: 2 test pumps, labels capped\n" in out
    assert "6 pumps that the model was trained on left out\n" in out
    assert f"RMSE             {record['test']['rmse']:8.2f} operating days\n" in out
    assert f"NASA score       {record['test']['nasa_score']:8.1f}\n" in out

    new = pumps(lives=(20, 31, 9), seed=5, first=30)
    table = written(tmp_path, "csv", new.drop(columns=["RUL", "site"]), "today")
    assert main(["predict", str(run), table]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pump_id,Operating day,rul,health,probability"
    assert [line.split(",")[:2] for line in lines[1:]] == [["P-30", "20"], ["P-31", "31"], ["P-32", "9"]]
    assert all(0 <= float(line.split(",")[2]) <= 45 for line in lines[1:])
    assert main(["predict", str(run), table, "--out", str(tmp_path / "answer.csv")]) == 0
    assert capsys.readouterr().out.startswith("3 predictions for 3 pumps, RUL in operating days, written to ")


def test_the_look_says_what_was_taken_as_what_and_what_there_is_to_learn_from(tmp_path, capsys):
    table = pumps()
    file, picture = written(tmp_path, "csv", table), tmp_path / "look.png"
    command = ["data", file, "--unit", "pump_id", "--cycle", "Operating day", *HORIZON, "--plot", str(picture)]
    assert main(command) == 0
    told = capsys.readouterr()
    lines = told.out.replace("\n    ", " ").splitlines()
    lives = table.groupby("pump_id").size()
    fleet = fleet_from_frame(
        table, unit="pump_id", cycle="Operating day", window=10, max_rul=45, thresholds=(30, 12), settings=[]
    )
    kept = lives[fleet.train["unit"].unique()]
    windows = np.concatenate([np.arange(life - 9)[::-1] for life in kept])
    assert lines[:7] == [
        "pumps, taken as",
        "  unit:      pump_id",
        "  cycle:     Operating day",
        "  settings:  none",
        "  sensors:   duty, flow (l/s), vibration, supply voltage (told by name)",
        "  left out:  site: holds text",
        "  left out:  RUL: gives the answer away, by its name",
    ]
    assert "  constant:  supply voltage (a sensor that says nothing)" in lines
    assert (
        f"6 pumps run to failure, {kept.sum()} operating days; lives of {kept.min()} to {kept.max()} operating days, "
        f"median {kept.median():.0f}"
    ) in lines
    assert "1 operating condition: no setting is given" in lines
    assert (
        "window of 10 operating days, labels capped at 45 operating days "
        f"({100 * np.mean(windows >= 45):.0f} % of {len(windows)} windows are at the cap)"
    ) in lines
    normal, critical = np.mean(windows > 30), np.mean(windows <= 12)
    assert (
        f"normal above 30 operating days left, critical up to 12: normal {100 * normal:.0f} %, "
        f"degrading {100 * (1 - normal - critical):.0f} %, critical {100 * critical:.0f} % of the windows"
    ) in lines
    left = fleet.test_rul
    assert f"2 test pumps, cut off {left.min():g} to {left.max():g} operating days before failure" in lines
    assert any(line.startswith("to have it otherwise: --unit, --cycle, --settings") for line in lines)
    assert picture.read_bytes().startswith(b"\x89PNG")
    # What is printed is not warned of a second time; what is not printed is.
    assert told.err.splitlines() == [
        "rulbook: warning: pumps: no column is named as a setting, so that there is one operating condition."
    ]

    assert main([*command, "--settings", "duty"]) == 0
    told = capsys.readouterr()
    assert "2 operating conditions: told by duty" in told.out.splitlines()
    assert told.err == ""


@pytest.mark.parametrize("kind", ["tsv", "parquet", "txt"])
def test_other_layouts_go_the_same_way(tmp_path, capsys, kind):
    if kind == "txt":
        fleet = demo_fleet(engines=6, test_engines=2)
        table, roles, machine = fleet.train[list(COLUMNS)], [], "engine"
    else:
        table, roles, machine = pumps(), ROLES, "pump"
    file, run = written(tmp_path, kind, table), str(tmp_path / "run")
    assert main(["train", file, *roles, *QUICK, "--out", run]) == 0
    assert f"chosen by 1 validation {machine}\n" in capsys.readouterr().out
    assert main(["evaluate", run, file]) == 0
    rmse = json.loads((tmp_path / "run" / "record.json").read_text())["test"]["rmse"]
    assert f"RMSE             {rmse:8.2f} " in capsys.readouterr().out
    assert main(["predict", run, file]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + table.iloc[:, 0].nunique()


def test_several_files_are_one_fleet_and_are_predicted_together(tmp_path, capsys):
    table = pumps()
    early = table["Operating day"] <= 30
    files = [written(tmp_path, "csv", table[part], name) for part, name in ((early, "a"), (~early, "b"))]
    assert main(["train", *files, *ROLES, *HORIZON, *QUICK, "--out", str(tmp_path / "two")]) == 0
    one = written(tmp_path, "csv", table)
    assert main(["train", one, *ROLES, *HORIZON, *QUICK, "--out", str(tmp_path / "one")]) == 0
    tests = [json.loads((tmp_path / run / "record.json").read_text())["test"] for run in ("one", "two")]
    assert tests[0] == tests[1]
    capsys.readouterr()
    answers = []
    for given in (files, [one]):
        assert main(["predict", str(tmp_path / "two"), *given]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    assert main(["data", files[0], files[0], *ROLES, *HORIZON]) == 2
    assert "twice" in complaint(capsys)
    other = written(tmp_path, "csv", table.rename(columns={"vibration": "shake"}), "other")
    assert main(["data", one, other, *ROLES]) == 2
    assert "lacks the column vibration, unlike" in complaint(capsys)


def test_test_machines_of_ones_own_are_scored_in_training_and_after(tmp_path, capsys):
    left = [5, 12, 20]
    test = cut(pumps(lives=(50, 45, 60), seed=3, first=40), left)
    files = {name: written(tmp_path, "csv", table, name) for name, table in (("pumps", pumps()), ("cut", test))}
    numbers, named = tmp_path / "left.txt", tmp_path / "left.csv"
    numbers.write_text("".join(f"{days}\n" for days in left))
    pd.DataFrame({"pump_id": ["P-42", "P-40", "P-41"], "left": [20, 5, 12]}).to_csv(named, index=False)
    for answers in (numbers, named):
        run = tmp_path / answers.suffix
        given = ["--test", files["cut"], "--test-rul", str(answers)]
        assert main(["train", files["pumps"], *ROLES, *HORIZON, *given, *QUICK, "--out", str(run)]) == 0
        out = capsys.readouterr().out
        assert "8 pumps run to failure" in out
        assert "3 test pumps, cut off 5 to 20 operating days before failure" in out
        assert main(["evaluate", str(run), files["cut"], "--test-rul", str(answers)]) == 0
        rmse = json.loads((run / "record.json").read_text())["test"]["rmse"]
        assert f"RMSE             {rmse:8.2f} operating days\n" in capsys.readouterr().out
    # Nothing of the training file is left to be scored.
    assert main(["evaluate", str(run), files["pumps"]]) == 2
    assert "holds no pump that the model was not trained on" in complaint(capsys)
    assert main(["train", files["pumps"], *ROLES, "--test", files["cut"], "--out", str(tmp_path / "x")]) == 2
    assert "--test and --test-rul belong together" in complaint(capsys)


def test_only_what_the_model_has_not_seen_is_scored(trained, tmp_path, capsys):
    run, _ = trained
    others = pumps(lives=(50, 45, 60), seed=3, first=1)
    # Other pumps under the names of old ones are new; old ones under other names are not.
    again = pumps().assign(pump_id=lambda table: "again " + table["pump_id"])
    file = written(tmp_path, "csv", pd.concat([others, again]))
    assert main(["evaluate", str(run), file, "--out", str(tmp_path / "p.png")]) == 0
    out = capsys.readouterr().out
    assert "5 test pumps" in out
    assert "6 pumps that the model was trained on left out\n" in out


def test_without_test_machines_there_is_a_model_and_no_score(tmp_path, capsys):
    file = written(tmp_path, "csv", pumps())
    run = tmp_path / "run"
    assert main(["train", file, *ROLES, *HORIZON, *QUICK, "--test-fraction", "0", "--out", str(run)]) == 0
    out = capsys.readouterr().out
    assert "no test pumps\n" in out
    assert "test: no pump was held out, so that nothing is scored\n" in out
    assert read_record(run / "record.json").test is None


def test_a_run_on_a_file_goes_on_with_the_same_file_alone(tmp_path, capsys):
    file, other = written(tmp_path, "csv", pumps()), written(tmp_path, "csv", pumps(seed=1), "other")

    def train(epochs, folder, file, *more):
        given = [
            *ROLES,
            *HORIZON,
            "--name",
            "pumps",
            "--quiet",
            "--epochs",
            str(epochs),
            "--out",
            str(tmp_path / folder),
        ]
        return main(["train", file, *given, *more])

    assert train(2, "whole", file) == 0
    assert train(1, "parts", file) == 0
    assert train(2, "parts", file, "--resume") == 0
    model = "best.safetensors"
    assert (tmp_path / "whole" / model).read_bytes() == (tmp_path / "parts" / model).read_bytes()
    capsys.readouterr()
    for given, words in (
        ([other], "another"),
        ([file, "--cap", "50"], "max_rul"),
        ([file, "--test-seed", "1"], "another"),
    ):
        assert train(3, "parts", *given, "--resume") == 2
        assert words in complaint(capsys)


def test_a_data_set_takes_another_horizon_too(tmp_path, capsys):
    given = ["--cap", "100", "--thresholds", "60,20", "--window", "20"]
    assert main(["train", "demo", *given, *QUICK, "--out", str(tmp_path / "run")]) == 0
    assert "labels capped at 100 cycles" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "run" / "best.safetensors").horizon == Horizon(20, 100.0, (60.0, 20.0))


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("Operating day", "operating day"),
        ("flights", "flight"),
        ("flight_nr", "flight"),
        ("time_cycles", "cycle"),
        ("t", "cycle"),
        ("charge", "charge"),
        ("Zyklus №", "cycle"),
    ],
)
def test_the_unit_of_time_is_the_column_s_word_where_it_is_one(tmp_path, capsys, column, word):
    file = written(tmp_path, "csv", pumps().rename(columns={"Operating day": column}))
    assert main(["data", file, "--unit", "pump_id", "--cycle", column, "--settings", "duty"]) == 0
    assert f"window of 30 {word}s" in capsys.readouterr().out
    assert (
        main(["data", file, "--unit", "pump_id", "--cycle", column, "--settings", "duty", "--time-unit", "shift"]) == 0
    )
    assert "window of 30 shifts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cap", "thresholds", "words"),
    [("5", "4,2", "the cap of 5 is short"), ("500", "30,12", "the cap of 500 is long"), ("45", "30,12", None)],
)
def test_a_horizon_that_does_not_suit_the_lives_is_doubted(tmp_path, capsys, cap, thresholds, words):
    file = written(tmp_path, "csv", pumps())
    assert main(["data", file, *ROLES, "--window", "10", "--cap", cap, "--thresholds", thresholds]) == 0
    doubts = [line for line in capsys.readouterr().out.splitlines() if line.startswith("look again: ")]
    assert (words is None and doubts == []) or any(words in doubt for doubt in doubts)
    assert main(["data", file, *ROLES, "--window", "50", "--cap", "45", "--thresholds", "30,12"]) == 0
    doubt = next(line for line in capsys.readouterr().out.splitlines() if "shorter than the window" in line)
    assert doubt.startswith("look again: ")


def one_pump(table):
    return table[table["pump_id"] == "P-01"]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (None, [], "no such file"),
        ("", [], "pumps.csv is empty"),
        ("pump_id;Operating day;duty\n", [], "empty"),
        (b"PAR1 and no more", [], "Parquet file"),
        (b"PK\x03\x04", [], "Excel workbook"),
        ({}, ["--unit", "pomp"], "pumps.csv lacks the column pomp: it has pump_id, Operating day"),
        ({}, ["--cycle", "dya"], "lacks the column dya"),
        ({}, ["--sensors", "flow"], "lacks the column flow"),
        ({}, ["--sensors", "site"], "in column site: it must hold numbers only"),
        ({}, ["--sensors", ""], "--sensors is empty"),
        ({}, ["--settings", "pump_id"], "--settings names pump_id, which is used already"),
        ({}, ["--thresholds", "40,120"], "--thresholds is (40.0, 120.0): the first must be greater"),
        ({}, ["--thresholds", "40"], "--thresholds is '40': two numbers are wanted"),
        ({}, ["--thresholds", "a,b"], "--thresholds is 'a,b'"),
        ({}, ["--thresholds", "inf,1"], "--thresholds[0] is inf"),
        ({}, ["--cap", "50", "--thresholds", "80,30"], "--cap is 50, but a machine is normal above 80"),
        ({}, ["--cap", "0"], "--cap is 0"),
        ({}, ["--cap", "nan"], "--cap is nan"),
        ({}, ["--window", "0"], "--window is 0"),
        ({}, ["--test-fraction", "1"], "--test-fraction is 1"),
        ({}, ["--test-seed", "-1"], "seed is -1"),
        ({}, ["--test", "nowhere.csv", "--test-rul", "nowhere.txt"], "'nowhere.csv': no such file"),
        ({}, ["--time-unit", " "], "--time-unit is ' '"),
        ({}, ["--name", "FD001"], "--name is 'FD001'"),
        ({}, ["--name", "../up"], "--name is '../up'"),
        ({}, ["--method", "magic"], "method is 'magic'"),
        ({"vibration": float("nan")}, [], "holds nan in column vibration"),
        ({"Operating day": 0}, [], "holds cycle 0"),
        (one_pump, [], "holds 1 engine"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, change, options, words
):
    monkeypatch.chdir(tmp_path)
    if isinstance(change, (str, bytes)):
        (tmp_path / "pumps.csv").write_bytes(change.encode() if isinstance(change, str) else change)
    elif change is not None:
        table = change(pumps()) if callable(change) else pumps().assign(**change)
        written(tmp_path, "csv", table)
    roles = [word for word in ROLES if "--sensors" not in options or word not in ROLES[-2:]]
    before = sorted(tmp_path.iterdir())
    assert main(["train", "pumps.csv", *roles, *QUICK, *options]) == 2
    line = complaint(capsys)
    assert line.startswith("rulbook train: ")
    assert words in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "."], "'.' is a folder: name the files in it"),
        (["train", "FD009"], "'FD009': no such file, and no data set: those are demo, FD001"),
        (["train", "--dataset", "FD009"], "--dataset is 'FD009': it must be one of demo"),
        (["train", "demo", "--dataset", "demo"], "one of them is enough"),
        (["train", "demo", "FD001"], "demo and FD001 are 2 data sets: a run has one"),
        (["train", "demo", "--unit", "unit"], "--unit is for files of your own"),
        (["train", "demo", "--cap", "60"], "--cap is 60, but a machine is normal above 80"),
        (["evaluate", "."], "holds no best.safetensors"),
        (["predict", ".", "x.csv"], "holds no best.safetensors"),
        (["data", "--plot", "x.png"], "one data set is drawn at a time"),
        (["data", "demo", "--plot", "x.doc"], "ends in .doc"),
        (["data", "demo", "--plot", ""], "--plot is ''"),
    ],
)
def test_a_word_that_is_neither_data_set_nor_file_is_refused(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert words in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_say_what_it_saw_is_scored_with_a_warning(trained, tmp_path, capsys):
    from rulbook.runs.run import run as do
    from rulbook.training import TrainingConfig

    fleet = fleet_from_frame(
        pumps(), unit="pump_id", cycle="Operating day", settings=["duty"], sensors=["vibration"], window=10
    )
    do(prepare(fleet), TrainingConfig(epochs=1), tmp_path / "run", progress=False)
    file = written(tmp_path, "csv", pumps(seed=9))
    assert main(["evaluate", str(tmp_path / "run"), file]) == 0
    told = capsys.readouterr()
    assert "8 test pumps" in told.out
    assert "does not say which machines it was trained on" in told.err


def test_a_file_called_like_a_data_set_is_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "csv", pumps(), "FD001")
    assert main(["train", "FD001.csv", *ROLES, *HORIZON, *QUICK]) == 0
    assert "kept in runs/FD001.csv-amnl-compact-0/" in capsys.readouterr().out
    assert main(["evaluate", "runs/FD001.csv-amnl-compact-0"]) == 2
    assert "a fleet of your own" in complaint(capsys)
    assert main(["evaluate", "runs/FD001.csv-amnl-compact-0", "FD001.csv"]) == 0
