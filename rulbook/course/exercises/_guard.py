"""Running what a learner wrote: in limited time, letting nothing out, and with the tools of the checks left in place.

Three things can go wrong with a function that somebody else wrote and that a check calls. It may not come back; it may
leave by another door than ``return``, such as ``sys.exit``; and it may replace what the check is going to use next,
``np.allclose`` for instance. :func:`run` answers all three with a :class:`Miss`.

What this is not: a wall. Code in this process that sets out to, and reads this file, can get around it. A teacher whose
marks hang on a check runs each notebook in a process of its own.

**Time.** All that an answer does in one check shares a budget (:data:`LIMITS`). On the main thread a timer of the
operating system ends it; on other threads, and where there is no such timer (Windows), a second thread does. Neither
can end one long call into compiled code, such as the product of two huge matrices, before that call is over.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib
import inspect
import signal
import sys
import threading
import time
import types
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import is_
from types import FrameType
from typing import Any, NamedTuple, TypeVar, no_type_check

import numpy as np

from rulbook.course import room_files
from rulbook.course.exercises._result import Miss

__all__ = ["LIMITS", "LeftEarly", "Limits", "TimeUp", "run", "session", "watch"]

T = TypeVar("T")

_TICK = 0.05  # seconds between two looks at the clock
# Once time is up the looks follow ever more closely; the first of them leave time to clean up. From this distance on
# each look leaves the next one waiting behind what it raises: it comes as soon as an `except` that swallowed the first
# goes on, and so outside of that `except`.
_URGENT = 2e-4

# What checks compute with. Of the builtins only these: notebooks replace others, `input` and `print`, for good reasons.
_BUILTINS = {
    "abs",
    "all",
    "any",
    "bool",
    "callable",
    "dict",
    "enumerate",
    "float",
    "getattr",
    "hasattr",
    "int",
    "isinstance",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "range",
    "repr",
    "round",
    "set",
    "sorted",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "zip",
}
_LIBRARIES = (
    "math",
    "numpy",
    "numpy.linalg",
    "numpy.random",
    "numpy.testing",
    "numpy._core.fromnumeric",
    "numpy._core.numeric",
    "numpy._core._methods",
    "numpy.lib._function_base_impl",
    "numpy.linalg._linalg",
    "torch",
    "torch.autograd",
    "torch.nn.functional",
)
# Python fills these in by itself when somebody asks for them.
_LAZY = {"__annotations__", "__annotations_cache__", "__annotate__", "__static_attributes__", "__parameters__"}


@dataclass
class Limits:
    """How long an answer may run in one check, in seconds.

    Attributes:
        cpu: Of the processor.
        wall: By the clock on the wall; it ends an answer that only waits.
    """

    cpu: float = 5.0
    wall: float = 30.0


LIMITS = Limits()


class TimeUp(BaseException):
    """Raised in a learner's code when its time is up; no ``except Exception`` there can hold it."""


class LeftEarly(Exception):  # noqa: N818
    """A learner's code left by an exception that programs end with, ``SystemExit`` for instance.

    Args:
        error: What it raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(type(error)))
        self.error = error


class _Session:
    """The time that the answer has in one check."""

    def __init__(self) -> None:
        self.running = False
        self.expired = False
        self._spent = (0.0, 0.0)
        self._began = (0.0, 0.0)
        self._lock = threading.Lock()
        self._thread = threading.get_ident()
        self._by_thread = not _has_timer()
        self._pause = 2 * _TICK

    def begin(self) -> None:
        self._began = _clocks()
        self.running = True

    def end(self) -> None:
        with self._lock:
            self.running = False
            if self._by_thread:  # What is on its way must not arrive in code of ours.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), None)
        self._spent = self._used()
        self.expired = self.expired or self._is_over()

    def _used(self) -> tuple[float, float]:
        (cpu, wall), (cpu_then, wall_then) = _clocks(), self._began
        return self._spent[0] + cpu - cpu_then, self._spent[1] + wall - wall_then

    def _is_over(self) -> bool:
        cpu, wall = self._spent if not self.running else self._used()
        return cpu > LIMITS.cpu or wall > LIMITS.wall

    @no_type_check  # A checker of types around it would be interrupted, too.
    def tick(self, _signal: int, frame: FrameType | None) -> None:
        """Called by the timer between two steps of the main thread."""
        if not self.running or not self._is_over():
            return
        self.expired = True
        self._pause = max(self._pause / 2, _URGENT)
        signal.setitimer(signal.ITIMER_REAL, self._pause, self._pause)
        if frame is not None and frame.f_code.co_filename != _clocks.__code__.co_filename:
            # After a call Python looks for signals, in the step of a loop it does not: so the next one waits.
            for _ in map(interrupt_main, [signal.SIGALRM] if self._pause <= _URGENT else []):
                raise TimeUp
            raise TimeUp

    def watch(self, done: threading.Event) -> None:
        """The body of the second thread, where there is no timer."""
        while not done.wait(0.005 if self.expired else _TICK):
            with self._lock:
                if self.running and self._is_over():
                    self.expired = True
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(TimeUp))


class _Local(threading.local):
    session: _Session | None = None


_LOCAL = _Local()


def _clocks() -> tuple[float, float]:
    return time.process_time(), time.monotonic()


@contextmanager
def session() -> Iterator[None]:
    """One check: what :func:`run` runs inside shares one budget of time. Inside of another, it shares that one's."""
    if _LOCAL.session is not None:
        yield
        return
    current = _LOCAL.session = _Session()
    stop = _timer(current) if _has_timer() else _watchdog(current)
    try:
        yield
    finally:
        stop()
        _LOCAL.session = None


def _has_timer() -> bool:
    on_main = threading.current_thread() is threading.main_thread()
    return on_main and hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None


def _timer(current: _Session) -> Callable[[], None]:
    handler, began = signal.signal(signal.SIGALRM, current.tick), time.monotonic()
    delay, interval = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:  # Somebody else was waiting for an alarm: it comes when it was due, or now.
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - began), 1e-6), interval)

    return stop


def _watchdog(current: _Session) -> Callable[[], None]:
    done = threading.Event()
    thread = threading.Thread(target=current.watch, args=(done,), daemon=True, name="rulbook check")
    thread.start()

    def stop() -> None:
        done.set()
        thread.join()

    return stop


def run(thunk: Callable[[], T]) -> T:
    """What ``thunk``, which calls a learner's code, returns.

    Raises:
        Miss: If its time is up, or if it replaced a tool of the checks; the tool is put back.
        LeftEarly: If it left by an exception that is no :class:`Exception`, other than ``KeyboardInterrupt``.
        Exception: Whatever else it raised.
    """
    current = _LOCAL.session
    if current is None:
        with session():
            return run(thunk)
    if current.running:  # A check inside of an answer: the one outside is in charge.
        return thunk()
    if current.expired:
        raise _too_long()
    state = _settings()
    error: BaseException | None = None
    try:
        result = _attempt(current, thunk)
    except BaseException as raised:
        current.running = False
        error = raised
    replaced = _builtins_back()
    while True:
        try:
            current.end()
            break
        except TimeUp:  # It may still arrive from the second thread.
            continue
    _restore(state)
    replaced += _TOOLS.put_back_used()
    if isinstance(error, KeyboardInterrupt):
        raise error
    if current.expired or isinstance(error, TimeUp):
        raise _too_long()
    if replaced:
        raise _replaced(replaced)
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise LeftEarly(error)
    return result


def _attempt(current: _Session, thunk: Callable[[], T]) -> T:
    current.begin()
    return thunk()


def _too_long() -> Miss:
    return Miss(
        f"it ran for more than {LIMITS.cpu:g} seconds and was stopped",
        "Is there a loop that never ends? If it is only slow, let NumPy do what your loop does, or take fewer steps.",
    )


def _replaced(names: list[str]) -> Miss:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return Miss(
        f"your code replaced {shown}, which others use too",
        "It has been put back. Give what you write a name of its own, and run the check again.",
    )


def _builtins_back() -> list[str]:
    """Put the builtins back that checks use. It uses none itself: it is the first to run after an answer."""
    replaced = [f"builtins.{name}" for name in _KEPT_BUILTINS if _BUILTIN_SPACE[name] is not _KEPT_BUILTINS[name]]
    _BUILTIN_SPACE.update(_KEPT_BUILTINS)
    return replaced


_BUILTIN_SPACE = vars(builtins)
_KEPT_BUILTINS = {name: _BUILTIN_SPACE[name] for name in _BUILTINS}


class _Space(NamedTuple):
    """A module, a class or an exercise: what it held when first seen, and whether nothing may be added to it."""

    name: str
    holder: Any
    kept: dict[str, Any]
    closed: bool

    def put_back(self) -> list[str]:
        """Undo what was replaced or, where it could hide a builtin, added; the names of it."""
        there, replaced = vars(self.holder), []
        if not all(map(is_, map(there.get, self.kept), self.kept.values())):
            for key, value in self.kept.items():
                now = there.get(key, self)
                if now is value:
                    continue
                if self.name.startswith("torch") and _is_of_torch(now):
                    self.kept[key] = now
                else:
                    setattr(self.holder, key, value)
                    replaced.append(key)
        if self.closed and len(there) != len(self.kept):
            added = [key for key in there if key not in self.kept and not key.startswith("__")]
            for key in added:
                if not isinstance(there[key], types.ModuleType):
                    delattr(self.holder, key)
                    replaced.append(key)
        return [f"{self.name}.{key}".replace("numpy.", "np.", 1) for key in replaced]


def _is_of_torch(value: object) -> bool:
    """Whether PyTorch itself wrote it: its compiler, loaded when first needed, wraps ``manual_seed`` and others."""
    code, torch = getattr(value, "__code__", None), sys.modules.get("torch")
    homes = getattr(torch, "__path__", ())
    return code is not None and any(str(code.co_filename).startswith(home) for home in homes)


class _Tools:
    """What the checks rely on, as it was when first seen."""

    def __init__(self) -> None:
        self._spaces: dict[str, _Space] = {}
        self._used: list[_Space] = []
        self._scanned = 0

    def learn(self) -> None:
        """Note the modules that have been imported since the last time."""
        if len(sys.modules) == self._scanned:
            return
        self._scanned = len(sys.modules)
        new = [
            name for name in list(sys.modules) if name not in self._spaces and (name in _LIBRARIES or _is_ours(name))
        ]
        for name in new:
            module, closed = sys.modules[name], _is_ours(name)
            kept = {key: value for key, value in vars(module).items() if closed or _is_tool(name, key, value)}
            self._spaces[name] = _Space(name, module, kept, closed)
            for key, value in list(kept.items()) if closed else ():
                if (isinstance(value, type) and value.__module__ == name) or type(value).__name__ == "Exercise":
                    parts = {part: one for part, one in vars(value).items() if part not in _LAZY}
                    self._spaces[f"{name}.{key}"] = _Space(f"{name}.{key}", value, parts, True)
        if new:
            self._used = self._narrowed()

    def _narrowed(self) -> list[_Space]:
        """The spaces with only those names that code of ours, or NumPy's own, could look up after an answer ran."""
        names: set[str] = set().union(*(_names(vars(space.holder)) for space in self._spaces.values() if space.closed))
        narrowed = []
        for space in self._spaces.values():
            kept = space.kept
            if not space.closed and not space.name.startswith("numpy._core"):
                kept = {key: value for key, value in kept.items() if key in names}
            if kept and (not space.closed or isinstance(space.holder, types.ModuleType)):
                narrowed.append(space._replace(kept=kept))
        return narrowed

    def put_back_used(self) -> list[str]:
        """Put back what a check could use next."""
        return [name for space in self._used for name in space.put_back()]

    def put_back(self) -> list[str]:
        """Put back everything."""
        return [name for space in self._spaces.values() for name in space.put_back()]


def _is_tool(module: str, name: str, value: object) -> bool:
    private = name.startswith("__") or (name.startswith("_") and module.startswith("torch"))
    return not private and not isinstance(value, types.ModuleType)


def _is_ours(module: str) -> bool:
    return module in _OURS


def _names(space: Mapping[str, Any]) -> set[str]:
    """All names that the functions, methods and properties of exercises in a module look up."""
    functions: list[Any] = []
    for value in space.values():
        functions += vars(value).values() if isinstance(value, type) else [value]
        functions += (test for _, test in getattr(value, "properties", ()))
    # Type checkers of tests wrap every function; what matters is the function inside.
    inside = (inspect.unwrap(one) for one in functions if isinstance(one, types.FunctionType))
    codes = [one.__code__ for one in inside if isinstance(one, types.FunctionType)]
    found: set[str] = set()
    while codes:
        code = codes.pop()
        found.update(code.co_names)
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return found


_OURS = {
    *(f"rulbook.{name}" for name in ("_check", "errors", "metrics", "reference")),
    *(f"rulbook.course.exercises{name}" for name in ("", "._answers", "._exercise", "._result", "._samples")),
    # Of a chapter: its checks and their mathematics; a module with a script beside it is a figure.
    *(module for stem, module in room_files("*.py").items() if stem not in room_files("*.js")),
}
_TOOLS = _Tools()


def watch() -> None:
    """Take the tools of the checks as they are now for what they should be, as far as they were not seen before."""
    _TOOLS.learn()


def expect_tools_in_place() -> None:
    """Raise :class:`Miss` if a tool of the checks was replaced since it was first seen; it is put back."""
    importlib.import_module("numpy.testing")  # NumPy loads it on demand, and an answer may be the first to demand it
    watch()
    replaced = put_back()
    if replaced:
        raise _replaced(replaced)


def put_back() -> list[str]:
    """Put back every tool that was replaced since it was first seen; their names."""
    return _builtins_back() + _TOOLS.put_back()


def _settings() -> tuple[Any, ...]:
    torch = sys.modules.get("torch")
    ours = (np.geterr(), sys.getrecursionlimit())
    return ours if torch is None else (*ours, torch.is_grad_enabled(), torch.get_default_dtype())


def _restore(state: tuple[Any, ...]) -> None:
    if state == _settings():
        return
    np.seterr(**state[0])
    sys.setrecursionlimit(state[1])
    if len(state) > 2:
        torch = sys.modules["torch"]
        torch.set_grad_enabled(state[2])
        torch.set_default_dtype(state[3])
