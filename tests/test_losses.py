"""The PyTorch losses agree with the NumPy ones, in value and in gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from rulbook import reference
from rulbook.losses import AMNL, failure_weights, moderate_weighted_mse_loss, task_losses

sizes_and_seeds = st.tuples(st.integers(1, 50), st.integers(0, 2**31 - 1))


def batch(size, seed):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 180, size)
    return (
        torch.tensor(target + rng.normal(0, 20, size), requires_grad=True),
        torch.tensor(target),
        torch.tensor(rng.normal(0, 3, (size, 3)), requires_grad=True),
        torch.tensor(rng.integers(0, 3, size)),
    )


@given(sizes_and_seeds, st.floats(1, 8), st.floats(50, 150))
def test_value_and_gradient_agree_with_numpy(size_and_seed, w_max, max_rul):
    pred, target, _, _ = batch(*size_and_seed)
    loss = moderate_weighted_mse_loss(pred, target, max_rul, w_max=w_max)
    loss.backward()
    expected, weights, grad = reference.amnl_weighted_mse(pred.detach(), target, max_rul, w_max=w_max)
    assert loss.item() == pytest.approx(expected)
    np.testing.assert_allclose(failure_weights(target, max_rul, w_max), weights, rtol=1e-12)
    np.testing.assert_allclose(pred.grad, grad, rtol=1e-9, atol=1e-12)


@given(sizes_and_seeds)
def test_cross_entropy_of_the_reference_is_torchs(size_and_seed):
    _, _, logits, labels = batch(*size_and_seed)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    expected, grad = reference.softmax_cross_entropy(logits.detach(), labels)
    assert loss.item() == pytest.approx(expected)
    np.testing.assert_allclose(logits.grad, grad, rtol=1e-9, atol=1e-12)


@given(sizes_and_seeds)
def test_a_ceiling_of_one_is_mse_loss(size_and_seed):
    pred, target, _, _ = batch(*size_and_seed)
    torch.testing.assert_close(moderate_weighted_mse_loss(pred, target, w_max=1.0), F.mse_loss(pred, target))


def test_mixed_shapes_mean_the_same_and_are_never_broadcast():
    pred, target, _, _ = batch(7, 0)
    plain = moderate_weighted_mse_loss(pred, target)
    for p, t in [(pred[:, None], target), (pred, target[:, None]), (pred[:, None], target[:, None])]:
        assert torch.equal(moderate_weighted_mse_loss(p, t), plain)
    every_other = moderate_weighted_mse_loss(pred[::2], target[::2])
    assert torch.equal(moderate_weighted_mse_loss(pred[::2], target[::2, None]), every_other)


@given(sizes_and_seeds, st.floats(0, 1))
def test_amnl_mixes_the_two_tasks(size_and_seed, lam_hs):
    rul, target, logits, labels = batch(*size_and_seed)
    mse, cross_entropy = task_losses(rul, logits, target, labels, w_max=2.0)
    expected = (1 - lam_hs) * mse + lam_hs * cross_entropy
    torch.testing.assert_close(AMNL(lam_hs)(rul, target, logits, labels), expected)
    assert mse.item() == pytest.approx(reference.amnl_weighted_mse(rul.detach(), target)[0])


def test_amnl_in_single_precision_keeps_its_dtype():
    rul, target = torch.zeros(4), torch.full((4,), 125.0)
    logits, labels = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    loss = AMNL()(rul, target, logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.5 * 125**2 + 0.5 * np.log(3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: moderate_weighted_mse_loss(torch.zeros(0), torch.zeros(0)), "pred is empty"),
        (lambda: moderate_weighted_mse_loss(torch.zeros(3), torch.zeros(2)), "pred has 3 values but target has 2"),
        (lambda: moderate_weighted_mse_loss(torch.zeros(2, 2), torch.zeros(4)), r"pred has shape \(2, 2\)"),
        (
            lambda: moderate_weighted_mse_loss(torch.tensor([torch.nan]), torch.zeros(1)),
            "pred holds a value",
        ),
        (lambda: moderate_weighted_mse_loss(torch.zeros(1), torch.tensor([torch.inf])), "target holds a value that is"),
        (lambda: failure_weights(torch.zeros(1), max_rul=-1.0), "max_rul is -1.0"),
        (lambda: AMNL(lam_hs=1.5), "lam_hs is 1.5: it must lie between 0 and 1"),
        (lambda: AMNL(w_max=0.0), "w_max is 0.0"),
        (
            lambda: AMNL()(torch.zeros(2), torch.zeros(2), torch.zeros(3, 3), torch.zeros(2, dtype=torch.int64)),
            "health_logits has 3 values but target_health has 2",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
