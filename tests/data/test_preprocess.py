"""Conditions, z-scores, and what is kept of them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulbook.data import OPERATING_POINTS, SENSORS_14, SETTINGS, Preprocessor, demo_fleet


def small(settings, readings):
    """One engine with one setting and one sensor."""
    return pd.DataFrame({"unit": 1, "cycle": np.arange(1, len(readings) + 1), "mode": settings, "x": readings})


def test_hand_values_of_two_conditions():
    frame = small([0.0, 0.0, 0.0, 9.0, 9.0], [1.0, 2.0, 3.0, 100.0, 300.0])
    preprocessor = Preprocessor(n_conditions=2, sensors=["x"], settings=["mode"]).fit(frame)
    np.testing.assert_array_equal(preprocessor.centroids_, [[0.0], [9.0]])
    np.testing.assert_array_equal(preprocessor.means_, [[2.0], [200.0]])
    np.testing.assert_allclose(preprocessor.stds_, [[np.sqrt(2 / 3)], [100.0]])
    z = preprocessor.transform(frame)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5), -1, 1], rtol=1e-6)


def test_a_sensor_constant_in_one_condition_is_zero_there_and_only_there():
    frame = small([0.0, 0.0, 0.0, 9.0, 9.0], [0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2, 1.0, 3.0])
    preprocessor = Preprocessor(n_conditions=2, sensors=["x"], settings=["mode"]).fit(frame)
    np.testing.assert_array_equal(preprocessor.transform(frame)[:, 0], [0, 0, 0, -1, 1])
    later = small([0.0], [7.0])
    np.testing.assert_array_equal(preprocessor.transform(later), [[0]])


@pytest.mark.parametrize(
    ("modes", "found"),
    [([5.0] * 40, 1), ([0.0, 5.0] * 20, 2), ([0.0, 5.0, 6.0] * 14, 3), (list(np.linspace(0, 1, 40)), 1)],
    ids=["constant", "two", "three", "a continuum"],
)
def test_without_a_number_conditions_are_found_only_where_they_explain_the_settings(modes, found):
    frame = small(modes, np.arange(len(modes), dtype=float))
    assert Preprocessor(sensors=["x"], settings=["mode"]).fit(frame).n_conditions_ == found


def test_no_settings_make_one_condition():
    preprocessor = Preprocessor(sensors=["x"], settings=[]).fit(small([0.0, 1.0], [1.0, 3.0]))
    np.testing.assert_array_equal(preprocessor.transform(small([0.0, 1.0], [1.0, 3.0])), [[-1], [1]])
    assert Preprocessor.from_dict(json.loads(json.dumps(preprocessor.to_dict()))) == preprocessor


@pytest.mark.parametrize("random_state", range(5))
def test_conditions_are_numbered_by_their_settings_whatever_the_seed(fleet, random_state):
    preprocessor = Preprocessor(random_state=random_state).fit(fleet.train)
    np.testing.assert_allclose(preprocessor.centroids_, OPERATING_POINTS, atol=0.01)


def test_z_scores_of_training_rows_and_of_others(fleet):
    preprocessor = Preprocessor().fit(fleet.train)
    labels = preprocessor.conditions(fleet.train)
    z = preprocessor.transform(fleet.train)
    assert z.shape == (len(fleet.train), 14)
    for condition in range(6):
        np.testing.assert_allclose(z[labels == condition].mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(z[labels == condition].std(axis=0), 1, atol=1e-4)
    row = fleet.test.iloc[[5]]
    condition = preprocessor.conditions(row)[0]
    by_hand = (row[list(SENSORS_14)].to_numpy() - preprocessor.means_[condition]) / preprocessor.stds_[condition]
    np.testing.assert_allclose(preprocessor.transform(row), by_hand, rtol=1e-5, atol=1e-5)


def test_per_condition_scores_see_the_wear_that_global_ones_drown(fleet):
    rul = fleet.train.groupby("unit")["cycle"].transform("max") - fleet.train["cycle"]
    damage = np.exp(-rul / 40.0)
    s4 = SENSORS_14.index("s4")
    apart = np.corrcoef(Preprocessor(n_conditions=6).fit_transform(fleet.train)[:, s4], damage)[0, 1]
    together = np.corrcoef(Preprocessor(n_conditions=1).fit_transform(fleet.train)[:, s4], damage)[0, 1]
    assert apart > 0.6
    assert abs(together) < 0.15


@given(factor=st.floats(0.01, 1e4), offset=st.floats(-1e4, 1e4))
def test_the_unit_of_a_sensor_does_not_matter(factor, offset):
    frame = small([0.0, 0.0, 0.0, 9.0, 9.0, 9.0], [1.0, 2.0, 4.0, 10.0, 13.0, 11.0])
    other = frame.assign(x=factor * frame["x"] + offset)
    make = lambda: Preprocessor(n_conditions=2, sensors=["x"], settings=["mode"])  # noqa: E731
    np.testing.assert_allclose(make().fit_transform(other), make().fit_transform(frame), rtol=1e-3, atol=1e-3)


def test_round_trip_through_json_is_exact(fleet):
    fitted = Preprocessor(random_state=7).fit(fleet.train)
    again = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again == fitted
    assert (again.random_state, again.sensors) == (7, SENSORS_14)
    np.testing.assert_array_equal(again.transform(fleet.test), fitted.transform(fleet.test))
    assert again != Preprocessor(random_state=7).fit(fleet.test)


def test_settings_never_seen_are_told(fleet):
    preprocessor = Preprocessor().fit(fleet.train)
    strange = fleet.test.head(3).assign(setting_1=60.0)
    with pytest.warns(UserWarning, match=r"3 of 3 rows have settings unlike any in the training data, .*60\.0"):
        preprocessor.transform(strange)
    on_the_ground = Preprocessor().fit(demo_fleet(engines=3, test_engines=0, conditions=1).train)
    with pytest.warns(UserWarning, match="predictions for them are guesses"):
        on_the_ground.transform(fleet.test)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preprocessor.transform(fleet.test)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda frame: frame.drop(columns=["s3", "s11"]), "frame lacks the columns s3, s11: it has unit, cycle"),
        (lambda frame: frame.iloc[:0], "frame is empty"),
        (lambda frame: frame.assign(s4=np.nan), "frame holds nan in column s4, row 1"),
        (lambda frame: frame.assign(setting_2=np.inf), "frame holds inf in column setting_2, row 1"),
        (lambda frame: frame.assign(s4="warm"), "frame holds 'warm' in column s4"),
        (lambda frame: frame.assign(cycle=-frame["cycle"]), "frame holds cycle -1 in row 1"),
    ],
)
def test_bad_tables_are_refused_when_fitting_and_when_transforming(fleet, break_it, message):
    fitted, broken = Preprocessor().fit(fleet.train), break_it(fleet.train)
    for use in (Preprocessor().fit, fitted.transform):
        with pytest.raises(ValueError, match=message):
            use(broken)


def test_bad_arguments_and_states(fleet):
    with pytest.raises(ValueError, match="sensors is empty"):
        Preprocessor(sensors=[])
    with pytest.raises(ValueError, match="settings is empty but n_conditions is 3"):
        Preprocessor(settings=[], n_conditions=3)
    with pytest.raises(ValueError, match="n_conditions is 0"):
        Preprocessor(n_conditions=0)
    with pytest.raises(ValueError, match="n_conditions is 2 but the table holds 1 distinct settings only"):
        Preprocessor(n_conditions=2, sensors=["x"], settings=["mode"]).fit(small([1.0, 1.0], [1.0, 2.0]))
    with pytest.raises(RuntimeError, match="not fitted"):
        Preprocessor().transform(fleet.train)
    state = Preprocessor().fit(fleet.train).to_dict()
    with pytest.raises(ValueError, match="means_ is missing or unknown"):
        Preprocessor.from_dict({name: value for name, value in state.items() if name != "means_"})
    with pytest.raises(ValueError, match=r"state holds stds_ of shape \(5, 14\): it must be \(6, 14\)"):
        Preprocessor.from_dict({**state, "stds_": state["stds_"][:-1]})


def test_fitting_leaves_the_table_as_it_was(fleet):
    before = fleet.train.copy()
    Preprocessor().fit(fleet.train).transform(fleet.train)
    pd.testing.assert_frame_equal(fleet.train, before)
    assert set(SETTINGS) <= set(before.columns)


def test_rounding_error_is_no_scale():
    """A thousand times 0.1 has a standard deviation of 1e-17, which is none."""
    for constant in (0.1, 1e-3, 518.67, -1e9 / 7, 0.0):
        frame = small([0.0] * 1000, [constant] * 1000)
        preprocessor = Preprocessor(sensors=["x"], settings=["mode"]).fit(frame)
        np.testing.assert_array_equal(preprocessor.stds_, [[0.0]])
        np.testing.assert_array_equal(preprocessor.transform(frame), np.zeros((1000, 1)))


def test_no_feature_is_ever_infinite():
    usual = small([0.0] * 50, np.random.default_rng(0).normal(500.0, 1.0, 50))
    preprocessor = Preprocessor(sensors=["x"], settings=["mode"]).fit(usual)
    for reading in (1e300, -1e300, 1e45, 1.7e308):
        broken = usual.assign(x=usual["x"].where(usual.index != 7, reading))
        with pytest.raises(ValueError, match=r"in column x, row 8 \(engine 1, cycle 8\): so far .* no z-score"):
            preprocessor.transform(broken)
    with pytest.warns(UserWarning, match=r"1e\+12 in column x, row 8 .* and 0 more like it: a broken sensor"):
        features = preprocessor.transform(usual.assign(x=usual["x"].where(usual.index != 7, 1e12)))
    assert np.isfinite(features).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preprocessor.transform(usual.assign(x=usual["x"] + 5000))
    for column in ("x", "mode"):
        with pytest.raises(ValueError, match=rf"frame holds 1e\+300 in column {column}, row 50 .*too large for a mean"):
            Preprocessor(sensors=["x"], settings=["mode"]).fit(
                usual.assign(**{column: usual[column].where(usual.index != 49, 1e300)})
            )
    tiny = small([0.0] * 50, np.random.default_rng(0).normal(0.0, 1e-310, 50))
    assert np.isfinite(Preprocessor(sensors=["x"], settings=["mode"]).fit_transform(tiny)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means_": [[np.nan]]}, "means_ of shape"),
        ({"means_": [["a"]]}, "means_ = .*: it must be numbers"),
        ({"means_": []}, "of shape"),
        ({"stds_": [[-1.0]]}, "no spread is negative"),
        ({"scales_": [0.0]}, "no scale zero"),
        ({"reach_": [-1.0]}, "no spread is negative"),
        ({"reach_": 0.5}, "reach_ of shape"),
        ({"sensors": "x"}, "sensors = 'x': it must be a list of names"),
        ({"settings": None}, "settings = None: it must be a list of names"),
        ({"telling_": ["other"]}, "telling_ = .*: it must name settings"),
        ({"evidence_": {"other": "constant"}}, "evidence_ for other"),
        ({"evidence_": {"mode": 3}}, "evidence_ = .*: it must be a word"),
        ({"n_conditions": "2"}, "n_conditions = '2': it must be a whole"),
        ({"random_state": -1}, "random_state is -1"),
        ({"window": 30}, "window is missing or unknown"),
    ],
)
def test_a_state_that_is_none_is_refused(change, message):
    state = Preprocessor(sensors=["x"], settings=["mode"]).fit(small([0.0] * 9, np.arange(9.0))).to_dict()
    assert Preprocessor.from_dict(state).to_dict() == state
    with pytest.raises(ValueError, match=message):
        Preprocessor.from_dict({**state, **change})
