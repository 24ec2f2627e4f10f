"""What keeps the project whole: one list of dependencies, chapters in pairs, and pages that say what the code does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rulbook.cli import main
from rulbook.palette import METHOD_COLORS
from rulbook.reference import amnl_weighted_mse

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
UNNUMBERED = {"results", "your-own-fleet"}
"""Pages with a notebook that are no chapter."""
CODE_WIDTH = 88
"""Characters of code that fit the measure of a page at 1280 pixels."""


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))


def group(name: str) -> list[str]:
    """The requirements of a dependency group, with the groups that it includes."""
    found: list[str] = []
    for entry in PROJECT["dependency-groups"][name]:
        found += group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def extra(name: str) -> list[str]:
    """The requirements of an extra, with the extras that it includes."""
    found: list[str] = []
    for line in PROJECT["project"]["optional-dependencies"][name]:
        included = Requirement(line)
        own = included.name == "rulbook"
        found += [part for name in sorted(included.extras) for part in extra(name)] if own else [line]
    return found


REQUIREMENTS = PROJECT["project"]["dependencies"] + extra("all") + group("test")


# One list of dependencies


def test_conda_installs_what_pyproject_asks_for():
    conda = yaml.safe_load(read("environment.yml"))["dependencies"]
    pip = next(entry["pip"] for entry in conda if isinstance(entry, dict))
    assert {entry for entry in pip if not entry.startswith("--")} == set(REQUIREMENTS)
    assert {entry for entry in pip if entry.startswith("--")} == {"--constraint constraints.txt", "--editable .[all]"}
    assert f"python{PROJECT['project']['requires-python']}" in conda


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", read("constraints.txt"), re.MULTILINE))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in map(Requirement, [*REQUIREMENTS, "pip>=25.1"]):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{requirement.name} has no line in constraints.txt."
        assert requirement.specifier.contains(pinned), f"{requirement} does not allow the pinned {pinned}."


def test_pins_are_the_same_on_every_platform():
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9a-z.]+", line) for line in lines), "A local version or a path."


def test_the_book_needs_neither_torch_nor_the_package():
    names = {canonicalize_name(Requirement(line).name) for line in group("book")}
    assert names == {"jupyter-book"}


# Commands


def test_the_readme_names_commands_that_exist_and_checks_what_make_checks():
    readme, makefile = read("README.md"), read("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", readme + read("CONTRIBUTING.md"))) <= targets
    parts = makefile.split("\ntest: ")[1].split("\n")[0].split()
    runner = re.search(r"^PYTEST := \$\(BIN\)/(.+)$", makefile, re.MULTILINE)[1]
    recipes = "".join(makefile.split(f"\n{part}: ")[1].split("\n\n")[0] + "\n" for part in parts)
    lines = re.findall(r"\$\((BIN\)/|PYTEST\))(.+)", recipes)
    assert len(lines) >= 7
    for line in (rest if tool == "BIN)/" else runner + rest for tool, rest in lines):
        assert f"\n.venv\\Scripts\\{line}\n" in readme, f"README.md leaves out {line!r}."
    strict = "build . -W --keep-going --quiet"
    assert f"$(JUPYTER_BOOK) {strict} >" in makefile
    assert f"\n.venv\\Scripts\\jupyter-book {strict}\n" in readme
    assert "OMP_NUM_THREADS ?= 1" in makefile
    assert "\nset OMP_NUM_THREADS=1\n" in readme


def test_the_readme_names_every_extra_and_every_chapter():
    readme = read("README.md")
    for name in PROJECT["project"]["optional-dependencies"]:
        assert f"[{name}]" in readme or f"`{name}`" in readme, f"README.md leaves out the extra {name}."
    written = readme.split("Written so far are chapters ")[1].split(", each")[0]
    chapters = [book.stem.split("-")[0] for book in NOTEBOOKS if book.stem not in UNNUMBERED]
    assert re.findall(r"(\d+) \(", written) == chapters
    assert "](book/teaching.md)" in readme


def test_ci_runs_the_same_commands():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert script.read_text().rstrip().endswith('exec make "${1:-test}"')
    job = yaml.safe_load(read(".github/workflows/check.yml"))["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "make book"
    assert commands[-1] == ".ci/run ${{ matrix.part }}"
    matrix = job["strategy"]["matrix"]
    parts = {*matrix["part"], *(more["part"] for more in matrix["include"])}
    assert parts == set(read("Makefile").split("\ntest: ")[1].split("\n")[0].split())


def test_the_ten_lines_of_the_readme_train_a_model(capsys):
    code = re.search(r"```python\n(.+?)```", read("README.md"), re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    # The same lines on a fleet that needs no download, for one epoch.
    code = code.replace("import load_cmapss,", "import demo_fleet,")
    code = code.replace('load_cmapss("FD001")', "demo_fleet(engines=5, test_engines=3)")
    code = code.replace("seed=0)", "seed=0, epochs=1)")
    exec(compile(code, "README.md", "exec"), {})
    assert re.search(r"epoch 1: RMSE \d+\.\d cycles, NASA score \d+", capsys.readouterr().out)


def test_the_three_lines_of_the_readme_take_a_table_to_a_forecast(tmp_path, monkeypatch, capsys):
    lines = re.findall(r"^rulbook (.+?)(?:  +# (.+))?$", read("README.md"), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    days = np.concatenate([np.arange(1, 61)] * 8)
    names = np.repeat([f"P-{number}" for number in range(8)], 60)
    wear = np.exp((days - 60) / 20) + np.random.default_rng(0).normal(0, 0.1, len(days))
    table = pd.DataFrame({"pump_id": names, "day": days, "vibration": wear})
    table.to_csv("pumps.csv", index=False)
    table[days <= 50].to_csv("today.csv", index=False)
    assert [line.split()[0] for line, _ in lines] == ["train", "evaluate", "predict"]
    for line, _ in lines:
        more = ["--epochs", "1", "--quiet"] if line.startswith("train") else []
        assert main([*shlex.split(line), *more]) == 0, capsys.readouterr().err
    header, *rows = capsys.readouterr().out.split("picture: ")[1].splitlines()[1:]
    assert header.split(",")[:4] == ["pump_id", "day", "rul", "health"]
    assert len(rows) == 8


# Chapters


@CHAPTERS
def test_the_two_halves_of_a_chapter_are_in_step(notebook):
    def cells(path: Path) -> list[tuple[str, str, dict]]:
        kept = ("tags", "mystnb", "slideshow")
        return [
            (cell.cell_type, cell.source, {key: cell.metadata[key] for key in kept if key in cell.metadata})
            for cell in jupytext.read(path).cells
        ]

    text = ROOT / "book" / f"{notebook.stem}.md"
    assert text.is_file(), f"{notebook.name} has no text in book/: run make sync."
    assert cells(text) == cells(notebook), f"{text.name} and {notebook.name} differ: run make sync."


@CHAPTERS
def test_a_notebook_ran_from_top_to_bottom_without_an_error(notebook):
    stored = nbformat.read(notebook, as_version=4)
    nbformat.validate(stored)
    code = [cell for cell in stored.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert stored.metadata.kernelspec.name == "python3"


@CHAPTERS
def test_code_fits_the_page(notebook):
    code = [cell.source for cell in jupytext.read(notebook).cells if cell.cell_type == "code"]
    assert [line for source in code for line in source.splitlines() if len(line) > CODE_WIDTH] == []


@CHAPTERS
def test_headings_carry_the_number_of_the_chapter(notebook):
    prose = "\n".join(cell.source for cell in jupytext.read(notebook).cells if cell.cell_type == "markdown")
    prose = re.sub(r"^```.*?^```", "", prose, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^# (\S+)", prose, re.MULTILINE)
    assert len(titles) == 1
    if notebook.stem in UNNUMBERED:
        return
    number = str(int(notebook.stem.split("-")[0]))
    assert titles == [number]
    sections = re.findall(r"^## (\d+\.\d+)", prose, re.MULTILINE)
    assert sections == [f"{number}.{i + 1}" for i in range(len(sections))]


def test_the_contents_list_every_chapter():
    toc = read("_toc.yml")
    assert set(re.findall(r"file: notebooks/([\w-]+)$", toc, re.MULTILINE)) == {book.stem for book in NOTEBOOKS}
    assert {text.stem for text in (ROOT / "book").glob("[0-9]*.md")} | UNNUMBERED == {book.stem for book in NOTEBOOKS}


# What the pages say


def test_colours_of_the_methods_are_those_of_the_plots():
    css = read("book/assets/custom.css")
    assert dict(re.findall(r"--method-(\w+): (#[0-9a-f]{6});", css)) == METHOD_COLORS


def test_the_first_page_shows_what_the_losses_do():
    page = read("book/assets/twice.html")
    target = [float(value) for value in re.findall(r"<strong>(\d+) cycles left", page)]
    pred = [float(value) for value in re.findall(r"The network says (\d+)", page)]
    assert [float(value) for value in re.findall(r"squared error <b>(\d+)</b>", page)] == list(
        np.subtract(pred, target) ** 2
    )
    weights = amnl_weighted_mse(pred, target)[1]
    assert re.findall(r'"weight">(\d\.\d\d)<', page) == [f"{weight:.2f}" for weight in weights]


def test_the_notation_names_what_the_package_names():
    names = set(re.findall(r"\| `(\w+)` \|$", read("book/notation.md"), re.MULTILINE))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rulbook").rglob("*.py"))
    unknown = {name for name in names if not re.search(rf"\b{name}\b(?=[(:=\"\]])", code)}
    assert len(names) > 15
    assert unknown == set()


VERDICTS = ("reproduced", "not reproduced", "wrong", "not testable here")


def rows_of(page: str) -> list[list[str]]:
    """The cells of every table row below the first section heading."""
    lines = re.findall(r"^\| (.+) \|$", read(page).split("\n## ", 1)[1], re.MULTILINE)
    rows = [[cell.strip() for cell in re.split(r"(?<!\\) \| ", line)] for line in lines]
    return [row for row in rows if row[0] != "section"]


def test_every_claim_has_a_verdict_and_a_place_where_it_is_shown():
    rows = rows_of("book/evidence.md")
    assert len(rows) > 40
    for section, claim, verdict, found, shown in rows:
        assert verdict.startswith(VERDICTS), f"{section}, {claim!r}: {verdict!r} is no verdict."
        assert found
        assert "](" in shown or verdict == "not testable here", f"{section}, {claim!r}: shown nowhere."


def test_every_mistake_has_its_correction_and_a_place_where_it_is_shown():
    rows = rows_of("book/errata.md")
    assert len(rows) > 20
    for section, printed, correct, shown in rows:
        assert printed != correct
        assert "](../notebooks/" in shown, f"{section}, {printed!r}: shown nowhere."


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["project"]["version"]
    assert {"message", "title", "authors"} <= set(citation)
    assert " AND ".join(citation["license"]) == PROJECT["project"]["license"]


def test_what_others_made_keeps_its_licence():
    for folder in ("mathjax", "fonts"):
        assert "License" in read(f"book/assets/{folder}/LICENSE")
        assert f"book/assets/{folder}/" in read("LICENSE")


def tracked() -> list[Path]:
    """Every text file of the project that its version control knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("This is a copy without version control.")
    vendored = ("book/assets/mathjax/", "book/assets/fonts/")
    files = [ROOT / line for line in listed.stdout.splitlines() if not line.startswith(vendored)]
    return [file for file in files if file.is_file() and file.suffix not in {".png", ".npz", ".woff2"}]


def test_no_file_names_a_place_on_one_machine_or_a_package_registry():
    """A path that exists on one machine, or a mirror that one network offers, works for nobody else."""
    places = ["/" + name + "/" for name in ("work", "opt", "root", "home")] + ["Users" + "\\"]
    registries = ["pypi" + ".org", "python" + "hosted", "npm" + "js.org", "ana" + "conda.org", "download.py" + "torch"]
    found = []
    for file in tracked():
        text = file.read_text(encoding="utf-8")
        found += [f"{file.relative_to(ROOT)}: {word}" for word in places + registries if word in text]
    assert found == []


def test_the_shared_folder_is_named_in_one_place():
    named = [file.relative_to(ROOT).as_posix() for file in tracked() if "../sha" + "red" in file.read_text("utf-8")]
    assert named == [".ci/run"]


def test_no_folder_makes_jupyter_book_load_every_script():
    """A folder called _static makes Jupyter Book 1 load each script below every static folder on every page."""
    assert not (ROOT / "_static").exists()
    assert not (ROOT / "book" / "_static").exists()
