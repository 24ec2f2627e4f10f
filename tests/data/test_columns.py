"""What columns are taken as, by name, and how that is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from rulbook.data import SENSORS_14, SETTINGS, Columns, demo_fleet, prepare


def test_columns_come_back_from_plain_values_and_refuse_others():
    columns = Columns("motor", 1, ("mode",), ("x", 7), (("RUL", "gives the answer away"),), ("sensors",))
    assert Columns.from_dict(json.loads(json.dumps(columns.to_dict()))) == columns
    state = columns.to_dict()
    for wrong in (
        {**state, "more": 1},
        {**state, "unit": None},
        {**state, "unit": True},
        {**state, "sensors": "x"},
        {**state, "sensors": [1.5]},
        {**state, "left_out": ["RUL"]},
        {**state, "guessed": [3]},
        {**state, "sensors": ["x", "x"]},
        {},
    ):
        with pytest.raises(ValueError, match="column"):
            Columns.from_dict(wrong)


def test_what_was_taken_as_what_reads_in_lines():
    text = str(Columns("motor", "day", (), ("x", "y"), (("RUL", "gives the answer away"),), ("sensors",)))
    assert text.splitlines() == [
        "unit:      motor",
        "cycle:     day",
        "settings:  none",
        "sensors:   x, y (told by name)",
        "left out:  RUL: gives the answer away",
    ]


def test_a_table_with_the_users_names_ours_or_a_usual_spelling_is_renamed_alike():
    columns = Columns("motor", "day", ("mode",), ("s1", "vibration"))
    own = pd.DataFrame({"vibration": [4.0], "motor": ["m"], "day": [1], "mode": [2.0], "s1": [3.0], "note": ["-"]})
    for renamed in (
        own,
        own.rename(columns={"motor": "unit", "day": "cycle"}),
        own.rename(columns={"motor": "MOTOR", "day": "Day "}),
        own.assign(unit="site", cycle=9),
        own.rename(columns={"motor": "Unit Nr", "day": "time_cycles", "s1": "Sensor_1", "vibration": "VIBRATION"}),
    ):
        taken = columns.rename(renamed)
        assert taken.columns.tolist() == ["unit", "cycle", "mode", "s1", "vibration"]
        assert taken.iloc[0].tolist() == ["m", 1, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="table lacks the columns day, mode: it has vibration"):
        columns.rename(own.drop(columns=["day", "mode"]), "table")
    with pytest.raises(ValueError, match="has s_1 and sensor_1, which may both be s1"):
        columns.rename(own.rename(columns={"s1": "s_1"}).assign(sensor_1=0.0))
    with pytest.raises(ValueError, match="has the column mode twice"):
        columns.rename(pd.concat([own, own[["mode"]]], axis=1))


def test_a_column_called_cycle_can_be_a_sensor():
    columns = Columns("engine", "time", (), ("cycle",))
    table = pd.DataFrame({"engine": [1], "time": [5], "cycle": [0.25]})
    assert columns.rename(table).iloc[0].to_dict() == {"unit": 1, "cycle": 5, "cycle_": 0.25}
    again = columns.rename(columns.rename(table))
    assert again.iloc[0].to_dict() == {"unit": 1, "cycle": 5, "cycle_": 0.25}


def test_a_fleet_keeps_them_and_so_do_its_windows():
    fleet = demo_fleet(engines=3, test_engines=1)
    assert fleet.columns == Columns(settings=SETTINGS, sensors=SENSORS_14)
    fewer = replace(fleet, sensors=("s2", "s4"))
    assert fewer.columns.sensors == ("s2", "s4")
    assert prepare(fewer).columns == fewer.columns
