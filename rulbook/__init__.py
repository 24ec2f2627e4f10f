"""rulbook: three losses for predicting how long a machine will still live, derived, tested and measured.

Importing the package is light: a submodule, and torch with it, is loaded when it is first used.
The exercises and the derivations need NumPy alone; what needs more says which extra to install.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from rulbook._needs import guide_imports

__version__ = "0.1.0"

guide_imports()

_SUBMODULES = tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return importlib.import_module(f"rulbook.{name}")
    raise AttributeError(f"module 'rulbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])
