"""Runs a function and writes down what every line did.

``sys.settrace`` calls back before each line; what the line before it did is read off the frame's locals at that moment.
A value is described as soon as it is bound, so what happens to it later does not rewrite what was seen.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import Any

from rulbook.course.walkthrough._source import Source
from rulbook.course.walkthrough._values import Value, describe

_LONGEST_MESSAGE = 240


@dataclass
class LineRun:
    """What one logical line did: how often it ran, and what its last run bound, raised and called."""

    runs: int = 0
    state: list[Value] = field(default_factory=list)
    raised: str = ""
    calls: dict[CodeType, Call] = field(default_factory=dict)
    entry: int = -1


@dataclass
class Call:
    """One run of a followed function, and how often the line that called it did so."""

    name: str
    source: Source
    lines: list[LineRun]
    count: int = 1


class Recorder:
    """Follows one function, and the helpers it calls down to a depth.

    A helper is a plain function of the same package or notebook, or of this package; libraries are never entered.

    Args:
        code: The function to follow.
        source: Its source.
        home: The package or notebook that it comes from.
        depth: How many calls deep helpers are followed.
    """

    def __init__(self, code: CodeType, source: Source, home: str, depth: int) -> None:
        self.call: Call | None = None
        self._code = code
        self._homes = {"__main__", "rulbook", home}
        self._depth = depth
        self._sources: dict[CodeType, Source | None] = {code: source}
        self._stack: list[_Follower] = []

    def run(self, thunk: Callable[[], Any]) -> tuple[Any, Exception | None]:
        """The result of ``thunk()``, or what it raised; whoever traced before traces again afterwards."""
        previous = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return thunk(), None
        except Exception as error:  # Kept and shown at its line; reading the result raises it again.
            return None, error
        finally:
            sys.settrace(previous)

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        source = self._source(frame.f_code) if self._follows(frame) else None
        if source is None:
            return None
        call = Call(frame.f_code.co_name, source, [LineRun() for _ in source.lines])
        if self._stack:
            self._stack[-1].add_call(frame.f_code, call)
        else:
            self.call = call
        self._stack.append(_Follower(call, frame, self._stack.pop))
        return self._stack[-1].trace

    def _follows(self, frame: FrameType) -> bool:
        if not self._stack:
            return frame.f_code is self._code
        module = str(frame.f_globals.get("__name__", ""))
        at_home = module.split(".")[0] in self._homes and not module.startswith("rulbook.course.walkthrough")
        return at_home and len(self._stack) <= self._depth and is_plain(frame.f_code)

    def _source(self, code: CodeType) -> Source | None:
        if code not in self._sources:
            try:
                self._sources[code] = Source(code)
            except ValueError:
                self._sources[code] = None  # A helper without a source still runs; it cannot be shown.
        return self._sources[code]


class _Follower:
    """The trace function of one frame."""

    def __init__(self, call: Call, frame: FrameType, leave: Callable[[], object]) -> None:
        self._call = call
        self._leave = leave
        self._now = call.source.definition
        self._settled = True
        self._returning: int | None = None
        self._error: BaseException | None = None
        self._unwinding = False
        self._known = _described(frame)
        head = call.lines[self._now]
        head.runs = 1
        names = inspect.getargs(frame.f_code)
        for name in (*names.args, names.varargs, names.varkw):
            head.state += [replace(value, role="argument") for value in _owned(self._known, name)]

    def add_call(self, code: CodeType, call: Call) -> None:
        """Note a followed call under the line that is running; of several, the last is kept."""
        calls = self._call.lines[self._now].calls
        if code in calls:
            call.count += calls[code].count
        calls[code] = call

    def trace(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        """Called by Python before each line, and when the frame raises or returns."""
        if event == "line":
            self._begin_line(frame)
        elif event == "exception":
            self._note_exception(frame, arg[1])
        elif event == "return":
            self._note_return(frame, arg)
            self._leave()
            frame.f_trace = None
            return None
        return self.trace

    def _begin_line(self, frame: FrameType) -> None:
        source, previous = self._call.source, self._now
        index = source.index(frame.f_lineno)
        if index is None:
            return
        line, run = source.lines[index], self._call.lines[index]
        # Rows of one statement, and jumps within it, are one step; to meet its first instruction again is a new run.
        again = frame.f_lasti == run.entry
        if index == previous and not again:
            return
        self._settle(frame)
        self._now, self._settled, self._unwinding = index, False, False
        # A loop comes back to its head, and a `with` to its own end, from inside: that is no new run.
        if again or not index <= previous <= line.end:
            run.runs += 1
            run.state, run.raised, run.calls, run.entry = [], "", {}, frame.f_lasti
        if line.rows and line.rows[0].lstrip().startswith("return"):
            self._returning = index

    def _settle(self, frame: FrameType) -> None:
        """Write down what the line that has just run bound or changed."""
        if self._settled:
            return
        self._settled = True
        line, run = self._call.source.lines[self._now], self._call.lines[self._now]
        seen = _described(frame)
        for path in line.mutates:
            owner, _, attribute = path.partition(".")
            if attribute and owner in frame.f_locals:
                seen |= {v.name: v for v in describe(path, getattr(frame.f_locals[owner], attribute, None), "changed")}
        changed = {name for name, value in seen.items() if not value.looks_like(self._known.get(name))}
        shown = changed if self._unwinding else changed.union(line.binds, line.mutates)
        bound = [value for name in dict.fromkeys(line.binds) for value in _owned(seen, name)]
        others = [value for value in seen.values() if value not in bound]
        run.state = [
            replace(value, role="bound" if value.name in line.binds or value.name not in self._known else "changed")
            for value in bound + others
            if value.name in shown
        ]
        if self._unwinding:
            read = [value for name in dict.fromkeys(line.reads) for value in _owned(seen, name)]
            run.state += [replace(value, role="read") for value in read if value.name not in shown]
        self._known = seen

    def _note_exception(self, frame: FrameType, error: BaseException) -> None:
        line, run = self._call.source.lines[self._now], self._call.lines[self._now]
        if isinstance(error, StopIteration) and line.iterates:
            return  # That is how a loop ends.
        self._unwinding, self._returning = True, None
        if error is not self._error:  # The blocks that it passes on its way out raise it anew.
            self._error = error
            run.raised = _sentence(error)
            self._settle(frame)

    def _note_return(self, frame: FrameType, result: object) -> None:
        self._settle(frame)
        if self._unwinding:
            return
        index = self._now if self._returning is None else self._returning
        line, run = self._call.source.lines[index], self._call.lines[index]
        if line.returns is None:
            return
        if len(line.returns) > 1 and isinstance(result, tuple) and len(result) == len(line.returns):
            for label, part in zip(line.returns, result, strict=True):
                run.state += describe(label, part, "returned")
        else:
            run.state += describe(line.returns[0] if len(line.returns) == 1 else "", result, "returned")


def is_plain(code: CodeType) -> bool:
    """Whether the code is that of a function made by ``def``: no lambda, class body, generator or coroutine."""
    special = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
    return bool(is_function) and not code.co_flags & special


def _described(frame: FrameType) -> dict[str, Value]:
    names = {name: value for name, value in frame.f_locals.items() if name.isidentifier()}
    return {value.name: value for name in names for value in describe(name, names[name], "changed")}


def _owned(values: dict[str, Value], name: str | None) -> list[Value]:
    return [values[key] for key in (name, f"{name}.grad") if key in values]


def _sentence(error: BaseException) -> str:
    message = re.sub(r"0x[0-9a-fA-F]{6,16}", "0x…", " ".join(str(error).split()))
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "…"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
