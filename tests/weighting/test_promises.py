"""What WeightedSum promises of every kind of step, wherever it measures: absent, overflown, unreached, frozen tasks."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from rulbook.balancing.weighted_sum import MEASURES, WeightedSum
from rulbook.gradients import gradient_cosine, row_cosine, row_norms, task_gradient_norms, task_gradients
from rulbook.weighting import FixedWeights, InverseGradient, InverseNorm
from rulbook.weighting.tasks import _base as base

NAN, INF = math.nan, math.inf


class Trunk(nn.Module):
    """Two shared layers, a spare one that nothing uses, and a head for each task; losses of unlike size."""

    def __init__(self, tasks: int = 2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(tasks)
        self.first, self.last, self.spare = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(2, 2)
        self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in range(tasks))
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.x = torch.randn(9, 3, generator=generator)

    def shared(self) -> list[nn.Parameter]:
        return [*self.first.parameters(), *self.last.parameters(), *self.spare.parameters()]

    def encode(self) -> torch.Tensor:
        return self.last(self.first(self.x).tanh()).tanh()

    def losses(self, z: torch.Tensor, factors=None) -> list[torch.Tensor]:
        losses = [(head(z) - 3).square().mean() * 30.0**task for task, head in enumerate(self.heads)]
        return losses if factors is None else [loss * factor for loss, factor in zip(losses, factors, strict=True)]

    def step(self, balancer, losses=None, *, factors=None, stacked=False):
        """One step on fresh gradients; ``losses`` may replace some of the losses."""
        self.zero_grad(set_to_none=True)
        z = self.encode()
        given = self.losses(z, factors)
        for task, loss in (losses or {}).items():
            given[task] = loss
        return balancer.backward(
            torch.stack(given) if stacked else given,
            shared=self.shared(),
            representation=z,
            last_shared=list(self.last.parameters()),
        )

    def grads(self) -> dict[str, torch.Tensor]:
        return {name: parameter.grad for name, parameter in self.named_parameters() if parameter.grad is not None}


def warming_up(tasks, **settings):
    return WeightedSum(InverseGradient(tasks, warmup=50, floor=0.01), **settings)


def measuring(tasks, **settings):
    return WeightedSum(InverseGradient(tasks, warmup=0, floor=0.01), **settings)


def between(tasks, **settings):
    """Its next step lies between two measurements."""
    balancer = WeightedSum(InverseGradient(tasks, warmup=0, floor=0.01), every=50, **settings)
    Trunk(tasks).step(balancer)
    return balancer


def instant(tasks, **settings):
    return WeightedSum(InverseNorm(tasks), **settings)


def fixed(tasks, **settings):
    return WeightedSum(FixedWeights([1.0 / (task + 1) for task in range(tasks)]), **settings)


def observing(tasks, **settings):
    return WeightedSum(FixedWeights([1.0 / (task + 1) for task in range(tasks)]), observe=True, **settings)


def clipped(tasks, **settings):
    return WeightedSum(InverseGradient(tasks, warmup=0, floor=0.01, floor_form="clip", total=tasks), **settings)


KINDS = (warming_up, measuring, between, instant, fixed, observing, clipped)
PLACES = ({}, {"measure": "naive"}, {"measure": "last_layer"}, {"measure": "representation"})
CALIBRATED = ({"measure": "last_layer", "calibrate": 1}, {"measure": "representation", "calibrate": 2})
every_step = pytest.mark.parametrize(
    ("kind", "settings"),
    [
        pytest.param(kind, settings, id="-".join([kind.__name__, *map(str, settings.values())]))
        for kind, settings in itertools.product(KINDS, (*PLACES, *CALIBRATED))
    ],
)


def by_definition(network: Trunk, weights: torch.Tensor, tasks) -> dict[str, torch.Tensor]:
    """``.grad`` after a plain backward pass of the weighted sum of these tasks."""
    network.zero_grad(set_to_none=True)
    losses = network.losses(network.encode())
    sum(weights[task] * losses[task] for task in tasks).backward()
    return {name: grad.clone() for name, grad in network.grads().items()}


@every_step
@pytest.mark.parametrize("lacking", [None, "NaN with a graph", "stacked"])
def test_a_task_without_labels_is_left_out_and_everything_else_steps_as_if_it_were_not_there(kind, settings, lacking):
    tasks = 2 if lacking is None else 3
    network, balancer = Trunk(tasks), kind(tasks, **settings)
    average = {name: buffer.clone() for name, buffer in balancer.named_buffers() if name.endswith("smoothed")}
    if isinstance(lacking, str):
        report = network.step(balancer, factors=[1.0] * (tasks - 1) + [NAN], stacked=lacking == "stacked")
    else:
        report = network.step(balancer, {tasks - 1: lacking})
    found = {name: grad.clone() for name, grad in network.grads().items()}
    assert all(bool(grad.isfinite().all()) for grad in found.values())
    assert f"task {tasks - 1} " in report.note
    assert "left out" in report.note
    assert report.weights[-1] == 0
    assert bool((report.weights[:-1] > 0).all())
    expected = by_definition(network, report.weights, range(tasks - 1))
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert_close(found[name], grad, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(balancer.get_buffer(name), before) for name, before in average.items())


@pytest.mark.parametrize("lacking", [None, 0, 0.0, NAN, torch.tensor(0.0), torch.tensor(NAN)])
@pytest.mark.parametrize("kind", [warming_up, measuring])
def test_a_task_can_be_absent_in_several_ways(kind, lacking):
    network = Trunk()
    report = network.step(kind(2), {1: lacking})
    assert "task 1 is absent from this batch: it is left out of this step" in report.note
    assert report.weights[0] > report.weights[1] == 0
    assert network.heads[1].weight.grad is None


@every_step
def test_if_no_task_has_labels_nothing_is_written(kind, settings):
    network, balancer = Trunk(), kind(2, **settings)
    weights = balancer.weights.clone()
    report = network.step(balancer, {0: None}, factors=[1.0, NAN])
    assert network.grads() == {}
    assert report.note.count("left out") == 2
    assert report.weights.tolist() == [0, 0]
    if kind not in (fixed, observing):
        assert torch.equal(balancer.weights, weights)


@every_step
def test_an_infinite_loss_leaves_the_trunk_finite_and_shows_on_its_own_head(kind, settings):
    network, balancer = Trunk(3), kind(3, **settings)
    report = network.step(balancer, factors=[1.0, INF, 1.0], stacked=True)
    grads = network.grads()
    for name, grad in grads.items():
        assert bool(grad.isfinite().all()) == (not name.startswith("heads.1")), name
    assert "task 1 has a" in report.note
    assert "its own parameters show it" in report.note
    assert report.weights[1] == 0
    expected = by_definition(network, report.weights, [0, 2])
    for name in ("first.weight", "last.bias", "heads.0.weight", "heads.2.weight"):
        assert_close(grads[name], expected[name], rtol=1e-5, atol=1e-6)


@every_step
def test_if_all_tasks_overflow_nothing_hides_it(kind, settings):
    network, balancer = Trunk(), kind(2, **settings)
    report = network.step(balancer, factors=[INF, NAN])
    assert "no task is left" in report.note
    grads = network.grads()
    assert not any(bool(grad.isfinite().all()) for name, grad in grads.items() if not name.startswith("heads.1"))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_task_without_parameters_of_its_own_shows_its_overflow_on_the_shared_ones(measure):
    trunk = nn.Parameter(torch.ones(2))
    z = trunk * 1.0
    report = WeightedSum(InverseNorm(), measure=measure).backward(
        [z.sum(), z.sum() * INF], shared=[trunk], representation=z, last_shared=[trunk]
    )
    assert not trunk.grad.isfinite().all()
    assert report.weights.tolist()[1] == 0


class Breaking(torch.autograd.Function):
    """The identity, whose gradient overflows."""

    @staticmethod
    def forward(_, values):
        return values.clone()

    @staticmethod
    def backward(_, grad):
        return grad * INF


@pytest.mark.parametrize("settings", PLACES)
def test_an_overflow_on_the_way_back_is_found_where_it_is_measured(settings):
    """A finite loss whose gradient is infinite: on the shared parameters the task is left out, on its head it shows."""
    network, balancer = Trunk(), measuring(2, **settings)
    z = network.encode()
    losses = [network.losses(z)[0], network.losses(Breaking.apply(z))[1]]
    report = balancer.backward(
        losses, shared=network.shared(), representation=z, last_shared=list(network.last.parameters())
    )
    assert math.isfinite(report.losses[1])
    assert report.weights[1] == 0
    grads = network.grads()
    assert all(bool(grad.isfinite().all()) for name, grad in grads.items() if not name.startswith("heads.1"))
    assert not grads["heads.1.weight"].isfinite().all()
    assert "task 1 has a gradient norm of" in report.note


@pytest.mark.parametrize("kind", [warming_up, between, fixed])
def test_an_overflow_behind_an_unmeasured_step_is_left_in_grad_and_told(kind):
    network, balancer = Trunk(), kind(2)
    z = network.encode()
    report = balancer.backward(network.losses(Breaking.apply(z)), shared=network.shared())
    assert not network.first.weight.grad.isfinite().all()
    assert "infinite or NaN, as .grad shows" in report.note


@pytest.mark.parametrize("settings", [{"beta": 0}, {"beta": 0.9}, {"beta": 0.99, "floor": 0.05}])
@pytest.mark.parametrize("absent", ["times zero", "off the trunk", "None", "NaN"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_step_does_not_jump_when_a_task_is_absent_from_one_batch(settings, absent, measure):
    """Norms 5,900 to 1: counted as dead, the quiet task would hand half the weight to the loud one."""
    balancer = WeightedSum(InverseGradient(warmup=0, **({"floor": 0.0} | settings)), measure=measure)
    trunk, apart = nn.Parameter(torch.ones(3, dtype=torch.float64)), nn.Parameter(torch.ones(1, dtype=torch.float64))

    def step(missing: bool):
        trunk.grad = None
        z = trunk * 1.0
        loud, quiet = 5900 * (z @ torch.tensor([1.0, 0, 0]).double()), z @ torch.tensor([0, 1.0, 0]).double()
        if missing:
            quiet = {"times zero": quiet * 0, "off the trunk": apart.sum(), "None": None, "NaN": quiet * NAN}[absent]
        report = balancer.backward([loud, quiet], shared=[trunk], representation=z, last_shared=[trunk])
        return report, float(trunk.grad[0])

    for _ in range(30):
        before, pull = step(missing=False)
    missing, pull_now = step(missing=True)
    after, _ = step(missing=False)
    assert pull_now == pytest.approx(pull, rel=1e-9)
    assert missing.weights[0] == before.weights[0]
    # The task that returns finds its average as it was, one step on.
    assert 0.85 * float(before.weights[0]) < float(after.weights[0]) <= float(before.weights[0])
    assert missing.note is not None


@pytest.fixture
def alone(tmp_path):
    """A group of one process."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield torch.distributed.group.WORLD
    torch.distributed.destroy_process_group()


@every_step
def test_a_group_of_one_process_takes_the_step_of_a_process_without_a_group(kind, settings, alone):
    """With labels, without those of one task, and after an overflow of one."""
    plain, grouped = Trunk(3), Trunk(3)
    without, within = kind(3, **settings), kind(3, **settings)
    within.process_group = alone
    for factors in ((1.0, 1.0, 1.0), (1.0, NAN, 1.0), (1.0, 1.0, INF), (NAN, NAN, NAN), (1.0, 2.0, 1.0)):
        one, other = plain.step(without, factors=factors), grouped.step(within, factors=factors)
        assert_close(other.weights, one.weights)
        assert (other.norms is None) == (one.norms is None)
        assert one.norms is None or torch.allclose(other.norms, one.norms, equal_nan=True)
        assert other.note == one.note
        assert grouped.grads().keys() == plain.grads().keys()
        for name, grad in plain.grads().items():
            assert_close(grouped.grads()[name], grad, rtol=1e-4, atol=1e-5, equal_nan=True)


@every_step
def test_what_no_loss_reaches_keeps_its_grad_and_what_is_there_is_added_to(kind, settings):
    network, balancer = Trunk(), kind(2, **settings)
    network.step(balancer)
    assert network.spare.weight.grad is None
    once = {name: grad.clone() for name, grad in network.grads().items()}
    again = copy.deepcopy(balancer)
    # Accumulation: as loss.backward() does, into the very tensor that is there.
    network, first = Trunk(), kind(2, **settings)
    for name, parameter in network.named_parameters():
        parameter.grad = torch.ones_like(parameter) if name != "last.bias" else None
    kept = {name: parameter.grad for name, parameter in network.named_parameters()}
    z = network.encode()
    first.backward(
        network.losses(z), shared=network.shared(), representation=z, last_shared=list(network.last.parameters())
    )
    for name, parameter in network.named_parameters():
        assert kept[name] is None or parameter.grad is kept[name]
        expected = once.get(name, torch.zeros_like(parameter)) + (0 if name == "last.bias" else 1)
        assert_close(parameter.grad, expected, rtol=1e-5, atol=1e-5)
    assert again.step == first.step


@pytest.mark.parametrize("measure", MEASURES)
def test_no_two_gradients_share_memory(measure):
    network = Trunk()
    network.step(measuring(2, measure=measure))
    storages = [grad.untyped_storage().data_ptr() for grad in network.grads().values()]
    assert len(set(storages)) == len(storages)
    assert all(grad.untyped_storage().nbytes() == 4 * grad.numel() for grad in network.grads().values())


@every_step
def test_hooks_that_wait_for_a_gradient_are_called_once_each(kind, settings):
    network, balancer = Trunk(), kind(2, **settings)
    called = []
    for name, parameter in network.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: called.append(name))
    network.step(balancer)
    assert sorted(called) == sorted(network.grads())


@pytest.mark.parametrize("measure", MEASURES)
def test_a_hook_on_a_parameter_does_not_act_twice(measure):
    plain, hooked = Trunk(), Trunk()
    hooked.heads[0].weight.register_hook(lambda grad: 2 * grad)
    one, other = measuring(2, measure=measure), measuring(2, measure=measure)
    plain.step(one)
    hooked.step(other)
    assert_close(hooked.heads[0].weight.grad, 2 * plain.heads[0].weight.grad)
    # And it is still there for the next backward pass.
    assert len(hooked.heads[0].weight._backward_hooks) == 1


@every_step
def test_a_parameter_named_twice_counts_once(kind, settings):
    reports = []
    for times in (1, 3):
        network, balancer = Trunk(), kind(2, **settings)
        z = network.encode()
        reports.append(
            balancer.backward(
                network.losses(z),
                shared=network.shared() * times,
                representation=z,
                last_shared=list(network.last.parameters()) * times,
            )
        )
        reports.append(network.grads())
    once, grads, thrice, same = reports
    assert torch.equal(once.weights, thrice.weights)
    assert (once.norms is None) == (thrice.norms is None)
    assert once.norms is None or torch.equal(once.norms, thrice.norms)
    assert all(torch.equal(grads[name], same[name]) for name in grads)


def test_the_measuring_functions_count_each_parameter_once_and_skip_frozen_ones():
    network = Trunk()
    network.first.weight.requires_grad_(False)
    losses = network.losses(network.encode())
    every, trained = network.shared(), [param for param in network.shared() if param.requires_grad]
    assert_close(task_gradient_norms(losses, [*every, *every]), task_gradient_norms(losses, trained))
    assert gradient_cosine(losses, [*every, *every]) == pytest.approx(gradient_cosine(losses, trained))
    rows = task_gradients(losses, every)
    assert rows.shape == (2, sum(param.numel() for param in every))
    assert not rows[:, : network.first.weight.numel()].any()
    with pytest.raises(ValueError, match="params holds 1 tensors, all frozen"):
        task_gradients(losses, [network.first.weight])


@every_step
def test_frozen_parameters_are_skipped_everywhere(kind, settings):
    network, balancer = Trunk(), kind(2, **settings)
    network.first.weight.requires_grad_(False)
    network.last.bias.requires_grad_(False)
    report = network.step(balancer)
    assert network.first.weight.grad is None
    assert network.last.bias.grad is None
    assert report.note is None
    expected = by_definition(network, report.weights, range(2))
    network.step(kind(2, **settings))
    for name, grad in network.grads().items():
        assert_close(grad, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calibrate", [None, 2])
def test_what_is_off_the_path_of_the_losses_is_refused_by_name(kind, calibrate):
    network, other = Trunk(), copy.deepcopy(Trunk())

    def step(measure, **given):
        settings = {} if calibrate is None or measure in ("reuse", "naive") else {"calibrate": calibrate}
        z = network.encode()
        arguments = {"shared": network.shared(), "representation": z, "last_shared": list(network.last.parameters())}
        arguments |= {name: make(z) for name, make in given.items()}
        kind(2, measure=measure, **settings).backward(network.losses(z), **arguments)

    for measure in MEASURES:
        with pytest.raises(ValueError, match="shared is off the path"):
            step(measure, shared=lambda _: other.shared())
    for off in (lambda z: z.clone(), lambda z: z.detach().requires_grad_(), lambda z: z[:, :2]):
        with pytest.raises(ValueError, match="representation is off the path"):
            step("representation", representation=off)
    with pytest.raises(ValueError, match="last_shared is off the path"):
        step("last_layer", last_shared=lambda _: list(other.last.parameters()))


def test_a_second_output_of_the_same_operation_is_no_representation():
    """As a compiled model that hands out both has it: one node of the graph, two outputs."""
    trunk = nn.Parameter(torch.ones(4))
    inside, outside = (trunk * 2.0).split(2)
    with pytest.raises(ValueError, match="representation is off the path"):
        WeightedSum(InverseNorm(), measure="representation").backward(
            [inside.sum(), 2 * inside.sum()], shared=[trunk], representation=outside
        )


@pytest.mark.parametrize("measure", ["representation", "last_layer"])
def test_a_task_that_goes_around_the_place_of_measurement_is_refused(measure):
    network = Trunk()
    z = network.encode()
    around = network.first(network.x).square().mean()
    name = {"representation": "representation", "last_layer": "last_shared"}[measure]
    with pytest.raises(ValueError, match=f"^{name} is off the path of task 1, which reaches .* measure='{measure}'"):
        measuring(2, measure=measure).backward(
            [network.losses(z)[0], around],
            shared=network.shared(),
            representation=z,
            last_shared=list(network.last.parameters()),
        )


def test_a_checkpoint_before_all_shared_parameters_hides_nothing_from_the_naive_measure():
    from torch.utils.checkpoint import checkpoint

    hiding, plain = Trunk(), Trunk()
    hiding.x.requires_grad_()
    reports = []
    for network in (hiding, plain):
        first = lambda x, network=network: network.first(x).tanh()  # noqa: E731
        hidden = checkpoint(first, network.x, use_reentrant=True) if network is hiding else first(network.x)
        losses = network.losses(network.last(hidden).tanh())
        reports.append(instant(2, measure="naive").backward(losses, shared=list(network.last.parameters())))
    assert_close(reports[0].norms, reports[1].norms)
    for one, other in zip(hiding.grads().values(), plain.grads().values(), strict=True):
        assert_close(one, other)
    # The other exact measure fills all gradients from what it measured: of what is hidden it would fill none.
    losses = hiding.losses(hiding.last(checkpoint(hiding.first, hiding.x, use_reentrant=True)))
    with pytest.raises(ValueError, match="use_reentrant=False"):
        instant(2, measure="reuse").backward(losses, shared=list(hiding.last.parameters()))


@pytest.mark.parametrize("measure", MEASURES)
def test_reentrant_checkpoints_work_or_are_named(measure):
    from torch.utils.checkpoint import checkpoint

    network, plain = Trunk(), Trunk()
    network.x.requires_grad_()

    def step(balancer):
        z = network.last(checkpoint(lambda x: network.first(x).tanh(), network.x, use_reentrant=True)).tanh()
        return balancer.backward(
            network.losses(z), shared=network.shared(), representation=z, last_shared=list(network.last.parameters())
        )

    if measure in ("reuse", "naive"):
        with pytest.raises(ValueError, match="use_reentrant=False"):
            step(instant(2, measure=measure))
    else:
        report, expected = step(instant(2, measure=measure)), plain.step(instant(2, measure=measure))
        assert_close(report.norms, expected.norms)
        assert_close(network.first.weight.grad, plain.first.weight.grad)
    # A step that measures nothing has nothing to miss.
    assert step(warming_up(2, measure=measure)).note is None


def amp_run(balancer, *, factor: float, steps: int = 200):
    """Train in float16 autocast with a scaler that begins too high for the first task."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    rul, classes = 60 + 30 * x[:, 0] + 10 * x[:, 1], (x[:, 2] > 0).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk, heads = nn.Linear(4, 16), nn.ModuleList([nn.Linear(16, 1), nn.Linear(16, 2)])
    model = nn.ModuleList([trunk, heads])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            z = trunk(x).relu()
            losses = [
                factor * nn.functional.mse_loss(heads[0](z)[:, 0].float(), rul),
                nn.functional.cross_entropy(heads[1](z).float(), classes),
            ]
        losses = [scaler.scale(loss) for loss in losses]
        report = balancer.backward(
            losses, shared=list(trunk.parameters()), representation=z, last_shared=list(trunk.parameters())
        )
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1e6)
        scaler.step(optimizer)
        scaler.update()
        history.append(report.losses / scaler.get_scale())
    return scaler.get_scale(), history


@pytest.mark.parametrize("measure", MEASURES)
def test_a_gradient_scaler_sees_every_overflow_and_both_tasks_are_trained(measure):
    scale, history = amp_run(WeightedSum(InverseGradient(warmup=3), measure=measure), factor=4.0)
    assert scale < 2.0**16
    assert history[-1][0] < history[20][0] / 5
    assert history[-1][1] < 0.2


def test_half_precision_buffers_would_forget_and_ours_do_not():
    """2,000 steps at a ratio of 500, cast in every way a module can be: the average arrives and sums to one."""
    norms = torch.tensor([500.0, 1.0])
    exact = InverseGradient(floor=0.0, warmup=10)
    weighers = []
    for cast in ("bfloat16", "half"):
        holder = nn.Module()
        holder.balancer = WeightedSum(InverseGradient(floor=0.0, warmup=10), measure="representation", calibrate=9)
        getattr(holder, cast)()
        assert all(buffer.dtype != torch.float16 for buffer in holder.buffers())
        weighers.append(holder.balancer.weighting)
    for _ in range(2000):
        expected = exact(norms)
        for weigh in weighers:
            weights = weigh(norms)
    assert torch.equal(weights, expected)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
    assert float(weights[0]) == pytest.approx(1 / 501, rel=1e-3)


def test_a_cast_module_still_moves_loads_and_goes_to_meta():
    balancer = WeightedSum(InverseGradient(warmup=0)).half()
    assert balancer.weights.dtype == torch.float64
    assert InverseGradient().float().to("cpu", torch.float16).chain.inner.inner.smoothed.dtype == torch.float64
    other = WeightedSum(InverseGradient(warmup=0))
    other.weights.fill_(0.25)
    balancer.load_state_dict(other.state_dict())
    assert torch.equal(balancer.weights, other.weights)
    meta = copy.deepcopy(balancer).to("meta")
    assert {buffer.device.type for buffer in meta.buffers()} == {"meta"}
    empty = meta.to_empty(device="cpu")
    assert empty.weights.dtype == torch.float64


def test_a_device_without_double_precision_gets_single_and_a_word(monkeypatch):
    monkeypatch.setattr(base, "has_double", lambda device: device.type != "meta")
    balancer = WeightedSum(InverseGradient())
    with pytest.warns(UserWarning, match="no double precision"):
        balancer.to("meta")
    assert {buffer.dtype for buffer in balancer.buffers() if buffer.is_floating_point()} == {torch.float32}
    monkeypatch.undo()
    assert not base.has_double(torch.device("mps"))
    assert base.has_double(torch.device("cuda"))
    # A run in single precision needs no double anywhere.
    single = WeightedSum(InverseGradient(warmup=1, floor=0.0, beta=0.9))
    for module in single.modules():
        for name, buffer in module._buffers.items():
            module._buffers[name] = buffer.float() if buffer.is_floating_point() else buffer
    double = WeightedSum(InverseGradient(warmup=1, floor=0.0, beta=0.9))
    for _ in range(20):
        weights = Trunk().step(single).weights
        assert_close(weights, Trunk().step(double).weights, rtol=1e-5, atol=1e-6)
    single.load_state_dict(double.state_dict())
    assert single.weights.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_come_in_one_precision_throughout_a_run(dtype):
    norms = torch.tensor([3.0, 1.0], dtype=dtype)
    for weigh in (
        InverseGradient(warmup=2),
        InverseGradient(warmup=2, floor_form="clip"),
        InverseGradient(beta=0, floor=0, warmup=2),
        FixedWeights(),
    ):
        assert {weigh(norms).dtype for _ in range(5)} == {torch.promote_types(dtype, torch.float32)}
    assert {InverseGradient(warmup=1)().dtype, FixedWeights()().dtype} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("power", [-40, -25, -3, 0, 4, 25, 37, 200])
def test_a_norm_of_finite_numbers_is_finite_and_of_any_but_zeros_not_zero(dtype, power):
    size = 10.0**power
    if not torch.finfo(dtype).smallest_normal < size < torch.finfo(dtype).max / 8:
        return
    rows = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [-6.0, 8.0, 0.0]], dtype=torch.float64)
    norms = row_norms((rows * size).to(dtype))
    assert norms.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_close(norms.double(), torch.tensor([5.0, 0.0, 10.0]).double() * size, rtol=1e-2, atol=0)
    pair = (rows[[0, 2]] * size).to(dtype)
    assert row_cosine(pair) == pytest.approx((-18 + 32) / 50, abs=1e-2)
    assert math.isnan(row_cosine((rows * size).to(dtype)))


def test_half_precision_rows_of_three_hundreds_have_a_norm():
    norms = row_norms(torch.full((1, 4), 300.0, dtype=torch.float16))
    assert norms.dtype == torch.float32
    assert norms.tolist() == [600.0]
    for broken in (INF, NAN):
        assert not math.isfinite(row_norms(torch.tensor([[1.0, broken]])))


@pytest.mark.parametrize("settings", PLACES)
def test_gradients_as_large_as_single_precision_allows_are_no_overflow(settings):
    report = Trunk().step(measuring(2, **settings), factors=[1e25, 1e22])
    assert report.note is None
    assert bool(report.norms.isfinite().all())
    assert report.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_scaled_stack_is_taken_apart(measure):
    """A tensor of losses, scaled as a whole: a NaN in one does not reach the other, and the scale is in the norms."""
    network = Trunk()
    z = network.encode()
    plain = network.step(instant(2, measure=measure))
    grads = {name: grad.clone() for name, grad in network.grads().items()}
    network.zero_grad(set_to_none=True)
    z = network.encode()
    scaled = torch.stack(network.losses(z)) * 1024.0
    report = instant(2, measure=measure).backward(
        scaled, shared=network.shared(), representation=z, last_shared=list(network.last.parameters())
    )
    assert_close(report.norms, 1024 * plain.norms)
    assert_close(report.weights, plain.weights)
    assert_close(network.first.weight.grad, 1024 * grads["first.weight"])
    network.zero_grad(set_to_none=True)
    z = network.encode()
    lacking = torch.stack(network.losses(z, [1.0, NAN])) * 1024.0
    report = instant(2, measure=measure).backward(
        lacking, shared=network.shared(), representation=z, last_shared=list(network.last.parameters())
    )
    assert all(bool(grad.isfinite().all()) for grad in network.grads().values())
    assert_close(network.heads[0].weight.grad, report.weights[0] * 1024 * grads["heads.0.weight"] / plain.weights[0])


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"rul": torch.ones(())}, "losses is {'rul'"),
        (3.0, "losses is 3.0: it must be a tensor or a sequence"),
        (["x", 1.0], "losses holds 'x' at position 0"),
        ([2.0, None], "losses holds 2.0 at position 0"),
        ([torch.ones(()), None], "without a graph"),
        (torch.ones(2, 2), r"losses has shape \(2, 2\)"),
        ([torch.ones(2, requires_grad=True), None], r"a tensor of shape \(2,\)"),
    ],
)
def test_losses_of_another_kind_are_named(losses, message):
    with pytest.raises(ValueError, match=message):
        fixed(2).backward(losses, shared=[])


def test_measuring_wants_every_loss():
    network = Trunk()
    with pytest.raises(ValueError, match="at position 1 no tensor"):
        task_gradients([network.losses(network.encode())[0], None], network.shared())
    stacked = torch.stack([network.losses(network.encode())[0], torch.tensor(1.0)])
    with pytest.raises(ValueError, match="at position 1 a constant"):
        task_gradients(stacked, network.shared())
