"""Where the pull comes from: the share near failure, in Python and in the script."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch14.gradient_density import NEAR, GradientDensity, near_failure_share
from rulbook.course.results import read_json
from rulbook.reference import failure_weights

SUBSETS = read_json("rul_histograms")["subsets"]


@given(st.lists(st.integers(0, 500), min_size=40, max_size=200).filter(lambda n: sum(n) > 0), st.floats(1, 10))
def test_the_share_near_failure_grows_with_the_weight(counts: list[int], w_max: float) -> None:
    plain = sum(counts[:31]) / sum(counts)
    share = near_failure_share(counts, w_max)
    assert plain - 1e-12 <= share <= min(1.0, w_max * plain) + 1e-12
    assert near_failure_share(counts, 1.0) == pytest.approx(plain)


@pytest.mark.browser
def test_weights(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm)
    ceilings, rul = GradientDensity.controls()["w_max"].grid, [*range(126), 125.5, 200]
    computed = blank.evaluate("([ws, ys]) => ws.map((w) => ys.map((y) => script.weight(y, w, 125)))", [ceilings, rul])
    expected = [failure_weights(rul, w_max=w_max) for w_max in ceilings]
    np.testing.assert_allclose(computed, expected, rtol=1e-14)


@pytest.mark.browser
def test_share_of_the_pull_near_failure(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm)
    ceilings = GradientDensity.controls()["w_max"].grid
    for name, kind in product(SUBSETS, ("rows", "windows")):
        counts = SUBSETS[name][kind]["counts"]
        computed = blank.evaluate(
            "([ws, counts, near]) => ws.map((w) => script.nearShare(counts, near, w))", [ceilings, counts, NEAR]
        )
        np.testing.assert_allclose(computed, [near_failure_share(counts, w_max) for w_max in ceilings], rtol=1e-12)
