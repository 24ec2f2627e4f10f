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
COUNTER = """export default { render({ model, el }) {
  const button = document.createElement("button");
  const show = () => (button.textContent = model.get("count"));
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  model.on("change:count", show);
  show();
  el.append(button);
} };"""


def state(**traits: Any) -> dict[str, Any]:
    return {"state": {"_model_module": "anywidget", **traits}}


def host(page: Page, models: dict[str, dict[str, Any]], views: list[str]) -> None:
    """A page as myst-nb writes it, with the host at its end."""
    kind = "application/vnd.jupyter.widget"
    shown = "".join(
        f'<div><script type="{kind}-view+json">{json.dumps({"model_id": view})}</script></div>' for view in views
    )
    stored = f'<script type="{kind}-state+json">{json.dumps({"state": models})}</script>'
    page.set_content(f"<!doctype html><title>page</title>{stored}{shown}<script>{HOST}</script>")
    page.wait_for_function("document.documentElement.dataset.anyhost === 'done'")


def test_two_views_share_one_model(blank: Page) -> None:
    host(blank, {"a": state(_esm=COUNTER, count=4), "b": state(_esm=COUNTER, count=9)}, ["a", "a", "b"])
    buttons = blank.get_by_role("button")
    buttons.nth(1).click()
    assert buttons.all_inner_texts() == ["5", "5", "9"]


def test_a_style_is_added_once(blank: Page) -> None:
    models = {name: state(_esm=COUNTER, count=0, _css="button { color: rgb(1, 2, 3); }") for name in "ab"}
    host(blank, models, ["a", "b"])
    assert blank.locator("head style").count() == 1
    expect(blank.get_by_role("button").first).to_have_css("color", "rgb(1, 2, 3)")


def test_binary_traits_are_put_back_where_they_belong(blank: Page) -> None:
    show = """export default { render({ model, el }) {
      const view = model.get("data").inner.numbers[1];
      el.textContent = [0, 4].map((at) => view.getFloat32(at, true)).join(" ");
    } };"""
    record = state(_esm=show, data={"inner": {"numbers": [0, None]}})
    data = base64.b64encode(struct.pack("<2f", 0.25, -3.5)).decode()
    record["buffers"] = [{"path": ["data", "inner", "numbers", 1], "data": data, "encoding": "base64"}]
    host(blank, {"a": record}, ["a"])
    expect(blank.locator("div > div")).to_have_text("0.25 -3.5")


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ({"a": {"state": {"_model_module": "@jupyter-widgets/controls"}}}, "This control needs a running kernel"),
        ({}, "This control needs a running kernel"),
        (
            {"a": state(_esm="export default { render() { throw new Error('no data'); } };")},
            "could not be drawn: no data",
        ),
        ({"a": state(_esm="export default {")}, "could not be drawn: "),
    ],
)
def test_what_cannot_be_shown_says_why_and_spoils_nothing_else(blank: Page, models: dict[str, Any], says: str) -> None:
    host(blank, {**models, "ok": state(_esm=COUNTER, count=1)}, ["a", "ok"])
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
