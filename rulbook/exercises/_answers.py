"""Reading answers: numbers, vectors and functions, from plain Python, NumPy or torch alike."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rulbook._check import Array
from rulbook.exercises._exercise import Miss, NotYet

__all__ = ["Function", "close", "expect", "function", "is_number", "number", "show", "slip", "vector"]


def number(answer: object) -> float:
    """Read one finite number."""
    value = vector(answer)
    if value.size != 1:
        raise Miss(f"{value.size} numbers came, one is wanted", "Hand over a single number, not a list.")
    return float(value[0])


def vector(answer: object) -> Array:
    """Read a list, a tuple, an array or a tensor of finite numbers as a vector; a number is a vector of one."""
    if answer is None or answer is ... or (isinstance(answer, (list, tuple)) and any(part is ... for part in answer)):
        raise NotYet
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise Miss(
            f"a {type(answer).__name__} came, numbers are wanted",
            "If it is a function, call it and hand over what it returns. If it is text, take the quotes away.",
        ) from None
    if not np.isfinite(values).all():
        raise Miss(
            f"{show(values[~np.isfinite(values)][0])} is among the numbers",
            "Something was divided by zero, or grew beyond all bounds. Print the steps in between.",
        )
    return values.reshape(-1)


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
    """A learner's function: copies of our arrays go in, and what it returns is checked before a property sees it.

    It is offered NumPy arrays first; if it refuses them, torch tensors (where torch is in use already), and then, where
    that makes sense, one number after the other.
    """

    def __init__(self, call: Callable[..., Any], shown: str, elementwise: bool) -> None:
        self.call = call
        self.shown = shown
        self.elementwise = elementwise

    def __call__(self, *args: Any) -> Any:
        """What the function returns for ``args``, untouched."""
        self._expect_arguments(args)
        refusal: Exception | None = None
        for attempt in self._dialects(args):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # a division by zero shows in what is returned
                    returned = attempt()
            except NotImplementedError:
                raise NotYet from None
            except Exception as error:
                refusal = refusal or error
                continue
            if returned is ... or returned is None:
                raise NotYet
            return returned
        assert refusal is not None
        raise refusal

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
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise Miss(f"`{self.shown}` returned one thing, two are wanted", "End with `return loss, grad`.")
        loss, grad = vector(returned[0]), vector(returned[1])
        if loss.size != 1:
            raise Miss(f"the loss is {loss.size} numbers, it must be one", "Is the mean over the batch missing?")
        return float(loss[0]), self._sized(grad, np.size(args[0]))

    def _expect_arguments(self, args: tuple[Any, ...]) -> None:
        try:
            signature = inspect.signature(self.call)
        except ValueError:  # some functions written in C have none to show
            return
        try:
            signature.bind(*args)
        except TypeError as error:
            raise Miss(
                f"the check calls `{self.shown}`, and your function cannot take that: {error}",
                "Keep the arguments of the stub, in their order.",
            ) from None

    def _sized(self, returned: Array, wanted: int) -> Array:
        if returned.size != wanted:
            raise Miss(
                f"`{self.shown}` returned {_count(returned.size)} for {_count(wanted)}",
                "One number per engine is wanted. Look for a sum or a mean too many, or for one that is missing.",
            )
        return returned

    def _dialects(self, args: tuple[Any, ...]) -> Iterator[Callable[[], Any]]:
        yield lambda: self.call(*(_copied(arg) for arg in args))
        torch = sys.modules.get("torch")
        if torch is not None:
            yield lambda: self.call(
                *(torch.tensor(arg) if isinstance(arg, np.ndarray) else arg for arg in args)  # a copy too
            )
        if self.elementwise:
            yield lambda: [self.call(value, *args[1:]) for value in np.atleast_1d(args[0]).tolist()]


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
    """Expect a number; a value that comes of a known slip earns the hint for that slip.

    Args:
        got: The learner's number.
        wanted: The right one.
        what: What the number is, for the message: "the weight at the cap".
        hint: The hint if none of the slips fits.
        slips: Wrong values that have a known cause, each with its hint.
        tolerance: How far ``got`` may be off, relative to its size.
    """
    if close(got, wanted, tolerance):
        return
    raise Miss(f"{what} is {show(got)}, expected {show(wanted)}", slip(got, slips or {}, hint))


def slip(got: float, slips: dict[float, str], hint: str) -> str:
    """The hint for the known wrong value that ``got`` is, to three digits; else ``hint``."""
    return next((text for value, text in slips.items() if close(got, value, 2e-3)), hint)


def show(value: float | np.floating[Any]) -> str:
    """A number as a person would write it: four digits, no exponent for everyday sizes, no minus before a zero."""
    rounded = float(f"{float(value):.4g}") + 0.0
    return f"{rounded:g}" if abs(rounded) < 1e6 else f"{rounded:.3g}"


def _copied(arg: Any) -> Any:
    return arg.copy() if isinstance(arg, np.ndarray) else arg


def _count(size: int) -> str:
    return "1 number" if size == 1 else f"{size} numbers"
