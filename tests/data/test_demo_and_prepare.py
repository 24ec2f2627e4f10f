"""The synthetic fleet, and the way from any fleet to windows."""

from __future__ import annotations

import doctest
import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rulbook.data import COLUMNS, OPERATING_POINTS, Fleet, demo_fleet, engine_runs, prepare
from rulbook.data.sources import demo


def fingerprint(frame: pd.DataFrame) -> str:
    text = frame.to_csv(index=False, header=False, float_format="%.4f", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_demo_fleet_is_the_same_on_every_machine():
    fleet = demo_fleet()
    assert (fingerprint(fleet.train), fingerprint(fleet.test)) == ("9eb9f97500141ba0", "7fb0d4e3b57842c0")
    assert fingerprint(demo_fleet(seed=1).train) != fingerprint(fleet.train)


def test_the_example_in_the_documentation_is_true():
    assert doctest.testmod(demo) == doctest.TestResults(failed=0, attempted=1)


def test_the_demo_fleet_has_the_shape_of_nasas_files():
    fleet = demo_fleet(engines=30, test_engines=15, seed=1)
    assert tuple(fleet.train.columns) == tuple(fleet.test.columns) == COLUMNS
    assert fleet.train.dtypes.to_dict() == {
        name: np.dtype(np.int64 if name in ("unit", "cycle") else np.float64) for name in COLUMNS
    }
    runs = engine_runs(fleet.train)
    assert runs.units.tolist() == list(range(1, 31))
    assert runs.length.min() >= 128
    assert 180 < runs.length.mean() < 235
    assert len(fleet.test_rul) == fleet.test["unit"].nunique() == 15
    points = fleet.train[["setting_1", "setting_3"]].round(0).value_counts()
    assert set(points.index) == {(altitude, throttle) for altitude, _, throttle in OPERATING_POINTS}
    assert points[42.0, 100.0] / len(fleet.train) == pytest.approx(0.25, abs=0.02)
    assert fleet.train["s17"].map(float.is_integer).all()


def test_faults_and_conditions_of_the_demo_fleet():
    def shift(fleet: Fleet) -> pd.Series:
        """Change of s7 over the life of each engine, on the ground."""
        left = fleet.train.groupby("unit")["cycle"].transform("max") - fleet.train["cycle"]
        late, early = (fleet.train[rows].groupby("unit")["s7"].mean() for rows in (left < 5, left > 120))
        return late - early

    one = shift(demo_fleet(engines=30, test_engines=0, conditions=1, fault_modes=1))
    two = shift(demo_fleet(engines=30, test_engines=0, conditions=1, fault_modes=2))
    assert (one < -1).all()
    assert 6 <= (two > 5).sum() <= 20
    assert demo_fleet(engines=4, test_engines=0, conditions=1).train["setting_1"].max() < 0.01


def test_bad_arguments_of_the_demo_fleet():
    for arguments, message in [
        ({"engines": 0}, "engines is 0"),
        ({"test_engines": -1}, "test_engines is -1"),
        ({"conditions": 3}, "conditions is 3: it must be 1 or 6"),
        ({"fault_modes": 0}, "fault_modes is 0: it must be 1 or 2"),
        ({"seed": -1}, "seed is -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            demo_fleet(**arguments)


def test_prepare_keeps_engines_apart_and_says_what_it_did(fleet):
    data = prepare(fleet, seed=5)
    held_out = set(data.validation_units.tolist())
    assert len(held_out) == 2
    assert set(data.validation.unit.tolist()) == held_out
    assert set(data.train.unit.tolist()) == set(fleet.train["unit"]) - held_out
    assert len(data.train) + len(data.validation) == len(fleet.train) - 29 * 12
    assert len(data.test) == 6
    facts = json.loads(json.dumps(data.describe()))
    assert facts["windows"]["test_all"] == len(data.test_all)
    assert (facts["train_engines"], facts["validation_engines"], facts["test_engines"]) == (10, 2, 6)
    assert (facts["subset"], facts["conditions"], facts["max_rul"], facts["seed"]) == ("demo", 6, 125.0, 5)


def test_nothing_is_learnt_from_held_out_engines(fleet):
    honest = prepare(fleet)
    held_out = fleet.train["unit"].isin(honest.validation_units)
    train, test = fleet.train.copy(), fleet.test.copy()
    train.loc[held_out, "s4"] += 500.0
    test["s4"] *= 2.0
    altered = prepare(Fleet("demo", train, test, fleet.test_rul))
    assert altered.preprocessor == honest.preprocessor
    np.testing.assert_array_equal(altered.train.x, honest.train.x)
    assert np.abs(altered.validation.x - honest.validation.x).max() > 10
    seen = fleet.train.copy()
    seen.loc[~held_out, "s4"] *= 1.01
    assert prepare(Fleet("demo", seen, fleet.test, fleet.test_rul)).preprocessor != honest.preprocessor


def test_test_windows_end_where_the_engines_do(fleet):
    data = prepare(fleet)
    assert data.test.unit.tolist() == fleet.test["unit"].unique().tolist()
    np.testing.assert_array_equal(data.test.true_rul, fleet.test_rul)
    np.testing.assert_array_equal(data.test.rul, np.minimum(fleet.test_rul, 125))
    np.testing.assert_array_equal(data.test.capped_at(None).rul, fleet.test_rul)
    first = data.test_all.of_engines(data.test.unit[:1])
    np.testing.assert_array_equal(first.true_rul, fleet.test_rul[0] + np.arange(len(first))[::-1])
    np.testing.assert_array_equal(first.x[-1], data.test.x[0])


def test_conventions_are_arguments(fleet):
    assert prepare(fleet, last_rul=1).train.true_rul.min() == 1
    np.testing.assert_array_equal(prepare(fleet, last_rul=1).test.true_rul, fleet.test_rul)
    assert prepare(fleet, window=20, max_rul=90).train.x.shape[1:] == (20, 14)
    assert prepare(fleet, max_rul=90).test.rul.max() <= 90
    assert prepare(fleet, n_conditions=1).preprocessor.n_conditions_ == 1


def test_validation_by_cuts_and_without_validation(fleet):
    cuts = prepare(fleet, validation_cuts=4)
    assert len(cuts.validation) == 8
    assert cuts.validation.true_rul.max() <= 145
    every = prepare(fleet).validation
    ends = {tuple(x[-1]) for x in every.x}
    assert all(tuple(x[-1]) in ends for x in cuts.validation.x)
    nobody = prepare(fleet, validation_fraction=0)
    assert (len(nobody.validation), nobody.train.unit.max()) == (0, 12)


def test_a_split_by_windows_leaks_and_says_so(fleet):
    leaky = prepare(fleet, split="windows", seed=2)
    engines = set(fleet.train["unit"])
    assert set(leaky.train.unit.tolist()) == set(leaky.validation.unit.tolist()) == engines
    windows = len(fleet.train) - 29 * len(engines)
    assert (len(leaky.train) + len(leaky.validation), len(leaky.validation)) == (windows, round(0.2 * windows))
    assert not set(leaky.train.starts.tolist()) & set(leaky.validation.starts.tolist())
    facts = leaky.describe()
    assert (facts["split"], facts["validation_engines"], facts["train_engines"]) == ("windows", 0, len(engines))
    np.testing.assert_array_equal(leaky.test.true_rul, prepare(fleet).test.true_rul)
    with pytest.raises(ValueError, match="split is 'halves'"):
        prepare(fleet, split="halves")
    with pytest.raises(ValueError, match="validation_cuts is 4: it needs split='engines'"):
        prepare(fleet, split="windows", validation_cuts=4)


def test_neither_torch_nor_a_download_is_needed():
    code = (
        "import sys; from rulbook.data import demo_fleet, prepare; prepare(demo_fleet(engines=3, test_engines=1)); "
        "sys.exit(bool({'torch', 'requests'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
