"""No column that gives the answer away becomes a sensor in silence, whatever its name; no sensor is taken for one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from owntables import cycles_left, machines

from rulbook.data import SENSORS, demo_fleet, fleet_from_frame, load_cmapss
from rulbook.data.sources import cmapss

LIVES = (40, 55, 60, 48, 70, 44, 51, 66)


def lives(table):
    return table.groupby("unit")["cycle"].transform("max")


# Every one under a name that says nothing.
ANSWERS = {
    "remaining life": cycles_left,
    "negative": lambda t: -cycles_left(t),
    "capped": lambda t: cycles_left(t).clip(upper=30),
    "capped and scaled": lambda t: 1 - cycles_left(t).clip(upper=30) / 30,
    "affine": lambda t: 7.5 - 0.25 * cycles_left(t),
    "logarithm": lambda t: np.log1p(cycles_left(t)),
    "with noise": lambda t: cycles_left(t) + np.random.default_rng(1).normal(size=len(t)) * 0.3,
    "a class of it": lambda t: np.digitize(cycles_left(t), [10, 25]),
    "a flag at the end": lambda t: (cycles_left(t) <= 5).astype(int),
    "life of the engine": lives,
    "square of the life": lambda t: lives(t) ** 2.0,
    "share of the life": lambda t: t["cycle"] / lives(t),
    "a power of that share": lambda t: (t["cycle"] / lives(t)) ** 3,
    "tenths of that share": lambda t: np.floor(10 * t["cycle"] / lives(t)),
    "a flag for its last fifth": lambda t: (t["cycle"] > 0.8 * lives(t)).astype(int),
    "the cycle again": lambda t: t["cycle"] + 0,
    "hours run": lambda t: 24.0 * t["cycle"] + 100 * t["unit"],
    "row number": lambda t: np.arange(len(t)),
    "row number with gaps": lambda t: 3 * np.arange(len(t)) + (np.arange(len(t)) % 2),
    "rows shuffled": lambda t: np.random.default_rng(2).permutation(len(t)) + 5,
    "seconds since 1970": lambda t: 1.6e9 + 86400 * t["cycle"] + np.random.default_rng(3).integers(0, 60, len(t)),
    "number of the engine": lambda t: t["unit"],
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_under_any_name_is_left_out_with_a_word_and_kept_with_one_if_listed(what):
    table = machines(LIVES)
    table["quantity"] = np.asarray(ANSWERS[what](table))
    with pytest.warns(UserWarning, match="quantity"):
        fleet = fleet_from_frame(table)
    assert fleet.sensors == ("s1", "s2")
    assert dict(fleet.columns.left_out).keys() == {"quantity"}
    with pytest.warns(UserWarning, match="sensor quantity .* right here and nowhere else"):
        listed = fleet_from_frame(table, sensors=["s1", "quantity"])
    assert listed.sensors == ("s1", "quantity")


def test_a_class_of_the_time_that_is_left_is_found_though_no_two_engines_are_seen_at_the_same_time():
    table = machines(LIVES)
    table["cycle"] = 10 * table["cycle"] + table["unit"]
    left = lives(table) + 3 * table["unit"].to_numpy() - table["cycle"]
    assert left.groupby(left).size().max() < 8
    table["quantity"] = np.digitize(cycles_left(table), [100, 250])
    with pytest.warns(UserWarning, match="quantity: is determined by the cycles that are left"):
        assert fleet_from_frame(table).sensors == ("s1", "s2")


def test_classes_into_which_lives_fall_without_exception_are_answers_once_that_is_no_chance():
    table = machines((30, 52, 41, 33, 60, 47, 38, 55, 44, 36, 58, 50, 52, 41, 39, 49, 57, 31))
    for bounds in ([45], [37, 51]):
        with pytest.warns(UserWarning, match="quantity: is determined by the life of each engine"):
            fleet = fleet_from_frame(table.assign(quantity=np.digitize(lives(table), bounds)))
        assert fleet.sensors == ("s1", "s2")
    one_exception = np.where(table["unit"] == 5, 0, np.digitize(lives(table), [45]))
    few = table["unit"] <= 6
    for fewer, constant in ((table, one_exception), (table[few], np.digitize(lives(table), [45])[few])):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert "quantity" in fleet_from_frame(fewer.assign(quantity=constant)).sensors


def test_of_two_engines_the_very_number_of_their_cycles_is_an_answer_and_another_constant_is_none():
    table = machines((40, 55))
    for answer in (lives(table), lives(table) - 1):
        with pytest.warns(UserWarning, match="quantity: is the life of each engine"):
            assert fleet_from_frame(table.assign(quantity=answer)).sensors == ("s1", "s2")
    with pytest.warns(UserWarning, match=r"sensors: +s1, s2, quantity"):
        fleet_from_frame(table.assign(quantity=table["unit"] * 2.5))


@pytest.mark.parametrize("engines", [2, 3, 8])
def test_wear_that_only_rises_and_an_alarm_that_it_sets_off_stay_sensors(engines):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        table = machines(tuple(rng.permutation(range(40, 80, 4))[:engines]))
        unit = table["unit"].to_numpy()
        wear = pd.Series(rng.exponential(0.5 + unit / engines)).groupby(unit).cumsum()
        alarm = wear > 0.9 * wear.groupby(unit).max().max()
        with pytest.warns(UserWarning, match="taken as follows"):
            fleet = fleet_from_frame(table.assign(wear=wear, alarm=alarm.astype(float)))
        assert fleet.sensors == ("s1", "s2", "wear", "alarm")


def test_readings_near_the_largest_number_are_looked_at_without_a_word_on_overflow():
    table = machines(LIVES)
    table.loc[7, "s1"], table.loc[9, "s1"] = 1.5e308, -1.5e308
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        assert fleet_from_frame(table).sensors == ("s1", "s2")


def test_an_answer_is_found_in_rows_of_any_order_and_with_gaps_in_it():
    table = machines(LIVES).assign(quantity=lambda t: cycles_left(t).clip(upper=30).astype(float))
    table.loc[::7, "quantity"] = np.nan
    with pytest.warns(UserWarning, match="quantity"):
        fleet = fleet_from_frame(table.sample(frac=1, random_state=0))
    assert fleet.sensors == ("s1", "s2")


@pytest.mark.parametrize(
    "name",
    """RUL rul_capped trueRUL TTF time_to_failure Remaining-Useful-Life max_cycle cycles_to_failure EOL lifespan label1
    target Unnamed:0 index life_fraction cycles_left piecewise_rul""".split(),  # noqa: SIM905
)
def test_a_name_that_tells_is_enough(name):
    table = machines().assign(**{name: np.random.default_rng(0).normal(size=317)})
    with pytest.warns(UserWarning, match="by its name"):
        assert fleet_from_frame(table).sensors == ("s1", "s2")


SENSORS_THAT_LOOK_LIKE_ONE = {
    "constant in each engine": lambda t: pd.Series(np.random.default_rng(4).normal(size=9))[t["unit"]].to_numpy(),
    "a class of engine": lambda t: t["unit"].to_numpy() % 3,
    "constant": lambda t: np.full(len(t), 0.1),
    "a rare flicker": lambda t: np.random.default_rng(5).random(len(t)) < 0.01,
    "an alarm at another time in each": lambda t: cycles_left(t) <= 4 + 3 * (t["unit"] * 5 % 7),
    "wear with little noise": lambda t: (
        np.exp(-cycles_left(t) / 20) + 0.02 * np.random.default_rng(6).normal(size=len(t))
    ),
    "a sum that only rises": lambda t: (
        pd.Series(np.random.default_rng(7).random(len(t))).groupby(t["unit"].to_numpy()).cumsum()
    ),
    "straight but noisy": lambda t: cycles_left(t) + 3 * np.random.default_rng(8).normal(size=len(t)),
}


@pytest.mark.parametrize("what", SENSORS_THAT_LOOK_LIKE_ONE)
def test_a_sensor_that_falls_or_stands_still_is_none(what):
    table = machines(LIVES)
    table["quantity"] = np.asarray(SENSORS_THAT_LOOK_LIKE_ONE[what](table)).astype(float)
    with pytest.warns(UserWarning, match="quantity"):
        fleet = fleet_from_frame(table)
    assert fleet.sensors == ("s1", "s2", "quantity")
    assert fleet.columns.left_out == ()


@pytest.mark.parametrize("name", ["target_speed", "rule_id", "oil_level", "y", "duty_cycle_ratio", "ruler"])
def test_a_name_that_only_sounds_alike_is_none(name):
    table = machines().assign(**{name: np.random.default_rng(0).normal(size=317)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert name in fleet_from_frame(table).sensors


def test_no_sensor_of_the_demo_fleet_is_taken_for_an_answer():
    for fleet in (demo_fleet(engines=4, seed=1), demo_fleet(engines=9, conditions=1, fault_modes=1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = fleet_from_frame(fleet.train)
        assert (again.sensors, again.columns.guessed, again.columns.left_out) == (SENSORS, (), ())


@pytest.mark.real_data
@pytest.mark.parametrize("subset", cmapss.NAMES)
def test_no_sensor_of_nasas_is_taken_for_an_answer(cmapss_folder, subset):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fleet_from_frame(load_cmapss(subset, cmapss_folder).train).sensors == SENSORS


def test_a_table_of_answers_alone_is_refused_with_the_reasons():
    table = machines()[["unit", "cycle"]].assign(RUL=lambda t: cycles_left(t), hours=lambda t: 2 * t["cycle"])
    with pytest.raises(
        ValueError, match=r"sensors is empty.* RUL gives the answer away, by its name\. hours only counts"
    ):
        fleet_from_frame(table)
