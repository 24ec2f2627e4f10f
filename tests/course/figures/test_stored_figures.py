"""The figures stored in the notebooks, which is what the built pages show, are those of the present code."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rulbook import widgets

NOTEBOOKS = sorted((Path(__file__).resolve().parents[3] / "notebooks").rglob("*.ipynb"))
MIME = "application/vnd.jupyter.widget-state+json"


def packed(state: dict[str, Any], buffers: list[dict[str, Any]]) -> dict[str, Any]:
    """The state of one widget with its binary parts put back."""
    for buffer in buffers:
        *path, last = buffer["path"]
        holder = state
        for key in path:
            holder = holder[key]
        holder[last] = base64.b64decode(buffer["data"])
    return state


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_stored_figures_are_what_the_code_makes_now(path: Path) -> None:
    stored = nbformat.read(path, as_version=4).metadata.get("widgets", {}).get(MIME, {}).get("state", {})
    for record in stored.values():
        module, _, name = record["state"].get("_anywidget_id", "").rpartition(".")
        if not module.startswith("rulbook.widgets"):
            continue
        state = packed(record["state"], record.get("buffers", []))
        kind = getattr(widgets, name)
        fresh = kind(**{trait: state[trait] for trait in kind.controls()})
        for part in ("_esm", "_css", "_spec", "_data"):
            if state[part] != getattr(fresh, part):
                pytest.fail(f"{path.name} holds an older {name} ({part} differs): run the notebook again.")
