"""Files that hold a trained model: tensors as safetensors, everything else as JSON in the same file's header.

One file, so that the two cannot disagree; no pickle, so that opening one runs no code. A file is written beside its
place and then moved there, so that a kill at any moment leaves the old one or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from rulbook._check import existing_file
from rulbook._needs import needed
from rulbook.data import Horizon, Preprocessor
from rulbook.errors import InputError
from rulbook.model import DualTaskModel

__all__ = ["Checkpoint", "load_checkpoint", "load_tensors", "save_checkpoint", "save_tensors", "write_atomically"]

_FORMAT = "rulbook-1"


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that a reader finds the old file or the new one, whole."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)


def save_tensors(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write named tensors and a JSON-able dictionary of facts to one safetensors file."""
    detached = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, to_bytes(detached, metadata={"format": _FORMAT, "facts": json.dumps(facts)}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        ValueError: If the file is missing, truncated, or was not written by rulbook.
    """
    file = existing_file("checkpoint", path)
    try:
        with safe_open(str(file), framework="pt") as opened:
            header = opened.metadata() or {}
            if header.get("format") != _FORMAT:
                raise InputError(f"checkpoint {str(file)!r} was not written by rulbook: its header lacks {_FORMAT!r}.")
            return {name: opened.get_tensor(name) for name in opened.keys()}, json.loads(header["facts"])  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"checkpoint {str(file)!r} is not a whole safetensors file: {error}.") from error


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with what it needs to read raw sensor tables.

    Attributes:
        model: The network, in evaluation mode.
        preprocessor: Operating conditions and z-scores, as fitted on the training engines.
        horizon: Window, cap, health thresholds and unit of time that it was trained with.
        facts: How it came to be: data set, method, seed, selected epoch, versions.
    """

    model: DualTaskModel
    preprocessor: Preprocessor
    horizon: Horizon
    facts: dict[str, Any]


def save_checkpoint(
    path: str | Path,
    tensors: dict[str, Tensor],
    model: DualTaskModel,
    preprocessor: Preprocessor,
    horizon: Horizon,
    facts: dict[str, Any],
) -> None:
    """Write ``tensors``, a state of ``model``, to one file from which :func:`load_checkpoint` can predict."""
    parts = {"model": model.config_dict(), "preprocessor": preprocessor.to_dict(), "horizon": horizon.to_dict()}
    save_tensors(path, tensors, {**facts, **parts})


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by :func:`save_checkpoint`.

    Raises:
        ValueError: If the file is missing, damaged, or holds no model.
    """
    tensors, facts = load_tensors(path)
    if not {"model", "preprocessor", "horizon"} <= set(facts):
        raise InputError(f"checkpoint {str(path)!r} holds no model: give the file best.safetensors of a run.")
    model = DualTaskModel.from_config_dict(facts.pop("model"))
    preprocessor = Preprocessor.from_dict(facts.pop("preprocessor"))
    horizon = Horizon.from_dict(facts.pop("horizon"))
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"checkpoint {str(path)!r} does not fit the model it names: {error}") from error
    return Checkpoint(model.eval(), preprocessor, horizon, facts)


def versions() -> dict[str, str]:
    """The versions a result depends on."""
    import platform

    import numpy

    import rulbook

    with needed():
        import sklearn

    return {
        "rulbook": rulbook.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
    }
