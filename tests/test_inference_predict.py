"""From a table of readings to RUL and health: the cap of the model, the order of the table, no broken sensor passed."""

from __future__ import annotations

import inspect
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from rulbook.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rulbook.data import demo_fleet, prepare
from rulbook.errors import InputError
from rulbook.inference import predict
from rulbook.model import DualTaskModel

FLEET = demo_fleet(engines=5, test_engines=4, seed=3)


def checkpoint(cap=125, window=10):
    data = prepare(FLEET, window=window, max_rul=cap, seed=0)
    torch.manual_seed(0)
    model = DualTaskModel(data.train.rows.shape[1], "compact", initial_rul=60.0, max_rul=cap)
    with torch.no_grad():
        model.rul_head[-1].weight *= 2000.0  # so that engines differ
    return Checkpoint(model.eval(), data.preprocessor, data.horizon, {})


@pytest.fixture(scope="module")
def trained():
    return checkpoint()


def test_an_answer_is_the_networks_for_the_last_window_of_each_engine(trained):
    said = predict(trained, FLEET.test)
    assert said["engine"].tolist() == FLEET.test["unit"].unique().tolist()
    assert said["cycle"].tolist() == FLEET.test.groupby("unit")["cycle"].max().tolist()
    rows = FLEET.test.groupby("unit").tail(10)
    x = torch.from_numpy(trained.preprocessor.transform(rows).reshape(4, 10, -1))
    rul, logits = (answer.detach() for answer in trained.model(x))
    assert rul.std() > 0.1
    np.testing.assert_allclose(said["rul"], rul.clamp(0, 125), rtol=1e-5)
    names = np.array(["normal", "degrading", "critical"])
    assert said["health"].tolist() == names[logits.argmax(dim=1)].tolist()
    np.testing.assert_allclose(said["probability"], logits.softmax(dim=1).amax(dim=1), rtol=1e-5)


def test_every_cycle_ends_with_what_the_last_cycle_says(trained):
    every = predict(trained, FLEET.test, every_cycle=True)
    assert len(every) == sum(length - 9 for length in FLEET.test.groupby("unit").size())
    last = every.groupby("engine").tail(1).reset_index(drop=True)
    whole = predict(trained, FLEET.test)
    np.testing.assert_allclose(last["rul"], whole["rul"], rtol=1e-5)
    assert last["cycle"].tolist() == whole["cycle"].tolist()


@pytest.mark.parametrize("cap", [100, 200])
def test_the_cap_and_the_mode_survive_the_file(cap, tmp_path):
    made = checkpoint(cap)
    model = made.model.train()
    with torch.no_grad():
        model.rul_head[-1].bias.fill_(1000.0)
    save_checkpoint(tmp_path / "x", model.state_dict(), model, made.preprocessor, made.horizon, {})
    loaded = load_checkpoint(tmp_path / "x")
    assert not any(module.training for module in loaded.model.modules())
    assert (loaded.model.max_rul, loaded.horizon.max_rul) == (cap, cap)
    assert (predict(loaded, FLEET.test)["rul"] == cap).all()
    with torch.no_grad():
        loaded.model.rul_head[-1].bias.fill_(-1000.0)
    assert (predict(loaded, FLEET.test)["rul"] == 0).all()


def test_engines_come_out_in_the_order_of_the_table_whatever_they_are_called(trained):
    plain = predict(trained, FLEET.test)
    names = {1: "engine_10", 2: "engine_9", 3: "b", 4: "A"}
    renamed = FLEET.test.assign(unit=FLEET.test["unit"].map(names))
    said = predict(trained, renamed)
    assert said["engine"].tolist() == list(names.values())
    assert said["rul"].tolist() == plain["rul"].tolist()
    # Rows out of order are put in order; the engine that is met first stays first.
    mixed = renamed.sample(frac=1, random_state=2)
    again = predict(trained, mixed).set_index("engine")
    assert again.index.tolist() == mixed["unit"].unique().tolist()
    np.testing.assert_allclose(again.loc[list(names.values()), "rul"], plain["rul"], rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_reading_that_is_no_number_is_named(trained, value):
    for column in (*trained.preprocessor.settings, *trained.preprocessor.sensors):
        broken = FLEET.test.astype({column: float})
        row = broken.index[broken["unit"] == 3][-2]
        broken.loc[row, column] = value
        cycle = broken.loc[row, "cycle"]
        with pytest.raises(ValueError, match=f"engine 3 has {value} in column {column} at cycle {cycle}"):
            predict(trained, broken)


@pytest.mark.parametrize("value", [1e12, -1e12, 1e30, 1e39, -1e300, 1.7e308])
def test_a_broken_sensor_is_never_reported_as_a_healthy_engine(trained, value):
    for sensor in trained.preprocessor.sensors:
        broken = FLEET.test.astype({sensor: float})
        row = broken.index[broken["unit"] == 3][-2]
        broken.loc[row, sensor] = value
        with pytest.raises(ValueError, match=f"engine 3 has a value of .* for the z-score of {sensor} in the window"):
            predict(trained, broken)
        # In no window that is asked for, it is nobody's business.
        early = FLEET.test.astype({sensor: float})
        early.loc[early.index[early["unit"] == 3][0], sensor] = value
        predict(trained, early)


def test_an_unusual_sensor_is_said_to_be(trained):
    sensor = trained.preprocessor.sensors[0]
    odd = FLEET.test.astype({sensor: float})
    odd.loc[odd.index[odd["unit"] == 2][-1], sensor] += 200 * trained.preprocessor.stds_[:, 0].max()
    with pytest.warns(UserWarning, match="engine 2 has .* unlike any in the training data"):
        said = predict(trained, odd)
    assert np.isfinite(said["rul"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict(trained, FLEET.test)


@pytest.mark.filterwarnings("ignore:frame holds:UserWarning")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("away", "words"), [(90, None), (110, "unlike any in the training data"), (9e5, "unlike any"), (1.1e6, "is broken")]
)
def test_a_hundred_standard_deviations_are_unusual_and_a_million_broken(trained, away, words, sign):
    sensor, z_score = trained.preprocessor.sensors[0], sign * away
    odd = FLEET.test.astype({sensor: float})
    row = odd.index[odd["unit"] == 2][-1]
    condition = trained.preprocessor.conditions(odd)[row]
    usual, spread = (table[condition, 0] for table in (trained.preprocessor.means_, trained.preprocessor.stds_))
    odd.loc[row, sensor] = usual + z_score * spread
    if words is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predict(trained, odd)
    elif words == "is broken":
        with pytest.raises(InputError, match=f"engine 2 has a value of .* for the z-score of {sensor} .*the sensor is"):
            predict(trained, odd)
    else:
        with pytest.warns(UserWarning, match=f"engine 2 has a value of .* for the z-score of {sensor} .*{words}"):
            predict(trained, odd)


@pytest.mark.parametrize(("shift", "told"), [(-15, True), (-8, False), (8, False), (15, True)])
def test_a_sensor_is_in_another_unit_if_most_of_it_lies_beyond_ten_standard_deviations(trained, shift, told):
    sensor = trained.preprocessor.sensors[1]
    spread = trained.preprocessor.stds_[trained.preprocessor.conditions(FLEET.test), 1]
    shifted = FLEET.test.assign(**{sensor: FLEET.test[sensor] + shift * spread})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predict(trained, shifted)
    assert [f"z-score of {sensor} (" in str(one.message) for one in caught] == [True] * told


def test_a_broken_model_is_named(trained):
    broken = checkpoint()
    with torch.no_grad():
        broken.model.lstm.weight_hh_l1[3, 2] = torch.nan
    with pytest.raises(ValueError, match=r"the model holds nan in lstm\.weight_hh_l1"):
        predict(broken, FLEET.test)


def test_a_table_that_lacks_something_is_named(trained):
    with pytest.raises(ValueError, match="lacks the column unit"):
        predict(trained, FLEET.test.rename(columns={"unit": "unit_nr"}))
    with pytest.raises(ValueError, match="lacks the column cycle"):
        predict(trained, FLEET.test.drop(columns="cycle"))
    with pytest.raises(ValueError, match="empty"):
        predict(trained, FLEET.test.iloc[:0])
    mixed = FLEET.test.astype({"cycle": object})
    mixed.iloc[3, mixed.columns.get_loc("cycle")] = "four"
    with pytest.raises(ValueError, match="holds 'four' in column cycle"):
        predict(trained, mixed)
    with pytest.raises(ValueError, match="without a unit"):
        predict(trained, FLEET.test.assign(unit=FLEET.test["unit"].where(FLEET.test["unit"] != 2)))
    with pytest.raises(ValueError, match="has cycle 5 of engine 1 twice"):
        predict(trained, FLEET.test.assign(cycle=5))


def test_what_a_network_is_told_survives_json_and_nothing_else_does():
    model = DualTaskModel(3, "compact", max_rul=90, thresholds=(50, 10))
    state = json.loads(json.dumps(model.config_dict()))
    again = DualTaskModel.from_config_dict(state)
    assert (again.max_rul, again.thresholds, again.config) == (90.0, (50.0, 10.0), model.config)
    older = {name: value for name, value in state.items() if name not in ("max_rul", "thresholds")}
    assert DualTaskModel.from_config_dict(older).max_rul is None
    for damage in (
        {**state, "later": 1},
        {name: value for name, value in state.items() if name != "dropout"},
        {**state, "lstm_hidden": 10**6},
        {**state, "lstm_hidden": -1},
        {**state, "attention_heads": 5},
        {**state, "channels": [3, 4]},
        {**state, "channels": 3},
        {**state, "dropout": 1.5},
        {**state, "n_features": 0},
        {**state, "max_rul": -5},
        {**state, "max_rul": float("nan")},
        {**state, "thresholds": [10, 50]},
        {**state, "thresholds": [10]},
    ):
        with pytest.raises(ValueError, match="must"):
            DualTaskModel.from_config_dict(damage)


def test_tables_put_together_from_several_files_are_read_row_by_row_whatever_pandas_numbers_them(trained):
    whole = predict(trained, FLEET.test)
    parts = [part.reset_index(drop=True) for _, part in FLEET.test.groupby("unit", sort=False)]
    pd.testing.assert_frame_equal(predict(trained, pd.concat(parts)), whole)
    pd.testing.assert_frame_equal(predict(trained, FLEET.test.set_index(np.zeros(len(FLEET.test)))), whole)
    with pytest.raises(ValueError, match="has cycle 1 of engine 1 twice"):
        predict(trained, pd.concat([FLEET.test, FLEET.test.iloc[:1]]))


def test_an_engine_named_as_a_number_and_as_text_is_refused_and_a_whole_float_is_its_number(trained):
    units = FLEET.test["unit"]
    as_floats = predict(trained, FLEET.test.assign(unit=units.astype(float)))
    assert as_floats["engine"].tolist() == units.unique().tolist()
    mixed = units.astype(object).where(FLEET.test["cycle"] % 2 == 0, units.astype(str))
    with pytest.raises(ValueError, match="one kind for all"):
        predict(trained, FLEET.test.assign(unit=mixed))


def test_a_sensor_in_another_unit_is_told_and_a_spike_or_usual_readings_are_not(trained):
    sensor = trained.preprocessor.sensors[0]
    spread = float(trained.preprocessor.stds_[:, 0].max())
    shifted = FLEET.test.assign(**{sensor: FLEET.test[sensor] + 30 * spread})
    with pytest.warns(UserWarning, match=rf"z-score of {sensor} \(\d+\) in half of all rows"):
        predict(trained, shifted)
    spike = FLEET.test.astype({sensor: float})
    spike.loc[spike.index[-1], sensor] += 30 * spread
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict(trained, FLEET.test)
        predict(trained, spike)


@pytest.mark.parametrize("given", [FLEET.test.to_numpy(), FLEET.test["s2"], None, "engines.csv"])
def test_what_is_no_table_is_refused_by_its_kind(trained, given):
    with pytest.raises(InputError, match=f"frame is a {type(given).__name__}: it must be a pandas DataFrame"):
        inspect.unwrap(predict)(trained, given)
    with pytest.raises(InputError, match=f"fleet is a {type(given).__name__}: it must be a Fleet"):
        inspect.unwrap(prepare)(given)
