"""What the command says: one line for a complaint, and the library's words for an argument in those of the shell."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rulbook.errors import InputError
from rulbook.files import one_line

__all__ = ["in_words_of_the_shell", "lower_first", "said", "say"]

_LONGEST_LINE = 1000
# Arguments of rulbook.data that options stand for.
_OPTIONS = {
    "unit": "--unit",
    "cycle": "--cycle",
    "settings": "--settings",
    "sensors": "--sensors",
    "test": "--test",
    "test_rul": "--test-rul",
    "test_fraction": "--test-fraction",
    "window": "--window",
    "max_rul": "--cap",
    "thresholds": "--thresholds",
    "time_unit": "--time-unit",
    "health": "--health",
}


def say(line: str) -> None:
    """One line on standard error, however long what a library put into it."""
    text = one_line(line)
    text = text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1]}…"
    with suppress(OSError):
        print(text, file=sys.stderr)


def lower_first(text: str) -> str:
    """A sentence as the continuation of another; abbreviations stay."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


@contextmanager
def in_words_of_the_shell(files: Sequence[str], test: Sequence[str] = ()) -> Iterator[None]:
    """Errors of :mod:`rulbook.data` name the files and the options instead of its arguments."""
    try:
        yield
    except InputError as error:
        raise type(error)(said(str(error), files, test)) from error


def said(text: str, files: Sequence[str] = (), test: Sequence[str] = ()) -> str:
    """A message of :mod:`rulbook.data` with files and options in the places of its arguments."""
    text = text.replace("health=MeasuredHealth(column, classes)", "--health-classes")
    place = files[0] if len(files) == 1 else f"the table of {len(files)} files"
    if files:
        text = re.sub(r"^(the )?frame\b", place, text)
    if test:
        text = re.sub(r"^test\b(?= (holds|has|lacks|is)\b)", test[0], text)
    for name, option in _OPTIONS.items():
        # `unit=`, `max_rul is 3`, and one of two: `thresholds[0] is`.
        text = re.sub(rf"\b{name}=", f"{option} ", text)
        text = re.sub(
            rf"(^|: |and |, |Give ){name}(?=(\[\d\])? (is|are|names|holds|has|lacks)\b)", rf"\1{option}", text
        )
    return re.sub(r"(--[\w-]+) (?=[,.]|$)", r"\1", text)
