"""One colour per method, everywhere: plots, live figures and tables read them from here.

The set is Okabe and Ito's, told apart with every common colour blindness, and each colour keeps a contrast of at least
3:1 on the white page and on the dark one.
"""

from __future__ import annotations

from typing import NamedTuple

from rulbook._check import one_of
from rulbook._needs import needed

METHOD_COLORS: dict[str, str] = {
    "baseline": "#7a7a7a",
    "amnl": "#0072b2",
    "gaba": "#d55e00",
    "grace": "#009e73",
}
"""Colour of each method of the book; the baseline is grey."""

METHOD_LABELS: dict[str, str] = {"baseline": "plain MSE + CE", "amnl": "AMNL", "gaba": "GABA", "grace": "GRACE"}
"""How each method is written in a legend."""

ACCENT = "#b8488f"
"""For the one thing a reader moves or should look at."""

OTHERS = ("#a6761d", "#56789a", "#8a6fb0", "#5f8a4c", "#a05050")
"""For curves that are no method of the book: schedules, sensors, peers."""

PEERS = (
    *("constant", "gaba_no_floor", "scaled_targets", "single_task", "uncertainty"),
    *("dwa", "gradnorm", "upgrad", "mgda", "pcgrad"),
    *("cagrad", "imtl_g", "aligned_mtl", "dkamformer"),
)
"""Controls and methods of others, in the order in which they are given colours."""


class MethodStyle(NamedTuple):
    """How a method is drawn: its colour, and whether its line is dashed and its dot hollow."""

    color: str
    dashed: bool


def method_style(method: str) -> MethodStyle:
    """The style of a method, the same in every plot and live figure.

    Five colours are all that can be told apart beside the four of the book. The sixth peer starts over, dashed.
    """
    if method in METHOD_COLORS:
        return MethodStyle(METHOD_COLORS[method], False)
    round_, place = divmod(PEERS.index(one_of("method", method, PEERS)), len(OTHERS))
    return MethodStyle(OTHERS[place], round_ == 1)


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
