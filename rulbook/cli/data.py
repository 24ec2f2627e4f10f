"""``rulbook data``: a look before anything is trained."""

from __future__ import annotations

import argparse

from rulbook.cli._arguments import Command, add_data, add_root, place
from rulbook.cli._machines import FILES, OTHERWISE, Named, add_machines, fleet_of, load, named
from rulbook.errors import InputError

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]

SUMMARY = "look at a data set or at files of your own, and draw them"
DETAILS = f"""\
Says which columns were taken as what, how many machines there are and how long they lived, under how many
operating conditions, and what share of the windows is normal, degrading and critical. NASA's files are
fetched if they are not here, and checked against their SHA-256.

  rulbook data pumps.csv --unit pump --cycle day --plot look.png
  rulbook data FD002 --plot FD002.png
  rulbook data                          a table of NASA's four

{FILES}"""


def add_arguments(parser: Command) -> None:
    """Declare the command's arguments."""
    add_data(parser, "files, or data sets: NAMES (default: a table of all that need files)")
    parser.add_argument("--plot", metavar="PNG", help="draw lives, conditions and the sensors that move most")
    add_machines(parser)
    add_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the look, and draw it on request."""
    from rulbook.data import sources
    from rulbook.look import first_look
    from rulbook.runs.plots import save_figure

    with_files = [name for name, module in sources.modules().items() if hasattr(module, "SHA256")]
    asked = named(args.data, args.dataset or (), with_files)
    out = place(args.plot, "--plot", keep=asked.files)
    if len(asked.datasets) > 1:
        if out is not None:
            raise InputError(f"--plot is {args.plot!r}: one data set is drawn at a time, so name one.")
        _table(asked, args)
        return 0
    if asked.datasets:
        _table(asked, args)
        print()
    look = first_look(fleet_of(args, asked))
    print(look)
    if asked.files:
        print(OTHERWISE)
    if out is not None:
        save_figure(look.plot(), out)
        print(f"picture: {out}")
    return 0


def _table(asked: Named, args: argparse.Namespace) -> None:
    from rulbook.data import Preprocessor, training_windows

    print("subset    train  test   cycles  windows  conditions  mean RUL  at cap")
    horizons = {}
    for subset in asked.datasets:
        fleet = load(subset, args)
        horizons[subset] = horizon = fleet.horizon
        preprocessor = Preprocessor(
            sensors=fleet.sensors, settings=fleet.settings, n_conditions=fleet.n_conditions
        ).fit(fleet.train)
        windows = training_windows(
            preprocessor.transform(fleet.train),
            fleet.train,
            window=horizon.window,
            max_rul=horizon.max_rul,
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
