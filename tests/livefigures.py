"""How tests put live figures to work: a figure's script in an empty page, and figures on a built page."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page

from rulbook.course.figures import LiveFigure, figure_class

LOAD = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  window.script = await import(url);
}"""
"""Put a figure's module, exactly as a front end gets it, at ``window.script``."""

_MOUNT = """(traits) => {
  const views = (value) => {
    if (Array.isArray(value)) return value.map(views);
    if (value === null || typeof value !== "object") return value;
    if (value.float32) return { shape: value.shape, float32: new DataView(Float32Array.from(value.float32).buffer) };
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, views(item)]));
  };
  traits._data = views(traits._data);
  const acts = new Map();
  const listeners = (event) => acts.get(event) ?? acts.set(event, new Set()).get(event);
  window.model = {
    get: (name) => traits[name],
    set: (name, value) => { traits[name] = value; for (const act of listeners(`change:${name}`)) act(); },
    on: (event, act) => listeners(event).add(act),
    off: (event, act) => listeners(event).delete(act),
    save_changes() {},
    // Several traits at once are drawn once.
    put(state) { Object.assign(traits, state); this.set(Object.keys(state)[0], Object.values(state)[0]); },
    listening: () => [...acts.values()].reduce((count, set) => count + set.size, 0),
  };
  window.el = document.body.appendChild(document.createElement("div"));
  window.leave = script.default.render({ model, el });
}"""

_INPUTS = """(root) => {
  const state = {};
  for (const input of root.querySelectorAll("input, select")) {
    if (input.type === "checkbox" && !input.closest("fieldset")) state[input.name] = input.checked;
    else if (input.type === "checkbox") {
      state[input.name] ??= [];
      if (input.checked) state[input.name].push(input.parentElement.textContent);
    } else state[input.name] = input.type === "range" ? Number(input.value) : input.value;
  }
  return state;
}"""
"""What the native inputs below an element say."""

_SHOWN = """(states) => {
  const inputs = INPUTS;
  return states.map((state) => {
    model.put(state);
    const attributes = [...el.querySelectorAll("svg, svg *")].flatMap((one) => [...one.attributes]);
    const broken = attributes.map(({ name, value }) => `${name}="${value}"`)
      .filter((text) => /NaN|Infinity|undefined|null/.test(text));
    return { readout: el.querySelector(".readout").textContent, inputs: inputs(el), broken };
  });
}""".replace("INPUTS", _INPUTS)


def state_of(figure: LiveFigure) -> dict[str, Any]:
    """The controls' values by name."""
    return {name: getattr(figure, name) for name in figure.controls()}


def listed(value: Any) -> Any:
    """A figure's data with arrays as lists, which a page can be handed."""
    if isinstance(value, dict):
        if "float32" in value:
            return {"shape": value["shape"], "float32": np.frombuffer(value["float32"], "<f4").tolist()}
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


def mount(page: Page, figure: LiveFigure) -> None:
    """Draw a figure in an empty page; its traits are behind ``model``, its element is ``el``, ``leave`` ends it."""
    page.evaluate(LOAD, figure._esm)
    page.add_style_tag(content=str(figure._css))
    page.evaluate(_MOUNT, {"_spec": figure._spec, "_data": listed(figure._data), **state_of(figure)})


def shown(page: Page, states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a mounted figure shows in each of these states: ``readout``, ``inputs``, and ``broken`` attributes."""
    found: list[dict[str, Any]] = page.evaluate(_SHOWN, states)
    return found


def inputs(page: Page) -> dict[str, Any]:
    """What the native inputs of a mounted figure say."""
    found: dict[str, Any] = page.locator(".rulbook-figure").evaluate(_INPUTS)
    return found


def sample(kind: type[LiveFigure], drawn: int = 60) -> list[dict[str, Any]]:
    """States of a figure: as it opens, each control moved alone, all controls at their ends, and some by chance."""
    opening, generator = state_of(kind()), np.random.default_rng(zlib.crc32(kind.__name__.encode()))
    grids = {name: control.grid for name, control in kind.controls().items()}
    alone = [{name: value} for name, grid in grids.items() for value in _spread(grid, 12)]
    corners = [dict(zip(grids, ends, strict=True)) for ends in product(*(_spread(grid, 2) for grid in grids.values()))]
    chance = [{name: grid[generator.integers(len(grid))] for name, grid in grids.items()} for _ in range(drawn)]
    return [{**opening, **state} for state in [{}, *alone, *_spread(corners, 64), *chance]]


def _spread(values: list[Any], count: int) -> list[Any]:
    """At most ``count`` of the values, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int)
    return [values[place] for place in places]


@dataclass
class Watched:
    """An open page, the requests refused on it and the errors it logged."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def figure(self, name: str) -> Locator:
        return self.page.get_by_role("group", name=figure_class(name).title)

    def state(self, name: str) -> dict[str, Any]:
        """What the native inputs of a figure say."""
        found: dict[str, Any] = self.figure(name).evaluate(_INPUTS)
        return found

    def readout(self, name: str) -> str:
        return self.figure(name).locator(".readout").inner_text()

    def drawing(self, name: str) -> str:
        return self.figure(name).locator("svg").inner_html()


OpenFigures = Callable[..., Watched]
