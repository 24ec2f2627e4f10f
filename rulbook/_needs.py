"""What to install where a package is missing, in one sentence: the extra of rulbook that brings it.

NumPy is all that ``pip install rulbook`` brings. The rest comes in extras, and whoever lacks one learns its name from
the ``ImportError`` itself: the import of any submodule passes through :class:`_Guide`, and an import inside of a
function stands in ``with needed():``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["MissingExtraError", "guide_imports", "needed"]

EXTRA_OF_PACKAGE = {
    "torch": "torch",
    "jaxtyping": "torch",
    "pandas": "predict",
    "safetensors": "predict",
    "sklearn": "predict",
    "certifi": "train",
    "platformdirs": "train",
    "tqdm": "train",
    "anywidget": "figures",
    "matplotlib": "figures",
    "scipy": "figures",
    "traitlets": "figures",
    "jupytext": "class",
    "nbformat": "class",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "torchjd": "torchjd",
    "distributed": "dask",
}
"""By the name that is imported: the smallest extra that brings it."""

EXTRA_OF_MODULE = {
    "rulbook.data": "predict",
    "rulbook.look": "train",
    "rulbook.checkpoint": "predict",
    "rulbook.inference": "predict",
    "rulbook.model": "predict",
    "rulbook.export": "predict",
    "rulbook.runs": "train",
    "rulbook.training": "train",
    "rulbook.balancing.torchjd": "torchjd",
    "rulbook.widgets": "figures",
    "rulbook.course": "figures",
    "rulbook.course.exercises": "class",
    "rulbook.course.ch11.blueprint": "predict",
}
"""Modules that need more than the package that is missed first: the extra that is enough for what they are for."""


class MissingExtraError(ModuleNotFoundError):
    """A package that an extra of rulbook brings is not installed.

    Attributes:
        name: The package that was not found, as it is imported.
    """


@contextmanager
def needed(module: str | None = None) -> Iterator[None]:
    """Around imports: if a package is missing that an extra brings, say which extra.

    Args:
        module: The module that cannot be imported without it; None if only one function of it cannot run.

    Raises:
        MissingExtraError: In place of the ``ImportError`` of a package that an extra brings; others pass unchanged.
    """
    try:
        yield
    except ImportError as error:
        package = _missing(error)
        if package is None:
            raise
        extra = EXTRA_OF_PACKAGE[package]
        if module is not None:
            extra = next((EXTRA_OF_MODULE[name] for name in _upwards(module) if name in EXTRA_OF_MODULE), extra)
        raise MissingExtraError(
            f'{module or "This"} needs {package}, which is not installed: pip install "rulbook[{extra}]"', name=package
        ) from (error.__cause__ if isinstance(error, MissingExtraError) else error)


def _missing(error: ImportError) -> str | None:
    """The package that is not there; None if it is there but old or broken, which no extra repairs, or not ours."""
    told = re.match(r"No module named '?(\w+)'?$", str(error))
    name = error.name or (told and told[1])
    return name if name in EXTRA_OF_PACKAGE and not str(error).startswith("cannot import name") else None


def _upwards(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


class _Guide(MetaPathFinder):
    """Finds nothing itself: what the finders behind it find of rulbook is run in ``needed``."""

    def find_spec(
        # Any: the interpreter hands over its own kinds of paths, which are no sequences.
        self,
        fullname: str,
        path: Any,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not fullname.startswith("rulbook."):
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        found = (finder.find_spec(fullname, path, target) for finder in behind if hasattr(finder, "find_spec"))
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            loader: Any = spec.loader
            loader.exec_module = _guided(fullname, loader.exec_module)
        return spec


def _guided(name: str, run: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def exec_module(module: ModuleType) -> None:
        with needed(name):
            run(module)

    return exec_module


def guide_imports() -> None:
    """Let every later import of a submodule say what to install, once however often it is called."""
    if not any(isinstance(finder, _Guide) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Guide())
