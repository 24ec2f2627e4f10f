"""Measured numbers as text: one form of JSON, rounding, and where two results differ."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rulbook._check import shown, whole
from rulbook.errors import InputError

__all__ = ["as_text", "digits", "disagreements", "plain"]

_WIDTH = 150
"""Characters of a dictionary that stays on one line; a list of numbers always does."""


def digits(value: Any, count: int = 4) -> float:
    """A number with so many significant digits.

    Args:
        value: A number, also of NumPy or PyTorch.
        count: How many digits.

    Raises:
        ValueError: If ``count`` is less than 1.
    """
    return float(f"{float(value):.{whole('count', count, 1)}g}")


def plain(value: Any, where: str = "result") -> Any:
    """The same in what JSON knows: numbers of NumPy and PyTorch become Python's, arrays and tuples lists.

    Raises:
        ValueError: If something is no number, text, list or dictionary, is not finite, or has a key that is no text.
    """
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise InputError(f"{where} has the key {shown(wrong)}: a key must be text.")
        return {key: plain(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part, f"{where}[{i}]") for i, part in enumerate(value)]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{where} is {value}: a number in a file must be finite; None says that there is none.")
        return float(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist(), where)
    raise InputError(f"{where} is {shown(value)}: it must be a number, text, a list or a dictionary of such.")


def as_text(result: Mapping[str, Any]) -> str:
    """The text of a JSON file: lists of numbers and short dictionaries on one line, everything else indented by one.

    Raises:
        ValueError: If something in it cannot stand in a JSON file, or is not finite.
    """
    return _lines(plain(result), 0) + "\n"


def _lines(value: Any, depth: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    leaf = not any(isinstance(part, (dict, list)) and part for part in parts)
    if leaf and (isinstance(value, list) or len(flat) + depth <= _WIDTH):
        return flat
    if not parts:
        return flat
    margin = "\n" + " " * (depth + 1)
    if isinstance(value, list):
        inner = [_lines(part, depth + 1) for part in value]
    else:
        inner = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(part, depth + 1)}" for key, part in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return opening + margin + f",{margin}".join(inner) + "\n" + " " * depth + closing


def disagreements(
    again: Any, stored: Any, tolerance: float = 1e-6, *, piece: bool = False, where: str = "result"
) -> list[str]:
    """Where a result differs from a stored one, in words; an empty list says that they agree.

    Args:
        again: What was measured now.
        stored: What the file holds.
        tolerance: Numbers may differ by so much, and by so large a share of the stored one.
        piece: ``again`` is a piece of the result: its dictionaries may lack keys, and its lists end early.
        where: How the place is called.
    """
    if isinstance(again, dict) and isinstance(stored, dict):
        unknown = [key for key in again if key not in stored]
        lacking = [] if piece else [key for key in stored if key not in again]
        found = [f"{where} has no {key!r} in the file." for key in unknown]
        found += [f"{where} has no {key!r} now." for key in lacking]
        for key in again:
            if key in stored:
                found += disagreements(again[key], stored[key], tolerance, piece=piece, where=f"{where}[{key!r}]")
        return found
    if isinstance(again, list) and isinstance(stored, list):
        if len(again) > len(stored) or (len(again) < len(stored) and not piece):
            return [f"{where} has {len(again)} entries now, and {len(stored)} in the file."]
        return [
            line
            for i, part in enumerate(again)
            for line in disagreements(part, stored[i], tolerance, piece=piece, where=f"{where}[{i}]")
        ]
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (again, stored))
    if numbers and math.isclose(again, stored, rel_tol=tolerance, abs_tol=tolerance):
        return []
    if not numbers and type(again) is type(stored) and again == stored:
        return []
    return [f"{where} is {shown(again)} now, and {shown(stored)} in the file."]
