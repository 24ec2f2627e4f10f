"""What is generated: in step with its source, complete for a class, and without solutions where none belong."""

import argparse
import html.parser
import json
import re
import runpy

import nbformat
import pytest

from rulbook.course.exercises.__main__ import main as build
from rulbook.course.exercises._sheet import instructor_notebook, page_notebook, read_sheet, student_notebook
from rulbook.course.exercises.export import add_arguments, export, otter_notebook, run, sources_folder
from rulbook.exercises import check

SOURCES = sorted(sources_folder().glob("[0-9]*-*.md"))


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def sheet(request):
    return read_sheet(request.param)


def code_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def run_all(cells):
    names = {}
    for source in cells:
        exec(compile(source, "<cell>", "exec"), names)
    return names


def test_the_generated_notebooks_are_in_step(capsys):
    assert build(["build", "--check"]) == 0, capsys.readouterr().out


def test_a_notebook_out_of_step_is_noticed(tmp_path, monkeypatch, capsys):
    book = tmp_path / "book" / "exercises"
    book.mkdir(parents=True)
    (book / "1-small.md").write_text(small_source(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert build(["build", "--check"]) == 1
    assert build(["build"]) == 0
    assert build(["build", "--check"]) == 0
    (book / "1-small.md").write_text(small_source().replace("x = 4", "x = 2 + 2"), encoding="utf-8")
    capsys.readouterr()
    assert build(["build", "--check"]) == 1
    assert "exercises-1-small-solutions.ipynb: out of step with 1-small.md" in capsys.readouterr().out


def test_stored_outputs_of_the_page_are_there_and_name_no_machine(sheet):
    path = sources_folder().parents[1] / "notebooks" / "exercises" / f"{sheet.file_name}-solutions.ipynb"
    page = nbformat.read(path, as_version=4)
    nbformat.validate(page)
    assert "language_info" not in page.metadata
    checks = [cell for cell in page.cells if cell.source.startswith("check(")]
    assert len(checks) > len(sheet.exercises)  # one at the opening shows how a check talks
    for cell in checks[1:]:
        assert cell.outputs[0].data["text/plain"].splitlines()[0].endswith(": right")
        assert "text/html" in cell.outputs[0].data
    assert "/tmp" not in json.dumps(page)


def test_the_page_for_teachers_shows_what_a_check_says_today():
    page = (sources_folder().parent / "teaching.md").read_text(encoding="utf-8")
    assert str(check("14.3", lambda target, max_rul: 2.0 - target / max_rul)) in page


def test_students_see_stubs_checks_and_no_solution(sheet):
    student = student_notebook(sheet)
    text = text_of(student)
    for exercise in sheet.exercises:
        for cell in exercise.cells:
            tags = cell.metadata.get("tags", [])
            assert (cell.source in text) == (not {"solution", "wrong"} & set(tags)) or ":::" in cell.source
    assert ":::" not in text
    assert "pip install" in student.cells[1].source
    assert all(not cell.outputs for cell in student.cells if cell.cell_type == "code")


def test_student_notebooks_are_left_out_of_the_run_of_all_notebooks_and_no_other_is():
    folder = sources_folder().parents[1] / "notebooks"
    ignored = set(runpy.run_path(str(folder / "conftest.py"))["collect_ignore"])
    assert ignored == {f"exercises/{read_sheet(source).file_name}.ipynb" for source in SOURCES}
    assert all((folder / name).is_file() for name in ignored)


def test_a_student_notebook_runs_to_its_end_untouched(sheet):
    run_all(code_of(student_notebook(sheet)))


def test_an_instructor_notebook_runs_to_its_end(sheet):
    run_all(code_of(instructor_notebook(sheet)))


class Folds(html.parser.HTMLParser):
    """Follows the page's dropdowns over the cells that they span."""

    open = seen = 0

    def handle_starttag(self, tag, attrs):
        self.open += tag == "details"
        self.seen += tag == "details"
        assert self.open <= 1

    def handle_endtag(self, tag):
        self.open -= tag == "details"
        assert self.open >= 0


def fold_states(sheet):
    """The page's code cells, each with whether it stands in a fold, and how many folds there are."""
    folds, states = Folds(), {}
    for cell in page_notebook(sheet).cells:
        if cell.cell_type == "markdown":
            folds.feed(cell.source)
            assert not folds.open or not re.search("^#", cell.source, re.MULTILINE), "a heading inside of a solution"
        else:
            states[cell.source] = bool(folds.open)
    assert folds.open == 0
    return states, folds.seen


def test_solutions_with_what_the_check_says_to_them_and_nothing_else_are_folded_away(sheet):
    states, folds = fold_states(sheet)
    for exercise in sheet.exercises:
        for role in ("", "stub", "solution", "check"):
            folded = role in ("solution", "check")
            assert all(states[cell.source] == folded for cell in exercise.tagged(role))
    assert folds == len(sheet.exercises)


def test_a_solution_may_do_without_an_explanation(tmp_path):
    source = tmp_path / "1-small.md"
    source.write_text(small_source(), encoding="utf-8")
    states, folds = fold_states(read_sheet(source))
    assert states == {"from rulbook.exercises import check": False, "x = ...": False, "x = 4": True, "x": True}
    assert folds == 1


def test_the_same_source_gives_the_same_notebook(sheet):
    for make in (student_notebook, page_notebook, instructor_notebook, otter_notebook):
        once, again = make(sheet), make(sheet)
        assert once == again
        nbformat.validate(once)
        assert len({cell.id for cell in once.cells}) == len(once.cells)


def test_export_writes_what_a_class_needs_and_overwrites_nothing(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["export", "--chapter", "14", "--to", str(tmp_path), "--otter"])
    assert run(args) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.ipynb")) == [
        "instructor/exercises-14-failure-biased-mse-instructor.ipynb",
        "otter/exercises-14-failure-biased-mse.ipynb",
        "student/exercises-14-failure-biased-mse.ipynb",
    ]
    assert "otter assign" in capsys.readouterr().out
    with pytest.raises(ValueError, match="is there already: remove it, or name another folder"):
        export(tmp_path, chapter=14)


def test_export_of_a_chapter_without_exercises_names_those_that_have_some(tmp_path):
    with pytest.raises(ValueError, match=r"--chapter is 99: it must be one of .*14"):
        export(tmp_path, chapter=99)
    assert not list(tmp_path.iterdir())


def test_the_otter_master_has_a_question_per_exercise_and_its_tests_hold(sheet):
    """Otter itself is no dependency; its format is: raw cells delimit blocks, a test cell is one function."""
    cells = otter_notebook(sheet).cells
    marks = [cell.source.splitlines()[0] for cell in cells if cell.cell_type == "raw"]
    block = ["BEGIN QUESTION", "BEGIN SOLUTION", "END SOLUTION", "BEGIN TESTS", "END TESTS", "END QUESTION"]
    assert marks == ["# ASSIGNMENT CONFIG", *(f"# {mark}" for mark in block * len(sheet.exercises))]
    names = run_all(code_of(otter_notebook(sheet)))
    tests = {name: test for name, test in names.items() if name.startswith("test_q")}
    assert len(tests) == len(sheet.exercises)
    for test in tests.values():
        wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
        test(*(names[name] for name in wanted))
        with pytest.raises(AssertionError, match="not answered yet"):
            test(*(... for _ in wanted))


def small_source():
    stub, solution, ask, wrong = (
        f"```{{code-cell}} ipython3\n---\n{head}\n---\n{code}\n```\n"
        for head, code in [
            ("tags: [stub]", "x = ..."),
            ("tags: [solution]", "x = 4"),
            ("tags: [check]", "x"),
            ("tags: [wrong]\nsays: not so", "x = 5"),
        ]
    )
    head = (
        "---\njupytext:\n  text_representation: {extension: .md, format_name: myst}\n"
        "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n"
    )
    imports = "```{code-cell} ipython3\nfrom rulbook.exercises import check\n```\n"
    return f"{head}\n# Small\n\n{imports}\n## 1.1 Two and two\n\n{stub}\n{solution}\n{ask}\n{wrong}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("tags: [stub]", "tags: [other]"), "exercise 1.1 has no code cell tagged stub"),
        (("says: not so", "asks: no"), "a wrong answer to 1.1 lacks `says`"),
        (("\n## 1.1", "\nText.\n\n## 1.1"), "exercise 1.1 must begin a cell"),
        (
            ("{code-cell} ipython3\nfrom rulbook.exercises import check\n```", "python\n```\n\n+++\n"),
            "no code cell before",
        ),
        (("tags: [solution]", "tags: [solution, wrong]"), "tagged solution and wrong: it can have one role"),
    ],
)
def test_a_source_with_a_gap_is_refused(tmp_path, change, said):
    source = tmp_path / "1-small.md"
    source.write_text(small_source().replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_sheet(source)


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"path is .*nothing\.md': no such file"):
        read_sheet(tmp_path / "nothing.md")
