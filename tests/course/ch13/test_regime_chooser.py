"""The regime chooser: which runs count, what the source's numbers say by its own formula, and the script's formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch13.preference import preference, reigns
from rulbook.course.ch13.regime_chooser import (
    REGIMES,
    SQUARE,
    RegimeChooser,
    measured_points,
    measured_runs,
    reported_points,
)
from rulbook.methods import CANDIDATES
from rulbook.metrics import pareto_front


def run(dataset: str, method: str, seed: int, rmse: float, score: float) -> dict[str, object]:
    return {"dataset": dataset, "method": method, "seed": seed, "test_rmse": rmse, "test_nasa_score": score}


TABLE = pd.DataFrame(
    [
        run("FD002", "baseline", 0, 15.0, 900.0),
        run("FD002", "baseline", 1, 17.0, 1100.0),
        run("FD002", "baseline", 2, 99.0, 9999.0),
        run("FD002", "gaba", 0, 14.0, 950.0),
        run("FD002", "gaba", 1, 16.0, 1050.0),
        run("FD002", "dwa", 0, 13.0, 500.0),
        run("FD002", "gradnorm", 0, 20.0, 2000.0),
        run("FD002", "gradnorm", 1, 22.0, 2200.0),
        run("FD004", "baseline", 0, 25.0, 1900.0),
        run("FD004", "gaba", 0, 24.0, 1800.0),
    ]
)


def test_methods_meet_on_the_seeds_that_all_of_the_book_have() -> None:
    methods, runs = measured_runs(TABLE)["FD002"]
    assert methods == ["baseline", "gaba", "gradnorm"]
    np.testing.assert_array_equal(runs[:, 0], [[15, 900], [17, 1100]])
    np.testing.assert_array_equal(runs[:, 1], [[14, 950], [16, 1050]])


def test_two_subsets_are_averaged_run_by_run_and_missing_ones_left_out() -> None:
    found = measured_runs(TABLE)
    assert sorted(found) == ["FD002", "FD002 + FD004", "FD004"]
    methods, runs = found["FD002 + FD004"]
    assert methods == ["baseline", "gaba"]
    np.testing.assert_array_equal(runs, [[[20, 1400], [19, 1375]]])


def test_bars_are_one_standard_deviation_where_there_are_two_seeds() -> None:
    points = measured_points(measured_runs(TABLE))
    baseline = points["FD002"][0]
    assert (baseline["rmse"], baseline["nasa"]) == (16.0, 1000.0)
    assert baseline["rmse_high"] - baseline["rmse"] == pytest.approx(np.sqrt(2), abs=1e-3)
    assert points["FD004"][0]["rmse_low"] is None
    assert points["FD001"] == []


def test_an_empty_table_has_no_points() -> None:
    assert measured_runs(TABLE.iloc[:0]) == {}


def test_the_bands_of_the_source_come_from_a_weak_rival() -> None:
    points = reported_points()["FD002 + FD004"]
    both = [
        reigns([[point["rmse"], point["nasa"]] for point in points if point["main"] or everybody])
        for everybody in (False, True)
    ]
    order = [[points[reign.winner]["method"] for reign in chain] for chain in both]
    assert order == [["amnl", "gaba", "grace"]] * 2
    np.testing.assert_allclose([reign.end for reign in both[0]], [0.487, 0.820, 1], atol=5e-4)
    np.testing.assert_allclose([reign.end for reign in both[1]], [0.113, 0.379, 1], atol=5e-4)
    assert [end for _, _, end in REGIMES] == [0.15, 0.40, 1.0]


def test_a_point_is_named_and_drawn_as_the_table_of_methods_says() -> None:
    points = {point["method"]: point for point in reported_points()["FD002 + FD004"]}
    assert [name for name, point in points.items() if point["main"]] == [name for name in SQUARE if name in points]
    for name, point in points.items():
        one = CANDIDATES[name]
        assert (point["label"], point["color"]) == (one.label, one.look.color)
        assert (point["dash"], point["marker"], point["hollow"]) == (one.look.dash, one.look.marker, one.look.hollow)


@pytest.mark.browser
def test_preference_and_front(blank: Page) -> None:
    blank.evaluate(LOAD, RegimeChooser._esm)
    generator, grid = np.random.default_rng(0), RegimeChooser.controls()["w"].grid
    for methods in (1, 2, 3, 9):
        table = generator.integers(0, 30, size=(methods, 2)) / 4
        points = [{"rmse": rmse, "nasa": nasa} for rmse, nasa in table.tolist()]
        values, front = blank.evaluate(
            "([points, ws]) => [ws.map((w) => script.preference(points, w)), script.front(points)]", [points, grid]
        )
        np.testing.assert_allclose(values, [preference(table, w) for w in grid], atol=1e-14)
        assert front == pareto_front(table).tolist()
