"""A run in its folder: written down after every epoch, and taken up again by the same run alone.

A kill at any moment loses the epoch under way and nothing else. ``state.safetensors`` is written last: what is written
before it is written again when the epoch is done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from rulbook._check import shown
from rulbook.checkpoint import load_tensors, save_checkpoint, versions
from rulbook.data import Prepared, Windows
from rulbook.errors import InputError
from rulbook.files import one_line, write_atomically
from rulbook.training.observers import Observer
from rulbook.training.run_folder import RunFolder
from rulbook.training.state import State

__all__ = ["Keeper", "run_identity"]


def run_identity(data: Prepared) -> dict[str, Any]:
    """What a stopped run has to meet again: a description of the data, and a hash of all rows and labels."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test, "test_all": data.test_all}
    identity = {
        "data": data.describe(),
        "rows": {name: _hash_of(windows) for name, windows in parts.items()},
        "preprocessor": hashlib.sha256(json.dumps(data.preprocessor.to_dict()).encode()).hexdigest(),
        "versions": {f"version of {name}": versions()[name] for name in ("rulbook", "torch")},
    }
    # As it comes back from the file, where a tuple is a list.
    found: dict[str, Any] = json.loads(json.dumps(identity))
    return found


class Keeper:
    """Keeps a run, and the observers that leave something in its record, in a folder."""

    def __init__(self, folder: RunFolder, run: State, observers: Sequence[Observer]) -> None:
        self.folder, self.run = folder, run
        self.observers = [observer for observer in observers if observer.recorded]
        # Whether best.safetensors still names the fewer epochs that the run had before.
        self._lengthened = False

    @cached_property
    def _identity(self) -> dict[str, Any]:
        recorded = [observer.recorded for observer in self.observers]
        return {**run_identity(self.run.data), "device": self.run.device.type, "observers": recorded}

    def find(self, *, resume: bool) -> None:
        """Take up what an earlier process kept in the folder, if it is of this very run.

        Raises:
            ValueError: If a run is there and ``resume`` is off, or it is another one.
        """
        if not self.folder.state.is_file():
            return
        where = f"folder {str(self.folder)!r}"
        if not resume:
            raise InputError(f"{where} holds a run already: resume it, or give another folder.")
        tensors, facts = load_tensors(self.folder.state)
        try:
            differing, done = self._differences(facts["config"], facts["identity"]), int(facts["epoch"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"{str(self.folder.state)!r} holds no training run: give another folder.") from error
        if differing:
            raise InputError(
                f"{where} holds a run with another {differing}. Only the same run can go on: give another folder."
            )
        if done > self.run.config.epochs:
            raise InputError(f"epochs is {self.run.config.epochs}: the run in {where} has {done} behind it already.")
        self._take_up(tensors, facts)

    def keep(self) -> None:
        """Write all that the run is after an epoch."""
        run, folder = self.run, self.folder
        # With one more epoch behind it, a run that was finished no longer is.
        folder.record.unlink(missing_ok=True)
        write_atomically(folder.history, pd.DataFrame(run.rows).to_csv(index=False))
        config = run.config.to_dict()
        if (best := run.best_epoch) == run.epoch or self._lengthened:
            # Nothing of clocks, so that equal runs leave equal files.
            scores = {name: value for name, value in run.rows[best - 1].items() if name != "seconds"}
            facts = {"config": config, "best_epoch": best, "versions": versions()}
            self._lengthened = False
            save_checkpoint(
                folder.best,
                run.best,
                run.model,
                run.data.preprocessor,
                run.data.horizon,
                {**facts, "data": run.data.describe(), "validation": scores},
                columns=run.data.columns,
            )
        seen = [observer.state_dict() for observer in self.observers]
        run.save(
            folder.state, {"versions": versions(), "identity": self._identity, "config": config, "observers": seen}
        )

    def _take_up(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        try:
            self.run.load(tensors, facts)
            for observer, seen in zip(self.observers, facts["observers"], strict=True):
                observer.load_state_dict(seen)
            self._lengthened = facts["config"]["epochs"] != self.run.config.epochs
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"state.safetensors in {str(self.folder)!r} does not hold this run: {one_line(error)[:200]}."
            ) from error

    def _differences(self, config: dict[str, Any], found: dict[str, Any]) -> str:
        """What is not the same as when the run began, in words; empty if nothing differs."""
        here = self._identity
        subset, other = (part["data"].get("subset") for part in (found, here))
        if subset != other:
            return f"data set ({shown(subset)}, not {shown(other)})"
        # The settings come first, and alone: a setting of the data moves counts and rows as well.
        for kept, now in (
            (_deciding(config), _deciding(self.run.config.to_dict())),
            (_settings_of(found["data"]), _settings_of(here["data"])),
            (found["versions"], here["versions"]),
            ({"device": found["device"]}, {"device": here["device"]}),
            ({"choice of observers": found["observers"]}, {"choice of observers": here["observers"]}),
            (found["data"], here["data"]),
        ):
            if differing := _unequal(kept, now):
                return differing
        rows = [name for name, value in here["rows"].items() if found["rows"].get(name) != value]
        if rows or found["preprocessor"] != here["preprocessor"]:
            return f"table of engines: its rows differ in {', '.join(rows) or 'what the preprocessor was fitted on'}"
        return ""


def _deciding(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that make a run another one; more epochs do not: that is how one goes on."""
    return {name: value for name, value in _flat(config).items() if name != "epochs"}


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """A dictionary of dictionaries as one, so that what differs deep inside has a name of its own."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return flat


def _hash_of(windows: Windows) -> str:
    digest = hashlib.sha256()
    facts = [windows.window, windows.max_rul, list(windows.thresholds or ()), list(windows.rows.shape), len(windows)]
    digest.update(json.dumps(facts).encode())
    digest.update(json.dumps(np.asarray(windows.unit).astype(str).tolist()).encode())
    measured = () if windows.measured is None else (windows.measured,)
    for array in (windows.rows, windows.starts, windows.cycle, windows.true_rul, *measured):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _settings_of(data: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a description, without what follows from them."""
    follows = {"windows", "conditions", "validation_units"}
    return {name: value for name, value in data.items() if name not in follows and not name.endswith("_engines")}


def _unequal(kept: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs between two dictionaries, with both values."""
    nothing = object()
    names = [name for name in {**kept, **now} if kept.get(name, nothing) != now.get(name, nothing)]
    return ", ".join(f"{name} ({shown(kept.get(name))}, not {shown(now.get(name))})" for name in names)
