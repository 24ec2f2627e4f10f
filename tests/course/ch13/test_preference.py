"""Preference, reigns and resampled wins: by hand, by property, against a simulation."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rulbook.course.ch13.preference import late_weight, min_max, preference, reigns, win_shares
from rulbook.metrics import pareto_front

tables = arrays(
    np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(0, 40).map(lambda whole: whole / 4)
)


def test_preference_by_hand():
    points = [[10.0, 500.0], [12.0, 300.0], [20.0, 100.0]]
    np.testing.assert_allclose(min_max(points), [[0, 1], [0.2, 0.5], [1, 0]])
    np.testing.assert_allclose(preference(points, 0.25), [0.25, 0.275, 0.75])
    assert [reign.winner for reign in reigns(points)] == [0, 1, 2]
    # (1 - w) 0 + w = (1 - w) 0.2 + 0.5 w, and (1 - w) 0.2 + 0.5 w = 1 - w.
    np.testing.assert_allclose([reign.end for reign in reigns(points)], [2 / 7, 8 / 13, 1])


def test_a_column_in_which_all_agree_does_not_decide():
    np.testing.assert_array_equal(min_max([[3.0, 1.0], [3.0, 2.0]]), [[0, 0], [0, 1]])
    np.testing.assert_array_equal(preference([[3.0, 7.0]], 0.4), [0.0])


@given(tables, st.floats(0, 1))
def test_whoever_reigns_has_the_lowest_value(points, w):
    chain = reigns(points)
    assert chain[0].start == 0
    assert chain[-1].end == 1
    assert all(one.end == following.start for one, following in pairwise(chain))
    winner = next(reign.winner for reign in chain if reign.start <= w <= reign.end)
    value = preference(points, w)
    assert value[winner] == pytest.approx(value.min(), abs=1e-12)


@given(tables)
def test_nobody_reigns_who_is_off_the_front(points):
    front = pareto_front(points)
    for reign in reigns(points):
        if reign.end - reign.start > 1e-9:
            assert front[reign.winner]


@given(tables, st.floats(0.1, 10), st.floats(-5, 5), st.floats(0, 1))
def test_units_do_not_matter(points, scale, shift, w):
    np.testing.assert_allclose(preference(scale * points + shift, w), preference(points, w), atol=1e-9)


def test_two_prices_make_a_weight():
    assert late_weight(3, 1) == 0.75
    assert late_weight(2, 2) == 0.5
    with pytest.raises(ValueError, match=r"cost_early is 0: it must be greater than 0\."):
        late_weight(1, 0)


def test_win_shares_count_every_resample():
    runs = np.random.default_rng(0).uniform(1, 2, size=(3, 4, 2))
    preferences = [0.0, 0.3, 1.0]
    counted = np.zeros((3, 4))
    for drawn in product(range(3), repeat=3):
        for row, w in enumerate(preferences):
            counted[row, preference(runs[list(drawn)].mean(axis=0), w).argmin()] += 1
    np.testing.assert_allclose(win_shares(runs, preferences), counted / 27)


@given(arrays(np.float64, (4, 3, 2), elements=st.floats(0, 100)), st.integers(0, 2))
def test_shares_sum_to_one_and_a_method_better_in_every_run_always_wins(runs, best):
    np.testing.assert_allclose(win_shares(runs, [0, 0.5, 1]).sum(axis=1), 1)
    assume(np.ptp(runs) > 0)
    runs[:, best] = runs.min(axis=(0, 1)) - 1
    np.testing.assert_allclose(win_shares(runs, [0, 0.5, 1])[:, best], 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: preference([[1.0, 2.0]], 1.5), "w is 1.5: it must lie between 0 and 1."),
        (lambda: preference([[1.0, 2.0, 3.0]], 0.5), "points has 3 columns: two are wanted, RMSE and NASA score."),
        (lambda: min_max([1.0, 2.0]), "points has shape (2,): it must be a table"),
        (lambda: min_max([[np.nan, 2.0]]), "points holds nan"),
        (lambda: reigns(np.empty((0, 2))), "points has shape (0, 2)"),
        (lambda: win_shares(np.ones((2, 3)), [0.5]), "runs has shape (2, 3): it must be (seeds, candidates, 2)"),
        (lambda: win_shares(np.ones((11, 3, 2)), [0.5]), "with 1 to 10 seeds."),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        call()
    assert message in str(refused.value)


def test_of_equals_at_the_start_the_one_that_falls_fastest_reigns_from_there():
    chain = reigns([[10.0, 300.0], [10.0, 100.0], [20.0, 50.0]])
    assert [reign.winner for reign in chain] == [1, 2]
    assert chain[0].start == 0


def test_where_three_meet_the_steepest_takes_over_at_once():
    chain = reigns([[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]])
    assert [(reign.winner, reign.start, reign.end) for reign in chain] == [(0, 0.0, 0.5), (2, 0.5, 1.0)]


def test_who_only_draws_level_at_the_very_end_does_not_reign():
    assert reigns([[0.0, 0.0], [1.0, 0.0]]) == [(0, 0.0, 1.0)]


def test_win_shares_take_one_seed_and_ten():
    assert win_shares([[[1.0, 2.0], [2.0, 1.0]]], [0.0, 1.0]).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert win_shares(np.ones((10, 1, 2)), [0.5]).tolist() == [pytest.approx([1.0])]
    with pytest.raises(ValueError, match="runs is"):
        win_shares([[["a", "b"]]], [0.5])
