"""The command as a whole: help, exit codes, one line for whatever goes wrong, places that cannot be written."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings

import pytest
from modelfile import model_file

from rulbook.cli import main
from rulbook.data import demo_fleet
from rulbook.errors import InputError


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


def test_help_teaches_and_loads_no_torch():
    code = "import sys, rulbook.cli\ntry: rulbook.cli.main(['-h'])\nexcept SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("False\n")
    assert "rulbook train --dataset demo --epochs 5" in out


def test_importing_the_package_is_light():
    modules = "rulbook, rulbook.reference, rulbook.metrics, rulbook.course.ch14.schedules"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


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
    monkeypatch.setattr("rulbook.cli.predict.run", fails_with(error))
    assert main(["predict", "model", "table"]) == code
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == (1 if line else 0)


def test_the_traceback_of_our_own_fault_is_there_for_whoever_asks(monkeypatch, capsys):
    monkeypatch.setattr("rulbook.cli.predict.run", fails_with(KeyError("inner")))
    monkeypatch.setenv("RULBOOK_TRACEBACK", "1")
    assert main(["predict", "model", "table"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_one_line_and_ours_is_handed_back(monkeypatch, capsys, number):
    before = signal.getsignal(number)
    monkeypatch.setattr("rulbook.cli.train.run", lambda _: signal.raise_signal(number))
    assert main(["train"]) == 128 + number
    assert capsys.readouterr().err == (
        f"rulbook train: stopped by {number.name}. The same command with --resume goes on after the last whole epoch.\n"
    )
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch, capsys):
    # As nohup asks for.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr("rulbook.cli.train.run", lambda _: signal.raise_signal(signal.SIGHUP) or 0)
        assert main(["train"]) == 0
        assert capsys.readouterr().err == ""
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_warning_is_told_once_and_on_one_line(monkeypatch, capsys):
    def warns(_):
        for _ in range(3):
            warnings.warn("odd\n  rows", stacklevel=1)
        return 0

    monkeypatch.setattr("rulbook.cli.predict.run", warns)
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
