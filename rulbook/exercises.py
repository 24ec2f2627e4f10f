"""Exercises that check themselves, as pages import them: ``from rulbook.exercises import check``.

How they are made, and how to add one: ``help("rulbook.course.exercises")``.
"""

import sys

from rulbook.course.exercises import (
    Exercise,
    Finding,
    Function,
    Miss,
    NotYet,
    Result,
    check,
    close,
    exercises,
    expect,
    function,
    is_number,
    is_pair,
    is_secret,
    number,
    row,
    show,
    slip,
    vector,
)

__all__ = [
    "Exercise",
    "Finding",
    "Function",
    "Miss",
    "NotYet",
    "Result",
    "check",
    "close",
    "exercises",
    "expect",
    "function",
    "is_number",
    "is_pair",
    "is_secret",
    "number",
    "row",
    "show",
    "slip",
    "vector",
]

if __name__ == "__main__":
    from rulbook.course.exercises.__main__ import main

    sys.exit(main())
