"""Autograd does not notice that it is watched."""

# The functions that are walked through bind names in order to be watched.
# ruff: noqa: F841, RET504

from __future__ import annotations

import pytest
import torch
from test_walkthrough import line, said
from torch import nn

from rulbook.losses import AMNL, moderate_weighted_mse_loss
from rulbook.walkthrough import walkthrough

TARGET = torch.tensor([5.0, 20.0, 50.0, 90.0, 125.0, 200.0])


def late_predictions():
    return (TARGET + 10.0).requires_grad_()


def test_the_packaged_loss_says_what_needs_a_gradient_and_where_it_comes_from():
    walk = walkthrough(moderate_weighted_mse_loss, late_predictions(), TARGET[:, None], depth=2)
    assert said(line(walk, "def"))[:2] == [
        "argument pred: tensor float32 (6,), requires grad = [15, 30, 60, 100, 135, 210]",
        "argument target: tensor float32 (6, 1) = [[5], [20], [50], [90], [125], [200]]",
    ]
    (returned,) = line(walk, "return").state
    assert (returned.kind, returned.text) == ("tensor float32 (), grad_fn MeanBackward0", "144.67")
    inner = next(call for call in line(walk, "return").calls if call.name == "_weighted_mse")
    weights = next(call for call in line(inner.steps, "return").calls if call.name == "__call__")
    assert line(weights.steps, "return self.weigh").state[0].text == "[1.96, 1.84, 1.6, 1.28, 1, 1]"


def test_what_backward_leaves_behind_is_shown():
    def train_step():
        pred = TARGET + 10.0
        pred.requires_grad_()
        loss = moderate_weighted_mse_loss(pred, TARGET)
        loss.backward()
        emphasis = (pred.grad[0] / pred.grad[4]).item()
        return emphasis

    walk = walkthrough(train_step)
    assert said(line(walk, "pred.requires_grad_")) == [
        "changed pred: tensor float32 (6,), requires grad = [15, 30, 60, 100, 135, 210]"
    ]
    assert said(line(walk, "loss.backward")) == [
        "bound pred.grad: tensor float32 (6,) = [6.5333, 6.1333, 5.3333, 4.2667, 3.3333, 3.3333]"
    ]
    assert walk.result == pytest.approx(1.96)


def test_gradients_are_bit_for_bit_those_of_a_plain_run():
    def penalised(pred, model):
        hidden = model(pred[:, None])
        scale = hidden.detach().abs().max()
        scaled = hidden / scale
        view = scaled.view(-1)
        view.mul_(2.0)
        with torch.no_grad():
            offset = view.mean()
        noise = torch.rand(6)
        return moderate_weighted_mse_loss(view - offset + noise, TARGET)

    gradients, versions = [], []
    for watch in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
        pred = late_predictions()
        loss = walkthrough(penalised, pred, model, depth=2).result if watch else penalised(pred, model)
        loss.backward()
        gradients.append([loss.detach(), pred.grad, *(parameter.grad for parameter in model.parameters())])
        versions.append((pred._version, torch.get_rng_state().tolist()))
    assert all(torch.equal(plain, watched) for plain, watched in zip(*gradients, strict=True))
    assert versions[0] == versions[1]


def test_a_missing_squeeze_is_shown_as_the_square_that_it_makes():
    def residual_of(pred, target):
        residual = pred - target
        return (residual**2).mean()

    walk = walkthrough(residual_of, late_predictions()[:, None], TARGET)
    assert line(walk, "residual").state[0].shape == (6, 6)
    broken = walkthrough(residual_of, late_predictions()[:5], TARGET)
    assert "must match the size of tensor b (6)" in line(broken, "residual").raised


def test_a_module_is_walked_through_by_its_forward():
    amnl = AMNL(lam_hs=0.25)
    walk = walkthrough(amnl.forward, late_predictions(), TARGET, torch.zeros(6, 3), torch.zeros(6, dtype=torch.long))
    assert line(walk, "mse, cross_entropy").state[1].text == "1.0986"
    assert walk.result.item() == pytest.approx(0.75 * 868 / 6 + 0.25 * 1.0986, rel=1e-4)
    assert said(line(walk, "def"))[0] == "argument self: AMNL"
    with pytest.raises(ValueError, match="f is AMNL: it must be a function made by def"):
        walkthrough(amnl)


def test_a_decorator_of_torch_stays_in_force():
    @torch.no_grad()
    def frozen(pred):
        doubled = 2 * pred
        return doubled

    walk = walkthrough(frozen, late_predictions())
    assert not walk.result.requires_grad
    assert line(walk, "doubled").state[0].kind == "tensor float32 (6,)"


def test_tensors_without_readable_values_show_their_shape():
    def make():
        empty = torch.empty(2, 3, device="meta")
        sparse = torch.eye(2).to_sparse()
        half = torch.ones(2, dtype=torch.bfloat16)
        pair = (half, empty)
        return pair

    walk = walkthrough(make)
    assert said(line(walk, "empty"))[0].startswith("bound empty: tensor float32 (2, 3) on meta = values cannot be read")
    assert said(line(walk, "sparse"))[0].startswith("bound sparse: tensor float32 (2, 2)")
    assert said(line(walk, "half")) == ["bound half: tensor bfloat16 (2,) = [1, 1]"]
    assert line(walk, "pair").state[0].text.startswith("([1, 1], values cannot be read")
