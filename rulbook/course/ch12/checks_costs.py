"""Exercises for chapter 12, 12.6 to 12.10: what a ratio says, and what it does not.

``book/exercises/12-gradient-imbalance.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

import math

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, is_pair, row, show, vector
from rulbook.course.exercises._exercise import Exercise, Miss

count = Exercise(
    "12.6",
    "how many batches",
    function("steps(windows, size, collect)"),
    "4,120 is a number of batches that no batch size gives. Counting is a test that costs nothing.",
)


@count.requires("full batches only: 512 windows make 2 of 256")
def _(steps: Function) -> None:
    hint = "Divide the windows by the size of a batch."
    for windows in (512, 256, 768, 1280):
        wanted = windows / 256
        slips = {wanted + 1: "One too many: nothing is left over.", wanted - 1: "One too few. Do not round to even."}
        is_number(steps.number(windows, 256, 1), wanted, f"the number of steps for {windows} windows", hint, slips)


@count.requires("a rest makes one more: FD001 makes 70 of 256")
def _(steps: Function) -> None:
    slips = {
        69.0: "The 67 windows that are left over have been thrown away. They are a batch too, a short one.",
        17_731 / 256: "There are no parts of a batch.",
    }
    is_number(steps.number(17_731, 256, 1), 70.0, "the batches of FD001", "Do not round to the nearest: up.", slips)


@count.requires("a small rest counts as well: 513 windows make 3 of 256")
def _(steps: Function) -> None:
    is_number(steps.number(513, 256, 1), 3.0, "the number of steps", "One window is left, and it wants a batch. Up.")
    for windows, size in ((7, 10), (1, 1), (29, 7), (4097, 64), (99, 98)):
        wanted = float(-(-windows // size))
        what = f"the number of steps for {windows} windows in batches of {size}"
        is_number(steps.number(windows, size, 1), wanted, what, "Divide, and round up. Is there a 256 in the body?")


@count.requires("no batch size makes 4,120 batches of FD001")
def _(steps: Function) -> None:
    found = [size for size in range(1, 40) if close(steps.number(17_731, size, 1), 4120)]
    expect(not found, f"your count says that batches of {found} do", "Check 4 and 5 by hand.")


@count.requires("gradients collected over several batches make one step, a rest of batches one more")
def _(steps: Function) -> None:
    for windows, size, collect in ((17_731, 256, 4), (512, 256, 2), (513, 256, 2), (100, 10, 3), (5, 4, 8)):
        batches = -(-windows // size)
        wanted = float(-(-batches // collect))
        slips = {
            float(batches): "That is the number of batches. A step is taken after every `collect` of them.",
            float(batches // collect): "The batches that are left over at the end make a step, too.",
            batches / collect: "There are no parts of a step.",
            float(batches * collect): "Collecting makes steps rarer.",
        }
        what = f"for {windows} windows in batches of {size}, {collect} to a step, the number of steps"
        is_number(steps.number(windows, size, collect), wanted, what, "Count the batches, then the steps.", slips)


summary = Exercise(
    "12.7",
    "four names for one ratio",
    function("ratios(rul, health)"),
    "The length of a mean is at most the mean of the lengths; what is between them is scatter.",
)


def _rows(seed: int, batches: int = 50, entries: int = 6) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    center = generator.normal(size=(2, entries))
    spread = np.array([8.0, 0.5])[:, None, None]
    noise = generator.normal(size=(2, batches, entries)) * spread
    rul, health = center[:, None] * np.array([5.0, 1.0])[:, None, None] + noise
    return rul, health


def _both(ratios: Function, rul: Array, health: Array) -> Array:
    got = vector(ratios(rul, health))
    expect(got.size == 2, f"{got.size} numbers came back", "Return two: the whole ratio, then the median of batches.")
    return got


@summary.requires("the first is the ratio of the averaged gradients")
def _(ratios: Function) -> None:
    rul, health = _rows(7)
    got = _both(ratios, rul, health)[0]
    a, b = (np.linalg.norm(rows, axis=1) for rows in (rul, health))
    wanted = float(np.linalg.norm(rul.mean(axis=0)) / np.linalg.norm(health.mean(axis=0)))
    slips = {
        float(a.mean() / b.mean()): "That is the ratio of the mean norms. Average the vectors first, measure then.",
        float(np.mean(a / b)): "That is the mean of the ratios. Average the vectors first, measure then.",
        float(np.median(a / b)): "That is the median over batches: it belongs second.",
        float(np.linalg.norm(rul) / np.linalg.norm(health)): "That is one length over all batches, without averaging.",
    }
    hint = "Average over the batches, which are the rows; then take two lengths and divide."
    is_number(got, wanted, "the whole ratio", hint, slips)


@summary.requires("the second is the median of the ratios of single batches")
def _(ratios: Function) -> None:
    rul, health = _rows(8)
    got = _both(ratios, rul, health)[1]
    a, b = (np.linalg.norm(rows, axis=1) for rows in (rul, health))
    slips = {
        float(np.mean(a / b)): "That is their mean. One batch with a tiny health norm can carry it anywhere.",
        float(np.median(a) / np.median(b)): "That is a ratio of two medians, from two different batches.",
        float(
            np.median(np.abs(rul) / np.abs(health))
        ): "You divided entry by entry. Take the length of each row first.",
    }
    hint = "One ratio for each row, then the median."
    is_number(got, float(np.median(a / b)), "the median ratio", hint, slips)


@summary.requires("without scatter the two agree")
def _(ratios: Function) -> None:
    rul, health = np.tile([3.0, 4.0], (9, 1)), np.tile([0.0, 2.0], (9, 1))
    got = _both(ratios, rul, health)
    expect(
        close(got, [2.5, 2.5]),
        f"nine equal batches give {show(got[0], 2.5)} and {show(got[1], 2.5)}",
        "All batches are alike, with lengths 5 and 2. Both answers must be 2.5: rows are batches, columns entries.",
    )


@summary.requires("it holds for any number of batches and entries, whichever task is louder")
def _(ratios: Function) -> None:
    for seed, batches, entries in ((9, 21, 3), (10, 6, 11), (11, 1, 4)):
        health, rul = _rows(seed, batches, entries)
        got = _both(ratios, rul, health)
        a, b = (np.linalg.norm(rows, axis=1) for rows in (rul, health))
        whole = np.linalg.norm(rul.mean(axis=0)) / np.linalg.norm(health.mean(axis=0))
        wanted = np.array([whole, np.median(a / b)])
        seen = f"for {batches} batches of {entries} entries you give {row(got, *wanted)}, expected {row(wanted, *got)}"
        expect(close(got, wanted), seen, "Is a number of batches or of entries written into your function?")


tipping = Exercise(
    "12.8",
    "the angle at which health loses",
    function("worst_cosine(ratio, weight)"),
    "At 500 to 1, half and half, any cosine below -0.002 is enough. At equal pulls it takes full opposition.",
)


@tipping.requires("equal pulls, half and half: only opposite gradients hurt, at a cosine of -1")
def _(worst_cosine: Function) -> None:
    slips = {
        1.0: "A cosine of +1 means that both gradients point the same way. Who should be hurt by that?",
        0.0: "At a right angle the RUL part does not touch the health task, and the task's own part still helps it.",
    }
    hint = "Set the change of the health loss to zero: its own part, plus the other's, which carries the cosine."
    is_number(worst_cosine.number(1.0, 0.5), -1.0, "the cosine", hint, slips)


@tipping.requires("half and half at 500 to 1: -0.002")
def _(worst_cosine: Function) -> None:
    slips = {
        -500.0: "Upside down: a cosine lies between -1 and 1. The louder RUL is, the less opposition it takes.",
        -1 / 250_000: "The ratio enters once. One of the two health norms is in both parts, and cancels.",
    }
    hint = "λ ρ cos φ = -(1 - λ). Solve for the cosine."
    is_number(worst_cosine.number(500.0, 0.5), -0.002, "the cosine", hint, slips)


@tipping.requires("steps on both sides of it: just above, health improves; just below, it gets worse")
def _(worst_cosine: Function) -> None:
    for ratio, weight in ((3.0, 0.5), (40.0, 0.2), (5.0, 0.8), (500.0, 0.01)):
        edge = worst_cosine.number(ratio, weight)
        expect(
            -1 <= edge <= 0,
            f"at a ratio of {ratio:g} and a weight of {weight:g} you get {show(edge, 0, -1)}",
            "The task weights multiply the gradients. Where do they stand in your formula?",
        )
        for shift, better in ((1e-3, True), (-1e-3, False)):
            cosine = edge + shift
            if not -1 <= cosine <= 1:
                continue
            health = np.array([1.0, 0.0])
            rul = ratio * np.array([cosine, math.sqrt(1 - cosine**2)])
            change = -float(health @ (weight * rul + (1 - weight) * health))
            expect(
                (change < 0) == better,
                f"at a ratio of {ratio:g} and a weight of {weight:g}, a cosine of {show(cosine)} makes health "
                f"{'better' if change < 0 else 'worse'}",
                "Both task weights belong in: λ at the RUL part, 1 - λ at the health task's own.",
            )


@tipping.requires("a weight that makes the pulls equal brings it back to -1")
def _(worst_cosine: Function) -> None:
    got = [worst_cosine.number(ratio, 1 / (1 + ratio)) for ratio in (2.0, 20.0, 500.0)]
    hint = "With λ = 1/(1 + ρ) both weighted gradients are equally long. Put it into your formula."
    expect(close(got, -1.0), f"it is {row(got, -1.0)}", hint)
    rng = np.random.default_rng(128)
    for _ in range(12):
        weight = float(rng.uniform(0.02, 0.9))
        ratio = (1 - weight) / weight / float(rng.uniform(0.05, 0.95))
        what = f"at a ratio of {show(ratio)} and a weight of {show(weight)} the cosine"
        is_number(worst_cosine.number(ratio, weight), -(1 - weight) / (weight * ratio), what, hint)


placing = Exercise(
    "12.9",
    "a weight for a place",
    function("weight_for(theta, ratio)"),
    "For the middle, theta = 0, this is 1/(1 + κ): the weight that chapter 17 arrives at from another side.",
)


def _slope(weight: float, theta: float, ratio: float) -> float:
    return weight * ratio * (theta - 1) + (1 - weight) * (theta + 1)


@placing.requires("the goals themselves: all weight on RUL for theta = 1, none for theta = -1")
def _(weight_for: Function) -> None:
    got = [weight_for.number(theta, 7.0) for theta in (1.0, -1.0)]
    if close(got, [0.0, 1.0]):
        hint = "You have the weight of the health task. RUL wants +1."
    else:
        hint = "At RUL's goal the RUL task is content and pulls no more. Who must not pull there either?"
    expect(close(got, [1.0, 0.0]), f"the weights are {row(got, 0, 1)}", hint)


@placing.requires("equally stiff tasks: the middle needs one half")
def _(weight_for: Function) -> None:
    is_number(weight_for.number(0.0, 1.0), 0.5, "the weight", "Which weight treats two equal tasks alike?")


@placing.requires("the weighted sum is at rest there")
def _(weight_for: Function) -> None:
    for theta, ratio in ((0.5, 10.0), (0.0, 500.0), (-0.6, 40.0), (0.9, 3.0)):
        weight = weight_for.number(theta, ratio)
        left = _slope(weight, theta, ratio)
        if close(left, 0.0):
            continue
        if close(_slope(1 - weight, theta, ratio), 0.0):
            hint = "With the two weights swapped it would be at rest."
        elif close(_slope(weight, theta, 1.0), 0.0):
            hint = "Your weight does not know the ratio."
        elif close(_slope(weight, theta, 1 / ratio), 0.0):
            hint = "The ratio stands upside down: a task that pulls harder needs the smaller weight."
        else:
            hint = "Set λ κ (θ - 1) + (1 - λ)(θ + 1) to zero and solve for λ."
        seen = f"for theta = {theta:g} at a ratio of {ratio:g}, the weight {show(weight)}"
        raise Miss(f"{seen} leaves a slope of {show(left)}", hint)


design = Exercise(
    "12.10",
    "loud batches, quiet whole",
    lambda answer: _two_tables(answer),
    "Every batch cried 100 to 1, and the training set knew nothing of it. Scatter does not average out in norms.",
)


def _two_tables(answer: object) -> tuple[Array, Array]:
    """Two tables of gradients, one row for each batch."""
    tables = []
    for part in is_pair(answer, "Hand over a pair: the gradients of RUL, then those of health."):
        flat = vector(part)
        shape = np.shape(part.detach() if hasattr(part, "detach") else part)
        if len(shape) != 2 or shape[0] < 4:
            raise Miss(
                f"a table of shape {shape} came", "One row for each batch, at least four; one column for each entry."
            )
        tables.append(flat.reshape(shape))
    if tables[0].shape != tables[1].shape:
        raise Miss(
            f"the tables have shapes {tables[0].shape} and {tables[1].shape}",
            "Both tasks have a gradient in every batch, on the same parameters.",
        )
    return tables[0], tables[1]


@design.requires("in every batch the RUL gradient is at least 100 times as long as the health gradient")
def _(tables: tuple[Array, Array]) -> None:
    rul, health = (np.linalg.norm(table, axis=1) for table in tables)
    expect(bool((health > 0).all()), "a batch has no health gradient at all", "Every batch needs one, however short.")
    worst = float((rul / health).min())
    hint = "Look at the quietest row of RUL and the loudest of health. Scatter may be as large as you like."
    expect(worst >= 100, f"the smallest ratio is {show(worst, 100)}", hint)


@design.requires("averaged over the batches, the two gradients are equally long, to within a factor of 2")
def _(tables: tuple[Array, Array]) -> None:
    rul, health = (float(np.linalg.norm(table.mean(axis=0))) for table in tables)
    expect(health > 1e-9, "the averaged health gradient is zero", "Keep something of health: let its rows agree.")
    ratio = rul / health
    hint = (
        "What the batches have in common does not average out; what has opposite signs does. "
        "Let most of RUL cancel, but not all."
    )
    expect(0.5 <= ratio <= 2, f"averaged, the ratio is {show(ratio, 0.5, 2)}", hint)
