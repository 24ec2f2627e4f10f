"""Task weightings, found and not listed: what each of them promises, whatever its formula."""

from __future__ import annotations

import copy
import inspect
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from rulbook import weighting
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.weighting import tasks as family
from rulbook.weighting.tasks import TASKS, InverseNorm, Weighting
from rulbook.weighting.tasks._base import Wrapper

NAN, INF = float("nan"), float("inf")
found = pytest.mark.parametrize("name", TASKS)
powers = st.lists(st.floats(-9, 9), min_size=2, max_size=2)


def made(name: str, tasks: int = 2) -> Weighting:
    """A weighting as it comes, around InverseNorm if it is a wrapper."""
    kind = TASKS[name]
    if issubclass(kind, Wrapper):
        return kind(InverseNorm(tasks))
    return kind(tasks=tasks) if "tasks" in inspect.signature(kind).parameters else kind()


def ready(name: str, tasks: int = 2) -> Weighting:
    """The same after any wait: the next call looks at the norms, if it ever does."""
    weigh = made(name, tasks)
    for _ in range(1000):
        if weigh.needs_norms:
            break
        weigh()
    return weigh


@found
def test_it_can_be_had_from_the_folder_and_from_the_two_choices(name):
    assert getattr(weighting, name) is getattr(family, name) is TASKS[name]


@found
@given(powers=powers)
def test_weights_are_shares_of_the_total_without_a_graph(name, powers):
    weigh = ready(name)
    norms = torch.tensor([10.0**power for power in powers], dtype=torch.float64, requires_grad=True) * 1
    for _ in range(3):
        weights = weigh(norms)
        assert weights.shape == (weigh.tasks,)
        assert not weights.requires_grad
        assert bool((weights >= 0).all())
        assert float(weights.sum()) == pytest.approx(weigh.total, rel=1e-12)


@found
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_come_in_the_precision_of_the_norms_single_at_least(name, dtype):
    for weigh in (made(name), ready(name)):
        expected = torch.float64 if dtype == torch.float64 else torch.float32
        assert weigh(torch.tensor([4.0, 1.0], dtype=dtype)).dtype == expected


@found
@pytest.mark.parametrize("norms", list(itertools.product([0.0, 1e-12, 3.0, 1e30, INF, NAN], repeat=2)))
def test_dead_and_broken_norms_leave_weights_that_can_be_used(name, norms):
    weigh = ready(name)
    for _ in range(2):
        weights = weigh(torch.tensor(norms, dtype=torch.float64))
        assert bool(torch.isfinite(weights).all())
        assert float(weights.sum()) == pytest.approx(weigh.total)


@found
def test_norms_that_it_looks_at_must_be_norms(name):
    weigh = ready(name)
    if weigh.needs_norms:
        for wrong in (None, torch.ones(3), torch.tensor([1.0, -1.0]), torch.tensor([True, False]), torch.ones(2, 1)):
            with pytest.raises(ValueError, match="norms "):
                weigh(wrong)


@found
def test_state_is_kept_found_again_and_forgotten(name):
    generator = torch.Generator().manual_seed(5)
    stream = torch.rand(240, 2, generator=generator).exp()
    weigh = made(name)
    path = [weigh(norms) for norms in stream[:120]]
    resumed = made(name)
    resumed.load_state_dict(weigh.state_dict())
    for norms in stream[120:]:
        assert torch.equal(resumed(norms), weigh(norms))
    weigh.reset()
    for norms, weights in zip(stream[:120], path, strict=True):
        assert torch.equal(weigh(norms), weights)


@found
def test_a_cast_of_the_model_around_it_does_not_reach_its_memory(name):
    plain, cast = ready(name), ready(name)
    nn.Sequential(cast).bfloat16()
    for _ in range(20):
        norms = torch.tensor([500.0, 1.0], dtype=torch.float64)
        assert_close(cast(norms), plain(norms), rtol=0, atol=0)


@found
def test_a_copy_has_a_memory_of_its_own(name):
    weigh = ready(name)
    weigh(torch.tensor([4.0, 1.0]))
    before = {key: value.clone() for key, value in weigh.state_dict().items()}
    copy.deepcopy(weigh)(torch.tensor([1.0, 900.0]))
    assert all(torch.equal(value, before[key]) for key, value in weigh.state_dict().items())


@found
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_a_step_adds_the_gradient_of_the_weighted_sum(name, tasks):
    weigh = ready(name, tasks)
    tasks = weigh.tasks  # One that takes no number is made for two.
    generator = torch.Generator().manual_seed(0)
    trunk = nn.Parameter(torch.randn(4, generator=generator))
    targets = torch.randn(tasks, 4, generator=generator)
    losses = [30.0**task * (trunk - target).square().sum() for task, target in enumerate(targets)]
    report = WeightedSum(weigh).backward(losses, shared=[trunk])
    expected = sum(
        weight * 30.0**task * 2 * (trunk.detach() - target)
        for task, (weight, target) in enumerate(zip(report.weights, targets, strict=True))
    )
    assert_close(trunk.grad, expected)
    assert float(report.weights.sum()) == pytest.approx(weigh.total, rel=1e-6)
