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
test repeats the cheap ones, and a piece of every other, on the same data. The checksum of these stands in each file,
under `provenance`.

% Written by: python -m rulbook.course.measurement index. Edit the scripts, not this page.

## Measured
"""

_BY_HAND = """
## Typed in

No command writes these. Their numbers were typed in from what somebody printed.
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
    measured = "".join(_measured(one) for one in measurements().values())
    typed = "".join(_typed(one) for one in by_hand().values())
    return f"{_HEAD}{measured}{_BY_HAND}{typed}"


def _measured(one: Measurement) -> str:
    provenance = json.loads(one.provenance_path.read_text(encoding="utf-8"))["provenance"]
    lines = [f"Command: `{provenance['command']}`", f"Cost: {cost(one.minutes).lower()}"]
    if one.made_from:
        lines.append(f"Made from: {', '.join(f'`{name}`' for name in sorted(one.made_from))}, beside it")
    lines += [f"Last run: {_last_run(provenance)}", f"Read by: {_links(one.pages)}"]
    return _entry(one.result, one.what, lines)


def _typed(one: ByHand) -> str:
    return _entry(one.result, one.what, [f"Typed in from: {one.source}", f"Read by: {_links(one.pages)}"])


def _entry(result: str, what: str, lines: list[str]) -> str:
    return "\n".join(["", f"### `{result}`", "", what, "", *(f"* {line}" for line in lines), ""])


def _last_run(provenance: dict[str, Any]) -> str:
    versions: dict[str, str] = provenance.get("versions") or {}
    told = [f"{name} {versions[name]}" for name in _MAIN if name in versions]
    date = provenance.get("date") or "day not recorded"
    remark = f". {provenance['remark']}" if "remark" in provenance else ""
    return f"{date}, {'with ' + ', '.join(told) if told else 'versions not recorded'}{remark.removesuffix('.')}"


def _links(pages: tuple[str, ...]) -> str:
    return ", ".join(_link(page) for page in pages)


def _link(page: str) -> str:
    title = re.search(r"^# (.+)$", (results_folder().parent / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
    name = title[1] if title else page
    paired = (results_folder().parents[1] / "notebooks" / f"{page}.ipynb").is_file()
    target = f"../notebooks/{page}.ipynb" if paired else f"{page}.md"
    return f"[{name}]({target})"
