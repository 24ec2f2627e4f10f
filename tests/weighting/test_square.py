"""AMNL, GABA and GRACE: the worked example, PyTorch against NumPy, and the corners of the square."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from rulbook import reference
from rulbook.balancing import WeightedSum
from rulbook.gradients import task_gradient_norms
from rulbook.losses import AMNL, GABA, GRACE, task_losses
from rulbook.methods import METHODS
from rulbook.weighting import InverseGradient
from rulbook.weighting.samples import Linear

NORMS = [4.81, 0.0096]
seeds = st.integers(0, 2**31 - 1)


def batch(seed: int, size: int = 9):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 180, size)
    return target + rng.normal(0, 20, size), target, rng.normal(0, 3, (size, 3)), rng.integers(0, 3, size)


def as_torch(values):
    pred, target, logits, labels = values
    return torch.tensor(pred), torch.tensor(target), torch.tensor(logits), torch.tensor(labels)


def worked_example():
    """Four predictions five cycles late, all at the cap: losses of 25 and 1.10."""
    logit = -math.log((math.exp(1.10) - 1) / 2)
    return np.full(4, 130.0), np.full(4, 125.0), np.tile([logit, 0.0, 0.0], (4, 1)), np.zeros(4, dtype=int)


def test_the_worked_example_comes_to_2_2952_and_not_to_the_printed_2_2954():
    example = worked_example()
    weights = reference.inverse_gradient_weights(NORMS, total=2)
    assert weights.round(5).tolist() == [0.00398, 1.99602]
    assert float(weights @ [25.0, 1.10]) == pytest.approx(2.2952, abs=5e-5)
    assert reference.gaba_loss(*example, NORMS, total=2) == pytest.approx(2.2952, abs=5e-5)
    assert abs(reference.gaba_loss(*example, NORMS, total=2) - 2.2954) > 1e-4
    # At the cap every sample weighs 1, so GRACE says the same; with weights as shares, half of it.
    assert reference.grace_loss(*example, NORMS, total=2) == pytest.approx(2.2952, abs=5e-5)
    assert reference.gaba_loss(*example, NORMS) == pytest.approx(2.2952 / 2, abs=3e-5)
    assert reference.amnl_loss(*example) == pytest.approx((25.0 + 1.10) / 2)


def test_equal_residuals_near_failure_do_not_make_the_sample_weights_idle():
    """The source calls them a no-op on constant residuals; they multiply the loss by the mean weight."""
    pred, target, logits, labels = worked_example()
    near_failure = (pred - 125.0, target - 125.0, logits, labels)
    assert reference.grace_loss(*near_failure, NORMS, w_max=2) > reference.gaba_loss(*near_failure, NORMS) + 0.04


@given(seeds, st.floats(1, 8), st.floats(50, 150), st.floats(0, 1))
def test_torch_agrees_with_numpy(seed, w_max, max_rul, lam_hs):
    values = batch(seed)
    pred, target, logits, labels = as_torch(values)
    ours = (
        AMNL(lam_hs, max_rul=max_rul, w_max=w_max)(pred, target, logits, labels),
        GABA()(pred, target, logits, labels, NORMS),
        GRACE(max_rul=max_rul, w_max=w_max, total=2)(pred, target, logits, labels, torch.tensor(NORMS).double()),
    )
    expected = (
        reference.amnl_loss(*values, lam_hs=lam_hs, max_rul=max_rul, w_max=w_max),
        reference.gaba_loss(*values, NORMS),
        reference.grace_loss(*values, NORMS, max_rul=max_rul, w_max=w_max, total=2),
    )
    for one, other in zip(ours, expected, strict=True):
        assert one.item() == pytest.approx(other, rel=1e-6)


@given(seeds, st.floats(1, 8))
def test_the_corners_of_the_square_meet(seed, w_max):
    values = batch(seed)
    args = as_torch(values)
    # Sample weights off: GRACE is GABA. Task weights even: GABA is the baseline, and GRACE is AMNL.
    assert_close(GRACE(w_max=1)(*args, NORMS), GABA()(*args, NORMS), rtol=0, atol=0)
    assert_close(GABA()(*args, [3.0, 3.0]), AMNL(0.5, w_max=1)(*args))
    assert_close(GRACE(w_max=w_max)(*args, [3.0, 3.0]), AMNL(0.5, w_max=w_max)(*args))
    # Any fixed task weights: the norms that stand for them.
    assert_close(GRACE(eps=0, w_max=w_max)(*args, [1 / 0.7, 1 / 0.3]), AMNL(0.3, w_max=w_max)(*args), rtol=1e-6, atol=0)
    assert reference.grace_loss(*values, [7.0, 7.0], w_max=w_max) == pytest.approx(
        reference.amnl_loss(*values, w_max=w_max)
    )


@given(seeds)
def test_grace_mixes_the_tasks_once(seed):
    """AMNL inside GRACE would multiply its own share 0.5 on top of the weights of the norms."""
    pred, target, logits, labels = as_torch(batch(seed))
    mse, cross_entropy = task_losses(pred, logits, target, labels, samples=Linear(w_max=2.0))
    weights = torch.from_numpy(reference.inverse_gradient_weights(NORMS))
    assert_close(
        GRACE()(pred, target, logits, labels, NORMS), weights[0] * mse + weights[1] * cross_entropy, rtol=1e-6, atol=0
    )


def test_norms_enter_as_constants():
    pred, target, logits, labels = as_torch(batch(0))
    source = torch.tensor(NORMS, dtype=torch.float64, requires_grad=True)
    pred.requires_grad_()
    GRACE()(pred, target, logits, labels, source * 1).backward()
    assert source.grad is None
    with_graph = pred.grad.clone()
    pred.grad = None
    GRACE()(pred, target, logits, labels, source.detach()).backward()
    assert_close(with_graph, pred.grad, rtol=0, atol=0)


@pytest.mark.parametrize("norms", [[1.0], [1.0, 2.0, 3.0], [1.0, -1.0]])
def test_wrong_norms_are_refused(norms):
    values = batch(0)
    with pytest.raises(ValueError, match="norms"):
        reference.grace_loss(*values, norms)
    with pytest.raises(ValueError, match="norms"):
        GRACE()(*as_torch(values), norms)


@pytest.mark.parametrize(("form", "name"), [(GABA, "gaba"), (GRACE, "grace")])
def test_the_module_is_the_bare_formula_and_the_method_of_its_name_adds_average_floor_and_warmup(form, name):
    def network():
        generator = torch.Generator().manual_seed(3)
        parts = nn.ModuleList([nn.Linear(2, 4), nn.Linear(4, 1), nn.Linear(4, 3)]).double()
        for parameter in parts.parameters():
            nn.init.normal_(parameter, generator=generator)
        return parts

    def answers(parts):
        x = torch.tensor([[0.1, 2.0], [-1.0, 0.5], [3.0, 1.0]], dtype=torch.float64)
        hidden = parts[0](x).tanh()
        return 60 + 30 * parts[1](hidden), parts[2](hidden)

    def gradients(parts):
        return [parameter.grad for parameter in parts.parameters()]

    target, labels, method = torch.tensor([5.0, 60.0, 125.0]).double(), torch.tensor([2, 1, 0]), METHODS[name]
    trunk, by_hand, stepped = (network() for _ in range(3))
    shared = list(trunk[0].parameters())
    norms = task_gradient_norms(task_losses(*answers(trunk), target, labels, samples=method.samples), shared)
    pred, logits = answers(by_hand)
    form()(pred, target, logits, labels, norms).backward()

    def step(balancer):
        stepped.zero_grad()
        losses = task_losses(*answers(stepped), target, labels, samples=method.samples)
        return balancer.backward(losses, shared=list(stepped[0].parameters())).weights.tolist()

    step(WeightedSum(InverseGradient(beta=0, floor=0, warmup=0)))
    for one, other in zip(gradients(by_hand), gradients(stepped), strict=True):
        assert_close(one, other)
    # The method: equal weights while it warms up, and then a step of a hundredth towards the formula's.
    balancer = method.balancer()
    assert [step(balancer) for _ in range(100)] == [[0.5, 0.5]] * 100
    formula = reference.inverse_gradient_weights(norms)
    assert step(balancer) == pytest.approx(0.99 * np.array([0.5, 0.5]) + 0.01 * formula)
