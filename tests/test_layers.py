"""Library below, course above: what a fleet's owner installs does not lean on the book's content."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "rulbook"
# The facades of the course, and the command, which can write exercises for a class.
ABOVE = ("course", "cli", "exercises", "walkthrough", "widgets")


def imported(file: Path) -> set[str]:
    """The modules that a file names in an import anywhere in it, in full."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def below() -> list[Path]:
    return [
        file
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0].removesuffix(".py") not in ABOVE
    ]


def test_the_library_is_found():
    assert {"inference.py", "runs/comparison.py", "training/loop.py"} <= {
        file.relative_to(PACKAGE).as_posix() for file in below()
    }


@pytest.mark.parametrize("file", below(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_the_library_imports_nothing_of_the_course(file):
    assert not any(name.split(".")[:2] == ["rulbook", "course"] for name in imported(file))
