"""What the real files hold: every fact that the package or the book states about them, counted again."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rulbook.data import (
    DROPPED_SENSORS,
    OPERATING_POINTS,
    SENSORS,
    SETTINGS,
    SUBSETS,
    Preprocessor,
    all_windows,
    engine_runs,
    last_windows,
    load_cmapss,
    prepare,
    rul_labels,
    training_windows,
)
from rulbook.data.sources.cmapss import CMAPSS_FILES

pytestmark = pytest.mark.real_data

WINDOWS = {"FD001": 17_731, "FD002": 46_219, "FD003": 21_820, "FD004": 54_028}


@pytest.fixture(scope="module")
def fleets(cmapss_folder):
    return {subset: load_cmapss(subset, cmapss_folder) for subset in SUBSETS}


@pytest.fixture(scope="module")
def preprocessors(fleets):
    return {subset: Preprocessor().fit(fleet.train) for subset, fleet in fleets.items()}


@pytest.mark.parametrize("subset", SUBSETS)
def test_counts_of_engines_and_rows(fleets, subset):
    facts, fleet = SUBSETS[subset], fleets[subset]
    assert fleet.train["unit"].nunique() == facts.train_engines
    assert fleet.test["unit"].nunique() == len(fleet.test_rul) == facts.test_engines
    assert (len(fleet.train), len(fleet.test)) == (facts.train_rows, facts.test_rows)


def test_the_counts_are_those_of_the_literature():
    assert [facts.train_engines for facts in SUBSETS.values()] == [100, 260, 100, 249]
    assert [facts.test_engines for facts in SUBSETS.values()] == [100, 259, 100, 248]
    assert [facts.train_rows for facts in SUBSETS.values()] == [20_631, 53_759, 24_720, 61_249]


@pytest.mark.parametrize("subset", SUBSETS)
def test_numbers_are_those_in_the_file(fleets, cmapss_folder, subset):
    lines = (cmapss_folder / f"train_{subset}.txt").read_text().splitlines()
    for row in (0, len(lines) // 2, len(lines) - 1):
        assert fleets[subset].train.iloc[row].tolist() == [float(value) for value in lines[row].split()]


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_engine_is_seen_from_its_first_cycle_on_without_a_gap(fleets, subset):
    for frame in (fleets[subset].train, fleets[subset].test):
        runs = engine_runs(frame)
        np.testing.assert_array_equal(runs.units, np.arange(1, len(runs.units) + 1))
        np.testing.assert_array_equal(frame["cycle"].to_numpy()[runs.last], runs.length)


@pytest.mark.parametrize("subset", SUBSETS)
def test_windows_and_health_shares(fleets, preprocessors, subset):
    train = fleets[subset].train
    windows = training_windows(preprocessors[subset].transform(train), train)
    assert len(windows) == WINDOWS[subset]
    shares = np.bincount(windows.health, minlength=3) / len(windows)
    expected = {"FD001": (54, 28, 18), "FD002": (54, 28, 17), "FD003": (63, 23, 14), "FD004": (63, 23, 14)}[subset]
    np.testing.assert_allclose(100 * shares, expected, atol=0.6)


@pytest.mark.parametrize("subset", ["FD002", "FD004"])
def test_six_conditions_one_of_them_with_a_quarter_of_the_cycles(fleets, preprocessors, subset):
    preprocessor = preprocessors[subset]
    np.testing.assert_allclose(preprocessor.centroids_, OPERATING_POINTS, atol=0.01)
    shares = np.bincount(preprocessor.conditions(fleets[subset].train)) / len(fleets[subset].train)
    np.testing.assert_allclose(shares[:5], 0.15, atol=0.002)
    assert shares[5] == pytest.approx(0.250, abs=0.002)
    assert shares[np.argmax(shares)] == shares[5]
    if subset == "FD002":
        assert round(shares[5], 3) == 0.250


@pytest.mark.parametrize("subset", ["FD001", "FD003"])
def test_one_condition_is_found_where_there_is_one(preprocessors, subset):
    np.testing.assert_allclose(preprocessors[subset].centroids_, OPERATING_POINTS[:1], atol=0.01)


@pytest.mark.parametrize("subset", SUBSETS)
def test_each_condition_has_mean_zero_and_deviation_one(fleets, preprocessors, subset):
    train, preprocessor = fleets[subset].train, preprocessors[subset]
    features, labels = preprocessor.transform(train).astype(np.float64), preprocessor.conditions(train)
    for condition in range(preprocessor.n_conditions_):
        part = features[labels == condition]
        constant = preprocessor.stds_[condition] == 0
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(part.std(axis=0)[~constant], 1, atol=1e-4)
        np.testing.assert_array_equal(part[:, constant], 0)


@pytest.mark.parametrize(("subset", "short", "shortest"), [("FD001", 0, 31), ("FD002", 6, 21), ("FD004", 11, 19)])
def test_engines_shorter_than_the_window_are_scored_too(fleets, preprocessors, subset, short, shortest):
    fleet, preprocessor = fleets[subset], preprocessors[subset]
    lengths = engine_runs(fleet.test).length
    assert ((lengths < 30).sum(), lengths.min()) == (short, shortest)
    features = preprocessor.transform(fleet.test)
    windows = last_windows(features, fleet.test, last_rul=fleet.test_rul)
    assert len(windows) == SUBSETS[subset].test_engines
    np.testing.assert_array_equal(windows.cycle, lengths)
    np.testing.assert_array_equal(windows.true_rul, fleet.test_rul)
    assert len(all_windows(features, fleet.test, last_rul=fleet.test_rul)) == np.maximum(lengths - 29, 1).sum()


def test_test_labels_and_how_many_the_cap_touches(fleets):
    assert [int(fleet.test_rul.max()) for fleet in fleets.values()] == [145, 194, 145, 195]
    assert [int(fleet.test_rul.min()) for fleet in fleets.values()] == [7, 6, 6, 6]
    assert [int((fleet.test_rul > 125).sum()) for fleet in fleets.values()] == [11, 57, 15, 67]


def test_dropped_sensors_say_nothing_on_fd001_but_s10_does_on_fd003(fleets):
    rul = np.minimum(rul_labels(fleets["FD001"].train), 125)
    for name in DROPPED_SENSORS:
        values = fleets["FD001"].train[name].to_numpy()
        assert np.ptp(values) < 0.011
        assert np.ptp(values) < 1e-9 or abs(np.corrcoef(values, rul)[0, 1]) < 0.2
    fan = fleets["FD003"].train
    correlation = np.corrcoef(fan["s10"], np.minimum(rul_labels(fan), 125))[0, 1]
    assert correlation == pytest.approx(-0.49, abs=0.01)


def test_the_shift_near_failure_has_the_sign_that_the_book_corrects(fleets):
    train = fleets["FD001"].train
    rul = rul_labels(train)
    shift = train[list(SENSORS)][rul < 10].mean() - train[list(SENSORS)][rul > 150].mean()
    assert shift["s4"] == pytest.approx(24.7, abs=0.1)
    assert shift["s7"] == pytest.approx(-2.34, abs=0.01)
    assert shift["s12"] == pytest.approx(-1.99, abs=0.01)
    assert shift["s15"] == pytest.approx(0.097, abs=0.001)


def test_nearly_all_variance_lies_between_conditions_but_not_of_every_sensor(fleets, preprocessors):
    train = fleets["FD002"].train
    labels = preprocessors["FD002"].conditions(train)
    sensors = train[list(SENSORS)]
    within = sensors.groupby(labels).var(ddof=0).mul(np.bincount(labels) / len(labels), axis=0).sum()
    between = 100 * (1 - within / sensors.var(ddof=0))
    assert between.idxmin() == "s16"
    assert between["s16"] == pytest.approx(88.5, abs=0.1)
    assert between["s14"] == pytest.approx(96.6, abs=0.1)
    assert (between[["s1", "s5", "s6", "s7", "s8", "s12", "s13", "s18", "s19"]] > 99.99).all()


@pytest.mark.parametrize("subset", ["FD001", "FD004"])
def test_nothing_is_fitted_on_validation_or_test_engines(fleets, subset):
    fleet = fleets[subset]
    honest = prepare(fleet)
    held_out = fleet.train["unit"].isin(honest.validation_units)
    sensors = list(fleet.sensors)
    train, test = fleet.train.copy(), fleet.test.copy()
    train.loc[held_out, sensors] += 1000.0
    test[sensors] *= 3.0
    altered = prepare(type(fleet)(fleet.subset, train, test, fleet.test_rul))
    assert altered.preprocessor == honest.preprocessor
    np.testing.assert_array_equal(altered.train.gather([0, 99]), honest.train.gather([0, 99]))
    assert not np.array_equal(altered.validation.gather([0]), honest.validation.gather([0]))


def test_a_checkpoint_keeps_the_preprocessor_exactly(preprocessors, fleets):
    fitted = preprocessors["FD004"]
    again = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again == fitted
    test = fleets["FD004"].test
    np.testing.assert_array_equal(again.transform(test), fitted.transform(test))


def test_memory_is_that_of_the_rows(fleets):
    data = prepare(fleets["FD004"])
    rows = data.train.rows
    assert rows.dtype == np.float32
    assert rows.nbytes == 61_249 * 14 * 4
    assert np.shares_memory(data.train.rows, data.validation.rows)
    assert np.shares_memory(data.test.rows, data.test_all.rows)
    one_engine = data.train.of_engines(data.train.unit[:1])
    assert np.shares_memory(one_engine.x, rows)
    assert np.shares_memory(data.train[17], rows)


def test_nasas_zip_gives_the_same_as_the_folder(fleets, cmapss_folder, tmp_path, own_cache):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as archive:
        for name in CMAPSS_FILES:
            archive.write(cmapss_folder / name, name)
    outer = tmp_path / "nasa.zip"
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("6. Turbofan/CMAPSSData.zip", inner.getvalue())
    pd.testing.assert_frame_equal(load_cmapss("FD001", outer).train, fleets["FD001"].train)
    assert list(Path(own_cache).rglob("train_FD001.txt"))


def test_settings_hardly_vary_within_a_condition(fleets, preprocessors):
    train = fleets["FD002"].train
    spread = train[list(SETTINGS)].groupby(preprocessors["FD002"].conditions(train)).std().max()
    np.testing.assert_array_less(spread, [0.0031, 0.00075, 1e-12])
