"""A fleet from a table of one's own: what is taken as what, in which order, and whose RUL is whose."""

from __future__ import annotations

import json
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from owntables import cycles_left, machines

from rulbook.data import Columns, Horizon, demo_fleet, engine_runs, fleet_from_frame, prepare, rul_labels

quiet = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("unit", ["unit_nr", "Unit Number", "engine_id", "ID", "UNIT", "Engine", "machine-id"])
@pytest.mark.parametrize("cycle", ["time_cycles", "Cycles", "TIME", "time, in cycles"])
def test_usual_names_of_unit_and_cycle_are_recognised_and_said(unit, cycle):
    with pytest.warns(UserWarning, match="taken as follows") as caught:
        fleet = fleet_from_frame(machines().rename(columns={"unit": unit, "cycle": cycle}))
    assert len(caught) == 1
    assert f"unit:      {unit} (told by name)" in str(caught[0].message)
    assert (fleet.columns.unit, fleet.columns.cycle) == (unit, cycle)
    assert {"unit", "cycle"} <= set(fleet.columns.guessed)
    assert fleet.train.columns.tolist() == ["unit", "cycle", "setting_1", "s1", "s2"]


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["Setting_1", "Setting_2", "Setting_3"], [0, 1, 2]),
        (["op_setting_3", "op_setting_1", "op_setting_2"], [1, 2, 0]),
        (["operational_setting_1", "operational setting 2", "OperationalSetting3"], [0, 1, 2]),
        (["OpSet1", "OpSet2", "OpSet3"], [0, 1, 2]),
        (["os1", "os2", "os3"], [0, 1, 2]),
        (["SETTING_1", "SETTING_2", "TRA"], [0, 1, 2]),
        (["TRA", "Altitude", "Mach"], [1, 2, 0]),
        (["setting_speed", "setting_load", "Setting Mode"], [0, 1, 2]),
    ],
)
def test_usual_names_of_settings_are_recognised(names, order):
    table = machines().drop(columns="setting_1").assign(**dict.fromkeys(names, 1.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fleet = fleet_from_frame(table)
    assert fleet.settings == tuple(names[place] for place in order)
    assert fleet.sensors == ("s1", "s2")
    assert len(caught) == 1
    assert "settings" in str(caught[0].message)


def test_a_table_in_plain_names_needs_no_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fleet = fleet_from_frame(machines())
    assert fleet.columns == Columns(settings=("setting_1",), sensors=("s1", "s2"))


def test_no_settings_are_said_to_be_none():
    with pytest.warns(UserWarning, match="no column is named as a setting, so that there is one operating condition"):
        assert fleet_from_frame(machines().drop(columns="setting_1")).settings == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fleet_from_frame(machines(), settings=[])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"unit": "engine"}).assign(id=3), "engine and id, which may both be the unit: say"),
        (
            lambda t: t.rename(columns={"cycle": "time"}).assign(cycles=3),
            "time and cycles, which may both be",
        ),
        (lambda t: t.assign(op_setting_1=1.0), "setting_1 and op_setting_1, which may both be setting 1"),
        (lambda t: pd.concat([t, t[["s1"]]], axis=1), "has the column s1 twice"),
        (lambda t: t.assign(**{"2": 0.0}).rename(columns={"s1": 2}), "has the column 2 twice"),
        (lambda t: t.drop(columns="unit").assign(id=range(317)), "another id in every row: give unit="),
        (lambda t: pd.concat({"a": t}, axis=1), "a column headed"),
    ],
)
def test_what_may_be_two_things_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        fleet_from_frame(change(machines()))


def test_columns_without_names_are_called_by_their_numbers():
    table = machines().set_axis(range(5), axis=1)
    fleet = fleet_from_frame(table, unit=0, cycle=1, settings=[2], sensors=[3, 4])
    assert (fleet.settings, fleet.sensors) == (("2",), ("3", "4"))
    columns = Columns.from_dict(json.loads(json.dumps(prepare(fleet, window=10, thresholds=(20, 5)).columns.to_dict())))
    assert columns == fleet.columns == Columns(0, 1, (2,), (3, 4))
    assert columns.rename(table).columns.tolist() == ["unit", "cycle", "2", "3", "4"]
    with pytest.raises(ValueError, match=r"lacks the columns unit, cycle: it has 0, 1, 2, 3, 4\. Say which"):
        fleet_from_frame(table)


def test_another_column_called_cycle_or_unit_is_a_sensor_like_any():
    table = machines().rename(columns={"unit": "engine", "cycle": "time", "s1": "cycle", "s2": "unit"})
    fleet = fleet_from_frame(table, unit="engine", cycle="time", sensors=["cycle", "unit"])
    assert fleet.sensors == ("cycle_", "unit_")
    assert fleet.columns.sensors == ("cycle", "unit")
    data = prepare(fleet, window=10, thresholds=(20, 5))
    again = data.preprocessor.transform(data.columns.rename(table))
    np.testing.assert_array_equal(again, data.preprocessor.transform(fleet.columns.rename(table)))


ODD_COLUMNS = {
    "thousands": lambda t: t["s1"].map(lambda value: f"{1000 * value:,.0f}"),
    "one dash": lambda t: t["s1"].astype(object).where(t.index != 7, "-"),
    "blanks between digits": lambda t: t["s1"].map(lambda value: f"1 {value:.0f}"),
    "numbers as text": lambda t: t["s1"].map(str),
    "numbers as objects": lambda t: t["s1"].astype(object),
    "categories of numbers": lambda t: pd.Categorical(t["s1"].round()),
    "no number at all": lambda t: ["on"] * len(t),
    "percent": lambda t: t["s1"].map("{:.0f} %".format),
}


@pytest.mark.parametrize("what", ODD_COLUMNS)
def test_text_in_a_sensor_is_refused_by_name_or_left_out_by_list(what):
    table = machines().assign(s1=ODD_COLUMNS[what])
    for arguments in ({}, {"sensors": ["s1", "s2"]}):
        with pytest.raises(ValueError, match="in column s1"):
            fleet_from_frame(table, **arguments)
    assert fleet_from_frame(table, sensors=["s2"]).sensors == ("s2",)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("north", "holds text"),
        (pd.Timestamp("2024-03-01"), "holds no numbers but datetime64"),
        (pd.Timedelta(3, "h"), "holds no numbers but timedelta64"),
        (True, "holds True and False"),
        (1 + 2j, "holds no numbers but complex128"),
        (np.nan, "is empty"),
        (None, "is empty"),
    ],
)
def test_a_column_that_is_no_sensor_is_left_out_with_the_reason(value, why):
    table = machines().assign(odd=value)
    with pytest.warns(UserWarning, match=f"odd: {why}"):
        fleet = fleet_from_frame(table)
    assert fleet.columns.left_out[0][0] == "odd"
    assert fleet.sensors == ("s1", "s2")
    with pytest.raises(ValueError, match="in column odd"):
        fleet_from_frame(table, sensors=["s1", "odd"])


# Order.


def named(table, names):
    return table.assign(unit=table["unit"].map(dict(enumerate(names, start=1))))


@quiet
@pytest.mark.parametrize(
    "names", [["1", "10", "2", "11", "3", "20"], [9, 3, 12, 1, 7, 2], ["b", "x", "m", "k", "l", "g"]]
)
def test_engines_stay_in_the_order_of_the_file_and_each_gets_its_own_rul(names):
    train = named(machines(), [f"T{i}" for i in range(6)] if isinstance(names[0], str) else range(100, 106))
    test = named(machines((20, 21, 22, 23, 24, 25), seed=3), names)
    ruls = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    fleet = fleet_from_frame(train, test=test, test_rul=ruls)
    assert engine_runs(fleet.test).units.tolist() == names
    data = prepare(fleet, window=10, thresholds=(20, 5))
    assert data.test.unit.tolist() == names
    assert data.test.true_rul.tolist() == ruls
    assert data.test.cycle.tolist() == [20, 21, 22, 23, 24, 25]
    by_engine = dict(zip(names, ruls, strict=True))
    turned = dict(reversed(by_engine.items()))
    for given in (
        turned,
        pd.Series(turned),
        pd.DataFrame({"RUL": pd.Series(turned)}),
        pd.DataFrame({"engine_id": list(turned), "RUL": list(turned.values())}),
    ):
        assert fleet_from_frame(train, test=test, test_rul=given).test_rul.tolist() == ruls
    mixed = test.sample(frac=1, random_state=1)
    assert fleet_from_frame(train, test=mixed, test_rul=turned).test_rul.tolist() == [
        by_engine[name] for name in mixed["unit"].unique()
    ]
    with pytest.raises(ValueError, match="test_rul is a list, but test has the rows of its engines mixed"):
        fleet_from_frame(train, test=mixed, test_rul=ruls)


@quiet
def test_rul_in_every_shape_of_one_column_is_taken():
    train, test = machines(), machines((30, 31, 32), seed=1)
    for given in (
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([[1], [2], [3]]),
        pd.Series([1, 2, 3]),
        pd.Series([1, 2, 3], index=[7, 8, 9]),
        pd.DataFrame({0: [1.0, 2.0, 3.0]}),
        pd.array([1, 2, 3], dtype="Int64"),
        range(1, 4),
    ):
        assert fleet_from_frame(train, test=test, test_rul=given).test_rul.tolist() == [1, 2, 3]
    by_time = test.sort_values("cycle", kind="stable")
    assert fleet_from_frame(train, test=by_time, test_rul=[1, 2, 3]).test_rul.tolist() == [1, 2, 3]


@quiet
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "test_rul has 2 values but the list of test engines has 3"),
        ([1, -2, 3], "test_rul holds -2 for engine 2: fewer than 0"),
        ([1, np.nan, 3], "test_rul holds nan for engine 2"),
        ([1, np.inf, 3], "test_rul holds inf for engine 2"),
        ([1, "2", 3], "test_rul holds '2' for engine 2"),
        (["1", "2", "3"], "test_rul holds '1' for engine 1"),
        ([True, 2, 3], "test_rul holds True for engine 1"),
        ([1, None, 3], "test_rul holds None for engine 2"),
        (5, "test_rul is 5"),
        ("1 2 3", "test_rul is '1 2 3'"),
        ([[1, 2], [3]], "test_rul is"),
        (np.ones((3, 2)), r"test_rul has shape \(3, 2\)"),
        (pd.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]}), "test_rul has the columns a, b"),
        ({1: 1, 2: 2}, "test_rul lacks engine 3, which test has"),
        ({1: 1, 2: 2, 3: 3, 4: 4, 5: 5}, "test_rul names engine 4 and 1 more, which test has not"),
        ({"1": 1, "2": 2, "3": 3}, "test_rul lacks engine 1 and 2 more"),
        (pd.Series([1, 2, 3], index=[1, 2, 9]), "test_rul lacks engine 3"),
        (pd.Series([1, 2, 3], index=[1, 2, 2]), "test_rul names engine 2 twice"),
        (pd.Series([1, 2, None], dtype="Int64"), "test_rul holds nan for engine 3"),
    ],
)
def test_rul_that_does_not_fit_is_refused_at_the_door(given, message):
    with pytest.raises(ValueError, match=message):
        fleet_from_frame(machines(), test=machines((30, 31, 32), seed=1), test_rul=given)


@quiet
def test_a_series_numbered_from_0_beside_engines_numbered_so_in_another_order_is_refused():
    test = named(machines((30, 31, 32), seed=1), [2, 0, 1])
    with pytest.raises(ValueError, match="numbered from 0, and so are the engines, in another order"):
        fleet_from_frame(machines(), test=test, test_rul=pd.Series([5, 6, 7]))
    assert fleet_from_frame(machines(), test=test, test_rul=[5, 6, 7]).test_rul.tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([1, "a", 3, 4, 5, 6], "names engines by .* and .*one kind for all"),
        (["1", "-", "3", "4", "5", "6"], "names engines by '-' and '1'"),
        ([1.5, 2, 3, 4, 5, 6], "has engine 1.5: whole numbers"),
        ([1e22, 2, 3, 4, 5, 6], r"has engine 1e\+22"),
        ([True, False, True, True, True, True], "names engines by (True|False)"),
        ([pd.Timestamp(2024, 1, day) for day in range(1, 7)], "names engines by Timestamp"),
        ([None, "b", "c", "d", "e", "f"], "has a row without a unit, row 1"),
    ],
)
def test_engines_of_no_kind_or_of_two_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        fleet_from_frame(named(machines(), names))


@quiet
def test_engines_named_by_floats_categories_or_padded_text_are_the_same_engines():
    for names in ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], pd.Categorical(["a", "b", "c", "d", "e", "f"])):
        fleet = fleet_from_frame(named(machines(), names), test_fraction=0)
        assert engine_runs(fleet.train).units.tolist() == list(names)
    padded = fleet_from_frame(named(machines(), ["a ", "b", " c", "d", "e", "f"]), test_fraction=0)
    assert engine_runs(padded.train).units.tolist() == list("abcdef")


# The horizon, and test engines that suit it.


@quiet
def test_a_fleet_takes_its_horizon_whole_or_in_parts():
    own = Horizon(10, 40.0, (20.0, 8.0), "charge")
    assert fleet_from_frame(machines(), horizon=own).horizon == own
    given = fleet_from_frame(machines(), window=10, max_rul=40, thresholds=(20, 8), time_unit="charge")
    assert given.horizon == own
    assert fleet_from_frame(machines(), horizon=own, max_rul=50).horizon == Horizon(10, 50.0, (20.0, 8.0), "charge")
    with pytest.raises(ValueError, match="window is 0"):
        fleet_from_frame(machines(), window=0)


@quiet
def test_test_engines_are_cut_as_far_from_their_end_as_the_cap_is():
    batteries = machines(tuple(range(900, 1500, 30)), wear=50.0)
    fleet = fleet_from_frame(batteries, max_rul=1000, window=50, thresholds=(300, 100), test_fraction=0.9)
    assert fleet.test_rul.max() > 300
    assert engine_runs(fleet.test).length.min() >= 50
    short = fleet_from_frame(machines(), max_rul=10, window=5, thresholds=(5, 2), test_fraction=0.8)
    assert short.test_rul.max() <= 12
    data = prepare(fleet, validation_cuts=20)
    assert 145 < data.validation.true_rul.max() <= 1160
    held_out = [set(fleet_from_frame(machines(), seed=seed).test["unit"]) for seed in range(6)]
    assert len(set(map(frozenset, held_out))) > 1


def test_cuts_of_nasas_size_follow_from_nasas_horizon(fleet):
    window_50 = prepare(fleet, window=50, validation_cuts=30, validation_fraction=0.5)
    assert 100 < window_50.validation.true_rul.max() <= 145
    assert window_50.validation.cycle.min() >= 50
    one = prepare(fleet, validation_cuts=5, last_rul=1).validation
    np.testing.assert_array_equal(one.true_rul, prepare(fleet, validation_cuts=5).validation.true_rul + 1)


# Few and short engines.


@quiet
def test_no_test_engines_are_no_windows_to_test_on():
    for fleet in (demo_fleet(engines=4, test_engines=0), fleet_from_frame(machines(), test_fraction=0.0)):
        data = prepare(fleet, window=10)
        assert (len(data.test), len(data.test_all), data.test.rul.shape, data.test.x.shape[1]) == (0, 0, (0,), 10)
        assert data.describe()["windows"]["test"] == 0
    nobody = prepare(demo_fleet(engines=1, test_engines=0), validation_fraction=0, validation_cuts=None)
    assert (len(nobody.validation), len(nobody.train) > 0) == (0, True)
    assert len(prepare(demo_fleet(engines=2, test_engines=0), validation_fraction=0, validation_cuts=3).validation) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fleet_from_frame(machines((40,))), "frame holds 1 engine, and test_fraction is 0.2: at least 2"),
        (lambda: fleet_from_frame(machines(), test_fraction=1), "test_fraction is 1"),
        (lambda: fleet_from_frame(machines(), test_fraction=np.nan), "test_fraction is nan"),
        (lambda: prepare(demo_fleet(engines=1)), "fleet has 1 training engine, and validation_fraction is 0.2"),
        (lambda: prepare(demo_fleet(engines=3), validation_fraction=-0.1), "validation_fraction is -0.1"),
        (lambda: prepare(demo_fleet(engines=3), last_rul=-1), "last_rul is -1"),
        (lambda: fleet_from_frame(machines().iloc[:0]), "frame is empty"),
        (lambda: fleet_from_frame(machines(), test=machines().iloc[:0], test_rul=[]), "test is empty"),
    ],
)
def test_what_is_missing_is_said_in_words_of_the_caller(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_short_engines_and_classes_that_never_occur_are_told_before_training():
    fleet = fleet_from_frame(machines((15, 20, 25, 60, 90, 120, 100, 95)), test_fraction=0)
    with pytest.warns(UserWarning, match=r"\d of \d training engines are shorter than the window of 30 cycles \(1, "):
        prepare(fleet)
    with pytest.warns(UserWarning, match="No engine is longer: nothing but the failure can be learned"):
        windows = prepare(fleet_from_frame(machines((15, 20, 25, 22)), test_fraction=0)).train
    assert set(windows.rul) == {0.0}
    short_lives = fleet_from_frame(machines((25, 30, 40, 35)), test_fraction=0, window=5, time_unit="charge")
    with pytest.warns(UserWarning, match="is normal or degrading by the thresholds of 80 and 30 charges"):
        prepare(short_lives)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        suiting = prepare(short_lives, thresholds=(15, 5))
    assert set(suiting.train.health) == {0, 1, 2}


def test_a_fleet_put_together_wrongly_is_refused_by_its_own_names():
    fleet = demo_fleet(engines=4, test_engines=3)
    wrong = type(fleet)("mine", fleet.train, fleet.test, fleet.test_rul[:2])
    with pytest.raises(ValueError, match="test_rul has 2 values but its test has 3 engines"):
        prepare(wrong)


@quiet
def test_labels_are_those_of_the_plain_rule_whatever_the_order():
    table = named(machines((25, 18, 31), seed=2), [30, 10, 20])
    fleet = fleet_from_frame(table, test_fraction=0, window=6, thresholds=(12, 4))
    data = prepare(fleet, validation_fraction=0)
    expected = [(unit, end, life - end) for unit, life in ((30, 25), (10, 18), (20, 31)) for end in range(6, life + 1)]
    got = zip(data.train.unit.tolist(), data.train.cycle.tolist(), data.train.rul.tolist(), strict=True)
    assert list(got) == expected
    assert rul_labels(fleet.train).tolist() == [life - end for life in (25, 18, 31) for end in range(1, life + 1)]


def test_gaps_in_the_cycles_are_told():
    fleet = demo_fleet(engines=5, test_engines=2)
    seventh = fleet.train[fleet.train["cycle"] % 7 == 1].reset_index(drop=True)
    with pytest.warns(UserWarning, match=r"4 of 4 training engines lack cycles between first and last \(.*counts rows"):
        prepare(type(fleet)("mine", seventh, fleet.test, fleet.test_rul), window=5)


def test_a_setting_that_gives_the_answer_away_is_named():
    table = machines((40, 55, 60, 48, 70, 44, 51)).assign(stage=lambda t: np.digitize(cycles_left(t), [10, 25]))
    with pytest.warns(UserWarning, match="setting stage is determined by the cycles that are left"):
        fleet_from_frame(table, settings=["setting_1", "stage"], sensors=["s1", "s2"])


@quiet
def test_a_frame_of_rul_may_name_the_engines_as_the_users_table_does():
    train, test = (table.rename(columns={"unit": "pump"}) for table in (machines(), machines((30, 31, 32), seed=1)))
    rul = pd.DataFrame({"pump": [3, 1, 2], "left": [7, 5, 6]})
    assert fleet_from_frame(train, unit="pump", test=test, test_rul=rul).test_rul.tolist() == [5, 6, 7]


def _dates(cycle):
    """Days as numbers that read as dates."""
    return (pd.Timestamp("2024-01-30") + pd.to_timedelta(cycle, "D")).dt.strftime("%Y%m%d").astype(int)


@quiet
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(cycle=t["cycle"] - 1), r"holds cycle 0 .* Add 1 if they count from 0"),
        (lambda t: t.assign(cycle=t["cycle"] / 2), r"holds cycle 0\.5 .* To count rows instead: .*cumcount\(\) \+ 1"),
        (lambda t: t.assign(cycle=pd.Timestamp("2024-03-01") + pd.to_timedelta(t["cycle"], "D")), r"cumcount\(\) \+ 1"),
        (lambda t: t.assign(cycle=_dates(t["cycle"])), r"dates in column cycle, such as 20240131.* Count days from 1"),
        (lambda t: t.set_index(["unit", "cycle"]), r"lacks the columns unit, cycle.* reset_index\(\) first"),
        (lambda t: t.assign(s1=t["s1"].map(lambda v: Decimal(f"{v:.2f}"))), r"holds Decimal\(.*pandas\.to_numeric"),
    ],
)
def test_a_table_that_nearly_fits_is_refused_with_the_remedy(change, message):
    with pytest.raises(ValueError, match=message):
        fleet_from_frame(change(machines()))


@quiet
def test_numbers_that_look_like_dates_only_in_part_are_counts():
    for first in (20240102, 20240131 - 5, 19999):
        table = machines().assign(cycle=lambda t, first=first: t["cycle"] + first)
        assert fleet_from_frame(table).train["cycle"].min() == first + 1


@quiet
def test_what_is_wrong_in_a_column_is_told_by_the_name_that_its_user_gave_it():
    table = machines().rename(columns={"unit": "pump", "cycle": "day"}).astype({"day": float})
    table.loc[3, "day"] = np.nan
    with pytest.raises(ValueError, match="holds nan in column day, row 4"):
        fleet_from_frame(table, unit="pump", cycle="day")


def test_test_engines_that_are_trained_on_are_told_and_others_of_the_same_number_are_not():
    train, others = machines(), machines((30, 31, 32), seed=1)
    seen = train[(train["unit"].isin([2, 5])) & (train["cycle"] <= 30)].sample(frac=1, random_state=0)
    seen = seen.sort_values("unit", kind="stable").assign(unit=lambda t: t["unit"] + 100)
    with pytest.warns(UserWarning, match=r"all rows of 2 of 5 test engines are in frame too \(102, 105\)"):
        fleet_from_frame(train, test=pd.concat([others, seen]), test_rul=[1, 2, 3, 4, 5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fleet_from_frame(train, test=others, test_rul=[1, 2, 3])


@pytest.mark.parametrize(("count", "names"), [(5, r"\(1, 2, 3, 4, 5\)"), (6, r"\(1, 2, 3, 4, 5, …\)")])
def test_of_test_engines_that_are_trained_on_five_are_named(count, names):
    train = machines()
    test = train[(train["unit"] <= count) & (train["cycle"] <= 30)]
    with pytest.warns(UserWarning, match=f"all rows of {count} of {count} test engines are in frame too {names}"):
        fleet_from_frame(train, test=test, test_rul=[5] * count)


@pytest.mark.parametrize(("levels", "told"), [(4, False), (5, True)])
def test_an_engine_of_fewer_than_five_different_readings_may_be_alike_by_chance(levels, told):
    train = machines().assign(s1=np.random.default_rng(0).integers(levels, size=317), setting_1=10.0)
    test = train[train["unit"] <= 2]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fleet_from_frame(train, sensors=["s1"], test=test, test_rul=[3, 4])
    assert [("2 of 2 test engines are in frame too" in str(one.message)) for one in caught] == [True] * told


@pytest.mark.parametrize("cells", [[7], [0, 1, 2], range(1, 317)])
def test_a_column_with_some_empty_cells_is_a_sensor_with_a_gap_and_not_left_out(cells):
    table = machines()
    table.loc[list(cells), "s2"] = np.nan
    with pytest.raises(ValueError, match="in column s2"):
        fleet_from_frame(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensors": ["s1", "s1"]}, "sensors names s1, which is used already"),
        ({"sensors": ["s1", "s2", "s1"]}, "sensors names s1, which is used already"),
        ({"settings": ["setting_1", "setting_1"]}, "settings names setting_1, which is used already"),
        ({"settings": ["s1"], "sensors": ["s2", "s1"]}, "sensors names s1, which is used already"),
        ({"sensors": ["unit", "s1"]}, "sensors names unit, which is used already"),
        ({"settings": ["cycle"]}, "settings names cycle, which is used already"),
        ({"health": "unit"}, "health names unit, which is used already"),
        ({"settings": ["s3"]}, "frame lacks the column s3"),
        ({"sensors": "s1"}, "sensors is 's1': it must be a list of columns"),
        ({"settings": "setting_1"}, "settings is 'setting_1': it must be a list of columns"),
        ({"sensors": []}, "sensors is empty"),
    ],
)
@quiet
def test_a_column_is_one_thing_only(arguments, message):
    with pytest.raises(ValueError, match=message):
        fleet_from_frame(machines(), **arguments)


@quiet
def test_what_lies_on_a_bound_is_allowed():
    held_out = fleet_from_frame(machines((40, 50)))
    assert (held_out.train["unit"].nunique(), held_out.test["unit"].nunique()) == (1, 1)
    assert fleet_from_frame(machines(), test=machines((30, 31), seed=1), test_rul=[0, 1]).test_rul.tolist() == [0, 1]
    largest = 2**53
    for kind in (float, object):
        named_so = machines((40, 50)).assign(unit=lambda t: (largest - 2 + t["unit"]).astype(kind))  # noqa: B023
        assert sorted(fleet_from_frame(named_so, test_fraction=0).train["unit"].unique()) == [largest - 1, largest]
    with pytest.raises(ValueError, match=rf"has engine {largest + 2}: whole numbers up to 2\^53"):
        fleet_from_frame(
            machines((40, 50)).assign(unit=lambda t: (largest + t["unit"]).astype(object).where(t["unit"] == 2, 5))
        )
