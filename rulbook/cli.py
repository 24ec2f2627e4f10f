"""The command ``rulbook``: look at the data, train, evaluate, predict, teach."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook import __version__
from rulbook._check import shown
from rulbook.errors import InputError
from rulbook.files import one_line, sentence_of, write_atomically

if TYPE_CHECKING:
    from rulbook.checkpoint import Checkpoint
    from rulbook.data import Fleet
    from rulbook.runs.sweep import PlannedRun

__all__ = ["main"]

_EXAMPLES = """\
a first run, without any download:
  rulbook train --dataset demo --epochs 5

on NASA's engines (in the folder $RULBOOK_DATA, or downloaded once):
  rulbook data
  rulbook train --dataset FD001 --method amnl --preset compact --seed 0
  rulbook evaluate runs/FD001-amnl-compact-0/best.safetensors
  rulbook predict runs/FD001-amnl-compact-0/best.safetensors my_engines.csv --out predictions.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; nothing that goes wrong in it reaches the user as a traceback.

    Returns:
        0 if it worked; 1 if runs of a sweep failed; 2 with one line on stderr if the input was at fault; 70 with one
        line if rulbook was; 128 and the number of the signal that stopped it.
    """
    name = "rulbook"
    with _warnings_in_lines(), _stopped_by_signals():
        try:
            parser = _parser()
            args = parser.parse_args(argv)
            name = f"rulbook {args.command}"
            run: Callable[[argparse.Namespace], int] = args.run
            code = run(args)
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except BrokenPipeError:
            # Whoever read our output has seen enough, as `head` does.
            _let_go_of_stdout()
            return 128 + 13
        except (InputError, OSError, ImportError) as error:
            _say(f"{name}: {sentence_of(error)}")
            _let_go_of_stdout()
            return 2
        except KeyboardInterrupt as stop:
            signal_number = stop.args[0] if stop.args else signal.SIGINT
            _say(f"{name}: stopped by {signal.Signals(signal_number).name}.{_GOES_ON.get(name, '')}")
            return 128 + int(signal_number)
        except Exception as error:
            if os.environ.get(_SHOW_TRACEBACK, "") not in ("", "0"):
                traceback.print_exc()
            _say(
                f"{name}: {type(error).__name__}: {sentence_of(error) or 'without a word'}. This is a fault of "
                f"rulbook's own: {_SHOW_TRACEBACK}=1 in the environment shows where."
            )
            return _OWN_FAULT


_OWN_FAULT = 70
_LONGEST_LINE = 1000
_SHOW_TRACEBACK = "RULBOOK_TRACEBACK"
_GOES_ON = {
    "rulbook train": " The same command with --resume goes on after the last whole epoch.",
    "rulbook sweep": " The same command goes on.",
}


def _say(line: str) -> None:
    text = one_line(line)
    # Libraries put what they stumbled over into their messages, however long it is.
    text = text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1]}…"
    with suppress(OSError):
        print(text, file=sys.stderr)


def _let_go_of_stdout() -> None:
    """Keep the interpreter from writing at its end what could not be written before."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        with suppress(OSError, AttributeError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


@contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Warnings go to stderr, each text once and on one line."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = one_line(message)
        if line not in seen:
            seen.add(line)
            _say(f"rulbook: warning: {line}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM (a scheduler) and SIGHUP (a closed terminal) stop as Ctrl-C does; a second one ends at once."""
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Handlers are the main thread's. One that is set to ignore stays so: that is what nohup asks for.
    mine = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in signals if mine}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt(number)

    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rulbook",
        description="Predict how long a machine will still live, with three losses to choose from.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rulbook {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)
    _add_data(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_sweep(commands)
    _add_exercises(commands)
    return parser


class _Command(argparse.ArgumentParser):
    """A command that may get further arguments when it is asked for: those of training need PyTorch to be known."""

    later: Callable[[], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.later is not None:
            add, self.later = self.later, None
            add()
        return super().parse_known_args(args, namespace)


def _command(
    commands: argparse._SubParsersAction[_Command],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str,
) -> _Command:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{details}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="FOLDER",
        help="folder or zip with NASA's files (default: $RULBOOK_DATA, else the cache, else downloaded)",
    )
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="load NASA's files although their bytes differ from NASA's, as after git or an editor changed line ends",
    )


def _add_dataset(parser: argparse.ArgumentParser, told: str, **more: Any) -> None:
    """The option that names one of the data sets that are found in :mod:`rulbook.data.sources`."""
    from rulbook.data import sources

    parser.add_argument("--dataset", choices=sources.names(), help=told, **more)


def _add_data(commands: argparse._SubParsersAction[_Command]) -> None:
    parser = _command(
        commands,
        "data",
        _data,
        "show what is in the data set, and fetch it if it is not here",
        "Prints engines, cycles, windows and operating conditions of each subset; every file is checked against its\n"
        "SHA-256 first.",
    )
    _add_root(parser)
    told = "only this one, and more than one if given again (default: all that need files)"
    parser.later = lambda: _add_dataset(parser, told, action="append")


def _data(args: argparse.Namespace) -> int:
    from rulbook.data import Preprocessor, sources, training_windows

    print("subset    train  test   cycles  windows  conditions  mean RUL  at cap")
    horizons = {}
    for subset in args.dataset or [name for name, module in sources.modules().items() if hasattr(module, "SHA256")]:
        fleet = _fleet(subset, args)
        horizons[subset] = horizon = fleet.horizon
        preprocessor = Preprocessor(
            sensors=fleet.sensors, settings=fleet.settings, n_conditions=fleet.n_conditions
        ).fit(fleet.train)
        windows = training_windows(
            preprocessor.transform(fleet.train), fleet.train, window=horizon.window, max_rul=horizon.max_rul
        )
        print(
            f"{subset:8}{fleet.train['unit'].nunique():7}{fleet.test['unit'].nunique():6}{len(fleet.train):9,}"
            f"{len(windows):9,}{len(preprocessor.means_):12}"
            f"{windows.rul.mean():10.1f}{100 * (windows.rul == windows.max_rul).mean():6.0f} %"
        )
    said = {name: (one.window, one.max_rul, one.time_unit) for name, one in horizons.items()}
    for window, max_rul, unit in dict.fromkeys(said.values()):
        whose = [name for name, one in said.items() if one == (window, max_rul, unit)]
        of = "" if len(whose) == len(said) else f"{', '.join(whose)}: "
        print(f"{of}Windows of {window} {unit}s; RUL of their last {unit}, capped at {max_rul:g}.")
    return 0


def _add_train(commands: argparse._SubParsersAction[_Command]) -> None:
    parser = _command(
        commands,
        "train",
        _train,
        "train a network with one of the losses",
        "A fifth of the training engines is set aside to choose the epoch; the test engines choose nothing.\n"
        "Leaves in the run's folder: best.safetensors (the model), state.safetensors (to go on), history.csv,\n"
        "predictions.csv (of the test engines), learning_curves.png, test_engines.png and, last of all, record.json.\n"
        "Stopped at any moment, it goes on with --resume and ends with the same weights; so does a finished run with\n"
        "more --epochs.",
    )
    parser.add_argument("--out", metavar="FOLDER", help="the run's folder (default runs/DATASET-METHOD-PRESET-SEED)")
    parser.add_argument("--resume", action="store_true", help="go on with the same run in that folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_root(parser)

    def later() -> None:
        _add_dataset(parser, "demo is made here, no download (default)", default="demo")
        _add_settings(parser)

    parser.later = later


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """One option for each setting of a run, as the class that holds them describes it."""
    from rulbook.methods import METHODS
    from rulbook.model import PRESETS
    from rulbook.runs.settings import settings_of
    from rulbook.training import TrainingConfig

    methods = "; ".join(f"{name} ({method.label})" for name, method in METHODS.items())
    named = {"method": methods, "preset": ", ".join(PRESETS)}
    group = parser.add_argument_group("settings of the run")
    for setting in settings_of(TrainingConfig):
        flag = "--" + setting.name.replace("_", "-")
        told = f"one of {named[setting.name]}" if setting.name in named else _lower_first(setting.help)
        # argparse takes a per cent sign for the start of a value to be put in.
        told = f"{told} (default {setting.default})".replace("%", "%%")
        if setting.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=setting.default, help=told)
        else:
            choices = setting.choices or None
            group.add_argument(flag, type=setting.kind, default=setting.default, choices=choices, help=told)


def _lower_first(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _train(args: argparse.Namespace) -> int:
    from rulbook.data import prepare
    from rulbook.runs.run import run
    from rulbook.runs.settings import settings_of
    from rulbook.training import TrainingConfig

    given = {setting.name: setting.read(getattr(args, setting.name)) for setting in settings_of(TrainingConfig)}
    config = TrainingConfig.from_dict(given)
    folder = _out(args.out) or Path(f"runs/{args.dataset}-{args.method}-{args.preset}-{args.seed}")
    if (folder / "record.json").exists() and not args.resume:
        raise InputError(f"--out {str(folder)!r} holds a finished run: give another folder.")
    data = prepare(_fleet(args.dataset, args), seed=args.seed)
    if args.resume and not any((folder / file).exists() for file in ("state.safetensors", "record.json")):
        _say(f"rulbook train: there is no run in {str(folder)!r} to go on with: it starts from the beginning.")
    record = run(data, config, folder, resume=args.resume, progress=not args.quiet)
    print(
        f"{args.dataset}, {args.method}, {args.preset}, seed {args.seed}: epoch {record.selected_epoch} of "
        f"{record.epochs}, chosen by {len(data.validation_units)} validation engines"
    )
    if record.test is not None:
        score = "beyond any number" if record.test.nasa_score is None else f"{record.test.nasa_score:.0f}"
        print(
            f"test: RMSE {record.test.rmse:.2f} {data.horizon.time_unit}s, NASA score {score} over {len(data.test)} "
            f"engines, health macro-F1 {record.test.health_macro_f1:.3f}"
        )
    print(f"kept in {folder}/")
    for note, steps in record.notes.items():
        print(f"noted in {steps} {'step' if steps == 1 else 'steps'}: {one_line(note)}")
    return 0


def _add_evaluate(commands: argparse._SubParsersAction[_Command]) -> None:
    parser = _command(
        commands,
        "evaluate",
        _evaluate,
        "score a trained model on test engines, with a picture",
        "One prediction per test engine, at its last cycle. Writes predicted against true RUL beside the checkpoint.",
    )
    parser.add_argument("checkpoint", help="best.safetensors of a run")
    parser.add_argument("--uncapped", action="store_true", help="compare with the true RUL as given")
    parser.add_argument("--out", metavar="PNG", help="the picture (default: beside the checkpoint)")
    _add_root(parser)
    parser.later = lambda: _add_dataset(parser, "default: the one it was trained on")


def _evaluate(args: argparse.Namespace) -> int:
    from rulbook.checkpoint import load_checkpoint
    from rulbook.data import last_windows
    from rulbook.runs.plots import predicted_against_true, save_figure
    from rulbook.training import evaluate

    checkpoint = load_checkpoint(args.checkpoint)
    out = _out(args.out, keep=(args.checkpoint,))
    dataset = args.dataset or _dataset_of(checkpoint)
    fleet = _fleet(dataset, args)
    preprocessor = checkpoint.preprocessor
    windows = last_windows(
        preprocessor.transform(fleet.test),
        fleet.test,
        last_rul=fleet.test_rul,
        window=checkpoint.horizon.window,
        max_rul=None if args.uncapped else checkpoint.horizon.max_rul,
        thresholds=checkpoint.horizon.thresholds,
        health=checkpoint.horizon.health,
    )
    result = evaluate(checkpoint.model, windows, max_rul=checkpoint.horizon.max_rul)
    scores = result.scores()
    unit = checkpoint.horizon.time_unit
    picture = out or Path(args.checkpoint).with_name(f"evaluation-{dataset}.png")
    save_figure(predicted_against_true(result, title=dataset, time_unit=unit), picture)
    print(
        f"{dataset}: {len(windows)} test engines, labels {'as given' if args.uncapped else 'capped'}\n"
        f"RMSE             {scores['rmse']:8.2f} {unit}s\n"
        f"NASA score       {scores['nasa_score']:8.1f}\n"
        f"health accuracy  {scores['health_accuracy']:8.3f}\n"
        f"health macro-F1  {scores['health_macro_f1']:8.3f}\n"
        f"picture: {picture}"
    )
    return 0


def _dataset_of(checkpoint: Checkpoint) -> str:
    """The data set that a model was trained on, if its test engines can be found again."""
    from rulbook.data import sources

    data = checkpoint.facts.get("data")
    subset = data.get("subset") if isinstance(data, dict) else None
    if subset in sources.names():
        return str(subset)
    raise InputError(
        f"the model was trained on {shown(subset)}, a fleet of your own, and there is no file here with its test "
        "engines: name one of rulbook's with --dataset, score your own in Python with rulbook.training.evaluate, or "
        "have `rulbook predict` say what is left for the engines of a file."
    )


def _add_predict(commands: argparse._SubParsersAction[_Command]) -> None:
    parser = _command(
        commands,
        "predict",
        _predict,
        "predict RUL and health for engines in a file",
        "Takes a CSV with a header (unit, cycle, setting_1 .. setting_3, s1 .. s21; only the sensors the model reads\n"
        "are needed) or a text file in NASA's layout. Writes engine, cycle, rul, health, probability.",
    )
    parser.add_argument("checkpoint", help="best.safetensors of a run")
    parser.add_argument("file", help="CSV or C-MAPSS text file")
    parser.add_argument("--out", metavar="CSV", help="where to write (default: standard output)")
    parser.add_argument("--every-cycle", action="store_true", help="one line per cycle, not only each engine's last")


def _predict(args: argparse.Namespace) -> int:
    from rulbook.checkpoint import load_checkpoint
    from rulbook.data import read_table
    from rulbook.inference import predict

    out = _out(args.out, keep=(args.checkpoint, args.file))
    checkpoint = load_checkpoint(args.checkpoint)
    read = checkpoint.columns or (*checkpoint.preprocessor.settings, *checkpoint.preprocessor.sensors)
    table = predict(checkpoint, read_table(args.file, columns=read), every_cycle=args.every_cycle)
    text = table.to_csv(index=False, float_format="%.3f", lineterminator="\n")
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(f"{len(table)} predictions for {table['engine'].nunique()} engines written to {out}")
    return 0


def _add_sweep(commands: argparse._SubParsersAction[_Command]) -> None:
    parser = _command(
        commands,
        "sweep",
        _sweep,
        "do many runs that one TOML file plans",
        "Each [[runs]] table is a grid of datasets, methods, presets, splits and seeds. Finished runs are kept and\n"
        "never done again; stopped at any moment, the same command goes on. A run that fails stops no other.\n"
        "Example:\n\n"
        "  [defaults]\n"
        "  epochs = 20\n\n"
        "  [[runs]]\n"
        '  datasets = ["FD001", "FD003"]\n'
        '  methods = ["baseline", "amnl", "gaba", "grace"]\n'
        "  seeds = [0, 1, 2, 3, 4]",
    )
    parser.add_argument("sweep", help="the TOML file")
    parser.add_argument("--out", metavar="FOLDER", default="runs", help="one folder per run goes here (default runs)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each (default 2)")
    parser.add_argument("--plan", action="store_true", help="list the runs and how far each is, and do nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_root(parser)


def _sweep(args: argparse.Namespace) -> int:
    from rulbook.runs.sweep import SweepError, read_sweep, run_sweep

    out = _out(args.out) or Path("runs")
    runs = read_sweep(args.sweep)
    if args.plan:
        return _plan(runs, out)
    try:
        records = run_sweep(
            runs, out, root=args.root, verify=args.verify, workers=args.workers, progress=not args.quiet
        )
    except SweepError as error:
        print(f"rulbook sweep: {error}", file=sys.stderr)
        return 1
    print(f"{len(records)} runs finished, each with its record.json in {out}/")
    return 0


def _plan(runs: list[PlannedRun], out: Path) -> int:
    """List the runs and how far each is; 1 if a record is damaged."""
    from rulbook.runs.record import RecordError
    from rulbook.runs.sweep import epochs_done, finished_record

    width = max(len(run.name) for run in runs)
    damaged = []
    for run in runs:
        try:
            record = finished_record(run, out)
        except RecordError as error:
            damaged.append(str(error))
            print(f"{run.name:{width}}  damaged record")
            continue
        epochs = epochs_done(run, out)
        state = "finished" if record else f"epoch {epochs}" if epochs else "to do"
        result = f"   test RMSE {record.test.rmse:.2f}" if record and record.test else ""
        print(f"{run.name:{width}}  {state}{result}")
    for line in damaged:
        _say(f"rulbook sweep: {line}")
    return 1 if damaged else 0


def _add_exercises(commands: argparse._SubParsersAction[_Command]) -> None:
    from rulbook.course.exercises import export

    parser = _command(
        commands,
        "exercises",
        export.run,
        "write the exercises for a class",
        "Student notebooks without solutions, instructor notebooks with them, and on request a master notebook that\n"
        "Otter turns into an assignment.",
    )
    export.add_arguments(parser)


def _out(given: str | None, keep: Sequence[str] = ()) -> Path | None:
    """Where ``--out`` says, or None where it says nothing; what is read, ``keep``, is never written over."""
    if given is None:
        return None
    if not given.strip():
        raise InputError(f"--out is {given!r}: it must name a place, or be left away.")
    out = Path(given)
    for read in map(Path, keep):
        if out.exists() and read.exists() and out.samefile(read):
            raise InputError(f"--out is {given!r}, the file that is read: name another, so that it stays.")
    return out


def _fleet(dataset: str, args: argparse.Namespace) -> Fleet:
    from rulbook.data import sources

    return sources.load(dataset, args.root, verify=args.verify)


if __name__ == "__main__":
    raise SystemExit(main())
