"""Exercises for chapter 14, 14.5 to 14.8: four bugs to find.

``book/exercises/14-failure-biased-mse.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import (
    Function,
    close,
    expect,
    function,
    is_number,
    row,
    show,
    slip,
    slopes,
    vector,
)
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.course.exercises._samples import CAP, SIX_ENGINES, batch
from rulbook.reference import amnl_weighted_mse

forgetful_mean = Exercise(
    "14.5",
    "the mean that forgets what kind of batch it saw",
    function("batch_loss(pred, target, max_rul)"),
    "Divide by the number of engines, never by the sum of their weights.",
)
_HEALTHY, _CRITICAL = np.array([130.0, 150.0, 160.0, 180.0]), np.array([0.0, 5.0, 10.0, 20.0])


@forgetful_mean.requires("a batch near failure costs more than a healthy one with the same errors")
def _(batch_loss: Function) -> None:
    healthy = batch_loss.number(_HEALTHY + 10, _HEALTHY, CAP)
    critical = batch_loss.number(_CRITICAL + 10, _CRITICAL, CAP)
    mixed, errors = np.array([0.0, 120.0]), np.array([2.0, 10.0])
    if close(batch_loss.number(mixed + errors, mixed, CAP), np.mean(errors**2)):
        hint = "That is the plain MSE: no weight is left in it."
    elif close(critical, healthy):
        hint = "Multiply every weight by 3 and the 3 cancels. So does everything else the weights of a batch share."
    elif critical < healthy:
        hint = "Measured against the largest weight of its batch, no engine counts more than 1. Keep the weights."
    else:
        return
    near = show(critical, healthy)
    raise Miss(f"four healthy engines cost {show(healthy, critical)}, four near failure {near}", hint)


@forgetful_mean.requires("where every weight is 1, it is the plain MSE")
def _(batch_loss: Function) -> None:
    errors = np.array([1.0, -2.0, 3.0, -4.0])
    slips = {30.0: "You took the sum. It grows with the batch, so the learning rate would depend on the batch size."}
    hint = "Put four engines beyond the cap in by hand: all weights are 1, the errors 1, -2, 3, -4."
    is_number(batch_loss.number(_HEALTHY + errors, _HEALTHY, CAP), 7.5, "the loss of four healthy engines", hint, slips)


@forgetful_mean.requires("how hard an engine pulls does not depend on the other engines in the batch")
def _(batch_loss: Function) -> None:
    def pull(others: Array) -> float:
        target = np.concatenate([[50.0], others])
        return float(slopes(lambda pred: batch_loss.number(pred, target, CAP), target + 10.0, 1.0)[0])

    among_healthy, among_critical = pull(_HEALTHY), pull(_CRITICAL)
    expect(
        close(among_healthy, among_critical, 1e-4),
        f"one engine at RUL 50 pulls {show(among_healthy, among_critical)} among healthy engines, "
        f"{show(among_critical, among_healthy)} among engines near failure",
        "Something that belongs to the whole batch multiplies the errors. Each error must meet its own weight only.",
    )


@forgetful_mean.requires("an engine that fails now pulls twice as hard as one at the cap")
def _(batch_loss: Function) -> None:
    target = np.array([0.0, CAP])
    now, at_cap = slopes(lambda pred: batch_loss.number(pred, target, CAP), target + 10.0, 1.0)
    hint = "Use each weight as it is, to the first power. A power or a root changes what w_max means."
    is_number(now / at_cap if at_cap else 0.0, 2.0, "the ratio of the two pulls", hint, tolerance=1e-4)


@forgetful_mean.requires("it is right for any batch and any cap")
def _(batch_loss: Function) -> None:
    for seed, size, cap in ((1, 6, 125.0), (2, 9, 60.0), (3, 4, 180.0)):
        pred, target = batch(seed, size=size)
        wanted = amnl_weighted_mse(pred, target, cap)[0]
        got = batch_loss.number(pred, target, cap)
        hint = "Is there a 125 in the body of your function? The cap comes in as `max_rul`."
        is_number(got, wanted, f"with a cap of {cap:g} the loss of {size} engines", hint)


missing_floor = Exercise(
    "14.6",
    "a loss below zero",
    vector,
    "Each step of training drives this prediction further from the truth, and the loss calls it progress.",
)


@missing_floor.requires("an engine: a true RUL and a predicted one, neither below zero")
def _(engine: Array) -> None:
    expect(engine.size == 2, f"{engine.size} numbers came", "Hand over two: `(true_rul, predicted_rul)`.")
    expect(
        engine.min() >= 0,
        f"{show(engine.min())} is below zero",
        "No engine has fewer than 0 cycles left. Look upwards.",
    )


@missing_floor.requires("the loss of this engine is negative")
def _(engine: Array) -> None:
    true_rul, predicted_rul = _two(engine)
    weight = 2.0 - true_rul / CAP
    loss = weight * (predicted_rul - true_rul) ** 2
    if loss < 0:
        return
    if true_rul == predicted_rul:
        hint = "The prediction is perfect, and 0 times any weight is 0. Make an error."
    elif weight >= 1:
        hint = f"The weight is read from the true RUL. It is {true_rul:g} here, where the formula still does its job."
    elif weight > 0:
        hint = f"The weight is {show(weight, 1, 0)}: below 1 already, but not yet negative. Go further."
    else:
        hint = "Here the weight is exactly 0: the engine is invisible. One cycle further, and it does harm."
    raise Miss(f"the loss of this engine is {show(loss)}", hint)


@missing_floor.requires("a step of gradient descent makes the error larger")
def _(engine: Array) -> None:
    true_rul, predicted_rul = _two(engine)
    error = predicted_rul - true_rul
    after = error - 0.1 * 2.0 * (2.0 - true_rul / CAP) * error
    expect(
        abs(after) > abs(error),
        f"a step of 0.1 takes the error from {show(error, after)} to {show(after, error)}",
        "Downhill must lead away from the truth: the weight has to be negative and the error other than 0.",
    )


learned_slope = Exercise(
    "14.7",
    "weights that learn to look away",
    function("step(slope, pred, target, lr, max_rul)"),
    "No batch of data can ever push this slope up. Left to the optimiser, the emphasis on failure is trained away.",
)
_SLOPE, _LR = 1.0, 1e-3


def _moved(
    step: Function, pred: Array, target: Array, slope: float = _SLOPE, lr: float = _LR, max_rul: float = CAP
) -> float:
    returned = vector(step(slope, pred, target, lr, max_rul))
    expect(returned.size == 1, f"{returned.size} numbers came back", "All engines share one slope. Take the mean.")
    return float(returned[0]) - slope


@learned_slope.requires("a batch predicted perfectly leaves the slope alone")
def _(step: Function) -> None:
    moved = _moved(step, SIX_ENGINES, SIX_ENGINES)
    hint = "Where is the squared error?"
    if close(moved, -_SLOPE):
        hint = "You returned the change. The slope after the step is wanted: where it was, and the change."
    expect(close(moved, 0.0), f"without any error the slope moved by {show(moved)}", hint)


@learned_slope.requires("engines at the cap leave it alone, whatever their error")
def _(step: Function) -> None:
    target = np.full(4, CAP)
    expect(
        close(_moved(step, target + 20.0, target), 0.0),
        "engines at the cap moved the slope",
        "In 1 + a n the slope a meets the nearness n = clip(1 - y / max_rul, 0, 1), which is 0 at the cap.",
    )


@learned_slope.requires("any error below the cap makes the slope smaller")
def _(step: Function) -> None:
    target = np.array([5.0, 20.0, 50.0, 90.0])
    late, early = _moved(step, target + 10.0, target), _moved(step, target - 5.0, target)
    if late < 0 and early < 0:
        return
    if late > 0 and early > 0:
        hint = "Your step climbs. Descent subtracts the derivative."
    elif late * early < 0:
        hint = "Late and early predictions move the slope in opposite directions. Is the error squared in your loss?"
    else:
        hint = "An error came in and nothing moved. Differentiate the loss by a, and step against the derivative."
    raise Miss(f"late predictions moved it by {show(late)}, early ones by {show(early)}", hint)


@learned_slope.requires("the step is the learning rate times the slope of the loss, by central differences")
def _(step: Function) -> None:
    pred, target = batch(7, size=8)

    def loss(slope: float) -> float:
        return float(np.mean((1.0 + slope * np.clip(1.0 - target / CAP, 0.0, 1.0)) * (pred - target) ** 2))

    wanted = -_LR * (loss(_SLOPE + 1e-3) - loss(_SLOPE - 1e-3)) / 2e-3
    got = _moved(step, pred, target)
    slips = {
        8.0: "It is 8 times too large, and there are 8 engines. The loss is a mean over them.",
        2.0: "It is twice too large. The error is squared, but you differentiate by the slope, not by the prediction.",
    }
    expect(
        close(got, wanted, 1e-5),
        f"the step is {show(got / wanted, 1)} times what it should be",
        slip(got / wanted, slips, "Differentiate mean((1 + a n) r²) by a, with n and r fixed."),
    )


@learned_slope.requires("a second step starts from where the first one ended, at any rate and any cap")
def _(step: Function) -> None:
    for seed, slope, lr, cap in ((1, 0.4, 1e-3, 125.0), (2, -0.7, 5e-3, 60.0), (3, 2.5, 2e-4, 180.0)):
        pred, target = batch(seed, size=5 + seed)
        nearness = np.clip(1.0 - target / cap, 0.0, 1.0)
        wanted = slope - lr * float(np.mean(nearness * (pred - target) ** 2))
        got = vector(step(slope, pred, target, lr, cap))
        expect(got.size == 1, f"{got.size} numbers came back", "All engines share one slope. Take the mean.")
        what = f"from a slope of {slope:g}, at a rate of {lr:g} and a cap of {cap:g}, the slope after the step"
        is_number(float(got[0]), wanted, what, "Slope, rate and cap come in as arguments. Are all three in use?")


broadcast = Exercise(
    "14.8",
    "perfect predictions, and a loss of 3,333",
    function("mse(pred, target)"),
    "`rulbook.losses.moderate_weighted_mse_loss` does the same two things: flatten both, then compare their lengths.",
)


def _shapes(pred: Array, target: Array) -> list[tuple[Array, Array]]:
    return [(p, t) for p in (pred, pred[:, None]) for t in (target, target[:, None])]


@broadcast.requires("(N,) against (N,) is the plain mean squared error")
def _(mse: Function) -> None:
    for seed in (8, 18):
        _expect_plain(mse, *batch(seed, size=6))


def _expect_plain(mse: Function, pred: Array, target: Array) -> None:
    hint = "Write the six squared errors down, and take their mean. Keep the two vectors flat."
    is_number(mse.number(pred, target), float(np.mean((pred - target) ** 2)), "the loss of six engines", hint)


@broadcast.requires("perfect predictions cost nothing, whatever the shapes")
def _(mse: Function) -> None:
    target = np.array([0.0, 50.0, 100.0])
    for pred, true in _shapes(target, target):
        got = mse.number(pred, true)
        expect(
            close(got, 0.0),
            f"perfect predictions of shape {pred.shape} against {true.shape} cost {show(got)}",
            "Print `(pred - target).shape`. Every prediction is compared with every target; bring both to one shape.",
        )


@broadcast.requires("all four mixes of (N,) and (N, 1) give one value")
def _(mse: Function) -> None:
    pred, target = batch(9, size=7)
    values = [mse.number(p, t) for p, t in _shapes(pred, target)]
    expect(close(values, values[0]), f"they give {row(values, *values)}", "Flatten both before you subtract.")


@broadcast.requires("two batches of different lengths are refused with a ValueError")
def _(mse: Function) -> None:
    three, one = np.array([10.0, 20.0, 30.0]), np.array([10.0])
    for pred, target, seen in (
        (three, one, "three predictions for one target"),
        (one, three, "one prediction for three targets"),
        (three[:, None], one[:, None], "three predictions for one target, in columns,"),
    ):
        _expect_value_error(mse, pred, target, seen)


def _expect_value_error(mse: Function, pred: Array, target: Array, what: str) -> None:
    error = mse.refusal(pred, target, kind=ValueError)
    if isinstance(error, ValueError):
        return
    if error is not None:
        kind = type(error).__name__
        hint = "Who calls it will look for a `ValueError`, as agreed: `raise ValueError(...)`."
        if isinstance(error, AssertionError):
            hint += " An `assert` is gone when Python runs with -O."
        raise Miss(f"{what} are refused with {'an' if kind[0] in 'AEIOU' else 'a'} {kind}", hint)
    got = mse.number(pred, target)
    if close(got, 0.0):
        hint = "Two predictions were dropped in silence: `zip` stops at the shorter one. Something upstream is wrong."
    else:
        hint = (
            "The one target was stretched over all three. Compare the lengths, and raise a ValueError if they differ."
        )
    raise Miss(f"{what} cost {show(got)}, without a word", hint)


def _two(engine: Array) -> tuple[float, float]:
    if engine.size != 2:
        raise Miss("there is no engine to try", "")
    return float(engine[0]), float(engine[1])
