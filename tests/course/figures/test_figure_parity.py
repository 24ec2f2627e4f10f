"""What the scripts compute, rulbook computes too: JavaScript against Python over the whole grid of the controls."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from figure_pages import LOAD
from playwright.sync_api import Page
from scipy.special import erf

from rulbook.course.ch11.dead_output import BATCH_MEANS, OUTPUTS, answer_and_slope, output_path
from rulbook.course.ch12.equilibrium import equilibrium, toy_path
from rulbook.course.ch12.norm_scales import even_unit, modelled_norms
from rulbook.course.ch12.two_pulls import joint_cosines, tipping_cosine
from rulbook.course.ch13.expected_score import best_bias, expected_score
from rulbook.course.ch13.preference import late_weight, preference
from rulbook.course.ch14.gradient_density import NEAR, near_failure_share
from rulbook.course.ch14.gradient_spread import SIGMA, magnitude_quantile, mean_square_weight
from rulbook.course.ch17.task_weights import floored_weight, smoothed_weight, steps_until_floor
from rulbook.course.results import read_json
from rulbook.metrics import nasa_score, pareto_front
from rulbook.reference import failure_weights
from rulbook.widgets import (
    CostsToRegime,
    DeadOutput,
    Equilibrium,
    GradientDensity,
    GradientSpread,
    NormScales,
    RegimeChooser,
    ScoreOfErrors,
    TaskWeights,
    TwoPulls,
)

pytestmark = pytest.mark.browser

SUBSETS = read_json("rul_histograms")["subsets"]


def test_weights(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm)
    ceilings, rul = GradientDensity.controls()["w_max"].grid, [*range(126), 125.5, 200]
    computed = blank.evaluate("([ws, ys]) => ws.map((w) => ys.map((y) => script.weight(y, w, 125)))", [ceilings, rul])
    expected = [failure_weights(rul, w_max=w_max) for w_max in ceilings]
    np.testing.assert_allclose(computed, expected, rtol=1e-14)


def test_share_of_the_pull_near_failure(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm)
    ceilings = GradientDensity.controls()["w_max"].grid
    for name, kind in product(SUBSETS, ("rows", "windows")):
        counts = SUBSETS[name][kind]["counts"]
        computed = blank.evaluate(
            "([ws, counts, near]) => ws.map((w) => script.nearShare(counts, near, w))", [ceilings, counts, NEAR]
        )
        np.testing.assert_allclose(computed, [near_failure_share(counts, w_max) for w_max in ceilings], rtol=1e-12)


def test_erf(blank: Page) -> None:
    blank.evaluate(LOAD, GradientSpread._esm)
    x = np.linspace(0, 6, 601)
    np.testing.assert_allclose(blank.evaluate("(xs) => xs.map(script.erf)", x.tolist()), erf(x), atol=2e-7)


@pytest.mark.parametrize("subset", list(SUBSETS))
def test_spread_of_the_gradients(blank: Page, subset: str) -> None:
    blank.evaluate(LOAD, GradientSpread._esm)
    counts, ceilings = SUBSETS[subset]["windows"]["counts"], GradientSpread.controls()["w_max"].grid
    computed = blank.evaluate(
        """([ws, counts, sigma]) => ws.map((w) => [
             script.meanSquareWeight(counts, w),
             script.quantile(counts, 0.5, w, sigma),
             script.quantile(counts, 0.99, w, sigma),
           ])""",
        [ceilings, counts, SIGMA],
    )
    expected = [
        (mean_square_weight(counts, w), magnitude_quantile(counts, 0.5, w), magnitude_quantile(counts, 0.99, w))
        for w in ceilings
    ]
    # One decimal of a cycle is shown; the approximation of erf leaves three digits more.
    np.testing.assert_allclose(computed, expected, rtol=2e-5)


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


def test_mean_score_and_best_bias(blank: Page) -> None:
    blank.evaluate(LOAD, ScoreOfErrors._esm)
    controls = ScoreOfErrors.controls()
    biases, sigmas = controls["bias"].grid, controls["sigma"].grid
    computed = blank.evaluate(
        "([bs, ss]) => bs.map((b) => ss.map((s) => script.expectedScore(b, s)))", [biases, sigmas]
    )
    np.testing.assert_allclose(computed, [[expected_score(b, s) for s in sigmas] for b in biases], rtol=5e-6)
    best = blank.evaluate("(ss) => ss.map(script.bestBias)", sigmas)
    np.testing.assert_allclose(best, [best_bias(s) for s in sigmas], rtol=1e-5)
    errors = [-60.0, -13.0, -0.5, 0.0, 0.5, 10.0, 60.0]
    scored = blank.evaluate("(ds) => ds.map(script.score)", errors)
    np.testing.assert_allclose(scored, [nasa_score([d], [0]) for d in errors], rtol=1e-12)


def test_two_prices_and_the_winner_between_two_ends(blank: Page) -> None:
    blank.evaluate(LOAD, CostsToRegime._esm)
    late = CostsToRegime.controls()["cost_late"].grid
    early = CostsToRegime.controls()["cost_early"].grid[::8]
    computed = blank.evaluate("([ls, es]) => ls.map((l) => es.map((e) => script.lateWeight(l, e)))", [late, early])
    np.testing.assert_allclose(computed, [[late_weight(one, e) for e in early] for one in late], rtol=1e-15)
    pieces = [["A", "", 0, 0.4], ["B", "", 0.4, 1]]
    at = [0, 0.399, 0.401, 1]
    assert blank.evaluate("([p, ws]) => ws.map((w) => script.winnerAt(p, w))", [pieces, at]) == ["A", "A", "B", "B"]


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


def test_norm_scales(blank: Page) -> None:
    blank.evaluate(LOAD, NormScales._esm)
    controls, scales = NormScales.controls(), NormScales().tables()
    units, errors, sizes = ([*controls[name].grid][::step] for name, step in (("unit", 4), ("rmse", 3), ("size", 1)))
    probabilities = controls["p_true"].grid[::5]
    computed = blank.evaluate(
        """([us, rs, ps, ns, s]) =>
             us.map((u) => rs.map((r) => ps.map((p) => ns.map((n) => script.norms(u, r, p, n, s)))))""",
        [units, errors, probabilities, [10**size for size in sizes], scales],
    )
    expected = [
        [[[modelled_norms(u, r, p, 10**n) for n in sizes] for p in probabilities] for r in errors] for u in units
    ]
    np.testing.assert_allclose(computed, expected, rtol=1e-12)
    computed = blank.evaluate(
        "([rs, ps, s]) => rs.map((r) => ps.map((p) => script.evenUnit(r, p, s)))", [errors, probabilities, scales]
    )
    np.testing.assert_allclose(computed, [[even_unit(r, p) for p in probabilities] for r in errors], rtol=1e-12)


def test_two_pulls(blank: Page) -> None:
    blank.evaluate(LOAD, TwoPulls._esm)
    controls = TwoPulls.controls()
    angles, decades, weights = controls["angle"].grid[::3], controls["decades"].grid, controls["weight"].grid[::7]
    ratios = [10**d for d in decades]
    computed = blank.evaluate(
        "([as, rs, ws]) => as.map((a) => rs.map((r) => ws.map((w) => script.jointCosines(a, r, w))))",
        [angles, ratios, weights],
    )
    expected = [[[joint_cosines(a, r, w) for w in weights] for r in ratios] for a in angles]
    np.testing.assert_allclose(np.array(computed, dtype=float), expected, atol=1e-9)
    assert blank.evaluate("() => script.jointCosines(180, 1, 0.5).every(Number.isNaN)")
    computed = blank.evaluate(
        "([rs, ws]) => rs.map((r) => ws.map((w) => script.tippingCosine(r, w)))", [ratios, weights]
    )
    np.testing.assert_allclose(computed, [[tipping_cosine(r, w) for w in weights] for r in ratios], rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_equilibrium(blank: Page, optimizer: str) -> None:
    blank.evaluate(LOAD, Equilibrium._esm)
    controls = Equilibrium.controls()
    ratios, rates = ([10**d for d in controls[name].grid] for name in ("decades", "rate"))
    computed = blank.evaluate(
        "([ratios, rates, o]) => ratios.map((r) => rates.map((e) => script.toyPath(r, o, e, 200)))",
        [ratios, rates, optimizer],
    )
    for ratio, paths in zip(ratios, computed, strict=True):
        for rate, path in zip(rates, paths, strict=True):
            np.testing.assert_allclose(path, toy_path(ratio, optimizer, rate), rtol=1e-9, atol=1e-9)
    rest = blank.evaluate("(ratios) => ratios.map(script.equilibrium)", ratios)
    np.testing.assert_allclose(rest, [equilibrium(ratio) for ratio in ratios], rtol=1e-14)


def test_shown_numbers_are_written_as_python_writes_them(blank: Page) -> None:
    blank.evaluate(LOAD, GradientDensity._esm.replace("const fixed", "export const fixed"))
    values = np.random.default_rng(0).normal(scale=50, size=500).tolist()
    for digits in (0, 1, 2, 3):
        written = blank.evaluate("([xs, digits]) => xs.map((x) => script.fixed(x, digits))", [values, digits])
        assert written == [f"{value:.{digits}f}".replace("-", "−") for value in values]
