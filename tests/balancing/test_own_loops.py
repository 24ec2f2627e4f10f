"""Balancers in a loop of the user's own: mixed precisions, no_grad around the step, odd losses, resets, casts."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchjd import aggregation

from rulbook.balancing.gradnorm import GradNorm
from rulbook.balancing.torchjd import (
    Aggregated,
    DynamicWeightAverage,
    GramianAggregator,
    GramianWeighting,
    aggregated,
    scalarized,
)
from rulbook.balancing.weighted_sum import MEASURES, WeightedSum
from rulbook.weighting import FixedWeights, InverseGradient


class Network(nn.Module):
    """Two shared layers and two heads."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.trunk, self.last = nn.Linear(4, 6), nn.Linear(6, 5)
        self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in range(2))
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.to(dtype)
        self.x = torch.randn(8, 4, generator=generator).to(dtype)

    def shared(self) -> list[nn.Parameter]:
        return [*self.trunk.parameters(), *self.last.parameters()]

    def losses(self, scales=(1.0, 10.0), offset=0.0) -> tuple[torch.Tensor, list[torch.Tensor]]:
        z = self.last(self.trunk(self.x).tanh()).tanh()
        pairs = zip(scales, self.heads, strict=True)
        return z, [scale * (head(z) - 1).square().mean() - offset for scale, head in pairs]

    def step(self, balancer, losses=None, **changed):
        z, own = self.losses(**changed)
        return balancer.backward(
            own if losses is None else losses(own),
            shared=self.shared(),
            representation=z,
            last_shared=list(self.last.parameters()),
        )

    def grads(self) -> list[torch.Tensor]:
        return [parameter.grad for parameter in self.parameters()]


BALANCERS = {
    **{f"measured on {place}": lambda place=place: WeightedSum(eager(), measure=place) for place in MEASURES},
    "fixed": lambda: WeightedSum(FixedWeights([0.3, 0.7])),
    "GradNorm": GradNorm,
    "UW": lambda: scalarized("UW", 2),
    "DWA": DynamicWeightAverage,
    "UPGrad": lambda: aggregated("UPGrad"),
    "MGDA": lambda: aggregated("MGDA"),
    "GABA in TorchJD": lambda: Aggregated(GramianAggregator(GramianWeighting(eager()))),
}


def eager() -> InverseGradient:
    return InverseGradient(warmup=0, floor=0.01)


every_balancer = pytest.mark.parametrize("make", BALANCERS.values(), ids=BALANCERS)


@every_balancer
def test_a_loss_in_half_precision_does_not_narrow_the_others(make):
    network, narrow = Network(), []

    def with_one_in_half(losses):
        narrow.append(losses[1].item())
        return [losses[0].half(), losses[1]]

    report = network.step(make(), with_one_in_half, scales=(1.0, 1e5))
    assert report.losses.tolist()[1] == narrow[0] > 65504
    assert report.note is None or "loss" not in report.note
    small = Network().step(make(), lambda losses: [losses[0].bfloat16(), losses[1]])
    assert small.losses.dtype == torch.float32


@every_balancer
def test_a_step_inside_no_grad_is_the_step(make):
    inside, outside = Network(), Network()
    z, losses = inside.losses()
    with torch.no_grad():
        make().backward(losses, shared=inside.shared(), representation=z, last_shared=list(inside.last.parameters()))
    outside.step(make())
    for one, other in zip(inside.grads(), outside.grads(), strict=True):
        assert torch.equal(one, other)


@every_balancer
def test_after_a_reset_the_next_step_is_that_of_a_new_one(make):
    network, old, new = Network(), make(), make()
    for _ in range(3):
        network.step(old, scales=(1.0, 30.0))
        old.end_epoch()
    with torch.no_grad():
        for parameter in old.parameters():
            parameter += torch.tensor([0.3, -0.2])
    old.reset()
    again, fresh = Network(), Network()
    assert torch.equal(again.step(old).weights, fresh.step(new).weights)
    for one, other in zip(again.grads(), fresh.grads(), strict=True):
        assert torch.equal(one, other)


def test_a_reset_reaches_the_memory_inside_a_torchjd_aggregator():
    balancer = Aggregated(aggregation.GradVac())
    called = []
    balancer.aggregator.reset = lambda: called.append("reset")
    balancer.reset()
    assert called == ["reset"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["UPGrad", "MGDA", "GABA in TorchJD"])
def test_torchjds_methods_take_half_precision_whose_squares_overflow(name, dtype):
    half, single = Network(dtype), Network()
    report, wanted = (net.step(BALANCERS[name](), scales=(20.0, 500.0)) for net in (half, single))
    assert report.norms.max() > 256
    assert report.note is None
    assert_close(report.weights.float(), wanted.weights, atol=0.05, rtol=0.05)
    for parameter in half.parameters():
        assert parameter.grad.dtype == dtype
        assert bool(parameter.grad.isfinite().all())


@pytest.mark.parametrize("name", ["UPGrad", "MGDA", "GABA in TorchJD"])
def test_a_batch_lost_to_an_overflow_leaves_the_next_step_as_it_is(name):
    network, balancer, fresh = Network(), BALANCERS[name](), Network()
    # Finite losses with infinite gradients: a root at 0.
    lost = network.step(balancer, lambda losses: [(loss - loss.detach()).sqrt() for loss in losses])
    assert lost.weights.tolist() == [0.0, 0.0]
    assert "no task is left" in lost.note
    assert not any(bool(parameter.grad.isfinite().all()) for parameter in network.parameters())
    network.zero_grad()
    network.step(balancer)
    fresh.step(BALANCERS[name]())
    for one, other in zip(network.grads(), fresh.grads(), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("name", ["UPGrad", "MGDA", "GABA in TorchJD"])
def test_an_overflow_on_the_way_back_shows_on_its_own_head_or_if_it_has_none_on_what_is_shared(name):
    root = lambda loss: (loss - loss.detach()).sqrt()  # noqa: E731
    headed, headless = Network(), Network()
    report = headed.step(BALANCERS[name](), lambda losses: [losses[0], root(losses[1])])
    assert report.weights[1] == 0
    assert all(bool(parameter.grad.isfinite().all()) for parameter in (*headed.shared(), *headed.heads[0].parameters()))
    assert not any(bool(parameter.grad.isfinite().all()) for parameter in headed.heads[1].parameters())
    z, losses = headless.losses()
    BALANCERS[name]().backward([losses[0], root(z.sum())], shared=headless.shared(), representation=z)
    assert not any(bool(parameter.grad.isfinite().all()) for parameter in headless.shared())


def test_an_aggregation_beyond_the_precision_of_the_parameters_is_told():
    network = Network(torch.float16)
    report = network.step(Aggregated(aggregation.Sum()), lambda losses: [loss * 7e4 for loss in losses])
    finite = all(bool(parameter.grad.isfinite().all()) for parameter in network.shared())
    assert finite or report.note is not None


def test_torchjd_refuses_a_weight_that_is_computed_from_parameters():
    network = Network()
    nn.utils.parametrizations.weight_norm(network.last)
    weight = network.last.weight
    z = network.trunk(network.x).tanh() @ weight.T
    losses = [head(z).square().mean() for head in network.heads]
    with pytest.raises(ValueError, match=r"shared holds a tensor that is computed from others"):
        aggregated("MGDA").backward(losses, shared=[weight], representation=z)


def test_gradnorm_refuses_negative_losses_and_treats_zeros_as_equally_far():
    network, balancer = Network(), GradNorm()
    network.step(balancer)
    before = balancer.log_weights.grad.clone()
    with pytest.raises(ValueError, match="none may be negative"):
        network.step(balancer, offset=1000.0)
    assert torch.equal(balancer.log_weights.grad, before)
    balancer = GradNorm()
    balancer.initial_losses.fill_(2.0)
    told = balancer.discrepancy(balancer.weights(), torch.tensor([1.0, 3.0]), torch.zeros(2))
    assert told.item() == pytest.approx(2.0)
    told.backward()
    assert balancer.log_weights.grad[0] < 0 < balancer.log_weights.grad[1]


def test_gradnorm_refuses_a_place_that_one_task_goes_around_and_foreign_parameters():
    network, other = Network(), Network()
    hidden = network.trunk(network.x).tanh()
    z = network.last(hidden).tanh()
    losses, last = [network.heads[0](z).square().mean(), hidden.square().mean()], list(network.last.parameters())
    with pytest.raises(ValueError, match="last_shared is off the path of task 1, which reaches shared"):
        GradNorm().backward(losses, shared=network.shared(), last_shared=last)
    with pytest.raises(ValueError, match="shared is off the path of the losses"):
        GradNorm().backward(losses[:1] * 2, shared=list(other.trunk.parameters()), last_shared=last)


@pytest.mark.parametrize("name", ["fixed", "UW", "DWA"])
def test_heads_can_be_trained_alone_on_a_frozen_trunk(name):
    network = Network()
    for parameter in network.shared():
        parameter.requires_grad_(False)
    assert network.step(BALANCERS[name]()).note is None
    assert all(parameter.grad is None for parameter in network.shared())
    assert all(parameter.grad is not None for parameter in network.heads.parameters())


def test_dwa_counts_the_losses_and_remembers_a_step_whose_gradient_overflowed():
    network, balancer = Network(), DynamicWeightAverage()
    with pytest.raises(ValueError, match="losses holds 3 losses: the weighting is for 2 tasks"):
        network.step(balancer, lambda losses: [*losses, losses[0]])

    def infinitely_steep(losses):
        return [losses[0] + (losses[0] - losses[0].detach()).sqrt(), losses[1]]

    for step in range(4):
        network.step(balancer, infinitely_steep if step == 2 else None, scales=(1.0, 1.0 + 9.0 * step))
        balancer.end_epoch()
    resumed = DynamicWeightAverage()
    resumed.load_state_dict(balancer.state_dict())
    assert torch.equal(Network().step(resumed).weights, Network().step(balancer).weights)
