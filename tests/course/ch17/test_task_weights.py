"""The curve of the task weights is the weighting itself, run step by step."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch17.task_weights import TaskWeights, floored_weight, smoothed_weight, steps_until_floor


@pytest.mark.parametrize("form", ["clip", "affine"])
@pytest.mark.parametrize(
    ("ratio", "floor", "beta"), [(500, 0.05, 0.99), (20, 0.05, 0.95), (3, 0.25, 0.9), (1, 0.0, 0.9)]
)
def test_the_curve_of_task_weights_is_the_weighting_run_step_by_step(
    form: str, ratio: float, floor: float, beta: float
) -> None:
    torch = pytest.importorskip("torch")
    from rulbook.weighting import InverseGradient

    weighting = InverseGradient(beta=beta, floor=floor, warmup=0, eps=0, floor_form=form)
    norms = torch.tensor([ratio, 1.0], dtype=torch.float64)
    run = [weighting(norms)[0].item() for _ in range(600)]
    free = [smoothed_weight(n, ratio, beta) for n in range(1, 601)]
    np.testing.assert_allclose([floored_weight(weight, floor, form) for weight in free], run, rtol=1e-12)
    below = [n for n, weight in enumerate(free, start=1) if weight < floor]
    assert steps_until_floor(ratio, floor, beta) == (below[0] if below else None)


def test_the_title_on_the_floor_is_true() -> None:
    assert steps_until_floor(19, 0.05, 0.99) is None
    assert steps_until_floor(19.001, 0.05, 0.99) is not None
    assert steps_until_floor(500, 0.05, 0.99) == 233


@pytest.mark.browser
def test_task_weights(blank: Page) -> None:
    blank.evaluate(LOAD, TaskWeights._esm)
    controls = TaskWeights.controls()
    ratios, floors, betas = (controls[name].grid for name in ("ratio", "floor", "beta"))
    # The floor begins to act below 20; above, every fifth ratio says enough.
    ratios = ratios[:25] + ratios[25::5]
    assert blank.evaluate(
        "([rs, fs, bs]) => rs.map((r) => fs.map((f) => bs.map((b) => script.stepsUntilFloor(r, f, b))))",
        [ratios, floors, betas],
    ) == [[[steps_until_floor(r, f, b) for b in betas] for f in floors] for r in ratios]
    steps = [0, 1, 5, 69, 233, 700]
    computed = blank.evaluate(
        "([ns, rs, bs]) => ns.map((n) => rs.map((r) => bs.map((b) => script.smoothedWeight(n, r, b))))",
        [steps, ratios, betas],
    )
    expected = [[[smoothed_weight(n, r, b) for b in betas] for r in ratios] for n in steps]
    np.testing.assert_allclose(computed, expected, rtol=1e-12)
    weights = [0.0005, 0.01, 0.05, 0.2, 0.5]
    for form in ("clip", "affine"):
        computed = blank.evaluate(
            "([ws, fs, form]) => ws.map((w) => fs.map((f) => script.flooredWeight(w, f, form)))",
            [weights, floors, form],
        )
        expected = [[floored_weight(w, f, form) for f in floors] for w in weights]
        np.testing.assert_allclose(computed, expected, rtol=1e-14)
