"""Each schedule of section 14.2 breaks what the chapter says it breaks, found by evaluating it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulbook.course.ch14.schedules import SCHEDULES, Schedule, broken_constraints
from rulbook.reference import failure_weights
from rulbook.weighting.samples import Linear, SampleWeighting
from rulbook.weighting.samples._base import nearness

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


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="w_max is 1"):
        broken_constraints(SCHEDULES["linear"], w_max=1.0)
    with pytest.raises(ValueError, match="max_rul is 0"):
        SCHEDULES["step"]([1.0], max_rul=0)


@pytest.mark.parametrize("cap", [60, 125, 250, 1000])
def test_the_step_is_at_thirty_cycles_whatever_the_cap_and_thirty_itself_is_not_near(cap):
    weights = SCHEDULES["step"]([0.0, 29.99, 30.0, 30.01, cap], cap, 3.0)
    assert weights.tolist() == [3.0, 3.0, 1.0, 1.0, 1.0]


def of_nearness(name, f):
    @dataclass(frozen=True)
    class Given(SampleWeighting):
        def weigh(self, rul, max_rul):
            return f(nearness(rul, max_rul), self.w_max)

    return Schedule(name, Given)


def test_a_steep_schedule_is_continuous_and_a_small_jump_is_not():
    steep = of_nearness("steep", lambda n, w_max: 1.0 + (w_max - 1.0) * n**60)
    assert broken_constraints(steep) == ["even"]
    jump = of_nearness("jump", lambda n, w_max: 1.0 + (w_max - 1.0) * (0.98 * n + 0.02 * (n > 0.5)))
    assert broken_constraints(jump) == ["continuous", "even"]
    falling = of_nearness("falling", lambda n, w_max: w_max - (w_max - 1.0) * n)
    assert broken_constraints(falling) == ["ordered", "anchored", "even"]


class Unclipped(Schedule):
    """A straight line that goes on falling beyond the cap."""

    def __call__(self, rul, max_rul=125.0, w_max=2.0):
        return 1.0 + (w_max - 1.0) * (1.0 - np.asarray(rul, dtype=float) / max_rul)


def test_a_weight_that_falls_on_beyond_the_cap_is_not_anchored():
    assert broken_constraints(Unclipped("unclipped", Linear)) == ["anchored"]


def test_a_schedule_wants_a_ceiling_of_one_at_least():
    assert SCHEDULES["linear"]([5.0], 125, 1.0).tolist() == [1.0]
    with pytest.raises(ValueError, match=r"w_max is 0\.99: it must be at least 1"):
        SCHEDULES["linear"]([5.0], 125, 0.99)
