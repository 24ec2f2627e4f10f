"""One colour per method, everywhere: plots, live figures and tables read them from here.

The set is Okabe and Ito's, told apart with every common colour blindness, and each colour keeps a contrast of at least
3:1 on the white page and on the dark one.
"""

from __future__ import annotations

from rulbook._needs import needed
from rulbook.looks import OTHERS
from rulbook.methods import METHODS

__all__ = ["ACCENT", "METHOD_COLORS", "OTHERS", "use_book_style"]

METHOD_COLORS: dict[str, str] = {
    name: method.look.color for name, method in METHODS.items() if method.family == "square"
}
"""Colour of each method of the book; the baseline is grey. Looks and labels of all methods: :mod:`rulbook.methods`."""

ACCENT = "#b8488f"
"""For the one thing a reader moves or should look at."""


def use_book_style() -> None:
    """Set matplotlib to the look of the book: quiet axes, readable type, room for a title that says what to see."""
    with needed():
        import matplotlib as mpl
        from cycler import cycler

    mpl.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=[*METHOD_COLORS.values(), *OTHERS]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "figure.figsize": (7.2, 3.6),
            "font.size": 10.5,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "savefig.dpi": 144,
        }
    )
