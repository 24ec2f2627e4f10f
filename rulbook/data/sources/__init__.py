"""The data sets that rulbook knows, one file each; a file that is put here is found by Python, command line and sweep.

Such a file holds

* a docstring that says what is known about the data set, each fact with its source,
* ``NAMES``, what its fleets are called on the command line (letters, digits and dashes),
* ``load(name, root) -> Fleet``, which makes the fleet of that name out of the files in ``root``, a folder or zip, or
  wherever it finds them when ``root`` is None; the fleet's ``subset`` is that name. It says what suits these machines:
  unit of time, window, cap, health classes (:class:`~rulbook.horizon.Horizon`), operating conditions, and where test
  engines may be cut,
* ``SHA256``, the checksum of each file it reads, by name, if it reads any. Where a checksum is known, ``load`` may take
  ``verify``: whether a file that differs is refused or only named in a warning.

>>> names()
('demo', 'FD001', 'FD002', 'FD003', 'FD004')
>>> load("demo").horizon.time_unit
'cycle'
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

from rulbook._check import one_of
from rulbook.errors import InputError

if TYPE_CHECKING:
    from rulbook.data.fleet import Fleet

__all__ = ["load", "modules", "names"]


def modules() -> dict[str, ModuleType]:
    """The modules of the data sets by the names of their fleets: what is made here first, then what needs files.

    Raises:
        ValueError: If a file here lacks ``NAMES`` or ``load``, or two files give the same name.
    """
    here = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    by_name: dict[str, ModuleType] = {}
    for module in sorted(here, key=lambda module: (hasattr(module, "SHA256"), module.__name__)):
        offered = getattr(module, "NAMES", None)
        if not isinstance(offered, tuple) or not offered or not callable(getattr(module, "load", None)):
            raise InputError(f"{module.__file__} is no data set: it must have NAMES, a tuple, and load(name, root).")
        for name in offered:
            if name in by_name:
                raise InputError(f"{module.__file__} and {by_name[name].__file__} both call a data set {name!r}.")
            by_name[name] = module
    return by_name


def names() -> tuple[str, ...]:
    """What there is to load."""
    return tuple(modules())


def load(name: str, root: str | Path | None = None, *, verify: bool = True) -> Fleet:
    """The fleet of that name.

    Args:
        name: One of :func:`names`.
        root: The data set's files: a folder or a zip. None: wherever it finds them; many download what is not here.
        verify: Refuse a file whose checksum is not the known one. With False it is loaded, and a warning names it.

    Raises:
        ValueError: If there is no such data set; the message lists what there is. And if its files are missing or
            damaged, or differ from its publisher's.
        OSError: If the files have to be downloaded and cannot be.
    """
    known = modules()
    read = known[one_of("dataset", name, known)].load
    may_skip = not verify and "verify" in inspect.signature(read).parameters
    fleet: Fleet = read(name, root, verify=False) if may_skip else read(name, root)
    return fleet
