"""Exercises that check themselves.

In a notebook, or anywhere else::

    from rulbook.exercises import check

    check("14.3", my_weights)

says which properties the answer has (✓), which it lacks (✗), and for the first that it lacks one hint. Nothing is sent
anywhere. An exception in the answer is shown with its line instead of being raised, and an answer that does not come to
an end is stopped after some seconds.

Adding exercises
----------------
A chapter needs two things; the checks live here, everything a reader sees lives in the book.

1. A module ``rulbook/course/chNN/checks_topic.py``. An exercise is an :class:`Exercise` at module level, with a reader
   for the answer (:func:`number`, :func:`vector`, :func:`function`, or a function of your own) and its properties::

       slope = Exercise("12.1", "the slope of a square", function("grad(x)"), "You can now differentiate anything.")

       @slope.requires("the slope at 0 is 0")
       def _(grad: Function) -> None:
           is_number(grad.number(0.0), 0.0, "the slope at 0", "Where is the bottom of the parabola?")

   A property returns if the answer has it and raises :class:`Miss` if not (:func:`expect` and :func:`is_number` do so):
   what was seen, with numbers, and a hint that asks rather than tells. Test properties (bounds, order, agreement with
   central differences, a simulation, random inputs from a written seed), not one number. Ask for the plainest property
   first: only the first miss shows its hint.

   Where the number is the answer itself use :func:`is_secret`, which does not say what was expected. Vary every
   argument, alone and together with others, to values where it matters that it is used: caps below thresholds, slopes
   and rates other than 1, sizes other than 2 and 3, norms that are no geometric sequence. Show two numbers that differ
   with :func:`show`, each beside the other: ``show(got, wanted)``. ``tests/course/exercises/test_attacks.py`` will
   find a new exercise by themselves and ignore its arguments, one by one and two by two.

2. A source ``book/exercises/NN-topic.md``, a MyST notebook. Each exercise starts with a heading ``## NN.k Title`` and
   has code cells tagged ``stub``, ``solution``, ``check`` and at least three tagged ``wrong``, whose metadata ``says``
   quotes the message that this answer must earn; Markdown cells tagged ``solution`` explain. Untagged cells are for
   everybody; ``page`` marks what only the rendered page shows.

``python -m rulbook.exercises build`` then writes the student notebook and the page, and ``tests/course/exercises``
proves without further code that stubs fail, solutions pass and wrong answers earn their messages.
"""

from __future__ import annotations

import importlib

from rulbook._check import one_of, shown
from rulbook.course import room_files
from rulbook.course.exercises import _guard
from rulbook.course.exercises._answers import (
    Function,
    close,
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
from rulbook.course.exercises._exercise import Exercise
from rulbook.course.exercises._result import Finding, Miss, NotYet, Result
from rulbook.errors import InputError

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


def check(number: object, answer: object) -> Result:
    """Check an answer; the result shows itself in a notebook, and prints as text.

    Args:
        number: The exercise, as text: "14.3".
        answer: What the exercise asks for: a number, numbers or a function.

    Returns:
        The findings, and ``.passed``.

    Raises:
        InputError: If there is no exercise of this number, or it is no text. Whatever is wrong with the answer is a
            finding.
    """
    if not isinstance(number, str):  # as numbers, 14.10 and 14.1 are one, and they are two exercises
        raise InputError(f'number is {shown(number)}: write it as text, in quotes, such as "14.3".')
    known = exercises()
    return known[one_of("number", number, known)].check(answer)


def exercises() -> dict[str, Exercise[object]]:
    """All exercises by number, in the order of the book."""
    found = (
        exercise
        for module in room_files("checks_*.py").values()
        for exercise in vars(importlib.import_module(module)).values()
        if isinstance(exercise, Exercise)
    )
    return {exercise.number: exercise for exercise in sorted(found, key=lambda one: _order(one.number))}


def _order(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))


exercises()
_guard.watch()
