"""From one source per chapter come the student notebook, the page and the instructor's notebook.

A source is a MyST notebook whose cells say by a tag whom they are for:

=============  ==========================================================
``stub``       what a learner starts from
``solution``   code that passes, Markdown that explains it
``check``      the call of :func:`rulbook.exercises.check`
``wrong``      a plausible wrong answer; its metadata ``says`` quotes the message it must earn
``page``       only on the rendered page
no tag         everybody sees it
=============  ==========================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from rulbook._check import existing_file
from rulbook._needs import needed
from rulbook.course.exercises._notebook import Cell, Notebook, code, markdown, notebook
from rulbook.errors import InputError

__all__ = [
    "ExerciseCells",
    "Sheet",
    "instructor_notebook",
    "page_notebook",
    "plain",
    "read_sheet",
    "role_of",
    "student_notebook",
    "student_opening",
]

ROLES = ("stub", "solution", "check", "wrong", "page")
STUDENT_ROLES = ("", "stub", "check")

_HEADING = re.compile(r"^## (\d+\.\d+) (.+)$", re.MULTILINE)
_DROPDOWN = re.compile(r"^:::\{dropdown\} (.+?)\n(.*?)\n:::$", re.MULTILINE | re.DOTALL)

_NEEDS = """\
These exercises need the Python package `rulbook`. If the next cell complains, install it in a cell of its own:

* in a clone of the book: `%pip install -e .`, run from its folder,
* on a JupyterHub or in Colab: `%pip install` and the file or the address of the package that your teacher gave you.

Everything else works offline. Fill in the cells with dots or `NotImplementedError`, run them, and run the check below.
"""

# The fold spans several cells, which no directive can; its classes are those of a dropdown.
_FOLD = """\
<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-3">
<summary class="sd-summary-title sd-card-header"><span class="sd-summary-text">A solution</span>\
<span class="sd-summary-state-marker sd-summary-chevron-right"><svg width="1.5em" height="1.5em" viewBox="0 0 24 24" \
aria-hidden="true"><path d="M9 5l7 7-7 7" fill="none" stroke="currentColor" stroke-width="1.8"/></svg></span></summary>
<div class="sd-summary-content sd-card-body">"""

_IMPORTS = """\
try:
    import rulbook.exercises
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}. The cell above says how to install it.") from None"""


@dataclass
class ExerciseCells:
    """The cells of one exercise, by role; ``number`` and ``title`` come from its heading."""

    number: str
    title: str
    cells: list[Cell] = field(default_factory=list)

    def tagged(self, role: str) -> list[Cell]:
        """Its code cells of a role; "" is the role of cells that everybody sees."""
        return [cell for cell in self.cells if cell.cell_type == "code" and role_of(cell) == role]


@dataclass
class Sheet:
    """A parsed source: what comes before the first exercise, and the exercises."""

    name: str
    opening: list[Cell]
    exercises: list[ExerciseCells]

    @property
    def file_name(self) -> str:
        """What its notebooks are called, without their ending: a chapter's own notebook has the name without prefix."""
        return f"exercises-{self.name}"

    @property
    def cells(self) -> list[Cell]:
        """All cells in their order."""
        return [*self.opening, *(cell for exercise in self.exercises for cell in exercise.cells)]


def read_sheet(path: str | Path) -> Sheet:
    """Parse the source of a chapter's exercises.

    Args:
        path: A ``NN-topic.md`` in the MyST notebook format.

    Raises:
        ValueError: If there is no such file, a cell has two roles, or an exercise lacks its stub, solution or check, or
            a wrong answer the message that it must earn.
        ImportError: If jupytext is not installed.
    """
    source = existing_file("path", path)
    with needed():
        import jupytext
    parsed = jupytext.reads(source.read_text(encoding="utf-8"), fmt="md:myst")
    sheet = Sheet(source.stem, [], [])
    for cell in parsed.cells:
        heading = _HEADING.search(cell.source) if cell.cell_type == "markdown" else None
        if heading and heading.start() > 0:
            raise InputError(f"{source.name}: exercise {heading[1]} must begin a cell: write `+++` above its heading.")
        if heading:
            sheet.exercises.append(ExerciseCells(heading[1], heading[2]))
        (sheet.exercises[-1].cells if sheet.exercises else sheet.opening).append(cell)
    if not any(cell.cell_type == "code" for cell in sheet.opening):
        raise InputError(f"{source.name}: no code cell before the first exercise imports `check`.")
    for exercise in sheet.exercises:
        if role_of(exercise.cells[-1]) == "solution":
            raise InputError(f"{source.name}: exercise {exercise.number} ends with its solution, not with its check.")
        for role in ("stub", "solution", "check"):
            if not exercise.tagged(role):
                raise InputError(f"{source.name}: exercise {exercise.number} has no code cell tagged {role}.")
        for cell in exercise.tagged("wrong"):
            if not isinstance(cell.metadata.get("says"), str):
                raise InputError(
                    f"{source.name}: a wrong answer to {exercise.number} lacks `says`, the message it must earn."
                )
    return sheet


def role_of(cell: Cell) -> str:
    """The role among a cell's tags, or "" for a cell that everybody sees."""
    roles = [tag for tag in cell.metadata.get("tags", []) if tag in ROLES]
    if len(roles) > 1:
        raise InputError(f"A cell is tagged {' and '.join(roles)}: it can have one role.\n{cell.source}")
    return roles[0] if roles else ""


def student_opening(sheet: Sheet) -> list[Cell]:
    """What a learner reads before the first exercise, with help for the installation."""
    title, *rest = sheet.opening
    kept = [cell for cell in rest if role_of(cell) in STUDENT_ROLES]
    return [plain(title), markdown(_NEEDS.strip()), code(_IMPORTS), *map(plain, kept)]


def student_notebook(sheet: Sheet) -> Notebook:
    """What a learner gets: stubs and checks, no solutions, no outputs."""
    exercises = (cell for exercise in sheet.exercises for cell in exercise.cells)
    return notebook([*student_opening(sheet), *(plain(cell) for cell in exercises if role_of(cell) in STUDENT_ROLES)])


def page_notebook(sheet: Sheet) -> Notebook:
    """What the book shows: every solution folded away under its stub, to be executed before it is stored.

    The check lies in the fold, too: what it says to a right answer gives the answer away.
    """
    cells, folded = [], False
    for cell in sheet.cells:
        role = role_of(cell)
        if role == "solution" and not folded:
            explained = cell.cell_type == "markdown"
            cells.append(markdown(f"{_FOLD}\n\n{cell.source}" if explained else _FOLD))
            folded = True
            if explained:
                continue
        elif role not in ("solution", "check", "wrong") and folded:
            cells.append(markdown("</div>\n</details>"))
            folded = False
        if role != "wrong":
            cells.append(_bare(cell))
    if folded:
        cells.append(markdown("</div>\n</details>"))
    return notebook(cells)


def instructor_notebook(sheet: Sheet) -> Notebook:
    """What a teacher gets: solutions in the open, and the wrong answers with what the check says to each."""
    cells = list(map(plain, (cell for cell in sheet.opening if role_of(cell) != "page")))
    for exercise in sheet.exercises:
        cells += [plain(cell) for cell in exercise.cells if role_of(cell) != "wrong"]
        cells.append(markdown("**Wrong answers**, and what the check says to each:"))
        ask = exercise.tagged("check")[0].source
        cells += [code(f"{cell.source}\n\n{ask}") for cell in exercise.tagged("wrong")]
    return notebook(cells)


def plain(cell: Cell) -> Cell:
    """For Jupyter and Colab, which know no MyST: dropdowns become HTML."""
    if cell.cell_type != "markdown":
        return _bare(cell)
    return markdown(_DROPDOWN.sub(r"<details>\n<summary>\1</summary>\n\n\2\n\n</details>", cell.source))


def _bare(cell: Cell) -> Cell:
    return code(cell.source) if cell.cell_type == "code" else markdown(cell.source)
