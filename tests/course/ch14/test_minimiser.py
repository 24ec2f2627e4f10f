"""The prediction that a weighted squared error asks for (section 14.3), held to other ways to find it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from rulbook.course.ch14.minimiser import early_shift, weighted_minimiser
from rulbook.course.ch14.schedules import SCHEDULES
from rulbook.errors import InputError
from rulbook.reference import amnl_weighted_mse, failure_weights

cycles = st.floats(0, 125).map(lambda value: round(value, 3))
labels = st.lists(cycles, min_size=1, max_size=8)
ceilings = st.floats(1, 50)
FALLING = [name for name in SCHEDULES if name != "constant"]


def test_two_lives_half_and_half_by_hand():
    # 20 or 60 cycles left: weights 1.84 and 1.52, so (1.84 * 20 + 1.52 * 60) / 3.36.
    exact = (Fraction(184, 100) * 20 + Fraction(152, 100) * 60) / Fraction(336, 100)
    assert exact == 40 - Fraction(40, 21)
    assert weighted_minimiser([20, 60], failure_weights([20.0, 60.0])) == pytest.approx(float(exact), abs=1e-12)
    assert early_shift(40, 400) == pytest.approx(-40 / 21, abs=1e-12)


@given(labels=labels, w_max=ceilings)
def test_a_numerical_search_for_the_lowest_loss_ends_at_the_equation(labels, w_max):
    y = np.array(labels)

    def loss(f):
        return amnl_weighted_mse(np.full_like(y, f), y, w_max=w_max)[0]

    found = minimize_scalar(loss, bounds=(0, 125), method="bounded", options={"xatol": 1e-9}).x
    assert y.mean() + early_shift(y.mean(), y.var(), w_max=w_max) == pytest.approx(found, abs=2e-5)


@given(labels=labels, w_max=ceilings, max_rul=st.floats(125, 400))
def test_mean_and_variance_say_all_that_matters_for_labels_up_to_the_cap(labels, w_max, max_rul):
    y = np.array(labels)
    weights = failure_weights(y, max_rul, w_max)
    by_equation = y.mean() + early_shift(y.mean(), y.var(), max_rul, w_max)
    assert weighted_minimiser(y, weights) == pytest.approx(by_equation, abs=1e-9)


@given(labels=labels, w_max=ceilings)
def test_the_gradients_of_a_batch_that_looks_alike_cancel_at_the_minimiser(labels, w_max):
    y = np.array(labels)
    best = weighted_minimiser(y, failure_weights(y, w_max=w_max))
    _, _, grad = amnl_weighted_mse(np.full_like(y, best), y, w_max=w_max)
    assert grad.sum() == pytest.approx(0, abs=1e-9 * w_max)


@pytest.mark.parametrize("name", FALLING)
@given(labels=st.lists(st.floats(0, 300), min_size=1, max_size=8), w_max=ceilings)
def test_no_weight_that_falls_with_the_label_ever_asks_for_a_later_prediction(name, labels, w_max):
    y = np.array(labels)
    assert weighted_minimiser(y, SCHEDULES[name](y, w_max=w_max)) <= y.mean() + 1e-9 * (1 + y.mean())


@given(mean=st.floats(1, 124), share=st.floats(0.01, 1), w_max=st.floats(1.01, 50))
def test_the_shift_is_early_wherever_the_label_is_uncertain_and_only_there(mean, share, w_max):
    variance = share * mean * (125 - mean)
    assert early_shift(mean, variance, w_max=w_max) < 0
    assert early_shift(mean, 0, w_max=w_max) == 0
    assert early_shift(mean, variance, w_max=1) == 0


@given(mean=st.floats(1, 120), share=st.floats(0.01, 1), w_max=st.floats(1.01, 50))
def test_a_higher_ceiling_asks_for_more_but_never_for_more_than_its_limit(mean, share, w_max):
    variance = share * mean * (125 - mean)
    shift, higher = (early_shift(mean, variance, w_max=w) for w in (w_max, 2 * w_max))
    limit = -variance / (125 - mean)
    assert limit < higher < shift
    assert early_shift(mean, variance, w_max=1e15) == pytest.approx(limit, rel=1e-9)
    # Even the limit leaves a prediction that is not negative.
    assert mean + limit >= -1e-9


def test_beyond_the_cap_nothing_is_asked_for_as_all_weigh_alike():
    far = np.array([130.0, 150.0, 190.0])
    assert weighted_minimiser(far, failure_weights(far)) == pytest.approx(far.mean())


@given(labels=st.lists(st.floats(0, 300), min_size=2, max_size=8), w_max=ceilings)
def test_uncapped_labels_shift_by_their_covariance_with_the_capped_ones(labels, w_max):
    y, rise = np.array(labels), (w_max - 1) / 125
    shift = -rise * np.cov(np.minimum(y, 125), y, bias=True)[0, 1] / failure_weights(y, w_max=w_max).mean()
    assert weighted_minimiser(y, failure_weights(y, w_max=w_max)) - y.mean() == pytest.approx(shift, abs=1e-8)


@given(labels=st.lists(cycles, min_size=2, max_size=6), counts=st.data())
def test_probabilities_count_like_repeated_labels(labels, counts):
    often = counts.draw(st.lists(st.integers(0, 5), min_size=len(labels), max_size=len(labels)))
    assume(sum(often) > 0)
    weights = failure_weights(labels)
    repeated = weighted_minimiser(np.repeat(labels, often), np.repeat(weights, often))
    assert weighted_minimiser(labels, weights, often) == pytest.approx(repeated, abs=1e-9)


def test_weights_near_the_largest_number_do_not_overflow():
    assert weighted_minimiser([10, 30], [1e308, 1e308], [1e308, 1e308]) == pytest.approx(20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weighted_minimiser([], []), "labels is empty"),
        (lambda: weighted_minimiser([1, 2], [1]), "weights has 1 values but labels has 2"),
        (lambda: weighted_minimiser([1, 2], [1, -1]), "weights holds -1.0: none may be negative"),
        (lambda: weighted_minimiser([1, 2], [1, 1], [0, 0]), "probabilities are all 0"),
        (lambda: weighted_minimiser([1, 2], [1, 0], [0, 1]), "0 in turn"),
        (lambda: weighted_minimiser([1, float("nan")], [1, 1]), "labels holds nan"),
        (lambda: early_shift(130, 1), "mean is 130: it must lie between 0 and 125"),
        (lambda: early_shift(60, -1), "variance is -1"),
        (lambda: early_shift(10, 2000), "variance is 2000: labels from 0 to 125 with mean 10 have at most 1150"),
        (lambda: early_shift(60, 100, w_max=0.5), "w_max is 0.5"),
        (lambda: early_shift(60, 100, max_rul=0), "max_rul is 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        call()
