"""RMSE, NASA score, health measures and Pareto front: by hand, by property, against scikit-learn."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import make_scorer
from sklearn.model_selection import cross_val_score

from rulbook.metrics import (
    as_scorer,
    health_accuracy,
    health_macro_f1,
    nasa_score,
    nasa_scorer,
    pareto_front,
    rmse,
    rmse_scorer,
    true_first,
)

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


def test_names_are_safe_in_any_order():
    assert nasa_score(true=[50.0], pred=[60.0]) == nasa_score([60.0], [50.0]) == pytest.approx(np.e - 1)


class LateByTen(RegressorMixin, BaseEstimator):
    """An estimator whose every prediction is ten cycles late; the rows are the true values."""

    def fit(self, rows, true):
        return self

    def predict(self, rows):
        return rows[:, 0] + 10.0


TRUE = np.array([20.0, 60.0, 90.0, 125.0])


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [
        (nasa_scorer, -2 * np.expm1(1.0)),
        (as_scorer(nasa_score), -2 * np.expm1(1.0)),
        (make_scorer(true_first(nasa_score), greater_is_better=False), -2 * np.expm1(1.0)),
        (rmse_scorer, -10.0),
        (as_scorer(health_accuracy), 0.0),
    ],
)
def test_scorers_keep_late_late_in_scikit_learn(scoring, expected):
    found = cross_val_score(LateByTen(), TRUE[:, None], TRUE, cv=2, scoring=scoring, error_score="raise")
    assert found == pytest.approx([expected] * 2)
    assert pickle.loads(pickle.dumps(scoring))(LateByTen(), TRUE[:2, None], TRUE[:2]) == pytest.approx(expected)


def test_scikit_learn_cannot_swap_late_and_early_in_silence():
    scorer = make_scorer(nasa_score, greater_is_better=False)
    with pytest.raises(ValueError, match="called by scikit-learn, which gives the true values first"):
        scorer(LateByTen(), TRUE[:, None], TRUE)
    # Whoever turns the arguments round knows what they do.
    own = make_scorer(lambda y_true, y_pred: nasa_score(y_pred, y_true))
    assert own(LateByTen(), TRUE[:, None], TRUE) == pytest.approx(4 * np.expm1(1.0))


def test_what_overflows_says_so_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nasa_score([7097.0], [0.0]) < np.inf
        assert nasa_score([7098.0], [0.0]) == np.inf
        assert nasa_score([-9227.0], [0.0]) < np.inf
        assert nasa_score([-9228.0], [0.0]) == np.inf
        assert rmse([3e200, 4e200], [0.0, 0.0]) == pytest.approx(np.sqrt(12.5) * 1e200)


def test_a_class_that_is_absent_counts_zero_and_one_that_is_missed_too():
    # Class 2 is neither predicted nor present.
    assert health_macro_f1([0, 1, 1], [0, 1, 1]) == pytest.approx(2 / 3)
    assert health_macro_f1([0, 1, 1], [0, 1, 1], classes=2) == health_macro_f1([0], [0], classes=1) == 1.0
    # Class 2 is present and never predicted: 1 / 3 x (1 + 2/3 + 0).
    assert health_macro_f1([0, 1, 1], [0, 1, 2]) == pytest.approx((1 + 2 / 3) / 3)
    # Not the accuracy.
    assert health_accuracy([0, 1, 1], [0, 1, 2]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: health_macro_f1([0.5], [0]), "pred holds the health class 0.5: it must be a whole number from 0 to 2"),
        (lambda: health_macro_f1([0], [3]), "true holds the health class 3"),
        (lambda: health_macro_f1([0], [-1]), "true holds the health class -1"),
        (lambda: health_macro_f1([0], [0], classes=0), "classes is 0"),
        (lambda: health_macro_f1([0, 5, 1], [0, 1, 1]), "pred holds the health class 5"),
        (lambda: health_macro_f1([0, 1, 1], [0, 1, 3]), "true holds the health class 3"),
        (lambda: health_macro_f1([0, 0.5, -1], [0, 1, 1]), "pred holds the health class 0.5"),
        (lambda: health_macro_f1([0, 1], [0, 2], classes=2), "true holds the health class 2: .* from 0 to 1"),
        (lambda: health_accuracy([1, 1.5], [1, 1]), "pred holds the health class 1.5: .* of at least 0"),
        (lambda: health_accuracy([1, 0], [1, -1]), "true holds the health class -1"),
        (lambda: health_accuracy([1.5], [1]), "pred holds the health class 1.5"),
        (lambda: health_accuracy([1], [-1]), "true holds the health class -1"),
        (lambda: rmse(["a"], [1.0]), "pred is"),
        (lambda: pareto_front([[np.nan, 1.0]]), "points has shape"),
        (lambda: pareto_front([[1.0, np.inf]]), "points has shape"),
        (lambda: pareto_front([[1.0, 2.0], [3.0, np.nan]]), "points has shape"),
        (lambda: pareto_front([["a", "b"]]), "points is"),
        (lambda: rmse([1.0, np.inf], [1.0, 2.0]), r"pred holds inf at position \(1,\)"),
        (lambda: nasa_score([1.0, 2.0], [1.0, np.nan]), r"true holds nan at position \(1,\)"),
    ],
)
def test_what_is_no_class_or_no_number_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
