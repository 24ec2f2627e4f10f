"""The script of the figure on two prices against the preference."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch13.costs_to_regime import CostsToRegime
from rulbook.course.ch13.preference import late_weight


@pytest.mark.browser
def test_two_prices_and_the_winner_between_two_ends(blank: Page) -> None:
    blank.evaluate(LOAD, CostsToRegime._esm)
    late = CostsToRegime.controls()["cost_late"].grid
    early = CostsToRegime.controls()["cost_early"].grid[::8]
    computed = blank.evaluate("([ls, es]) => ls.map((l) => es.map((e) => script.lateWeight(l, e)))", [late, early])
    np.testing.assert_allclose(computed, [[late_weight(one, e) for e in early] for one in late], rtol=1e-15)
    pieces = [["A", "", 0, 0.4], ["B", "", 0.4, 1]]
    at = [0, 0.399, 0.401, 1]
    assert blank.evaluate("([p, ws]) => ws.map((w) => script.winnerAt(p, w))", [pieces, at]) == ["A", "A", "B", "B"]
