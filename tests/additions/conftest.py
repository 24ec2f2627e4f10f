"""A copy of the project into which a test puts files, as somebody would who adds to the book."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("book/results/benchmark/", "book/assets/", "notebooks/")


@dataclass(frozen=True)
class Project:
    """A copy of the project's files.

    Attributes:
        folder: Where it lies.
    """

    folder: Path

    def put(self, path: str, text: str) -> Path:
        """A new file; an existing one is never touched: adding is putting a file."""
        target = self.folder / path
        assert not target.exists(), f"{path} is there already: an addition changes no file"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return target

    def python(self, *args: str) -> str:
        """What Python prints in the copy; a failure shows all it said."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *args], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def pytest(self, *args: str) -> str:
        """Run tests of the copy; they must pass."""
        return self.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *args)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project's tracked files, but for stored notebooks, fonts and the records of the benchmark."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file() and not name.startswith(LEFT_OUT):
            target = tmp_path / "project" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return Project(tmp_path / "project")
