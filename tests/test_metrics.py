"""RMSE, NASA score, health measures and Pareto front: by hand, by property, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rulbook.metrics import health_accuracy, health_macro_f1, nasa_score, pareto_front, rmse

errors = arrays(np.float64, st.integers(1, 30), elements=st.floats(-150, 150))


def test_the_asymmetry_table():
    sizes = np.array([5, 10, 15, 20, 25, 30, 40, 50])
    early = [nasa_score([-d], [0]) for d in sizes]
    late = [nasa_score([d], [0]) for d in sizes]
    assert np.round(early, 3) == pytest.approx([0.469, 1.158, 2.170, 3.657, 5.842, 9.051, 20.692, 45.813])
    assert np.round(late, 3) == pytest.approx([0.649, 1.718, 3.482, 6.389, 11.182, 19.086, 53.598, 147.413])


@given(errors)
def test_a_perfect_prediction_and_only_that_scores_zero(d):
    true = np.full(len(d), 60.0)
    assert nasa_score(true, true) == 0.0
    assert rmse(true, true) == 0.0
    if np.abs(d).max() > 1e-6:
        assert nasa_score(true + d, true) > 0
        assert rmse(true + d, true) > 0


@given(st.floats(1e-3, 150))
def test_late_is_dearer_than_early(d):
    assert nasa_score([60 + d], [60]) > nasa_score([60 - d], [60])


@given(errors, errors)
def test_the_score_is_a_sum_over_engines(a, b):
    both = np.concatenate([a, b])
    parts = nasa_score(a, np.zeros(len(a))) + nasa_score(b, np.zeros(len(b)))
    assert nasa_score(both, np.zeros(len(both))) == pytest.approx(parts)


def test_rmse_by_hand():
    assert rmse([[3.0], [-4.0]], [0.0, 0.0]) == pytest.approx(np.sqrt(12.5))


def test_health_measures_by_hand():
    pred, true = [0, 0, 1, 2], [0, 1, 1, 1]
    assert health_accuracy(pred, true) == 0.5
    # F1 per class: 2*1/(2+1) = 2/3, 2*1/(1+3) = 1/2, and 0 for the class predicted once and never present.
    assert health_macro_f1(pred, true) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_pareto_front_by_hand():
    assert pareto_front([[1, 5], [2, 2], [5, 1], [3, 3], [2, 2]]).tolist() == [True, True, True, False, True]


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(0, 10)))
def test_every_point_off_the_front_is_beaten_by_one_on_it(points):
    front = pareto_front(points)
    assert front.any()
    for point in points[~front]:
        assert any((better <= point).all() and (better < point).any() for better in points[front])


@pytest.mark.parametrize("measure", [rmse, nasa_score, health_accuracy])
def test_bad_input_is_named(measure):
    with pytest.raises(ValueError, match="pred is empty"):
        measure([], [])
    with pytest.raises(ValueError, match="pred has 1 values but true has 2"):
        measure([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="true holds nan"):
        measure([1.0], [np.nan])


def test_pareto_front_wants_a_table():
    with pytest.raises(ValueError, match="points has shape"):
        pareto_front([1.0, 2.0])
