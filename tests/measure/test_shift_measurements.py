"""The measured shifts of section 14.3 are consistent in themselves, and the fit behind them is a weighted ridge."""

from __future__ import annotations

import runpy
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rulbook.course.results import read_json
from rulbook.reference import failure_weights

SCRIPT = Path(__file__).resolve().parents[2] / "book" / "measure" / "weighted_shift.py"
FITS = read_json("weighted_shift")["fits"]
SPLITS = [list(rows) for _, rows in groupby(FITS, key=lambda row: (row["subset"], row["seed"]))]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_every_split_was_fitted_once_with_every_ceiling():
    assert len(SPLITS) == 16
    assert all([row["w_max"] for row in rows] == [1, 2, 5] for rows in SPLITS)
    assert {len({row["seed"] for row in FITS if row["subset"] == f"FD00{n}"}) for n in (1, 2, 3, 4)} == {4}


@pytest.mark.parametrize("rows", SPLITS, ids=lambda rows: f"{rows[0]['subset']}-{rows[0]['seed']}")
def test_a_higher_ceiling_predicts_earlier_on_every_split(rows):
    for name in ("validation_shift", "expected_shift", "test_shift"):
        plain, double, fivefold = (row[name] for row in rows)
        assert plain == 0 > double > fivefold


@pytest.mark.parametrize("row", FITS, ids=lambda row: f"{row['subset']}-{row['seed']}-{row['w_max']:.0f}")
def test_the_parts_of_an_error_add_up(row):
    for part in (row["test"], row["validation"]):
        count, squares, errors = (
            sum(band["count"] for band in part["bands"].values()),
            sum(band["count"] * band["rmse"] ** 2 for band in part["bands"].values()),
            sum(band["count"] * band["mean_error"] for band in part["bands"].values()),
        )
        assert part["rmse"] == pytest.approx(np.hypot(part["mean_error"], part["std_error"]), abs=1e-3)
        assert part["rmse"] == pytest.approx(np.sqrt(squares / count), abs=1e-3)
        assert part["mean_error"] == pytest.approx(errors / count, abs=1e-3)


def test_the_fit_is_at_rest_where_the_weighted_errors_cancel(script):
    draw = np.random.default_rng(0)
    x = np.column_stack([draw.normal(size=(200, 3)), np.ones(200)])
    y = draw.uniform(0, 125, 200)
    for w_max in (1.0, 5.0):
        coefficients = script["fitted"](x, y, w_max)
        weights = failure_weights(y, w_max=w_max)
        assert weights @ (x @ coefficients - y) == pytest.approx(0, abs=1e-8)

        def loss(c, weights=weights):
            return weights @ (x @ c - y) ** 2 + script["PENALTY"] * weights.mean() * (c[:-1] @ c[:-1])

        nudged = [loss(coefficients + 1e-3 * nudge) for nudge in np.vstack([np.eye(4), -np.eye(4)])]
        assert loss(coefficients) < min(nudged)


def test_a_common_factor_of_the_weights_changes_no_coefficient(script, monkeypatch):
    draw = np.random.default_rng(1)
    x, y = np.column_stack([draw.normal(size=(50, 2)), np.ones(50)]), draw.uniform(0, 125, 50)
    plain = script["fitted"](x, y, 2.0)
    monkeypatch.setitem(script["fitted"].__globals__, "failure_weights", lambda y, w_max: 7 * failure_weights(y))
    np.testing.assert_allclose(script["fitted"](x, y, 2.0), plain, rtol=1e-9)


def test_the_summaries_of_a_straight_line_are_its_numbers(script):
    rows = np.column_stack([2.0 * np.arange(12), np.ones(12)]).astype(np.float32)
    windows = SimpleNamespace(rows=rows, starts=np.array([0, 2]), window=10, rul=np.array([7.0, 5.0]))
    summary, rul = script["summaries"](windows)
    # Of the second window, the first of two columns: rises by 2 a cycle from 4 to 22.
    last, late_mean, mean, slope, std = summary[1, ::2]
    assert [last, late_mean, mean, slope] == pytest.approx([22, 18, 13, 2])
    assert std == pytest.approx(2 * np.arange(10).std())
    assert rul.tolist() == [7, 5]
