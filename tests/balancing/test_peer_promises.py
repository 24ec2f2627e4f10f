"""GradNorm by its paper's formula, TorchJD's properties in our own words, and what the peers do with a bad batch."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchjd import Stateful, aggregation

from rulbook.balancing.gradnorm import GradNorm
from rulbook.balancing.torchjd import DynamicWeightAverage, GramianAggregator, GramianWeighting, aggregated, scalarized
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.methods import METHODS
from rulbook.weighting import AffineFloor, FixedWeights, InverseGradient, InverseNorm, Linear, Uniform

NAN, INF = math.nan, math.inf


class Two(nn.Module):
    """A trunk, a spare layer and two heads."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first, self.last, self.spare = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(2, 2)
        self.heads = nn.ModuleList([nn.Linear(5, 1), nn.Linear(5, 1)])
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.x = torch.randn(9, 3, generator=generator)

    def step(self, balancer, factors=(1.0, 1.0), *, stacked=False, doubled=1, second=None):
        self.zero_grad(set_to_none=True)
        z = self.last(self.first(self.x).tanh()).tanh()
        losses = [factor * (head(z) - 3).square().mean() for factor, head in zip(factors, self.heads, strict=True)]
        if second is not None:
            losses[1] = None
        shared = [*self.first.parameters(), *self.last.parameters(), *self.spare.parameters()]
        return balancer.backward(
            torch.stack(losses) if stacked else losses,
            shared=shared * doubled,
            representation=z,
            last_shared=list(self.last.parameters()) * doubled,
        )

    def finite(self) -> dict[str, bool]:
        return {n: bool(p.grad.isfinite().all()) for n, p in self.named_parameters() if p.grad is not None}


PEERS = [name for name, method in METHODS.items() if method.family == "peer"]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("stacked", [False, True])
def test_no_peer_is_poisoned_by_a_batch_without_labels_nor_hides_an_overflow(name, stacked):
    network, balancer = Two(), METHODS[name].balancer()
    optimizer = torch.optim.Adam([*network.parameters(), *balancer.parameters()], lr=0.01)
    for factors in ((1.0, 5.0), (1.0, NAN), (1.0, 5.0), (NAN, NAN), (INF, 5.0), (1.0, 5.0)):
        balancer.zero_grad()
        report = network.step(balancer, factors, stacked=stacked)
        finite = network.finite()
        assert "spare.weight" not in finite
        if factors == (1.0, 5.0):
            assert report.note is None
            assert set(finite.values()) == {True}
        elif factors == (NAN, NAN):
            assert finite == {}
            assert report.note.count("left out") == 2
        elif factors == (1.0, NAN):
            assert set(finite.values()) == {True}
            assert "heads.1.weight" not in finite
            assert report.note.startswith("task 1 has a")
            assert report.weights[1] == 0
        else:
            assert {n for n, fine in finite.items() if not fine} == {"heads.0.weight", "heads.0.bias"}
            assert "its own parameters show it" in report.note
        if factors != (INF, 5.0):
            optimizer.step()
        assert all(bool(value.isfinite().all()) for value in balancer.state_dict().values() if value.numel())
        assert all(bool(parameter.isfinite().all()) for parameter in balancer.parameters())
    if name == "dwa":
        assert int(balancer.running_steps) == 3


@pytest.mark.parametrize("name", PEERS)
def test_what_is_named_twice_frozen_or_missing_is_treated_alike_by_all_peers(name):
    once, twice = Two(), Two()
    one, two = once.step(METHODS[name].balancer()), twice.step(METHODS[name].balancer(), doubled=2)
    assert_close(one.weights, two.weights)
    assert one.norms is None or torch.equal(one.norms, two.norms)
    assert_close(once.first.weight.grad, twice.first.weight.grad)
    frozen = Two()
    frozen.last.weight.requires_grad_(False)
    frozen.step(METHODS[name].balancer())
    assert frozen.last.weight.grad is None
    assert bool(frozen.first.weight.grad.any())
    assert "task 1 is absent from this batch" in Two().step(METHODS[name].balancer(), second="missing").note


@pytest.mark.parametrize("name", ["mgda", "gradnorm"])
def test_a_place_off_the_path_is_refused_by_name(name):
    network = Two()
    z = network.last(network.first(network.x))
    arguments = {"shared": list(network.first.parameters()), "representation": z, "last_shared": [network.last.weight]}
    arguments |= {"mgda": {"representation": z.clone()}, "gradnorm": {"last_shared": [network.spare.weight]}}[name]
    with pytest.raises(ValueError, match=r"(representation|last_shared) is off the path"):
        METHODS[name].balancer().backward([z.sum(), z.square().sum()], **arguments)
    frozen = {**arguments, "last_shared": [torch.ones(2)]}
    if name == "gradnorm":
        with pytest.raises(ValueError, match="not all frozen"):
            GradNorm().backward([z.sum(), z.square().sum()], **frozen)


@pytest.mark.parametrize("lacking", [NAN, INF, None])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", ["UPGrad", "Mean"])
def test_a_step_without_one_task_is_torchjds_step_on_the_others(name, place, lacking):
    left = [task for task in range(3) if task != place]
    found = []
    for there in (range(3), left):
        generator = torch.Generator().manual_seed(4)
        trunk, spare, *heads = (nn.Parameter(torch.randn(3, generator=generator).double()) for _ in range(5))
        heads[left[0]].grad = torch.ones(3, dtype=torch.float64)
        z = torch.cat([trunk.tanh(), spare])
        # One of the tasks that are left does not use all that is shared.
        seen = [z if task == left[1] else z[:3].repeat(2) for task in range(3)]
        biases = [nn.Parameter(torch.ones((), dtype=torch.float64)) for _ in heads]
        losses = [(seen[task] @ heads[task].repeat(2) + biases[task]) ** 2 * 5.0**task for task in range(3)]
        if len(there) == 3:
            losses[place] = None if lacking is None else losses[place] * lacking
        aggregated(name).backward([losses[task] for task in there], shared=[trunk, spare], representation=z)
        found.append([trunk.grad, spare.grad, *(part[task].grad for part in (heads, biases) for task in left)])
    for one, other in zip(*found, strict=True):
        assert_close(one, other)
        assert bool(one.any())


# GradNorm


def papers_gradient(theta, norms, losses, first, alpha):
    """The derivative of sum_i |w_i g_i - target_i| by theta, w = K softmax(theta), targets constant: in NumPy."""
    tasks = len(theta)
    weights = tasks * np.exp(theta) / np.exp(theta).sum()
    progress = losses / first
    rate = progress / progress.mean()
    target = (weights * norms).mean() * rate**alpha
    by_weight = np.sign(weights * norms - target) * norms
    return (np.diag(weights) - np.outer(weights, weights) / tasks) @ by_weight, weights


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("losses", [(9.0, 2.0), (4.0, 7.5)])
def test_gradnorm_follows_its_papers_formula(alpha, losses):
    balancer = GradNorm(alpha=alpha).double()
    free, slope = torch.ones(2, dtype=torch.float64, requires_grad=True), torch.tensor([3.0, 4.0]).double()
    first = np.array([10.0, 8.0])

    def step(values):
        # Losses with these values, whose gradients have the norms 3 and 4.
        given = [float(values[i]) + slope[i] * (free[i] - 1) for i in range(2)]
        return balancer.backward(given, shared=[free], last_shared=[free])

    step(first)
    with torch.no_grad():
        balancer.log_weights.copy_(torch.tensor([0.3, -0.1], dtype=torch.float64))
    balancer.log_weights.grad = None
    report = step(losses)
    expected, weights = papers_gradient(np.array([0.3, -0.1]), np.array([3.0, 4.0]), np.array(losses), first, alpha)
    np.testing.assert_allclose(report.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(balancer.log_weights.grad, expected, rtol=1e-12)


def test_gradnorms_target_by_hand_pushes_the_task_that_trains_more_slowly():
    balancer = GradNorm().double()
    balancer.initial_losses.copy_(torch.tensor([10.0, 10.0]))
    norms, losses = torch.tensor([2.0, 2.0]).double(), torch.tensor([8.0, 2.0]).double()
    # Progress 0.8 and 0.2, mean 0.5: rates 1.6 and 0.4; targets 2 x 1.6^1.5 and 2 x 0.4^1.5.
    discrepancy = balancer.discrepancy(balancer.weights(), norms, losses)
    assert discrepancy.item() == pytest.approx(abs(2 - 2 * 1.6**1.5) + abs(2 - 2 * 0.4**1.5))
    discrepancy.backward()
    # Descent raises the weight of the slow task.
    assert balancer.log_weights.grad[0] < 0 < balancer.log_weights.grad[1]


def test_gradnorms_defaults_are_the_papers_and_reset_is_a_new_one():
    assert {n: p.default for n, p in inspect.signature(GradNorm).parameters.items()} == {"tasks": 2, "alpha": 1.5}
    balancer = GradNorm()
    Two().step(balancer)
    with torch.no_grad():
        balancer.log_weights.add_(torch.tensor([0.5, -0.5]))
    balancer.reset()
    for name, value in GradNorm().state_dict().items():
        assert torch.equal(balancer.state_dict()[name].nan_to_num(-1), value.nan_to_num(-1)), name


def test_gradnorm_counts_losses_and_takes_the_first_that_a_task_has():
    with pytest.raises(ValueError, match="losses holds 3 losses: the weighting is for 2 tasks"):
        GradNorm(2).backward(
            [torch.ones((), requires_grad=True)] * 3, shared=[], last_shared=[torch.ones(1).requires_grad_()]
        )
    balancer = GradNorm()
    Two().step(balancer, (1.0, NAN))
    assert balancer.initial_losses.isnan().tolist() == [False, True]
    first = Two().step(balancer, (0.5, 2.0)).losses
    assert balancer.initial_losses[1] == first[1]
    assert balancer.initial_losses[0] == pytest.approx(2 * float(first[0]))


# GABA as a TorchJD weighting: what its own tests ask, in our words


def matrices(tasks: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(tasks)
    scales = (0.0, 1e-6, 1.0, 1e3)
    return [torch.randn(tasks, 6, generator=generator, dtype=torch.float64) * scale for scale in scales] + [
        torch.randn(tasks, 6, generator=generator, dtype=torch.float64) * torch.logspace(-3, 3, tasks).double()[:, None]
        for _ in range(8)
    ]


FORMS = {
    "plain": lambda tasks: InverseNorm(tasks, eps=0.0),
    "floor": lambda tasks: AffineFloor(InverseNorm(tasks, eps=0.0), 0.05),
    "average": lambda tasks: InverseGradient(tasks, warmup=0, floor=0, eps=0),
    "warm-up": lambda tasks: InverseGradient(tasks, warmup=10**6),
}


def call(aggregator, matrix):
    aggregator.reset()
    return aggregator(matrix)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_as_an_aggregator_it_is_finite_blind_to_order_stateful_and_a_constant(form, tasks):
    weighting = GramianWeighting(FORMS[form](tasks))
    aggregator = GramianAggregator(weighting)
    assert isinstance(weighting, Stateful)
    assert isinstance(aggregator, Stateful)
    generator = torch.Generator().manual_seed(0)
    for matrix in matrices(tasks):
        step = call(aggregator, matrix)
        assert step.shape == (6,)
        assert bool(step.isfinite().all())
        order = torch.randperm(tasks, generator=generator)
        assert_close(call(aggregator, matrix[order]), step, rtol=1e-6, atol=1e-9)
        graph = matrix.clone().requires_grad_()
        assert not call(aggregator, graph).requires_grad
        assert not weighting(graph @ graph.T).requires_grad
        # Zero only if the rows themselves cancel with weights that are all positive: strongly stationary.
        weighting.reset()
        weights = weighting(matrix @ matrix.T)
        assert bool((weights > 0).all())
        assert_close(weights @ matrix, step)


def conflicts(form: str, tasks: int) -> int:
    aggregator = GramianAggregator(GramianWeighting(FORMS[form](tasks)))
    generator = torch.Generator().manual_seed(7)
    found = 0
    for _ in range(300):
        matrix = torch.randn(tasks, 4, generator=generator, dtype=torch.float64)
        matrix *= 10 ** (4 * torch.rand(tasks, 1, generator=generator, dtype=torch.float64))
        found += bool(((matrix @ call(aggregator, matrix)) < -1e-9 * matrix.norm()).any())
    return found


def test_without_a_floor_two_tasks_never_conflict_and_all_other_cases_do():
    assert conflicts("plain", 2) == 0
    assert conflicts("plain", 3) > 0
    for form in ("floor", "average", "warm-up"):
        assert conflicts(form, 2) > 0


@pytest.mark.parametrize("form", FORMS)
def test_only_the_warm_up_is_linear_under_scaling(form):
    aggregator = GramianAggregator(GramianWeighting(FORMS[form](2)))
    matrix = torch.tensor([[3.0, 1.0], [-1.0, 2.0]], dtype=torch.float64)
    one, other = torch.tensor([0.9, 0.2]).double(), torch.tensor([0.1, 0.7]).double()
    together = call(aggregator, (2 * one + 3 * other)[:, None] * matrix)
    apart = 2 * call(aggregator, one[:, None] * matrix) + 3 * call(aggregator, other[:, None] * matrix)
    assert torch.allclose(together, apart) == (form == "warm-up")


def test_a_gramian_weighting_learns_how_many_tasks_there_are():
    for tasks in (1, 2, 4, 30):
        weights = GramianWeighting()(torch.eye(tasks))
        assert_close(weights, torch.full((tasks,), 1 / tasks))
    assert GramianWeighting(InverseGradient(2))(torch.eye(1)).tolist() == [1.0]
    with pytest.raises(ValueError, match="gramian has 3 rows: the weighting is for 2 tasks"):
        GramianWeighting(InverseGradient(2))(torch.eye(3))


def test_reset_of_a_gramian_weighting_is_a_new_one():
    gramian = torch.diag(torch.tensor([250_000.0, 1.0]))
    weighting = GramianWeighting(InverseGradient(warmup=1))
    path = [weighting(gramian) for _ in range(4)]
    assert not torch.equal(path[-1], path[0])
    weighting.reset()
    assert all(torch.equal(weighting(gramian), before) for before in path)


def test_a_gramian_loses_norms_that_their_squares_cannot_hold():
    half = torch.diag(torch.tensor([300.0**2, 1.0])).half()
    assert GramianWeighting(InverseNorm())(half)[0] == 0
    assert GramianWeighting(InverseNorm())(half.float().clamp(max=9e4))[0] > 0
    tiny = torch.tensor([1e-23, 1.0])
    assert GramianWeighting(InverseNorm(eps=0.0))(torch.diag(tiny**2)).tolist() == [0.5, 0.5]
    assert InverseNorm(eps=0.0)(tiny)[1] < 1e-20


def test_our_aggregator_takes_the_place_of_torchjds():
    network = Two()
    report = network.step(aggregated("UPGrad"))
    ours = Two()
    from rulbook.balancing.torchjd import Aggregated

    mine = ours.step(Aggregated(GramianAggregator(GramianWeighting(InverseNorm(eps=0.0)))))
    assert_close(report.norms, mine.norms)
    imtl_g = Two()
    theirs = imtl_g.step(Aggregated(aggregation.IMTLG()))
    # For two tasks the two formulas are one.
    assert_close(theirs.weights, mine.weights, rtol=1e-4, atol=1e-5)


def test_upgrad_with_its_default_regularisation_works_against_the_quiet_task_from_a_ratio_of_twenty():
    from torchjd.linalg import QuadprogProjector

    def along(ratio: float, upgrad) -> float:
        matrix = torch.tensor([[ratio, 0.0], [-0.71, (1 - 0.71**2) ** 0.5]], dtype=torch.float64)
        return float((matrix @ upgrad(matrix))[1])

    assert along(10, aggregation.UPGrad()) > 0 > along(20, aggregation.UPGrad())
    assert along(300, aggregation.UPGrad(projector=QuadprogProjector(reg_eps=1e-8))) > 0


# DWA and uncertainty weighting


def test_dwas_reset_is_a_new_one_and_an_empty_epoch_is_none():
    balancer, network = DynamicWeightAverage(), Two()
    for _ in range(3):
        network.step(balancer, (1.0, 0.5))
        balancer.end_epoch()
        state = {name: value.clone() for name, value in balancer.state_dict().items()}
        balancer.end_epoch()
        assert all(torch.equal(balancer.state_dict()[name], value) for name, value in state.items())
    network.step(balancer)
    balancer.reset()
    for name, value in DynamicWeightAverage().state_dict().items():
        assert torch.equal(balancer.state_dict()[name], value)
    assert network.step(balancer).weights.tolist() == [1.0, 1.0]


def test_dwa_and_gradnorm_keep_their_memory_when_a_module_is_cast():
    assert DynamicWeightAverage().bfloat16().means.dtype == torch.float32
    assert GradNorm().half().initial_losses.dtype == torch.float32


def test_a_missing_task_teaches_uncertainty_weighting_nothing():
    balancer = scalarized("UW", 2)
    with torch.no_grad():
        balancer.scalarizer.log_var.copy_(torch.tensor([0.4, -1.0]))
    report = Two().step(balancer, (1.0, NAN))
    assert balancer.scalarizer.log_var.grad is None
    assert report.weights[0] == pytest.approx(0.5 * math.exp(-0.4))


# Every method, written out once


def described(balancer) -> object:
    if isinstance(balancer, WeightedSum):
        assert (balancer.measure, balancer.every, balancer.calibrate) == ("reuse", 1, None)
        weighting = balancer.weighting
        if isinstance(weighting, FixedWeights):
            return tuple(weighting.weights.tolist())
        return {type(part).__name__: part.extra_repr() for part in weighting.modules()}
    if isinstance(balancer, GradNorm):
        return ("GradNorm", balancer.tasks, balancer.alpha)
    inner = getattr(balancer, "aggregator", None) or balancer.scalarizer
    return repr(inner)


GABA = {
    "InverseGradient": "",
    "Warmup": "steps=100",
    "ClipFloor": "floor=0.05",
    "EMA": "beta=0.99",
    "InverseNorm": "tasks=2, eps=1e-08",
}
ALIKE, LINE = Uniform(w_max=1.0), Linear(w_max=2.0)
TABLE = {
    # name: (what weighs the tasks, what weighs the samples, unit of the RUL in cycles, family)
    "baseline": ((0.5, 0.5), ALIKE, 1, "square"),
    "amnl": ((0.5, 0.5), LINE, 1, "square"),
    "gaba": (GABA, ALIKE, 1, "square"),
    "grace": (GABA, LINE, 1, "square"),
    "constant": ((0.0477, 0.9523), ALIKE, 1, "control"),
    "gaba_no_floor": ({name: value for name, value in GABA.items() if name != "ClipFloor"}, ALIKE, 1, "control"),
    "scaled_targets": ((0.5, 0.5), ALIKE, 125, "control"),
    "single_task": ((1.0, 0.0), ALIKE, 1, "control"),
    "uncertainty": ("UW(shape=(2,))", ALIKE, 1, "peer"),
    "dwa": ("DWA(temperature=2.0)", ALIKE, 1, "peer"),
    "gradnorm": (("GradNorm", 2, 1.5), ALIKE, 1, "peer"),
    "upgrad": (repr(aggregation.UPGrad()), ALIKE, 1, "peer"),
    "mgda": (repr(aggregation.MGDA()), ALIKE, 1, "peer"),
    "pcgrad": (repr(aggregation.PCGrad()), ALIKE, 1, "peer"),
    "cagrad": (repr(aggregation.CAGrad(c=0.5)), ALIKE, 1, "peer"),
    "imtl_g": (repr(aggregation.IMTLG()), ALIKE, 1, "peer"),
    "aligned_mtl": (repr(aggregation.AlignedMTL()), ALIKE, 1, "peer"),
}


def test_the_settings_of_the_methods_of_the_book_are_those_of_this_table():
    found = {
        name: (described(method.balancer()), method.samples, method.rul_scale, method.family)
        for name, method in METHODS.items()
    }
    # Whoever puts a method beside them does not have to enter it here.
    assert {name: found[name] for name in TABLE} == TABLE


def test_the_defaults_of_the_weighting_are_the_published_ones():
    defaults = {name: p.default for name, p in inspect.signature(InverseGradient).parameters.items()}
    assert defaults == {
        "tasks": 2,
        "beta": 0.99,
        "floor": 0.05,
        "warmup": 100,
        "eps": 1e-8,
        "floor_form": "affine",
        "total": 1.0,
    }
