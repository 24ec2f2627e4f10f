import subprocess
import sys

import pytest

from rulbook.course.execution import execute, main, rule
from rulbook.course.exercises._notebook import code, notebook, read_notebook, write_notebook


@pytest.fixture
def project(tmp_path):
    """A small project: two modules, a measurement, and a notebook that uses one of each."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "rulbook").mkdir()
    for name in ("used", "unused"):
        (tmp_path / "rulbook" / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "numbers.json").write_text("[1, 2]\n")
    path = tmp_path / "notebooks" / "page.ipynb"
    cells = [
        "import sys; sys.path.insert(0, '../rulbook')",
        "import used\nprint(used.NAME)",
        "print(open('../numbers.json').read())",
    ]
    write_notebook(path, notebook(map(code, cells)))
    return path


def test_what_a_notebook_read_is_told_and_nothing_else(project):
    root = project.parents[1]
    assert execute(project, root) == ["numbers.json", "rulbook/used.py"]
    # The second time Python reads the bytecode: the source is named all the same.
    assert execute(project, root) == ["numbers.json", "rulbook/used.py"]
    outputs = [cell.outputs for cell in read_notebook(project).cells]
    assert [output[0].text for output in outputs[1:]] == ["used\n", "[1, 2]\n\n"]
    assert [cell.execution_count for cell in read_notebook(project).cells] == [1, 2, 3]


def test_a_notebook_that_starts_a_process_depends_on_the_whole_package(project):
    content = read_notebook(project)
    content.cells[2].source = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])"
    write_notebook(project, content)
    assert execute(project, project.parents[1]) == ["rulbook/unused.py", "rulbook/used.py"]


def test_a_cell_that_fails_stops_the_run_and_the_notebook_keeps_what_it_held(project):
    content = read_notebook(project)
    content.cells[1].source = "1 / 0"
    write_notebook(project, content)
    before = project.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(project, project.parents[1])
    assert project.read_bytes() == before


def test_make_reruns_a_page_when_a_file_that_it_read_is_newer_or_gone(project, monkeypatch):
    root = project.parents[1]
    monkeypatch.chdir(root)
    (root / "Makefile").write_text("page: notebooks/page.ipynb\n\t@touch $@\n\t@echo rerun\n-include page.d\n")
    assert main(["notebooks/page.ipynb", "--target", "page"]) == 0

    def make() -> str:
        return subprocess.run(["make", "page"], capture_output=True, text=True, check=True).stdout

    later = 1
    assert "rerun" in make()
    for name, rerun in [("rulbook/used.py", True), ("rulbook/unused.py", False), ("numbers.json", True)]:
        assert "rerun" not in make()
        stamp = (root / "page").stat().st_mtime + later
        subprocess.run([sys.executable, "-c", f"import os; os.utime({name!r}, ({stamp}, {stamp}))"], check=True)
        assert ("rerun" in make()) is rerun, name
        subprocess.run([sys.executable, "-c", f"import os; os.utime('page', ({stamp}, {stamp}))"], check=True)
    (root / "numbers.json").unlink()
    assert "rerun" in make()


def test_names_that_make_would_read_otherwise_are_spelled_for_it():
    assert rule("page", ["a b.py", "c$d.py"]) == "page: a\\ b.py c$$d.py\na\\ b.py:\nc$$d.py:\n"
