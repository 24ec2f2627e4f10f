"""A plain description of an object: what it is made of, as JSON values, so that it can be written down and compared.

A run is known again by the description of its settings. So equal objects must give equal descriptions in every process,
and objects that train differently must not.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["described", "digest"]

_DEEPEST = 12
_LONGEST = 32
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def described(value: Any, _around: tuple[int, ...] = ()) -> Any:
    """What ``value`` is made of, as plain JSON values.

    Numbers, texts and lists are themselves. A dataclass, a module or any other object is its class and what it holds; a
    tensor its numbers or, if they are many, their hash; a function its name and, if that leads nowhere, its code.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if id(value) in _around or len(_around) > _DEEPEST:
        return f"again {_name(type(value))}"
    inner = functools.partial(described, _around=(*_around, id(value)))
    if isinstance(value, Mapping):
        return {str(key): inner(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [inner(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted((inner(part) for part in value), key=repr)
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return inner(torch.from_numpy(np.asarray(value))) if value.dtype.kind in "biuf" else inner(value.tolist())
    if isinstance(value, functools.partial):
        return {"function": inner(value.func), "args": inner(value.args), "keywords": inner(value.keywords)}
    if isinstance(value, MethodType):
        return {"function": _name(value), "of": inner(value.__self__)}
    if isinstance(value, FunctionType) and not _importable(value):
        return {"function": _name(value), **{name: inner(part) for name, part in _inside(value).items()}}
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _name(value)
    return {"class": _name(type(value)), **{name: inner(part) for name, part in _parts(value).items()}}


def digest(description: Any) -> str:
    """Six hexadecimal digits that change with the description."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _parts(value: Any) -> dict[str, Any]:
    """What an object holds, by name."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, nn.Module):
        own = {name: part for name, part in vars(value).items() if name not in _OF_EVERY_MODULE}
        held = (value.named_parameters(recurse=False), value.named_buffers(recurse=False), value.named_children())
        return own | {name: part for group in held for name, part in group}
    slots = [name for one in type(value).__mro__ for name in getattr(one, "__slots__", ()) if hasattr(value, name)]
    return {name: getattr(value, name) for name in slots} | dict(getattr(value, "__dict__", {}))


def _importable(function: FunctionType) -> bool:
    """Whether its name alone says which function it is."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function and function.__module__ != "__main__"


def _inside(function: FunctionType) -> dict[str, Any]:
    """What makes a function that has no place of its own: its code, and the values that it was made with."""
    code = function.__code__
    constants = [part for part in code.co_consts if not isinstance(part, CodeType)]
    text = hashlib.sha256(code.co_code + repr((constants, code.co_names)).encode()).hexdigest()[:12]
    enclosed = [cell.cell_contents for cell in function.__closure__ or ()]
    return {"code": text, "enclosed": enclosed, "defaults": [function.__defaults__, function.__kwdefaults__]}


def _tensor(value: Tensor) -> Any:
    plain = value.detach().cpu()
    if plain.numel() <= _LONGEST:
        return described(plain.tolist())
    content = plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{plain.dtype} {list(plain.shape)} {hashlib.sha256(content).hexdigest()[:12]}"


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', repr(type(thing)))}"
