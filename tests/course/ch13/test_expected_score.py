"""The mean NASA score of normal errors: against integration, central differences and a search."""

from __future__ import annotations

import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from rulbook.course.ch13.expected_score import best_bias, expected_score, score_slope
from rulbook.metrics import nasa_score

GRID = [(b, s) for b in (-20.0, -3.0, 0.0, 7.0, 15.0) for s in (0.5, 6.0, 15.0, 25.0)]


@pytest.mark.parametrize(("bias", "sigma"), GRID)
def test_the_closed_form_is_the_integral(bias, sigma):
    def part(low, high):
        # A wide but finite range: the score grows exponentially, the density falls faster.
        return quad(lambda d: nasa_score([d], [0]) * norm.pdf(d, bias, sigma), low, high, limit=400)[0]

    reach = abs(bias) + 12 * sigma + sigma**2 / 5
    assert expected_score(bias, sigma) == pytest.approx(part(-reach, 0) + part(0, reach), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("bias", "sigma"), GRID)
def test_the_slope_is_that_of_the_score(bias, sigma):
    measured = (expected_score(bias + 1e-4, sigma) - expected_score(bias - 1e-4, sigma)) / 2e-4
    assert score_slope(bias, sigma) == pytest.approx(measured, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("sigma", [0.01, 1.0, 5.0, 15.0, 30.0])
def test_no_other_bias_is_better(sigma):
    best = best_bias(sigma)
    assert best < 0
    assert score_slope(best, sigma) == pytest.approx(0, abs=1e-9)
    found = minimize_scalar(lambda b: expected_score(b, sigma), bounds=(-sigma - sigma**2, 0), method="bounded").x
    assert best == pytest.approx(found, abs=1e-3 * max(sigma, 1))


def test_small_noise_turns_the_score_into_a_quantile():
    # At the kink the score costs 1/10 a cycle late and 1/13 early: late with probability 10/23.
    assert best_bias(1e-4) / 1e-4 == pytest.approx(norm.ppf(10 / 23), rel=1e-3)
    assert best_bias(20.0) / 20.0 < best_bias(1.0)


def test_without_noise_it_is_the_score():
    for bias in (-26.0, -1.0, 3.0, 20.0):
        assert expected_score(bias, 1e-6) == pytest.approx(nasa_score([bias], [0]), rel=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"sigma is 0: it must be greater than 0\."):
        expected_score(0, 0)
    with pytest.raises(ValueError, match=r"bias is nan: it must be a finite number\."):
        expected_score(float("nan"), 1)
    with pytest.raises(ValueError, match=r"sigma is -1"):
        best_bias(-1)


@pytest.mark.parametrize("sigma", [60.0, 90.0, 150.0, 250.0])
def test_the_best_bias_is_found_for_much_noise_too(sigma):
    best = best_bias(sigma)
    assert score_slope(best - 0.01, sigma) < 0 < score_slope(best + 0.01, sigma)


def test_what_no_number_can_hold_is_named():
    assert expected_score(0.0, 300.0) < expected_score(1.0, 300.0) < float("inf")
    with pytest.raises(ValueError, match="larger than any number"):
        expected_score(0.0, 1e4)
