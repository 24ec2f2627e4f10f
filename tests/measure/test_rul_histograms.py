"""The committed labels: RUL histograms and caps, consistent in themselves and with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rulbook.course.ch14.gradient_spread import mean_square_weight
from rulbook.course.results import read_json
from rulbook.reference import failure_weights

SUBSETS: dict[str, Any] = read_json("rul_histograms")["subsets"]


@pytest.mark.parametrize(
    ("name", "engines", "rows", "windows", "mean_square"),
    [
        ("FD001", 100, 20_631, 17_731, 1.95),
        ("FD002", 260, 53_759, 46_219, 1.95),
        ("FD003", 100, 24_720, 21_820, 1.77),
        ("FD004", 249, 61_249, 54_028, 1.77),
    ],
)
def test_totals_and_mean_square_weight(name: str, engines: int, rows: int, windows: int, mean_square: float) -> None:
    one = SUBSETS[name]
    assert (one["engines"], one["rows"]["total"], one["windows"]["total"]) == (engines, rows, windows)
    assert rows - windows == 29 * engines
    assert sum(one["rows"]["counts"]) == rows
    assert sum(one["windows"]["counts"]) == windows
    assert round(mean_square_weight(one["windows"]["counts"], 2.0), 2) == pytest.approx(mean_square, abs=0.006)


@pytest.mark.parametrize("name", list(SUBSETS))
def test_every_engine_passes_every_rul_below_the_cap_once(name: str) -> None:
    assert SUBSETS[name]["rows"]["counts"][:125] == [SUBSETS[name]["engines"]] * 125


@pytest.mark.parametrize("kind", ["rows", "windows"])
@pytest.mark.parametrize("name", list(SUBSETS))
def test_the_stored_moments_give_those_of_the_weight(name: str, kind: str) -> None:
    one = SUBSETS[name][kind]
    share = np.array(one["counts"]) / one["total"]
    first, second = one["mean_nearness"], one["mean_square_nearness"]
    for w_max in (1.0, 2.0, 3.7):
        weights = failure_weights(np.arange(126), w_max=w_max)
        tilt = w_max - 1
        assert 1 + tilt * first == pytest.approx(share @ weights, abs=1e-5)
        assert 1 + 2 * tilt * first + tilt**2 * second == pytest.approx(share @ weights**2, abs=1e-4)


@pytest.mark.parametrize(("name", "one"), read_json("label_cap")["subsets"].items())
def test_what_lies_beyond_the_cap_bounds_the_least_rmse(name: str, one: dict[str, Any]) -> None:
    # Each engine above the cap is a cycle above it at least, one of them the largest; the others cost nothing.
    above, engines, farthest = one["above_cap"], one["engines"], one["largest_rul"] - 125
    assert 0 < above < engines
    low, high = (np.sqrt(total / engines) for total in (farthest**2 + above - 1, above * farthest**2))
    assert low <= one["least_rmse"] <= high
    assert one["from_70_to_90"] + above <= engines
