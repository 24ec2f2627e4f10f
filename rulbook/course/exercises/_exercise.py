"""An exercise is a list of properties; checking an answer means asking for each of them."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from rulbook.course.exercises import _guard
from rulbook.course.exercises._result import Finding, Miss, NotYet, Result

__all__ = ["Exercise", "Miss", "NotYet"]

A = TypeVar("A")
Property = Callable[[A], None]

_OURS = str(Path(__file__).parents[1])
_LONGEST_MESSAGE = 400
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@dataclass
class Exercise(Generic[A]):
    """One exercise: how to read an answer, and what must be true of it.

    Args:
        number: Chapter and place, such as "14.3".
        title: The exercise's heading in the book, without the number.
        read: Turns what was handed to ``check`` into what the properties look at; raises :class:`Miss` if it cannot.
        takeaway: A sentence shown once everything is right: what the answer is good for.
    """

    number: str
    title: str
    read: Callable[[object], A]
    takeaway: str = ""
    properties: tuple[tuple[str, Property[A]], ...] = field(default=(), init=False, repr=False)

    def requires(self, name: str) -> Callable[[Property[A]], Property[A]]:
        """Declare a property: the decorated function returns if the answer has it, and raises :class:`Miss` if not."""

        def declare(test: Property[A]) -> Property[A]:
            self.properties = (*self.properties, (name, test))
            return test

        return declare

    def check(self, answer: object) -> Result:
        """Ask for every property; whatever goes wrong in the learner's code is a finding, not a failure of ours.

        Only ``KeyboardInterrupt`` passes: who stops a notebook means the check, too. See :mod:`._guard` for the limit
        of time and for what it is proof against.
        """
        with _guard.session():
            try:
                _guard.expect_tools_in_place()
                read = _guard.run(lambda: self.read(answer))
                findings = _each_text_once([(name, _finding(name, test, read)) for name, test in self.properties])
            except NotYet:
                findings = []
            except Miss as miss:
                findings = [Finding(False, miss.seen, miss.hint)]
            except Exception as error:
                findings = [_stopped("reading the answer", error)]
            return Result(self.number, self.title, _only_first_hint(findings), self.takeaway)


def _finding(name: str, test: Property[Any], answer: object) -> Finding:
    found = _asked(name, test, answer)
    try:
        _guard.expect_tools_in_place()
    except Miss as miss:
        return found if not found.passed else Finding(False, miss.seen, miss.hint)
    return found


def _asked(name: str, test: Property[Any], answer: object) -> Finding:
    try:
        test(answer)
    except Miss as miss:
        return Finding(False, miss.seen, miss.hint)
    except NotYet:
        raise
    except Exception as error:
        return _stopped(name, error)
    return Finding(True, name)


def _stopped(name: str, error: Exception) -> Finding:
    """The finding for an exception that came out of the learner's code."""
    raised = error.error if isinstance(error, _guard.LeftEarly) else error
    try:
        # An exception of the learner's own is the learner's code as well: it may fail at telling its message.
        kind, message = _guard.run(lambda: (f"{type(raised).__name__}", f"{raised}"))
    except (Exception, Miss):
        kind, message = "an exception that cannot be shown", ""
    return Finding(False, f"{name}: stopped by {kind}", _where(raised, message))


def _where(error: BaseException, said: str) -> str:
    """The message of ``error`` and the innermost line of the learner's own code that it passed through."""
    message = f"{_shortened(said)}." if said else "It came without a message."
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_OURS) or frame.filename.startswith(_LIBRARIES):
            continue
        code = f", `{frame.line.strip()}`" if frame.line else ""
        return f"{message} It happened in line {frame.lineno} of {frame.name}{code}."
    return message


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _each_text_once(findings: list[tuple[str, Finding]]) -> list[Finding]:
    """What was seen once is not said again: later findings of the same text show the name of their property."""
    told: set[str] = set()
    once = []
    for name, finding in findings:
        once.append(Finding(finding.passed, name, finding.hint) if finding.text in told else finding)
        told.add(finding.text)
    return once


def _only_first_hint(findings: list[Finding]) -> tuple[Finding, ...]:
    """One thing at a time: later misses often follow from the first."""
    first = next((place for place, finding in enumerate(findings) if not finding.passed), len(findings))
    return tuple(
        finding if place <= first else Finding(finding.passed, finding.text) for place, finding in enumerate(findings)
    )
