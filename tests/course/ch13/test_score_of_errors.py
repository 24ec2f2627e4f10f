"""The script of the figure on errors against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch13.expected_score import best_bias, expected_score
from rulbook.course.ch13.score_of_errors import ScoreOfErrors
from rulbook.metrics import nasa_score


@pytest.mark.browser
def test_mean_score_and_best_bias(blank: Page) -> None:
    blank.evaluate(LOAD, ScoreOfErrors._esm)
    controls = ScoreOfErrors.controls()
    biases, sigmas = controls["bias"].grid, controls["sigma"].grid
    computed = blank.evaluate(
        "([bs, ss]) => bs.map((b) => ss.map((s) => script.expectedScore(b, s)))", [biases, sigmas]
    )
    np.testing.assert_allclose(computed, [[expected_score(b, s) for s in sigmas] for b in biases], rtol=5e-6)
    best = blank.evaluate("(ss) => ss.map(script.bestBias)", sigmas)
    np.testing.assert_allclose(best, [best_bias(s) for s in sigmas], rtol=1e-5)
    errors = [-60.0, -13.0, -0.5, 0.0, 0.5, 10.0, 60.0]
    scored = blank.evaluate("(ds) => ds.map(script.score)", errors)
    np.testing.assert_allclose(scored, [nasa_score([d], [0]) for d in errors], rtol=1e-12)
