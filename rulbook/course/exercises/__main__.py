"""``python -m rulbook.exercises build``: write what readers run and see from ``book/exercises``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rulbook.course.execution import execute, rule
from rulbook.course.exercises._notebook import Notebook, read_notebook, write_notebook
from rulbook.course.exercises._sheet import page_notebook, read_sheet, student_notebook
from rulbook.course.exercises.export import sources_folder


def main(argv: list[str] | None = None) -> int:
    """Write the notebooks, or with ``--check`` only compare; 1 if one of them is out of step with its source."""
    parser = argparse.ArgumentParser(prog="python -m rulbook.exercises", description=__doc__)
    parser.add_argument("action", choices=("build",))
    parser.add_argument("source", nargs="?", default="[0-9]*-*", help="NN-topic, of book/exercises; default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is out of step")
    parser.add_argument("--target", help="also write TARGET.d, a rule for make that names the files that were read")
    args = parser.parse_args(argv)
    folder = sources_folder()
    sources = sorted(folder.glob(f"{args.source}.md"))
    if not sources:
        parser.error(f"there is no {args.source}.md in {folder}")
    stale, read = 0, set[str]()
    for source in sources:
        for path, notebook in targets(source, folder.parents[1] / "notebooks" / "exercises"):
            if not args.check:
                read |= _write(path, notebook)
                print(f"{path.name}: written")
            elif not path.is_file() or _text(read_notebook(path)) != _text(notebook):
                stale += 1
                print(f"{path.name}: out of step with {source.name}; run `python -m rulbook.exercises build`")
    if args.target:
        Path(f"{args.target}.d").write_text(rule(args.target, sorted(read)), encoding="utf-8")
    return int(stale > 0)


def targets(source: Path, folder: Path) -> list[tuple[Path, Notebook]]:
    """The notebooks that a source stands for, without outputs, each with its place."""
    sheet = read_sheet(source)
    return [
        (folder / f"{sheet.file_name}.ipynb", student_notebook(sheet)),
        (folder / f"{sheet.file_name}-solutions.ipynb", page_notebook(sheet)),
    ]


def _text(notebook: Notebook) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def _write(path: Path, notebook: Notebook) -> set[str]:
    """Write it, run it if it shows solutions, and say which files of the project it read."""
    write_notebook(path, notebook)
    if not path.stem.endswith("-solutions"):
        return set()
    found = execute(path)
    kept = read_notebook(path)
    kept.metadata.pop("language_info", None)  # names the exact Python that ran it
    write_notebook(path, kept)
    return set(found)


if __name__ == "__main__":
    sys.exit(main())
