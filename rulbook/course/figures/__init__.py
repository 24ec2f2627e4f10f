'''Figures that a reader can move: in Jupyter with a kernel, and on a built page without one.

A cell whose last expression is ``GradientDensity()`` shows the figure. Its settings are traits: ``figure.w_max`` has
the value to which the reader dragged, and ``figure.w_max = 3`` moves the figure. Title, alternative text, a spoken
read-out and a still picture (for code hosts, notebooks not yet run, and PDF) travel with it.

A new figure is two files in the room of its chapter, ``rulbook/course/chNN``: one class, and one ES module of the same
name beside it. They are found there; the class is the file's name in capitals. ``cap.py``::

    import numpy as np

    from rulbook.course.figures import LiveFigure, Slider


    class Cap(LiveFigure):
        """RUL labels of one engine under a cap."""

        script = "cap.js"
        title = "A cap turns early life into a plateau"
        alt = "Label against cycle: level at the cap, then a straight fall to zero at the last cycle."
        hint = "lower the cap to 50. How many cycles now look alike?"

        cap = Slider(125, low=25, high=200, step=5, label="Cap", unit="cycles")

        def tables(self):
            return {"life": 200}

        def picture(self, axes):
            cycle = np.arange(201)
            axes.plot(cycle, np.minimum(200 - cycle, self.cap))

and ``cap.js``, whose first line has its types checked::

    // @ts-check
    import { figure, range } from "../figures/shared.js";

    export default figure(({ state: { cap }, data: { life }, colors, plot }) => {
      const panel = plot({
        x: { domain: [0, life], label: "cycle" },
        y: { domain: [0, life], label: "label (cycles)" },
      });
      panel.line(range(life + 1).map((cycle) => [cycle, Math.min(life - cycle, cap)]), { color: colors.amnl });
      panel.handle([0, cap], { y: "cap" });
      return `The label stays at ${cap} until cycle ${life - cap}, then falls by one a cycle.`;
    });

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

``shared.js`` also exports ``sum``, ``clip``, ``range``, ``fixed(value, digits)`` and ``percent(share, digits)``.
Controls are :class:`Slider`, :class:`Choice`, :class:`Several` and :class:`Switch`. A number that a reader sees comes
either from a table that Python computed over the grid of the controls, or from a function that the module exports and a
test holds to Python.
'''

from __future__ import annotations

import importlib

from rulbook._check import one_of
from rulbook.course import room_files
from rulbook.course.figures.controls import Choice, Control, Several, Slider, Switch
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed, percent, short, whole

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
        InputError: If there is no figure of this name.
    """
    modules = _modules()
    found: type[LiveFigure] = getattr(importlib.import_module(modules[one_of("name", name, modules)]), name)
    return found


def _modules() -> dict[str, str]:
    """Modules by class: each Python file with a script beside it."""
    scripts = set(room_files("*.js"))
    return {_capitals(stem): module for stem, module in room_files("*.py").items() if stem in scripts}


def _capitals(stem: str) -> str:
    return "".join(part.capitalize() for part in stem.split("_"))
