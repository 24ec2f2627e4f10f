"""What lies in a folder, found by its files: the members of a family are never entered into a list."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from typing import Any, TypeVar

__all__ = ["classes", "instances", "module_names"]

Member = TypeVar("Member")


def module_names(package: str, path: Iterable[str]) -> tuple[str, ...]:
    """The full names of the modules in a package, in the order of the alphabet; those with an underscore are its own.

    Args:
        package: The package's ``__name__``.
        path: Its ``__path__``.
    """
    names = (info.name for info in pkgutil.iter_modules(path))
    return tuple(f"{package}.{name}" for name in sorted(names) if not name.startswith("_"))


def classes(package: str, path: Iterable[str], base: type[Member]) -> dict[str, type[Member]]:
    """The public classes below ``base`` that the files of a package define and that can be made, by their name.

    Raises:
        TypeError: If a file defines none, or a name is there twice.
    """
    found: dict[str, type[Member]] = {}
    for module in map(importlib.import_module, module_names(package, path)):
        here = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
            if not name.startswith("_") and not inspect.isabstract(value)
        }
        _add(found, here, module.__name__, base.__name__)
    return found


def instances(
    package: str, path: Iterable[str], kind: type[Member] | tuple[type[Member], ...]
) -> dict[str, list[Member]]:
    """The objects of a kind that each file of a package has under a public name, in the order of their definition.

    Raises:
        TypeError: If a file has none.
    """
    found: dict[str, list[Member]] = {}
    for module in map(importlib.import_module, module_names(package, path)):
        here = [value for name, value in vars(module).items() if isinstance(value, kind) and not name.startswith("_")]
        if not here:
            raise TypeError(f"{module.__name__} has nothing of the kind that {package} holds: define one in it.")
        found[module.__name__] = here
    return found


def _add(found: dict[str, Any], here: dict[str, Any], module: str, family: str) -> None:
    if not here:
        raise TypeError(f"{module} defines no {family}: what lies in this folder must define one.")
    twice = next((name for name in here if name in found), None)
    if twice is not None:
        raise TypeError(f"{module} and {found[twice].__module__} both define {twice}: give one of them another name.")
    found.update(here)
