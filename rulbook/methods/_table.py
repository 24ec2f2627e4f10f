"""How the methods of all files become one table: in a stable order, each with a look of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rulbook.errors import InputError
from rulbook.looks import LOOKS, Look
from rulbook.methods._method import FAMILIES, UNSEEN, Method, Quoted

__all__ = ["alike", "table"]


def table(found: Mapping[str, Sequence[Method | Quoted]]) -> dict[str, Method | Quoted]:
    """The table by name: family after family; inside a family by file, and inside a file as written there.

    Args:
        found: What each file defines, by the file's module.

    Raises:
        ValueError: If two have one name.
    """
    home: dict[str, str] = {}
    for module, ones in found.items():
        for one in ones:
            if one.name in home:
                raise InputError(f"{module} and {home[one.name]} both name a method {one.name!r}: names are unique.")
            home[one.name] = module
    rank = {family: place for place, family in enumerate(FAMILIES)}
    ordered = sorted((one for ones in found.values() for one in ones), key=lambda one: rank[one.family])
    taken = {one.look for one in ordered}
    free = iter([look for look in LOOKS if look not in taken])
    return {one.name: one if one.look != UNSEEN else _drawn(one, free) for one in ordered}


def _drawn(one: Method | Quoted, free: Iterator[Look]) -> Method | Quoted:
    look = next(free, None)
    if look is None:
        raise InputError(
            f"{one.name} finds no look that is free: all {len(LOOKS)} are taken. Add one to rulbook.looks."
        )
    return replace(one, look=look)


def alike(ones: Mapping[str, Method | Quoted]) -> list[tuple[str, str]]:
    """The pairs of names that are drawn alike."""
    first: dict[Look, str] = {}
    return [(first[one.look], name) for name, one in ones.items() if first.setdefault(one.look, name) != name]
