"""Exercises for chapter 14, 14.1 to 14.4: the weight and its gradient.

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
    number,
    row,
    show,
    slip,
    slopes,
)
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.course.exercises._samples import CAP, SIX_ENGINES, batch
from rulbook.reference import amnl_weighted_mse, failure_weights

guess = Exercise(
    "14.1",
    "a weight to guess",
    number,
    "Two fifths of the cap are left, so the weight has climbed three fifths of the way from 1 to 2.",
)


@guess.requires("it lies between the weight at the cap and the weight at failure")
def _(weight: float) -> None:
    if close(weight, 0.6, 1e-3):
        hint = "0.6 is how far the weight has climbed. From which value does it start to climb, at the cap?"
    elif close(weight, 0.4, 1e-3):
        hint = "0.4 is the share of life that is left. The weight grows with the share that is gone."
    else:
        hint = "An engine at the cap weighs 1, an engine at failure 2. Where must all others be?"
    expect(1.0 <= weight <= 2.0, f"{show(weight, 1, 2)} lies outside of 1 to 2", hint)


@guess.requires("it is the height of the straight line at RUL 50")
def _(weight: float) -> None:
    slips = {
        1.4: "Your line climbs as life grows longer. Which of the two engines should weigh more?",
        1.5: "That is the weight halfway. Half of the cap is 62.5 cycles; this engine has fewer left.",
    }
    hint = "Two points fix the line: 1 at RUL 125, 2 at RUL 0. What share of the 125 cycles has gone by at RUL 50?"
    expect(close(weight, 1.6, 1e-3), f"{show(weight)} is not on the line at RUL 50", slip(weight, slips, hint))


break_even = Exercise(
    "14.2",
    "how much error outweighs a weight",
    number,
    "The weight can never do more than double a pull. A residual can do that with ease.",
)


@break_even.requires("the healthy engine needs the larger error")
def _(late: float) -> None:
    slips = {
        10.0: "With equal errors the pulls are equal only under plain MSE. Here the failing engine has weight 1.96.",
        10 / 1.96: "The ratio stands on its head: the engine with the small weight needs the large error.",
    }
    hint = "The healthy engine has the smaller weight. What must make up for it?"
    expect(late > 10.0 + 1e-9, f"{show(late, 10)} cycles late is no more than 10", slip(late, slips, hint))


@break_even.requires("both engines pull equally hard")
def _(late: float) -> None:
    slips = {
        14.0: "At 14 cycles both engines add the same to the loss, w r². The pull is the slope, 2 w r / B.",
        20.0: "You used the weight at RUL 0. This engine has 5 cycles left.",
        38.416: "The weight enters the gradient once. Your answer has it squared.",
    }
    hint = "Write down |dL/dŷ| for both engines and set the two equal. The factor 2 / B is the same on both sides."
    expect(
        close(late, 19.6, 3e-3),
        f"at {show(late)} cycles the healthy engine pulls {show(late / 19.6, 1)} times as hard as the failing one",
        slip(late, slips, hint),
    )


weight_function = Exercise(
    "14.3",
    "the weight of every engine",
    function("weights(target, max_rul)", elementwise=True),
    "`rulbook.reference.failure_weights` computes the same, for any w_max.",
)


@weight_function.requires("weight at the cap is 1")
def _(weights: Function) -> None:
    slips = {
        0.0: "The clipped term vanishes at the cap, as it should. What stands before it in the formula?",
        2.0: "Your weight grows with the life that is left. Swap the ends of the line.",
    }
    is_number(
        weights.array(np.array([CAP]), CAP)[0], 1.0, "weight at the cap", "Put target = max_rul in by hand.", slips
    )


@weight_function.requires("weight at failure is 2")
def _(weights: Function) -> None:
    is_number(
        weights.array(np.array([0.0]), CAP)[0], 2.0, "weight at failure", "Put target = 0 into your formula by hand."
    )


@weight_function.requires("weight beyond the cap stays 1")
def _(weights: Function) -> None:
    beyond = np.array([200.0, 126.0, 400.0])
    got = weights.array(beyond, CAP)
    for rul, weight in zip(beyond, got, strict=True):
        if close(weight, 1.0):
            continue
        if close(got[2], 0.0):
            hint = "Something stops your weight at 0. Which term has to be held at 0 or above: the whole, or a part?"
        else:
            hint = "Your line goes on falling beyond the cap. What does the clip do where target exceeds max_rul?"
        raise Miss(f"weight at RUL {rul:g} is {show(weight, 1)}, expected 1", hint)
    got = weights.array(np.array([61.0, 90.0, 130.0]), 60.0)
    seen = f"with a cap of 60, RUL 61, 90, 130 weigh {row(got, 1)}, expected 1"
    hint = "Is there a 125 in the body of your function? The cap comes in as `max_rul`."
    expect(close(got, 1.0), seen, hint)


@weight_function.requires("less life left never weighs less")
def _(weights: Function) -> None:
    rul = np.sort(np.random.default_rng(3).uniform(0, 250, 60))
    rise = np.diff(weights.array(rul, CAP))
    worst = int(rise.argmax())
    expect(
        rise[worst] <= 1e-9,
        f"from RUL {rul[worst]:.0f} to {rul[worst + 1]:.0f} the weight grows",
        "Plot your weights over RUL from 0 to 250. The curve must never go up.",
    )


@weight_function.requires("the cap is an argument: twice the cap stretches the line to twice the length")
def _(weights: Function) -> None:
    rul = np.array([0.0, 30.0, 60.0, 120.0])
    expect(
        close(weights.array(2 * rul, 2 * CAP), weights.array(rul, CAP)),
        "with a cap of 250 the weights are not those of 125 at half the RUL",
        "Is there a 125 in the body of your function? The cap comes in as `max_rul`.",
    )


@weight_function.requires("the line between is straight")
def _(weights: Function) -> None:
    rul = np.random.default_rng(14).uniform(0, CAP, 40)
    got, wanted = weights.array(rul, CAP), failure_weights(rul)
    worst = int(np.abs(got - wanted).argmax())
    expect(
        close(got, wanted),
        f"weight at RUL {show(rul[worst])} is {show(got[worst], wanted[worst])}, "
        f"expected {show(wanted[worst], got[worst])}",
        "Both ends are right and the way between is bent. Each lost cycle must add the same weight.",
    )
    rul = np.array([10.0, 25.0, 44.0, 59.0])
    got, wanted = weights.array(rul, 60.0), failure_weights(rul, 60.0)
    seen = f"with a cap of 60, RUL {row(rul)} weigh {row(got, *wanted)}, expected {row(wanted, *got)}"
    expect(close(got, wanted), seen, "The line belongs to the cap that comes in.")


gradient = Exercise(
    "14.4",
    "the gradient by hand",
    function("weighted_mse(pred, target, max_rul)"),
    "Loss and gradient are those of `rulbook.reference.amnl_weighted_mse`.",
)


def _hint_for_100(weighted_mse: Function) -> str:
    """With equal errors both slips give 100, so the errors are made unequal."""
    errors = np.array([1.0, 4.0, 2.0, 8.0, 3.0, 5.0])
    loss, _ = weighted_mse.loss_and_gradient(SIX_ENGINES + errors, SIX_ENGINES, CAP)
    if close(loss, float(np.average(errors**2, weights=failure_weights(SIX_ENGINES)))):
        return "You divided by the sum of the weights. Exercise 14.5 shows what that hides."
    return "That is the plain MSE of these engines. Where do the weights come in?"


@gradient.requires("six engines, each predicted ten cycles late, cost 144.67")
def _(weighted_mse: Function) -> None:
    pred = SIX_ENGINES + 10.0
    loss, _ = weighted_mse.loss_and_gradient(pred, SIX_ENGINES, CAP)
    right = failure_weights(SIX_ENGINES)
    slips = {
        600.0 * right.mean(): "That is the sum over the six engines. The loss is their mean.",
        100.0: _hint_for_100(weighted_mse),
        100.0 * failure_weights(pred).mean(): "Your weights come from the predictions. A late prediction would then "
        "lower its own weight; how close an engine is to failure is a fact about the target.",
    }
    hint = "Print the six weights, then the six squared errors, then their products, and take the mean."
    is_number(loss, 100.0 * float(right.mean()), "the loss", hint, slips)


@gradient.requires("the gradient is the slope of your own loss, by central differences")
def _(weighted_mse: Function) -> None:
    pred, target = batch(4, size=5)
    _, grad = weighted_mse.loss_and_gradient(pred, target, CAP)

    def loss(moved: Array) -> float:
        return weighted_mse.loss_and_gradient(moved, target, CAP)[0]

    slope = slopes(loss, pred, 1e-4)
    if close(grad, slope, 1e-5) or close(grad, slopes(loss, pred, 1.0), 1e-5):
        return
    worst = int(np.abs(grad - slope).argmax())
    if close(2 * grad, slope, 1e-5):
        hint = "All of them are half as large as the slope. What does the square leave in front when differentiated?"
    elif close(grad, len(pred) * slope, 1e-5):
        hint = "All of them are B times too large. The loss is a mean, and a mean carries a 1 / B into its derivative."
    elif close(-grad, slope, 1e-5):
        hint = "Size right, sign wrong. If a prediction is late, does a little more make the loss grow or shrink?"
    elif close(grad * len(target) / failure_weights(target).sum(), slope, 1e-5) or close(
        grad * failure_weights(target).sum() / len(target), slope, 1e-5
    ):
        hint = "One of loss and gradient is divided by B, the other by the sum of the weights."
    elif close(grad * failure_weights(target), slope, 1e-5):
        hint = "Each is too small by exactly its own weight. A constant factor survives differentiation."
    else:
        hint = "Differentiate one term, w (ŷ - y)² / B, by ŷ alone. The weight depends on y, so it is a constant here."
    raise Miss(
        f"entry {worst} of the gradient is {show(grad[worst], slope[worst])}, the slope of your loss there "
        f"{show(slope[worst], grad[worst])}",
        hint,
    )


@gradient.requires("loss and gradient are right on forty engines, some beyond the cap, with caps of 110 and 60")
def _(weighted_mse: Function) -> None:
    for seed, cap in ((40, 110.0), (41, 60.0)):
        _expect_reference(weighted_mse, seed, cap)


def _expect_reference(weighted_mse: Function, seed: int, cap: float) -> None:
    pred, target = batch(seed)
    loss, grad = weighted_mse.loss_and_gradient(pred, target, cap)
    wanted_loss, _, wanted_grad = amnl_weighted_mse(pred, target, cap)
    is_number(loss, wanted_loss, "the loss", "Does your function use the cap that it is given, and the clip?")
    hint = "Does it use the cap that it is given, and the weights of the targets?"
    expect(close(grad, wanted_grad), "the gradient differs from the reference", hint)
