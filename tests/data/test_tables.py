"""Tables of one's own: what is taken, and what is said about what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from nasafiles import nasa_text

from rulbook.data import Preprocessor, engine_runs, fleet_from_frame, prepare, read_table


def pumps(engines=10, cycles=60):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"pump": np.repeat([f"P{i:02}" for i in range(engines)], cycles)})
    table["day"] = np.tile(np.arange(1, cycles + 1), engines)
    table["site"] = "north"
    table["setting_speed"] = rng.choice([1500.0, 3000.0], size=len(table))
    table["vibration"] = rng.normal(size=len(table)) + 0.02 * table["day"]
    table["flow"] = rng.normal(size=len(table))
    return table


def test_csv_and_nasa_layout_give_the_same(tmp_path, fleet):
    csv, text = tmp_path / "engines.csv", tmp_path / "engines.txt"
    fleet.test.assign(note="ok").sample(frac=1, random_state=0).to_csv(csv, index=False)
    text.write_text(nasa_text(fleet.test.round(2)))
    read = read_table(csv).drop(columns="note").sort_values(["unit", "cycle"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(read, fleet.test.reset_index(drop=True))
    assert read_table(text).shape == fleet.test.shape
    assert engine_runs(read_table(text)).units.tolist() == fleet.test["unit"].unique().tolist()


def test_only_the_columns_asked_for_must_be_there(tmp_path):
    file = tmp_path / "pumps.csv"
    pumps().rename(columns={"pump": "unit", "day": "cycle"}).to_csv(file, index=False)
    assert read_table(file, columns=["vibration"])["unit"].iloc[0] == "P00"
    with pytest.raises(ValueError, match=r"pumps\.csv lacks the columns setting_1, setting_2, setting_3, s2"):
        read_table(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("unit,cycle,x\n", "is empty"),
        ("unit,x\n1,2\n", "lacks the column cycle: it has unit, x"),
        ("unit;cycle;y\n1;1;2\n", "lacks the column x: it has unit, cycle, y"),
        ("1,1,2\n1,2,3\n", "starts with numbers: a CSV needs a first line that names its columns"),
        ("1 1 2\n", "line 1 has 3 values and 26 are wanted. Is the file cut off"),
        ("unit,cycle,x\n1,1,2\n1,2,\n", "holds nan in column x, row 2: every value must be finite. .*line 3, engine 1"),
        ("unit,cycle,x\n1,1,2\n1,2\n", "line 3 has 2 fields and 3 are wanted"),
        ("unit,cycle,x\n1,1,2\n1,2,3,4\n", "line 3 has 4 fields and 3 are wanted"),
        ("unit,cycle,x\n1,1,hot\n", "holds 'hot' in column x: it must hold numbers only"),
        ("unit,cycle,x\n1,one,2\n", "holds 'one' in column cycle"),
        ("unit,cycle,x\n1,-4,2\n", "holds cycle -4 in row 1: cycles are whole numbers from 1"),
        ("unit,cycle,x\n1,1.5,2\n", "holds cycle 1.5 in row 1"),
        ("unit,cycle,x\n1,1,inf\n", "holds inf in column x, row 1"),
        ("unit,cycle,x\n,1,2\n", "has a row without a unit"),
        ("unit,cycle,x\n1,1,2\n1,1,3\n", "has cycle 1 of engine 1 twice"),
    ],
)
def test_bad_files(tmp_path, text, message):
    file = tmp_path / "own.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"own\.csv.*{message}"):
        read_table(file, columns=["x"])


def test_missing_file_and_binary_file(tmp_path):
    with pytest.raises(ValueError, match=r"path is .*nowhere\.csv': no such file"):
        read_table(tmp_path / "nowhere.csv")
    (tmp_path / "picture.png").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(ValueError, match=r"picture\.png"):
        read_table(tmp_path / "picture.png")


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbfunit,cycle,x\n1,1,2\n")
    assert read_table(tmp_path / "excel.csv", columns=["x"]).columns[0] == "unit"


def test_own_fleet_holds_out_and_cuts_test_engines():
    table = pumps()
    fleet = fleet_from_frame(table.sample(frac=1, random_state=1), unit="pump", cycle="day", name="pumps")
    assert (fleet.settings, fleet.sensors) == (("setting_speed",), ("vibration", "flow"))
    assert fleet.train["unit"].nunique() == 8
    assert not set(fleet.train["unit"]) & set(fleet.test["unit"])
    runs = engine_runs(fleet.test)
    np.testing.assert_array_equal(runs.length + fleet.test_rul, 60)
    assert "pumps: 8 training engines, 480 cycles; 2 test engines" in repr(fleet)
    data = prepare(fleet, window=10)
    assert data.preprocessor.n_conditions_ == 2
    assert data.train.rows.shape[1] == 2
    assert data.describe()["subset"] == "pumps"


def test_own_test_engines():
    table = pumps().drop(columns=["site", "setting_speed"])
    test = table[table["pump"].isin(["P08", "P09"]) & (table["day"] <= 40)]
    train = table[~table["pump"].isin(["P08", "P09"])]
    fleet = fleet_from_frame(train, unit="pump", cycle="day", test=test, test_rul=[20, 20], sensors=["flow"])
    assert (fleet.settings, fleet.sensors, fleet.test_rul.tolist()) == ((), ("flow",), [20, 20])
    assert prepare(fleet, validation_cuts=3).validation.rul.max() <= 30
    with pytest.raises(ValueError, match="test_rul has 3 values but the list of test engines has 2"):
        fleet_from_frame(train, unit="pump", cycle="day", test=test, test_rul=[1, 2, 3])
    with pytest.raises(ValueError, match="test and test_rul belong together"):
        fleet_from_frame(train, unit="pump", cycle="day", test=test)


def test_bad_frames():
    table = pumps()
    with pytest.raises(ValueError, match="frame lacks the columns unit, cycle: it has pump, day"):
        fleet_from_frame(table)
    with pytest.raises(ValueError, match="frame lacks the column heat"):
        fleet_from_frame(table, unit="pump", cycle="day", sensors=["heat"])
    with pytest.raises(ValueError, match="frame holds 'north' in column site"):
        fleet_from_frame(table, unit="pump", cycle="day", sensors=["site"])
    with pytest.raises(ValueError, match="frame has cycle 1 of engine P00 twice"):
        fleet_from_frame(pd.concat([table, table.head(1)]), unit="pump", cycle="day")
    with pytest.raises(ValueError, match="sensors is empty"):
        fleet_from_frame(table[["pump", "day", "site"]], unit="pump", cycle="day")
    with pytest.raises(ValueError, match="frame is empty"):
        fleet_from_frame(table.iloc[:0], unit="pump", cycle="day")


def test_another_data_sets_table_is_refused_by_a_fitted_preprocessor(fleet):
    with pytest.raises(ValueError, match="frame lacks the columns setting_1"):
        Preprocessor().fit(fleet.train).transform(pumps().rename(columns={"pump": "unit", "day": "cycle"}))
