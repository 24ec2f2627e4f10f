"""One forward pass: the same windows get the same numbers from evaluate, predict and validation, however they come."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rulbook.checkpoint import load_checkpoint
from rulbook.data import Windows, demo_fleet, prepare, tensors
from rulbook.data.tensors import TensorWindows, upload
from rulbook.errors import InputError
from rulbook.inference import evaluate, predict, predict_windows
from rulbook.model import DualTaskModel
from rulbook.training import TrainingConfig, train

FLEET = demo_fleet(engines=5, test_engines=3, seed=3)
DATA = prepare(FLEET, window=8, seed=0)
QUICK = TrainingConfig(epochs=2, batch_size=128, seed=1)


def network():
    torch.manual_seed(0)
    model = DualTaskModel(DATA.train.rows.shape[1], "compact", initial_rul=60.0, max_rul=125).eval()
    with torch.no_grad():
        model.rul_head[-1].weight *= 2000.0  # so that windows differ
    return model


MODEL = network()
WHOLE = evaluate(MODEL, DATA.test_all)


@given(batch_size=st.integers(1, 300), chosen=st.sets(st.integers(0, len(DATA.test_all) - 1), min_size=1, max_size=40))
def test_neither_the_batch_nor_the_company_of_a_window_changes_its_answer(batch_size, chosen):
    index = sorted(chosen)
    some = DATA.test_all.take(index)
    for windows in (some, TensorWindows.of(some)):
        seen = evaluate(MODEL, windows, batch_size=batch_size)
        np.testing.assert_allclose(seen.rul, WHOLE.rul[index], rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(seen.health_probabilities, WHOLE.health_probabilities[index], atol=1e-6)
        assert seen.true_rul.tolist() == WHOLE.true_rul[index].tolist()
        assert seen.true_health.tolist() == WHOLE.true_health[index].tolist()
    assert WHOLE.rul.std() > 0.1


def test_validation_evaluate_and_predict_say_the_same_of_the_same_engines(tmp_path):
    held_out = DATA.validation_units
    result = train(DATA, QUICK, folder=tmp_path, progress=False, watched={"test": DATA.test, "every": DATA.test_all})
    checkpoint = load_checkpoint(tmp_path / "best.safetensors")
    row = result.history.iloc[result.best_epoch - 1]
    parts = {"validation": DATA.validation, "test": DATA.test, "every": DATA.test_all}
    for model in (result.model, checkpoint.model):
        for part, windows in parts.items():
            for name, score in evaluate(model, windows).scores().items():
                assert row[f"{part}_{name}"] == score, (part, name)
    for windows, table, every in (
        (DATA.validation, FLEET.train[FLEET.train["unit"].isin(held_out)], True),
        (DATA.test_all, FLEET.test, True),
        (DATA.test, FLEET.test, False),
    ):
        seen, said = evaluate(checkpoint.model, windows), predict(checkpoint, table, every_cycle=every)
        assert said["engine"].tolist() == windows.unit.tolist()
        assert said["cycle"].tolist() == windows.cycle.tolist()
        np.testing.assert_allclose(said["rul"], seen.rul, rtol=1e-6)
        np.testing.assert_allclose(said["probability"], seen.health_probabilities.max(axis=1), rtol=1e-6)
        named = np.array(DATA.horizon.classes)[seen.health_probabilities.argmax(axis=1)]
        assert said["health"].tolist() == named.tolist()


def test_a_caller_who_computes_in_bfloat16_or_records_gradients_gets_the_same_numbers():
    with torch.autocast("cpu", torch.bfloat16), torch.enable_grad():
        seen = evaluate(MODEL, DATA.test_all)
    assert seen.rul.tolist() == WHOLE.rul.tolist()
    assert seen.health_probabilities.tolist() == WHOLE.health_probabilities.tolist()


# Windows become tensors in one place


@pytest.mark.parametrize("index", [[], [0], [5, 2, 2], slice(None), "mask"])
def test_a_batch_is_what_the_windows_hold(index):
    windows = DATA.validation
    if index == "mask":
        index = windows.cycle % 7 == 0
    elif isinstance(index, slice):
        index = np.arange(len(windows))
    place = np.asarray(index, dtype=None if len(index) else np.int64)
    uploaded = TensorWindows.of(windows)
    for x, rul, health in (windows.tensors(index), uploaded.batch(torch.as_tensor(place))):
        assert (x.dtype, rul.dtype, health.dtype) == (torch.float32, torch.float32, torch.int64)
        np.testing.assert_array_equal(x, windows.gather(index))
        np.testing.assert_array_equal(rul, windows.rul[place].astype(np.float32))
        np.testing.assert_array_equal(health, windows.health[place])


def test_what_is_written_into_a_batch_stays_out_of_the_windows():
    windows = DATA.validation.take([0, 1])
    before = windows.gather([0, 1]).copy()
    x, rul, health = windows.tensors()
    for tensor in (x, rul, health):
        tensor.zero_()
    np.testing.assert_array_equal(windows.gather([0, 1]), before)
    assert windows.rul.all()


def test_windows_that_nobody_may_write_into_are_read_without_a_warning():
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    rows.flags.writeable = False
    starts = np.array([0, 3])
    windows = Windows(rows, starts, 3, starts, starts, np.array([5.0, 6.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert windows.tensors()[0][1].tolist() == rows[3:].tolist()


def test_rows_that_parts_share_are_uploaded_once():
    train_part, validation, test, test_all = upload([DATA.train, DATA.validation, DATA.test, DATA.test_all], "cpu")
    assert train_part.rows is validation.rows
    assert test.rows is test_all.rows
    assert train_part.rows is not test.rows
    assert [part.windows for part in (train_part, test)] == [DATA.train, DATA.test]


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_run_uploads_its_rows_once_however_many_epochs_it_has(monkeypatch, epochs):
    uploaded = []
    original = tensors._tensor

    def counted(array, device):
        if array.dtype == np.float32 and array.ndim == 2:
            uploaded.append(id(array))
        return original(array, device)

    monkeypatch.setattr(tensors, "_tensor", counted)
    watched = {"test": DATA.test, "every": DATA.test_all, "train": DATA.train}
    few = replace(DATA, train=DATA.train.take(np.arange(0, len(DATA.train), 8)))
    train(few, replace(QUICK, epochs=epochs), progress=False, watched=watched)
    # Training and validation engines are windows on one table, test engines on another.
    assert sorted(uploaded) == sorted({id(DATA.train.rows), id(DATA.test.rows)})


def test_windows_on_another_device_than_the_model_are_refused():
    elsewhere = TensorWindows.of(DATA.test, "meta")
    for ask in (evaluate, predict_windows):
        with pytest.raises(InputError, match="windows lie on meta: they must lie where the model does, on cpu"):
            ask(MODEL, elsewhere)
