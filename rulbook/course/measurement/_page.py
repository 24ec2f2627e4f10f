"""The page of the book that lists every measured file, written from what scripts and files say of themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rulbook.course.measurement._declared import ByHand, Measurement, cost
from rulbook.course.measurement._found import by_hand, measurements, owners
from rulbook.course.results import results_folder

__all__ = ["index_page", "index_path"]

_MAIN = ("rulbook", "python", "torch", "numpy")
"""The versions that the page tells; the file may hold more."""

_HEAD = """\
# Measurements

Each measured number on a page comes from a small file in `book/results`. This page lists the files: what each holds,
the command that writes it, what that costs on one core, when it last ran and with what, and the pages that read it. A
test repeats the cheap ones, and a piece of every other, on NASA's files. The checksum of the data stands in each file,
under `provenance`.

% Written by: python -m rulbook.course.measurement index. Edit the scripts, not this page.

## Measured

:::{div} ledger
| file | what it holds | command | cost | last run | read by |
|:--|:--|:--|:--|:--|:--|
"""

_BY_HAND = """
:::

## Typed in

No command writes these. Their numbers were typed in from what somebody printed.

:::{div} ledger
| file | what it holds | typed in from | read by |
|:--|:--|:--|:--|
"""


def index_path() -> Path:
    """Where the page lies."""
    return results_folder().parent / "measurements.md"


def index_page() -> str:
    """The text of the page.

    Raises:
        ValueError: If a file has no owner, or a measurement no file.
    """
    owners()
    measured = "\n".join(_measured(one) for one in measurements().values())
    typed = "\n".join(_typed(one) for one in by_hand().values())
    return f"{_HEAD}{measured}\n{_BY_HAND}{typed}\n:::\n"


def _measured(one: Measurement) -> str:
    provenance = json.loads(one.provenance_path.read_text(encoding="utf-8"))["provenance"]
    what = one.what
    if one.made_from:
        what += f" Made from {' and '.join(f'`{name}`' for name in sorted(one.made_from))} beside it."
    spent = cost(one.minutes).lower()
    return _row(f"`{one.result}`", what, f"`{provenance['command']}`", spent, _last_run(provenance), _links(one.pages))


def _typed(one: ByHand) -> str:
    return _row(f"`{one.result}`", one.what, one.source, _links(one.pages))


def _last_run(provenance: dict[str, Any]) -> str:
    versions: dict[str, str] = provenance.get("versions") or {}
    told = [f"{name} {versions[name]}" for name in _MAIN if name in versions]
    date = provenance.get("date") or "day not recorded"
    return f"{date}; {', '.join(told) if told else 'versions not recorded'}"


def _links(pages: tuple[str, ...]) -> str:
    return ", ".join(_link(page) for page in pages)


def _link(page: str) -> str:
    title = re.search(r"^# (.+)$", (results_folder().parent / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    # Of a chapter the number suffices: "14".
    name = re.sub(r"^(\d+) .*", r"\1", title[1]) if title else page
    paired = (results_folder().parents[1] / "notebooks" / f"{page}.ipynb").is_file()
    target = f"../notebooks/{page}.ipynb" if paired else f"{page}.md"
    return f"[{name}]({target})"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
