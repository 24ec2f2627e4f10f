"""How a training run is kept after every epoch and found again: the same run, bit for bit, or a refusal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from rulbook._check import shown
from rulbook.checkpoint import load_tensors, save_checkpoint, save_tensors, versions
from rulbook.data import Prepared, Windows
from rulbook.errors import InputError
from rulbook.files import one_line, write_atomically
from rulbook.model import DualTaskModel
from rulbook.training.run_folder import RunFolder

if TYPE_CHECKING:
    from rulbook.training import TrainingConfig

__all__ = ["ResumableRun", "run_identity", "under"]


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


class ResumableRun:
    """The part of a training run that knows its folder; what moves is the subclass's."""

    data: Prepared
    config: TrainingConfig
    folder: Path | None
    evaluated: dict[str, Windows]
    device: torch.device
    model: DualTaskModel
    optimizer: torch.optim.Optimizer
    warmup: torch.optim.lr_scheduler.LRScheduler
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau
    epoch: int
    rows: list[dict[str, float]]
    probes: list[dict[str, float]]
    best: dict[str, Tensor]
    # Whether best.safetensors still names the fewer epochs that the run had before.
    lengthened = False

    def best_epoch(self) -> int:
        """The chosen epoch so far, counted from 1."""
        raise NotImplementedError

    def _parts(self) -> dict[str, nn.Module]:
        raise NotImplementedError

    def _random_states(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        raise NotImplementedError

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {**run_identity(self.data), "device": self.device.type, "watched": sorted(self.evaluated)}

    def _further_facts(self) -> dict[str, Any]:
        """What else a subclass wants kept, as plain values."""
        return {}

    def _set_further_facts(self, facts: dict[str, Any]) -> None:
        """Take back what :meth:`_further_facts` gave."""

    def _found(self, resume: bool) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What an earlier process kept in the folder, if it is of this very run; None if nothing is there."""
        if self.folder is None or not (state := RunFolder(self.folder).state).is_file():
            return None
        where = f"folder {str(self.folder)!r}"
        if not resume:
            raise InputError(f"{where} holds a run already: resume it, or give another folder.")
        tensors, facts = load_tensors(state)
        try:
            differing, done = self._differences(facts["config"], facts["identity"]), int(facts["epoch"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"{str(state)!r} holds no training run: give another folder.") from error
        if differing:
            raise InputError(
                f"{where} holds a run with another {differing}. Only the same run can go on: give another folder."
            )
        if done > self.config.epochs:
            raise InputError(f"epochs is {self.config.epochs}: the run in {where} has {done} behind it already.")
        return tensors, facts

    def _differences(self, config: dict[str, Any], found: dict[str, Any]) -> str:
        """What is not the same as when the run began, in words; empty if nothing differs."""
        here = self._identity
        subset, other = (part["data"].get("subset") for part in (found, here))
        if subset != other:
            return f"data set ({shown(subset)}, not {shown(other)})"
        # The settings come first, and alone: a setting of the data moves counts and rows as well.
        for kept, now in (
            # More epochs than before is no other run: that is how one goes on.
            ({**config, "epochs": None}, {**asdict(self.config), "epochs": None}),
            (_settings_of(found["data"]), _settings_of(here["data"])),
            (found["versions"], here["versions"]),
            ({"device": found["device"]}, {"device": here["device"]}),
            ({"choice of watched windows": found["watched"]}, {"choice of watched windows": here["watched"]}),
            (found["data"], here["data"]),
        ):
            if differing := _unequal(kept, now):
                return differing
        rows = [name for name, value in here["rows"].items() if found["rows"].get(name) != value]
        if rows or found["preprocessor"] != here["preprocessor"]:
            return f"table of engines: its rows differ in {', '.join(rows) or 'what the preprocessor was fitted on'}"
        return ""

    def _restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        try:
            for name, part in self._parts().items():
                part.load_state_dict(under(tensors, name))
            self.best = under(tensors, "best")
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in under(tensors, "optimizer").items():
                index, _, quantity = name.partition("/")
                state.setdefault(int(index), {})[quantity] = value
            self.optimizer.load_state_dict({"state": state, "param_groups": facts["groups"]})
            self.warmup.load_state_dict(facts["warmup"])
            self.plateau.load_state_dict(facts["plateau"])
            self.lengthened = facts["config"]["epochs"] != self.config.epochs
            self.epoch, self.rows, self.probes = facts["epoch"], facts["rows"], facts["probes"]
            self._set_random_states(under(tensors, "rng"))
            self._set_further_facts(facts["further"])
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"state.safetensors in {str(self.folder)!r} does not hold this run: {one_line(error)[:200]}."
            ) from error

    def _keep(self) -> None:
        """Write all that the run is after an epoch. A kill between two files loses nothing: the epoch is done again."""
        if self.folder is None:
            return
        folder = RunFolder(self.folder)
        # With one more epoch behind it, a run that was finished no longer is.
        folder.record.unlink(missing_ok=True)
        write_atomically(folder.history, pd.DataFrame(self.rows).to_csv(index=False))
        if (best := self.best_epoch()) == self.epoch or self.lengthened:
            # Nothing of clocks, so that equal runs leave equal files.
            scores = {name: value for name, value in self.rows[best - 1].items() if name != "seconds"}
            facts = {"config": asdict(self.config), "best_epoch": best, "versions": versions()}
            self.lengthened = False
            save_checkpoint(
                folder.best,
                self.best,
                self.model,
                self.data.preprocessor,
                self.data.horizon,
                {**facts, "data": self.data.describe(), "validation": scores},
                columns=self.data.columns,
            )
        optimizer = self.optimizer.state_dict()
        tensors = {
            f"optimizer/{index}/{name}": value
            for index, values in optimizer["state"].items()
            for name, value in values.items()
        }
        for part_name, part in self._parts().items():
            tensors |= {f"{part_name}/{name}": value for name, value in part.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        tensors |= {f"rng/{name}": value for name, value in self._random_states().items()}
        facts = {
            "versions": versions(),
            "identity": self._identity,
            "config": asdict(self.config),
            "epoch": self.epoch,
            "rows": self.rows,
            "probes": self.probes,
            "groups": optimizer["param_groups"],
            "warmup": self.warmup.state_dict(),
            "plateau": self.plateau.state_dict(),
            "further": self._further_facts(),
        }
        save_tensors(folder.state, tensors, facts)


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


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix`` and a slash, without it."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
