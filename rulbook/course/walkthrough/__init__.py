"""Walkthroughs: code, the author's note and the state that each line left, side by side and computed.

A walkthrough runs a function once on example arguments. In a notebook, ``walkthrough(uniform_mse, pred, target)`` as
the last line of a cell shows a page to step through; its text form is part of the stored output, so every value in it
is compared whenever the notebook is tested.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from rulbook._check import whole
from rulbook.course.walkthrough._page import as_html
from rulbook.course.walkthrough._source import Source
from rulbook.course.walkthrough._steps import HelperCall, Step, steps_of
from rulbook.course.walkthrough._text import as_text
from rulbook.course.walkthrough._tracer import Recorder, is_plain
from rulbook.course.walkthrough._values import Value
from rulbook.errors import InputError

__all__ = ["HelperCall", "Step", "Value", "Walkthrough", "walkthrough"]


@dataclass(frozen=True, repr=False, eq=False)
class Walkthrough:
    """One recorded run of a function; its ``repr`` is the text form, and a notebook shows the page form.

    Attributes:
        name: The function.
        steps: Its lines in the order of the source, each with what it did.
        raised: The exception that ended the run, or None.
    """

    name: str
    steps: tuple[Step, ...]
    raised: Exception | None
    _result: Any

    @property
    def result(self) -> Any:
        """What the function returned; if it raised, that is raised here."""
        if self.raised is not None:
            raise self.raised
        return self._result

    def __repr__(self) -> str:
        return as_text(self.name, self.steps)

    def _repr_html_(self) -> str:
        return as_html(self.name, self.steps)


def walkthrough(
    f: Callable[..., Any],
    /,
    *args: Any,
    notes: Mapping[str, str] | None = None,
    depth: int = 0,
    **kwargs: Any,
) -> Walkthrough:
    """Run ``f(*args, **kwargs)`` and record what each of its lines did.

    The comments in the code are the notes: those above a line or at its end. The run itself is the plain one: same
    result, same effects, and an exception is shown at the line that raised it. Whatever traced before (a debugger, a
    coverage tool) sees nothing of this run and goes on afterwards.

    Args:
        f: A function made by ``def``, or a method. Decorated ones run decorated, if the decorator uses
            ``functools.wraps``.
        args: Its arguments. Small ones teach best: of an array, the first eight values are shown.
        notes: More notes, for code that has few comments. A key is how one line of the code begins.
        depth: How many calls deep to follow helpers of the same package or notebook, or of this package.
        kwargs: Its keyword arguments.

    Raises:
        ValueError: If ``f`` has no lines to step through, a key of ``notes`` does not fit exactly one line, ``depth``
            is no whole number of at least 0, or the body of ``f`` never ran.
    """
    whole("depth", depth, 0)
    code = _code(f)
    source = Source(code)
    recorder = Recorder(code, source, str(getattr(f, "__module__", "")).split(".")[0], depth)
    result, raised = recorder.run(lambda: f(*args, **kwargs))
    if recorder.call is None:
        if raised is not None:
            raise raised
        raise InputError(f"f is {code.co_name}: its body never ran, because what wraps it answered in its place.")
    return Walkthrough(code.co_name, steps_of(recorder.call, notes or {}), raised, result)


def _code(f: object) -> CodeType:
    function = inspect.unwrap(f) if callable(f) else f
    function = getattr(function, "__func__", function)
    name = getattr(f, "__qualname__", type(f).__qualname__)
    if inspect.isclass(f):
        raise InputError(f"f is the class {name}: pass one of its methods.")
    if not inspect.isfunction(function):
        raise InputError(f"f is {name}: it must be a function made by def, whose Python source can be shown.")
    if not is_plain(function.__code__):
        raise InputError(
            f"f is {name}: lambdas, generators and coroutines have no lines that run once from top to bottom."
        )
    return function.__code__
