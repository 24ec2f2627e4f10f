"""The Python half of a figure: its traits refuse bad values, it prints the same everywhere, its tables are right."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from rulbook import reference
from rulbook.course.ch11.dead_output import BATCH_MEANS, answer_and_slope, output_path
from rulbook.course.ch11.pipeline import pipeline_table
from rulbook.course.ch12.equilibrium import equilibrium, toy_path
from rulbook.course.ch12.norm_scales import even_unit, modelled_norms
from rulbook.course.ch12.ratio_over_epochs import PLACES, UNITS, recorded_ratios
from rulbook.course.ch12.two_pulls import joint_cosines, tipping_cosine
from rulbook.course.ch14.gradient_density import near_failure_share
from rulbook.course.ch14.gradient_spread import magnitude_quantile, mean_square_weight
from rulbook.course.ch14.schedules import CONSTRAINTS, SCHEDULES, broken_constraints
from rulbook.course.ch17.task_weights import floored_weight, smoothed_weight, steps_until_floor
from rulbook.course.figures.figure import compose
from rulbook.widgets import (
    Choice,
    CostsToRegime,
    DeadOutput,
    Equilibrium,
    GradientDensity,
    GradientSpread,
    LiveFigure,
    NormScales,
    Pipeline,
    RatioOverEpochs,
    RegimeChooser,
    ScoreOfErrors,
    Several,
    Slider,
    Switch,
    TaskWeights,
    TwoPulls,
    WeightSchedules,
)

ALL = (
    GradientDensity,
    WeightSchedules,
    GradientSpread,
    TaskWeights,
    RegimeChooser,
    ScoreOfErrors,
    CostsToRegime,
    Pipeline,
    DeadOutput,
    NormScales,
    TwoPulls,
    RatioOverEpochs,
    Equilibrium,
)


def array(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(packed["float32"], dtype="<f4").reshape(packed["shape"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientDensity(w_max=9), "w_max is 9.0: it must lie between 1 and 5."),
        (lambda: GradientDensity(w_max=float("nan")), "w_max is nan: it must be a finite number."),
        (lambda: GradientDensity(w_max=2.05), "w_max is 2.05: it must lie on the grid from 1 to 5 in steps of 0.1."),
        (lambda: GradientDensity(rul=-1), "rul is -1.0: it must lie between 0 and 125."),
        (lambda: GradientDensity(subset="FD005"), "subset is 'FD005': it must be one of FD001, FD002, FD003, FD004."),
        (lambda: GradientDensity(samples="rows"), "samples is 'rows': it must be one of windows, cycles."),
        (
            lambda: GradientDensity(max_rul=130),
            "max_rul is no control of GradientDensity: it has w_max, rul, subset, s",
        ),
        (lambda: WeightSchedules(shapes=["cubic"]), "shapes is 'cubic': it must be one of linear, constant, "),
        (lambda: WeightSchedules(w_max=1), "w_max is 1.0: it must lie between 1.2 and 4.8."),
        (lambda: TaskWeights(floor=0.3), "floor is 0.3: it must lie between 0 and 0.25."),
        (lambda: Pipeline(block=8), "block is 8.0: it must lie between 1 and 7."),
        (lambda: Pipeline(preset="huge"), "preset is 'huge': it must be one of paper, compact."),
        (lambda: DeadOutput(output="tanh"), "output is 'tanh': it must be one of ReLU, softplus, nothing."),
        (lambda: TaskWeights(form="soft"), "form is 'soft': it must be one of clip, affine."),
        (lambda: RegimeChooser(subset="FD005"), "subset is 'FD005': it must be one of FD002 + FD004, FD001, "),
        (lambda: RegimeChooser(numbers="guessed"), "numbers is 'guessed': it must be one of reported, measured."),
        (lambda: ScoreOfErrors(sigma=0), "sigma is 0.0: it must lie between 1 and 30."),
        (lambda: CostsToRegime(cost_late=7), "cost_late is 7: it must lie on the grid from 5 to 1000 in steps of 5."),
        (lambda: NormScales(unit=0), "unit is 0.0: it must lie between 1 and 125."),
        (lambda: TwoPulls(angle=181), "angle is 181.0: it must lie between 0 and 180."),
        (
            lambda: RatioOverEpochs(place="head"),
            "place is 'head': it must be one of all shared parameters, last shared layer, representation, outputs of "
            "the heads.",
        ),
        (lambda: Equilibrium(optimizer="Adagrad"), "optimizer is 'Adagrad': it must be one of Adam, SGD."),
        (lambda: GradientSpread(w_max=10.1), "w_max is 10.1: it must lie between 1 and 10."),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence(make: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        make()
    assert message in str(refused.value)


def test_a_bad_value_set_later_is_refused_and_the_old_one_stays() -> None:
    figure = GradientDensity(w_max=3)
    with pytest.raises(ValueError, match="w_max is 0"):
        figure.w_max = 0
    with pytest.raises(traitlets.TraitError, match="'w_max'"):
        figure.w_max = "two"
    assert figure.w_max == 3.0


@given(st.sampled_from(GradientDensity.controls()["w_max"].grid))
def test_every_value_of_the_grid_is_taken_as_it_is_spelled(value: float) -> None:
    # 0.1 * 23 is 2.3000000000000003 in floating point.
    assert GradientDensity.controls()["w_max"].validate(None, 0.1 * round(10 * value)) == value
    assert f"{value}" == f"{value:.1f}"


def test_the_grid_is_what_the_input_steps_through() -> None:
    assert GradientDensity.controls()["w_max"].grid == [i / 10 for i in range(10, 51)]
    assert WeightSchedules.controls()["w_max"].grid == [1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0, 4.4, 4.8]
    assert GradientDensity.controls()["rul"].grid == list(range(126))


def test_several_keeps_the_order_of_its_choices_and_no_repeats() -> None:
    assert WeightSchedules(shapes=["step", "linear", "step"]).shapes == ["linear", "step"]


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (GradientDensity, "GradientDensity(w_max=2.0, rul=5.0, subset='FD001', samples='windows')"),
        (WeightSchedules, "WeightSchedules(shapes=['linear', 'exponential', 'step'], w_max=2.0, rul=30.0)"),
        (GradientSpread, "GradientSpread(w_max=2.0, subset='FD001')"),
        (TaskWeights, "TaskWeights(ratio=500.0, floor=0.05, beta=0.99, form='clip')"),
        (ScoreOfErrors, "ScoreOfErrors(bias=0.0, sigma=15.0)"),
        (CostsToRegime, "CostsToRegime(cost_late=100.0, cost_early=20.0, subset='FD002 + FD004')"),
        (RegimeChooser, "RegimeChooser(w=0.1, numbers='reported', subset='FD002 + FD004', everybody=False)"),
        (Pipeline, "Pipeline(block=3.0, preset='paper', features='14 sensors')"),
        (DeadOutput, "DeadOutput(output='ReLU', start=75.0, step=1.6)"),
        (NormScales, "NormScales(unit=1.0, rmse=20.0, p_true=0.8, size=4.0)"),
        (TwoPulls, "TwoPulls(angle=110.0, decades=0.6, weight=0.5)"),
        (RatioOverEpochs, "RatioOverEpochs(place='all shared parameters', unit='cycles', epoch=1.0)"),
        (Equilibrium, "Equilibrium(decades=1.0, optimizer='Adam', rate=-2.0)"),
    ],
)
def test_the_repr_is_the_call_that_makes_the_figure_again(figure: type[LiveFigure], text: str) -> None:
    assert repr(figure()) == text
    assert repr(eval(text)) == text


@pytest.mark.parametrize("figure", ALL)
def test_the_output_carries_a_view_a_picture_and_words(figure: type[LiveFigure]) -> None:
    shown = figure()
    bundle, _ = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.model_id
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert pixels.shape[0] > 300
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50
    assert len(figure.alt) > 100
    assert figure.hint


def test_the_picture_shows_the_present_state_and_leaves_matplotlib_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    assert GradientDensity(w_max=4).png() != GradientDensity(w_max=2).png()
    assert dict(mpl.rcParams) == before


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


@given(st.lists(st.integers(0, 500), min_size=40, max_size=200).filter(lambda n: sum(n) > 0), st.floats(1, 10))
def test_the_share_near_failure_grows_with_the_weight(counts: list[int], w_max: float) -> None:
    plain = sum(counts[:31]) / sum(counts)
    share = near_failure_share(counts, w_max)
    assert plain - 1e-12 <= share <= min(1.0, w_max * plain) + 1e-12
    assert near_failure_share(counts, 1.0) == pytest.approx(plain)


def test_quantiles_agree_with_a_simulation() -> None:
    generator = np.random.default_rng(0)
    counts = np.array([5] * 60 + [300])
    rul = generator.choice(61, size=400_000, p=counts / counts.sum())
    weights = reference.failure_weights(rul, max_rul=60, w_max=4)
    pull = np.abs(2 * weights * generator.normal(0, 7, size=len(rul)))
    for q in (0.1, 0.5, 0.99):
        assert magnitude_quantile(counts, q, 4, sigma=7) == pytest.approx(np.quantile(pull, q), rel=0.01)
    assert mean_square_weight(counts, 4) == pytest.approx(np.mean(weights**2), rel=0.01)


def test_quantiles_of_the_plain_loss_are_those_of_a_half_normal() -> None:
    assert magnitude_quantile([1] * 126, 0.5, 1, sigma=0.5) == pytest.approx(0.6744897501960817)
    assert magnitude_quantile([1] * 126, 0.99, 1, sigma=0.5) == pytest.approx(2.5758293035489004)
    with pytest.raises(ValueError, match="q is 1"):
        magnitude_quantile([1] * 126, 1.0, 1)


def test_mean_square_weight_nears_the_uniform_formula_on_a_fine_grid() -> None:
    for w_max in (1.0, 2.0, 5.0):
        assert mean_square_weight(np.ones(100_001), w_max) == pytest.approx((1 + w_max + w_max**2) / 3, rel=1e-4)


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


@pytest.mark.parametrize("features", [14, 17])
@pytest.mark.parametrize("preset", ["paper", "compact"])
def test_the_pipeline_is_the_network(preset: str, features: int) -> None:
    from rulbook.model import DualTaskModel, parameter_counts

    table = pipeline_table(preset, features)
    counts = parameter_counts(DualTaskModel(features, preset))
    assert [block["parameters"] for block in table["blocks"]] == [0, *list(counts.values())[:-1]]
    assert table["total"] == counts["total"]
    blocks = {block["name"]: block for block in table["blocks"]}
    assert blocks["window"]["gives"] == [30, features]
    assert blocks["funnel"]["gives"] == blocks["RUL head"]["takes"] == blocks["health head"]["takes"] == [32]
    assert (blocks["RUL head"]["gives"], blocks["health head"]["gives"]) == ([1], [3])


def test_what_the_pipelines_title_and_alt_say_is_true() -> None:
    blocks = pipeline_table("paper", 14)["blocks"]
    numbers = [int(np.prod(block["gives"])) for block in blocks]
    assert numbers == [420, 1920, 15360, 512, 32, 1, 3]
    share = [block["parameters"] / pipeline_table("paper", 14)["total"] for block in blocks]
    assert round(100 * share[2]) == 64
    assert share[5] + share[6] < 0.002
    for preset in ("paper", "compact"):
        table = pipeline_table(preset, 17)
        numbers = [int(np.prod(block["gives"])) for block in table["blocks"]]
        assert np.argmax(numbers) == 2
        assert table["blocks"][2]["parameters"] > table["total"] / 2


def test_the_dead_output_opens_dead_and_dies_of_no_short_step() -> None:
    path = output_path("ReLU", 75, 1.6)
    assert path[11] > 0
    assert set(path[12:]) == {0.0}
    assert min(output_path("nothing", 75, 1.6)) > -5
    assert all(output_path("ReLU", 75, step)[-1] > 0 for step in DeadOutput.controls()["step"].grid if step <= 1.5)
    assert all(set(output_path("ReLU", -10, step)) == {0.0} for step in DeadOutput.controls()["step"].grid)
    assert len(BATCH_MEANS) == 24


def test_every_path_of_the_dead_output_stays_on_its_panel() -> None:
    starts, steps = (DeadOutput.controls()[name].grid for name in ("start", "step"))
    paths = [output_path(output, a, s) for output in ("ReLU", "softplus", "nothing") for a in starts for s in steps]
    low, high = np.min(paths), np.max(paths)
    assert "domain: [-150, 370]" in DeadOutput._esm
    assert -150 < low < -100
    assert 300 < high < 370


@given(st.sampled_from(["ReLU", "softplus", "nothing"]), st.floats(-30, 30))
def test_the_slope_of_an_output_is_its_derivative(output: str, a: float) -> None:
    step = 1e-5
    if output == "ReLU" and abs(a) < 2 * step:
        return
    (above, _), (below, _) = answer_and_slope(output, a + step), answer_and_slope(output, a - step)
    assert answer_and_slope(output, a)[1] == pytest.approx((above - below) / (2 * step), abs=1e-6)


@given(st.floats(0, 180), st.floats(0.1, 1000), st.floats(0.01, 0.99))
def test_the_cosines_of_a_sum_are_those_of_two_vectors(angle: float, ratio: float, weight: float) -> None:
    turn = np.radians(angle)
    first, second = ratio * np.array([1.0, 0.0]), np.array([np.cos(turn), np.sin(turn)])
    joint = weight * first + (1 - weight) * second
    if np.linalg.norm(joint) < 1e-3:
        return
    expected = [joint @ g / np.linalg.norm(joint) / np.linalg.norm(g) for g in (first, second)]
    np.testing.assert_allclose(joint_cosines(angle, ratio, weight), expected, atol=1e-6)
    edge = tipping_cosine(ratio, weight)
    if abs(np.cos(turn) - edge) > 1e-6:
        assert (joint @ second < 0) == (np.cos(turn) < edge)


def test_two_gradients_that_cancel_have_no_cosine() -> None:
    assert np.isnan(joint_cosines(180, 1, 0.5)).all()


def test_the_model_of_norms_is_what_the_losses_send_back() -> None:
    generator = np.random.default_rng(0)
    pred, target = generator.normal(60, 20, size=(2, 256))
    rmse, p = float(np.sqrt(np.mean((pred - target) ** 2))), 0.7
    logits = np.log(np.where(np.eye(3)[generator.integers(0, 3, 256)] == 1, p, (1 - p) / 2))
    at_rul = reference.uniform_mse(pred / 5, target / 5)[1]
    at_health = reference.softmax_cross_entropy(logits, logits.argmax(axis=1))[1]
    rul, health = modelled_norms(5.0, rmse, p, 1.0)
    # The RUL slope is 10 cycles, which is 2 units of 5.
    assert rul == pytest.approx(2 * np.linalg.norm(at_rul))
    assert health == pytest.approx(np.linalg.norm(at_health))
    assert modelled_norms(even_unit(rmse, p), rmse, p, 1.0)[0] == pytest.approx(health)
    # What the title says of the number of parameters.
    assert np.divide(*modelled_norms(5.0, rmse, p, 1e6)) == pytest.approx(rul / health)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_toy_walks_as_the_optimisers_of_torch_do(optimizer: str) -> None:
    torch = pytest.importorskip("torch")
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    walker, path = getattr(torch.optim, optimizer)([theta], lr=0.02), [0.0]
    for _ in range(150):
        walker.zero_grad()
        (0.5 * 7 * (theta - 1) ** 2 + 0.5 * (theta + 1) ** 2).backward()
        walker.step()
        path.append(theta.item())
    np.testing.assert_allclose(toy_path(7, optimizer, 0.02, 150), path, rtol=1e-9, atol=1e-12)
    assert path[-1] == pytest.approx(equilibrium(7), abs=0.01)


def test_a_path_that_runs_away_ends_there() -> None:
    path = toy_path(100, "SGD", 0.1)
    assert abs(path[-1]) > 10
    assert len(path) < 20


def test_the_title_on_recorded_ratios_is_true() -> None:
    cycles, lives = (recorded_ratios("all shared parameters", unit)[:, 3] for unit in UNITS)
    places = [recorded_ratios(place, "cycles")[:, 3] for place in PLACES]
    moved_by_training, moved_by_place = cycles.max() / cycles.min(), np.max(places, axis=0) / np.min(places, axis=0)
    assert moved_by_training > 10
    assert moved_by_place.max() > 2
    assert (cycles / lives).min() > max(moved_by_training, moved_by_place.max())


def test_a_script_without_its_one_import_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "own.js"
    script.write_text("export default { render() {} };\n")
    with pytest.raises(ValueError, match=r"own\.js must have exactly one import"):
        compose(script)


def test_what_is_sent_has_no_import_and_no_comment() -> None:
    for figure in ALL:
        assert "import " not in figure._esm
        assert "\n//" not in figure._esm
        assert figure._esm.count("export default") == 1


def test_a_figure_without_a_picture_says_so() -> None:
    class Bare(LiveFigure):
        level = Slider(1, low=0, high=2, step=0.5, label="Level")
        mode = Choice("a", ["a", "b"], label="Mode")
        parts = Several(["x"], ["x", "y"], label="Parts")
        on = Switch(True, label="On")
        title = alt = "bare"

    assert repr(Bare(on=False)) == "Bare(level=1.0, mode='a', parts=['x'], on=False)"
    with pytest.raises(NotImplementedError, match="Bare has no picture"):
        Bare().png()


def test_importing_the_figures_does_not_import_torch() -> None:
    code = "import rulbook.widgets, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
