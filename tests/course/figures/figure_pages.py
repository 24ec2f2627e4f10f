"""How the tests of this folder look at a page with figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page

from rulbook import widgets

FIGURES = (
    "GradientDensity",
    "WeightSchedules",
    "GradientSpread",
    "TaskWeights",
    "RegimeChooser",
    "ScoreOfErrors",
    "CostsToRegime",
    "Pipeline",
    "DeadOutput",
    "NormScales",
    "TwoPulls",
    "RatioOverEpochs",
    "Equilibrium",
)

LOAD = """async (source) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  window.script = await import(url);
}"""
"""Put a figure's module, exactly as a front end gets it, at ``window.script``."""


@dataclass
class Watched:
    """An open page, the requests refused on it and the errors it logged."""

    page: Page
    refused: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def figure(self, name: str) -> Locator:
        return self.page.get_by_role("group", name=getattr(widgets, name).title)

    def state(self, name: str) -> dict[str, Any]:
        """What the native inputs of a figure say."""
        found: dict[str, Any] = self.figure(name).evaluate(
            """(root) => {
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
        )
        return found

    def readout(self, name: str) -> str:
        return self.figure(name).locator(".readout").inner_text()

    def drawing(self, name: str) -> str:
        return self.figure(name).locator("svg").inner_html()


OpenFigures = Callable[..., Watched]
