"""``rulbook exercises``: notebooks for a class."""

from __future__ import annotations

import argparse

from rulbook.course.exercises import export

SUMMARY = "write the exercises for a class"
DETAILS = """\
Student notebooks without solutions, instructor notebooks with them, and on request a master notebook that
Otter turns into an assignment.

  rulbook exercises export --chapter 14 --to class"""

__all__ = ["DETAILS", "SUMMARY", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    export.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the notebooks."""
    return export.run(args)
