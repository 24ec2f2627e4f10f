"""The settings of a run as whoever reads them from a text needs them: name, kind, default and what it says about each.

They are read off the fields of a dataclass and its docstring. So a new field appears on the command line and in sweep
files by itself, and is described in one place.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date, time
from inspect import getdoc
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rulbook._check import finite_number, one_of, shown
from rulbook.errors import InputError

__all__ = ["LARGEST_SEED", "Setting", "settings_of"]

LARGEST_SEED = 2**32 - 1
"""NumPy's and scikit-learn's generators take no larger one."""

_LARGEST_WHOLE = 2**31 - 1
_LARGEST_NUMBER = 3e38  # of the network's 32 bits


@dataclass(frozen=True)
class Setting:
    """One field of a settings class.

    Attributes:
        name: The field, or what its metadata call it as a setting.
        kind: ``str``, ``bool``, ``int`` or ``float``.
        default: None where there is none.
        choices: The values it can take, where its type lists them.
        optional: Whether it may be None.
        help: What the docstring says about it.
    """

    name: str
    kind: type
    default: Any
    choices: tuple[str, ...] = ()
    optional: bool = False
    help: str = ""

    def read(self, value: Any) -> Any:
        """``value`` as the field's own type.

        Raises:
            ValueError: If it is of another kind, such as a text that looks like a number, or too large.
        """
        if value is None and self.optional:
            return None
        if self.choices:
            return one_of(self.name, value, self.choices)
        if self.kind in (str, bool):
            if not isinstance(value, self.kind):
                raise InputError(f"{self._came(value)}: it must be {_WANTED[self.kind]}.")
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{self._came(value)}: it must be {_WANTED[self.kind]}.")
        number = finite_number(self.name, value)
        if self.kind is int:
            if not number.is_integer():
                raise InputError(f"{self._came(value)}: it must be {_WANTED[int]}.")
            largest: float = LARGEST_SEED if self.name == "seed" else _LARGEST_WHOLE
        else:
            largest = _LARGEST_NUMBER
        if number > largest:
            raise InputError(f"{self._came(value)}: it must be at most {largest:,}.")
        return self.kind(value)

    def _came(self, value: Any) -> str:
        kinds = {str: "a text", bool: "true or false", list: "a list", dict: "a table", date: "a date", time: "a time"}
        kind = next((words for known, words in kinds.items() if isinstance(value, known)), "")
        return f"{self.name} is {shown(value)}" + (f", {kind}" if kind else "")


_WANTED: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def settings_of(settings_class: type) -> list[Setting]:
    """The fields of a dataclass, in their order.

    Raises:
        TypeError: If a field is of a type that no text can give.
    """
    hints = get_type_hints(settings_class)
    told = dict(_attributes(getdoc(settings_class) or ""))
    return [_setting(field, hints[field.name], told.get(field.name, "")) for field in fields(settings_class)]


def _setting(field: Field[Any], hint: Any, told: str) -> Setting:
    default = None if field.default is MISSING else field.default
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        optional = len(inner) < len(get_args(hint))
        # What may be an object too is in a text its name.
        hint = str if str in inner else inner[0] if len(inner) == 1 else hint
    choices: tuple[str, ...] = ()
    if get_origin(hint) is Literal:
        choices = tuple(map(str, get_args(hint)))
        hint = str
    if hint not in _WANTED:
        raise TypeError(f"{field.name} is of type {hint}: settings are texts, numbers, or true or false.")
    return Setting(field.metadata.get("setting", field.name), hint, default, choices, optional, told)


def _attributes(doc: str) -> Iterator[tuple[str, str]]:
    """Names and descriptions in the section ``Attributes:`` of a docstring, as plain text."""
    section = doc.partition("Attributes:\n")[2].partition("\n\n")[0]
    for entry in re.split(r"\n(?= {4}\S)", "\n" + section):
        name, colon, words = entry.strip().partition(":")
        if colon:
            plain = re.sub(r":\w+:`~?([^`]+)`", r"\1", " ".join(words.split()))
            yield name.strip(), plain.replace("``", "").rstrip(".")
