"""The command ``rulbook exercises export``: notebooks for a class, for its teacher, and for Otter."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from rulbook._book import book_root
from rulbook.course.exercises._notebook import Cell, Notebook, code, markdown, notebook, raw, write_notebook
from rulbook.course.exercises._sheet import (
    ExerciseCells,
    Sheet,
    instructor_notebook,
    plain,
    read_sheet,
    role_of,
    student_notebook,
    student_opening,
)
from rulbook.errors import InputError

__all__ = ["add_arguments", "export", "otter_notebook", "run", "sources_folder"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("action", choices=("export",), help="write student and instructor notebooks")
    parser.add_argument("--chapter", type=int, help="only this chapter (default: all)")
    parser.add_argument("--to", metavar="FOLDER", default="class", help="where to write (default: class)")
    parser.add_argument("--otter", action="store_true", help="also a master notebook for `otter assign`")


def run(args: argparse.Namespace) -> int:
    """Write the notebooks and say where they are."""
    written = export(Path(args.to), chapter=args.chapter, otter=args.otter)
    for path in written:
        print(path)
        if path.parent.name == "otter":
            print(f"  next: otter assign --no-pdfs {path} {path.parent / 'dist'}")
    return 0


def export(folder: Path, *, chapter: int | None = None, otter: bool = False) -> list[Path]:
    """Write the exercises for a class.

    Args:
        folder: Where to; gets ``student``, ``instructor`` and, if asked for, ``otter``.
        chapter: Only this chapter; None for all.
        otter: Whether to write the master notebooks for ``otter assign`` as well.

    Returns:
        The files written.

    Raises:
        ValueError: If the chapter has no exercises, or a file is there already: nothing is overwritten.
        FileNotFoundError: If the sources are not here.
        ImportError: If jupytext is missing, which the extra ``rulbook[class]`` brings.
    """
    sources = {int(path.name.split("-")[0]): path for path in sorted(sources_folder().glob("[0-9]*-*.md"))}
    if chapter is not None and chapter not in sources:
        raise InputError(f"--chapter is {chapter}: it must be one of {', '.join(map(str, sources))}.")
    writers = {"student": student_notebook, "instructor": instructor_notebook}
    if otter:
        writers["otter"] = otter_notebook
    sheets = [read_sheet(path) for number, path in sources.items() if chapter in (None, number)]
    # No two files of a class have one name: somebody will put them into one folder.
    suffix = {"instructor": "-instructor"}
    wanted = [
        (folder / kind / f"{sheet.file_name}{suffix.get(kind, '')}.ipynb", write, sheet)
        for sheet in sheets
        for kind, write in writers.items()
    ]
    for path, _, _ in wanted:
        if path.exists():
            raise InputError(f"{path} is there already: remove it, or name another folder with --to.")
    for path, write, sheet in wanted:
        write_notebook(path, write(sheet))
    return [path for path, _, _ in wanted]


def sources_folder() -> Path:
    """The folder with the exercises' sources: of the clone around us, else what came with the package.

    Whoever writes exercises of their own keeps them in a ``book/exercises`` and works from there.

    Raises:
        FileNotFoundError: If there are none.
    """
    for root in [Path.cwd(), *Path.cwd().parents]:
        if any((root / "book" / "exercises").glob("[0-9]*-*.md")):
            return root / "book" / "exercises"
    return book_root() / "book" / "exercises"


def otter_notebook(sheet: Sheet) -> Notebook:
    """A master notebook for ``otter assign``: one question per exercise, passed if its check passes."""
    config = (
        f"# ASSIGNMENT CONFIG\nname: rulbook-{sheet.name}\ninit_cell: true\nexport_cell:\n  pdf: false\n"
        "tests:\n  files: true\n  ok_format: false"
    )
    questions = (cell for exercise in sheet.exercises for cell in _question(exercise))
    return notebook([raw(config), *student_opening(sheet), *questions])


def _question(exercise: ExerciseCells) -> list[Cell]:
    def marked(begin: str, cells: list[Cell]) -> list[Cell]:
        return [raw(f"# BEGIN {begin}"), *cells, raw(f"# END {begin.splitlines()[0]}")]

    name = "q" + exercise.number.replace(".", "_")
    text = [plain(cell) for cell in exercise.cells if role_of(cell) == ""]
    explained = [
        markdown(cell.source) for cell in exercise.cells if role_of(cell) == "solution" and cell.cell_type == "markdown"
    ]
    stub = "\n\n".join(cell.source for cell in exercise.tagged("stub"))
    solution = "\n\n".join(cell.source for cell in exercise.tagged("solution"))
    # Otter takes the lines between the marks from students and leaves them the text of the string.
    answer = code(
        f"# BEGIN SOLUTION NO PROMPT\n{solution}\n# END SOLUTION\n''' # BEGIN PROMPT\n{stub}\n'''; # END PROMPT"
    )
    ask = exercise.tagged("check")[0].source
    names = sorted({node.id for node in ast.walk(ast.parse(ask)) if isinstance(node, ast.Name)} - {"check"})
    # Otter hands the learner's own names to the test; the check is imported afresh, whatever they called `check`.
    test = code(
        f"def test_{name}({', '.join(names)}):\n    from rulbook.course.exercises import check\n\n"
        f"    result = {ask}\n    assert result.passed, str(result)"
    )
    return marked(
        f"QUESTION\nname: {name}",
        [*text, *marked("SOLUTION", [*explained, answer]), code(ask), *marked("TESTS", [test])],
    )
