"""The live figures, as pages import them: ``from rulbook.widgets import GradientDensity``.

They live with their chapters; how they are made, and how to make one: :mod:`rulbook.course.figures`.
"""

from __future__ import annotations

from typing import Any

from rulbook.course.figures import Choice, LiveFigure, Several, Slider, Switch, figure_class, figure_names

__all__ = ["Choice", "LiveFigure", "Several", "Slider", "Switch"]


def __getattr__(name: str) -> Any:
    """A figure's class; only its own module is imported."""
    if name in figure_names():
        return figure_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *figure_names()])
