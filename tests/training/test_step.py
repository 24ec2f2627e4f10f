"""One step, for whoever calls it without the loop."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from textwrap import dedent

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from rulbook.errors import InputError
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.training import DivergedError, step
from rulbook.weighting import Linear


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(2)
    x, rul = torch.randn(6, 8, 3, generator=draw), torch.tensor([0.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    return x, rul, torch.tensor([2, 2, 1, 1, 1, 0])


def parts(method="amnl"):
    torch.manual_seed(0)
    model = DualTaskModel(3, "compact", max_rul=100.0)
    return model, METHODS[method], METHODS[method].balancer(), torch.optim.SGD(model.parameters(), lr=0.1)


def parameters(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


def take(batch, model, method, balancer, optimizer, **settings):
    return step(model, batch, method, balancer, optimizer, **settings)


def test_the_joint_gradient_is_told_before_it_is_clipped_and_the_step_is_of_the_clipped_one(batch):
    model, *others = parts()
    before = parameters(model)
    report = take(batch, model, *others, clip_norm=0.5)
    moved = (before - parameters(model)).norm() / 0.1
    assert float(moved) == pytest.approx(0.5, rel=1e-3)
    loose, *others = parts()
    again = take(batch, loose, *others, clip_norm=1e9)
    length = torch.cat([parameter.grad.reshape(-1) for parameter in loose.parameters()]).norm()
    assert report.joint_norm == again.joint_norm == pytest.approx(float(length), rel=1e-5)
    assert again.joint_norm > 0.5


def test_whoever_looks_between_the_passes_sees_the_losses_with_their_graph(batch):
    model, method, balancer, optimizer = parts()
    found = []

    def look(seen):
        assert all(parameter.grad is None for parameter in model.parameters())
        seen.rul.retain_grad()
        found.append(seen)

    report = take(batch, model, replace(method, samples=Linear(3.0)), balancer, optimizer, on_forward=look)
    (seen,) = found
    worth = torch.tensor([3.0, 2.6, 2.2, 1.8, 1.4, 1.0])
    # Half of the derivative of the weighted mean of squares: the other half of the step is the other task's.
    torch.testing.assert_close(seen.rul.grad, 0.5 * 2 * worth * (seen.rul.detach() - batch[1]) / 6)
    assert torch.equal(seen.losses, report.losses)
    assert tuple(seen.representation.shape) == (6, 32)


def test_the_cap_of_the_call_goes_before_that_of_the_model_and_one_is_needed(batch):
    losses = [take(batch, *parts(), max_rul=cap).losses[0] for cap in (None, 100.0, 50.0)]
    assert losses[0] == losses[1] > losses[2]
    model, *others = parts()
    model.max_rul = None
    with pytest.raises(InputError, match="max_rul is None, and the model was told no cap either"):
        take(batch, model, *others)
    with pytest.raises(InputError, match="max_rul is 0"):
        take(batch, model, *others, max_rul=0)


def test_a_step_that_diverges_moves_nothing(batch):
    x, rul, health = batch
    broken = x.clone()
    broken[2, 3, 1] = torch.inf
    for spoilt, words in (((broken, rul, health), "answers NaN"), ((x, rul * 1e19, health), "a gradient of norm")):
        model, *others = parts("baseline")
        before, average = parameters(model), AveragedModel(model)
        with pytest.raises(DivergedError, match=words):
            take(spoilt, model, *others, average=average, max_rul=1e21)
        assert torch.equal(parameters(model), before)
        assert int(average.n_averaged) == 0


def test_the_average_moves_along(batch):
    model, *others = parts()
    average = AveragedModel(model)
    for _ in range(2):
        take(batch, model, *others, average=average)
    assert int(average.n_averaged) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip_norm": float("nan")}, "clip_norm is nan"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0: it must be greater than 0"),
        ({"clip_norm": 0}, "clip_norm is 0"),
        ({"precision": "fp16"}, "precision is 'fp16': it must be one of fp32, bf16"),
    ],
)
def test_a_setting_that_would_turn_or_stop_the_step_in_silence_is_refused(batch, settings, words):
    model, *others = parts()
    before = parameters(model)
    with pytest.raises(InputError, match=words):
        take(batch, model, *others, **settings)
    assert torch.equal(before, parameters(model))


def test_an_infinite_norm_clips_nothing(batch):
    found = []
    for clip_norm in (1e-3, 1e6, math.inf):
        model, *others = parts()
        torch.manual_seed(0)
        take(batch, model, *others, clip_norm=clip_norm)
        found.append(parameters(model))
    assert torch.equal(found[1], found[2])
    assert not torch.equal(found[0], found[2])


def test_a_batch_of_another_network_is_told_by_its_shape(batch):
    model, *others = parts()
    x, *labels = batch
    with pytest.raises(InputError, match=r"windows of shape \(6, 8, 2\): the model reads \(B, T, 3\)"):
        take((x[:, :, :2], *labels), model, *others)


def test_what_is_no_method_no_balancer_or_no_batch_is_named():
    # Outside of pytest, where no hints are executed.
    told = python(
        """
        import torch
        from rulbook.methods import METHODS
        from rulbook.model import DualTaskModel
        from rulbook.training import step

        model, method = DualTaskModel(3, "compact", max_rul=100.0), METHODS["amnl"]
        batch = torch.zeros(2, 8, 3), torch.ones(2), torch.ones(2, dtype=torch.int64)
        good = {"batch": batch, "method": method, "balancer": method.balancer()}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wrong = [("method", "amnl"), ("balancer", None)]
        wrong += [("batch", batch[:2]), ("batch", (batch[0].numpy(), *batch[1:]))]
        for name, value in wrong:
            try:
                step(model, optimizer=optimizer, **{**good, name: value})
            except ValueError as error:
                print(error)
        """
    )
    assert told == [
        "method is 'amnl': it must be a Method, such as METHODS['amnl'].",
        "balancer is None: it must be a balancer, one of method.balancer().",
        *2 * ["batch is not three tensors: windows, RUL and health classes are wanted, as of tensors()."],
    ]


def python(program):
    """What a program prints, line by line."""
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_fleet_that_is_not_prepared_a_name_for_a_config_and_a_path_for_a_model_are_named():
    told = python(
        """
        from rulbook.data import demo_fleet, prepare
        from rulbook.inference import evaluate, predict
        from rulbook.model import DualTaskModel
        from rulbook.training import train

        fleet = demo_fleet(engines=4, test_engines=1, seed=3)
        data, model = prepare(fleet, window=4), DualTaskModel(preset="compact")
        calls = [
            lambda: train(fleet),
            lambda: train(data, "amnl"),
            lambda: evaluate(model, data),
            lambda: predict("runs/mine", fleet.test),
        ]
        for call in calls:
            try:
                call()
            except ValueError as error:
                print(error)
        """
    )
    assert told == [
        "data is a Fleet: prepare(fleet) makes of a fleet what can be trained on.",
        "config is 'amnl': it must be a TrainingConfig, such as TrainingConfig('amnl').",
        "windows is a Prepared: it must be Windows, such as data.test.",
        "checkpoint is 'runs/mine': load_checkpoint(path) reads one.",
    ]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_trains_whatever_mode_the_network_was_left_in(batch, precision):
    found = []
    for left in ("train", "eval"):
        model, *others = parts()
        getattr(model, left)()
        torch.manual_seed(5)
        take(batch, model, *others, precision=precision)
        assert model.training
        found.append(torch.cat([value.double().reshape(-1) for value in model.state_dict().values()]))
    assert torch.equal(*found)


def test_gradients_of_before_are_no_part_of_a_step(batch):
    found = []
    for before in (None, 100.0):
        model, *others = parts()
        for parameter in model.parameters():
            parameter.grad = None if before is None else torch.full_like(parameter, before)
        torch.manual_seed(5)
        take(batch, model, *others)
        found.append(parameters(model))
    assert torch.equal(*found)


def test_what_is_seen_between_the_passes_is_the_batch_and_what_was_made_of_it(batch):
    found = []

    def look(seen):
        through = torch.autograd.grad(seen.losses.sum(), seen.representation, retain_graph=True)[0]
        found.append((seen, bool(through.any())))

    take(batch, *parts(), on_forward=look)
    ((seen, connected),) = found
    assert connected
    assert all(one is other for one, other in zip(seen.batch, batch, strict=True))
    assert torch.equal(seen.losses[1], torch.nn.functional.cross_entropy(seen.health_logits, batch[2]))
