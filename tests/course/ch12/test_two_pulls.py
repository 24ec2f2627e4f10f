"""The cosines of a sum of two gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch12.two_pulls import TwoPulls, joint_cosines, tipping_cosine


@given(st.floats(0, 180), st.floats(0.1, 1000), st.floats(0.01, 0.99))
def test_the_cosines_of_a_sum_are_those_of_two_vectors(angle: float, ratio: float, weight: float) -> None:
    turn = np.radians(angle)
    first, second = ratio * np.array([1.0, 0.0]), np.array([np.cos(turn), np.sin(turn)])
    joint = weight * first + (1 - weight) * second
    if np.linalg.norm(joint) < 1e-3:
        return
    expected = [joint @ g / np.linalg.norm(joint) / np.linalg.norm(g) for g in (first, second)]
    np.testing.assert_allclose(joint_cosines(angle, ratio, weight), expected, atol=1e-6)
    edge = tipping_cosine(ratio, weight)
    if abs(np.cos(turn) - edge) > 1e-6:
        assert (joint @ second < 0) == (np.cos(turn) < edge)


def test_two_gradients_that_cancel_have_no_cosine() -> None:
    assert np.isnan(joint_cosines(180, 1, 0.5)).all()


@pytest.mark.browser
def test_two_pulls(blank: Page) -> None:
    blank.evaluate(LOAD, TwoPulls._esm)
    controls = TwoPulls.controls()
    angles, decades, weights = controls["angle"].grid[::3], controls["decades"].grid, controls["weight"].grid[::7]
    ratios = [10**d for d in decades]
    computed = blank.evaluate(
        "([as, rs, ws]) => as.map((a) => rs.map((r) => ws.map((w) => script.jointCosines(a, r, w))))",
        [angles, ratios, weights],
    )
    expected = [[[joint_cosines(a, r, w) for w in weights] for r in ratios] for a in angles]
    np.testing.assert_allclose(np.array(computed, dtype=float), expected, atol=1e-9)
    assert blank.evaluate("() => script.jointCosines(180, 1, 0.5).every(Number.isNaN)")
    computed = blank.evaluate(
        "([rs, ws]) => rs.map((r) => ws.map((w) => script.tippingCosine(r, w)))", [ratios, weights]
    )
    np.testing.assert_allclose(computed, [[tipping_cosine(r, w) for w in weights] for r in ratios], rtol=1e-12)
