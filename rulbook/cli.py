"""The command ``rulbook``: look at the data, train, evaluate, predict, teach."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rulbook import __version__
from rulbook.errors import InputError

if TYPE_CHECKING:
    from rulbook.data import Fleet

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

_DATASETS = ("demo", "FD001", "FD002", "FD003", "FD004")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it worked, 1 if runs failed, 2 with one line on stderr if the input was at fault."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = args.run
        return run(args)
    except (ValueError, OSError, ImportError) as error:
        print(f"rulbook {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"rulbook {args.command}: stopped. A training run goes on with --resume.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rulbook",
        description="Predict how long a machine will still live, with three losses to choose from.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rulbook {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_sweep(commands)
    _add_exercises(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str,
) -> argparse.ArgumentParser:
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


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "data",
        _data,
        "show what is in the data set, and fetch it if it is not here",
        "Prints engines, cycles, windows and operating conditions of each subset; every file is checked against its\n"
        "SHA-256 first.",
    )
    parser.add_argument("--dataset", choices=_DATASETS, action="append", help="only this subset (default: NASA's four)")
    _add_root(parser)


def _data(args: argparse.Namespace) -> int:
    from rulbook.data import Preprocessor, training_windows

    print("subset    train  test   cycles  windows  conditions  mean RUL  at cap")
    for subset in args.dataset or _DATASETS[1:]:
        fleet = _fleet(subset, args.root)
        preprocessor = Preprocessor(sensors=fleet.sensors, settings=fleet.settings).fit(fleet.train)
        windows = training_windows(preprocessor.transform(fleet.train), fleet.train)
        print(
            f"{subset:8}{fleet.train['unit'].nunique():7}{fleet.test['unit'].nunique():6}{len(fleet.train):9,}"
            f"{len(windows):9,}{len(preprocessor.means_):12}"
            f"{windows.rul.mean():10.1f}{100 * (windows.rul == windows.max_rul).mean():6.0f} %"
        )
    print("Windows of 30 cycles; RUL of their last cycle, capped at 125.")
    return 0


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "train",
        _train,
        "train a network with one of the losses",
        "A fifth of the training engines is set aside to choose the epoch; the test engines choose nothing.\n"
        "Leaves in the run's folder: best.safetensors, history.csv, learning_curves.png, test_engines.png,\n"
        "record.json. Stopped at any moment, it goes on with --resume and ends with the same weights.",
    )
    parser.add_argument("--dataset", choices=_DATASETS, default="demo", help="demo is made here, no download (default)")
    parser.add_argument("--method", default="amnl", help="baseline, amnl (default), gaba, grace or a peer")
    parser.add_argument("--preset", default="compact", help="compact (0.13 M parameters, default) or paper (3.5 M)")
    parser.add_argument("--seed", type=int, default=0, help="weights, batches, dropout and split (default 0)")
    parser.add_argument("--epochs", type=int, help="at most so many (default 30; stops early)")
    parser.add_argument("--batch-size", type=int, help="windows per step (default 256)")
    parser.add_argument("--learning-rate", type=float, help="of AdamW (default 0.001)")
    parser.add_argument("--out", metavar="FOLDER", help="the run's folder (default runs/DATASET-METHOD-PRESET-SEED)")
    parser.add_argument("--resume", action="store_true", help="go on with the unfinished run in that folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_root(parser)


def _train(args: argparse.Namespace) -> int:
    from rulbook.data import prepare
    from rulbook.experiments import run_experiment
    from rulbook.training import TrainingConfig

    chosen = {name: getattr(args, name) for name in ("epochs", "batch_size", "learning_rate")}
    config = TrainingConfig(
        method=args.method,
        preset=args.preset,
        seed=args.seed,
        **{name: value for name, value in chosen.items() if value is not None},
    )
    folder = Path(args.out or f"runs/{args.dataset}-{args.method}-{args.preset}-{args.seed}")
    if (folder / "record.json").exists():
        raise InputError(f"--out {str(folder)!r} holds a finished run: give another folder.")
    data = prepare(_fleet(args.dataset, args.root), seed=args.seed)
    record = run_experiment(data, config, folder, resume=args.resume, progress=not args.quiet)
    test = record["test"]
    print(
        f"{args.dataset}, {args.method}, {args.preset}, seed {args.seed}: epoch {record['selected_epoch']} of "
        f"{record['epochs']}, chosen by {len(record['data']['validation_units'])} validation engines\n"
        f"test: RMSE {test['rmse']:.2f} cycles, NASA score {test['nasa_score']:.0f} over "
        f"{record['data']['windows']['test']} engines, health macro-F1 {test['health_macro_f1']:.3f}\n"
        f"kept in {folder}/"
    )
    return 0


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "evaluate",
        _evaluate,
        "score a trained model on test engines, with a picture",
        "One prediction per test engine, at its last cycle. Writes predicted against true RUL beside the checkpoint.",
    )
    parser.add_argument("checkpoint", help="best.safetensors of a run")
    parser.add_argument("--dataset", choices=_DATASETS, help="default: the one it was trained on")
    parser.add_argument("--uncapped", action="store_true", help="compare with the true RUL as given")
    parser.add_argument("--out", metavar="PNG", help="the picture (default: beside the checkpoint)")
    _add_root(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from rulbook.checkpoint import load_checkpoint
    from rulbook.data import last_windows
    from rulbook.experiments import save_figure
    from rulbook.plots import predicted_against_true
    from rulbook.training import evaluate

    checkpoint = load_checkpoint(args.checkpoint)
    dataset = args.dataset or checkpoint.facts["data"]["subset"]
    fleet = _fleet(dataset, args.root)
    preprocessor = checkpoint.preprocessor
    windows = last_windows(
        preprocessor.transform(fleet.test),
        fleet.test,
        last_rul=fleet.test_rul,
        window=checkpoint.horizon.window,
        max_rul=None if args.uncapped else checkpoint.horizon.max_rul,
        thresholds=checkpoint.horizon.thresholds,
    )
    result = evaluate(checkpoint.model, windows, max_rul=checkpoint.horizon.max_rul)
    scores = result.scores()
    picture = Path(args.out or Path(args.checkpoint).with_name(f"evaluation-{dataset}.png"))
    save_figure(predicted_against_true(result, title=dataset), picture)
    print(
        f"{dataset}: {len(windows)} test engines, labels {'as given' if args.uncapped else 'capped'}\n"
        f"RMSE             {scores['rmse']:8.2f} cycles\n"
        f"NASA score       {scores['nasa_score']:8.1f}\n"
        f"health accuracy  {scores['health_accuracy']:8.3f}\n"
        f"health macro-F1  {scores['health_macro_f1']:8.3f}\n"
        f"picture: {picture}"
    )
    return 0


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    from rulbook.prediction import predict

    checkpoint = load_checkpoint(args.checkpoint)
    needed = (*checkpoint.preprocessor.settings, *checkpoint.preprocessor.sensors)
    table = predict(checkpoint, read_table(args.file, columns=needed), every_cycle=args.every_cycle)
    text = table.to_csv(index=False, float_format="%.3f", lineterminator="\n")
    if args.out is None:
        sys.stdout.write(text)
    else:
        from rulbook.checkpoint import write_atomically

        write_atomically(args.out, text)
        print(f"{len(table)} predictions for {table['engine'].nunique()} engines written to {args.out}")
    return 0


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    from rulbook.sweep import SweepError, epochs_done, finished_record, read_sweep, run_sweep

    runs = read_sweep(args.sweep)
    if args.plan:
        width = max(len(run.name) for run in runs)
        for run in runs:
            record, epochs = finished_record(run, args.out), epochs_done(run, args.out)
            state = "finished" if record else f"epoch {epochs}" if epochs else "to do"
            result = f"   test RMSE {record['test']['rmse']:.2f}" if record else ""
            print(f"{run.name:{width}}  {state}{result}")
        return 0
    try:
        records = run_sweep(runs, args.out, root=args.root, workers=args.workers, progress=not args.quiet)
    except SweepError as error:
        print(f"rulbook sweep: {error}", file=sys.stderr)
        return 1
    print(f"{len(records)} runs finished, each with its record.json in {args.out}/")
    return 0


def _add_exercises(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from rulbook.exercises import export

    parser = _command(
        commands,
        "exercises",
        export.run,
        "write the exercises for a class",
        "Student notebooks without solutions, instructor notebooks with them, and on request a master notebook that\n"
        "Otter turns into an assignment.",
    )
    export.add_arguments(parser)


def _fleet(dataset: str, root: str | None) -> Fleet:
    from rulbook.data import demo_fleet, load_cmapss

    return demo_fleet() if dataset == "demo" else load_cmapss(dataset, root)


if __name__ == "__main__":
    raise SystemExit(main())
