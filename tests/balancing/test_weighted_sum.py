"""The training step: every cheap form against the naive one, and what it leaves alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from rulbook.balancing.balancer import Balancer
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.gradients import gradient_cosine, task_gradient_norms, task_gradients
from rulbook.losses import task_losses
from rulbook.model import DualTaskModel, ModelConfig
from rulbook.weighting import FixedWeights, InverseGradient, InverseNorm

SMALL = ModelConfig(channels=(4, 6, 4), lstm_hidden=4, attention_heads=2, funnel=(8, 6, 5), dropout=0.0)


def small_model(seed: int = 0) -> DualTaskModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return DualTaskModel(n_features=3, preset=SMALL).double()


def batch(seed: int = 0, size: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 9, 3, generator=generator, dtype=torch.float64)
    rul = torch.rand(size, generator=generator, dtype=torch.float64) * 125
    return x, rul, torch.randint(0, 3, (size,), generator=generator)


def one_step(model: DualTaskModel, balancer: Balancer, seed: int = 0):
    x, rul, health = batch(seed)
    model.zero_grad(set_to_none=True)
    representation = model.encode(x)
    losses = task_losses(*model.heads(representation), rul, health)
    report = balancer.backward(
        losses,
        shared=model.shared_parameters(),
        representation=representation,
        last_shared=model.last_shared_parameters(),
    )
    return report, [parameter.grad for parameter in model.parameters()]


def assert_same_gradients(left, right):
    for one, other in zip(left, right, strict=True):
        assert_close(one, other, rtol=1e-10, atol=1e-12)


def instant(tasks: int = 2) -> InverseGradient:
    """Weights that follow the norms at once, so that a wrong norm shows in full."""
    return InverseGradient(tasks, beta=0, floor=0, warmup=0)


def weighted_gradients(losses, params, weights):
    """The update by definition: one backward pass of the weighted sum."""
    return torch.autograd.grad((weights * losses).sum(), params, retain_graph=True, materialize_grads=True)


def test_measuring_leaves_grad_and_graph_alone():
    model = small_model()
    x, rul, health = batch()
    losses = task_losses(*model(x), rul, health)
    shared = model.shared_parameters()
    norms = task_gradient_norms(losses, shared)
    cosine = gradient_cosine(losses, shared)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not norms.requires_grad
    losses.sum().backward()

    by_hand = []
    for task in range(2):
        model.zero_grad()
        task_losses(*model(x), rul, health)[task].backward()
        by_hand.append(torch.cat([parameter.grad.reshape(-1) for parameter in shared]))
    assert_close(norms, torch.stack(by_hand).norm(dim=1))
    assert cosine == pytest.approx(float(torch.cosine_similarity(*by_hand, dim=0)))


def test_the_place_decides_what_is_measured():
    model = small_model()
    x, rul, health = batch()
    representation = model.encode(x)
    losses = task_losses(*model.heads(representation), rul, health)
    places = (model.shared_parameters(), model.last_shared_parameters(), [representation])
    ratios = [float(norms[0] / norms[1]) for norms in (task_gradient_norms(losses, place) for place in places)]
    assert len({round(ratio, 1) for ratio in ratios}) == 3


@pytest.mark.parametrize("measure", ["naive", "reuse", "last_layer", "representation"])
def test_the_update_is_the_gradient_of_the_weighted_sum(measure):
    """Whatever was measured, and wherever: .grad is what one backward pass with the reported weights would give."""
    model = small_model()
    report, grads = one_step(model, WeightedSum(instant(), measure=measure))
    reference = small_model()
    x, rul, health = batch()
    (report.weights * task_losses(*reference(x), rul, health)).sum().backward()
    assert_same_gradients(grads, [parameter.grad for parameter in reference.parameters()])
    for name, buffer in reference.named_buffers():
        # Batch normalisation has seen the batch once, not K times.
        assert torch.equal(buffer, model.get_buffer(name))


def test_reuse_and_naive_give_the_same_report_and_gradients():
    naive, naive_grads = one_step(small_model(), WeightedSum(instant(), measure="naive"))
    reuse, reuse_grads = one_step(small_model(), WeightedSum(instant(), measure="reuse"))
    assert_close(naive.norms, reuse.norms, rtol=1e-12, atol=0)
    assert_close(naive.weights, reuse.weights, rtol=1e-12, atol=0)
    assert naive.cosine == pytest.approx(reuse.cosine, abs=1e-12)
    assert_same_gradients(naive_grads, reuse_grads)


@pytest.mark.parametrize("measure", ["naive", "reuse"])
@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("stacked", [True, False])
def test_any_number_of_losses_may_meet_in_any_parameter(measure, tasks, stacked):
    """Parameters seen by one loss, by some, by all, by none, or frozen; losses stacked or one by one."""
    generator = torch.Generator().manual_seed(tasks)
    make = lambda: nn.Parameter(torch.randn(4, 4, generator=generator, dtype=torch.float64))  # noqa: E731
    trunk, between, unused, frozen = make(), make(), make(), make().requires_grad_(False)
    heads = [make() for _ in range(tasks)]
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    hidden = (x @ trunk + x @ frozen).tanh()
    losses = [((hidden @ head + (hidden @ between if task < 2 else 0)) ** 2).mean() for task, head in enumerate(heads)]
    params = [trunk, between, *heads]
    weigh = instant(tasks)
    expected = weighted_gradients(torch.stack(losses), params, weigh(task_gradient_norms(losses, [trunk, unused])))

    balancer = WeightedSum(instant(tasks), measure=measure)
    balancer.backward(torch.stack(losses) if stacked else losses, shared=[trunk, unused, frozen])
    assert_same_gradients([param.grad for param in params], expected)
    assert frozen.grad is None


def test_gradients_are_added_to_what_is_there_like_a_backward_pass_does():
    model = small_model()
    balancer = WeightedSum(FixedWeights(), observe=True)
    once = [grad.clone() for grad in one_step(model, balancer)[1]]
    x, rul, health = batch()
    balancer.backward(task_losses(*model(x), rul, health), shared=model.shared_parameters())
    # Twice the gradient up to what batch normalisation changed, which in training mode is nothing.
    assert_same_gradients([parameter.grad for parameter in model.parameters()], [2 * grad for grad in once])


def test_warmup_and_fixed_weights_cost_a_plain_step(monkeypatch):
    calls = []
    plain = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs))
    balancer = WeightedSum(InverseGradient(warmup=2))
    model = small_model()
    for step in range(4):
        report, _ = one_step(model, balancer)
        assert (report.norms is None) == (step < 2)
    assert len(calls) == 2 * 2
    assert one_step(model, WeightedSum(FixedWeights()))[0].norms is None
    assert one_step(model, WeightedSum(FixedWeights(), observe=True))[0].norms is not None


def test_observing_changes_nothing():
    for weighting in (FixedWeights((0.2, 0.8)), InverseGradient(warmup=5)):
        quiet, loud = (
            WeightedSum(copy.deepcopy(weighting)),
            WeightedSum(copy.deepcopy(weighting), observe=True, every=2),
        )
        for step in range(3):
            one, grads = one_step(small_model(), quiet, seed=step)
            other, observed = one_step(small_model(), loud, seed=step)
            assert (other.norms is not None) == (step % 2 == 0)
            assert_close(one.weights, other.weights, rtol=0, atol=0)
            assert_same_gradients(grads, observed)


def test_every_k_steps_holds_the_weights_between_and_keeps_the_pace():
    """With norms that do not change, the weights at each measured step are those of measuring at every step."""
    model = small_model()
    often, rarely = WeightedSum(InverseGradient(warmup=3)), WeightedSum(InverseGradient(warmup=3), every=4)
    measured, held = [], None
    for step in range(16):
        always = one_step(model, often)[0]
        sometimes, grads = one_step(model, rarely)
        if sometimes.norms is not None:
            measured.append(step)
            assert_close(sometimes.weights, always.weights, rtol=1e-12, atol=0)
        elif measured:
            assert torch.equal(sometimes.weights, held)
        held = sometimes.weights
        assert all(grad is not None for grad in grads)
    assert measured == [3, 7, 11, 15]


@pytest.mark.parametrize("measure", ["naive", "reuse"])
def test_a_measurement_that_says_nothing_is_one_and_the_next_comes_in_its_turn(measure):
    balancer = WeightedSum(InverseGradient(beta=0.9, warmup=0), measure=measure, every=3)
    measured = []
    for step in range(10):
        trunk, _, losses = trunk_and_losses(3.0, float("nan") if step == 3 else 1.0)
        measured.append(balancer.backward(losses, shared=[trunk]).norms is not None)
    assert [step for step, told in enumerate(measured) if told] == [0, 3, 6, 9]
    # A first one that says nothing is no beginning: the next step measures again.
    balancer = WeightedSum(InverseGradient(beta=0.9, warmup=0), measure=measure, every=3)
    measured = []
    for step in range(6):
        trunk, _, losses = trunk_and_losses(3.0, float("nan") if step == 0 else 1.0)
        measured.append(balancer.backward(losses, shared=[trunk]).norms is not None)
    assert [step for step, told in enumerate(measured) if told] == [0, 1, 4]


def replay(balancer: WeightedSum, exact: torch.Tensor, cheap: torch.Tensor) -> torch.Tensor:
    """The path of the first task's weight when the norms are these, (steps, 2) each, at either place."""
    weights = []
    for on_shared, at_place in zip(exact, cheap, strict=True):
        shared, place = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
        # Losses linear in each place, with just these gradient norms there.
        losses = on_shared * shared + at_place * place
        report = balancer.backward(losses, shared=[shared], representation=place, last_shared=[place])
        weights.append(report.weights[0])
    return torch.stack(weights)


@pytest.mark.parametrize(("measure", "scatter", "floor"), [("last_layer", 0.0, 0.0), ("representation", 0.35, 0.05)])
def test_calibration_tracks_the_exact_weights_within_five_percent(measure, scatter, floor):
    """Norms as they were measured on FD001: a ratio that grows, another one at the cheap place, a drifting quotient.

    If the quotient drifts but does not scatter, the weights are followed without a floor. With the measured scatter of
    a third, a floor of 0.05 is needed to stay within 5 % at every single step.
    """
    generator = torch.Generator().manual_seed(7)
    time = torch.linspace(0, 1, 300, dtype=torch.float64)[:, None]
    noise = lambda size: size * torch.randn(300, 2, generator=generator, dtype=torch.float64)  # noqa: E731
    exact = torch.tensor([600.0, 0.8]) * torch.tensor([3.0, 1.5]) ** time * noise(0.4).exp()
    quotient = torch.tensor([150.0, 60.0]) * torch.tensor([1.3, 1.1]) ** time * noise(scatter).exp()
    exact_path, calibrated, raw = (
        replay(WeightedSum(InverseGradient(beta=0.97, floor=floor, warmup=0), **settings), exact, exact / quotient)
        for settings in ({}, {"measure": measure, "calibrate": 20}, {"measure": measure})
    )
    error, raw_error = (float((path / exact_path - 1).abs().max()) for path in (calibrated, raw))
    assert error < 0.05
    assert raw_error > 3 * error


@pytest.mark.parametrize("measure", ["last_layer", "representation"])
def test_the_calibration_is_the_mean_of_four_logarithms_and_then_moves_by_a_quarter(measure):
    """Exact and cheap norms of a task, and what is made of its cheap norm of 1; a norm of 0 says nothing."""
    balancer = WeightedSum(instant(), measure=measure, calibrate=2)
    corrections = []
    for norms in ((2.0, 1), (8.0, 1), (32.0, 1), (8.0, 1), (128.0, 1), (256.0, 1), (0.0, 1), (64.0, 0), (32.0, 1)):
        for exact, cheap in (norms, (1.0, 1)):
            shared, place = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
            # The other task's quotient is 3 throughout.
            losses = torch.tensor([exact, 3.0]) * shared + torch.tensor([cheap, 1.0]) * place
            report = balancer.backward(losses, shared=[shared], representation=place, last_shared=[place])
        corrections.append(report.norms.tolist())
    expected = [2.0, 4.0, 8.0, 8.0, 16.0, 32.0, 32.0, 32.0, 32.0]
    assert_close(torch.tensor(corrections), torch.tensor([[first, 3.0] for first in expected]))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"every": 3},
        {"measure": "naive"},
        {"measure": "representation", "calibrate": 3},
        {"measure": "last_layer", "calibrate": 2, "every": 2},
        {"observe": True, "every": 3},
    ],
)
def test_a_checkpoint_in_mid_run_resumes_the_weights_bit_for_bit(settings):
    model = small_model()
    balancer = WeightedSum(InverseGradient(warmup=4), **settings)
    for step in range(11):
        one_step(model, balancer, step)
    resumed = WeightedSum(InverseGradient(warmup=4), **settings)
    resumed.load_state_dict(copy.deepcopy(balancer.state_dict()))
    fresh = WeightedSum(InverseGradient(warmup=4), **settings)
    moved = False
    for step in range(11, 25):
        whole, again, anew = (one_step(model, each, step)[0] for each in (balancer, resumed, fresh))
        assert torch.equal(whole.weights, again.weights)
        assert (whole.norms is None) == (again.norms is None)
        moved |= not torch.equal(whole.weights, anew.weights)
    assert moved
    balancer.reset()
    for name, tensor in balancer.state_dict().items():
        assert torch.equal(tensor, WeightedSum(InverseGradient(warmup=4), **settings).state_dict()[name])


def trunk_and_losses(*factors: float):
    """One trunk and a loss per factor; a factor of 0 kills the gradient, an infinite one breaks it."""
    trunk = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    heads = [nn.Parameter(torch.tensor([1.0, float(i)], dtype=torch.float64)) for i in range(len(factors))]
    return trunk, heads, [factor * (trunk * head).sum() for factor, head in zip(factors, heads, strict=True)]


def one_loss():
    trunk, _, losses = trunk_and_losses(1.0)
    return losses, [trunk]


@pytest.mark.parametrize("measure", ["naive", "reuse"])
def test_a_dead_task_is_told_and_takes_no_more_than_its_share(measure):
    trunk, _, losses = trunk_and_losses(3.0, 0.0)
    report = WeightedSum(instant(), measure=measure).backward(losses, shared=[trunk])
    assert report.note == "task 1 has a zero gradient"
    assert report.weights.tolist() == [0.5, 0.5]
    assert report.cosine is None
    assert_close(trunk.grad, torch.tensor([1.5, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("measure", ["naive", "reuse"])
@pytest.mark.parametrize("factor", [float("inf"), float("nan")])
@pytest.mark.parametrize("weighting", [instant, InverseGradient, lambda: InverseGradient(warmup=0)])
@pytest.mark.parametrize("stacked", [True, False])
def test_a_broken_task_is_told_and_left_out(measure, factor, weighting, stacked):
    trunk, heads, losses = trunk_and_losses(3.0, factor)
    losses = torch.stack(losses) if stacked else losses
    report = WeightedSum(weighting(), measure=measure, observe=True).backward(losses, shared=[trunk])
    assert "task 1 has a gradient norm of" in report.note
    assert "left out" in report.note
    assert report.weights[1] == 0
    assert report.weights[0] > 0
    assert_close(trunk.grad, report.weights[0] * torch.tensor([3.0, 0.0], dtype=torch.float64))
    assert torch.isfinite(heads[0].grad).all()


@pytest.mark.parametrize("measure", ["naive", "reuse"])
def test_if_every_task_is_broken_the_parameters_are_left_alone(measure):
    trunk, heads, losses = trunk_and_losses(float("nan"), float("nan"))
    balancer = WeightedSum(InverseGradient(warmup=0), measure=measure)
    report = balancer.backward(losses, shared=[trunk])
    assert report.note.count("left out") == 2
    assert all(parameter.grad is None for parameter in (trunk, *heads))
    # The run goes on as if the step had not been.
    fresh = WeightedSum(InverseGradient(warmup=0), measure=measure)
    weights = []
    for each in (balancer, fresh):
        trunk, _, losses = trunk_and_losses(3.0, 1.0)
        weights.append(each.backward(losses, shared=[trunk]).weights)
    assert torch.equal(*weights)


def test_removing_the_detach_trains_something_else():
    """Weights with a graph add a term: the derivative of the weights times the losses."""
    model = small_model()
    x, rul, health = batch()
    shared = model.shared_parameters()

    def gradient(detach: bool) -> torch.Tensor:
        # The convolutions, LSTM and attention are left in one piece; double backward reaches the funnel.
        losses = task_losses(*model(x), rul, health)
        places = model.last_shared_parameters()
        rows = [torch.autograd.grad(loss, places, create_graph=True) for loss in losses]
        norms = torch.stack([torch.cat([part.reshape(-1) for part in row]).norm() for row in rows])
        inverse = 1 / (norms.detach() if detach else norms)
        grads = torch.autograd.grad((inverse / inverse.sum() * losses).sum(), shared)
        return torch.cat([grad.reshape(-1) for grad in grads])

    attached, detached = gradient(detach=False), gradient(detach=True)
    assert float(torch.cosine_similarity(attached, detached, dim=0)) < 0.9
    _, grads = one_step(small_model(), WeightedSum(InverseNorm(eps=0.0), measure="last_layer"))
    ours = torch.cat([grad.reshape(-1) for grad in grads[: len(shared)]])
    assert_close(ours, detached, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WeightedSum(InverseNorm(), measure="guess"), "measure is 'guess'"),
        (lambda: WeightedSum(InverseNorm(), every=0), "every is 0"),
        (lambda: WeightedSum(InverseNorm(), calibrate=5), "leave calibrate out"),
        (lambda: WeightedSum(InverseNorm(), measure="last_layer", calibrate=0), "calibrate is 0"),
        (lambda: WeightedSum(InverseNorm(3)).backward(trunk_and_losses(1, 2)[2], shared=[]), "losses holds 2 losses"),
        (lambda: WeightedSum(InverseNorm()).backward(torch.ones(2), shared=[]), "without a graph"),
        (lambda: WeightedSum(InverseNorm()).backward([], shared=[]), "losses is empty"),
        (lambda: WeightedSum(InverseNorm()).backward(trunk_and_losses(1, 2)[2], shared=[]), "shared is empty"),
        (lambda: task_gradients(trunk_and_losses(1, 2)[2], []), "params is empty"),
        (lambda: gradient_cosine(*one_loss()), "losses holds one loss"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", ["last_layer", "representation"])
def test_a_missing_place_is_named(measure):
    trunk, _, losses = trunk_and_losses(1.0, 2.0)
    with pytest.raises(ValueError, match=r"representation is None|last_shared is missing"):
        WeightedSum(InverseNorm(), measure=measure).backward(losses, shared=[trunk])
