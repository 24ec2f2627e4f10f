"""Options that several commands share, and one for each setting of a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulbook._check import one_of, shown
from rulbook.cli._words import lower_first
from rulbook.errors import InputError

if TYPE_CHECKING:
    from rulbook.model import ModelConfig

__all__ = [
    "Command",
    "add_data",
    "add_root",
    "add_settings",
    "add_widths",
    "checkpoint_of",
    "network_of",
    "place",
]

_GROUPS = {
    "which loss, which network": ("method", "preset", "seed", "precision"),
    "how long": ("epochs", "patience", "plateau_patience", "warmup_epochs"),
    "each step": ("batch_size", "learning_rate", "weight_decay", "clip_norm", "ema_decay"),
}


class Command(argparse.ArgumentParser):
    """A command that may get further arguments when it is asked for: those of training need PyTorch to be known."""

    later: Callable[[], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, with the arguments that were left for later."""
        if self.later is not None:
            add, self.later = self.later, None
            add()
        found, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            value = getattr(found, action.dest, None)
            # Of `--name=--` argparse makes an empty list, whatever the option wants.
            if (
                action.option_strings
                and action.nargs is None
                and isinstance(value, list)
                and (not value or [] in value)
            ):
                raise InputError(f"{action.option_strings[0]} is '--': it must be given a value.")
        return found, rest


def add_data(parser: Command, told: str) -> None:
    """Files or names of data sets, whose names are told once somebody asks: they are found in rulbook.data.sources."""
    words = parser.add_argument("data", nargs="*", help=told)
    parser.add_argument("--dataset", metavar="NAME", action="append", help="the same as the name alone")
    before = parser.later

    def later() -> None:
        if before is not None:
            before()
        from rulbook.data import sources

        words.help = told.replace("NAMES", ", ".join(sources.names()))

    parser.later = later


def add_root(parser: argparse.ArgumentParser) -> None:
    """Where NASA's files are."""
    group = parser.add_argument_group("NASA's files")
    group.add_argument(
        "--root",
        metavar="FOLDER",
        help="folder or zip with NASA's files (default: $RULBOOK_DATA, else the cache, else downloaded)",
    )
    group.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="load NASA's files although their bytes differ from NASA's, as after git or an editor changed line ends",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One option for each setting of a run, as the class that holds them describes it."""
    from rulbook.methods import METHODS
    from rulbook.model import PRESETS
    from rulbook.runs.settings import settings_of
    from rulbook.training import TrainingConfig

    methods = "; ".join(f"{name} ({method.label})" for name, method in METHODS.items())
    named = {"method": methods, "preset": ", ".join(PRESETS)}
    groups = {name: title for title, names in _GROUPS.items() for name in names}
    made = {title: parser.add_argument_group(title) for title in _GROUPS}
    for setting in settings_of(TrainingConfig):
        title = groups.get(setting.name, "further settings of the run")
        group = made.get(title) or made.setdefault(title, parser.add_argument_group(title))
        flag = "--" + setting.name.replace("_", "-")
        told = f"one of {named[setting.name]}" if setting.name in named else lower_first(setting.help)
        # argparse takes a per cent sign for the start of a value to be put in.
        told = f"{told} (default {setting.default})".replace("%", "%%")
        if setting.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=setting.default, help=told)
        else:
            choices = setting.choices or None
            group.add_argument(flag, type=setting.kind, default=setting.default, choices=choices, help=told)


def add_widths(parser: argparse.ArgumentParser) -> None:
    """One option for each field of the network's class, in place of what the preset has."""
    from rulbook.model import PRESETS, ModelConfig
    from rulbook.runs.settings import _attributes as told_attributes

    told = dict(told_attributes(getdoc(ModelConfig) or ""))
    title = "the network, where it is to differ from its preset"
    group = parser.add_argument_group(title)
    for width in fields(ModelConfig):
        has = "; ".join(f"{name} has {_plain(getattr(preset, width.name))}" for name, preset in PRESETS.items())
        flag = "--" + width.name.replace("_", "-")
        has = f"{lower_first(told[width.name])} ({has})"
        group.add_argument(flag, metavar=_plain(getattr(PRESETS["compact"], width.name)), help=has)


def network_of(args: argparse.Namespace) -> ModelConfig | None:
    """The preset with the widths that were asked for; None if it is to stay as it is.

    Raises:
        ValueError: If a word is no number, or the network cannot have such a width.
    """
    from rulbook.model import PRESETS, ModelConfig

    given = {width.name: getattr(args, width.name) for width in fields(ModelConfig)}
    preset = PRESETS[one_of("preset", args.preset, PRESETS)]
    changes: dict[str, Any] = {}
    for name, text in given.items():
        if text is not None:
            usual = getattr(preset, name)
            kind = type(usual[0]) if isinstance(usual, tuple) else type(usual)
            try:
                numbers = tuple(kind(part) for part in text.split(","))
            except ValueError as error:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} is {shown(text)}: it must be such as {_plain(usual)}.") from error
            changes[name] = numbers if isinstance(usual, tuple) or len(numbers) > 1 else numbers[0]
    return replace(preset, **changes) if changes else None


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def place(given: str | None, option: str = "--out", keep: Sequence[str | Path] = ()) -> Path | None:
    """Where an option says to write, or None where it says nothing; what is read, ``keep``, is never written over."""
    if given is None:
        return None
    if not given.strip():
        raise InputError(f"{option} is {given!r}: it must name a place, or be left away.")
    out = Path(given)
    for read in map(Path, keep):
        if out.exists() and read.exists() and out.samefile(read):
            raise InputError(f"{option} is {given!r}, the file that is read: name another, so that it stays.")
    return out


def checkpoint_of(run: str) -> Path:
    """The model of a run, named by its folder or by the file itself."""
    path = Path(run)
    if not path.is_dir():
        return path
    if not (path / "best.safetensors").is_file():
        raise InputError(f"folder {run!r} holds no best.safetensors: no epoch of a run has ended there.")
    return path / "best.safetensors"
