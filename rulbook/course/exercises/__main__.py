"""``python -m rulbook.exercises build``: write what readers run and see from ``book/exercises``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rulbook.course.exercises._notebook import Notebook, read_notebook, write_notebook
from rulbook.course.exercises._sheet import page_notebook, read_sheet, student_notebook
from rulbook.course.exercises.export import sources_folder
from rulbook.course.storing import without_programs


def main(argv: list[str] | None = None) -> int:
    """Write the notebooks, or with ``--check`` only compare; 1 if one of them is out of step with its source."""
    parser = argparse.ArgumentParser(prog="python -m rulbook.course.exercises", description=__doc__)
    parser.add_argument("action", choices=("build",))
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a notebook is out of step")
    args = parser.parse_args(argv)
    sources = sources_folder()
    stale = 0
    for source in sorted(sources.glob("[0-9]*-*.md")):
        for path, notebook in targets(source, sources.parents[1] / "notebooks" / "exercises"):
            if not args.check:
                _write(path, notebook)
                print(f"{path.name}: written")
            elif not path.is_file() or _text(read_notebook(path)) != _text(notebook):
                stale += 1
                print(f"{path.name}: out of step with {source.name}; run `python -m rulbook.exercises build`")
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


def _write(path: Path, notebook: Notebook) -> None:
    if path.stem.endswith("-solutions"):
        from nbclient import NotebookClient

        NotebookClient(notebook, timeout=120, record_timing=False, coalesce_streams=True).execute()
        notebook.metadata.pop("language_info", None)  # names the exact Python that ran it
        without_programs(notebook)
    write_notebook(path, notebook)


if __name__ == "__main__":
    sys.exit(main())
