"""Weightings: what GABA promises, for any number of tasks, scale and dtype."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.testing import assert_close

from rulbook import reference
from rulbook.weighting import EMA, AffineFloor, ClipFloor, FixedWeights, InverseGradient, InverseNorm, Warmup

exponents = st.floats(-12, 12)
positive_norms = st.lists(exponents, min_size=2, max_size=8).map(
    lambda powers: torch.tensor([10.0**power for power in powers], dtype=torch.float64)
)
dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


def one() -> torch.Tensor:
    return torch.tensor(1.0, dtype=torch.float64)


@given(positive_norms)
def test_every_task_pulls_equally_hard(norms):
    weights = InverseNorm(len(norms), eps=0.0)(norms)
    assert_close(weights.sum(), one())
    pulls = weights * norms
    assert_close(pulls, pulls.mean().expand_as(pulls), rtol=1e-9, atol=0.0)


def test_the_complement_formula_equalises_two_tasks_and_fails_for_three():
    """(S - g_i) / ((K - 1) S), the other formula in circulation."""

    def complement(norms):
        return (norms.sum() - norms) / ((len(norms) - 1) * norms.sum())

    two, three = torch.tensor([1.0, 100.0]), torch.tensor([1.0, 10.0, 100.0])
    assert_close(complement(two), InverseNorm(2, eps=0.0)(two))
    pulls = complement(three) * three
    assert_close(pulls, torch.tensor([0.4955, 4.5495, 4.9550]), rtol=0, atol=1e-4)
    assert pulls.max() / pulls.min() > 9.9
    ours = InverseNorm(3, eps=0.0)(three) * three
    assert_close(ours, ours.mean().expand(3))


@given(positive_norms, st.integers(0, 7), st.floats(-6, 6))
def test_rescaling_a_loss_does_not_turn_the_direction(norms, task, power):
    tasks, scale = len(norms), 10.0**power
    generator = torch.Generator().manual_seed(tasks)
    unit = torch.nn.functional.normalize(torch.randn(tasks, 12, generator=generator, dtype=torch.float64), dim=1)
    factors = torch.ones(tasks, dtype=torch.float64)
    factors[task % tasks] = scale

    def direction(norms):
        step = InverseNorm(tasks, eps=0.0)(norms) @ (norms[:, None] * unit)
        return step / step.norm()

    assert_close(direction(norms), direction(factors * norms), rtol=1e-7, atol=1e-9)


@given(positive_norms, st.randoms(use_true_random=False))
def test_weights_follow_their_tasks(norms, random):
    order = list(range(len(norms)))
    random.shuffle(order)
    weigh = InverseGradient(len(norms), warmup=0)
    assert_close(copy.deepcopy(weigh)(norms)[order], weigh(norms[order]))


@given(positive_norms, st.floats(0, 1), st.sampled_from(["affine", "clip"]), st.floats(0.1, 9))
def test_weights_sum_to_the_total_and_the_affine_floor_is_kept(norms, share, form, total):
    tasks = len(norms)
    floor = share / tasks
    weigh = InverseGradient(tasks, beta=0.5, floor=floor, warmup=0, floor_form=form, total=total)
    for _ in range(3):
        weights = weigh(norms)
        assert_close(weights.sum(), total * one())
        if form == "affine":
            assert (weights >= total * floor * (1 - 1e-9) - 1e-12).all()


def test_the_published_floor_ends_below_itself():
    raw = torch.tensor([498.0, 1.0], dtype=torch.float64)
    clipped = ClipFloor(InverseNorm(2, eps=0.0), 0.05)(raw)
    lifted = AffineFloor(InverseNorm(2, eps=0.0), 0.05)(raw)
    assert clipped.numpy().round(4).tolist() == [0.0477, 0.9523]
    assert lifted.numpy().round(4).tolist() == [0.0518, 0.9482]
    assert clipped[0] < 0.05 < lifted[0]


def test_above_a_ratio_of_nineteen_the_clipped_weights_all_but_stand_still():
    weigh = ClipFloor(InverseNorm(2, eps=0.0), 0.05)
    at_1, at_19, at_500, at_a_million = (
        float(weigh(torch.tensor([ratio, 1.0], dtype=torch.float64))[0]) for ratio in (1.0, 19.0, 500.0, 1e6)
    )
    assert at_1 - at_19 == pytest.approx(0.45)
    assert at_19 - at_a_million < 0.0024
    assert at_500 - at_a_million < 0.0001


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_the_affine_floor_commutes_with_the_average(powers, floor):
    before = EMA(AffineFloor(InverseNorm(), floor), 0.9)
    after = AffineFloor(EMA(InverseNorm(), 0.9), floor)
    for power in powers:
        norms = torch.tensor([10.0**power, 1.0], dtype=torch.float64)
        assert_close(before(norms), after(norms), rtol=0, atol=1e-13)


def test_the_clipped_floor_does_not_commute_with_the_average():
    before, after = EMA(ClipFloor(InverseNorm(), 0.05), 0.99), ClipFloor(EMA(InverseNorm(), 0.99), 0.05)
    norms = torch.tensor([500.0, 1.0], dtype=torch.float64)
    for _ in range(100):
        first, second = before(norms), after(norms)
    assert abs(first[0] - second[0]) > 0.02


@given(st.floats(0.01, 0.999), st.lists(st.floats(-4, 4), min_size=1, max_size=40))
def test_the_average_has_its_closed_form(beta, powers):
    weigh = EMA(InverseNorm(), beta)
    raw = []
    for power in powers:
        norms = torch.tensor([10.0**power, 1.0], dtype=torch.float64)
        smoothed = weigh(norms)
        raw.append(reference.inverse_gradient_weights(norms.numpy()))
    n = len(raw)
    shares = (1 - beta) * beta ** np.arange(n - 1, -1, -1)
    expected = beta**n * np.array([0.5, 0.5]) + shares @ np.array(raw)
    np.testing.assert_allclose(smoothed.numpy(), expected, rtol=1e-10)


@given(st.integers(1, 30), st.integers(1, 8))
def test_rare_norms_with_the_factor_raised_forget_at_the_same_pace(every, times):
    norms = torch.tensor([500.0, 1.0], dtype=torch.float64)
    often, rarely = EMA(InverseNorm(), 0.99), EMA(InverseNorm(), 0.99)
    for _ in range(every * times):
        at_every_step = often(norms)
    for _ in range(times):
        now_and_then = rarely(norms, steps=every)
    assert_close(at_every_step, now_and_then, rtol=1e-12, atol=0.0)


def test_it_takes_233_steps_from_one_half_to_the_floor():
    weigh, norms, steps = EMA(InverseNorm(), 0.99), torch.tensor([500.0, 1.0], dtype=torch.float64), 0
    while steps == 0 or weigh.smoothed[0] > 0.05:
        weigh(norms)
        steps += 1
    assert steps == 233


@given(st.integers(2, 9), st.integers(1, 20), st.sampled_from(["affine", "clip"]), dtypes)
def test_the_warmup_is_exactly_uniform_and_leaves_no_trace(tasks, warmup, form, dtype):
    weigh = InverseGradient(tasks, warmup=warmup, floor=0.01, floor_form=form)
    norms = torch.logspace(-2, 2, tasks).to(dtype)
    for step in range(warmup):
        assert not weigh.needs_norms
        # Norms may be given or not: they are not looked at.
        weights = weigh(norms) if step % 2 else weigh()
        assert (weights == torch.full_like(weights, 1 / tasks)).all()
    assert weigh.needs_norms
    assert_close(weigh(norms), InverseGradient(tasks, warmup=0, floor=0.01, floor_form=form)(norms), rtol=0, atol=0)


@given(st.integers(2, 9), st.integers(1, 20))
def test_equal_norms_stay_exactly_uniform(tasks, steps):
    weigh = InverseGradient(tasks, warmup=0, floor=0.01)
    for _ in range(steps):
        weights = weigh(torch.full((tasks,), 3.7, dtype=torch.float64))
    assert_close(weights, torch.full_like(weights, 1 / tasks), rtol=0, atol=1e-15)


@given(positive_norms, st.sampled_from([0.0, 1e-8, 1e-3]), st.sampled_from([1.0, 2.0]))
def test_torch_agrees_with_numpy(norms, eps, total):
    weights = InverseGradient(len(norms), beta=0, floor=0, warmup=0, eps=eps, total=total)(norms)
    expected = reference.inverse_gradient_weights(norms.numpy(), eps, total=total)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-12)


@given(positive_norms)
def test_torch_agrees_with_the_plain_formula(norms):
    eps = 1e-8
    assume(bool((norms > eps).all()))
    inverse = 1 / (norms + eps)
    assert_close(InverseNorm(len(norms), eps)(norms), inverse / inverse.sum())


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6), dtypes)
def test_low_precision_norms_give_weights_in_single_precision(powers, dtype):
    norms = torch.tensor([10.0**power for power in powers]).to(dtype)
    weights = InverseGradient(len(norms), warmup=0)(norms)
    assert weights.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = InverseGradient(len(norms), warmup=0)(norms.double())
    assert_close(weights.double(), exact, rtol=1e-5, atol=1e-7)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ([5.0, 0.0], [0.5, 0.5]),  # A dead task takes its even share and no more.
        ([5.0, 1e-9], [0.5, 0.5]),  # Below eps counts as zero.
        ([0.0, 0.0], [0.5, 0.5]),
        ([3.0, 1.0, 0.0], [1 / 6, 1 / 2, 1 / 3]),
        ([5.0, INF], [1.0, 0.0]),  # A broken task takes nothing.
        ([NAN, 5.0], [0.0, 1.0]),
        ([NAN, INF], [0.5, 0.5]),
        ([NAN, 0.0, 3.0, 1.0], [0.0, 1 / 3, 1 / 6, 1 / 2]),
    ],
)
def test_dead_and_broken_norms_have_defined_weights(norms, expected):
    weights = InverseNorm(len(norms))(torch.tensor(norms, dtype=torch.float64))
    np.testing.assert_allclose(weights.numpy(), expected, atol=1e-7)
    np.testing.assert_allclose(reference.inverse_gradient_weights(norms), expected, atol=1e-7)


@pytest.mark.parametrize("broken", [NAN, INF])
def test_the_average_ignores_broken_norms(broken):
    weigh = EMA(InverseNorm(), 0.9)
    before = weigh(torch.tensor([4.0, 1.0]))
    assert_close(weigh(torch.tensor([broken, 1.0])), before, rtol=0, atol=0)


def test_a_dead_task_does_not_drain_the_others():
    weigh = InverseGradient(2, floor=0.0, warmup=0)
    for _ in range(2000):
        weights = weigh(torch.tensor([5.0, 0.0]))
    assert weights.tolist() == [0.5, 0.5]


def test_weights_carry_no_graph():
    norms = torch.tensor([4.0, 1.0], requires_grad=True) * 2
    for weigh in (InverseNorm(), InverseGradient(warmup=0), FixedWeights()):
        assert not weigh(norms).requires_grad


def test_each_part_can_be_left_out():
    weigh = InverseGradient(beta=0, floor=0, warmup=0, eps=0)
    assert [type(module).__name__ for module in weigh.modules()] == ["InverseGradient", "InverseNorm"]
    norms = torch.tensor([3.0, 1.0], dtype=torch.float64)
    assert_close(weigh(norms), torch.tensor([0.25, 0.75], dtype=torch.float64))
    whole = InverseGradient()
    names = [type(module).__name__ for module in whole.modules()]
    assert names == ["InverseGradient", "Warmup", "AffineFloor", "EMA", "InverseNorm"]


def test_a_checkpoint_restores_the_path_bit_for_bit_and_reset_begins_anew():
    generator = torch.Generator().manual_seed(5)
    stream = torch.rand(60, 2, generator=generator).exp()
    weigh = InverseGradient(warmup=10)
    path = [weigh(norms) for norms in stream[:30]]
    resumed = InverseGradient(warmup=10)
    resumed.load_state_dict(weigh.state_dict())
    for norms in stream[30:]:
        assert torch.equal(resumed(norms), weigh(norms))
    weigh.reset()
    for norms, weights in zip(stream[:30], path, strict=True):
        assert torch.equal(weigh(norms), weights)


def test_sum_conventions_differ_by_length_only():
    norms = [4.81, 0.0096]
    shares, doubled = (reference.inverse_gradient_weights(norms, total=total) for total in (1, 2))
    np.testing.assert_allclose(doubled, 2 * shares)
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseNorm(1), "tasks is 1"),
        (lambda: InverseNorm(2, eps=-1), "eps is -1"),
        (lambda: EMA(InverseNorm(), 1.5), "beta is 1.5"),
        (lambda: AffineFloor(InverseNorm(), 0.6), "floor is 0.6"),
        (lambda: ClipFloor(InverseNorm(4), 0.3), "floor is 0.3"),
        (lambda: Warmup(InverseNorm(), -1), "steps is -1"),
        (lambda: InverseGradient(floor_form="round"), "floor_form is 'round'"),
        (lambda: InverseGradient(total=0), "total is 0"),
        (lambda: FixedWeights([1.0]), "at least two tasks"),
        (lambda: FixedWeights([0.0, 0.0]), "one weight above 0"),
        (lambda: InverseNorm(2)(torch.ones(3)), r"norms has shape \(3,\)"),
        (lambda: InverseNorm(2)(torch.tensor([1.0, -2.0])), "negative"),
        (lambda: InverseNorm(2)(), "norms is None"),
        (lambda: reference.inverse_gradient_weights([1.0]), "two tasks or more"),
        (lambda: reference.inverse_gradient_weights([1.0, -1.0]), "at least 0"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
