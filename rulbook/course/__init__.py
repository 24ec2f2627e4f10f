"""What the pages need and the owner of a fleet does not: figures, exercises, walkthroughs, measured results.

``figures``, ``exercises`` and ``walkthrough`` are the kits. ``chNN`` is the room of a chapter: its figures (``x.py``
beside ``x.js``), its checks (``checks_x.py``) and the mathematics that only it needs. What lies in a room is found by
its file; nothing is entered into a list. Pages import from :mod:`rulbook.widgets`, :mod:`rulbook.exercises` and
:mod:`rulbook.walkthrough`.
"""

from __future__ import annotations

from pathlib import Path

from rulbook.errors import InputError

__all__ = ["room_files"]

_HERE = Path(__file__).parent


def room_files(pattern: str) -> dict[str, str]:
    """The Python modules of all rooms whose file name fits ``pattern``, in the order of the chapters: name by stem.

    Raises:
        InputError: If two rooms have a file of the same name: one of them would hide the other.
    """
    modules: dict[str, str] = {}
    for path in sorted(_HERE.glob(f"ch[0-9][0-9]/{pattern}")):
        if path.stem in modules and path.stem != "__init__":
            first = modules[path.stem].split(".")[-2]
            raise InputError(f"{path.name} lies in {first} and in {path.parent.name}: rename one of them.")
        modules[path.stem] = f"{__name__}.{path.parent.name}.{path.stem}"
    return modules
