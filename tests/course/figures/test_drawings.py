"""What the scripts draw is what somebody has looked at, and the curves in it are those that Python computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from drawings import FOLDER, draw, kept, load, rounded, states, summary
from matplotlib.figure import Figure as Canvas
from playwright.sync_api import Page

from rulbook.course.figures import figure_class, figure_names

pytestmark = pytest.mark.browser

FIGURES = figure_names()
KEPT = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_a_kept_drawing_belongs_to_a_figure() -> None:
    assert set(KEPT) <= set(FIGURES)
    assert len(KEPT) >= 13


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Where two drawings differ by more than rounding."""
    if isinstance(old, dict) and isinstance(new, dict) and set(old) == set(new):
        return [text for key in old for text in differences(old[key], new[key], f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [text for i, (a, b) in pairs for text in differences(a, b, f"{where}[{i}]")]
    both = isinstance(old, float | int) and isinstance(new, float | int)
    if both and math.isclose(old, new, rel_tol=1e-4, abs_tol=1e-7):
        return []
    return [] if old == new else [f"{where}: {old!r} was drawn, {new!r} is"]


@pytest.mark.parametrize("name", KEPT)
def test_a_figure_draws_what_it_drew_when_it_was_looked_at(blank: Page, name: str) -> None:
    figure, stored = figure_class(name), kept(name)
    assert [drawing["state"] for drawing in stored] == states(figure)
    load(blank, figure)
    for drawing in stored:
        drawn = {"state": drawing["state"], **rounded(summary(draw(blank, figure(**drawing["state"]))))}
        found = differences(drawing, drawn)
        assert not found, "\n".join(
            [f"{name} {drawing['state']}, renew with tests/course/figures/drawings.py:", *found[:5]]
        )


@pytest.mark.parametrize("name", FIGURES)
def test_the_curves_of_the_picture_are_among_those_of_the_script(blank: Page, name: str) -> None:
    figure = figure_class(name)
    load(blank, figure)
    for state in states(figure):
        made = figure(**state)
        axes = Canvas().subplots()
        made.picture(axes)
        curves = [np.column_stack(line.get_data()).astype(float) for line in axes.lines]
        curves = [curve for curve in curves if len(curve) > 10]
        drawn = [
            np.array(mark["args"][0], dtype=float)
            for panel in draw(blank, made)["panels"]
            for mark in panel["marks"]
            if mark["kind"] in {"line", "area"}
        ]
        # The picture may show some of it in another way, as dots or as a level: half of its curves are the script's.
        shared = [any(same_curve(curve, other) for other in drawn) for curve in curves]
        assert 2 * sum(shared) >= len(curves), f"{name} {state}: which curves of the picture are drawn: {shared}"


@pytest.mark.parametrize("name", FIGURES)
def test_marks_lie_on_their_panel_and_points_to_drag_at_their_controls(blank: Page, name: str) -> None:
    figure = figure_class(name)
    load(blank, figure)
    for state in states(figure):
        made = figure(**state)
        for panel in draw(blank, made)["panels"]:
            for mark in panel["marks"]:
                domains = {"x": panel["x"]["domain"], "y": mark["scale"] or panel["y"]["domain"]}
                for axis, values in places(mark).items():
                    low, high = domains[axis]
                    # The line of a mark is wider than nothing, and what lies on an end may be half beyond it.
                    assert (min(values) - low) / (high - low) >= -0.05, (state, axis, mark)
                    assert (max(values) - low) / (high - low) <= 1.05, (state, axis, mark)
                if mark["kind"] == "handle":
                    for axis, control in mark["args"][1].items():
                        assert places(mark)[axis] == [pytest.approx(getattr(made, control), abs=1e-9)]


def places(mark: dict[str, Any]) -> dict[str, list[float]]:
    """Where a mark of the drawing lies, in data units; lettering, which may stand beside the panel, is left out."""
    kind, args = mark["kind"], mark["args"]
    if kind == "bar":
        return {"x": args[0], "y": args[1]}
    points = args[0] if kind in {"line", "area"} else [args[0]] if kind in {"dot", "handle"} else []
    return {axis: [point[i] for point in points] for i, axis in enumerate("xy")} if points else {}


def same_curve(curve: np.ndarray, other: np.ndarray) -> bool:
    """Whether two polylines follow one curve, each on an axis that may be logarithmic."""
    views = [lambda v: v, lambda v: np.log10(np.where(v > 0, v, np.nan))]
    return any(close(np.column_stack([x(curve[:, 0]), y(curve[:, 1])]), other) for x in views for y in views)


def close(curve: np.ndarray, other: np.ndarray) -> bool:
    """Whether each point of the one within the other's reach lies on the other, to a hundredth of its extent."""
    curve, other = (points[np.isfinite(points).all(axis=1)] for points in (curve, other))
    if len(curve) < 2 or len(other) < 2:
        return False
    low, high = other.min(axis=0), other.max(axis=0)
    extent = np.maximum(high - low, 1e-6 * np.maximum(np.abs(high), 1))
    curve, other = (curve - low) / extent, (other - low) / extent
    inside = curve[(curve >= -1e-6).all(axis=1) & (curve <= 1 + 1e-6).all(axis=1)]
    if len(inside) < max(2, len(curve) // 4):
        return False
    between = np.linspace(0, 1, max(2, 4000 // len(other)))[:, None, None]
    dense = (other[:-1] + between * np.diff(other, axis=0)).reshape(-1, 2)
    some = inside[:: max(1, len(inside) // 40)]
    return all(np.hypot(*(dense - point).T).min() < 0.01 for point in some)
