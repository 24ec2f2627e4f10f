"""Small things that a number hangs on: bounds, defaults, copies, the pace of averages and of calibration."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rulbook import _check
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.weighting import EMA, AffineFloor, ClipFloor, FixedWeights, InverseGradient, InverseNorm, Warmup


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def step_with(balancer: WeightedSum, exact: torch.Tensor, cheap: torch.Tensor | None = None):
    """One step in which the norms are these, on the shared parameters and at the cheap place."""
    shared, place = (torch.zeros(len(exact), dtype=torch.float64, requires_grad=True) for _ in range(2))
    losses = exact * shared + (exact if cheap is None else cheap) * place
    return balancer.backward(losses, shared=[shared], representation=place, last_shared=[place])


@pytest.mark.parametrize("calibrate", [1, 2, 3])
@pytest.mark.parametrize("every", [1, 2])
def test_calibration_comes_at_every_so_many_measurements_and_learns_as_written(calibrate, every):
    """A mean of the log quotients at first, then a moving one of a quarter; between, cheap norms corrected by it."""
    balancer = WeightedSum(InverseNorm(), measure="representation", calibrate=calibrate, every=every)
    generator = torch.Generator().manual_seed(0)
    log_correction, calibrations, measured = torch.zeros(2).double(), 0, 0
    for step in range(20):
        exact = torch.rand(2, generator=generator, dtype=torch.float64) + 1
        cheap = exact / (3 + torch.rand(2, generator=generator, dtype=torch.float64))
        report = step_with(balancer, exact, cheap)
        if step % every:
            assert report.norms is None
            continue
        if measured % calibrate == 0:
            calibrations += 1
            log_correction += max(1 / calibrations, 0.25) * ((exact / cheap).log() - log_correction)
            assert_close(report.norms, exact)
            assert report.cosine is not None
        else:
            assert_close(report.norms, cheap * log_correction.exp())
            assert report.cosine is None
        measured += 1
        assert_close(balancer.log_correction, log_correction)


def test_a_report_keeps_its_weights_when_the_next_step_moves_them():
    balancer = WeightedSum(InverseNorm())
    first = step_with(balancer, double(3, 1))
    kept = first.weights.clone()
    step_with(balancer, double(1, 3))
    assert torch.equal(first.weights, kept)
    balancer.weights.fill_(7)
    assert torch.equal(first.weights, kept)


@pytest.mark.parametrize(("norm", "note"), [(0.5, "counts as zero"), (0.4, "counts as zero"), (0.6, None)])
def test_a_norm_of_just_eps_counts_as_zero(norm, note):
    report = step_with(WeightedSum(InverseGradient(warmup=0, eps=0.5)), double(4, norm))
    assert (report.note is None) == (note is None)
    assert note is None or f"task 1 has a gradient norm of {norm}, which counts as zero" == report.note
    weights = InverseNorm(eps=0.5)(double(4, norm))
    assert (weights.tolist() == [0.5, 0.5]) == (note is not None)


def test_eps_reaches_every_layer_of_the_weighting():
    weigh = InverseGradient(eps=0.25)
    assert {module.eps for module in weigh.modules()} == {0.25}
    average = EMA(InverseNorm(eps=0.25), 0.5)
    assert average(double(1, 0.25)).tolist() == [0.5, 0.5]
    assert average(double(1, 0.26))[1] > 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_smallest_norms_give_finite_weights(dtype):
    assert InverseNorm(eps=0.0)(torch.tensor([1e-39, 1.0], dtype=dtype)).tolist() == pytest.approx([1.0, 0.0])
    assert InverseNorm(eps=0.0)(torch.tensor([1e-39, 2e-39], dtype=dtype)).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert InverseNorm(eps=0.0)(torch.tensor([3e38, 1e38], dtype=dtype)).tolist() == pytest.approx([0.25, 0.75])


def test_fixed_weights_are_exact_and_cannot_be_written_through_what_they_hand_out():
    weigh = FixedWeights((0.1, 0.9))
    assert weigh(torch.ones(2, dtype=torch.float64)).tolist() == [0.1, 0.9]
    weigh(torch.ones(2, dtype=torch.float64)).fill_(5)
    weigh().fill_(5)
    assert weigh.weights.tolist() == [0.1, 0.9]
    assert FixedWeights([0.0, 1e-300]).weights.tolist() == [0.0, 1e-300]
    with pytest.raises(ValueError, match=r"weights is -0\.1: it must be at least 0"):
        FixedWeights([-0.1, 1.0])


@pytest.mark.parametrize("form", ["affine", "clip"])
def test_rare_norms_forget_at_the_same_pace_through_every_floor(form):
    often, rarely = (InverseGradient(warmup=0, floor_form=form) for _ in range(2))
    for _ in range(40):
        at_every_step = often(double(3, 1))
    for _ in range(8):
        now_and_then = rarely(double(3, 1), steps=5)
    assert_close(at_every_step, now_and_then, rtol=1e-12, atol=0)


@pytest.mark.parametrize("wrap", [lambda w: w, AffineFloor, ClipFloor, lambda w: Warmup(w, 0), lambda w: EMA(w, 0.5)])
def test_steps_of_an_average_are_counted_in_whole_steps(wrap):
    for steps in (0, -1):
        with pytest.raises(ValueError, match=f"steps is {steps}: it must be a whole number of at least 1"):
            wrap(EMA(InverseNorm()))(double(2, 1), steps=steps)
    assert inspect.signature(EMA).parameters["beta"].default == 0.99


def test_a_warm_up_counts_the_steps_that_passed():
    weigh = Warmup(InverseNorm(), 4)
    weigh(steps=3)
    assert not weigh.needs_norms
    weigh()
    assert weigh.needs_norms


def test_an_average_stays_where_it_is_when_a_norm_says_nothing():
    weigh = EMA(InverseNorm(3), 0.5)
    before = weigh(double(3, 2, 1))
    kept = before.clone()
    for silent in (0.0, 1e-9, math.nan, math.inf):
        for task in range(3):
            norms = double(9, 9, 1)
            norms[task] = silent
            assert torch.equal(weigh(norms), before)
    assert not torch.equal(weigh(double(9, 9, 1)), before)
    # What was handed out is a copy.
    assert torch.equal(before, kept)
    # An average over a warm-up moves with it, whatever the norms: they are not looked at.
    early = EMA(Warmup(InverseNorm(), 2), 0.5)
    assert early(double(0, math.nan)).tolist() == [0.5, 0.5]


def test_the_sum_of_weights_before_the_first_measurement_is_the_total():
    for total in (1.0, 2.0):
        balancer = WeightedSum(InverseGradient(warmup=0, total=total))
        report = step_with(balancer, double(5900, 0))
        assert report.weights.sum() == total
        step_with(balancer, double(5900, 1))
        balancer.reset()
        assert balancer.weights.sum() == total


@pytest.mark.parametrize("wrong", [2.5, True, -1, 0, math.nan, math.inf])
def test_a_whole_number_is_neither_cut_nor_made_of_truth(wrong):
    # The hint forbids most of these in tests, so the function is asked without it.
    with pytest.raises(ValueError, match=r"n is .*: it must be a whole number of at least 1\."):
        inspect.unwrap(_check.whole)("n", wrong, 1)


def test_a_whole_number_may_come_in_any_type():
    for three in (3, 3.0, np.float64(3)):
        found = inspect.unwrap(_check.whole)("n", three, 3, 3)
        assert found == 3
        assert type(found) is int


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a"], "x is ['a']: it must be an array of numbers."),
        (["5"], "x is ['5']: it must be an array of numbers."),
        (np.array([1 + 2j]), "x is array([1.+2.j]): it must be an array of numbers."),
        (np.array(["2020"], dtype="M8[Y]"), "it must be an array of numbers."),
        ([[1.0], [1.0, 2.0]], "it must be an array of numbers."),
        (np.array([1.0, "b"], dtype=object), "it must be an array of numbers."),
        (np.array([{}], dtype=object), "it must be an array of numbers."),
    ],
)
def test_an_array_of_numbers_is_one(values, words):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        inspect.unwrap(_check.numbers)("x", values)
    assert words in str(refused.value)


def test_an_array_of_numbers_may_come_from_anywhere():
    for values in (np.array([1, 2.5], dtype=object), torch.tensor([1, 2.5], requires_grad=True).bfloat16()):
        assert _check.numbers("x", values).tolist() == [1.0, 2.5]
