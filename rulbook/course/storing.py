"""Notebooks store numbers, not programs.

A kernel sends a figure's script and styles with each figure, and a walkthrough's with each walkthrough. What is stored
of a figure is its picture, its call, and the numbers that it draws from; the pages of the book have the programs as
files (:mod:`rulbook.course.scripts`). So an edit of a program touches no notebook, and whoever opens a notebook before
running it sees the picture.
"""

from __future__ import annotations

from typing import Any

from rulbook.course.scripts import FIGURE_MIME
from rulbook.course.walkthrough._page import undressed

__all__ = ["without_programs"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def without_programs(notebook: Any) -> Any:
    """The notebook itself, after its figures and walkthroughs lost their programs.

    The view of a figure's widget goes with them: a front end that finds one shows that, and not the picture, and
    without the script it has nothing to show.

    Args:
        notebook: As ``nbformat`` reads it.
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
