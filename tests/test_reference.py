"""The NumPy losses: values by hand, gradients by central differences, properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rulbook.reference import (
    amnl_loss,
    amnl_weighted_mse,
    failure_weights,
    gaba_loss,
    grace_loss,
    inverse_gradient_weights,
    softmax_cross_entropy,
    uniform_mse,
)
from rulbook.weighting import InverseNorm

SIX_ENGINES = np.array([5.0, 20.0, 50.0, 90.0, 125.0, 200.0])

ruls = st.floats(0, 400, allow_nan=False)
batches = st.integers(1, 40).flatmap(
    lambda n: st.tuples(arrays(np.float64, n, elements=ruls), arrays(np.float64, n, elements=st.floats(-300, 300)))
)
ceilings = st.floats(1, 10)


def central_difference(loss, at, step=1e-4):
    grad = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        grad[i] = (loss(up) - loss(down)) / (2 * step)
    return grad


def test_six_engines_ten_cycles_late():
    loss, grad = uniform_mse(SIX_ENGINES + 10, SIX_ENGINES)
    assert loss == pytest.approx(100.0)
    assert grad == pytest.approx(np.full(6, 10 / 3))

    weighted_loss, weights, weighted_grad = amnl_weighted_mse(SIX_ENGINES + 10, SIX_ENGINES)
    assert round(weighted_loss, 2) == 144.67
    assert weights == pytest.approx([1.96, 1.84, 1.60, 1.28, 1.00, 1.00])
    assert weighted_grad / grad == pytest.approx(weights)


def test_operational_cost_table():
    assert failure_weights([100, 50, 20, 5, 1]).round(2) == pytest.approx([1.20, 1.60, 1.84, 1.96, 1.99])


def test_weights_at_the_end_points():
    assert failure_weights([0, 125, 126, 1e6], w_max=3.0) == pytest.approx([3, 1, 1, 1])


@given(batches, ceilings)
def test_gradients_agree_with_central_differences(batch, w_max):
    target, residual = batch
    pred = target + residual
    scale = 1 + np.abs(residual).max()
    for loss_and_grad in (uniform_mse, lambda p, t: amnl_weighted_mse(p, t, w_max=w_max)):
        numeric = central_difference(lambda p: loss_and_grad(p, target)[0], pred)  # noqa: B023
        assert loss_and_grad(pred, target)[-1] == pytest.approx(numeric, rel=1e-5, abs=1e-6 * scale**2)


@given(batches, ceilings)
def test_weights_stay_between_one_and_the_ceiling_and_fall_with_rul(batch, w_max):
    target = np.sort(batch[0])
    weights = failure_weights(target, w_max=w_max)
    assert weights.min() >= 1.0
    assert weights.max() <= w_max
    assert (np.diff(weights) <= 1e-12).all()


@given(batches, st.randoms(use_true_random=False))
def test_losses_do_not_depend_on_the_order_of_the_batch(batch, random):
    target, residual = batch
    order = list(range(len(target)))
    random.shuffle(order)
    pred = target + residual
    for loss in (uniform_mse, amnl_weighted_mse):
        assert loss(pred[order], target[order])[0] == pytest.approx(loss(pred, target)[0], rel=1e-9, abs=1e-12)


@given(batches)
def test_columns_and_vectors_mean_the_same(batch):
    target, residual = batch
    pred = target + residual
    for loss in (uniform_mse, amnl_weighted_mse):
        assert loss(pred[:, None], target)[0] == loss(pred, target)[0] == loss(pred[:, None], target[:, None])[0]


@given(batches, st.floats(0.1, 10))
def test_residuals_scale_the_loss_by_the_square(batch, factor):
    target, residual = batch
    for loss in (uniform_mse, amnl_weighted_mse):
        once = loss(target + residual, target)
        scaled = loss(target + factor * residual, target)
        assert scaled[0] == pytest.approx(factor**2 * once[0], rel=1e-6, abs=1e-9)
        assert scaled[-1] == pytest.approx(factor * once[-1], rel=1e-6, abs=1e-9)


@given(batches, st.floats(0.01, 100))
def test_changing_the_unit_of_time_changes_no_weight(batch, unit):
    target = batch[0]
    assert failure_weights(target * unit, max_rul=125.0 * unit) == pytest.approx(failure_weights(target), abs=1e-9)


@given(batches)
def test_a_ceiling_of_one_is_the_uniform_loss(batch):
    target, residual = batch
    assert amnl_weighted_mse(target + residual, target, w_max=1.0)[0] == uniform_mse(target + residual, target)[0]


logit_batches = st.tuples(st.integers(1, 12), st.integers(2, 6)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=st.floats(-30, 30)),
        arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)),
    )
)


@given(logit_batches)
def test_cross_entropy_gradient_agrees_with_central_differences(batch):
    logits, labels = batch
    _, grad = softmax_cross_entropy(logits, labels)
    assert grad == pytest.approx(central_difference(lambda z: softmax_cross_entropy(z, labels)[0], logits), abs=1e-6)
    assert grad.sum(axis=1) == pytest.approx(np.zeros(len(labels)), abs=1e-12)
    assert np.abs(grad).max() <= 1 / len(labels)


def test_cross_entropy_by_hand_and_at_extremes():
    assert softmax_cross_entropy([[0.0, 0.0, 0.0]], [1])[0] == pytest.approx(np.log(3))
    loss, grad = softmax_cross_entropy([[1e5, 0.0]], [1])
    assert loss == pytest.approx(1e5)
    assert grad == pytest.approx(np.array([[1.0, -1.0]]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: uniform_mse([], []), "pred is empty"),
        (lambda: uniform_mse([1.0, 2.0], [1.0]), "pred has 2 values but target has 1"),
        (lambda: uniform_mse([np.nan], [1.0]), "pred holds nan at position"),
        (lambda: uniform_mse([1.0], [np.inf]), "target holds inf"),
        (lambda: uniform_mse([[1.0, 2.0]], [[1.0, 2.0]]), r"pred has shape \(1, 2\)"),
        (lambda: amnl_weighted_mse([1.0], [1.0], max_rul=0.0), "max_rul is 0.0: it must be greater than 0"),
        (lambda: amnl_weighted_mse([1.0], [1.0], w_max=0.5), "w_max is 0.5: it must be at least 1"),
        (lambda: failure_weights([1.0], w_max=np.nan), "w_max is nan"),
        (lambda: softmax_cross_entropy([[0.0, 1.0]], [2]), "labels holds values from 2 to 2"),
        (lambda: softmax_cross_entropy([[0.0, 1.0]], [-1]), "labels holds values from -1"),
        (lambda: softmax_cross_entropy([0.0, 1.0], [0]), "logits has shape"),
        (lambda: softmax_cross_entropy([[0.0, 1.0]], [0, 1]), "logits has 1 values but labels has 2"),
        (lambda: softmax_cross_entropy(np.zeros((0, 3)), []), "logits is empty"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_cross_entropy_shifts_each_row_by_its_own_maximum():
    loss, grad = softmax_cross_entropy([[0.0, 0.0], [1000.0, 1000.0]], [0, 1])
    assert loss == pytest.approx(np.log(2))
    assert grad == pytest.approx(np.array([[-0.25, 0.25], [0.25, -0.25]]))


def test_bytes_do_not_wrap_and_tensors_are_numbers():
    assert uniform_mse(np.uint8([3]), np.uint8([10]))[0] == 49
    assert amnl_weighted_mse(np.float16([200]), np.float16([0]))[0] == 80_000
    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    assert uniform_mse(tensor, tensor.bfloat16())[0] == 0


batch = ([10.0, 40.0], [12.0, 30.0], [[1.0, 0.0, 2.0], [0.5, 1.0, 0.0]], [0, 2])


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1.0, 2.5])
@pytest.mark.parametrize("total", [1.0, 2.0])
def test_gaba_and_grace_use_eps_and_total(eps, total):
    norms = [3.0, 2.0]
    weights = inverse_gradient_weights(norms, eps, total=total)
    cross_entropy = softmax_cross_entropy(*batch[2:])[0]
    for form, mse in ((gaba_loss, uniform_mse(*batch[:2])[0]), (grace_loss, amnl_weighted_mse(*batch[:2])[0])):
        assert form(*batch, norms, eps=eps, total=total) == pytest.approx(weights @ [mse, cross_entropy])
    if eps == 1.0:
        assert weights == pytest.approx([3 * total / 7, 4 * total / 7])
    if eps == 2.5:
        # The second norm is not above it: dead, an even share.
        assert weights == pytest.approx([total / 2, total / 2])


def test_a_norm_of_just_eps_is_dead_and_one_above_is_not():
    assert inverse_gradient_weights([4.0, 1.0], eps=1.0).tolist() == [0.5, 0.5]
    assert inverse_gradient_weights([4.0, 1.5], eps=1.0) == pytest.approx([2.5 / 7.5, 5 / 7.5])
    assert inverse_gradient_weights([1e-300, 1e300], eps=0.0).tolist() == [1.0, 0.0]


@given(st.lists(st.floats(-300, 300), min_size=2, max_size=6))
def test_numpy_and_torch_agree_over_six_hundred_decades(powers):
    norms = 10.0 ** np.array(powers)
    for eps in (0.0, 1e-8):
        ours = InverseNorm(len(norms), eps)(torch.from_numpy(norms)).numpy()
        np.testing.assert_allclose(ours, inverse_gradient_weights(norms, eps), rtol=1e-12, atol=1e-300)
        assert ours.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: uniform_mse(["a"], [1.0]), r"pred is \['a'\]: it must be an array of numbers"),
        (lambda: uniform_mse(["5"], [5.0]), "pred is"),
        (lambda: uniform_mse([1 + 1j], [1.0]), "pred is"),
        (lambda: uniform_mse([[1.0], [1.0, 2.0]], [1.0]), "pred is"),
        (lambda: uniform_mse([1.0], [10**400]), "target is"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], [0.5]), "labels holds values from 0.5"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], [np.nan]), "labels holds nan"),
        (lambda: softmax_cross_entropy([[1.0, 2.0]], ["a"]), "labels is"),
        (lambda: softmax_cross_entropy([[np.nan, 2.0]], [0]), "logits holds nan"),
        (lambda: softmax_cross_entropy([["a", "b"]], [0]), "logits is"),
        (lambda: inverse_gradient_weights(["a", "b"]), "norms is"),
        (lambda: inverse_gradient_weights([1.0, 2.0], eps=-1e-9), "eps is -1e-09: it must be at least 0"),
        (lambda: inverse_gradient_weights([1.0, 2.0], total=0.0), "total is 0.0: it must be greater than 0"),
        (lambda: inverse_gradient_weights([[1.0, 2.0]]), r"norms has shape \(1, 2\)"),
        (lambda: grace_loss(*batch, [1.0, 2.0, 3.0]), "norms has 3 values"),
        (lambda: amnl_loss(*batch, lam_hs=-0.01), "lam_hs is -0.01: it must lie between 0 and 1"),
        (lambda: amnl_loss(*batch, lam_hs=1.01), "lam_hs is 1.01"),
        (lambda: failure_weights([1.0], w_max=0.99), "w_max is 0.99: it must be at least 1"),
    ],
)
def test_what_is_no_number_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_bounds_themselves_are_allowed():
    mse, cross_entropy = amnl_weighted_mse(*batch[:2])[0], softmax_cross_entropy(*batch[2:])[0]
    assert amnl_loss(*batch, lam_hs=0.0) == pytest.approx(mse)
    assert amnl_loss(*batch, lam_hs=1.0) == pytest.approx(cross_entropy)
    assert amnl_loss(*batch) == pytest.approx((mse + cross_entropy) / 2)
    assert inverse_gradient_weights([1.0, 3.0], eps=0.0) == pytest.approx([0.75, 0.25])
    assert softmax_cross_entropy([[3.0]], [0])[0] == 0
