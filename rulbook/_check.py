"""Checks at the public edge: each raises an ``InputError`` that names the argument, what came and what was wanted."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rulbook.errors import InputError

Array = NDArray[np.float64]


def finite_number(name: str, value: Any) -> float:
    """Return ``value`` as a float; refuse what is no number, NaN and infinity."""
    # A text that looks like a number is refused too: whoever had it should have read it.
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise InputError(f"{name} is {shown(value)}: it must be a number.")
    try:
        number = float(value)
    except OverflowError as error:
        raise InputError(f"{name} is {shown(value)}: it is too large for a number of the machine.") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {shown(value)}: it must be a number.") from error
    if not math.isfinite(number):
        raise InputError(f"{name} is {value}: it must be a finite number.")
    return number


def at_least(name: str, value: Any, low: float) -> float:
    """Return ``value`` if it is finite and not below ``low``."""
    number = finite_number(name, value)
    if number < low:
        raise InputError(f"{name} is {value}: it must be at least {low:g}.")
    return number


def above(name: str, value: Any, low: float) -> float:
    """Return ``value`` if it is finite and greater than ``low``."""
    number = finite_number(name, value)
    if number <= low:
        raise InputError(f"{name} is {value}: it must be greater than {low:g}.")
    return number


def within(name: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` if it lies in the closed interval from ``low`` to ``high``."""
    number = finite_number(name, value)
    if not low <= number <= high:
        raise InputError(f"{name} is {value}: it must lie between {low:g} and {high:g}.")
    return number


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return ``value`` if it is a whole number not below ``low`` and not above ``high``; 3.0 counts as 3."""
    wanted = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    try:
        whole_number = int(value) if finite_number(name, value).is_integer() else None
    except InputError as error:
        raise InputError(f"{name} is {shown(value)}: it must be {wanted}.") from error
    if whole_number is None or whole_number < low or (high is not None and whole_number > high):
        raise InputError(f"{name} is {shown(value)}: it must be {wanted}.")
    return whole_number


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return ``value`` if it is among ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} is {shown(value)}: it must be one of {', '.join(choices)}.")
    return value


def shown(value: object, longest: int = 80) -> str:
    """How a wrong value stands in a message: as Python writes it, on one line, not longer than a line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def existing_file(name: str, path: str | Path) -> Path:
    """Return ``path`` if a file is there."""
    found = Path(path)
    if not found.is_file():
        raise InputError(f"{name} is {str(path)!r}: no such file.")
    return found


def not_empty(name: str, values: Any) -> None:
    """Refuse an empty batch: a mean over nothing is not a number."""
    if len(values) == 0:
        raise InputError(f"{name} is empty: at least one value is needed.")


def same_length(name: str, values: Any, other_name: str, other: Any) -> None:
    """Refuse two batches that do not pair up."""
    if len(values) != len(other):
        raise InputError(f"{name} has {len(values)} values but {other_name} has {len(other)}: they must agree.")


def paired(pred: ArrayLike, true: ArrayLike, true_name: str = "target") -> tuple[Array, Array]:
    """Two finite vectors of one length, not empty, as float64; (B,) and (B, 1) mean the same."""
    flat_pred, flat_true = flat("pred", pred), flat(true_name, true)
    same_length("pred", flat_pred, true_name, flat_true)
    not_empty("pred", flat_pred)
    return flat_pred, flat_true


def numbers(name: str, values: ArrayLike) -> Array:
    """A float64 array of any shape; refuse text, complex numbers and what is no array."""
    given: Any = values
    if hasattr(given, "detach"):  # A tensor of PyTorch: its graph is no part of the value.
        given = given.detach().cpu()
        given = given.double() if given.is_floating_point() else given  # NumPy knows no bfloat16.
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "biufO" or any(isinstance(value, (str, bytes)) for value in array.flat):
            raise TypeError
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name} is {shown(values)}: it must be an array of numbers.") from error


def flat(name: str, values: ArrayLike) -> Array:
    """A finite float64 vector from shape (B,) or (B, 1)."""
    array = numbers(name, values)
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise InputError(f"{name} has shape {array.shape}: it must be (batch,) or (batch, 1).")
    finite(name, array)
    return array.reshape(-1)


def finite(name: str, array: Array) -> None:
    """Refuse NaN and infinity, and say where the first one stands."""
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise InputError(f"{name} holds {array[where]} at position {where}: every value must be finite.")
