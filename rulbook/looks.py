"""How a method is drawn: colour, line and marker, so that no two look alike.

Colours alone do not reach: besides the four of the book, five can be told apart. A look adds the pattern of the line
and the marker. :func:`numbered` counts through all of them, so that the next method has one that is still free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rulbook._check import one_of, shown, whole
from rulbook.errors import InputError

__all__ = ["INK", "LOOKS", "MARKERS", "OTHERS", "Look", "numbered"]

OTHERS = ("#a6761d", "#56789a", "#8a6fb0", "#5f8a4c", "#a05050")
"""For curves that are no method of the book: schedules, sensors, peers."""

INK = "#333333"
"""For a method that has no look of its own."""

MARKERS = {"o": "a dot", "s": "a square", "^": "a triangle", "D": "a diamond", "P": "a plus", "X": "a cross"}
"""Markers by matplotlib's letter; all can be filled or hollow."""

DASHES = (
    *("", "6 3", "2 3", "9 3 2 3", "12 4", "6 2 1 2 1 2"),
    *("3 6", "14 3 5 3", "1 2", "9 2 9 6", "5 1", "12 3 2 3 2 3"),
)
"""Patterns of a line, as SVG writes them: so many pixels drawn, so many left out. The first is a solid line."""


@dataclass(frozen=True)
class Look:
    """How a method is drawn in every plot and live figure.

    Attributes:
        color: Six hexadecimal digits after ``#``.
        dash: The pattern of its line, as in SVG's ``stroke-dasharray``; empty for a solid one.
        marker: One of :data:`MARKERS`.
        hollow: Whether the marker is drawn as an outline.

    Raises:
        ValueError: If a part is none of these.
    """

    color: str
    dash: str = ""
    marker: str = "o"
    hollow: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.color, str) or not re.fullmatch(r"#[0-9a-f]{6}", self.color):
            raise InputError(f"color is {shown(self.color)}: it must be # and six of the digits 0 to 9 and a to f.")
        if not isinstance(self.dash, str) or not re.fullmatch(r"(\d+ \d+( \d+ \d+)*)?", self.dash):
            raise InputError(
                f"dash is {shown(self.dash)}: it must be pairs of whole numbers such as '6 3', or nothing."
            )
        one_of("marker", self.marker, MARKERS)

    @property
    def dashed(self) -> bool:
        """Whether the line has gaps."""
        return bool(self.dash)

    @property
    def linestyle(self) -> str | tuple[float, tuple[float, ...]]:
        """The pattern as matplotlib writes it, in its unit: widths of the line, here of 2 points."""
        return (0.0, tuple(float(part) / 2 for part in self.dash.split())) if self.dash else "-"

    @property
    def fillstyle(self) -> str:
        """The marker's filling, as matplotlib writes it."""
        return "none" if self.hollow else "full"


LOOKS: tuple[Look, ...] = tuple(
    Look(color, dash, marker, hollow)
    for dash, (marker, hollow) in zip(DASHES, ((m, h) for m in MARKERS for h in (False, True)), strict=True)
    for color in OTHERS
)
"""All looks beside those of the book, in the order in which they are given out."""


def numbered(number: int) -> Look:
    """The look of that number in :data:`LOOKS`, counted from 0.

    Raises:
        ValueError: If there are not so many.
    """
    return LOOKS[whole("number", number, 0, len(LOOKS) - 1)]
