"""The one table of methods: name, label, description, look, and the two choices (section 13.4, chapter 21).

A method is data: a choice of sample weights and a balancer. The training loop reads its fields and never its name;
palette, figures, plots and ``rulbook train --method`` read how it is called and drawn.

A file of this folder is found, and so is every :class:`Method` in it. The table can be read without torch.
"""

from __future__ import annotations

from rulbook._found import instances
from rulbook.methods._method import FAMILIES, Method, Quoted
from rulbook.methods._table import table

__all__ = ["CANDIDATES", "FAMILIES", "METHODS", "Method", "Quoted"]

CANDIDATES: dict[str, Method | Quoted] = table(instances(__name__, __path__, (Method, Quoted)))
"""Everything that a figure may name, by name: the methods, and those of which only printed numbers are known."""

METHODS: dict[str, Method] = {name: one for name, one in CANDIDATES.items() if isinstance(one, Method)}
"""The methods that can be trained, by name: the square first, then controls, then methods of others."""
