"""Window, cap, thresholds and unit of time are said once, by the fleet, and reach everything made from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rulbook.data import Horizon, demo_fleet, prepare


def test_what_a_fleet_says_reaches_every_window():
    fleet = replace(demo_fleet(engines=6, test_engines=3), horizon=Horizon(20, 90.0, (60.0, 10.0), "flight"))
    data = prepare(fleet, seed=1)
    for part in (data.train, data.validation, data.test, data.test_all):
        assert (part.window, part.max_rul, part.thresholds) == (20, 90.0, (60.0, 10.0))
        assert part.rul.max() <= 90
        np.testing.assert_array_equal(part.health, np.where(part.true_rul > 60, 0, np.where(part.true_rul > 10, 1, 2)))
    assert data.horizon == fleet.horizon
    described = data.describe()
    assert (described["window"], described["max_rul"], described["thresholds"]) == (20, 90.0, [60.0, 10.0])


def test_an_argument_of_prepare_goes_before_the_fleet_and_leaves_the_rest():
    data = prepare(demo_fleet(engines=6, test_engines=3), max_rul=200, thresholds=(50, 15))
    assert data.horizon == Horizon(30, 200.0, (50.0, 15.0), "cycle")
    assert data.test.thresholds == (50.0, 15.0)


def test_a_horizon_comes_back_from_plain_values_and_refuses_others():
    horizon = Horizon(25, 110.0, (70.0, 20.0), "charge")
    assert Horizon.from_dict(horizon.to_dict()) == horizon
    for wrong, message in [
        ({"window": 0}, "window is 0: it must be a whole number of at least 1"),
        ({"max_rul": -1}, "max_rul is -1: it must be greater than 0"),
        ({"thresholds": (30, 80)}, r"thresholds is \(30, 80\): the first must be greater"),
        ({"time_unit": ""}, "time_unit is '': it must be a word"),
    ]:
        with pytest.raises(ValueError, match=message):
            Horizon(**wrong)
    with pytest.raises(ValueError, match="it must hold max_rul, thresholds, time_unit, window"):
        Horizon.from_dict({"window": 30})
