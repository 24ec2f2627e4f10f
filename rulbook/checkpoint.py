"""Files that hold a trained model: tensors as safetensors, everything else as JSON in the same file's header.

One file, so that the two cannot disagree; a checksum over both, so that a damaged file is refused and not believed; no
pickle, so that opening one runs no code. Equal content makes equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from rulbook import __version__
from rulbook._check import existing_file, finite_number, shown, whole, within
from rulbook._json import json_object
from rulbook._needs import needed
from rulbook.data import Columns, Horizon, Preprocessor
from rulbook.errors import InputError
from rulbook.files import one_line, write_atomically
from rulbook.model import DualTaskModel, ModelConfig

__all__ = ["Checkpoint", "load_checkpoint", "load_tensors", "save_checkpoint", "save_tensors", "versions"]

_FORMAT = "rulbook-2"
_EARLIER = ("rulbook-1",)
# Far beyond any network that is trained on sensor tables, and far below what makes a size overflow.
_WIDEST = 100_000

_Part = TypeVar("_Part")


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write named tensors and a JSON-able dictionary of facts to one safetensors file, with a checksum over both."""
    detached = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(facts)
    metadata = {"format": _FORMAT, "facts": text, "checksum": _checksum(text, detached)}
    write_atomically(path, _in_order(to_bytes(detached, metadata=metadata)))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        ValueError: If the file is missing, damaged in a single bit, was not written by rulbook or by a version that
            this one cannot read.
    """
    file = existing_file("checkpoint", path)
    name = f"checkpoint {str(file)!r}"
    try:
        with safe_open(str(file), framework="pt") as opened:
            header = opened.metadata() or {}
            _check_format(name, header)
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is not a whole safetensors file: {one_line(error)}.") from error
    if header["checksum"] != _checksum(header["facts"], tensors):
        raise InputError(f"{name} is damaged: its content is not what its checksum was made from. Take another copy.")
    facts = json_object(f"what {name} says in its header", header["facts"])
    _check_version(name, facts)
    return tensors, facts


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with what it needs to read raw sensor tables.

    Attributes:
        model: The network, in evaluation mode.
        preprocessor: Operating conditions and z-scores, as fitted on the training engines.
        horizon: Window, cap, health classes and unit of time that it was trained with.
        facts: How it came to be: data set, method, seed, selected epoch, versions.
        columns: By what names the user's table had its columns; None where the file does not say.
    """

    model: DualTaskModel
    preprocessor: Preprocessor
    horizon: Horizon
    facts: dict[str, Any]
    columns: Columns | None = None


def save_checkpoint(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    model: DualTaskModel,
    preprocessor: Preprocessor,
    horizon: Horizon,
    facts: Mapping[str, Any],
    *,
    columns: Columns | None = None,
) -> None:
    """Write ``tensors``, a state of ``model``, to one file from which :func:`load_checkpoint` can predict."""
    parts = {"model": model.config_dict(), "preprocessor": preprocessor.to_dict(), "horizon": horizon.to_dict()}
    if columns is not None:
        parts["columns"] = columns.to_dict()
    save_tensors(path, tensors, {"versions": versions(), **facts, **parts})


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by :func:`save_checkpoint`.

    Raises:
        ValueError: If the file is missing, damaged, of a later version, or holds no model; if a setting of the network,
            the preprocessor or the horizon is missing, unknown or out of range; if a tensor is missing, unknown, not
            finite or of another shape or type than the network's.
    """
    tensors, facts = load_tensors(path)
    name = f"checkpoint {str(path)!r}"
    if not {"model", "preprocessor", "horizon"} <= set(facts):
        raise InputError(f"{name} holds no model: give the file best.safetensors of a run.")
    columns = facts.pop("columns", None)
    preprocessor = _part(name, "preprocessor", facts.pop("preprocessor"), _preprocessor)
    horizon = _part(name, "horizon", facts.pop("horizon"), Horizon.from_dict)
    named = None if columns is None else _part(name, "columns", columns, Columns.from_dict)
    if named is not None and (named.setting_names, named.sensor_names) != (preprocessor.settings, preprocessor.sensors):
        raise InputError(f"{name} holds names of other columns than its preprocessor reads.")
    # Without memory first: a size that is wrong shall not be asked of the machine.
    values = _part(name, "model", facts.pop("model"), _model_values)
    with torch.device("meta"):
        _check_tensors(name, tensors, _part(name, "model", values, DualTaskModel.from_config_dict).state_dict())
    if values["n_features"] != len(preprocessor.sensors):
        raise InputError(
            f"{name} holds a network for {values['n_features']} sensors and a preprocessor for "
            f"{len(preprocessor.sensors)}: they must agree."
        )
    model = DualTaskModel.from_config_dict(values)
    # A network that was trained elsewhere may know neither.
    if model.max_rul not in (None, horizon.max_rul) or model.thresholds not in (None, horizon.thresholds):
        raise InputError(f"{name} holds a network and a horizon with different caps or health thresholds.")
    if model.n_classes != len(horizon.classes):
        raise InputError(
            f"{name} holds a network with {model.n_classes} health classes and the names of {len(horizon.classes)}."
        )
    model.load_state_dict(tensors)
    return Checkpoint(model.eval(), preprocessor, horizon, facts, named)


def versions() -> dict[str, str]:
    """The versions a result depends on."""
    import platform

    import numpy

    with needed():
        import sklearn

    return {
        "rulbook": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
    }


def _checksum(facts: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the facts, and over name, type, shape and bytes of every tensor."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        # As JSON, so that no two lists of names and shapes make one text.
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    digest.update(facts.encode())
    return digest.hexdigest()


def _in_order(content: bytes) -> bytes:
    """The same safetensors file with the entries of its metadata sorted: the library writes them in any order."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _check_format(name: str, header: Mapping[str, str]) -> None:
    found = header.get("format")
    if found in _EARLIER:
        raise InputError(
            f"{name} was written by an earlier rulbook, in the format {found!r}; this one reads {_FORMAT!r}: train "
            "the model again."
        )
    if found != _FORMAT:
        raise InputError(f"{name} was not written by rulbook, or by a later one: its header lacks {_FORMAT!r}.")
    if set(header) != {"format", "facts", "checksum"}:
        raise InputError(f"{name} has {', '.join(sorted(header))} in its header: it must be checksum, facts, format.")


def _check_version(name: str, facts: Mapping[str, Any]) -> None:
    found = facts.get("versions", {})
    version = found.get("rulbook", __version__) if isinstance(found, dict) else None
    numbers = _numbers(version)
    if numbers is None:
        raise InputError(f"{name} names the versions {shown(found)}: that of rulbook must be a text such as '0.1.0'.")
    if numbers > (_numbers(__version__) or ()):
        raise InputError(f"{name} was written by rulbook {version}, and this is {__version__}: install that version.")


def _numbers(version: object) -> tuple[int, ...] | None:
    """The first three numbers of a version; None if it is none."""
    if not isinstance(version, str):
        return None
    parts = version.split("+")[0].split(".")[:3]
    digits = ["".join(character for character in part if character in "0123456789") for part in parts]
    return None if not all(digits) or max(map(len, digits)) > 9 else tuple(map(int, digits))


def _part(name: str, part: str, values: Any, read: Callable[[Any], _Part]) -> _Part:
    """One entry of the facts read by its class; whatever that stumbles over, the message names file and entry."""
    try:
        return read(values)
    except InputError as error:
        raise InputError(f"{name} holds no usable {part}: {one_line(error)}") from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(f"{name} holds no usable {part}: {type(error).__name__}, {one_line(error)[:200]}.") from error


def _model_values(values: Any) -> dict[str, Any]:
    """The network's settings, each of its type and within bounds; what more there is, the network's class judges."""
    hints: dict[str, Any] = {"n_features": int, **get_type_hints(ModelConfig)}
    if not isinstance(values, dict):
        raise InputError(f"it is {shown(values)}, and must be a JSON object.")
    if missing := set(hints) - set(values):
        raise InputError(f"it lacks {_listed(missing)}.")
    checked = dict(values)
    for key, hint in hints.items():
        value = values[key]
        if hint is int:
            checked[key] = whole(key, value, 1, _WIDEST)
        elif hint is float:
            checked[key] = finite_number(key, value)
        elif widths := get_args(hint):
            if not isinstance(value, list) or len(value) != len(widths):
                raise InputError(f"{key} is {shown(value)}: it must be {len(widths)} whole numbers.")
            checked[key] = [whole(key, width, 1, _WIDEST) for width in value]
    if "n_classes" in values:
        checked["n_classes"] = whole("n_classes", values["n_classes"], 2, _WIDEST)
    within("dropout", checked["dropout"], 0, 1)
    if 2 * checked["lstm_hidden"] % checked["attention_heads"]:
        raise InputError(
            f"attention_heads is {checked['attention_heads']}: it must divide twice lstm_hidden, "
            f"{2 * checked['lstm_hidden']}."
        )
    return checked


def _preprocessor(values: Any) -> Preprocessor:
    """The preprocessor, with the checks that tell a sensible one from one that reads."""
    if not isinstance(values, dict):
        raise InputError(f"preprocessor is {shown(values)}: it must be a JSON object.")
    for key in ("sensors", "settings"):
        names = values.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{key} is {shown(names)}: it must be a list of column names.")
        if len(set(names)) < len(names):
            raise InputError(f"{key} is {shown(names)}: a column is named twice.")
    for key in ("centroids_", "means_", "stds_", "scales_", "reach_"):
        numbers = list(_numbers_in(key, values.get(key, [])))
        if key in ("stds_", "reach_") and min(numbers, default=0) < 0:
            raise InputError(f"{key} holds {min(numbers):g}: it cannot be negative.")
        if key == "scales_" and min(numbers, default=1) <= 0:
            raise InputError(f"{key} holds {min(numbers):g}: it must be greater than 0.")
    return Preprocessor.from_dict(values)


def _numbers_in(name: str, values: Any) -> Iterable[float]:
    if isinstance(values, list):
        for value in values:
            yield from _numbers_in(name, value)
    else:
        yield finite_number(name, values)


def _check_tensors(name: str, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """The file's tensors against those of the network that it names."""
    for kind, names in (("lacks", set(wanted) - set(tensors)), ("has the unknown", set(tensors) - set(wanted))):
        if names:
            raise InputError(f"{name} does not fit the network that it names: it {kind} {_listed(names)}.")
    for key, pattern in wanted.items():
        tensor = tensors[key]
        if tensor.shape != pattern.shape or tensor.dtype != pattern.dtype:
            raise InputError(
                f"{name} does not fit the network that it names: {key} is {_kind(tensor)} and must be {_kind(pattern)}."
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{name} holds a number in {key} that is not finite.")
        if key.endswith("running_var") and (tensor < 0).any():
            raise InputError(f"{name} holds a negative variance in {key}.")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _listed(names: Iterable[str], most: int = 3) -> str:
    """Names in their order, the first few of them."""
    ordered = [one_line(name)[:80] for name in sorted(names)]
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more
