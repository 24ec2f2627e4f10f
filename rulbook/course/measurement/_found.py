"""The measurements of the book, found by their files; who owns each result, and which pages read it."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from functools import cache
from pathlib import Path

from rulbook.course import room_files
from rulbook.course.measurement._declared import ByHand, Measurement
from rulbook.course.results import results_folder
from rulbook.errors import InputError

__all__ = ["by_hand", "measurements", "owners", "readers"]


def measurements() -> dict[str, Measurement]:
    """Every measurement, by the name of its script.

    Raises:
        ValueError: If a script declares none, or more than one, or if two write one file.
        FileNotFoundError: If there is no clone of the book: an installed package has the results, not the scripts.
    """
    folder = results_folder().parent / "measure"
    scripts = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not scripts:
        raise FileNotFoundError(f"{folder} holds no measurements: they belong to a clone of the book.")
    return {path.stem: _loaded(path) for path in scripts}


def by_hand() -> dict[str, ByHand]:
    """Every file of ``book/results`` that says of itself that it was typed in, by its name.

    Raises:
        ValueError: If such a file does not say what it holds, from what it was typed in, and which pages read it.
    """
    found = {}
    for path in sorted(results_folder().glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        provenance = facts.get("provenance") if isinstance(facts, dict) else None
        if isinstance(provenance, dict) and "by_hand" in provenance:
            what, source, pages = (provenance.get(key) for key in ("what", "by_hand", "pages"))
            if not (what and source and isinstance(what, str) and isinstance(source, str)):
                raise InputError(f"provenance of {path.name} must say what it holds, and under by_hand from what.")
            if not (isinstance(pages, list) and pages and all(isinstance(page, str) for page in pages)):
                raise InputError(f"provenance of {path.name} must name the pages that read it, in a list.")
            found[path.name] = ByHand(path.name, what, source, tuple(pages))
    return found


def owners() -> dict[str, Measurement | ByHand]:
    """For every file of ``book/results``: the measurement that writes or reads it, or what it says of itself.

    Raises:
        ValueError: If a file that is there has no owner, or two.
    """
    found: dict[str, Measurement | ByHand] = {**by_hand()}
    for one in measurements().values():
        for name in {one.path.name, one.provenance_path.name, *one.made_from}:
            if name in found:
                raise InputError(
                    f"{name} in book/results belongs to {found[name]} and to {one}: one must be its owner."
                )
            found[name] = one
    there = {path.name for path in results_folder().iterdir() if not path.name.startswith(".")}
    orphans = sorted(there - found.keys())
    if orphans:
        raise InputError(
            f"book/results holds {orphans[0]}, which no script of book/measure writes. Declare it with @measurement in "
            "book/measure, or, if it was typed in, say in its own provenance what it holds and from what (by_hand)."
        )
    return found


def readers(result: str) -> tuple[str, ...]:
    """The pages whose cells, or whose figures, read this file of ``book/results``.

    A page reads ``NAME.json`` where it says ``read_json("NAME")`` or names the file, and a table also through a
    function ``read_NAME``. A figure of ``rulbook.course`` that does so reads for the pages that show it.
    """
    stem = result.partition(".")[0]
    reads = re.compile(rf'read_(json|table)\("{stem}"\)|\bread_{stem}\(|results/{re.escape(result)}')
    figures = set[str]()
    for module in room_files("*.py").values():
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin else ""
        if reads.search(source):
            figures.update(re.findall(r"^class (\w+)", source, re.MULTILINE))
    shows = re.compile("|".join(rf"\b{name}\(" for name in sorted(figures))) if figures else None
    book = results_folder().parent
    found = []
    for page in sorted(book.rglob("*.md")):
        name = page.relative_to(book).with_suffix("").as_posix()
        text = page.read_text(encoding="utf-8")
        if name != "measurements" and (reads.search(text) or (shows is not None and shows.search(text))):
            found.append(name)
    return tuple(found)


@cache
def _loaded(path: Path) -> Measurement:
    name = f"rulbook_measure_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    declared = [value for value in vars(module).values() if isinstance(value, Measurement)]
    own = [one for one in declared if one.script == path]
    if len(own) != 1:
        raise InputError(
            f"book/measure/{path.name} declares {len(own)} measurements: put @measurement(...) before one function."
        )
    return own[0]
