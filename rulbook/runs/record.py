"""The record of a finished run, ``record.json``: read with a check of all that is asked of it later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rulbook._check import existing_file, shown
from rulbook._json import json_object
from rulbook.errors import InputError
from rulbook.files import one_line

__all__ = ["RecordError", "read_record"]


class RecordError(InputError):
    """A ``record.json`` that is damaged, or that another version wrote. The message names the file."""


# No score comes near it, and a whole number beyond it cannot be shown as one with a point.
_HUGE = 1e300
_NUMBER = "a number"
_WHOLE = "a whole number"
_TEXT = "a text"
_OBJECT = "an object"
_SCORES = dict.fromkeys(("rmse", "nasa_score", "health_accuracy", "health_macro_f1"), _NUMBER)
_QUARTILES = dict.fromkeys(("q1", "median", "q3"), _NUMBER)
_PROTOCOLS = {
    "uncapped": _SCORES,
    "all_windows": _SCORES,
    "best_test_epoch": {"epoch": _WHOLE, **_SCORES},
}
_SHAPE: dict[str, Any] = {
    "data": {"subset": _TEXT, "split": _TEXT},
    "config": {"method": _TEXT, "preset": _TEXT, "seed": _WHOLE, "epochs": _WHOLE},
    "config_hash": _TEXT,
    "selected_epoch": _WHOLE,
    "epochs": _WHOLE,
    "task_weights": [_NUMBER, _NUMBER],
    "last_task_weights": [_NUMBER, _NUMBER],
    "training_seconds": _NUMBER,
    "windows_per_second": _NUMBER,
    "versions": {"torch": _TEXT},
    "machine": {"device": _TEXT, "threads": _WHOLE},
    "date": _TEXT,
}


def read_record(path: str | Path) -> dict[str, Any]:
    """A record as :func:`rulbook.runs.run.run_experiment` wrote it.

    Raises:
        RecordError: If it is no JSON, or an entry is missing or of another kind than it was written with. Entries that
            this version does not know are left as they are.
        ValueError: If there is no such file.
    """
    file = existing_file("record", path)
    where = f"record {str(path)!r}"
    try:
        record = json_object("it", file.read_text(encoding="utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        raise RecordError(f"{where} is damaged: {one_line(error)} {_REMEDY}") from error
    if fault := _fault(record, _SHAPE, ""):
        raise RecordError(f"{where} is damaged, or of another version: {fault}. {_REMEDY}")
    # A run without test engines has no scores of theirs; one that measured no gradients has nothing there.
    for name, shape in _OPTIONAL.items():
        if name in ("test", "other_protocols") and name not in record:
            raise RecordError(f"{where} is damaged, or of another version: it has no {name}. {_REMEDY}")
        part = record.get(name)
        if part not in (None, {}) and (fault := _fault(part, shape, name)):
            raise RecordError(f"{where} is damaged, or of another version: {fault}. {_REMEDY}")
    return record


_OPTIONAL: dict[str, Any] = {
    "validation": _SCORES,
    "test": _SCORES,
    "other_protocols": _PROTOCOLS,
    "gradients": {"norm_ratio": _QUARTILES, "cosine": _QUARTILES},
}
_REMEDY = "Remove it, and the run is finished anew from what else is in its folder."


def _fault(value: Any, shape: Any, name: str) -> str:
    """What is wrong with the first entry that is not as ``shape`` has it; empty if nothing is."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _sentence(name, value, _OBJECT)
        for key, part in shape.items():
            whole_name = f"{name}.{key}" if name else key
            if key not in value:
                return f"it has no {whole_name}"
            if fault := _fault(value[key], part, whole_name):
                return fault
        return ""
    if isinstance(shape, list):
        if not isinstance(value, list) or len(value) != len(shape):
            return _sentence(name, value, f"a list of {len(shape)}")
        parts = enumerate(zip(value, shape, strict=True))
        return next(filter(None, (_fault(one, part, f"{name}[{at}]") for at, (one, part) in parts)), "")
    return "" if _is(value, shape) else _sentence(name, value, shape)


def _is(value: Any, kind: str) -> bool:
    if kind == _TEXT:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) if kind == _WHOLE else abs(value) < _HUGE


def _sentence(name: str, value: Any, wanted: str) -> str:
    return f"{name or 'it'} is {shown(value, 40)}, and must be {wanted}"
