"""Quantiles of the gradients against a simulation, and the script against both."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page
from scipy.special import erf

from rulbook import reference
from rulbook.course.ch14.gradient_spread import SIGMA, GradientSpread, magnitude_quantile, mean_square_weight
from rulbook.course.results import read_json

SUBSETS = read_json("rul_histograms")["subsets"]


def test_quantiles_agree_with_a_simulation() -> None:
    generator = np.random.default_rng(0)
    counts = np.array([5] * 60 + [300])
    rul = generator.choice(61, size=400_000, p=counts / counts.sum())
    weights = reference.failure_weights(rul, max_rul=60, w_max=4)
    pull = np.abs(2 * weights * generator.normal(0, 7, size=len(rul)))
    for q in (0.1, 0.5, 0.99):
        assert magnitude_quantile(counts, q, 4, sigma=7) == pytest.approx(np.quantile(pull, q), rel=0.01)
    assert mean_square_weight(counts, 4) == pytest.approx(np.mean(weights**2), rel=0.01)


def test_quantiles_of_the_plain_loss_are_those_of_a_half_normal() -> None:
    assert magnitude_quantile([1] * 126, 0.5, 1, sigma=0.5) == pytest.approx(0.6744897501960817)
    assert magnitude_quantile([1] * 126, 0.99, 1, sigma=0.5) == pytest.approx(2.5758293035489004)
    with pytest.raises(ValueError, match="q is 1"):
        magnitude_quantile([1] * 126, 1.0, 1)


def test_mean_square_weight_nears_the_uniform_formula_on_a_fine_grid() -> None:
    for w_max in (1.0, 2.0, 5.0):
        assert mean_square_weight(np.ones(100_001), w_max) == pytest.approx((1 + w_max + w_max**2) / 3, rel=1e-4)


@pytest.mark.browser
def test_erf(blank: Page) -> None:
    blank.evaluate(LOAD, GradientSpread._esm)
    x = np.linspace(0, 6, 601)
    np.testing.assert_allclose(blank.evaluate("(xs) => xs.map(script.erf)", x.tolist()), erf(x), atol=2e-7)


@pytest.mark.browser
@pytest.mark.parametrize("subset", list(SUBSETS))
def test_spread_of_the_gradients(blank: Page, subset: str) -> None:
    blank.evaluate(LOAD, GradientSpread._esm)
    counts, ceilings = SUBSETS[subset]["windows"]["counts"], GradientSpread.controls()["w_max"].grid
    computed = blank.evaluate(
        """([ws, counts, sigma]) => ws.map((w) => [
             script.meanSquareWeight(counts, w),
             script.quantile(counts, 0.5, w, sigma),
             script.quantile(counts, 0.99, w, sigma),
           ])""",
        [ceilings, counts, SIGMA],
    )
    expected = [
        (mean_square_weight(counts, w), magnitude_quantile(counts, 0.5, w), magnitude_quantile(counts, 0.99, w))
        for w in ceilings
    ]
    # One decimal of a cycle is shown; the approximation of erf leaves three digits more.
    np.testing.assert_allclose(computed, expected, rtol=2e-5)
