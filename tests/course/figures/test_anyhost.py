"""The host of static pages, by itself: what it gives a widget, and what it says when there is nothing to give."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from livefigures import LOAD
from playwright.sync_api import Page, expect

from rulbook.widgets import GradientDensity

pytestmark = pytest.mark.browser

HOST = (Path(__file__).resolve().parents[3] / "book" / "assets" / "anyhost.js").read_text()
KIND = "application/vnd.rulbook.figure+json"
COUNTER = """{ render({ model, el }) {
  const button = document.createElement("button");
  const show = () => (button.textContent = model.get("count"));
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  model.on("change:count", show);
  show();
  el.append(button);
} }"""


def shown(script: str, data: object = None, **state: Any) -> str:
    """The tag of a figure, as the builder of the book writes it."""
    stored = {"script": script, "spec": {}, "data": data, "state": state}
    return f'<div><script type="{KIND}" data-script="{script}">{json.dumps(stored)}</script></div>'


def host(page: Page, body: str, **figures: str) -> None:
    """A page with these scripts of figures, and with the host at its end."""
    loaded = ",".join(f'"{name}.js": {program}' for name, program in figures.items())
    scripts = f"<script>var rulbook = {{ figures: {{{loaded}}} }};</script><script>{HOST}</script>"
    page.set_content(f"<!doctype html><title>page</title>{body}{scripts}")
    page.wait_for_function("document.documentElement.dataset.anyhost === 'done'")


def test_each_figure_has_a_model_of_its_own(blank: Page) -> None:
    host(blank, shown("counter.js", count=4) + shown("counter.js", count=9), counter=COUNTER)
    buttons = blank.get_by_role("button")
    buttons.nth(0).click()
    buttons.nth(0).click()
    buttons.nth(1).click()
    assert buttons.all_inner_texts() == ["6", "10"]


def test_arrays_come_as_a_kernel_would_send_them(blank: Page) -> None:
    reads = """{ render({ model, el }) {
      const { shape, float32 } = model.get("_data").inner.numbers[1];
      el.textContent = [shape[0], ...[0, 4].map((at) => float32.getFloat32(at, true))].join(" ");
    } }"""
    packed = {"shape": [2], "float32": base64.b64encode(struct.pack("<2f", 0.25, -3.5)).decode()}
    host(blank, shown("reads.js", {"inner": {"numbers": [0, packed]}}), reads=reads)
    expect(blank.locator("div > div")).to_have_text("2 0.25 -3.5")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            '<div><script type="application/vnd.jupyter.widget-view+json">{"model_id": "a"}</script></div>',
            "This control needs a running kernel",
        ),
        (shown("lost.js"), "could not be drawn: its script, lost.js, did not load."),
        (shown("throws.js"), "could not be drawn: no data"),
        (f'<div><script type="{KIND}">{{"script":</script></div>', "could not be drawn: "),
    ],
)
def test_what_cannot_be_shown_says_why_and_spoils_nothing_else(blank: Page, body: str, says: str) -> None:
    throws = "{ render() { throw new Error('no data'); } }"
    host(blank, body + shown("counter.js", count=1), counter=COUNTER, throws=throws)
    expect(blank.locator("div > div").first).to_contain_text(says)
    expect(blank.get_by_role("button")).to_have_text("1")


def test_a_figure_that_is_taken_away_leaves_nothing_behind(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm)
    figure = GradientDensity()
    traits: dict[str, Any] = {name: getattr(figure, name) for name in figure.controls()}
    counts = {kind: [1] * 126 for kind in ("cycles", "windows")}
    traits |= {"_spec": figure._spec, "_data": {"residual": 10, "near": 30, "counts": {"FD001": counts}}}
    left = blank.evaluate(
        """async (traits) => {
          let listeners = 0;
          for (const [name, change] of [["observe", 1], ["disconnect", -1]]) {
            const real = ResizeObserver.prototype[name];
            ResizeObserver.prototype[name] = function (...args) { listeners += change; return real.apply(this, args); };
          }
          const model = {
            get: (name) => (name in traits ? structuredClone(traits[name]) : undefined),
            set() {}, save_changes() {},
            on() { listeners += 1; }, off() { listeners -= 1; },
          };
          for (const kinds of Object.values(traits._data.counts))
            for (const kind in kinds) {
              const values = Float32Array.from(kinds[kind]);
              kinds[kind] = { shape: [values.length], float32: new DataView(values.buffer) };
            }
          const el = document.body.appendChild(document.createElement("div"));
          const leave = script.default.render({ model, el });
          const during = [listeners, el.children.length];
          leave();
          return [during, [listeners, el.children.length]];
        }""",
        traits,
    )
    (during, drawn), after = left
    assert during > 4
    assert drawn == 1
    assert after == [0, 0]
