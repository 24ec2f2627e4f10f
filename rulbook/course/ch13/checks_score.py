"""Exercises for chapter 13, 13.1 to 13.6: the score, the front, and what a preference does with both.

``book/exercises/13-accuracy-and-safety.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from rulbook._check import Array
from rulbook.course.ch13.expected_score import best_bias, expected_score
from rulbook.course.ch13.preference import preference, reigns
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, number, show, slip, vector
from rulbook.course.exercises._exercise import Exercise, Miss, NotYet
from rulbook.metrics import nasa_score, pareto_front

fair_trade = Exercise(
    "13.1",
    "a fair trade in cycles",
    number,
    "Cycles late and cycles early exchange at 1.3 to 1, whatever their number: 13 against 10.",
)


@fair_trade.requires("the early error is the longer one")
def _(cycles: float) -> None:
    slips = {
        20.0: "Twenty early cost 3.66 and twenty late 6.39. How much earlier must it be?",
        20 / 1.3: "You divided by 1.3 where the early side needs more cycles, not fewer.",
    }
    for length in (26.0, 20.0, 35.0):
        slips[-length] = "That is an error with its sign, below 0 because it is early. How many cycles is it long?"
    hint = "Early is the cheaper side. To cost as much, must an early error be longer or shorter?"
    expect(cycles > 20 + 1e-9, f"{show(cycles, 20)} cycles early are no more than 20", slip(cycles, slips, hint))


@fair_trade.requires("both cost the same")
def _(cycles: float) -> None:
    if abs(cycles - 26.0) <= 0.05 + 1e-9:
        return
    price = math.expm1(min(abs(cycles), 400.0) / 13)
    slips = {
        35.0: "1.75 is the ratio of two prices, not of two lengths. Set the two exponents equal.",
        33.0: "Adding 13 is not the way. What must the two exponents be?",
    }
    hint = "The price is e to the power of something, less 1. When are two such prices equal?"
    late = math.expm1(2)
    if cycles < 0:
        seen, hint = f"{show(cycles)} is no number of cycles", "Count the cycles without a sign."
    else:
        seen = f"{show(cycles)} cycles early cost {show(price, late)}, twenty late {show(late, price)}"
    raise Miss(seen, slip(cycles, slips, hint))


signed_score = Exercise(
    "13.2",
    "the score, with its sign",
    function("score(pred, true)"),
    "The second property is the one test that a score function must never be without.",
)


@signed_score.requires("a perfect prediction costs nothing")
def _(score: Function) -> None:
    true = np.array([3.0, 60.0, 125.0])
    hint = "e to the power of 0 is 1, and three engines make 3. What does (13.1) subtract?"
    is_number(score.number(true, true), 0.0, "the score of three perfect predictions", hint)


@signed_score.requires("an engine 20 cycles late costs more than one 20 cycles early")
def _(score: Function) -> None:
    late, early = score.number(np.array([80.0]), np.array([60.0])), score.number(np.array([40.0]), np.array([60.0]))
    if close(late, early):
        hint = "Your score is symmetric. The two branches have different scales, 13 and 10."
    elif min(late, early) < 0:
        hint = "A cost came out below 0. Which sign has d there, and which must the exponent have?"
    elif late < early:
        hint = "Your late engines are the cheap ones. Which way round is d = pred - true, and which branch is which?"
    else:
        return
    raise Miss(f"late costs {show(late, early)}, early {show(early, late)}", hint)


@signed_score.requires("twenty late cost as much as 26 early")
def _(score: Function) -> None:
    late, early = score.number(np.array([80.0]), np.array([60.0])), score.number(np.array([34.0]), np.array([60.0]))
    wanted = math.expm1(2)
    hint = "The asymmetry sits in the exponents, 10 and 13, and the base is e."
    if min(late, early) < 0:
        hint = "A cost came out below 0. Which sign has d there, and which must the exponent have?"
    expect(
        close(late, wanted) and close(early, late),
        f"20 late cost {show(late, wanted)}, 26 early {show(early, wanted)}, expected {show(wanted, late, early)}",
        hint,
    )


@signed_score.requires("two engines cost the sum of both")
def _(score: Function) -> None:
    pred, true = np.array([80.0, 40.0, 61.0]), np.array([60.0, 60.0, 60.0])
    hint = "NASA's score is a sum over engines. A mean forgets how many there are."
    is_number(score.number(pred, true), nasa_score(pred, true), "the score of three engines", hint)
    rng = np.random.default_rng(132)
    for size in (1, 7, 30, 400):
        true = rng.uniform(0, 125, size)
        pred = true + rng.normal(0, 20, size)
        if size == 7:
            pred[3:5] = true[3:5] + np.array([150.0, -90.0])
        hint = "Each engine has a truth and a branch of its own, and no error is too large to count."
        is_number(score.number(pred, true), nasa_score(pred, true), f"the score of {size} engines", hint)


wanted_shift = Exercise(
    "13.3",
    "the shift that the score wants",
    function("best_shift(sigma)"),
    "Fit a shift on validation engines. Fitted on the test engines it is one more way to look at the answers.",
)
_NOISES = (3.0, 10.0, 22.0, 30.0)


@wanted_shift.requires("it is a shift towards early")
def _(best_shift: Function) -> None:
    for sigma in _NOISES:
        shift = best_shift.number(sigma)
        if close(shift, 0.0, 1e-3):
            hint = "No shift is what the RMSE wants. Compute the mean score at -1, 0 and 1."
        elif shift > 0:
            hint = "Positive is late, the dear side. Check the sign."
        else:
            continue
        raise Miss(f"for a noise of {sigma:g} the shift is {show(shift)}", hint)


@wanted_shift.requires("for twice the noise it is more than twice as long")
def _(best_shift: Function) -> None:
    shifts = [best_shift.number(sigma) for sigma in (5.0, 10.0, 20.0)]
    ratios = [after / before if before else 0.0 for before, after in pairwise(shifts)]
    expect(
        min(ratios) > 2.0 + 1e-3,
        f"from noise 5 to 10 to 20 the shift grows {show(ratios[0], 2)}-fold and {show(ratios[1], 2)}-fold",
        "Your shifts are whole cycles. A tenth of a cycle is asked for: take a finer grid."
        if all(shift == round(shift) for shift in shifts)
        else "A fixed share of the noise is right only where it is small: the exponential bends. Minimise (13.3).",
    )


@wanted_shift.requires("no other shift has a lower mean score")
def _(best_shift: Function) -> None:
    for sigma in _NOISES:
        shift = best_shift.number(sigma)
        best = best_bias(sigma)
        if abs(shift - best) > 0.1 + 1e-9:
            way = "early" if shift < best else "late"
            mine, least = expected_score(shift, sigma), expected_score(best, sigma)
            seen = f"for noise {sigma:g} a shift of {show(shift)} scores {show(mine, least)} an engine"
            hint = f"Yours is too {way}. Plot (13.3)."
            if way == "late" and shift == round(shift):
                hint = f"Yours is too {way}. Does your grid end there, or step in whole cycles?"
            raise Miss(f"{seen}; {show(least, mine)} is possible", hint)


plain_front = Exercise(
    "13.4",
    "a front without tricks",
    function("front(points)"),
    "`rulbook.metrics.pareto_front` does the same for any number of measures.",
)


def _mask(front: Function, points: Array) -> list[bool]:
    rows = [(float(rmse), float(score)) for rmse, score in points]
    try:
        returned = vector(front(rows))
    except (Miss, NotYet):
        raise
    except Exception:  # A function for arrays is welcome too.
        returned = vector(front(points))
    expect(
        returned.size == len(points) and set(returned.tolist()) <= {0.0, 1.0},
        f"for {len(points)} points came {returned.tolist()}",
        "Return one True or False for each point, in their order.",
    )
    return [bool(value) for value in returned]


@plain_front.requires("one answer, True or False, for each point")
def _(front: Function) -> None:
    _mask(front, np.array([[12.0, 700.0], [15.0, 300.0], [16.0, 800.0]]))


@plain_front.requires("whoever is beaten in both measures is off, whoever is best in one is on")
def _(front: Function) -> None:
    got = _mask(front, np.array([[12.0, 700.0], [15.0, 300.0], [16.0, 800.0]]))
    expect(
        got == [True, True, False],
        f"of (12, 700), (15, 300), (16, 800) yours keeps {got}",
        "The first has the best RMSE, the second the best score, and the third is beaten by both.",
    )


@plain_front.requires("two equal points do not beat each other")
def _(front: Function) -> None:
    got = _mask(front, np.array([[12.0, 500.0], [12.0, 500.0]]))
    hint = "Each is at least as good as the other in everything. To dominate, a point must also be better somewhere."
    expect(got == [True, True], f"two equal points come out as {got}", hint)


@plain_front.requires("a point that is equal in one measure and worse in the other is beaten")
def _(front: Function) -> None:
    got = _mask(front, np.array([[12.0, 500.0], [12.0, 600.0]]))
    hint = "Better somewhere and worse nowhere is enough. It need not be better in both."
    expect(got == [True, False], f"(12, 500) and (12, 600) come out as {got}", hint)


@plain_front.requires("it agrees with the definition on 200 random sets")
def _(front: Function) -> None:
    rng = np.random.default_rng(13)
    for _ in range(200):
        points = rng.integers(0, 6, size=(int(rng.integers(1, 9)), 2)).astype(float)
        got, wanted = _mask(front, points), pareto_front(points).tolist()
        if got != wanted:
            place = next(i for i, pair in enumerate(zip(got, wanted, strict=True)) if pair[0] != pair[1])
            seen = f"among {points.astype(int).tolist()} the point {points[place].astype(int).tolist()} is misjudged"
            raise Miss(seen, "Compare every point with every other, and write the definition down word by word.")


border = Exercise(
    "13.5",
    "where the winner changes",
    function("border(cycles, points, rmse_span, score_span)"),
    "Two of the four numbers belong to the two candidates. The other two belong to the best and worst of all others.",
)
_CASES = ((0.44, 211.0, 0.47, 214.0), (0.03, 3.0, 4.345, 265.3), (1.0, 100.0, 2.0, 400.0))


@border.requires("it is a preference: between 0 and 1")
def _(weight: Function) -> None:
    for case in _CASES:
        got = weight.number(*case)
        expect(
            0 < got < 1,
            f"border{case} is {show(got, 0, 1)}",
            "(13.6) gives w / (1 - w), the odds. Solve for w.",
        )


@border.requires("both candidates have the same J there")
def _(weight: Function) -> None:
    for cycles, points, rmse_span, score_span in _CASES:
        w = weight.number(cycles, points, rmse_span, score_span)
        ahead, behind = (1 - w) * cycles / rmse_span, w * points / score_span
        wanted = (cycles / rmse_span) / (cycles / rmse_span + points / score_span)
        slips = {
            1 - wanted: "That is the weight of the RMSE, 1 - w.",
            cycles / (cycles + points): "A cycle and a point are not the same. What do the spans do in (13.5)?",
        }
        seen = f"at w = {show(w)} one is {show(ahead, behind)} ahead in RMSE and {show(behind, ahead)} behind in score"
        expect(close(ahead, behind), seen, slip(w, slips, "Write J down for both and set them equal."))


@border.requires("a rival that stretches the RMSE moves it down")
def _(weight: Function) -> None:
    before, after = weight.number(0.44, 211.0, 0.47, 214.0), weight.number(0.44, 211.0, 4.7, 214.0)
    expect(
        after < before - 1e-9,
        f"with ten times the span in RMSE the border goes from {show(before, after)} to {show(after, before)}",
        "A wide span makes a difference in that measure small, so the other measure takes over sooner.",
    )


spoiler = Exercise(
    "13.6",
    "a rival that cannot win",
    vector,
    "You changed the choice between three methods without touching any of them.",
)
_THREE = np.array([[7.45, 446.7], [7.89, 235.7], [7.92, 232.7]])


def _pair(answer: Array) -> Array:
    if answer.size != 2 or answer.min() <= 0:
        raise Miss("there is no rival to try", "")
    return np.vstack([_THREE, answer])


@spoiler.requires("two numbers above zero: an RMSE and a score")
def _(rival: Array) -> None:
    expect(rival.size == 2, f"{rival.size} numbers came", "Hand over two: `(rmse, score)`.")
    expect(rival.min() > 0, f"{show(rival.min())} is not above zero", "Neither measure can be negative.")


@spoiler.requires("the rival itself wins at no preference")
def _(rival: Array) -> None:
    for reign in reigns(_pair(rival)):
        if reign.winner == 3:
            seen = f"it wins from w = {show(reign.start, reign.end)} to {show(reign.end, reign.start)}"
            raise Miss(seen, "That one is good. Look for one that is beaten by another in both measures.")


@spoiler.requires("at w = 0.3 the winner is another one than AMNL")
def _(rival: Array) -> None:
    field = _pair(rival)
    names = ("AMNL", "GABA", "GRACE", "your rival")
    winner = int(np.argmin(preference(field, 0.3)))
    if winner != 0:
        return
    spans, old = np.ptp(field, axis=0), np.ptp(_THREE, axis=0)
    if spans[1] > old[1] * 1.001 and spans[0] < old[0] * 1.001:
        hint = "A worse score stretches the score, which makes differences in it small. Which measure favours AMNL?"
    elif spans[0] < old[0] * 1.001:
        hint = "Your rival lies within the field and stretches nothing. Go beyond the worst in some measure."
    else:
        hint = "It stretches the RMSE, but the score even more. Watch the ratio of the spans in (13.6)."
    raise Miss(f"{names[winner]} still wins, with J = {show(preference(field, 0.3)[0])}", hint)
