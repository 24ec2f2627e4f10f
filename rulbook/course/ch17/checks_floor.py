"""Exercises for chapter 17, 17.6 to 17.10: memory, floor and price, and what equal pull does not promise.

``book/exercises/17-inverse-gradient-weights.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, show, slip, vector
from rulbook.course.exercises._exercise import Exercise, Miss

memory = Exercise(
    "17.6",
    "a memory in steps",
    function("memory(half_life, every)"),
    "A half-life can be pictured, a β of 0.99 cannot. The package, too, raises β to the power of `every`.",
)


@memory.requires("half of a change in one step: β is one half")
def _(memory: Function) -> None:
    is_number(memory.number(1.0, 1), 0.5, "β", "After one step the distance is β times what it was.")


@memory.requires("a half-life of 69 steps: 0.99")
def _(memory: Function) -> None:
    slips = {
        1 - 1 / 69: "Run 69 steps with it: 37 % of the distance is left, not half. A time constant is no half-life.",
        1 - 0.5 / 69: "That spreads the half evenly over 69 steps. Each step takes its share of what is left.",
    }
    got = memory.number(69.0, 1)
    hint = "The distance shrinks by β in each step. After how many factors is it one half?"
    is_number(got, 0.5 ** (1 / 69), "β", hint, slips)


@memory.requires("also where only every tenth step is looked at, half has arrived after the half-life")
def _(memory: Function) -> None:
    for half_life, every in ((60.0, 10), (60.0, 4), (30.0, 30)):
        left = memory.number(half_life, every) ** (half_life / every)
        slips = {
            0.5 ** (1 / every): "Between two looks nothing moves. So a look that is rarer must forget more.",
            0.5 ** (1 / every**2): "You made the memory longer. A look that is rarer must forget more.",
        }
        hint = "How many looks fall into the half-life? So many factors must make one half."
        expect(
            close(left, 0.5),
            f"looking at every {every}th step, {show(100 * left, 50)} % is left after {half_life:g} steps",
            slip(left, slips, hint),
        )


floor = Exercise(
    "17.7",
    "a floor that holds",
    function("floored(weights, floor)"),
    "The affine floor (17.8). A clip does its damage quietly: it ends below itself, and its place in the code matters.",
)

_RAW = [
    np.array([0.02, 0.98]),
    np.array([0.7, 0.29, 0.01]),
    np.array([0.3, 0.3, 0.2, 0.2]),
    np.array([0.001, 0.999]),
    np.array([1.0, 0.0]),
    np.array([0.0, 0.0, 1.0]),
]


@floor.requires("the weights stay shares: they sum to 1")
def _(floored: Function) -> None:
    for raw in _RAW:
        for least in (0.05, 0.2):
            total = float(floored.array(raw, least).sum())
            slips = {
                1 + least * (len(raw) - 1): "Every task was given the floor. How much is then left to be shared out?",
                1 + least * len(raw): "Every task was given the floor, and nothing was taken from anybody.",
            }
            hint = "What one task is given has to be taken from the others."
            seen = f"{len(raw)} weights with a floor of {least:g} sum to {show(total, 1)}"
            expect(close(total, 1.0), seen, slip(total, slips, hint))


@floor.requires("no weight is below the floor")
def _(floored: Function) -> None:
    for raw in _RAW:
        for wanted in (0.05, 0.2):
            got = floored.array(raw, wanted)
            if got.min() >= wanted - 1e-12:
                continue
            clipped, size = np.maximum(raw, wanted), len(raw)
            hint = "Start from what is certain: give each task its floor, before anything else is shared out."
            if close(got, clipped / clipped.sum()):
                hint = "Dividing by the sum takes back part of what the clip gave."
            elif close(got, (raw + wanted) / (raw + wanted).sum()):
                hint = "Dividing by the sum takes back part of what was added."
            elif close(got, 0.05 + (1 - 0.05 * size) * raw):
                hint = "The floor is an argument. Is there a 0.05 in your function?"
            elif close(got, (1 - wanted) * raw + wanted / size):
                hint = "Each task is sure of f/K only. To be sure of f it must be given f: how much is then left?"
            raise Miss(f"a floor of {wanted:g} lets {show(got.min(), wanted)} through", hint)


@floor.requires("a floor of 0 changes nothing")
def _(floored: Function) -> None:
    for raw in _RAW:
        got = floored.array(raw, 0.0)
        if close(got, got[0]):
            hint = "You return equal shares whatever came. The floor is a least share, not the whole of it."
        else:
            hint = "The floor is an argument. Is there a 0.05 in your function?"
        worst = int(np.abs(got - raw).argmax())
        seen = f"with a floor of 0, {show(raw[worst], got[worst])} becomes {show(got[worst], raw[worst])}"
        expect(close(got, raw), seen, hint)


@floor.requires("it can change places with an average")
def _(floored: Function) -> None:
    pairs = (([0.002, 0.998], [0.5, 0.5]), ([0.9, 0.1, 0.0], [0.01, 0.3, 0.69]), ([0.6, 0.4], [0.0, 1.0]))
    for one, other in pairs:
        loud, even = np.array(one), np.array(other)
        for least in (0.05, 0.15):
            first = floored.array((loud + even) / 2, least)
            after = (floored.array(loud, least) + floored.array(even, least)) / 2
            worst = int(np.abs(first - after).argmax())
            before, behind = show(first[worst], after[worst]), show(after[worst], first[worst])
            expect(
                close(first, after),
                f"average, then floor gives {before}; floor, then average {behind}",
                "Only a straight line can change places with an average. A case for small weights makes a bend.",
            )


digits = Exercise(
    "17.8",
    "four digits of a log",
    vector,
    "Ratios from 346 to 1,465 all read 0.0477. Whoever wants to know the norms must log the norms.",
)


def _ends(ratios: Array) -> Array:
    expect(ratios.size == 2, f"{ratios.size} numbers came", "Two are wanted: the lowest ratio and the highest.")
    return ratios


@digits.requires("two ratios, the lower one first")
def _(ratios: Array) -> None:
    low, high = _ends(ratios)
    expect(low < high, f"{show(low, high)} comes before {show(high, low)}", "The lower ratio first, then the higher.")


@digits.requires("the floor acts on both")
def _(ratios: Array) -> None:
    low = float(_ends(ratios).min())
    if 19.5 < low < 20.5:
        hint = "That is the ratio of the two weights in the log. They have been through the floor. What went in?"
    else:
        hint = "The raw weight 1/(1 + ρ) must be below 0.05, or the log would show it as it is."
    expect(low > 21, f"the lower ratio is {show(low, 21)}", hint)


def _logged(ratio: float) -> float:
    raw = 1 / (1 + ratio)
    return 0.05 / (0.05 + 1 - raw)


def _is_end(ratio: float, weight: float) -> None:
    wanted = 1.05 - 0.05 / weight
    expect(
        close(ratio, (1 - wanted) / wanted, 0.005),
        f"a ratio of {show(ratio)} is logged as {show(_logged(ratio), weight)}, expected {weight}",
        "The clip makes f of the RUL weight and leaves 1 - λ to the other. Divide by their sum, and solve for λ.",
    )


@digits.requires("the lower one is logged as 0.04775")
def _(ratios: Array) -> None:
    _is_end(float(_ends(ratios)[0]), 0.04775)


@digits.requires("the higher one is logged as 0.04765")
def _(ratios: Array) -> None:
    _is_end(float(_ends(ratios)[1]), 0.04765)


price = Exercise(
    "17.9",
    "the price of a step",
    function("price(tasks, every)"),
    "Section 17.5 measured 1.6 to 1.7 for two tasks. For ten tasks it would be 7: then look at every tenth step.",
)


@price.requires("two tasks, every step: 5/3 of a plain step")
def _(price: Function) -> None:
    slips = {
        7 / 3: "That is the naive form, which goes backward a third time. The weighted sum is at hand already.",
        2.0: "You ran the whole step twice. Forward is run once, whatever the number of tasks.",
        4 / 3: "Every task needs its own backward pass of 2/3, and forward comes on top.",
    }
    hint = "One third for forward, two thirds for each pass backward."
    is_number(price.number(2, 1), 5 / 3, "the price", hint, slips)


@price.requires("one task alone costs a plain step")
def _(price: Function) -> None:
    hint = "There is one pass forward and one backward. Which number in your formula should be the number of tasks?"
    is_number(price.number(1, 1), 1.0, "the price", hint)


@price.requires("each further task costs one more pass backward")
def _(price: Function) -> None:
    hint = "Two thirds for each task. Does something in it count pairs of tasks?"
    is_number(price.number(5, 1), 11 / 3, "the price for five tasks", hint)


@price.requires("looking at every tenth step: nine plain steps and a dear one, on average")
def _(price: Function) -> None:
    slips = {
        5 / 3: "The second argument changes nothing yet.",
        5 / 30: "No step is cheaper than a plain one. Only what measuring adds gets rarer.",
        1 / 3 + 4 / 30: "The plain backward pass is made in every step. Only the extra one gets rarer.",
    }
    hint = "Nine steps cost 1, one costs what you found before. Take their mean."
    is_number(price.number(2, 10), 1 + 1 / 15, "the price", hint, slips)
    for tasks, every in ((5, 4), (3, 2)):
        wanted = ((every - 1) + (1 + 2 * tasks) / 3) / every
        is_number(price.number(tasks, every), wanted, f"the price for {tasks} tasks at every {every}th step", hint)


hurt = Exercise(
    "17.10",
    "equal pull can hurt",
    lambda answer: _three_gradients(answer),
    "Two tasks that pull equally hard never hurt each other, since 1 + cos φ is not negative. Three can.",
)


def _three_gradients(answer: Any) -> Array:
    """Three gradients, one in each row."""
    flat = vector(answer)
    shape = np.shape(answer.detach() if hasattr(answer, "detach") else answer)
    if len(shape) != 2 or shape[0] != 3 or shape[1] < 2:
        raise Miss(f"a table of shape {shape} came", "Three rows, one for each task, and two columns or more.")
    return flat.reshape(shape)


def _cosines(gradients: Array) -> Array:
    norms = np.linalg.norm(gradients, axis=1)
    hint = "A gradient of length zero has no direction, and its weight would be infinite."
    expect(bool((norms > 1e-12).all()), f"gradient {int(norms.argmin()) + 1} is zero", hint)
    return np.asarray(gradients @ gradients.T / np.outer(norms, norms))


@hurt.requires("three gradients, none of them zero")
def _(gradients: Array) -> None:
    _cosines(gradients)


@hurt.requires("no two are opposed: all cosines are above -0.9")
def _(gradients: Array) -> None:
    worst = float(_cosines(gradients).min())
    hint = "That would be easy: two opposite gradients leave nothing. Let two tasks hurt the first together."
    expect(worst > -0.9, f"the smallest cosine is {show(worst, -0.9)}", hint)


@hurt.requires("a small step of equal pull raises the loss of the first task")
def _(gradients: Array) -> None:
    # The change of each loss, up to a positive factor: minus the sum of a row's cosines, its own (1) among them.
    changes = -_cosines(gradients).sum(axis=1)
    if changes[0] > 1e-9:
        return
    if float(-gradients[0] @ gradients.sum(axis=0)) > 0:
        hint = "Equal weights would hurt it. Equal pull takes no notice of lengths: turn the gradients, do not stretch."
    elif changes.max() > 1e-9:
        hint = f"The one that is hurt is task {int(changes.argmax()) + 1}. Change the order of the rows."
    else:
        hint = "What matters is 1 plus its cosines with the two others. For which angles is that negative?"
    raise Miss(f"its loss changes by {show(changes[0])} times a positive number", hint)
