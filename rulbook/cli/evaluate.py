"""``rulbook evaluate``: a trained model on machines that it has not seen."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook._check import shown, whole
from rulbook._words import counted, plural
from rulbook.cli._arguments import Command, add_data, add_root, checkpoint_of, place
from rulbook.cli._machines import OWN, Named, fingerprints, load, named, read_machines, rul_of
from rulbook.cli._words import in_words_of_the_shell
from rulbook.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rulbook.checkpoint import Checkpoint
    from rulbook.data import Columns
    from rulbook.data.fleet import CutRange

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]

SUMMARY = "score a trained model on machines that it has not seen, with a picture"
DETAILS = """\
One prediction for each machine, at its last row. RMSE is in the unit of time of the machines; the NASA score
is a sum over them, in which late counts more than early. Writes predicted against true RUL beside the model.

  rulbook evaluate runs/FD001-amnl-compact-0
  rulbook evaluate runs/pumps-amnl-compact-0 pumps.csv
  rulbook evaluate runs/pumps-amnl-compact-0 cut.csv --test-rul left.txt

Of files, the machines that the model was trained on are left out. Without --test-rul the others are taken
as run to failure, and each is cut at a random point of its life, as in training: the file that was trained
on gives the test machines of then. Columns are looked for by the names that they had in training."""


def add_arguments(parser: Command) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", metavar="RUN", help="folder of a run, or its best.safetensors")
    add_data(parser, "files, or a data set: NAMES (default: the one it was trained on)")
    parser.add_argument(
        "--test-rul", metavar="FILE", help="what each machine had left: a number a line in their order, or a CSV"
    )
    parser.add_argument("--uncapped", action="store_true", help="compare with the true RUL as given")
    parser.add_argument("--out", metavar="PNG", help="the picture (default: beside the checkpoint)")
    add_root(parser)


def run(args: argparse.Namespace) -> int:
    """Score, print, draw."""
    from rulbook.checkpoint import load_checkpoint
    from rulbook.data import last_windows
    from rulbook.look import machine_word
    from rulbook.runs.plots import predicted_against_true, save_figure
    from rulbook.training import evaluate

    file = checkpoint_of(args.checkpoint)
    asked = named(args.data, args.dataset or ())
    rul_file = (args.test_rul,) if args.test_rul is not None else ()
    out = place(args.out, keep=(file, *asked.files, *rul_file))
    checkpoint = load_checkpoint(file)
    horizon, preprocessor = checkpoint.horizon, checkpoint.preprocessor
    told: list[str] = []
    if asked.files:
        name = Path(asked.files[0]).name.split(".")[0]
        test, test_rul = _own(checkpoint, asked, args, told)
        machine = "engine" if checkpoint.columns is None else machine_word(checkpoint.columns)
    else:
        if args.test_rul is not None:
            raise InputError("--test-rul goes with a file of machines: name it.")
        name = _dataset(asked, checkpoint)
        fleet = load(name, args)
        test, test_rul, machine = fleet.test, fleet.test_rul, machine_word(fleet.columns)
    with in_words_of_the_shell(asked.files or (name,)):
        windows = last_windows(
            preprocessor.transform(test),
            test,
            last_rul=test_rul,
            window=horizon.window,
            max_rul=None if args.uncapped else horizon.max_rul,
            thresholds=horizon.thresholds,
            health=horizon.health,
        )
    result = evaluate(checkpoint.model, windows, max_rul=horizon.max_rul)
    scores = result.scores()
    unit = horizon.time_unit
    picture = out or file.with_name(f"evaluation-{name}.png")
    save_figure(predicted_against_true(result, title=name, time_unit=unit, machine=machine), picture)
    print(f"{name}: {counted(len(windows), f'test {machine}')}, labels {'as given' if args.uncapped else 'capped'}")
    for line in told:
        print(line)
    print(
        f"RMSE             {scores['rmse']:8.2f} {plural(unit)}\n"
        f"NASA score       {scores['nasa_score']:8.1f}\n"
        f"health accuracy  {scores['health_accuracy']:8.3f}\n"
        f"health macro-F1  {scores['health_macro_f1']:8.3f}\n"
        f"picture: {picture}"
    )
    return 0


def _own(
    checkpoint: Checkpoint, asked: Named, args: argparse.Namespace, told: list[str]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """The machines of files that the model has not seen, where their life is cut off, and what they had left."""
    import numpy as np

    from rulbook.data import cut_engines, engine_runs, fleet_from_frame
    from rulbook.look import machine_word

    fitted, horizon = checkpoint.preprocessor, checkpoint.horizon
    names = (*fitted.settings, *fitted.sensors)
    health = () if horizon.health is None else (horizon.health.column,)
    table = read_machines(asked.files, checkpoint.columns or names, health)
    known: dict[str, Any] = {"unit": "unit", "cycle": "cycle", "horizon": horizon}
    known |= {"settings": list(fitted.settings), "sensors": list(fitted.sensors)}
    with in_words_of_the_shell(asked.files), warnings.catch_warnings():
        # The columns are known; what there was to say of them was said in training.
        warnings.simplefilter("ignore")
        if args.test_rul is not None:
            given = _renamed(rul_of(args.test_rul), checkpoint.columns)
            fleet = fleet_from_frame(table, **known, test=table, test_rul=given)
            return fleet.test, fleet.test_rul
        table = fleet_from_frame(table, **known, test_fraction=0).train
    seed, within, seen = _remembered(checkpoint)
    if seen is None:
        warnings.warn(
            f"{args.checkpoint} does not say which machines it was trained on: all of {asked.files[0]} are taken as "
            "new to it. If they are not, the scores are worth nothing.",
            stacklevel=2,
        )
    units = engine_runs(table).units
    new = np.array([one not in (seen or ()) for one in fingerprints(table, names)])
    machine = "engine" if checkpoint.columns is None else machine_word(checkpoint.columns)
    if not new.any():
        raise InputError(
            f"{asked.files[0]} holds no {machine} that the model was not trained on: give others, or a file of "
            f"{plural(machine)} cut off before failure with --test-rul."
        )
    unseen = table[table["unit"].isin(units[new])].reset_index(drop=True)
    cut, rul = cut_engines(unseen, within.keeping(horizon.window), seed=seed, cuts=1)
    told.append(
        f"each cut at a random point of its life, {rul.min():g} to {rul.max():g} {plural(horizon.time_unit)} before "
        "its end"
    )
    if not new.all():
        told.append(f"{counted(int((~new).sum()), machine)} that the model was trained on left out")
    return cut, rul


def _remembered(checkpoint: Checkpoint) -> tuple[int, CutRange, frozenset[str] | None]:
    """How test machines are cut, and the fingerprints of what was trained on; None if the file does not say."""
    from rulbook.data.fleet import CutRange

    data = checkpoint.facts.get("data")
    own = data.get(OWN) if isinstance(data, dict) else None
    if own is None:
        return 0, CutRange(longest_rul=max(1, round(checkpoint.horizon.max_rul))), None
    try:
        seed, seen, within = whole("seed", own["seed"], 0), own["seen"], CutRange(**own["cut"])
        if not isinstance(seen, list) or not all(isinstance(one, str) for one in seen):
            raise TypeError
    except (InputError, LookupError, TypeError) as error:
        raise InputError(f"the checkpoint says of its fleet {shown(own)}: seed, cut and seen are wanted.") from error
    return seed, within, frozenset(seen)


def _renamed(given: Any, columns: Columns | None) -> Any:
    """A table of RUL by machine, its column of machines named as inside a fleet."""
    if columns is None or not hasattr(given, "columns"):
        return given
    return given.rename(columns={columns.unit: "unit"})


def _dataset(asked: Named, checkpoint: Checkpoint) -> str:
    """The data set that was asked for, or the one that the model was trained on, if there is one to find again."""
    if len(asked.datasets) > 1:
        raise InputError(f"{' and '.join(asked.datasets)} are {len(asked.datasets)} data sets: name one.")
    if asked.datasets:
        return asked.datasets[0]
    from rulbook.data import sources

    data = checkpoint.facts.get("data")
    subset = data.get("subset") if isinstance(data, dict) else None
    if isinstance(subset, str) and subset in sources.names() and not (isinstance(data, dict) and OWN in data):
        return str(subset)
    raise InputError(
        f"the model was trained on {shown(subset)}, a fleet of your own, and there is no file here with its test "
        "engines: name the file that it was trained on, or another with the same columns; or one of rulbook's data "
        "sets with --dataset."
    )
