"""Reading answers: numbers, vectors and functions, from plain Python, NumPy or torch alike.

What a learner hands over is copied once, where it comes in, into plain numbers that nobody else holds. So no answer can
change what it said by a buffer that it uses again, nor what a check compares by methods of its own.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises import _guard
from rulbook.course.exercises._result import Miss, NotYet

__all__ = [
    "Function",
    "close",
    "expect",
    "function",
    "is_number",
    "is_pair",
    "is_secret",
    "number",
    "row",
    "show",
    "slip",
    "slopes",
    "vector",
]

# More than any exercise asks for; beyond it only the copying would take seconds.
_MOST_NUMBERS = 1_000_000
_DEEPEST_LIST = 8


def number(answer: object) -> float:
    """Read one finite number."""
    value = vector(answer)
    if value.size != 1:
        raise Miss(f"{value.size} numbers came, one is wanted", "Hand over a single number, not a list.")
    return float(value[0])


def vector(answer: object) -> Array:
    """Read a list, a tuple, an array or a tensor of finite numbers as a vector; a number is a vector of one."""
    values = _numbers(_settled(answer), type(answer).__name__)
    if not np.isfinite(values).all():
        raise Miss(
            f"{show(values[~np.isfinite(values)][0])} is among the numbers",
            "Something was divided by zero, or grew beyond all bounds. Print the steps in between.",
        )
    return values.reshape(-1)


def _settled(answer: Any, depth: int = 0) -> Any:
    """A copy of what came, made of builtin types, plain arrays and tensors.

    Raises:
        NotYet: If dots or ``None`` are still in it.
        Miss: If it is none of these, or too large.
    """
    if answer is None or answer is ...:
        raise NotYet
    if type(answer) in (bool, int, float, complex, str, bytes):
        return answer
    if isinstance(answer, (list, tuple, range)):
        _expect_not_huge(len(answer))
        if depth >= _DEEPEST_LIST:
            raise Miss("lists came that lie in each other without end", "Hand over numbers, in one list or in rows.")
        return [_settled(part, depth + 1) for part in answer]
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(answer, torch.Tensor):
        _expect_not_huge(answer.numel())
        return answer.clone()
    if isinstance(answer, np.ma.MaskedArray) and np.ma.getmaskarray(answer).any():
        raise Miss("some of the numbers are masked", "Fill the gaps, or leave them out, before you hand them over.")
    if isinstance(answer, (np.ndarray, np.generic)):
        _expect_not_huge(answer.size)
        return _copied_array(answer, depth)
    if hasattr(answer, "__array__") and not isinstance(answer, type):
        return _copied_array(answer, depth)
    if hasattr(answer, "__float__") and not isinstance(answer, type):
        return float(answer)
    raise _no_numbers(type(answer).__name__)


def _copied_array(answer: Any, depth: int) -> Any:
    copied = np.array(answer, copy=True, subok=False)
    # Objects are the learner's: what they say as numbers is asked here, where their code is guarded.
    return _settled(copied.tolist(), depth + 1) if copied.dtype.kind == "O" else copied


def _expect_not_huge(size: int) -> None:
    if size > _MOST_NUMBERS:
        raise Miss(
            f"{size:,} numbers came, no exercise asks for so many",
            "Print the shape of what you hand over. Was something repeated, or broadcast to a table?",
        )


def _numbers(settled: Any, kind: str) -> Array:
    """The numbers of a settled answer, as float64, in their shape; ``kind`` is what it was, for messages."""
    if isinstance(settled, list):
        parts = [_numbers(part, type(part).__name__) for part in settled]
        if len({part.shape for part in parts}) > 1:
            raise Miss(
                "rows of different lengths came",
                "Hand over one list of numbers, or a table whose rows are equally long.",
            )
        _expect_not_huge(sum(part.size for part in parts))
        return np.array(parts, dtype=np.float64)
    if hasattr(settled, "detach"):
        settled = settled.detach().cpu()
        settled = (settled if settled.is_complex() else settled.double()).numpy()
    if isinstance(settled, int):
        try:
            return np.array(float(settled))
        except OverflowError:
            raise Miss(
                "a number came that is too large for the machine",
                "Numbers go up to about 1.8e308. Is there a power too many?",
            ) from None
    values = np.asarray(settled)
    if values.dtype.kind == "c":
        raise Miss("complex numbers came", "All numbers here are real. Is there a root of something negative?")
    if values.dtype.kind not in "biuf":
        raise _no_numbers(kind)
    return np.array(values, dtype=np.float64)


def _no_numbers(kind: str) -> Miss:
    return Miss(
        f"a {kind} came, numbers are wanted",
        "If it is a function, call it and hand over what it returns. If it is text, take the quotes away.",
    )


def function(call: str, *, elementwise: bool = False) -> Callable[[object], Function]:
    """Make a reader for functions.

    Args:
        call: How the check calls it, for messages: ``"weights(target, max_rul)"``.
        elementwise: Whether a function written for one number at a time is welcome too.
    """

    def read(answer: object) -> Function:
        if answer is None or answer is ...:
            raise NotYet
        if not callable(answer):
            raise Miss(
                f"a {type(answer).__name__} came, a function is wanted",
                f"Hand over the function itself, without calling it: the check calls `{call}`.",
            )
        return Function(answer, call, elementwise)

    return read


class Function:
    """A learner's function: copies of our arrays go in, and a copy of what it returns is what a property sees.

    It is offered NumPy arrays first; if it refuses them, torch tensors (where torch is in use already), and then, where
    that makes sense, one number after the other.
    """

    def __init__(self, call: Callable[..., Any], shown: str, elementwise: bool) -> None:
        self.call = call
        self.shown = shown
        self.elementwise = elementwise
        self._signature: inspect.Signature | None = None
        with contextlib.suppress(ValueError):  # some functions written in C have none to show
            self._signature = inspect.signature(call)

    def __call__(self, *args: Any) -> Any:
        """What the function returns for ``args``: a copy of it, with lists for tuples."""
        self._expect_arguments(args)
        refusal: Exception | None = None
        for attempt in self._dialects(args):
            try:
                return _guard.run(_quietly(attempt))
            except NotImplementedError:
                raise NotYet from None
            except (Miss, NotYet):
                raise
            except Exception as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal

    def refusal(self, *args: Any, kind: type[Exception]) -> Exception | None:
        """What the function raises for ``args``, if possible of this ``kind``; None if it returns."""
        self._expect_arguments(args)
        refusals: list[Exception] = []
        for attempt in self._dialects(args):
            try:
                _guard.run(_quietly(attempt))
            except (Miss, NotYet):
                raise
            except Exception as error:
                refusals.append(error)
            else:
                return None
        return next((error for error in refusals if isinstance(error, kind)), refusals[0])

    def array(self, *args: Any) -> Array:
        """The returned vector: as many finite numbers as the first argument has."""
        return self._sized(vector(self(*args)), np.size(args[0]))

    def number(self, *args: Any) -> float:
        """The one finite number that the function returns."""
        returned = vector(self(*args))
        if returned.size != 1:
            raise Miss(f"`{self.shown}` returned {returned.size} numbers, one is wanted", "Is a mean or a sum missing?")
        return float(returned[0])

    def loss_and_gradient(self, *args: Any) -> tuple[float, Array]:
        """The returned pair: a number, and as many as the first argument has."""
        returned = self(*args)
        if not isinstance(returned, list) or len(returned) != 2:
            raise Miss(f"`{self.shown}` returned one thing, two are wanted", "End with `return loss, grad`.")
        loss, grad = vector(returned[0]), vector(returned[1])
        wanted = np.size(args[0])
        if loss.size == wanted > 1 == grad.size:
            raise Miss(
                "the gradient came first and the loss second",
                "They are wanted the other way round: `return loss, grad`.",
            )
        if loss.size != 1:
            raise Miss(f"the loss is {loss.size} numbers, it must be one", "Is the mean over the batch missing?")
        return float(loss[0]), self._sized(grad, wanted)

    def _expect_arguments(self, args: tuple[Any, ...]) -> None:
        if self._signature is None:
            return
        try:
            self._signature.bind(*args)
        except TypeError as error:
            raise Miss(
                f"the check calls `{self.shown}`, and your function cannot take that: {error}",
                "Keep the arguments of the stub, in their order.",
            ) from None

    def _sized(self, returned: Array, wanted: int) -> Array:
        if returned.size != wanted:
            raise Miss(
                f"`{self.shown}` returned {_count(returned.size)} for {_count(wanted)}",
                "As many are wanted as come in. Look for a sum or a mean too many, or for one that is missing.",
            )
        return returned

    def _dialects(self, args: tuple[Any, ...]) -> Iterator[Callable[[], Any]]:
        yield lambda: self.call(*(_copied(arg) for arg in args))
        torch = sys.modules.get("torch")
        if torch is not None and _holds_array(args):
            yield lambda: self.call(*(_copied(arg, torch.tensor) for arg in args))
        if self.elementwise:
            yield lambda: [self.call(value, *map(_copied, args[1:])) for value in np.atleast_1d(args[0]).tolist()]


def _quietly(attempt: Callable[[], Any]) -> Callable[[], Any]:
    """``attempt``, and its result settled, without warnings: a division by zero shows in what is returned."""

    def call() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _settled(attempt())

    return call


def slopes(loss: Callable[[Array], float], at: Array, step: float) -> Array:
    """The slope of a loss in each entry of ``at``, by central differences.

    A step of 1e-4 and less is for double precision only: in single, a difference that small is all rounding. Where a
    learner may compute in single, try a longer one as well; for a square every step is exact.
    """
    found = np.empty(at.size)
    for i, shift in enumerate(step * np.eye(at.size)):
        nudge = shift.reshape(at.shape)
        found[i] = (loss(at + nudge) - loss(at - nudge)) / (2 * step)
    return found


def expect(condition: bool | np.bool_, seen: str, hint: str) -> None:
    """Raise :class:`Miss` unless ``condition`` holds."""
    if not condition:
        raise Miss(seen, hint)


def close(got: Any, wanted: Any, tolerance: float = 1e-6) -> bool:
    """Whether all numbers agree, relative to their size (or absolutely, where they are small)."""
    return bool(np.allclose(got, wanted, rtol=tolerance, atol=tolerance))


def is_number(
    got: float, wanted: float, what: str, hint: str, slips: dict[float, str] | None = None, tolerance: float = 1e-6
) -> None:
    """Expect a number of a function; a value that comes of a known slip earns the hint for that slip.

    Where the number is the answer itself, use :func:`is_secret`: this message says what was expected.

    Args:
        got: The learner's number.
        wanted: The right one.
        what: What the number is, for the message: "the weight at the cap".
        hint: The hint if none of the slips fits.
        slips: Wrong values that have a known cause, each with its hint.
        tolerance: How far ``got`` may be off, relative to its size.
    """
    if not close(got, wanted, tolerance):
        raise Miss(f"{what} is {show(got, wanted)}, expected {show(wanted, got)}", slip(got, slips or {}, hint))


def is_secret(
    got: float, wanted: float, what: str, hint: str, slips: dict[float, str] | None = None, tolerance: float = 1e-6
) -> None:
    """Expect a number, as :func:`is_number` does, without saying which: the hint leads there."""
    if not close(got, wanted, tolerance):
        raise Miss(f"{what} is not {show(got, wanted)}", slip(got, slips or {}, hint))


def is_pair(answer: object, hint: str) -> tuple[Any, Any]:
    """The two parts of an answer that must be a pair."""
    if answer is None or answer is ...:
        raise NotYet
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Miss("one thing came, two are wanted", hint)
    _settled(answer)
    return answer[0], answer[1]


def slip(got: float, slips: dict[float, str], hint: str) -> str:
    """The hint for the known wrong value that ``got`` is, to three digits; else ``hint``."""
    return next((text for value, text in slips.items() if abs(got - value) <= 2e-3 * abs(value) + 1e-9), hint)


def show(value: float | np.floating[Any], *others: float | np.floating[Any]) -> str:
    """A number as a person would write it, with as many digits as tell it from ``others``.

    Four digits do for most; no exponent for everyday sizes, no minus before a zero, whole numbers whole.
    """
    number = float(value)
    different = [float(other) for other in others if float(other) != number]
    for digits in range(4, 18):
        text = _written(number, digits)
        if all(text != _written(other, digits) for other in different):
            return text
    return repr(number)


def row(values: Sequence[float] | Array, *others: float) -> str:
    """Several numbers as :func:`show` writes them, with commas between; what is equal but for rounding looks equal."""
    apart = [[other for other in others if not math.isclose(value, other, rel_tol=1e-12)] for value in values]
    return ", ".join(show(value, *different) for value, different in zip(values, apart, strict=True))


def _written(number: float, digits: int) -> str:
    if not math.isfinite(number):
        return f"{number:g}"
    if number == round(number) and abs(number) < 1e12:
        return f"{int(number):,}" if abs(number) >= 10_000 else f"{int(number)}"
    rounded = float(f"{number:.{digits}g}") + 0.0
    if 1e-4 <= abs(rounded) < 1e6 or rounded == 0:
        return f"{rounded:.{digits}g}" if abs(rounded) < 10**digits else f"{rounded:.0f}"
    return f"{number:.{digits}g}"


def _copied(arg: Any, convert: Callable[[Any], Any] = np.array) -> Any:
    """A copy of what goes in, arrays in lists included; tensors go as they are, with their graph."""
    if isinstance(arg, np.ndarray):
        return convert(arg)
    if isinstance(arg, (list, tuple)):
        return type(arg)(_copied(part, convert) for part in arg)
    return arg


def _holds_array(arg: Any) -> bool:
    return isinstance(arg, np.ndarray) or (isinstance(arg, (list, tuple)) and any(map(_holds_array, arg)))


def _count(size: int) -> str:
    return "1 number" if size == 1 else f"{size} numbers"
