"""`make` on a machine that is not ours: which Pythons, which .venv, and what is said when an installation fails."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROMISED = SpecifierSet(PROJECT["project"]["requires-python"])
VERSIONS = [f"3.{minor}" for minor in range(100) if PROMISED.contains(f"3.{minor}")]
"""The minor versions that the project promises to run on."""


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# Which Pythons


def pins(text: str) -> dict[str, str]:
    found = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", text, re.MULTILINE))
    return {canonicalize_name(name): version for name, version in found.items()}


def pins_that_refuse(pinned: dict[str, str], installed: Iterable[Distribution]) -> dict[str, str]:
    """Each pin whose release refuses a Python that the project promises, or of which that cannot be known."""
    known = {canonicalize_name(one.metadata["Name"]): one for one in installed}
    bad = {}
    for name, version in pinned.items():
        if name not in known:
            bad[name] = "is not installed"
        elif known[name].version.split("+")[0] != version:
            bad[name] = f"is installed as {known[name].version}, not as the pinned {version}: run make setup"
        else:
            asked = SpecifierSet(known[name].metadata.get("Requires-Python") or "")
            refused = [lowest for lowest in (f"{minor}.0" for minor in VERSIONS) if not asked.contains(lowest)]
            if refused:
                bad[name] = f"asks for Python {asked}, which excludes {', '.join(refused)}"
    return bad


@pytest.mark.skipif(sys.platform != "linux", reason="Some pinned packages are installed on Linux only.")
def test_every_pin_installs_on_every_python_that_is_promised():
    # The first that is found is the one that is imported.
    installed = {canonicalize_name(one.metadata["Name"]): one for one in reversed(list(distributions()))}
    assert pins_that_refuse(pins(read("constraints.txt")), installed.values()) == {}


@pytest.mark.parametrize(
    ("asked", "excluded"), [(">=3.11.5", "3.11.0"), (">=3.9,<3.14", "3.14.0"), (">=3.9,!=3.12.*", "3.12.0")]
)
def test_a_pin_that_asks_for_another_python_is_found(tmp_path, asked, excluded):
    made_up = tmp_path / "made_up-1.0.dist-info"
    made_up.mkdir()
    (made_up / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\nRequires-Python: {asked}\n")
    bad = pins_that_refuse({"made-up": "1.0"}, distributions(path=[str(tmp_path)]))
    assert bad["made-up"].endswith(f"which excludes {excluded}")
    assert "not installed" in pins_that_refuse({"nowhere": "1.0"}, [])["nowhere"]
    assert (
        "not as the pinned 2.0" in pins_that_refuse({"made-up": "2.0"}, distributions(path=[str(tmp_path)]))["made-up"]
    )


def test_every_file_promises_the_same_pythons():
    sentence = f"{', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}"
    assert f"Python {sentence}" in read("README.md")
    assert f"Python {sentence} is needed" in read("Makefile")
    classifiers = PROJECT["project"]["classifiers"]
    assert [line.rpartition(" ")[2] for line in classifiers if re.search(r":: 3\.\d+$", line)] == VERSIONS
    script = load_script()
    assert [tuple(map(int, v.split("."))) for v in (VERSIONS[0], VERSIONS[-1])] == [script.LOWEST, script.HIGHEST]
    check = yaml.safe_load(read(".github/workflows/check.yml"))
    assert check["jobs"]["test"]["strategy"]["matrix"]["python"] == VERSIONS
    assert PROJECT["tool"]["mypy"]["python_version"] == VERSIONS[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{VERSIONS[0].replace('.', '')}"


# Which .venv


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("venv_script", ROOT / ".ci" / "venv.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture
def script(monkeypatch):
    loaded = load_script()
    # The tests run inside of an environment; the folders they make are of the Python below it.
    monkeypatch.setattr(loaded, "HERE", loaded.Environment(tuple(sys.version_info[:3]), "", sys.base_prefix))
    return loaded


@pytest.fixture
def sound(tmp_path, script) -> Path:
    """An environment as `make` leaves it, but for pip itself, which takes seconds to unpack."""
    folder = tmp_path / ".venv"
    subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", folder], check=True)
    site = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (site / "pip-1.dist-info").mkdir()
    (folder / ".python").write_text(json.dumps(script.ask(folder)))
    return folder


def test_a_sound_environment_is_left_alone(sound, script, monkeypatch):
    before = (sound / ".python").stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", ["venv.py", str(sound), "--named"])
    assert script.main() == 0
    assert (sound / ".python").stat().st_mtime_ns == before
    assert script.flaw_of(sound, named=False) is None


def test_an_environment_of_another_tool_is_taken_over_and_marked(sound, script, monkeypatch):
    (sound / ".python").write_text("")
    monkeypatch.setattr(sys, "argv", ["venv.py", str(sound)])
    assert script.main() == 0
    assert script.read(sound / ".python") == script.ask(sound)


def _moved(folder: Path) -> Path:
    return folder.rename(folder.with_name("elsewhere"))


def _moved_without_mark(folder: Path) -> Path:
    (folder / ".python").unlink()
    return _moved(folder)


def _interrupted(folder: Path) -> Path:
    (folder / ".unfinished").touch()
    return folder


def _two_pythons(folder: Path) -> Path:
    (folder / "lib" / "python3.9").mkdir()
    return folder


def _without_pip(folder: Path) -> Path:
    shutil.rmtree(next(folder.glob("lib/python3.*/site-packages/pip-*")))
    return folder


def _upgraded(folder: Path) -> Path:
    (folder / ".python").write_text(json.dumps([[3, 11, 0, 1][:3], str(folder), sys.base_prefix]))
    return folder


def _python_gone(folder: Path) -> Path:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(folder / "no-such-python")
    return folder


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (_moved, "it was made in .*/.venv"),
        (_moved_without_mark, "it was made in .*/.venv"),
        (_interrupted, "the last installation into it was interrupted"),
        (_two_pythons, r"it holds the libraries of python3\.\d+ and python3\.9"),
        (_without_pip, "it has no pip"),
        (_upgraded, r"it was filled under Python 3\.11\.0 and is"),
        (_python_gone, "its Python does not start"),
    ],
)
def test_an_environment_that_cannot_serve_says_why(sound, script, change, flaw):
    assert re.match(flaw, script.flaw_of(change(sound), named=False))


def test_the_python_that_the_user_names_is_never_ignored(sound, script, monkeypatch):
    monkeypatch.setattr(script, "HERE", script.Environment((3, 13, 0), "", "elsewhere"))
    assert re.search(r"you named 3\.13\.0 of elsewhere", script.flaw_of(sound, named=True))
    assert script.flaw_of(sound, named=False) is None


def test_an_environment_of_an_unsupported_python_gives_way(sound, script, monkeypatch):
    monkeypatch.setattr(script, "HIGHEST", (3, 10))
    monkeypatch.setattr(script, "LOWEST", (3, 9))
    assert "which this project does not run on" in script.flaw_of(sound, named=False)


def test_an_unsupported_python_is_refused_with_a_remedy(tmp_path, script, monkeypatch, capsys):
    monkeypatch.setattr(script, "HERE", script.Environment((3, 10, 13), "", ""))
    monkeypatch.setattr(sys, "argv", ["venv.py", str(tmp_path / ".venv")])
    assert script.main() == 1
    said = capsys.readouterr().err
    assert f"Python {', '.join(VERSIONS[:-1])} or {VERSIONS[-1]} is needed" in said
    assert "is 3.10.13: name one with 'make PYTHON=" in said
    assert not (tmp_path / ".venv").exists()


# What is said


@pytest.fixture
def bare(tmp_path) -> Path:
    """A folder that has what an installation reads, and no more."""
    for folder in (".ci", "book/assets", "book/templates", "notebooks", "rulbook/course"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("Makefile", ".ci/venv.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")}
    environment |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    environment.pop("PIP_FIND_LINKS", None)
    command = ["make", f"PYTHON={sys._base_executable}", *args]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here.")
def test_a_failed_installation_shows_the_cause_and_the_remedy_and_recovers(bare):
    (bare / "constraints.txt").write_text("pip==999\n")
    failed = make(bare, ".venv/.pip")
    assert failed.returncode == 2
    assert "The user requested (constraint) pip==999" in failed.stderr
    assert "make clean-venv" in failed.stderr
    assert not (bare / ".venv" / ".unfinished").exists()
    assert not (bare / ".venv" / ".pip").exists()
    (bare / "constraints.txt").write_text("")
    again = make(bare, ".venv/.pip")
    assert again.returncode == 0, again.stderr
    assert (bare / ".venv" / ".pip").exists()
    nothing_to_do = make(bare, ".venv/.pip")
    assert (nothing_to_do.returncode, nothing_to_do.stderr) == (0, "")
    assert "pip" not in nothing_to_do.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here.")
def test_what_a_page_read_is_never_made_for_its_own_sake(bare):
    """Make looks after the lists that it includes: an older one would be rebuilt by any command, the help too."""
    (bare / "_build" / "synced").mkdir(parents=True)
    (bare / "_build" / "synced" / "11-topic.d").write_text(
        "_build/synced/11-topic: rulbook/model.py\nrulbook/model.py:\n"
    )
    asked = make(bare, "help")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "make book" in asked.stdout
    assert not (bare / ".venv").exists()


def test_tools_run_as_modules():
    """The scripts in .venv/bin carry the path where it was made."""
    assert set(re.findall(r"\$\(BIN\)/(\S+)", read("Makefile"))) == {"python"}


# What CI does


def workflow(name: str) -> dict:
    return yaml.safe_load(read(f".github/workflows/{name}.yml"))


def test_nothing_is_published_before_it_was_checked():
    # YAML reads the key `on` as true.
    started = workflow("publish")[True]
    assert started == {"workflow_run": {"workflows": ["check"], "types": ["completed"], "branches": ["main"]}}
    build = workflow("publish")["jobs"]["build"]
    assert "github.event.workflow_run.conclusion == 'success'" in build["if"]
    assert build["steps"][0]["with"]["ref"] == "${{ github.event.workflow_run.head_sha }}"
    assert workflow("publish")["jobs"]["publish"]["needs"] == "build"
    assert workflow("check")["name"] == "check"


@pytest.mark.parametrize("name", ["check", "publish"])
def test_actions_of_others_are_pinned_to_a_commit(name):
    used = [step["uses"] for job in workflow(name)["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one)] == []


def test_ci_runs_the_oldest_python_the_lowest_and_the_newest_versions():
    jobs = workflow("check")["jobs"]
    steps = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert jobs["debian"]["container"] == "debian:12"
    assert "--resolution lowest-direct" in steps["lowest"]
    assert "constraint" not in steps["newest"]
    assert "schedule" in jobs["newest"]["if"]
    assert workflow("check")[True]["schedule"]


def test_the_cache_of_data_is_named_after_their_checksums():
    key = next(
        step["with"]["key"] for step in workflow("check")["jobs"]["test"]["steps"] if "cache@" in step.get("uses", "")
    )
    assert "SHA256" in read(re.search(r"hashFiles\('(.+)'\)", key)[1])


# What version control keeps


def test_line_ends_are_the_same_on_every_machine():
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("This is a copy without version control.")
    rows = [re.split(r"\s+", line, maxsplit=3) for line in listed.stdout.splitlines() if "\t" in line]
    assert [row for row in rows if row[0] not in ("i/lf", "i/none", "i/-text")] == []
    binary = (".png", ".woff", ".woff2", ".npz", ".safetensors")
    for row in rows:
        path = row[-1].strip()
        if path.endswith(binary):
            assert "attr/-text" in row, path
    kept = subprocess.run(["git", "check-attr", "eol", ".ci/run"], cwd=ROOT, capture_output=True, text=True)
    assert kept.stdout.strip().endswith("eol: lf")


@pytest.mark.parametrize("left", ["build/lib/rulbook/x.py", "dist/rulbook.whl", "rulbook.egg-info/PKG-INFO", ".venv/x"])
def test_what_a_build_leaves_is_not_kept(left):
    if not (ROOT / ".git").exists():
        pytest.skip("This is a copy without version control.")
    assert subprocess.run(["git", "check-ignore", "-q", left], cwd=ROOT).returncode == 0
