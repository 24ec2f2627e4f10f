"""The PyTorch losses agree with the NumPy ones, in value and in gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from rulbook import reference
from rulbook.losses import AMNL, GABA, GRACE, failure_weights, moderate_weighted_mse_loss, task_losses
from rulbook.weighting.samples import Linear

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
    mse, cross_entropy = task_losses(rul, logits, target, labels, samples=Linear(2.0))
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


SIMPLE = (torch.tensor([10.0, 40.0]), torch.tensor([12.0, 30.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int32, torch.int64])
def test_no_dtype_overflows_or_wraps(dtype):
    """An error of 100 to 250 cycles squared is too large for a half, and 3 less 10 is no byte."""
    high = 100 if dtype == torch.int8 else 200
    pred, target = torch.tensor([3, high]).to(dtype), torch.tensor([10, 0]).to(dtype)
    expected = (failure_weights(torch.tensor([10.0, 0.0])) * torch.tensor([49.0, high**2])).mean()
    loss = moderate_weighted_mse_loss(pred, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert failure_weights(target).tolist() == pytest.approx([1.92, 2.0], abs=0.02)


def test_a_half_precision_prediction_still_gets_its_gradient():
    pred = torch.full((8,), 200.0, dtype=torch.float16, requires_grad=True)
    moderate_weighted_mse_loss(pred, torch.zeros(8)).backward()
    assert pred.grad.tolist() == [100.0] * 8


def test_lists_and_arrays_mean_the_same_as_tensors():
    pred, target = SIMPLE
    expected = moderate_weighted_mse_loss(pred, target)
    for convert in (torch.Tensor.tolist, torch.Tensor.numpy, lambda values: values.numpy().astype(int)):
        assert torch.equal(moderate_weighted_mse_loss(convert(pred), convert(target)), expected)
    assert moderate_weighted_mse_loss(np.float64([1]), np.float64([0])).dtype == torch.float64
    both = task_losses(pred, torch.zeros(2, 3), target, torch.tensor([0, 2]))
    assert torch.equal(task_losses(pred.tolist(), [[0.0] * 3] * 2, target.numpy(), [0, 2]), both)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.float32])
@pytest.mark.parametrize("column", [False, True])
def test_whole_labels_of_any_dtype_are_classes(dtype, column):
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(4, 3, generator=generator), torch.tensor([0, 2, 1, 2])
    pred, target = torch.zeros(4), torch.zeros(4)
    given = labels.to(dtype)[:, None] if column else labels.to(dtype)
    assert task_losses(pred, logits, target, given)[1] == F.cross_entropy(logits, labels)


def test_task_losses_weigh_all_samples_alike_unless_told():
    pred, target = SIMPLE
    logits, labels = torch.zeros(2, 3), torch.tensor([0, 2])
    assert task_losses(pred, logits, target, labels)[0] == F.mse_loss(pred, target)
    assert task_losses(pred, logits, target, labels, samples=Linear(2.0))[0] > F.mse_loss(pred, target)
    capped = task_losses(pred, logits, target, labels, samples=Linear(2.0), max_rul=50.0)[0].item()
    assert capped == pytest.approx(reference.amnl_weighted_mse(pred, target, 50.0)[0], rel=1e-6)


@pytest.mark.parametrize("form", [GABA, GRACE])
@pytest.mark.parametrize("eps", [0.0, 1e-8, 0.5, 2.0])
def test_eps_and_total_are_used(form, eps):
    pred, target = SIMPLE
    logits, labels, norms = torch.tensor([[1.0, 0.0, 2.0]] * 2), torch.tensor([0, 2]), [3.0, 1.0]
    mse, cross_entropy = task_losses(
        pred, logits, target, labels, samples=Linear(2.0 if form is GRACE else 1.0)
    ).tolist()
    rul, health = reference.inverse_gradient_weights(norms, eps, total=2)
    loss = form(eps, total=2)(pred, target, logits, labels, norms)
    assert loss.item() == pytest.approx(rul * mse + health * cross_entropy, rel=1e-6)
    # Norms of the size of eps: what it is tells in the weights.
    tiny = form(eps=1.0)(pred, target, logits, labels, [3.0, 2.0]).item()
    assert tiny == pytest.approx((3 * mse + 4 * cross_entropy) / 7, rel=1e-6)
    by_hand = reference.gaba_loss if form is GABA else reference.grace_loss
    assert by_hand(pred, target, logits, labels, [3.0, 2.0], eps=1.0) == pytest.approx(tiny, rel=1e-6)


def test_grace_reads_its_cap_and_ceiling():
    pred, target = SIMPLE
    logits, labels = torch.zeros(2, 3), torch.tensor([0, 2])
    loss = GRACE(max_rul=60.0, w_max=3.0)(pred, target, logits, labels, [1.0, 1.0])
    expected = reference.grace_loss(pred, target, logits, labels, [1.0, 1.0], max_rul=60.0, w_max=3.0)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert loss.item() != pytest.approx(reference.grace_loss(pred, target, logits, labels, [1.0, 1.0]), rel=1e-2)


@pytest.mark.parametrize(
    "norms", [[1e-300, 1e300], [1e39, 1.0], [1e-46, 1.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, np.nan], [3, 4]]
)
def test_plain_numbers_as_norms_mean_the_same_in_both_forms(norms):
    pred, target = SIMPLE
    logits, labels = torch.zeros(2, 3), torch.tensor([0, 2])
    for eps in (0.0, 1e-8):
        loss = GABA(eps)(pred, target, logits, labels, norms)
        assert loss.item() == pytest.approx(reference.gaba_loss(pred, target, logits, labels, norms, eps=eps), rel=1e-6)


NOT_FINITE = "holds a value that is not finite"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: task_losses(torch.zeros(3), torch.zeros(2, 3), torch.zeros(3), torch.tensor([0, 1])),
            "rul has 3 values",
        ),
        (lambda: labelled([0, 3]), "target_health holds 3: a label must be a whole number from 0 to 2"),
        (lambda: labelled([0, -1]), "target_health holds -1"),
        (lambda: labelled([-100, -100]), "target_health holds -100"),
        (lambda: labelled([0.0, 0.5]), "target_health holds 0.5"),
        (lambda: labelled([0.0, np.nan]), "target_health holds nan"),
        (lambda: labelled(torch.eye(3)[:2]), r"target_health has shape \(2, 3\)"),
        (lambda: labelled(["a", "b"]), r"target_health is \['a', 'b'\]: it must be an array of numbers"),
        (lambda: labelled([0, 1], torch.full((2, 3), np.nan)), f"health_logits {NOT_FINITE}"),
        (lambda: labelled([0, 1], torch.full((2, 3), np.inf)), f"health_logits {NOT_FINITE}"),
        (lambda: labelled([0, 1], torch.zeros(2)), r"health_logits has shape \(2,\)"),
        (lambda: task_losses([np.nan], torch.zeros(1, 3), [1.0], [0]), f"rul {NOT_FINITE}"),
        (lambda: task_losses([1.0], torch.zeros(1, 3), [np.nan], [0]), f"target {NOT_FINITE}"),
        (lambda: failure_weights(torch.tensor([np.nan])), f"target {NOT_FINITE}"),
        (lambda: failure_weights(torch.tensor([True])), "target is a tensor of torch.bool"),
        (lambda: moderate_weighted_mse_loss(torch.tensor([1j]), [1.0]), "pred is a tensor of torch.complex64"),
        (lambda: moderate_weighted_mse_loss("ab", [1.0]), "pred is 'ab': it must be an array of numbers"),
        (lambda: failure_weights([1.0], max_rul=0.0), "max_rul is 0.0: it must be greater than 0"),
        (lambda: failure_weights([1.0], w_max=0.99), "w_max is 0.99: it must be at least 1"),
        (lambda: GABA()([1.0], [1.0], [[0.0, 0.0]], [0], ["a", 1]), "norms is"),
        (lambda: GABA()([1.0], [1.0], [[0.0, 0.0]], [0], [1.0, 2.0, 3.0]), r"norms has shape \(3,\)"),
    ],
)
def test_what_does_not_pair_or_is_no_number_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def labelled(labels, logits=None):
    return task_losses([1.0, 2.0], torch.zeros(2, 3) if logits is None else logits, [1.0, 2.0], labels)


def test_the_bounds_themselves_are_allowed():
    assert failure_weights([0.0, 1e-3], max_rul=1e-3, w_max=1.0).tolist() == [1.0, 1.0]
    assert (AMNL(0.0).lam_hs, AMNL(1.0).lam_hs, AMNL(w_max=1.0).w_max) == (0.0, 1.0, 1.0)
