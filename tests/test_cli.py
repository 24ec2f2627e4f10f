"""The command line: what it prints, what it writes, and one clear line with exit code 2 when the input is at fault."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass, fields
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import rulbook.data
from rulbook.checkpoint import load_checkpoint, save_checkpoint
from rulbook.cli import main
from rulbook.data import Horizon, Preprocessor, demo_fleet, fleet_from_frame, load_cmapss, prepare
from rulbook.errors import InputError
from rulbook.inference import evaluate
from rulbook.model import DualTaskModel, ModelConfig
from rulbook.runs.plots import save_figure
from rulbook.runs.record import read_record
from rulbook.runs.run import config_hash, run
from rulbook.runs.settings import settings_of
from rulbook.training import TrainingConfig
from rulbook.training.run_folder import held


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(folder)]) == 0
    return folder


def test_training_tells_what_it_found(tmp_path, capsys):
    assert main(["train", "--epochs", "1", "--quiet", "--method", "baseline", "--out", str(tmp_path / "r")]) == 0
    out = capsys.readouterr().out
    record = read_record(tmp_path / "r" / "record.json")
    assert f"test: RMSE {record.test.rmse:.2f} cycles, NASA score" in out
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(tmp_path / "r")]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_evaluate_prints_what_the_record_says_and_draws(run_folder, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    assert main(["evaluate", str(run_folder / "best.safetensors"), "--out", str(picture)]) == 0
    record = read_record(run_folder / "record.json")
    assert f"RMSE             {record.test.rmse:8.2f} cycles" in capsys.readouterr().out
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


def test_what_a_command_reads_is_never_written_over(run_folder, tmp_path, capsys):
    table, link = tmp_path / "engines.csv", tmp_path / "link.csv"
    demo_fleet().test.to_csv(table, index=False)
    link.symlink_to(table)
    model = run_folder / "best.safetensors"
    before = table.read_bytes(), model.read_bytes()
    for arguments in (
        ["predict", str(model), str(table), "--out", str(table)],
        ["predict", str(model), str(table), "--out", str(link)],
        ["predict", str(model), str(table), "--out", str(model)],
        ["evaluate", str(model), "--out", str(model)],
    ):
        assert main(arguments) == 2
        assert "the file that is read: name another" in capsys.readouterr().err
    assert (table.read_bytes(), model.read_bytes()) == before


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
    run(prepare(fleet), TrainingConfig(epochs=1), tmp_path / "run", progress=False)
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
    modules = "rulbook, rulbook.reference, rulbook.metrics, rulbook.course.ch14.schedules"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.fixture
def small_demo(monkeypatch):
    monkeypatch.setattr(rulbook.data, "demo_fleet", functools.partial(demo_fleet, engines=6, test_engines=3))
    return demo_fleet(engines=6, test_engines=3)


def model_file(path, fleet, facts, **horizon):
    """A network that was never trained, as `train` would keep it."""
    torch.manual_seed(0)
    config = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(4, 4, 4))
    preprocessor = Preprocessor(sensors=fleet.sensors, settings=fleet.settings).fit(fleet.train)
    model = DualTaskModel(len(preprocessor.sensors), config, initial_rul=110.0)
    save_checkpoint(path, model.state_dict(), model, preprocessor, Horizon(**horizon), facts)
    return str(path)


def test_a_stopped_run_goes_on_with_resume_and_a_finished_one_is_lengthened(small_demo, tmp_path, capsys):
    def command(epochs, folder, *more):
        return main(["train", "--quiet", "--epochs", str(epochs), "--out", str(tmp_path / folder), *more])

    assert command(2, "whole") == 0
    assert command(1, "parts") == 0
    assert command(2, "parts") == 2
    assert "holds a finished run: give another folder" in capsys.readouterr().err
    assert command(2, "parts", "--resume") == 0
    assert capsys.readouterr().err == ""
    assert command(1, "prats", "--resume") == 0
    assert "there is no run in" in capsys.readouterr().err
    whole, parts = (read_record(tmp_path / name / "record.json") for name in ("whole", "parts"))
    assert (parts.epochs, parts.test) == (2, whole.test)
    model = "best.safetensors"
    assert (tmp_path / "whole" / model).read_bytes() == (tmp_path / "parts" / model).read_bytes()
    assert command(2, "parts", "--resume", "--seed", "1") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds a run with another seed (0, not 1)" in line


@pytest.mark.real_data
def test_a_run_on_one_data_set_does_not_go_on_with_another(small_demo, cmapss_folder, tmp_path, capsys):
    command = ["train", "--quiet", "--out", str(tmp_path), "--root", str(cmapss_folder)]
    assert main([*command, "--dataset", "demo", "--epochs", "1"]) == 0
    (tmp_path / "record.json").unlink()
    capsys.readouterr()
    assert main([*command, "--dataset", "FD001", "--epochs", "2", "--resume"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "another data set ('demo', not 'FD001')" in line


def test_what_steps_noted_is_said_at_the_end(small_demo, tmp_path, monkeypatch, capsys):
    notes = {"RUL was left out": 3, "a gradient was 0": 1}
    record = SimpleNamespace(selected_epoch=1, epochs=1, test=None, notes=notes)
    monkeypatch.setattr("rulbook.runs.run.run", lambda *_, **__: record)
    assert main(["train", "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["noted in 3 steps: RUL was left out", "noted in 1 step: a gradient was 0"]


def test_two_runs_never_share_a_folder(small_demo, tmp_path, capsys):
    with held(tmp_path / "run"):
        assert main(["train", "--quiet", "--epochs", "1", "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"process {os.getpid()} is training into it" in line


@pytest.mark.real_data
def test_evaluate_takes_data_window_and_cap_from_the_model_and_labels_as_given_on_request(
    cmapss_folder, tmp_path, capsys
):
    fleet = load_cmapss("FD001", cmapss_folder)
    file = model_file(tmp_path / "m", fleet, {"data": {"subset": "FD001"}}, window=20, max_rul=100)
    checkpoint = load_checkpoint(file)
    printed = {}
    for labels, flags in (("capped", []), ("as given", ["--uncapped"])):
        assert main(["evaluate", file, "--root", str(cmapss_folder), "--out", str(tmp_path / "p.png"), *flags]) == 0
        printed[labels] = capsys.readouterr().out
        assert f"FD001: 100 test engines, labels {labels}" in printed[labels]
    data = prepare(fleet, window=20, max_rul=100)
    for labels, windows in (("capped", data.test), ("as given", data.test.capped_at(None))):
        # The statistics of the file, not those of the split.
        table = checkpoint.preprocessor.transform(fleet.test)
        windows = type(windows)(**{**vars_of(windows), "rows": table})
        scores = evaluate(checkpoint.model, windows, max_rul=100.0).scores()
        assert f"RMSE             {scores['rmse']:8.2f} cycles" in printed[labels]
        assert f"NASA score       {scores['nasa_score']:8.1f}" in printed[labels]
    assert printed["capped"] != printed["as given"]


def vars_of(windows):
    return {field.name: getattr(windows, field.name) for field in fields(windows)}


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


@pytest.mark.parametrize("facts", [{"data": {"subset": "own"}}, {}, {"data": 3}, {"data": {"subset": ["FD001"]}}])
def test_a_model_of_an_own_fleet_says_that_its_engines_are_in_no_file_here(tmp_path, capsys, facts):
    file = model_file(tmp_path / "m", demo_fleet(engines=3, test_engines=2), facts)
    assert main(["evaluate", file]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a fleet of your own, and there is no file here with its test engines" in line
    assert "--dataset" in line
    assert main(["evaluate", file, "--dataset", "demo", "--out", str(tmp_path / "p.png")]) == 0


@pytest.mark.parametrize("name", ["noext", "p.png", "p.svg"])
def test_the_picture_is_where_evaluate_says(tmp_path, capsys, name):
    file = model_file(tmp_path / "m", demo_fleet(engines=3, test_engines=2), {"data": {"subset": "demo"}})
    assert main(["evaluate", file, "--out", str(tmp_path / name)]) == 0
    assert f"picture: {tmp_path / name}\n" in capsys.readouterr().out
    assert (tmp_path / name).read_bytes().startswith(b"<?xml" if name == "p.svg" else b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"m", name}


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (".", "is a folder: name a file"),
        ("", "--out is '': it must name a place"),
        ("  ", "it must name a place"),
        ("p.doc", "ends in .doc: it must end in one of"),
        ("there/p.png", "while writing p.png in 'there'"),
        ("/dev/full", "No space left on device while writing full in '/dev'"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path, monkeypatch, capsys, out, words):
    monkeypatch.chdir(tmp_path)
    fleet = demo_fleet(engines=3, test_engines=2)
    file = model_file(tmp_path / "m", fleet, {"data": {"subset": "demo"}})
    fleet.test.to_csv("mine.csv", index=False)
    (tmp_path / "there").write_text("no folder")
    commands = [["evaluate", file], *([["predict", file, "mine.csv"]] if out != "p.doc" else [])]
    for command in commands:
        expected = words if command[0] == "evaluate" or "png" not in words else "while writing p.png in 'there'"
        assert main([*command, "--out", out]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "mine.csv", "there"]
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(tmp_path / "there" / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "there" / "run") in line


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--seed", "4294967296"], "seed is 4294967296: it must be at most 4,294,967,295"),
        (["--learning-rate", "1e300"], "learning_rate is 1e+300: it must be at most"),
        (["--learning-rate", "nan"], "learning_rate is nan"),
        (["--clip-norm", "inf"], "clip_norm is inf"),
        (["--out", ""], "--out is ''"),
    ],
)
def test_options_out_of_range_are_refused_in_our_own_words(tmp_path, monkeypatch, capsys, option, words):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *option]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []


def test_every_setting_of_a_run_is_an_option_and_reaches_it(monkeypatch, tmp_path, capsys):
    others = {
        setting.name: {"method": "grace", "preset": "paper"}.get(setting.name) or different(setting)
        for setting in settings_of(TrainingConfig)
    }
    given = []
    monkeypatch.setattr("rulbook.runs.run.run", lambda data, config, folder, **_: given.append(config) or sys.exit(0))
    options = [word for name, value in others.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    with pytest.raises(SystemExit):
        main(["train", "--out", str(tmp_path / "run"), *options])
    assert given[0].to_dict() == others
    with pytest.raises(SystemExit):
        main(["train", "--out", str(tmp_path / "run")])
    assert given[1] == TrainingConfig()
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for setting in settings_of(TrainingConfig):
        assert f"--{setting.name.replace('_', '-')} " in told
        assert f"(default {setting.default})" in told
    for file in ("best.safetensors", "state.safetensors", "history.csv", "record.json"):
        assert file in told


def different(setting):
    if setting.choices or setting.kind is str:
        return "bf16"
    return {bool: not setting.default, int: (setting.default or 0) + 2, float: (setting.default or 0) / 2}[setting.kind]


def test_settings_are_read_off_a_class_with_their_types_and_descriptions():
    @dataclass
    class Some:
        """Some.

        Attributes:
            first: How many, in
                two lines; see :mod:`there`.
            second: Whether.

        Notes:
            third: no.
        """

        first: int | None = None
        second: bool = True

    first, second = settings_of(Some)
    assert (first.kind, first.optional, first.help) == (int, True, "How many, in two lines; see there")
    assert (second.kind, second.default, second.help) == (bool, True, "Whether")
    assert first.read(None) is None
    with pytest.raises(ValueError, match="second is None: it must be true or false"):
        second.read(None)

    @dataclass
    class Other:
        field: dict[str, int]

    with pytest.raises(TypeError, match="field is of type"):
        settings_of(Other)


def fails_with(error):
    def fail(_):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyError("inner"), 70, "rulbook predict: KeyError: 'inner'. This is a fault of rulbook's own: RULBOOK_TRACE"),
        (RuntimeError("a\nb\n"), 70, "rulbook predict: RuntimeError: a b. This is a fault"),
        (AssertionError(), 70, "rulbook predict: AssertionError: without a word. This is a fault"),
        (RecursionError("deep"), 70, "rulbook predict: RecursionError: deep."),
        (OSError(28, "No space left on device"), 2, "rulbook predict: No space left on device\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x"),
            2,
            "rulbook predict: No such file or directory: 'x'\n",
        ),
        (ImportError("torch is missing:\ninstall it"), 2, "rulbook predict: torch is missing: install it\n"),
        (KeyboardInterrupt(), 130, "rulbook predict: stopped by SIGINT.\n"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (InputError("x" * 100_000), 2, "rulbook predict: " + "x" * 982 + "…\n"),
    ],
)
def test_whatever_goes_wrong_is_one_line(monkeypatch, capsys, error, code, line):
    monkeypatch.delenv("RULBOOK_TRACEBACK", raising=False)
    monkeypatch.setattr("rulbook.cli._predict", fails_with(error))
    assert main(["predict", "model", "table"]) == code
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == (1 if line else 0)


def test_the_traceback_of_our_own_fault_is_there_for_whoever_asks(monkeypatch, capsys):
    monkeypatch.setattr("rulbook.cli._predict", fails_with(KeyError("inner")))
    monkeypatch.setenv("RULBOOK_TRACEBACK", "1")
    assert main(["predict", "model", "table"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_one_line_and_ours_is_handed_back(monkeypatch, capsys, number):
    before = signal.getsignal(number)
    monkeypatch.setattr("rulbook.cli._train", lambda _: signal.raise_signal(number))
    assert main(["train"]) == 128 + number
    assert capsys.readouterr().err == (
        f"rulbook train: stopped by {number.name}. The same command with --resume goes on after the last whole epoch.\n"
    )
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch, capsys):
    # As nohup asks for.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr("rulbook.cli._train", lambda _: signal.raise_signal(signal.SIGHUP) or 0)
        assert main(["train"]) == 0
        assert capsys.readouterr().err == ""
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_warning_is_told_once_and_on_one_line(monkeypatch, capsys):
    def warns(_):
        for _ in range(3):
            warnings.warn("odd\n  rows", stacklevel=1)
        return 0

    monkeypatch.setattr("rulbook.cli._predict", warns)
    assert main(["predict", "model", "table"]) == 0
    assert capsys.readouterr().err == "rulbook: warning: odd rows\n"


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path):
    fleet = demo_fleet(engines=3, test_engines=2)
    file = model_file(tmp_path / "m", fleet, {})
    fleet.test.to_csv(tmp_path / "mine.csv", index=False)
    command = [sys.executable, "-m", "rulbook.cli", "predict", file, str(tmp_path / "mine.csv"), "--every-cycle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.real_data
def test_files_with_other_numbers_are_loaded_on_request(cmapss_folder, tmp_path, capsys):
    for part in ("train", "test", "RUL"):
        content = (cmapss_folder / f"{part}_FD001.txt").read_bytes()
        (tmp_path / f"{part}_FD001.txt").write_bytes(content.replace(b"518.67", b"518.68", 1))
    command = ["data", "--root", str(tmp_path), "--dataset", "FD001"]
    assert main(command) == 2
    assert "differs from NASA's file" in capsys.readouterr().err
    assert main([*command, "--no-verify"]) == 0
    told = capsys.readouterr()
    assert all(line.startswith("rulbook: warning: ") for line in told.err.splitlines())
    assert next(line for line in told.out.splitlines() if line.startswith("FD001")).split()[1:4] == [
        "100",
        "100",
        "20,631",
    ]


def test_the_hash_of_a_run_changes_with_whatever_decides_it():
    config, facts = TrainingConfig(), {"subset": "demo", "seed": 0}
    found = {config_hash(config, facts)}
    for name, value in {"seed": 1, "epochs": 31, "method": "gaba", "clip_norm": 2.0}.items():
        found.add(config_hash(TrainingConfig(**{name: value}), facts))
    found.add(config_hash(config, {**facts, "seed": 1}))
    assert len(found) == 6
    assert config_hash(config, dict(reversed(facts.items()))) == config_hash(config, facts)
    assert all(len(digits) == 12 for digits in found)


def test_a_picture_lets_go_of_its_figure_even_where_it_fails(tmp_path):
    import matplotlib.pyplot as plt

    for name in ("p.png", "p.nothing"):
        figure, _ = plt.subplots()
        if name == "p.png":
            save_figure(figure, tmp_path / name)
        else:
            with pytest.raises(ValueError, match=r"ends in \.nothing"):
                save_figure(figure, tmp_path / name)
        assert not plt.fignum_exists(figure.number)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
