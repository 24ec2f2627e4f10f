"""``rulbook train``: a network, on a data set or on files of one's own."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rulbook._words import counted, plural
from rulbook.cli._arguments import Command, add_data, add_root, add_settings, add_widths, network_of, place
from rulbook.cli._machines import FILES, OTHERWISE, OWN, add_machines, fingerprints, fleet_of, named
from rulbook.cli._words import say
from rulbook.errors import InputError
from rulbook.files import one_line

if TYPE_CHECKING:
    from rulbook.data import Fleet, Prepared

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]

SUMMARY = "train a network with one of the losses"
DETAILS = f"""\
First says what it took as what, then trains. A fifth of the training machines is set aside to choose the
epoch; the test machines choose nothing.

  rulbook train demo --epochs 5
  rulbook train FD001 --method grace --seed 0
  rulbook train pumps.csv --unit pump --cycle day --cap 300 --thresholds 120,40
  rulbook train north.csv south.csv --test cut.csv --test-rul left.txt

{FILES}

Leaves in the run's folder: best.safetensors (the model), state.safetensors (to go on), history.csv,
predictions.csv (of the test engines), learning_curves.png, test_engines.png and, last of all, record.json.
Stopped at any moment, it goes on with --resume and ends with the same weights; so does a finished run with
more --epochs."""


def add_arguments(parser: Command) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--out", metavar="FOLDER", help="the run's folder (default runs/DATA-METHOD-PRESET-SEED)")
    parser.add_argument("--resume", action="store_true", help="go on with the same run in that folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_machines(parser)
    parser.later = lambda: _add_rest(parser)
    add_data(parser, "files, or a data set: NAMES (default demo, made here, no download)")


def _add_rest(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add_widths(parser)
    add_root(parser)


def run(args: argparse.Namespace) -> int:
    """Say what there is to train on, train, and say what came of it."""
    from rulbook.data import prepare
    from rulbook.look import first_look, machine_word
    from rulbook.runs.run import run as do
    from rulbook.runs.settings import settings_of
    from rulbook.training import TrainingConfig

    given = {setting.name: setting.read(getattr(args, setting.name)) for setting in settings_of(TrainingConfig)}
    config = TrainingConfig.from_dict(given)
    if (network := network_of(args)) is not None:
        config = replace(config, model=network)
    asked = named(args.data, args.dataset or (), ("demo",))
    if len(asked.datasets) > 1:
        raise InputError(f"{' and '.join(asked.datasets)} are {len(asked.datasets)} data sets: a run has one.")
    out = place(args.out)
    fleet = fleet_of(args, asked)
    folder = out or Path(f"runs/{fleet.subset}-{config.method_name}-{config.preset}-{args.seed}")
    if (folder / "record.json").exists() and not args.resume:
        raise InputError(f"--out {str(folder)!r} holds a finished run: give another folder.")
    print(first_look(fleet))
    if asked.files:
        print(OTHERWISE)
    data = prepare(fleet, seed=args.seed)
    if asked.files:
        data = _remembering(data, fleet, args.test_seed or 0)
    if args.resume and not any((folder / file).exists() for file in ("state.safetensors", "record.json")):
        say(f"rulbook train: there is no run in {str(folder)!r} to go on with: it starts from the beginning.")
    record = do(data, config, folder, resume=args.resume, progress=not args.quiet)
    machine, unit = machine_word(fleet.columns), fleet.horizon.time_unit
    validating = counted(len(data.validation_units), f"validation {machine}")
    print(
        f"{fleet.subset}, {config.method_name}, {config.preset}, seed {args.seed}: epoch {record.selected_epoch} of "
        f"{record.epochs}, chosen by {validating}"
    )
    if record.test is not None:
        score = "beyond any number" if record.test.nasa_score is None else f"{record.test.nasa_score:.0f}"
        print(
            f"test: RMSE {record.test.rmse:.2f} {plural(unit)}, NASA score {score} over "
            f"{counted(len(data.test), machine)}, health macro-F1 {record.test.health_macro_f1:.3f}"
        )
    elif not len(data.test):
        print(f"test: no {machine} was held out, so that nothing is scored")
    print(f"kept in {folder}/")
    for note, steps in record.notes.items():
        print(f"noted in {counted(steps, 'step')}: {one_line(note)}")
    return 0


def _remembering(data: Prepared, fleet: Fleet, seed: int) -> Prepared:
    """The same data, which say what a later ``rulbook evaluate`` needs: the machines seen, the cuts."""
    seen = fingerprints(fleet.train, (*fleet.settings, *fleet.sensors))
    return replace(data, settings={**data.settings, OWN: {"seed": seed, "cut": asdict(fleet.cut), "seen": seen}})
