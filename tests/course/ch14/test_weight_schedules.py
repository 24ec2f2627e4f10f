"""The table that the figure on shapes carries, and what its title says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rulbook import reference
from rulbook.course.ch14.schedules import CONSTRAINTS, SCHEDULES, broken_constraints
from rulbook.course.ch14.weight_schedules import WeightSchedules


def array(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(packed["float32"], dtype="<f4").reshape(packed["shape"])


def test_the_table_of_schedules_is_rulbooks_over_the_whole_grid() -> None:
    data = WeightSchedules()._data
    rul = np.arange(126)
    assert list(data["shapes"]) == list(SCHEDULES)
    for name, shape in data["shapes"].items():
        table = array(shape["weights"])
        for row, w_max in zip(table, WeightSchedules.controls()["w_max"].grid, strict=True):
            np.testing.assert_allclose(row, SCHEDULES[name](rul, 125, w_max), rtol=1e-6)
            # The figure draws the line on beyond the cap.
            assert SCHEDULES[name]([140], 125, w_max)[0] == pytest.approx(row[-1], rel=1e-6)
            assert broken_constraints(SCHEDULES[name], 125, w_max) == shape["broken"]
    np.testing.assert_allclose(array(data["shapes"]["linear"]["weights"])[2], reference.failure_weights(rul), rtol=1e-6)
    assert data["constraints"] == len(CONSTRAINTS)


def test_the_title_on_shapes_is_true() -> None:
    kept_all = [name for name, shape in WeightSchedules()._data["shapes"].items() if not shape["broken"]]
    assert kept_all == ["linear"]
