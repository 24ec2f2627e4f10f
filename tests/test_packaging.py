"""What is installed: a wheel that is whole by itself, and extras whose name a missing import says."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import rulbook
from rulbook._needs import EXTRA_OF_MODULE, EXTRA_OF_PACKAGE, MissingExtraError, needed

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
IMPORTED_AS = {"scikit-learn": "sklearn"}
"""Distributions that are imported under another name."""
BROUGHT_ALONG = {
    "jupytext": {"nbformat", "traitlets"},
    "anywidget": {"IPython", "ipywidgets", "pygments", "traitlets"},
    "torchjd": set(),
    "scikit-learn": {"scipy"},
}
"""What a distribution needs itself, as far as this package imports it too."""


def packages_of(extra: str) -> set[str]:
    """The names that can be imported once an extra is installed."""
    found: set[str] = set()
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == "rulbook":
            for other in requirement.extras:
                found |= packages_of(other)
        else:
            found.add(IMPORTED_AS.get(requirement.name, requirement.name))
            found |= BROUGHT_ALONG.get(requirement.name, set())
    return found


ALL_PACKAGES = set().union(*map(packages_of, EXTRAS)) | {
    "ipywidgets",
    "IPython",
    "pygments",
    "nbclient",
    "jupyter_client",
}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rulbook.__path__, "rulbook.")
    if not any(part.startswith("_") for part in module.name.split("."))
)

SENTENCE = r'needs \w+, which is not installed: pip install "rulbook\[\w+\]"'

HIDE = """
import importlib, json, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

hidden = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Hidden())
"""


def run_without(hidden: set[str], code: str, *args: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh Python for which some packages are not installed."""
    command = [sys.executable, "-c", HIDE + code, json.dumps(sorted(hidden)), *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


IMPORT_ALL = """
answers = {}
for name in sys.argv[2:]:
    for loaded in [one for one in sys.modules if one.partition(".")[0] == "rulbook"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
        answers[name] = None
    except ImportError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""


def answers_without(hidden: set[str], modules: list[str]) -> dict[str, str | None]:
    told = run_without(hidden, IMPORT_ALL, *modules)
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


@pytest.fixture(scope="module")
def with_numpy_alone() -> dict[str, str | None]:
    """What the import of each public module says where nothing but NumPy is installed; None if it works."""
    return answers_without(ALL_PACKAGES, MODULES)


def test_a_missing_package_is_named_with_an_extra_in_one_sentence(with_numpy_alone):
    for name, said in with_numpy_alone.items():
        if said is not None:
            told = re.fullmatch(
                r'(rulbook[\w.]*) needs \w+, which is not installed: pip install "rulbook\[\w+\]"', said
            )
            assert told, said
            assert f"{name}.".startswith(f"{told[1]}."), f"{said}, but {name} was imported."


def test_derivations_exercises_and_their_tools_need_numpy_alone(with_numpy_alone):
    light = {"exercises", "metrics", "palette", "reference", "walkthrough", "errors", "methods", "looks"}
    light |= {"weighting.samples", "course.results", "course.ch14.schedules"}
    assert {f"rulbook.{name}" for name in light} <= {name for name, said in with_numpy_alone.items() if said is None}


def test_the_extra_that_is_named_is_enough(with_numpy_alone):
    """No second sentence follows the first installation."""
    wanted: dict[str, list[str]] = {}
    for name, said in with_numpy_alone.items():
        if said is not None:
            wanted.setdefault(said.rpartition("[")[2].removesuffix(']"'), []).append(name)
    assert set(wanted) >= {"torch", "predict", "train", "figures", "torchjd"}
    for extra, names in wanted.items():
        still = answers_without(ALL_PACKAGES - packages_of(extra), names)
        assert {name: said for name, said in still.items() if said is not None} == {}, extra


def test_every_extra_that_a_message_can_name_exists_and_brings_the_package():
    for package, extra in EXTRA_OF_PACKAGE.items():
        assert package in packages_of(extra)
    assert set(EXTRA_OF_MODULE.values()) <= set(EXTRAS)
    assert set(EXTRA_OF_MODULE) <= set(MODULES)


def test_all_is_what_the_book_needs():
    assert packages_of("all") == set().union(
        *(packages_of(extra) for extra in ("class", "figures", "predict", "torch", "train"))
    )


def test_imports_of_other_packages_fail_as_they_always_do():
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as raised, needed():
        import no_such_package  # noqa: F401
    assert not isinstance(raised.value, MissingExtraError)


@pytest.mark.parametrize(
    "statement", ["from torch import no_such_name", "import torch.no_such_module", "from sklearn.cluster import NoSuch"]
)
def test_a_package_that_is_there_but_too_old_is_not_called_missing(statement):
    with pytest.raises(ImportError, match=r"(?i)no_?such") as raised, needed("rulbook.losses"):
        exec(statement)
    assert not isinstance(raised.value, MissingExtraError)


@pytest.mark.parametrize(
    "how", ["sys.modules['torch'] = None", "sys.path[:] = [p for p in sys.path if 'site-' not in p]"]
)
def test_however_a_package_is_missing_the_sentence_is_the_same(how):
    code = f"import numpy, rulbook\n{how}\nimport rulbook.losses"
    told = run_without(set(), code)
    assert told.stderr.splitlines()[-1].endswith(
        'MissingExtraError: rulbook.losses needs torch, which is not installed: pip install "rulbook[torch]"'
    )


def test_imports_inside_of_functions_say_what_to_install():
    """Each stands in `with needed()`: a search of the source, because few of them run in any one test."""
    loose = []
    for path in sorted((ROOT / "rulbook").rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            found = re.match(r"( +)(?:from|import) (\w+)", line)
            if not found or found[2] not in EXTRA_OF_PACKAGE:
                continue
            outer = (one for one in reversed(lines[:number]) if one and not one.startswith(found[1]))
            if next(outer).strip() not in ("with needed():", "if TYPE_CHECKING:", "try:"):
                loose.append(f"{path.relative_to(ROOT)}:{number + 1}: {line.strip()}")
    # The checks of some exercises take tensors: who answers them has PyTorch. A worker of a sweep imported all before.
    assert [line for line in loose if not re.match(r"rulbook/(course/ch\d\d/checks_|runs/sweep.py)", line)] == []


@pytest.mark.parametrize(
    ("extra", "args"),
    [
        ("train|predict", ["train", "--dataset", "demo"]),
        ("predict", ["predict", "no.safetensors", "no.csv"]),
        ("class", ["exercises", "export", "--to", "class"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_command_says_it_in_one_line(tmp_path, extra, args):
    code = "from rulbook.cli import main; sys.exit(main(sys.argv[2:]))"
    told = run_without(ALL_PACKAGES, code, *args, folder=tmp_path)
    assert told.returncode == 2
    assert re.fullmatch(rf"rulbook(?: {args[0]})?: \S+ {SENTENCE}\n", told.stderr), told.stderr
    assert re.search(rf"\[({extra})\]", told.stderr)
    assert told.stdout == ""
    assert list(tmp_path.iterdir()) == []


NUMPY_ALONE = """
import numpy as np
from rulbook.exercises import check, exercises
from rulbook.metrics import health_macro_f1, nasa_score, rmse
from rulbook.reference import uniform_mse
from rulbook.walkthrough import walkthrough

for number in exercises():
    assert not check(number, lambda *args, **kwargs: 1.0).passed, number
assert rmse([1.0], [3.0]) == 2.0 and nasa_score([1.0], [1.0]) == 0.0 and health_macro_f1([0, 1, 2], [0, 1, 2]) == 1.0
run = walkthrough(uniform_mse, np.array([2.0]), np.array([1.0]))
assert "uniform_mse" in repr(run) and "np.mean" in run._repr_html_()
assert not hidden & {name.partition(".")[0] for name in sys.modules}
print(len(exercises()))
"""


def test_exercises_metrics_and_walkthroughs_run_with_numpy_alone():
    told = run_without(ALL_PACKAGES, NUMPY_ALONE)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 50


# The wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which a wheel of this tree was installed, with nothing of the tree near it."""
    tree, target = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    ignored = shutil.ignore_patterns("__pycache__", "benchmark")
    for name in ("rulbook", "book/results", "book/exercises", "benchmarks/results"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    options = ["--no-deps", "--no-index", "--no-build-isolation"]
    for command in (
        [*pip, "wheel", *options, "--wheel-dir", str(tree / "dist"), str(tree)],
        [*pip, "install", "--no-deps", "--no-index", "--no-compile", "--target", str(target)],
    ):
        wheels = [str(path) for path in (tree / "dist").glob("*.whl")] if "--target" in command else []
        done = subprocess.run([*command, *wheels], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return target


EVERYTHING = """
import json, sys
from pathlib import Path

import rulbook
from rulbook import widgets
from rulbook.course import results
from rulbook.course.figures import figure_names
from rulbook.cli import main
from rulbook.exercises import check, exercises

assert Path(rulbook.__file__).is_relative_to(sys.argv[1]), rulbook.__file__

figures = [getattr(widgets, name) for name in figure_names()]
for figure in figures:
    assert "image/png" in figure()._repr_mimebundle_()[0], figure
for path in results.results_folder().glob("*.json"):
    assert results.read_json(path.stem)
assert len(results.read_table("benchmark")) <= results.planned_runs()
assert json.loads((results.results_folder().parents[1] / "benchmarks/results/gradient_cost.json").read_text("utf-8"))
verdicts = [check(number, lambda *args, **kwargs: 1.0).passed for number in exercises()]
assert main(["exercises", "export", "--to", "class", "--otter"]) == 0
notebooks = sorted(path.relative_to("class").as_posix() for path in Path("class").rglob("*.ipynb"))
made = {"figures": len(figures), "exercises": len(verdicts), "passed": sum(verdicts), "notebooks": notebooks}
print(json.dumps(made))
"""


def test_the_wheel_alone_makes_every_figure_and_exports_every_exercise(installed, tmp_path):
    command = [sys.executable, "-c", EVERYTHING, str(installed)]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert told.returncode == 0, told.stderr[-3000:]
    made = json.loads(told.stdout.splitlines()[-1])
    sources = len(list((ROOT / "book" / "exercises").glob("[0-9]*.md")))
    assert made["figures"] >= 13
    assert made["exercises"] > 50
    assert made["passed"] == 0
    assert len(made["notebooks"]) == 3 * sources
    named = [Path(name).name for name in made["notebooks"] if not name.startswith("otter/")]
    assert len({*named, *(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))}) == 2 * sources + len(
        list((ROOT / "notebooks").glob("*.ipynb"))
    )


def test_the_wheel_holds_each_result_once_and_none_of_the_repository(installed):
    names = sorted(path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file())
    shipped = {name.removeprefix("rulbook/_shipped/") for name in names if name.startswith("rulbook/_shipped/")}
    wanted = [*(ROOT / "book/results").glob("*.*"), *(ROOT / "book/exercises").glob("*.md")]
    wanted += (ROOT / "benchmarks/results").glob("*.json")
    assert shipped == {path.relative_to(ROOT).as_posix() for path in wanted}
    assert {name.split("/")[0] for name in names} == {"bin", "rulbook", f"rulbook-{PROJECT['version']}.dist-info"}


def test_its_metadata_leave_no_reader_with_a_broken_picture(installed):
    metadata = next(installed.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
    assert "Requires-Dist: numpy>=2.0\n" in metadata
    assert SpecifierSet(re.search("^Requires-Python: (.+)$", metadata, re.MULTILINE)[1]) == SpecifierSet(
        PROJECT["requires-python"]
    )
    text = metadata.split("\n\n", 1)[1]
    assert "## Data" in text
    assert not re.search(r"\]\((?!https:)", text)
