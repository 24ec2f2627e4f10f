"""Exercises for chapter 11, 11.6 to 11.10: outputs that learn, labels, cross-entropy and pooling.

``book/exercises/11-dual-task-model.md`` has their statements, stubs, solutions and wrong answers.
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
from rulbook.reference import softmax_cross_entropy

dead_detector = Exercise(
    "11.6",
    "a detector for dead outputs",
    function("is_dead(h, weight, bias)"),
    "Run it on the first batch of every training. It costs one matrix product and saves an afternoon.",
)
_WEIGHT = np.array([1.0, -1.0])


def _says_dead(is_dead: Function, sums: list[float], bias: float = 0.0, weight: Array = _WEIGHT) -> bool:
    """Whether the unit is called dead when its pre-activations are ``sums``; whole numbers keep them exact."""
    h = np.random.default_rng(len(sums)).integers(-4, 5, (len(sums), weight.size)).astype(float)
    h[:, 0] = (np.array(sums) - bias - h[:, 1:] @ weight[1:]) / weight[0]
    said = is_dead.number(h, weight, bias)
    expect(said in (0.0, 1.0), f"{show(said)} came, True or False is wanted", "Is an `all` or an `any` missing?")
    return bool(said)


@dead_detector.requires("a unit below 0 for every window is dead")
def _(is_dead: Function) -> None:
    hint = "No window of these has a positive sum, so none passes a gradient on."
    expect(_says_dead(is_dead, [-3.0, -0.5, -20.0]), "sums -3, -0.5, -20 count as alive", hint)
    seen = "sums -3 and -1 count as alive, because the bias alone is +2"
    expect(_says_dead(is_dead, [-3.0, -1.0], bias=2.0), seen, "Is the weighted sum part of your decision?")
    for weight in (np.array([-2.0, 1.0, 3.0]), np.array([1.0, 0.0]), np.array([4.0])):
        seen = f"with the weight {row(weight)}, sums -3, -0.5, -20 count as alive"
        hint = "Multiply each entry of `h` by its own weight, then add, then the bias."
        expect(_says_dead(is_dead, [-3.0, -0.5, -20.0], -1.0, weight), seen, hint)


@dead_detector.requires("one window above 0 keeps it alive")
def _(is_dead: Function) -> None:
    seen = "sums -50, -40 and +1 count as dead"
    hint = "One window passes its gradient on, and that moves weight and bias. Are you asking `any`, or the mean?"
    expect(not _says_dead(is_dead, [-50.0, -40.0, 1.0]), seen, hint)
    hint = "One window of 256 passes its gradient on, however small its sum. There is no share that will do."
    for place, little in ((100, 0.5), (0, 2.0**-20), (255, 8.0)):
        sums = [-1.0] * 256
        sums[place] = little
        expect(not _says_dead(is_dead, sums, 2.0), f"255 sums of -1 and one of {show(little)} count as dead", hint)
    seen = "sums -3 and +1 count as dead, with the bias at -2 and the weight at -2, 1, 3"
    hint = "Multiply each entry of `h` by its own weight, then add, then the bias."
    expect(not _says_dead(is_dead, [-3.0, 1.0], -2.0, np.array([-2.0, 1.0, 3.0])), seen, hint)


@dead_detector.requires("a sum of exactly 0 passes nothing on")
def _(is_dead: Function) -> None:
    seen = "sums 0, 0 and -1 count as alive"
    hint = "At 0 PyTorch takes the slope of the ReLU to be 0. Weight decay ends exactly there."
    expect(_says_dead(is_dead, [0.0, 0.0, -1.0]), seen, hint)


clamp_place = Exercise(
    "11.7",
    "the clamp in the wrong place",
    function("train_step(a, y, rate, max_rul)"),
    "Train on the bare number. Clamp what you show.",
)


@clamp_place.requires("inside of 0 to the cap it is a plain step of gradient descent")
def _(step: Function) -> None:
    a, y = np.array([60.0, 20.0, 100.0]), np.array([50.0, 40.0, 100.0])
    got, wanted = step.array(a, y, 0.1, 125.0), a - 0.1 * 2 * (a - y)
    hint = "Each answer has a loss (a - y)² of its own. Its derivative is 2 (a - y); descent subtracts it."
    if close(got, a + 0.1 * 2 * (a - y)):
        hint = "Your step climbs: 60 cycles against a label of 50 should become fewer."
    expect(close(got, wanted), f"60, 20, 100 became {row(got, *wanted)}", hint)


@clamp_place.requires("an answer above the cap still comes down, and one below 0 still comes up")
def _(step: Function) -> None:
    a, y = np.array([140.0, -20.0]), np.array([50.0, 50.0])
    got = step.array(a, y, 0.1, 125.0)
    hint = "Outside of the range your gradient is 0, so the worst answers never learn. What is it without the clamp?"
    expect(got[0] < 140 and got[1] > -20, f"140 and -20 became {show(got[0], 140)} and {show(got[1], -20)}", hint)


@clamp_place.requires("the step outside is as long as the error is large")
def _(step: Function) -> None:
    a, y = np.array([325.0, -100.0]), np.array([25.0, 0.0])
    got, wanted = step.array(a, y, 0.1, 125.0), np.array([265.0, -80.0])
    if close(got, wanted):
        return
    if close(got, np.clip(wanted, 0.0, 125.0)):
        hint = "You clamped the result of the step. In a network the parameters move, and nobody can put them back."
    elif close(got, a - 0.2 * (np.clip(a, 0, 125) - y)):
        hint = "The error is taken from the clamped answer: 325 is treated like 125. Take it from the bare one."
    elif close(got[0], wanted[0]):
        hint = "The step from 325 is right. For -100 against 0 the derivative is 2 · (-100), and nothing is cut off."
    else:
        hint = "For 325 against 25 the derivative is 2 · 300."
    raise Miss(f"325 and -100 became {row(got, *wanted)}, expected 265 and -80", hint)


@clamp_place.requires("the rate is an argument")
def _(step: Function) -> None:
    a, y = np.array([140.0, 30.0, -7.0]), np.array([90.0, 45.0, 10.0])
    for rate in (0.25, 0.01):
        got, wanted = step.array(a, y, rate, 80.0), a - rate * 2 * (a - y)
        seen = f"at a rate of {rate:g}, 140, 30, -7 became {row(got, *wanted)}, expected {row(wanted, *got)}"
        expect(close(got, wanted), seen, "Is there a 0.1 in the body of your function, or a cap?")


class_shares = Exercise(
    "11.8",
    "how many are normal",
    function("class_shares(rul, thresholds, max_rul)"),
    "Run it before you train: a class with share 0 is a class that will never be predicted.",
)
_RULS = np.array([200.0, 150.0, 125.0, 100.0, 81.0, 80.0, 60.0, 31.0, 30.0, 0.0])


@class_shares.requires("three shares that sum to 1")
def _(shares: Function) -> None:
    got = vector(shares(_RULS, (80, 30), 125.0))
    expect(got.size == 3, f"{got.size} numbers came", "One share for each of normal, degrading, critical.")
    slips = {
        100.0: "Those are percent. A share lies between 0 and 1.",
        10.0: "Those are counts. Divide by the number of labels.",
    }
    hint = "Every label belongs to one class and to no second one. Which labels are left out, or counted twice?"
    expect(close(got.sum(), 1.0), f"they sum to {show(got.sum(), 1.0)}", slip(got.sum(), slips, hint))


@class_shares.requires("with 80 and 30, a label of 80 is degrading and one of 30 is critical")
def _(shares: Function) -> None:
    got, wanted = vector(shares(_RULS, (80, 30), 125.0)), np.array([0.5, 0.3, 0.2])
    if close(got, wanted):
        return
    hint = "Normal is above the first threshold, critical from the second down. On which side is 80 itself?"
    if close(got, wanted[::-1]):
        hint = "The order is turned round: class 0 is normal."
    elif close(got, np.array([3.0, 3.0, 2.0]) / 8):
        hint = (
            "Labels above the cap were dropped. They are capped: an engine with 200 cycles left counts as one with 125."
        )
    raise Miss(f"{row(got, *wanted)}, expected 0.5, 0.3, 0.2", hint)


@class_shares.requires("labels are capped before they are sorted: with 125 and 50 nobody is normal")
def _(shares: Function) -> None:
    got = vector(shares(_RULS, (125, 50), 125.0))
    hint = "The network is trained on min(RUL, cap). Which of those lie above 125?"
    expect(close(got[0], 0.0), f"{show(got[0])} of the capped labels count as normal", hint)


@class_shares.requires("it holds for other thresholds and another cap, on a thousand labels")
def _(shares: Function) -> None:
    rng = np.random.default_rng(8)
    for thresholds, cap in (
        ((50, 15), 125.0),
        ((100, 20), 110.0),
        ((80, 30), 60.0),
        ((90, 45), 40.0),
        ((70, 10), 90.0),
    ):
        rul = rng.integers(0, 100 + 10 * thresholds[1], 1000).astype(float)
        y = np.minimum(rul, cap)
        wanted = [
            np.mean(y > thresholds[0]),
            np.mean((y <= thresholds[0]) & (y > thresholds[1])),
            np.mean(y <= thresholds[1]),
        ]
        hint = "Is a threshold or the cap written into the body of your function?"
        got = vector(shares(rul, thresholds, cap))
        seen = f"thresholds {thresholds} and a cap of {cap:g} give {row(got, *wanted)}, expected {row(wanted, *got)}"
        expect(got.size == 3 and close(got, wanted), seen, hint)


cross_entropy = Exercise(
    "11.9",
    "cross-entropy and its gradient",
    function("cross_entropy(logits, labels)"),
    "Probability minus one-hot, over the batch: `rulbook.reference.softmax_cross_entropy`.",
)
_LOGITS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5], [3.0, 0.0, 0.0], [-1.0, 0.0, 2.0]])
_CLASSES = np.array([0, 1, 2, 2])


@cross_entropy.requires("an undecided network pays log 3 for every window")
def _(f: Function) -> None:
    loss, _ = f.loss_and_gradient(np.zeros((5, 3)), np.array([0, 1, 2, 0, 1]))
    slips = {
        5 * np.log(3): "That is the sum over five windows. The loss is their mean.",
        1 / 3: "That is the probability. The loss is minus its logarithm.",
        -np.log(3): "The logarithm of a probability is negative. The loss is not.",
        np.log(5): "Your probabilities sum to 1 over the windows. They must over the classes.",
    }
    is_number(loss, float(np.log(3)), "the loss", "All three probabilities are 1/3.", slips)


@cross_entropy.requires("the gradient is the slope of your own loss, by central differences")
def _(f: Function) -> None:
    _, grad = f.loss_and_gradient(_LOGITS, _CLASSES)

    def loss(logits: Array) -> float:
        return f.loss_and_gradient(logits, _CLASSES)[0]

    slope = slopes(loss, _LOGITS, 1e-5)
    if close(grad, slope, 1e-5) or close(grad, slopes(loss, _LOGITS, 1e-2), 3e-5):
        return
    if close(grad, 4 * slope, 1e-5):
        hint = "It is 4 times too large, and there are 4 windows."
    elif close(grad, -slope, 1e-5):
        hint = "The sign is wrong: the true class should have the negative entry."
    else:
        hint = "Write L = log Σ exp z - z_c and differentiate by one z. Did the one-hot get lost?"
    worst = int(np.abs(grad - slope).argmax())
    raise Miss(f"entry {worst} is {show(grad[worst], slope[worst])}, the slope {show(slope[worst], grad[worst])}", hint)


@cross_entropy.requires("logits of a thousand are no trouble")
def _(f: Function) -> None:
    try:
        loss, grad = f.loss_and_gradient(np.array([[1000.0, 0.0, 0.0]]), np.array([0]))
    except Miss:
        hint = "exp(1000) is infinite. Subtract the largest logit of each row first: no probability changes."
        raise Miss("the loss or the gradient is no finite number", hint) from None
    expect(close(loss, 0.0) and close(grad, 0.0), f"the loss is {show(loss)}", "Sure and right costs nothing.")


@cross_entropy.requires("nor are they beside quiet windows, nor where they are wrong")
def _(f: Function) -> None:
    far = np.array([[1000.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, -800.0, 0.0], [900.0, 1000.0, -1000.0]])
    for rows, label in (([0], 1), ([0, 1], 2), ([2, 1], 1), ([3, 0], 2), ([1, 3], 0)):
        logits, labels = far[rows], np.full(len(rows), label)
        shown = " and ".join(f"({row(one)})" for one in logits)
        try:
            loss, grad = f.loss_and_gradient(logits, labels)
        except Miss:
            hint = (
                "Subtract from each row its own largest logit, and do not take the logarithm of a probability: it may "
                "be 0. log p = z - log Σ exp z needs no p."
            )
            raise Miss(f"for the logits {shown} the loss or the gradient is no finite number", hint) from None
        wanted_loss, wanted_grad = softmax_cross_entropy(logits, labels)
        hint = "A sure mistake costs as much as the logits are apart. Was something cut off?"
        is_number(loss, wanted_loss, f"for the logits {shown} and the label {label} the loss", hint)
        expect(close(grad, wanted_grad.reshape(-1)), f"for the logits {shown} the gradient differs from ours", hint)


@cross_entropy.requires("loss and gradient are right on fifty windows")
def _(f: Function) -> None:
    rng = np.random.default_rng(9)
    logits, labels = rng.normal(0, 3, (50, 3)), rng.integers(0, 3, 50)
    loss, grad = f.loss_and_gradient(logits, labels)
    wanted_loss, wanted_grad = softmax_cross_entropy(logits, labels)
    is_number(loss, wanted_loss, "the loss", "Each window must be judged by its own class.")
    expect(
        close(grad, wanted_grad.reshape(-1)),
        "the gradient differs from the reference",
        "Is the one-hot that of each window?",
    )


pooling = Exercise(
    "11.10",
    "the best pooling there is",
    function("pooling_weights(cycles, slope, noise)"),
    "The best weights draw a line through the readings and read it off today. Old readings count against you.",
)


def _error(weights: Array, slope: float, noise: float) -> float:
    """Equation (11.1)."""
    return float((slope * weights @ np.arange(len(weights))) ** 2 + noise**2 * weights @ weights)


def _weights(f: Function, cycles: int, slope: float, noise: float) -> Array:
    got = vector(f(cycles, slope, noise))
    expect(got.size == cycles, f"{got.size} weights came for {cycles} cycles", "One for each cycle, the latest first.")
    return got


@pooling.requires("the weights sum to 1")
def _(f: Function) -> None:
    total = float(_weights(f, 30, 0.1, 1.0).sum())
    hint = "Scale them at the end: what is constant must come out as it went in."
    expect(close(total, 1.0), f"they sum to {show(total, 1)}", hint)


@pooling.requires("an engine that does not change is averaged")
def _(f: Function) -> None:
    got = _weights(f, 10, 0.0, 1.0)
    hint = "Without a slope nothing goes stale, and the mean has the least noise."
    worst = int(np.abs(got - 0.1).argmax())
    expect(
        close(got, 0.1), f"the weight of the reading {worst} cycles ago is {show(got[worst], 0.1)}, expected 0.1", hint
    )


def _best(cycles: int, slope: float, noise: float) -> Array:
    age = np.arange(cycles)
    weights = np.linalg.solve(slope**2 * np.outer(age, age) + noise**2 * np.eye(cycles), np.ones(cycles))
    return np.asarray(weights / weights.sum())


@pooling.requires("they beat the last cycle, the mean, and the best of the weights that fade exponentially")
def _(f: Function) -> None:
    weights, best_of_all = _weights(f, 30, 0.1, 1.0), _best(30, 0.1, 1.0)
    got = _error(weights, 0.1, 1.0)
    age = np.arange(30)
    fading = [np.exp(-age / tau) / np.exp(-age / tau).sum() for tau in np.geomspace(0.3, 300, 200)]
    best = min(_error(weights, 0.1, 1.0) for weights in fading)
    rivals = {"the last cycle": 1.0, "the mean": _error(np.full(30, 1 / 30), 0.1, 1.0), "the best fading": best}
    cut = np.maximum(best_of_all, 0.0)
    hint = "Minimise E itself: set its derivative by each weight equal to one constant."
    if close(weights, best_of_all[::-1]):
        hint = "These are the best weights, the oldest first. The latest is wanted first."
    elif close(weights, cut / cut.sum()):
        hint = "The negative weights were cut off. They are what the best weights are made of: leave them in."
    elif weights.min() >= 0:
        hint += " Nothing forbids a weight below 0."
    for name, error in rivals.items():
        expect(got < error - 1e-9, f"error {show(got, error)}, {name} has {show(error, got)}", hint)


@pooling.requires("moving any weight makes it worse")
def _(f: Function) -> None:
    rng = np.random.default_rng(10)
    for slope, noise in ((0.1, 1.0), (0.5, 2.0)):
        got = _weights(f, 12, slope, noise)
        for _ in range(40):
            nudge = rng.normal(size=12) * 1e-2
            moved = got + nudge - nudge.mean()
            expect(
                _error(moved, slope, noise) > _error(got, slope, noise) - 1e-12,
                f"with slope {slope} and noise {noise} a small change of the weights makes the error smaller",
                "Is the noise squared in your matrix, and the slope? Are negative weights cut off?",
            )


@pooling.requires("no weights do better, for windows, slopes and noises of any size")
def _(f: Function) -> None:
    for cycles, slope, noise in ((5, 0.3, 0.7), (30, 0.1, 3.0), (9, 2.0, 0.5), (2, 1.0, 1.0)):
        got, wanted = _weights(f, cycles, slope, noise), _best(cycles, slope, noise)
        worst = int(np.abs(got - wanted).argmax())
        expect(
            close(got, wanted),
            f"for {cycles} cycles, slope {slope:g} and noise {noise:g}, the reading {worst} cycles ago weighs "
            f"{show(got[worst], wanted[worst])}, expected {show(wanted[worst], got[worst])}",
            "Do all three arguments enter, and the slope and the noise squared?",
        )
