'''Figures that a reader can move: in Jupyter with a kernel, and on a built page without one.

A cell whose last expression is ``GradientDensity()`` shows the figure. Its settings are traits: ``figure.w_max`` has
the value to which the reader dragged, and ``figure.w_max = 3`` moves the figure. Title, alternative text, a spoken
read-out and a still picture (for code hosts, notebooks not yet run, and PDF) travel with it.

A new figure is two files in the room of its chapter, ``rulbook/course/chNN``: one class, and one ES module of the same
name beside it. They are found there; the class is the file's name in capitals. ``cap.py``::

    """A cap on the label of one engine."""

    from __future__ import annotations

    from typing import Any

    import numpy as np
    from matplotlib.axes import Axes

    from rulbook.course.figures import LiveFigure, Slider, fixed

    __all__ = ["Cap"]

    LIFE = 200


    class Cap(LiveFigure):
        """RUL labels of one engine under a cap."""

        script = "cap.js"
        title = "A cap turns early life into a plateau"
        alt = (
            "The label of one engine against its cycle, in cycles: level at the cap for the first part of its life, "
            "then a straight fall to zero at the last cycle."
        )
        hint = "lower the cap to 50. How many cycles now look alike?"

        cap = Slider(125, low=25, high=200, step=5, label="Cap", unit="cycles")

        def tables(self) -> dict[str, Any]:
            """How long the engine lives."""
            return {"life": LIFE}

        def read_out(self) -> str:
            """How long the label stays level."""
            level = np.flatnonzero(LIFE - np.arange(LIFE + 1) >= self.cap)[-1]
            return f"The label stays at {fixed(self.cap, 0)} until cycle {level}, then falls by one a cycle."

        def picture(self, axes: Axes) -> None:
            """The label over the life."""
            cycle = np.arange(LIFE + 1)
            axes.plot(cycle, np.minimum(LIFE - cycle, self.cap))
            axes.set(xlabel="cycle", ylabel="label (cycles)")

and ``cap.js``, whose first line has its types checked::

    // @ts-check
    import { figure, fixed, range } from "../figures/shared.js";

    export default figure(({ state: { cap }, data: { life }, colors, plot }) => {
      const panel = plot({
        x: { domain: [0, life], label: "cycle" },
        y: { domain: [0, life], label: "label (cycles)" },
      });
      panel.line(range(life + 1).map((cycle) => [cycle, Math.min(life - cycle, cap)]), { color: colors.amnl });
      panel.handle([0, cap], { y: "cap" });
      return `The label stays at ${fixed(cap, 0)} until cycle ${life - cap}, then falls by one a cycle.`;
    });

Nothing else has to know of it: pages import it from :mod:`rulbook.widgets`, and the tests of ``tests/course/figures``
ask of it what they ask of every figure. The first of them: the sentence that the script returns is, letter by letter,
the one that ``read_out`` computes, wherever a reader moves its controls. So compute it from the mathematics of the
chapter, not by translating the script, and write its numbers with ``fixed``, ``percent``, ``whole`` and ``short``,
which round as the functions of the same names in ``shared.js`` do.

The function is called anew with the whole state after every change and every resize; it draws from nothing and returns
the read-out, a sentence with numbers. It gets

* ``state``: the controls by name; ``data``: what ``tables()`` returned, arrays as ``{shape, values}`` (float32);
  ``colors``: the book's palette (``colors.amnl``, ``colors.accent``, ``colors.others``); ``width`` in CSS pixels;
* ``plot({x, y, height})``: a panel below the last one. An axis is ``{domain, label, ticks, format}``; ``ticks: []``
  hides it. Positions are in data units. A panel draws ``line(points)``, ``area(points)``, ``bar([x0, x1], [y0, y1])``,
  ``rule(x)``, ``dot(point)``, ``text(point, words)``, ``labels([{at, text, color}])`` (moved apart where they would
  overlap) and ``handle(point, {x: "trait"})``: a point to drag by mouse or finger, along x, y or both, whose keyboard
  is the trait's own input. ``behind(domainY)`` is the same panel with another scale along y;
* ``legend([{label, color, dash}])`` and ``table(head, rows)``, for what cannot be said by a label at the line itself.

``shared.js`` also exports ``sum``, ``clip``, ``range``, ``fixed(value, digits)``, ``percent(share, digits)``,
``whole(count)`` and ``short(value)``. Controls are :class:`Slider`, :class:`Choice`, :class:`Several` and
:class:`Switch`. Arrays travel in single precision: a number that is read out with more than four digits, or that was
rounded before, is better sent in a list.
'''

from __future__ import annotations

import importlib

from rulbook._check import one_of
from rulbook.course import room_files
from rulbook.course.figures.controls import Choice, Control, Several, Slider, Switch
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent, short, whole
from rulbook.errors import InputError

__all__ = [
    "Choice",
    "Control",
    "LiveFigure",
    "Several",
    "Slider",
    "Switch",
    "figure_class",
    "figure_names",
    "fixed",
    "percent",
    "short",
    "whole",
]


def figure_names() -> tuple[str, ...]:
    """The figures of all chapters, by the names of their classes."""
    return tuple(sorted(_modules()))


def figure_class(name: str) -> type[LiveFigure]:
    """The class of a figure; its module is imported when it is first asked for.

    Raises:
        InputError: If there is no figure of this name, or its module does not define the class.
    """
    modules = _modules()
    module = importlib.import_module(modules[one_of("name", name, modules)])
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, LiveFigure)):
        raise InputError(f"{module.__name__} has a script beside it: it must define the figure {name}.")
    return found


def _modules() -> dict[str, str]:
    """Modules by class: each Python file with a script beside it."""
    scripts = set(room_files("*.js"))
    return {_capitals(stem): module for stem, module in room_files("*.py").items() if stem in scripts}


def _capitals(stem: str) -> str:
    return "".join(part.capitalize() for part in stem.split("_"))
