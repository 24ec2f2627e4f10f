"""What a measurement works with: data that leave their checksum, and parts that are kept until it is done."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from rulbook._check import shown
from rulbook.course.measurement._text import plain
from rulbook.data import Fleet, sources
from rulbook.errors import InputError
from rulbook.files import write_atomically

__all__ = ["Bench", "checksum", "load_fleet"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def load_fleet(name: str, root: Path | None) -> Fleet:
    """The data set of this name: its files in ``root``, or where its own loader finds them."""
    return sources.load(name, root)


def checksum(fleet: Fleet) -> str:
    """SHA-256 of what a fleet holds: both tables, column by column, and the RULs of the test engines.

    It speaks of the numbers, not of the files that they came from.
    """
    digest = hashlib.sha256()
    for table in (fleet.train, fleet.test):
        for name in table.columns:
            digest.update(str(name).encode())
            column = table[name]
            numeric = column.dtype.kind in "biuf"
            digest.update(
                np.ascontiguousarray(column, dtype="<f8").tobytes() if numeric else "\0".join(map(str, column)).encode()
            )
    digest.update(np.ascontiguousarray(fleet.test_rul, dtype="<f8").tobytes())
    return digest.hexdigest()


class Bench:
    """Where a measurement stands: it loads data, and keeps parts that are done.

    Args:
        root: The folder with the files of the data; None looks where their loader does.
        data: The names that may be loaded.
        keep: The file that holds the parts of an unfinished measurement; None keeps none.
        key: What the parts depend on: parts that were kept for anything else are computed anew.
        quiet: Print no progress.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        data: Iterable[str] = (),
        keep: Path | None = None,
        key: Mapping[str, Any] | None = None,
        quiet: bool = True,
    ) -> None:
        self.root, self.keep, self.quiet = root, keep, quiet
        self.checksums: dict[str, str] = {}
        """Of each data set that was loaded."""
        self._data, self._key, self._named = tuple(data), plain(dict(key or {})), set[str]()
        self._kept: dict[str, Any] = self._found()

    def load(self, name: str) -> Fleet:
        """A data set that the measurement declares.

        Raises:
            ValueError: If it does not declare it, or if parts that were kept come from other data of that name.
        """
        if name not in self._data:
            declared = ", ".join(self._data) or "none"
            raise InputError(f"the measurement loads {shown(name)}, but declares data {declared}: add it there.")
        fleet = load_fleet(name, self.root)
        self.checksums[name] = checksum(fleet)
        if self._kept and self._kept["data"].get(name, self.checksums[name]) != self.checksums[name]:
            raise InputError(f"{self.keep} holds parts measured on other data named {name}: remove it to begin anew.")
        return fleet

    def part(self, name: str, compute: Callable[_Given, _Found], *args: _Given.args, **given: _Given.kwargs) -> _Found:
        """``compute(*args)`` as JSON gives it back; of a measurement that was stopped, what it had kept.

        Args:
            name: Of this part, different from every other.
            compute: A function whose result can stand in a JSON file.
            args: What it is called with.
            given: What it is called with, by name.

        Raises:
            ValueError: If two parts have one name, or the result cannot stand in a JSON file.
        """
        if name in self._named:
            raise InputError(f"two parts of the measurement are called {shown(name)}: each needs a name of its own.")
        self._named.add(name)
        kept: dict[str, Any] = self._kept.get("parts", {})
        if name in kept:
            self._say(f"{name}: kept from before")
            found: _Found = kept[name]
            return found
        started = time.perf_counter()
        # Through JSON, so that a run that was stopped gives the same as one that was not.
        found = json.loads(json.dumps(plain(compute(*args, **given), name)))
        self._say(f"{name}: {time.perf_counter() - started:.0f} s")
        if self.keep is not None:
            self._kept = {"key": self._key, "data": {**self.checksums}, "parts": {**kept, name: found}}
            write_atomically(self.keep, json.dumps(self._kept))
        return found

    def _found(self) -> dict[str, Any]:
        if self.keep is None or not self.keep.is_file():
            return {}
        try:
            kept = json.loads(self.keep.read_text(encoding="utf-8"))
            parts, data = dict(kept["parts"]), dict(kept["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.keep} does not hold parts of a measurement: remove it to begin anew.") from error
        if kept.get("key") != self._key:
            self._say(f"{self.keep.name} was made with another script, other arguments or versions: it begins anew")
            return {}
        return {"key": self._key, "data": data, "parts": parts}

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)
