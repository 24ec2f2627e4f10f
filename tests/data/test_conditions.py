"""Operating conditions: as many as there are, whatever else the table holds; and a word where there are none."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from rulbook.data import OPERATING_POINTS, SETTINGS, Preprocessor, load_cmapss
from rulbook.data.conditions import find_conditions


def flown(points, rows=1500, noise=0.0, seed=0):
    """Rows at random points, each setting with noise of that share of the usual distance between points."""
    rng = np.random.default_rng(seed)
    points = np.asarray(points, dtype=float)
    which = rng.permutation(np.arange(rows) % len(points))
    scale = np.ptp(points, axis=0) / max(len(points) - 1, 1)
    return points[which] + noise * scale * rng.standard_normal((rows, points.shape[1])), which


def lattice(count):
    across = int(np.ceil(np.sqrt(count)))
    return [(10.0 * (index // across), 100.0 * (index % across), 7.0) for index in range(count)]


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.01, 0.03])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 12, 20, 25])
def test_any_number_of_points_is_found_and_each_row_at_its_own(count, noise):
    for points in ([(10.0 * i, 0.2 * i) for i in range(count)], lattice(count)):
        settings, which = flown(points, noise=noise)
        found = find_conditions(settings)
        assert len(found.centroids) == count
        nearest = ((found.centroids[:, None, :1] - np.asarray(points)[None, :, :1]) ** 2).min(axis=1)
        assert np.sqrt(nearest.max()) <= max(noise * 10, 1e-9)
        frame = table_of(settings)
        fitted = Preprocessor(sensors=["x"], settings=frame.columns[2:-1].tolist()).fit(frame)
        assert len(np.unique(np.column_stack([fitted.conditions(frame), which]), axis=0)) == count


def table_of(settings, x=None):
    frame = pd.DataFrame({"unit": 1, "cycle": np.arange(1, len(settings) + 1)})
    for index in range(settings.shape[1]):
        frame[f"setting_{index + 1}"] = settings[:, index]
    return frame.assign(x=np.random.default_rng(9).normal(size=len(settings)) if x is None else x)


IRRELEVANT = {
    "constant": lambda rng, n: np.full(n, 100.0),
    "rounding noise": lambda rng, n: 100 + 1e-6 * rng.standard_normal(n),
    "small noise": lambda rng, n: 100 + 2e-3 * rng.standard_normal(n),
    "a flicker of the last digit": lambda rng, n: rng.choice([100.0, 100.01], size=n),
    "noise about zero": lambda rng, n: rng.standard_normal(n),
    "noise about zero, rounded": lambda rng, n: (6e-4 * rng.standard_normal(n)).round(4),
    "even": lambda rng, n: rng.random(n),
    "even, rounded to tenths": lambda rng, n: rng.random(n).round(1),
    "even, rounded to thousandths": lambda rng, n: 0.01 * rng.random(n).round(1),
    "two humps, rounded": lambda rng, n: (rng.choice([0.0, 0.7], size=n) + 0.3 * rng.random(n)).round(1),
    "long tail": lambda rng, n: rng.lognormal(size=n),
    "a ramp": lambda rng, n: np.arange(n) / 7,
}


@pytest.mark.parametrize("what", IRRELEVANT)
@pytest.mark.parametrize("points", [OPERATING_POINTS, OPERATING_POINTS[:1]], ids=["six", "one"])
def test_a_setting_that_is_noise_changes_nothing(what, points):
    settings, which = flown(points, rows=3000, noise=1e-3)
    noise = IRRELEVANT[what](np.random.default_rng(3), 3000)
    readings = 500 + 40.0 * which + np.random.default_rng(4).standard_normal(3000)
    frame = table_of(settings, readings)
    alone = Preprocessor(sensors=["x"]).fit(frame)
    beside = Preprocessor(sensors=["x"], settings=[*SETTINGS, "noise"]).fit(frame.assign(noise=noise))
    assert beside.n_conditions_ == alone.n_conditions_ == len(points)
    np.testing.assert_array_equal(beside.transform(frame.assign(noise=noise)), alone.transform(frame))
    assert beside.evidence_["noise"] in ("constant", "nearly constant", "varies continuously")
    assert "noise" not in beside.telling_


@pytest.mark.parametrize(
    ("levels", "count"),
    [
        ([0.1, 0.2, 0.3, 0.4], 4),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1),
        ([0.2, 0.4, 0.6, 0.8, 1.0], 5),
        ([0.01, 0.02, 0.5, 0.9, 1.3], 1),
        ([0.01, 0.03, 0.5, 0.9, 1.3], 5),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6),
    ],
)
def test_neighbours_on_the_last_decimal_are_rounded_numbers_and_all_others_levels(levels, count):
    """From five levels on: fewer may be a switch; and whole numbers may be gears."""
    settings = np.tile(levels, 60)[:, None]
    assert len(find_conditions(settings).centroids) == count
    assert find_conditions(settings).looks == ("has levels" if count > 1 else "varies continuously",)


def test_what_was_found_is_reported():
    settings, _ = flown([(0.0, 5.0), (10.0, 5.0), (20.0, 5.0)], noise=0.01)
    frame = table_of(np.column_stack([settings, np.random.default_rng(1).random(1500)]))
    fitted = Preprocessor(sensors=["x"]).fit(frame)
    assert fitted.conditions_report_.splitlines() == [
        "3 operating conditions: told apart by setting_1",
        "setting_1: has levels",
        "setting_2: constant",
        "setting_3: varies continuously",
    ]


def test_a_continuum_that_sensors_follow_makes_one_condition_and_a_warning():
    settings = np.random.default_rng(0).uniform(0, 42, size=(800, 1))
    frame = table_of(settings, 500 - 3.0 * settings[:, 0] + np.random.default_rng(1).normal(size=800))
    with pytest.warns(UserWarning, match=r"setting_1 varies continuously.*sensor x follows it .*Give n_conditions"):
        fitted = Preprocessor(sensors=["x"], settings=["setting_1"]).fit(frame)
    assert fitted.n_conditions_ == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Preprocessor(sensors=["x"], settings=["setting_1"]).fit(table_of(settings))
        divided = Preprocessor(sensors=["x"], settings=["setting_1"], n_conditions=4).fit(frame)
    assert divided.n_conditions_ == 4


def test_a_number_that_is_asked_for_is_found_beside_a_setting_that_is_noise():
    settings, which = flown([(0.0,), (10.0,), (20.0,)], noise=0.01)
    frame = table_of(np.column_stack([settings, np.random.default_rng(1).random(1500)]))
    fitted = Preprocessor(sensors=["x"], settings=["setting_1", "setting_2"], n_conditions=2).fit(frame)
    assert fitted.n_conditions_ == 2
    assert len(np.unique(np.column_stack([fitted.conditions(frame), which]), axis=0)) == 3


def test_odd_rows_make_no_condition_and_too_many_levels_none():
    settings, _ = flown([(0.0,), (10.0,)], noise=0.001)
    settings[::400] = 5.0
    assert len(find_conditions(settings).centroids) == 2
    everywhere = np.random.default_rng(0).integers(0, 12, size=(2000, 2)) * 7.0
    found = find_conditions(everywhere)
    assert len(found.centroids) == 1
    assert set(found.looks) == {"has levels, too many to tell apart"}


def test_a_condition_that_comes_late_in_a_long_table_is_found():
    settings = np.where(np.arange(60_000) < 50_000, 0.0, 10.0)[:, None]
    frame = table_of(settings)
    assert Preprocessor(sensors=["x"], settings=["setting_1"]).fit(frame).n_conditions_ == 2
    asked = Preprocessor(sensors=["x"], settings=["setting_1"], n_conditions=2).fit(frame)
    np.testing.assert_array_equal(asked.centroids_, [[0.0], [10.0]])


def test_settings_of_other_sizes_count_alike_when_rows_are_told_apart():
    points = [(0.0, 1000.0), (1.0, 1000.0), (0.0, 5000.0), (1.0, 5000.0)]
    settings, which = flown(points, noise=0.02)
    frame = table_of(settings)
    fitted = Preprocessor(sensors=["x"], settings=["setting_1", "setting_2"]).fit(frame)
    drifted = frame.assign(setting_2=frame["setting_2"] + 200.0)
    np.testing.assert_array_equal(fitted.conditions(frame), 2 * (which % 2) + which // 2)
    np.testing.assert_array_equal(fitted.conditions(drifted), fitted.conditions(frame))


def test_conditions_are_in_the_order_of_the_first_setting_though_it_is_noisy():
    for seed in range(6):
        settings, _ = flown([(10.0, 3.0), (0.0, 2.0), (0.0, 1.0)], noise=0.01, seed=seed)
        frame = table_of(settings)
        fitted = Preprocessor(sensors=["x"], settings=["setting_1", "setting_2"], random_state=seed).fit(frame)
        np.testing.assert_allclose(fitted.centroids_, [[0, 1], [0, 2], [10, 3]], atol=0.02)


def test_the_warning_of_strange_settings_looks_at_the_farthest_training_row_of_each_setting():
    settings = np.column_stack([np.tile([0.0, 10.0], 50), np.random.default_rng(0).normal(size=100)])
    frame = table_of(settings)
    fitted = Preprocessor(sensors=["x"], settings=["setting_1", "setting_2"]).fit(frame)
    farthest = np.abs(settings[:, 1] - fitted.centroids_[fitted.conditions(frame), 1]).max()
    np.testing.assert_allclose(fitted.reach_, [0.0, farthest])
    here = frame.iloc[[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.transform(here.assign(setting_2=fitted.centroids_[0, 1] + 9 * farthest))
    with pytest.warns(UserWarning, match="1 of 1 rows have settings unlike any"):
        fitted.transform(here.assign(setting_2=fitted.centroids_[0, 1] + 11 * farthest))
    with pytest.warns(UserWarning, match="1 of 1 rows have settings unlike any"):
        fitted.transform(here.assign(setting_1=0.01))


@pytest.mark.real_data
@pytest.mark.parametrize("subset", ["FD002", "FD004"])
def test_nasas_six_points_stay_six_beside_a_setting_of_noise(cmapss_folder, subset):
    train = load_cmapss(subset, cmapss_folder).train
    noise = np.random.default_rng(0).normal(size=len(train))
    plain = Preprocessor().fit(train)
    fitted = Preprocessor(settings=[*SETTINGS, "setting_4"]).fit(train.assign(setting_4=noise))
    assert np.abs(fitted.centroids_[:, :3] - OPERATING_POINTS).max() <= 0.0038
    np.testing.assert_array_equal(fitted.means_, plain.means_)
    without_60 = train[train["setting_3"] > 90].assign(setting_3=lambda t: t["setting_3"] + 0.01 * noise[: len(t)])
    assert Preprocessor().fit(without_60).n_conditions_ == 5


@pytest.mark.real_data
@pytest.mark.parametrize("subset", ["FD001", "FD003"])
def test_nasas_one_point_stays_one_in_any_unit(cmapss_folder, subset):
    train = load_cmapss(subset, cmapss_folder).train
    settings = train[list(SETTINGS)].to_numpy()
    for scaled in (settings, settings * [304.8, 1.0, 1.0], (settings - settings.min(axis=0)) / 0.0013):
        assert len(find_conditions(scaled).centroids) == 1
