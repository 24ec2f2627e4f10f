"""Methods of others: TorchJD's through the bridge, GradNorm as its paper has it, and all of them by name."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from torchjd import aggregation
from torchjd.autogram import Engine

from rulbook import reference
from rulbook.balancing.gradnorm import GradNorm
from rulbook.balancing.torchjd import Aggregated, DynamicWeightAverage, GramianWeighting, scalarized
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.gradients import task_gradients
from rulbook.losses import task_losses
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.palette import METHOD_COLORS
from rulbook.weighting import InverseGradient, InverseNorm, Linear, Uniform

TORCHJD = ("upgrad", "mgda", "pcgrad", "cagrad", "imtl_g", "aligned_mtl")


class Network(nn.Module):
    """A trunk, K heads and one loss for each, small enough to differentiate by hand."""

    def __init__(self, tasks: int = 2, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.trunk = nn.Linear(4, 6).double()
        self.last = nn.Linear(6, 5).double()
        self.heads = nn.ModuleList(nn.Linear(5, 1).double() for _ in range(tasks))
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
        self.scales = 10.0 ** torch.arange(tasks)

    def encode(self) -> torch.Tensor:
        return self.last(self.trunk(self.x).tanh()).tanh()

    def losses(self, z: torch.Tensor) -> torch.Tensor:
        terms = [scale * (head(z) - 3).square().mean() for scale, head in zip(self.scales, self.heads, strict=True)]
        return torch.stack(terms)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.losses(self.encode())

    def shared(self) -> list[nn.Parameter]:
        return [*self.trunk.parameters(), *self.last.parameters()]

    def step(self, balancer):
        self.zero_grad(set_to_none=True)
        z = self.encode()
        return balancer.backward(
            self.losses(z), shared=self.shared(), representation=z, last_shared=list(self.last.parameters())
        )


def flat(params) -> torch.Tensor:
    return torch.cat([param.grad.reshape(-1) for param in params])


@given(st.integers(2, 5), st.integers(0, 1000))
def test_numpy_and_torch_agree_with_torchjds_gramian(tasks, seed):
    """TorchJD finds the Gramian of the task gradients by hooks, not by K backward passes."""
    network = Network(tasks, seed)
    trunk = nn.Sequential(network.trunk, nn.Tanh(), network.last, nn.Tanh())
    engine = Engine(trunk, batch_dim=None)
    gramian = engine.compute_gramian(network.losses(trunk(network.x)))
    norms = gramian.diagonal().sqrt()
    ours = network.step(WeightedSum(InverseNorm(tasks)))
    assert_close(ours.norms, norms, rtol=1e-8, atol=0)
    assert_close(ours.weights, torch.from_numpy(reference.inverse_gradient_weights(norms.detach())), rtol=1e-8, atol=0)
    cosine = gramian[0, 1] / (norms[0] * norms[1])
    assert ours.cosine == pytest.approx(float(cosine), abs=1e-8)
    assert_close(GramianWeighting(InverseNorm(tasks))(gramian), ours.weights, rtol=1e-8, atol=0)


def test_gaba_as_a_torchjd_aggregator_gives_our_step_on_the_shared_parameters():
    network = Network()
    network.step(WeightedSum(InverseGradient(warmup=0)))
    ours = flat(network.shared())
    aggregator = aggregation.GramianWeightedAggregator(GramianWeighting(InverseGradient(warmup=0)))
    report = network.step(Aggregated(aggregator))
    assert_close(flat(network.shared()), ours)
    assert report.weights[0] > report.weights[1]


@pytest.mark.parametrize("name", TORCHJD)
def test_torchjds_methods_set_every_gradient(name):
    network = Network()
    report = network.step(METHODS[name].balancer())
    jacobian = task_gradients(network.losses(network.encode()), network.shared())
    assert_close(report.norms, jacobian.norm(dim=1))
    assert_close(flat(network.shared()), report.weights @ jacobian)
    # Each head follows its own loss at full weight.
    for task, head in enumerate(network.heads):
        (alone,) = torch.autograd.grad(network.losses(network.encode())[task], head.weight)
        assert_close(head.weight.grad, alone)


def test_upgrad_conflicts_with_no_task_where_the_mean_does():
    network = Network(seed=2)
    network.step(METHODS["upgrad"].balancer())
    jacobian = task_gradients(network.losses(network.encode()), network.shared())
    assert (jacobian @ jacobian.mean(dim=0)).min() < 0
    assert (jacobian @ flat(network.shared())).min() >= -1e-6


def test_torchjd_says_what_it_lacks():
    network = Network()
    with pytest.raises(ValueError, match="representation is None"):
        METHODS["mgda"].balancer().backward(network.losses(network.encode()), shared=network.shared())


def test_uncertainty_weighting_learns_its_weights():
    network, balancer = Network(), scalarized("UW", 2).double()
    with torch.no_grad():
        balancer.scalarizer.log_var.copy_(torch.tensor([0.4, -1.0]))
    report = network.step(balancer)
    (log_var,) = balancer.parameters()
    expected = 0.5 * (-log_var.detach()).exp()
    assert_close(report.weights, expected)
    assert_close(log_var.grad, 0.5 - expected * report.losses)
    jacobian = task_gradients(network.losses(network.encode()), network.shared())
    assert_close(flat(network.shared()), expected @ jacobian)


def feed(balancer, losses: torch.Tensor) -> torch.Tensor:
    """One step whose task losses have these values."""
    free = torch.ones(1, requires_grad=True)
    return balancer.backward(losses * free, shared=[free]).weights


def test_dwa_weighs_the_task_that_improves_less():
    balancer = DynamicWeightAverage()
    for losses in ([10.0, 10.0], [9.0, 5.0]):
        assert feed(balancer, torch.tensor(losses)).tolist() == [1.0, 1.0]
        balancer.end_epoch()
    expected = 2 * torch.softmax(torch.tensor([0.9, 0.5]) / 2, dim=0)
    assert_close(feed(balancer, torch.tensor([8.0, 4.0])), expected)


@pytest.mark.parametrize("stop", [0, 3, 4, 9, 14])
def test_dwa_resumes_bit_for_bit_at_any_step(stop):
    stream = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) + 0.5
    balancer, resumed = DynamicWeightAverage(), DynamicWeightAverage()
    for step, losses in enumerate(stream):
        if step == stop:
            resumed.load_state_dict(copy.deepcopy(balancer.state_dict()))
        weights = feed(balancer, losses)
        if step >= stop:
            assert torch.equal(feed(resumed, losses), weights)
        if step % 4 == 3:
            balancer.end_epoch()
            if step >= stop:
                resumed.end_epoch()
    assert not torch.equal(weights, torch.ones(2))
    balancer.reset()
    assert torch.equal(feed(balancer, stream[0]), torch.ones(2))


def test_gradnorm_needs_no_double_backward():
    """The gradient of its weights equals the one that differentiates through the network twice."""
    network, balancer = Network(3), GradNorm(3).double()
    network.step(balancer)
    with torch.no_grad():
        balancer.log_weights.copy_(torch.tensor([0.3, -0.2, 0.5]))
        for parameter in network.parameters():
            parameter.mul_(0.9)
    balancer.log_weights.grad = None
    report = network.step(balancer)

    weights = balancer.weights()
    losses = network.losses(network.encode())
    last = list(network.last.parameters())
    weighted = torch.stack(
        [
            torch.cat([part.reshape(-1) for part in torch.autograd.grad(weight * loss, last, create_graph=True)]).norm()
            for weight, loss in zip(weights, losses, strict=True)
        ]
    )
    progress = losses / balancer.initial_losses
    target = (weighted.mean() * (progress / progress.mean()) ** 1.5).detach()
    (twice,) = torch.autograd.grad((weighted - target).abs().sum(), balancer.log_weights)
    assert_close(balancer.log_weights.grad, twice)
    # And the network's own gradient is that of the weighted sum, without a leak of the second loss.
    jacobian = task_gradients(network.losses(network.encode()), network.shared())
    assert_close(flat(network.shared()), report.weights @ jacobian)


def test_gradnorm_with_alpha_zero_comes_to_equal_pulls():
    network, balancer = Network(), GradNorm(alpha=0.0).double()
    optimizer = torch.optim.SGD(balancer.parameters(), lr=0.004)
    first = network.step(balancer)
    for _ in range(150):
        optimizer.zero_grad()
        report = network.step(balancer)
        optimizer.step()
    pulls, start = report.weights * report.norms, first.weights * first.norms
    assert start.max() / start.min() > 3
    assert pulls.max() / pulls.min() < 1.1
    assert float(report.weights.sum()) == pytest.approx(2)
    balancer.reset()
    assert_close(network.step(balancer).weights, first.weights)


def test_gradnorm_refuses_what_it_cannot_divide_by():
    network = Network()
    with pytest.raises(ValueError, match="last_shared is missing"):
        GradNorm().backward(network.losses(network.encode()), shared=network.shared())
    free = torch.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="must be > 0"):
        GradNorm().backward(torch.tensor([0.0, 1.0]) * free, shared=[free], last_shared=[free])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_by_name_trains_the_model(name):
    method = METHODS[name]
    assert method.name == name
    assert method.description.endswith(".")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DualTaskModel(n_features=2, preset="compact")
    generator = torch.Generator().manual_seed(0)
    x, rul = torch.randn(8, 6, 2, generator=generator), 125 * torch.rand(8, generator=generator)
    health = torch.randint(0, 3, (8,), generator=generator)
    balancer = method.balancer()
    for _ in range(2):
        z = model.encode(x)
        predicted, logits = model.heads(z)
        losses = task_losses(
            predicted, logits, rul, health, max_rul=125, samples=method.samples, rul_scale=method.rul_scale
        )
        model.zero_grad()
        report = balancer.backward(
            losses,
            shared=model.shared_parameters(),
            representation=z,
            last_shared=model.last_shared_parameters(),
        )
        balancer.end_epoch()
    assert report.weights.shape == (2,)
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
    assert sum(float(parameter.grad.abs().sum()) for parameter in model.shared_parameters()) > 0
    assert METHODS[name].balancer() is not balancer


def test_the_square_is_what_the_book_says():
    square = {name: method for name, method in METHODS.items() if method.family == "square"}
    assert list(square) == list(METHODS)[:4] == list(METHOD_COLORS) == ["baseline", "amnl", "gaba", "grace"]
    assert [method.samples for method in square.values()] == [Uniform(), Linear(2.0), Uniform(), Linear(2.0)]
    adaptive = [isinstance(method.balancer().weighting, InverseGradient) for method in square.values()]
    assert adaptive == [False, False, True, True]


def test_without_torchjd_the_rest_works_and_the_error_names_the_extra():
    code = """
import sys
sys.modules["torchjd"] = None
from rulbook.methods import METHODS
for name, method in METHODS.items():
    try:
        method.balancer()
    except ImportError as error:
        assert "rulbook[torchjd]" in str(error), error
        print(name)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert result.stdout.split() == ["uncertainty", "dwa", *TORCHJD]
