"""A recorded run as the steps that a reader takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rulbook.course.walkthrough._source import Line
from rulbook.course.walkthrough._tracer import Call, LineRun
from rulbook.course.walkthrough._values import Value
from rulbook.errors import InputError


@dataclass(frozen=True, slots=True)
class HelperCall:
    """A helper that a line called: its last run, and how often it ran."""

    name: str
    count: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of code and what it did.

    Attributes:
        number: Number of its first row, counted over the rows shown.
        code: Its rows, without comments.
        note: What its comments say.
        executes: Whether it can run at all; ``else:`` cannot.
        runs: How often it ran; 0 if the run never came here.
        outcome: Which way a branch went, how often a loop or a line ran; empty where nothing needs saying.
        state: What its last run bound, changed or returned.
        raised: The exception that its last run raised, or empty.
        calls: The helpers that its last run called, if they were followed.
    """

    number: int
    code: str
    note: str
    executes: bool
    runs: int
    outcome: str
    state: tuple[Value, ...]
    raised: str
    calls: tuple[HelperCall, ...]


def steps_of(call: Call, notes: Mapping[str, str] | None = None) -> tuple[Step, ...]:
    """The steps of a recorded run, with notes added where a line begins as their key says."""
    lines = call.source.lines
    added = {_matching(key, lines): note for key, note in (notes or {}).items()}
    steps: list[Step] = []
    number = 1
    for index, (line, run) in enumerate(zip(lines, call.lines, strict=True)):
        if not line.rows:
            continue
        helpers = (HelperCall(made.name, made.count, steps_of(made)) for made in run.calls.values())
        steps.append(
            Step(
                number=number,
                code="\n".join(line.rows),
                note="\n".join(filter(None, [line.note, added.get(index)])),
                executes=line.executes,
                runs=run.runs,
                outcome=_outcome(line, run, call.lines),
                state=tuple(run.state),
                raised=run.raised,
                calls=tuple(helpers),
            )
        )
        number += len(line.rows)
    return tuple(steps)


def _outcome(line: Line, run: LineRun, runs: list[LineRun]) -> str:
    if not line.executes:
        return ""
    if not run.runs:
        return "not reached"
    if line.body is not None and not run.raised:
        times = runs[line.body].runs
        if line.head == "loop":
            return f"{times} iteration{'' if times == 1 else 's'}"
        return "condition " + (f"true {times} of {run.runs} times" if run.runs > 1 else str(times > 0).lower())
    return f"{run.runs} times, the last shown" if run.runs > 1 else ""


def _matching(key: str, lines: list[Line]) -> int:
    found = [i for i, line in enumerate(lines) if line.rows and line.rows[0].lstrip().startswith(key)]
    if len(found) != 1:
        raise InputError(
            f"notes has the key {key!r}, which begins {len(found)} lines of the code: it must begin exactly one."
        )
    return found[0]
