"""What a figure draws, in the units of its axes: its script is called with a plot that writes down instead of drawing.

``python tests/course/figures/drawings.py`` renews the stored drawings, after somebody has looked at the figures; with
names of figures behind it, only theirs.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from rulbook.course.figures import LiveFigure, figure_class, figure_names

sys.path.insert(0, str(Path(__file__).parents[2]))
from livefigures import LOAD, listed, state_of

FOLDER = Path(__file__).with_name("drawings")

_DRAW = """([state, packed, colors]) => {
  const unpack = (value) => {
    if (Array.isArray(value)) return value.map(unpack);
    if (value === null || typeof value !== "object") return value;
    if (value.float32) return { shape: value.shape, values: Float32Array.from(value.float32) };
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
  };
  const drawn = { panels: [], legend: [], table: null };
  const recorder = (marks, scale) => {
    const note = (kind) => (...args) => marks.push({ kind, scale, args });
    const kinds = ["line", "area", "bar", "rule", "dot", "text", "labels", "handle"];
    const made = Object.fromEntries(kinds.map((kind) => [kind, note(kind)]));
    return { ...made, behind: (domain) => recorder(marks, domain) };
  };
  const plot = ({ x, y, ...rest }) => {
    const written = ({ format, ticks, ...axis }) => ({ ...axis, ticks, shown: format && ticks && ticks.map(format) });
    const panel = { x: written(x), y: written(y), ...rest, marks: [] };
    drawn.panels.push(panel);
    return recorder(panel.marks, null);
  };
  drawn.readout = window.script.default.draw({
    state, data: unpack(packed), colors, width: 640, plot,
    legend: (items) => (drawn.legend = items), table: (head, rows) => (drawn.table = { head, rows }),
  });
  const plain = (value) => {
    if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
    if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value, plain);
    if (value === undefined || value === null) return null;
    if (typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
    return value;
  };
  return plain(drawn);
}"""


def states(figure: type[LiveFigure]) -> list[dict[str, Any]]:
    """The state a figure opens in, then one for each control moved alone, to two fifths and to the end of its way."""
    moved: list[dict[str, Any]] = [{}]
    for name, trait in figure.controls().items():
        control = trait.metadata["control"]
        if control["kind"] == "slider":
            low, high, step = control["low"], control["high"], control["step"]
            values: list[Any] = [round(low + round(share * (high - low) / step) * step, 9) for share in (0.4, 1.0)]
        elif control["kind"] == "choice":
            values = list(control["choices"])
        elif control["kind"] == "several":
            values = [control["choices"][1:3], []]
        else:
            values = [True, False]
        moved += [{name: value} for value in values]
    return moved


def load(page: Page, figure: type[LiveFigure]) -> None:
    """Put a figure's script into an empty page."""
    page.evaluate(LOAD, figure._esm)


def draw(page: Page, figure: LiveFigure) -> dict[str, Any]:
    """What the script of ``figure``, loaded before, draws in its present state."""
    drawn: dict[str, Any] = page.evaluate(_DRAW, [state_of(figure), listed(figure._data), figure._spec["colors"]])
    return drawn


def rounded(value: Any) -> Any:
    """Numbers to six digits: what differs beyond that is another machine's arithmetic."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return 0.0 if abs(value) < 1e-12 else float(f"{value:.6g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def summary(drawn: Any) -> Any:
    """A drawing small enough to keep and to read in a diff: of a long curve every so many points, and its sum."""
    if isinstance(drawn, list):
        if len(drawn) > 12 and all(isinstance(p, list) and len(p) == 2 and _numbers(p) for p in drawn):
            picked = drawn[:: math.ceil(len(drawn) / 6)]
            return {"points": len(drawn), "some": picked, "sum": np.sum(drawn, axis=0).tolist()}
        return [summary(item) for item in drawn]
    if isinstance(drawn, dict):
        return {key: summary(item) for key, item in drawn.items()}
    return drawn


def kept(name: str) -> list[dict[str, Any]]:
    """The stored drawings of a figure, one for each of :func:`states`."""
    stored: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return stored


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def main() -> int:
    """Write the drawings of every figure."""
    from conftest import chromium_path
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        page = browser.new_page()
        for name in sys.argv[1:] or figure_names():
            figure = figure_class(name)
            load(page, figure)
            drawings = [{"state": state, **rounded(summary(draw(page, figure(**state))))} for state in states(figure)]
            lines = ",\n".join(json.dumps(drawing, ensure_ascii=False) for drawing in drawings)
            (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
            print(name, len(drawings), (FOLDER / f"{name}.json").stat().st_size)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
