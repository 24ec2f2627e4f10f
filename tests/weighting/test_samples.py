"""Sample weightings, found and not listed: equal values of arrays and of tensors, within bounds, in every unit."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rulbook import reference, weighting
from rulbook.errors import InputError
from rulbook.losses import AMNL, GRACE, task_losses
from rulbook.weighting import samples as family
from rulbook.weighting.samples import SAMPLES, Exponential, Geometric, Linear, Sigmoid, Step, Uniform

found = pytest.mark.parametrize("name", SAMPLES)
lives = st.lists(st.floats(0, 2), min_size=1, max_size=20).map(np.array)
"""True RUL as shares of the cap, beyond it too."""
ceilings = st.one_of(st.just(1.0), st.floats(1, 50))
scales = st.floats(-3, 6).map(lambda power: 10.0**power)
EVERY_KIND = [
    (np.float16, torch.float16),
    (np.float32, torch.float32),
    (np.float64, torch.float64),
    (np.int64, torch.int64),
    (np.uint8, torch.uint8),
]


@found
@given(lives=lives, w_max=ceilings, cap=scales)
def test_arrays_and_tensors_weigh_the_same(name, lives, w_max, cap):
    weigh = SAMPLES[name](w_max=w_max)
    rul = lives * cap
    for numpy_type, torch_type in EVERY_KIND[:3]:
        with np.errstate(over="ignore"):
            given = rul.astype(numpy_type)
        if not np.isfinite(given).all():
            continue  # More than half precision can hold.
        array, tensor = weigh(given, cap), weigh(torch.tensor(given), cap)
        assert isinstance(array, np.ndarray)
        assert isinstance(tensor, torch.Tensor)
        expected = np.float64 if torch_type == torch.float64 else np.float32
        assert array.dtype == tensor.numpy().dtype == expected
        assert array.shape == tensor.shape == given.shape
        digits = np.finfo(expected).eps
        # The power of a sum that cancels: a sigmoid multiplies the rounding of the nearness by its rate.
        np.testing.assert_allclose(array, tensor.numpy(), rtol=64 * digits * w_max)
        # The precision decides how exact the weights are; only a threshold may lie between two numbers of it.
        if name != "Step":
            np.testing.assert_allclose(array, weigh(given.astype(float), cap), rtol=64 * digits * w_max)


@found
@pytest.mark.parametrize(("numpy_type", "torch_type"), EVERY_KIND)
def test_whole_numbers_and_low_precision_do_not_wrap_or_round_to_pieces(name, numpy_type, torch_type):
    weigh, rul = SAMPLES[name](w_max=3.0), [0, 29, 31, 124, 125, 200]
    exact = weigh(rul, 125)
    np.testing.assert_allclose(weigh(np.array(rul, numpy_type), 125), exact, rtol=1e-6)
    tensor = weigh(torch.tensor(rul).to(torch_type), 125)
    assert tensor.dtype == (torch.float64 if torch_type == torch.float64 else torch.float32)
    np.testing.assert_allclose(tensor.numpy(), exact, rtol=1e-6)
    bfloat = weigh(torch.tensor(rul).bfloat16(), 125)
    assert bfloat.dtype == torch.float32


@found
@given(lives=lives, w_max=ceilings, cap=scales)
def test_weights_lie_between_one_and_the_ceiling_and_never_grow_with_rul(name, lives, w_max, cap):
    weights = SAMPLES[name](w_max=w_max)(np.sort(lives) * cap, cap)
    assert weights.min() >= 1
    assert weights.max() <= w_max * (1 + 1e-15)
    assert (np.diff(weights) <= 1e-12 * w_max).all()


@found
@given(lives=lives, cap=st.floats(60, 1000))
def test_a_ceiling_of_one_weighs_every_sample_alike(name, lives, cap):
    assert (SAMPLES[name](w_max=1.0)(lives * cap, cap) == 1.0).all()


@found
def test_shapes_are_kept_and_a_list_or_a_number_is_an_array(name):
    weigh = SAMPLES[name](w_max=2.0)
    for shape in ((), (3,), (3, 1), (2, 3), (0,)):
        assert weigh(np.full(shape, 5.0), 125).shape == shape
        assert weigh(torch.full(shape, 5.0), 125).shape == shape
    assert weigh([5, 200], 125).shape == (2,)
    assert float(weigh(5, 125)) == weigh([5.0], 125)[0]


@found
def test_it_is_data(name):
    weigh = SAMPLES[name]()
    assert weigh == SAMPLES[name]() == copy.deepcopy(weigh) == pickle.loads(pickle.dumps(weigh))
    assert hash(weigh) == hash(SAMPLES[name]())
    assert weigh != dataclasses.replace(weigh, w_max=weigh.w_max + 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        weigh.w_max = 3.0
    # Whatever kind of number came, plain floats are kept: a NumPy double would lift single precision to double.
    taken = SAMPLES[name](w_max=np.float64(3))
    assert type(taken.w_max) is float
    assert taken([0.0, 10.0], 125).dtype == np.float64
    assert taken(np.zeros(2, np.float32), np.float64(125)).dtype == np.float32


@found
def test_numbers_of_its_own_are_those_beside_the_ceiling(name):
    weigh = SAMPLES[name]()
    assert set(weigh.own_parameters) == set(dataclasses.asdict(weigh)) - {"w_max"}


@found
def test_both_choices_can_be_had_from_one_place(name):
    assert getattr(weighting, name) is getattr(family, name) is SAMPLES[name]
    assert name in dir(family)


@found
@pytest.mark.parametrize(
    ("rul", "max_rul", "words"),
    [
        ([1.0, np.nan], 125, "rul holds nan at position"),
        (torch.tensor([1.0, torch.inf]), 125, "rul holds a value that is not finite"),
        (torch.tensor([True]), 125, "rul is a tensor of torch.bool"),
        (torch.tensor([1j]), 125, "rul is a tensor of torch.complex64"),
        (["a"], 125, r"rul is \['a'\]: it must be an array of numbers"),
        ([1.0], 0, "max_rul is 0: it must be greater than 0"),
        ([1.0], np.nan, "max_rul is nan"),
        ([1.0], np.inf, "max_rul is inf"),
        (torch.tensor([1.0]), -1, "max_rul is -1"),
    ],
)
def test_what_is_no_rul_and_no_cap_is_named(name, rul, max_rul, words):
    weigh = SAMPLES[name]()
    with pytest.raises(ValueError, match=words):
        weigh(rul, max_rul)


@found
@pytest.mark.parametrize(("w_max", "words"), [(0.99, "at least 1"), (float("nan"), "finite"), (1e31, "between 1 and")])
def test_a_ceiling_below_one_is_no_ceiling(name, w_max, words):
    with pytest.raises(ValueError, match=f"w_max is .*{words}"):
        SAMPLES[name](w_max=w_max)


def test_the_shapes_of_section_14_2_by_hand():
    rul = np.array([0.0, 50.0, 100.0, 150.0])  # Nearness 1, 0.5, 0, 0.
    half, soft = np.exp(-2.5), 1 / (1 + np.exp(-12 * (np.array([1, 0.5, 0, 0]) - 0.6)))
    by_hand = {
        Uniform(): [1, 1, 1, 1],
        Uniform(3.0): [2, 2, 2, 2],
        Linear(3.0): [3, 2, 1, 1],
        Geometric(4.0): [4, 2, 1, 1],
        Step(3.0): [3, 1, 1, 1],
        Step(3.0, threshold=60): [3, 3, 1, 1],
        Exponential(3.0): 1 + 2 * np.array([1, half, half**2, half**2]),
        Exponential(3.0, rate=2.0): 1 + 2 * np.exp([0.0, -1, -2, -2]),
        Sigmoid(3.0): 1 + 2 * soft,
        Sigmoid(3.0, rate=1e6, centre=0.3): [3, 3, 1, 1],
    }
    for weigh, expected in by_hand.items():
        np.testing.assert_allclose(weigh(rul, 100), expected, rtol=1e-12)
        np.testing.assert_allclose(weigh(torch.tensor(rul), 100).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("cap", [40.0, 125.0, 250.0, 1000.0])
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_threshold_in_cycles_stays_where_it_is_whatever_the_cap(cap, kind):
    weights = Step(3.0, threshold=30)(kind([0.0, 29.9, 30.0, 30.1, cap]), cap)
    assert weights.tolist() == [3, 3, 1, 1, 1]


def test_at_the_cap_a_sample_weighs_one_even_below_the_threshold():
    assert Step(2.0, threshold=30)([0, 19.9, 20, 25, 30], 20).tolist() == [2, 2, 1, 1, 1]


@given(lives=lives, w_max=ceilings, scale=scales)
def test_all_but_a_threshold_do_not_depend_on_the_unit(lives, w_max, scale):
    for weigh in (Uniform(w_max), Linear(w_max), Geometric(w_max), Exponential(w_max), Sigmoid(w_max)):
        np.testing.assert_allclose(weigh(lives * scale, scale), weigh(lives, 1.0), rtol=1e-11)
    in_hours = Step(w_max, threshold=0.3 * scale)(np.array([0.0, 0.2, 0.4]) * scale, scale)
    assert in_hours.tolist() == [w_max, w_max, 1]


@given(lives=lives, w_max=ceilings, cap=scales)
def test_the_line_is_amnls_of_the_reference(lives, w_max, cap):
    np.testing.assert_array_equal(Linear(w_max)(lives * cap, cap), reference.failure_weights(lives * cap, cap, w_max))
    by_hand = 1 + (w_max - 1) * np.clip(1 - lives, 0, 1)
    np.testing.assert_allclose(Linear(w_max)(lives * cap, cap), by_hand, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Step(threshold=0), "threshold is 0"),
        (lambda: Step(threshold=float("inf")), "threshold is inf"),
        (lambda: Exponential(rate=0.0), r"rate is 0\.0"),
        (lambda: Sigmoid(rate=-1.0), r"rate is -1\.0"),
        (lambda: Sigmoid(centre=1.5), r"centre is 1\.5: it must lie between 0 and 1"),
    ],
)
def test_numbers_of_its_own_are_checked(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# Inside the losses


def batch():
    generator = torch.Generator().manual_seed(0)
    target = torch.tensor([3.0, 28.0, 31.0, 80.0, 124.0, 125.0], dtype=torch.float64)
    pred = target + torch.randn(6, generator=generator, dtype=torch.float64)
    return pred, target, torch.randn(6, 3, generator=generator, dtype=torch.float64), torch.tensor([2, 2, 1, 1, 0, 0])


@found
def test_every_shape_can_be_trained_and_the_unit_of_the_loss_is_not_the_unit_of_the_weights(name):
    pred, target, logits, labels = batch()
    weigh = SAMPLES[name](w_max=3.0)
    for max_rul, scale in ((125.0, 1.0), (100.0, 125.0)):
        mse, _ = task_losses(pred, logits, target, labels, samples=weigh, max_rul=max_rul, rul_scale=scale)
        by_hand = np.mean(weigh(target.numpy(), max_rul) * (pred - target).numpy() ** 2) / scale**2
        assert mse.item() == pytest.approx(by_hand, rel=1e-12)


@found
def test_amnl_and_grace_take_any_shape_in_place_of_the_line(name):
    pred, target, logits, labels = batch()
    weigh = SAMPLES[name](w_max=3.0)
    mse, cross_entropy = task_losses(pred, logits, target, labels, samples=weigh).tolist()
    loss = AMNL(0.25, samples=weigh)
    assert loss(pred, target, logits, labels).item() == pytest.approx(0.75 * mse + 0.25 * cross_entropy)
    assert (loss.w_max, loss.samples) == (3.0, weigh)
    even = GRACE(samples=weigh)(pred, target, logits, labels, [2.0, 2.0]).item()
    assert even == pytest.approx((mse + cross_entropy) / 2)


def test_a_ceiling_beside_a_shape_is_refused_for_one_of_them_would_be_ignored():
    for form in (AMNL, GRACE):
        with pytest.raises(ValueError, match=r"w_max is 3\.0 beside samples, which is Step"):
            form(w_max=3.0, samples=Step())
        assert form().samples == form(w_max=2.0).samples == Linear(2.0)


def test_no_torch_is_needed_and_none_is_loaded():
    code = """
import sys
sys.modules["torch"] = None
from rulbook.weighting.samples import SAMPLES
from rulbook.weighting import Linear
print({name: weigh()([5.0], 125).shape for name, weigh in SAMPLES.items()})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("(1,)") == len(SAMPLES)


@pytest.mark.parametrize("samples", [Uniform(), Linear()])
def test_true_and_false_are_no_lives(samples):
    for flags in ([True, False], np.array([True]), torch.tensor([True])):
        with pytest.raises(InputError, match=r"must hold real numbers"):
            samples(flags, 125)
