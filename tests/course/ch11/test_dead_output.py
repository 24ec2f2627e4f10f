"""The paths of one output unit: its slope is a derivative, and what the title says of them is true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch11.dead_output import BATCH_MEANS, OUTPUTS, DeadOutput, answer_and_slope, output_path


def test_the_dead_output_opens_dead_and_dies_of_no_short_step() -> None:
    path = output_path("ReLU", 75, 1.6)
    assert path[11] > 0
    assert set(path[12:]) == {0.0}
    assert min(output_path("nothing", 75, 1.6)) > -5
    assert all(output_path("ReLU", 75, step)[-1] > 0 for step in DeadOutput.controls()["step"].grid if step <= 1.5)
    assert all(set(output_path("ReLU", -10, step)) == {0.0} for step in DeadOutput.controls()["step"].grid)
    assert len(BATCH_MEANS) == 24


@given(st.sampled_from(["ReLU", "softplus", "nothing"]), st.floats(-30, 30))
def test_the_slope_of_an_output_is_its_derivative(output: str, a: float) -> None:
    step = 1e-5
    if output == "ReLU" and abs(a) < 2 * step:
        return
    (above, _), (below, _) = answer_and_slope(output, a + step), answer_and_slope(output, a - step)
    assert answer_and_slope(output, a)[1] == pytest.approx((above - below) / (2 * step), abs=1e-6)


@pytest.mark.browser
@pytest.mark.parametrize("output", OUTPUTS)
def test_paths_of_the_dead_output(blank: Page, output: str) -> None:
    blank.evaluate(LOAD, DeadOutput._esm)
    values = np.linspace(-60, 60, 241).tolist()
    computed = blank.evaluate(
        "([output, values]) => values.map((a) => script.answerAndSlope(output, a))", [output, values]
    )
    np.testing.assert_allclose(computed, [answer_and_slope(output, a) for a in values], rtol=1e-12)
    starts, steps = (DeadOutput.controls()[name].grid for name in ("start", "step"))
    computed = blank.evaluate(
        "([o, as, ss, ms]) => as.map((a) => ss.map((s) => script.outputPath(o, a, s, ms)))",
        [output, starts, steps, list(BATCH_MEANS)],
    )
    expected = [[output_path(output, start, step) for step in steps] for start in starts]
    # Long steps magnify the last digit of exp(): a tenth of a cycle is shown.
    np.testing.assert_allclose(computed, expected, rtol=1e-6, atol=1e-4)
