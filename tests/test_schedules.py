"""Each schedule of section 14.2 breaks what the chapter says it breaks, found by evaluating it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulbook.reference import failure_weights
from rulbook.schedules import CONSTRAINTS, SCHEDULES, broken_constraints

EXPECTED = {
    "linear": [],
    "constant": ["anchored", "even"],
    "exponential": ["anchored", "parameter-free", "even"],
    "sigmoid": ["anchored", "parameter-free", "even"],
    "step": ["continuous", "parameter-free", "even"],
    "geometric": ["even"],
}


@pytest.mark.parametrize("name", SCHEDULES)
@given(max_rul=st.floats(60, 400), w_max=st.floats(1.5, 8))
def test_what_each_schedule_breaks(name, max_rul, w_max):
    assert broken_constraints(SCHEDULES[name], max_rul, w_max) == EXPECTED[name]


def test_the_linear_schedule_is_the_packaged_weight():
    rul = np.linspace(0, 300, 601)
    np.testing.assert_allclose(SCHEDULES["linear"](rul, 125, 3.0), failure_weights(rul, 125, 3.0), rtol=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stays_within_its_bounds(name):
    weights = SCHEDULES[name](np.linspace(0, 300, 3001), 125, 2.0)
    assert weights.min() >= 1
    assert weights.max() <= 2


def test_constraints_are_told_in_words():
    assert list(CONSTRAINTS) == ["ordered", "anchored", "continuous", "parameter-free", "even"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="w_max is 1"):
        broken_constraints(SCHEDULES["linear"], w_max=1.0)
    with pytest.raises(ValueError, match="max_rul is 0"):
        SCHEDULES["step"]([1.0], max_rul=0)
