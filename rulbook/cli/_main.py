"""The command as a whole: what is parsed, what is said when something goes wrong, and the exit codes."""

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
from importlib import import_module

from rulbook import __version__
from rulbook.cli._arguments import Command
from rulbook.cli._words import say
from rulbook.errors import InputError
from rulbook.files import one_line, sentence_of

__all__ = ["COMMANDS", "main"]

COMMANDS = ("data", "train", "evaluate", "predict", "sweep", "exercises")
"""Each is the module of that name in this folder, with SUMMARY, DETAILS, ``add_arguments`` and ``run``."""

_EXAMPLES = """\
a first run, without any download:
  rulbook train --dataset demo --epochs 5       (or, shorter: rulbook train demo --epochs 5)

on machines of your own (CSV, Parquet, or text in NASA's layout):
  rulbook data pumps.csv --unit pump --cycle day --plot look.png
  rulbook train pumps.csv --unit pump --cycle day --cap 300 --thresholds 120,40
  rulbook evaluate runs/pumps-amnl-compact-0 pumps.csv
  rulbook predict runs/pumps-amnl-compact-0 today.csv --out predictions.csv

on NASA's engines (in the folder $RULBOOK_DATA, or downloaded once):
  rulbook train FD001 --method grace --seed 0
  rulbook evaluate runs/FD001-grace-compact-0
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
            say(f"{name}: {sentence_of(error)}")
            _let_go_of_stdout()
            return 2
        except KeyboardInterrupt as stop:
            signal_number = stop.args[0] if stop.args else signal.SIGINT
            say(f"{name}: stopped by {signal.Signals(signal_number).name}.{_GOES_ON.get(name, '')}")
            return 128 + int(signal_number)
        except Exception as error:
            if os.environ.get(_SHOW_TRACEBACK, "") not in ("", "0"):
                traceback.print_exc()
            say(
                f"{name}: {type(error).__name__}: {sentence_of(error) or 'without a word'}. This is a fault of "
                f"rulbook's own: {_SHOW_TRACEBACK}=1 in the environment shows where."
            )
            return _OWN_FAULT


_OWN_FAULT = 70
_SHOW_TRACEBACK = "RULBOOK_TRACEBACK"
_GOES_ON = {
    "rulbook train": " The same command with --resume goes on after the last whole epoch.",
    "rulbook sweep": " The same command goes on.",
}


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
            say(f"rulbook: warning: {line}")

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
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Command)
    for name in COMMANDS:
        module = import_module(f"rulbook.cli.{name}")
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}.\n\n{module.DETAILS}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=lambda args, module=module: module.run(args))
    return parser
