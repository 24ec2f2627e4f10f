"""Exercises for chapter 14, 14.9 to 14.13: weights of your own.

``book/exercises/14-failure-biased-mse.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, is_pair, row, show, vector
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.course.exercises._samples import CAP, SIX_ENGINES, batch
from rulbook.reference import failure_weights

share = Exercise(
    "14.9",
    "whose gradient is it",
    function("critical_share(target, w_max, max_rul)"),
    "Doubling a weight does not double a share: the others are still there, and their weights grow as well.",
)
_BY_SHARE = "You took a share of the cap for the border. It is 30 cycles, whatever the cap."
_BATCH = np.array([0.0, 10.0, 30.0, 31.0, 60.0, 90.0, 125.0, 125.0, 125.0, 125.0])


@share.requires("with w_max = 1 it is the share of critical engines in the batch")
def _(critical_share: Function) -> None:
    slips = {
        0.2: "Two of ten: the engine with exactly 30 cycles left is missing. The health label counts it as critical.",
        3 / 7: "That compares the critical engines with the others. A share compares them with all.",
        _share(_BATCH, 2.0): "You got the share for w_max = 2. The ceiling comes in as an argument."
        if close(critical_share.number(_BATCH, 5.0, CAP), _share(_BATCH, 2.0))
        else "You got the share for w_max = 2. From 1 to w_max the weight climbs by w_max - 1.",
    }
    hint = "With w_max = 1 every weight is 1, so the share is a count: three engines of ten have 30 cycles or fewer."
    is_number(critical_share.number(_BATCH, 1.0, CAP), 0.3, "the share", hint, slips)


@share.requires("it is a share: 0 without critical engines, 1 with nothing else")
def _(critical_share: Function) -> None:
    none = critical_share.number(np.array([40.0, 90.0]), 2.0, CAP)
    only = critical_share.number(np.array([0.0, 15.0, 30.0]), 2.0, CAP)
    expect(
        close([none, only], [0.0, 1.0]),
        f"without critical engines it is {show(none, 0)}, with nothing else {show(only, 1)}",
        "All weights together are the whole. The batch size is the whole only while every weight is 1.",
    )


@share.requires("it grows with w_max")
def _(critical_share: Function) -> None:
    values = [critical_share.number(_BATCH, w_max, CAP) for w_max in (1.0, 2.0, 5.0)]
    expect(
        np.all(np.diff(values) > 1e-9),
        f"for w_max = 1, 2, 5 it is {row(values, *values)}",
        "You count engines. Count pulls: with equal errors each engine pulls in proportion to its weight.",
    )


@share.requires("it is right for a batch of forty and any ceiling, with a cap of 110")
def _(critical_share: Function) -> None:
    for seed, w_max in ((99, 1.5), (98, 2.0), (97, 4.0)):
        _, target = batch(seed)
        hint = "Sum of the weights of the critical engines, divided by the sum of all weights."
        got = critical_share.number(target, w_max, 110.0)
        slips = {_share(target, w_max, 110.0, 0.24 * 110.0): _BY_SHARE}
        is_number(got, _share(target, w_max, 110.0), f"the share for w_max = {w_max:g}", hint, slips)


@share.requires("critical means 30 cycles or fewer, under any cap")
def _(critical_share: Function) -> None:
    target = np.array([2.0, 15.0, 25.0, 28.0, 30.0, 30.5, 31.0, 36.0, 40.0, 75.0, 150.0])
    for cap in (60.0, 110.0, 150.0):
        slips = {_share(target, 2.0): "Is there a 125 in the body of your function?"}
        by_share = _share(target, 2.0, cap, 0.24 * cap)
        slips[by_share] = _BY_SHARE
        got = critical_share.number(target, 2.0, cap)
        hint = "The border is at 30 cycles, the weights know the cap."
        is_number(got, _share(target, 2.0, cap), f"with a cap of {cap:g} the share", hint, slips)


second_moment = Exercise(
    "14.10",
    "the variance you buy",
    function("second_moment(rul, counts, w_max, max_rul)"),
    "Many windows at the cap make a large w_max cheaper than the evenly spread formula says.",
)


def _moment(rul: Array, counts: Array, w_max: float, max_rul: float = CAP) -> float:
    return float(np.average(failure_weights(rul, max_rul, w_max) ** 2, weights=counts))


def _hint_for_40(moment: Function) -> str:
    """With all windows in one bin a sum and squared counts both give 40, so they are put in two."""
    if close(moment.number(np.array([CAP, CAP]), np.array([30.0, 10.0]), 2.0, CAP), 25.0):
        return "The counts are squared, too. A window counts once: square its weight, not how many are like it."
    return "That is a sum over the 40 windows. Divide by how many there are."


@second_moment.requires("all windows at the cap: 1")
def _(moment: Function) -> None:
    rul, counts = np.array([0.0, 60.0, CAP]), np.array([0.0, 0.0, 40.0])
    weights = failure_weights(rul)
    slips = {
        40.0: _hint_for_40(moment),
        float(np.mean(weights**2)): "Two of the three bins are empty, and yet they count. Use `counts`.",
        0.0: "That is the variance of w. The noise of the gradient grows with the mean of w², the mean included.",
    }
    is_number(moment.number(rul, counts, 2.0, CAP), 1.0, "E[w²]", "All weights are 1, so are their squares.", slips)


@second_moment.requires("all windows at failure: w_max squared")
def _(moment: Function) -> None:
    slips = {3.0: "That is E[w]. Square each weight before you average."}
    got = moment.number(np.array([0.0, CAP]), np.array([7.0, 0.0]), 3.0, CAP)
    is_number(got, 9.0, "E[w²] for w_max = 3", "All weights are 3. What is the mean of their squares?", slips)


@second_moment.requires("evenly spread from 0 to the cap: (1 + w_max + w_max²) / 3")
def _(moment: Function) -> None:
    rul = (np.arange(1000) + 0.5) * CAP / 1000
    for w_max in (2.0, 5.0):
        wanted = (1 + w_max + w_max**2) / 3
        slips = {((1 + w_max) / 2) ** 2: "That is the square of the mean. Square first, then average."}
        hint = "Compute the integral of (1 + (w_max - 1) u)² over u from 0 to 1, and compare with your sum."
        got = moment.number(rul, np.ones(1000), w_max, CAP)
        is_number(got, wanted, f"E[w²] for w_max = {w_max:g}", hint, slips, tolerance=1e-3)


@second_moment.requires("only the proportions of the counts matter")
def _(moment: Function) -> None:
    rng = np.random.default_rng(10)
    rul, counts = np.sort(rng.uniform(0, 200, 12)), rng.integers(0, 50, 12).astype(float)
    got, tenfold = moment.number(rul, counts, 2.0, CAP), moment.number(rul, 10 * counts, 2.0, CAP)
    seen = f"ten times the data: {show(got, tenfold)} became {show(tenfold, got)}"
    expect(close(got, tenfold), seen, "Divide by the total count.")


@second_moment.requires("it is right for an uneven histogram, some bins beyond the cap")
def _(moment: Function) -> None:
    rng = np.random.default_rng(1410)
    rul, counts = rng.uniform(0, 200, 12), rng.integers(0, 50, 12).astype(float)
    hint = "Weigh each bin's w² by its count. Beyond the cap w is 1."
    is_number(moment.number(rul, counts, 2.5, CAP), _moment(rul, counts, 2.5), "E[w²]", hint)
    hint = "Is there a 125 in the body of your function? The cap comes in as `max_rul`."
    for cap in (60.0, 160.0):
        what = f"E[w²] with a cap of {cap:g}"
        is_number(moment.number(rul, counts, 2.5, cap), _moment(rul, counts, 2.5, cap), what, hint)


schedule = Exercise(
    "14.11",
    "a schedule to order",
    function("schedule(rul, max_rul, w_max)", elementwise=True),
    "It keeps the promises, and pays with numbers of its own: where it bends is now yours to justify and to tune.",
)


_LIVES = np.linspace(0, 500, 2001)


def _anchors(made: Function, max_rul: float, w_max: float) -> None:
    beyond = (1.0, 1.02, 1.5, 3.0, 10.0)
    places = ["failure", "the cap", *(f"{times:g} times the cap" for times in beyond[1:])]
    weights = made.array(max_rul * np.array([0.0, *beyond]), max_rul, w_max)
    for where, got, wanted in zip(places, weights, (w_max, *(1.0 for _ in beyond)), strict=True):
        expect(
            close(got, wanted),
            f"with w_max = {w_max:g} the weight at {where} is {show(got, wanted)}, expected {show(wanted, got)}",
            "A sigmoid comes close to its ends but never arrives. Stretch or clip it so that both ends are exact."
            if abs(got - wanted) < 0.1 * (w_max - 1)
            else "Look at the ends first: w_max at failure, 1 at the cap and beyond.",
        )


@schedule.requires("exactly w_max at failure, exactly 1 at the cap and beyond")
def _(made: Function) -> None:
    _anchors(made, CAP, 2.0)


@schedule.requires("less life left never weighs less")
def _(made: Function) -> None:
    rise = np.diff(made.array(_LIVES, CAP, 2.0))
    expect(
        rise.max() <= 1e-9,
        f"near RUL {_LIVES[rise.argmax()]:g} the weight grows with the life that is left",
        "Plot it from 0 to 500. A bump means that a healthier engine counts more than a sicker one.",
    )


@schedule.requires("no jump: a quarter of a cycle changes the weight by at most 0.02")
def _(made: Function) -> None:
    drop = -np.diff(made.array(_LIVES, CAP, 2.0))
    expect(
        drop.max() <= 0.02 + 1e-9,
        f"near RUL {_LIVES[drop.argmax()]:g} the weight falls by {show(drop.max(), 0.02)} at once",
        "Two engines a cycle apart are the same engine on two days. Join the two levels by a slope.",
    )


@schedule.requires("urgent: with 30 cycles left, at least nine tenths of the way up")
def _(made: Function) -> None:
    got = made.array(np.array([30.0]), CAP, 2.0)[0]
    expect(
        got >= 1.9 - 1e-9,
        f"with 30 cycles left the weight is {show(got, 1.9)}, at least 1.9 is wanted",
        "Nine tenths of w_max are 1.8. The way up leads from 1 to w_max, and nine tenths of it end at 1.9."
        if close(got, 1.8, 1e-3)
        else "A straight line from end to end reaches 1.76 here. Most of the climb has to be done before 30 cycles are "
        "left, so make it steep.",
    )


@schedule.requires("calm: with 80 cycles left, at most two tenths of the way up")
def _(made: Function) -> None:
    got = made.array(np.array([80.0]), CAP, 2.0)[0]
    expect(
        got <= 1.2 + 1e-9,
        f"with 80 cycles left the weight is {show(got, 1.2)}, at most 1.2 is wanted",
        "It climbs too soon. Most of the climb belongs between 80 and 30 cycles.",
    )


@schedule.requires("it scales: another cap stretches it, another w_max lifts it")
def _(made: Function) -> None:
    hint = "Work with the share of life left, y / max_rul, and with the height w_max - 1."
    try:
        _anchors(made, 60.0, 5.0)
    except Miss as miss:
        raise Miss(miss.seen, f"Is there a 2 or a 125 in the body? {hint}") from None
    rul = np.array([10.0, 30.0, 80.0, 110.0])
    standard, stretched = made.array(rul, CAP, 2.0), made.array(rul * 60 / 125, 60.0, 5.0)
    expect(
        close(1 + 4 * (standard - 1), stretched, 1e-4),
        "with a cap of 60 and w_max = 5 it has another shape",
        f"The bends stay where they were while the ends moved. {hint}",
    )


prices = Exercise(
    "14.12",
    "two prices make a weight",
    function("price_weights(target, interval, price_failure, price_planned)", elementwise=True),
    "With an inspection every 125 cycles and a failure twice as dear, this is AMNL: a meaning for max_rul and w_max.",
)


@prices.requires("an engine with more life than the interval is always seen in time: weight 1")
def _(price_weights: Function) -> None:
    got = price_weights.array(np.array([60.0, 75.0, 200.0]), 60.0, 5.0, 1.0)
    if close(got, 1.0):
        return
    if close(got, 0.0):
        hint = "The planned price is still paid there. Add the two cases, each with its own chance."
    elif np.diff(price_weights.array(np.array([6.0, 30.0, 54.0]), 60.0, 5.0, 1.0)).max() > 1e-9:
        hint = (
            "Your chance of failing first grows with the life that is left. Which engine is in danger, 5 or 200 cycles?"
        )
    elif close(got, 1 + 4 * np.clip(1 - np.array([60.0, 75.0, 200.0]) / CAP, 0, 1)):
        hint = "You took 125 cycles for the interval. It comes in as an argument, and is 60 here."
    elif got.max() > 1 + 1e-6:
        hint = "An engine with more life than the interval is inspected before it can fail, whenever that is."
    else:
        hint = "Your chance of failing first went below 0. A probability needs its clip."
    raise Miss(f"with an inspection every 60 cycles, RUL 60, 75, 200 weigh {row(got, 1)}", hint)


@prices.requires("equal prices give plain MSE back")
def _(price_weights: Function) -> None:
    got = price_weights.array(np.array([0.0, 20.0, 90.0]), 60.0, 3.0, 3.0)
    expect(
        close(got, 1.0),
        f"with both prices at 3, the weights are {row(got, 1)}",
        "In which unit is your weight? Divide the price by the planned one, so that a planned engine weighs 1.",
    )


@prices.requires("at failure the weight is the ratio of the prices")
def _(price_weights: Function) -> None:
    slips = {
        3.0: "That is the difference of the prices, in units of the planned one. Did a 1 get lost?",
        0.25: "The ratio stands on its head: failing is the dear case.",
    }
    got = price_weights.array(np.array([0.0]), 60.0, 8.0, 2.0)[0]
    is_number(got, 4.0, "with prices 8 and 2, the weight at failure", "At RUL 0 nothing is left to chance.", slips)


@prices.requires("a simulation of 20,000 inspections agrees")
def _(price_weights: Function) -> None:
    rul, interval, failure, planned = np.array([6.0, 15.0, 30.0, 45.0, 54.0]), 60.0, 8.0, 2.0
    wait = np.random.default_rng(12).uniform(0.0, interval, 20_000)
    paid = np.where(wait[:, None] > rul, failure, planned).mean(axis=0) / planned
    got = price_weights.array(rul, interval, failure, planned)
    worst = int(np.abs(got - paid).argmax())
    expect(
        close(got, paid, 0.03),
        f"at RUL {rul[worst]:g} the weight is {show(got[worst], paid[worst])}, "
        f"the simulated price {show(paid[worst], got[worst])}",
        "The next inspection may come tomorrow or a whole interval from now, each moment alike. "
        "For which share of these moments does the engine fail first?",
    )


@prices.requires("every 125 cycles, twice the price: AMNL's weight")
def _(price_weights: Function) -> None:
    got = price_weights.array(SIX_ENGINES, 125.0, 2.0, 1.0)
    expect(close(got, failure_weights(SIX_ENGINES)), "it differs from AMNL's weight", "Compare the two formulas.")
    rng = np.random.default_rng(1412)
    for interval, failure, planned in ((40.0, 9.0, 3.0), (90.0, 1.5, 0.5), (200.0, 7.0, 2.0)):
        rul = rng.uniform(0.0, 1.5 * interval, 6)
        got = price_weights.array(rul, interval, failure, planned)
        wanted = failure_weights(rul, interval, failure / planned)
        seen = f"every {interval:g} cycles, at prices {failure:g} and {planned:g}, the weights are {row(got, *wanted)}"
        hint = "Which of the four arguments is not in use?"
        expect(close(got, wanted), f"{seen}, expected {row(wanted, *got)}", hint)


def _groups(answer: object) -> tuple[Array, Array]:
    helps, idle = map(vector, is_pair(answer, "Hand over `(helps, idle)`, two lists of RULs."))
    for name, group in (("helps", helps), ("idle", idle)):
        expect(group.size >= 3, f"`{name}` holds {group.size} engines", "Take at least three engines for each group.")
        expect(group.min() >= 0, f"`{name}` holds a RUL of {show(group.min())}", "RUL counts cycles: 0 or more.")
    return helps, idle


when_it_helps = Exercise(
    "14.13",
    "when the weights help, and when they do nothing",
    _groups,
    "Weights decide nothing for engines that the model can tell apart, nor for equals. They settle a compromise, and "
    "always towards the early side.",
)


def _compromise(ruls: Array) -> tuple[float, float, float]:
    """The best single prediction without weights, with weights, and what the second saves at the prices."""
    weights = failure_weights(ruls, CAP, 5.0)
    plain, weighted = float(ruls.mean()), float(np.average(ruls, weights=weights))
    cost, cheaper = (float(np.mean(weights * (p - ruls) ** 2)) for p in (plain, weighted))
    return plain, weighted, 1.0 - cheaper / cost if cost else 0.0


@when_it_helps.requires("for the first group the weights save at least a tenth of the price")
def _(groups: tuple[Array, Array]) -> None:
    helps, _ = groups
    plain, weighted, saved = _compromise(helps)
    if saved >= 0.1:
        return
    if helps.min() >= CAP:
        hint = "All of these engines have weight 1. Take engines with different weights."
    elif np.ptp(helps) < 40:
        hint = "These engines are much alike in RUL, so any prediction between them is a good one. Spread them out."
    else:
        hint = (
            "The mean hardly moves. Let many engines near failure share a group with a few that have very long to live."
        )
    moves = f"moves from {show(plain)} to {show(weighted)}"
    raise Miss(f"the best prediction {moves} and saves {show(100 * saved, 10)} %", hint)


@when_it_helps.requires("its best prediction moves to the early side")
def _(groups: tuple[Array, Array]) -> None:
    plain, weighted, _ = _compromise(groups[0])
    expect(
        weighted < plain - 1.0,
        f"it moves from {show(plain, weighted)} to {show(weighted, plain)}, by less than a cycle",
        "The heavy engines are those with little life left. Give them something to pull against.",
    )


@when_it_helps.requires("the engines of the second group differ by ten cycles or more")
def _(groups: tuple[Array, Array]) -> None:
    gap = np.diff(np.sort(groups[1])).min()
    expect(
        gap >= 10.0,
        f"two engines of `idle` are {show(gap, 10)} cycles apart",
        "For equals every loss wants the same prediction. Find engines that differ and still leave the weights idle.",
    )


@when_it_helps.requires("for the second group the weights change nothing")
def _(groups: tuple[Array, Array]) -> None:
    plain, weighted, _ = _compromise(groups[1])
    expect(
        close(plain, weighted),
        f"its best prediction moves from {show(plain, weighted)} to {show(weighted, plain)}",
        "As long as two weights differ, the heavier engine pulls the compromise its way. Where are all weights equal?",
    )


def _share(target: Array, w_max: float, max_rul: float = CAP, border: float = 30.0) -> float:
    weights = failure_weights(target, max_rul, w_max)
    return float(weights[target <= border].sum() / weights.sum())
