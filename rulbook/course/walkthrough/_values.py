"""What a reader is shown of a value: its kind, its shape and its leading numbers, the same on every machine.

Only leading values are read, so a large tensor is never copied; a tensor is read through ``detach``, so autograd does
not notice. Numbers are rounded to five significant digits, and addresses are never shown.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

Role = Literal["argument", "bound", "changed", "read", "returned"]

_ITEMS = 8
_ROWS, _COLUMNS = 6, 6
_TEXT = 60
# Below this, next to values of order one, only rounding errors live, and they differ between machines.
_NOISE = 1e-12


@dataclass(frozen=True, slots=True)
class Value:
    """A named value at one moment of a run.

    Attributes:
        name: The variable, or the expression that was returned.
        kind: ``"float"``, ``"list of 6"``, ``"array float64 (6,)"``, ``"tensor float32 (6,), requires grad"``.
        text: The leading values; empty where a value has none to show.
        role: How the line touched it.
        shape: Of arrays and tensors, else None.
        dtype: Of arrays and tensors, else None.
    """

    name: str
    kind: str
    text: str
    role: Role
    shape: tuple[int, ...] | None = None
    dtype: str | None = None

    def __str__(self) -> str:
        typed = f"{self.name}: {self.kind}" if self.name else self.kind
        return f"{typed} = {self.text}" if self.text else typed

    def looks_like(self, other: Value | None) -> bool:
        """Whether a reader could not tell the two apart."""
        return other is not None and (self.kind, self.text) == (other.kind, other.text)


def describe(name: str, value: object, role: Role) -> Iterator[Value]:
    """The value, and for a tensor that has gathered a gradient, that gradient."""
    try:
        yield from _described(name, value, role)
    except Exception as error:  # Whatever a foreign type does when read, a display must not fail the code it watches.
        yield Value(name, type(value).__name__, f"cannot be shown ({type(error).__name__})", role)


def _described(name: str, value: Any, role: Role) -> Iterator[Value]:
    if _is(value, "torch", "Tensor"):
        yield _tensor(name, value, role)
        grad = value.grad if value.is_leaf else None
        if grad is not None:
            yield _tensor(f"{name}.grad", grad, role)
    elif isinstance(value, np.ndarray | np.generic):
        shape, dtype = tuple(value.shape), str(value.dtype)
        kind = f"array {dtype} {shape}" if isinstance(value, np.ndarray) else f"NumPy {dtype}"
        yield Value(name, kind, _numbers(value), role, shape, dtype)
    elif _is(value, "pandas", "Series"):
        shape, dtype = tuple(value.shape), str(value.dtype)
        yield Value(name, f"Series {dtype} {shape}", _text(value.iloc[: _ITEMS + 1].tolist()), role, shape, dtype)
    elif _is(value, "pandas", "DataFrame"):
        columns = _joined(map(str, value.columns), len(value.columns))
        yield Value(name, f"DataFrame {value.shape}", f"columns {columns}", role, tuple(value.shape))
    elif value is None:
        yield Value(name, "None", "", role)
    else:
        yield Value(name, _kind(value), _text(value), role)


def number(value: float, scale: float = 1.0) -> str:
    """Five significant digits, and ``~0`` for what is rounding error next to ``scale``."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if abs(value) < _NOISE * max(1.0, scale):
        return "~0"
    if not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.4e}".split("e")
        return f"{_trim(mantissa)}e{int(exponent)}"
    return _trim(f"{value:.{max(0, 4 - math.floor(math.log10(abs(value))))}f}")


def _trim(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _tensor(name: str, tensor: Any, role: Role) -> Value:
    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    kind = f"tensor {dtype} {shape}"
    if tensor.device.type != "cpu":
        kind += f" on {tensor.device}"
    if tensor.grad_fn is not None:
        kind += f", grad_fn {tensor.grad_fn.name()}"
    elif tensor.requires_grad:
        kind += ", requires grad"
    return Value(name, kind, _numbers(tensor.detach()), role, shape, dtype)


def _numbers(array: Any) -> str:
    """The leading values of an array or a detached tensor, row by row."""
    shape = tuple(array.shape)
    limits = (_ITEMS,) if len(shape) == 1 else (2,) * (len(shape) - 2) + (_ROWS, _COLUMNS)
    try:
        leading = array[tuple(slice(limit) for limit in limits)].tolist() if shape else array.item()
    except (RuntimeError, TypeError) as error:
        # A meta or sparse tensor has no values to read; a display must never fail the code that it watches.
        return f"values cannot be read ({type(error).__name__})"
    finite = [abs(x) for x in _flatten(leading) if isinstance(x, int | float) and math.isfinite(x)]
    return _nested(leading, shape, max(finite, default=1.0))


def _flatten(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for item in values:
            yield from _flatten(item)
    else:
        yield values


def _nested(values: Any, shape: tuple[int, ...], scale: float) -> str:
    if not shape:
        return number(values, scale) if isinstance(values, float) else _text(values)
    items = [_nested(item, shape[1:], scale) for item in values]
    if len(values) < shape[0]:
        items.append("…")
    return "[" + (",\n " if len(shape) == 2 and shape[1] > 1 else ", ").join(items) + "]"


def _kind(value: object) -> str:
    sized = isinstance(value, list | tuple | dict | set | frozenset | bytes)
    return f"{type(value).__name__} of {len(value)}" if sized else type(value).__name__  # type: ignore[arg-type]


def _text(value: Any, deep: int = 2) -> str:
    """The value in one line; nothing for objects that only their address would tell apart."""
    match value:
        case int() if value.bit_length() > 128:
            return f"a number of {value.bit_length()} bits"
        case None | bool() | int() | np.bool_() | np.integer():
            return str(value)
        case float() | np.floating():
            text = number(float(value))
            return f"{text}.0" if text.lstrip("-").isdigit() else text
        case complex() | np.complexfloating():
            pair = complex(value)
            return f"{number(pair.real)} + {number(pair.imag)}j"
        case str():
            return repr(value if len(value) <= _TEXT else value[:_TEXT] + "…")
        case list():
            return f"[{_items(value, deep)}]"
        case tuple():
            return f"({_items(value, deep)}{',' if len(value) == 1 else ''})"
        case dict():
            return f"{{{_items(value, deep)}}}"
        case np.ndarray():
            return _numbers(value).replace("\n", "")
    if _is(value, "torch", "Tensor"):
        return _numbers(value.detach()).replace("\n", "")
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        return str(getattr(value, "__name__", ""))
    return ""


def _items(values: list[Any] | tuple[Any, ...] | dict[Any, Any], deep: int) -> str:
    if not deep:
        return "…"
    if isinstance(values, dict):
        texts = (f"{_text(key)}: {_text(item, deep - 1) or _kind(item)}" for key, item in values.items())
    else:
        texts = (_text(item, deep - 1) or _kind(item) for item in values)
    return _joined(texts, len(values))


def _joined(texts: Iterable[str], count: int) -> str:
    shown = list(islice(texts, _ITEMS))
    return ", ".join([*shown, "…"] if count > _ITEMS else shown)


def _is(value: object, module: str, name: str) -> bool:
    """Whether the value is of a library's class; a library that nobody has imported is not imported for display."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)
