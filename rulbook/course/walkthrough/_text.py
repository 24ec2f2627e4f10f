"""The text form of a walkthrough: what a terminal shows, and what a notebook test compares."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rulbook.course.walkthrough._steps import Step
from rulbook.course.walkthrough._values import Role, Value

_WIDTH = 100
ROLE_WORDS: dict[Role, str] = {"argument": "", "bound": "", "changed": "now ", "read": "with ", "returned": "returns "}


def as_text(name: str, steps: tuple[Step, ...]) -> str:
    """Each line of code with, indented below it, its note, its values and how it ended."""
    return "\n".join([f"{name}, line by line", "", *_steps(steps)])


def _steps(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        for number, row in enumerate(step.code.split("\n"), step.number):
            yield f"{number:3}  {row}".rstrip()
        indent = " " * (5 + len(step.code) - len(step.code.lstrip()) + 4)
        for paragraph in filter(None, step.note.split("\n")):
            yield from textwrap.wrap(paragraph, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if step.outcome:
            yield f"{indent}({step.outcome})"
        for value in step.state:
            yield textwrap.indent(_value(value), indent)
        for call in step.calls:
            times = f", called {call.count} times, the last shown" if call.count > 1 else ""
            yield f"{indent}inside {call.name}{times}:"
            yield from (f"{indent}│{row}" for text in _steps(call.steps) for row in text.split("\n"))
        if step.raised:
            yield f"{indent}raises {step.raised}"


def _value(value: Value) -> str:
    head, _, rest = f"{ROLE_WORDS[value.role]}{value}".partition("\n")
    # The rows of a matrix stand below each other.
    column = " " * (head.index(" = ") + 3 if rest else 0)
    return "\n".join([head, *(column + row for row in rest.split("\n") if row)])
