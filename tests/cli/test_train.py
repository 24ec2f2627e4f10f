"""``rulbook train``: what it prints and keeps, every setting as an option, resume."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, fields
from types import SimpleNamespace

import pytest

from rulbook.checkpoint import load_checkpoint
from rulbook.cli import main
from rulbook.model import ModelConfig
from rulbook.runs.run import config_hash
from rulbook.runs.settings import settings_of
from rulbook.training import TrainingConfig
from rulbook.training.run_folder import held


def test_training_tells_what_it_found(tmp_path, capsys):
    assert main(["train", "--epochs", "1", "--quiet", "--method", "baseline", "--out", str(tmp_path / "r")]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "r" / "record.json").read_text())
    assert f"test: RMSE {record['test']['rmse']:.2f} cycles, NASA score" in out
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(tmp_path / "r")]) == 2
    assert "holds a finished run" in capsys.readouterr().err


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
    whole, parts = (json.loads((tmp_path / name / "record.json").read_text()) for name in ("whole", "parts"))
    assert (parts["epochs"], parts["test"]) == (2, whole["test"])
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


def test_the_hash_of_a_run_changes_with_whatever_decides_it():
    config, facts = TrainingConfig(), {"subset": "demo", "seed": 0}
    found = {config_hash(config, facts)}
    for name, value in {"seed": 1, "epochs": 31, "method": "gaba", "clip_norm": 2.0}.items():
        found.add(config_hash(TrainingConfig(**{name: value}), facts))
    found.add(config_hash(config, {**facts, "seed": 1}))
    assert len(found) == 6
    assert config_hash(config, dict(reversed(facts.items()))) == config_hash(config, facts)
    assert all(len(digits) == 12 for digits in found)


def test_every_width_of_the_network_is_an_option_and_reaches_it(small_demo, tmp_path, capsys):
    given = {"channels": "4,5,6", "lstm_hidden": "4", "attention_heads": "2", "funnel": "6,5,4", "dropout": "0.1"}
    assert set(given) == {width.name for width in fields(ModelConfig)}
    options = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    command = ["train", "--epochs", "1", "--quiet", "--out", str(tmp_path / "run")]
    assert main([*command, *options]) == 0
    wanted = ModelConfig((4, 5, 6), 4, 2, (6, 5, 4), 0.1)
    assert load_checkpoint(tmp_path / "run" / "best.safetensors").model.config == wanted
    assert "demo, amnl, own-" in capsys.readouterr().out
    # Another network is another run; the same one goes on.
    assert main([*command, "--resume", "--epochs", "2"]) == 2
    assert main([*command, *options, "--resume", "--epochs", "2"]) == 0
    assert main(["train", "--channels", "4,5,x"]) == 2
    assert "--channels is '4,5,x': it must be such as 32,64,32" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "share of activations dropped between blocks while training (paper has 0.3; compact has 0.2)" in " ".join(
        capsys.readouterr().out.split()
    )
