"""The programs of figures and walkthroughs, for the two places where they run. Needs the standard library alone.

A figure's script is an ES module that imports from the kit, ``figures/shared.js``. A kernel sends each figure one
module with the kit inside of it (:func:`for_kernel`). The pages of the book load classic scripts, the only ones that a
browser runs from a folder: one for the kit, one for each figure (:func:`site_files`). They meet in one global,
``rulbook``: the kit is ``rulbook.kit``, and a figure is ``rulbook.figures[address]``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from rulbook.errors import InputError

__all__ = ["FIGURE_MIME", "KIT", "STYLE", "WALKTHROUGH", "address", "for_kernel", "for_page", "site_files"]

FIGURE_MIME = "application/vnd.rulbook.figure+json"
"""What a notebook stores of a figure: the address of its script, and numbers."""

KIT, STYLE = "figures/kit.js", "figures/figure.css"
WALKTHROUGH = ("walkthrough/walkthrough.js", "walkthrough/walkthrough.css")
"""Files of the site, below its static folder."""

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\.\./figures/shared\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)(?=const |let |function |async function |class )", re.MULTILINE)
_NAMED = re.compile(r"^export (?:const|let|(?:async )?function|class) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_OTHERS = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def address(script: Path) -> str:
    """Where the site has a figure's script, below its folder ``figures``: room and file name."""
    return f"{script.parent.name}/{script.name}"


def for_kernel(script: Path) -> str:
    """One ES module from the kit and a figure's own script.

    Comment lines and indentation stay behind: every figure of a kernel carries its own copy.

    Raises:
        InputError: If the script does not import from the kit, and from there alone.
    """
    _, own = _parts(script)
    return _squeezed(_EXPORT.sub("", _kit())) + _squeezed(own)


def for_page(script: Path) -> str:
    """A figure's script as a classic one, which takes the kit from ``rulbook.kit``.

    Raises:
        InputError: If the script does not import from the kit, and from there alone, or has no default export.
    """
    names, own = _parts(script)
    own, figures = _DEFAULT.subn("const exportedFigure = ", _EXPORT.sub("", own))
    if figures != 1:
        raise InputError(f"{script.name} has {figures} lines that begin with `export default`: it must have one.")
    _refuse_others(script, own)
    return (
        f'rulbook.figures["{address(script)}"] = (() => {{\n"use strict";\nconst {{ {names} }} = rulbook.kit;\n'
        f"{_squeezed(own)}return exportedFigure;\n}})();\n"
    )


def site_files() -> dict[str, str]:
    """The files that pages of the book load for figures and walkthroughs, by their place in the static folder."""
    kit = _kit()
    names = ", ".join(_NAMED.findall(kit))
    opened = 'var rulbook = { figures: {} };\nrulbook.kit = (() => {\n"use strict";\n'
    files = {
        KIT: f"{opened}{_squeezed(_EXPORT.sub('', kit))}return {{ {names} }};\n}})();\n",
        STYLE: _read(_HERE / "figures" / "shared.css"),
    }
    files |= {place: _read(_HERE / place) for place in WALKTHROUGH}
    return files | {f"figures/{address(path)}": for_page(path) for path in sorted(_HERE.glob("ch[0-9][0-9]/*.js"))}


def _parts(script: Path) -> tuple[str, str]:
    """The names that a script takes from the kit, and what it says besides."""
    source = _read(script)
    imports = _IMPORT.findall(source)
    own = _IMPORT.sub("", source)
    if len(imports) != 1:
        raise InputError(f'{script.name} must have exactly one import from "../figures/shared.js", of names in braces.')
    if other := re.search(r"^import\b.*", own, re.MULTILINE):
        raise InputError(f"{script.name} says {other[0]!r}: it can import from the kit alone.")
    return " ".join(imports[0].split()), own


def _refuse_others(script: Path, own: str) -> None:
    if other := _OTHERS.search(own):
        raise InputError(
            f"{script.name} says {other[0]!r}: it can export by `export const`, `export function` and `export default`."
        )


@cache
def _kit() -> str:
    return _read(_HERE / "figures" / "shared.js")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _squeezed(source: str) -> str:
    code = re.sub(r"^\s*/\*\*.*?\*/\n?", "", source, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in code.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
