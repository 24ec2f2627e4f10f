"""Notebooks store numbers, not programs: ``python -m rulbook.course.storing notebooks/NN-topic.ipynb``.

A kernel sends a figure's script and styles with each figure, and a walkthrough's with each walkthrough. What is stored
of a figure is its picture, its call, and the numbers that it draws from; the pages of the book have the programs as
files. So an edit of a program touches no notebook, and whoever opens a notebook before running it sees the picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rulbook._check import existing_file
from rulbook.course.exercises._notebook import Notebook, read_notebook, write_notebook
from rulbook.course.scripts import FIGURE_MIME
from rulbook.course.walkthrough._page import undressed

__all__ = ["main", "without_programs"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def without_programs(notebook: Notebook) -> Notebook:
    """The notebook itself, after its figures and walkthroughs lost their programs.

    The view of a widget goes with them: a front end that finds one shows that, and not the picture, and has nothing to
    show without the script.
    """
    views = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if FIGURE_MIME in data:
                data.pop(_VIEW, None)
            if "text/html" in data:
                data["text/html"] = undressed(data["text/html"])
            views += _VIEW in data
    if not views:
        notebook.metadata.pop("widgets", None)
    return notebook


def main(argv: list[str] | None = None) -> int:
    """Take the programs out of the notebooks named; what has none is not written."""
    parser = argparse.ArgumentParser(prog="python -m rulbook.course.storing", description="Numbers, not programs.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    for path in parser.parse_args(argv).notebooks:
        before, after = read_notebook(existing_file("notebooks", path)), read_notebook(path)
        if without_programs(after) != before:
            write_notebook(path, after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
