"""JSON from files that anybody may have written: an object, not nested beyond reason, or a sentence."""

from __future__ import annotations

import json
from typing import Any

from rulbook._check import shown
from rulbook.errors import InputError
from rulbook.files import one_line

__all__ = ["json_object"]

# What rulbook writes has six levels. Far more of them make Python stumble later, where nobody expects it.
_MOST_LEVELS = 64


def json_object(name: str, text: str) -> dict[str, Any]:
    """The object that ``text`` holds.

    Raises:
        ValueError: If it is no JSON, no object, or nested too deep; the message begins with ``name``.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise InputError(f"{name} is nested too deep.") from error
    except ValueError as error:
        raise InputError(f"{name} is no JSON: {one_line(error)}.") from error
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            break
    else:
        raise InputError(f"{name} is nested too deep.")
    if not isinstance(value, dict):
        raise InputError(f"{name} is {shown(value)}: it must be a JSON object.")
    return value


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
