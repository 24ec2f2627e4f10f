"""Exercises for chapter 13, 13.7 to 13.10: the losses side by side, and two mistakes.

``book/exercises/13-accuracy-and-safety.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rulbook._check import Array
from rulbook.exercises._answers import Function, close, expect, function, is_number, show, slip, vector
from rulbook.exercises._exercise import Exercise, Miss, NotYet
from rulbook.reference import grace_loss

shares = Exercise(
    "13.7",
    "weights that sum to one, or to two",
    function("weights(norms, total)"),
    "The sum is a convention. Say which one you use, and compare losses only under the same one.",
)
_PAIR, _TRIPLE = np.array([4.81, 0.0096]), np.array([1.0, 10.0, 100.0])


@shares.requires("they sum to what was asked for")
def _(weights: Function) -> None:
    for total in (1.0, 2.0):
        got = float(weights.array(_PAIR, total).sum())
        slips = {1.0: "You stop at shares. Multiply by `total`.", 2.0: "Your 2 is written into the body."}
        expect(
            close(got, total), f"for total = {total:g} they sum to {show(got)}", slip(got, slips, "Divide by a sum.")
        )


@shares.requires("two tasks pull equally hard")
def _(weights: Function) -> None:
    pulls = weights.array(_PAIR, 1.0) * _PAIR
    if close(pulls[0], pulls[1], 1e-4):
        return
    if pulls[0] / pulls[1] > _PAIR[0] / _PAIR[1]:
        hint = "The louder task got the larger weight, which makes it louder still. Inverse proportion is wanted."
    else:
        hint = "A weight times its norm must be the same number for both."
    raise Miss(f"the pulls are {show(pulls[0])} and {show(pulls[1])}", hint)


@shares.requires("so do three")
def _(weights: Function) -> None:
    pulls = weights.array(_TRIPLE, 1.0) * _TRIPLE
    hint = "Each weight is one over its own norm, divided by the sum of all such. S - g works for two tasks only."
    seen = f"for norms 1, 10, 100 the pulls are {', '.join(show(pull) for pull in pulls)}"
    expect(close(pulls, pulls[0], 1e-4), seen, hint)


@shares.requires("a norm of exactly zero gives finite weights")
def _(weights: Function) -> None:
    got = vector(weights(np.array([2.0, 0.0]), 1.0))
    expect(close(got.sum(), 1.0), f"they sum to {show(got.sum())}", "Add a small number such as 1e-8 to each norm.")


by_hand = Exercise(
    "13.8",
    "GRACE by hand",
    function("grace(pred, target, logits, labels, norms)"),
    "Two lines from AMNL, one from GABA. `rulbook.reference.grace_loss` checks its input as well.",
)
_LABELS = np.array([0, 1, 2, 0])
_LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0], [0.0, -0.5, 1.5], [1.0, 1.0, 0.0]])
_EQUAL = np.array([1.0, 1.0])


def _ce() -> float:
    return grace_loss([50.0] * 4, [50.0] * 4, _LOGITS, _LABELS, _EQUAL) * 2


@by_hand.requires("with equal norms and engines at the cap it is half MSE, half cross-entropy")
def _(grace: Function) -> None:
    target = np.full(4, 125.0)
    got, ce = grace.number(target + 5, target, _LOGITS, _LABELS, _EQUAL), _ce()
    slips = {
        0.5 * (0.5 * 25 + 0.5 * ce) + 0.5 * ce: "AMNL's 0.5 is still inside, so the health task counts twice. "
        "In GRACE the norms alone decide.",
        25 + ce: "Your two task weights sum to 2. Take shares, which sum to 1.",
        0.5 * 25 + 0.5 * 4 * ce: "The cross-entropy is a mean over the batch too.",
    }
    is_number(got, 12.5 + 0.5 * ce, "the loss", "All sample weights are 1 here. What is left is a mean of two.", slips)


@by_hand.requires("engines that fail now double the part of the RUL task")
def _(grace: Function) -> None:
    cap, now = np.full(4, 125.0), np.zeros(4)
    rise = grace.number(now + 5, now, _LOGITS, _LABELS, _EQUAL) - grace.number(cap + 5, cap, _LOGITS, _LABELS, _EQUAL)
    slips = {
        0.0: "Nothing changed: the sample weights are missing, or you divide by their sum, which cancels them here.",
        -12.5: "The healthy engines have the larger weight. It must fall as RUL grows.",
    }
    is_number(
        rise, 12.5, "the rise of the loss", "At RUL 0 a sample weighs 2, at the cap 1. The mean divides by B.", slips
    )


@by_hand.requires("a louder RUL task gets less")
def _(grace: Function) -> None:
    target = np.array([5.0, 30.0, 80.0, 125.0])
    quiet, loud = (grace.number(target + 5, target, _LOGITS, _LABELS, np.array([g, 1.0])) for g in (1.0, 500.0))
    hint = "A task is weighted by one over its norm. Which of the two norms comes first?"
    expect(loud < quiet, f"a norm of 500 in place of 1 moves the loss from {show(quiet)} to {show(loud)}", hint)


@by_hand.requires("it is the loss of (13.11) on random batches")
def _(grace: Function) -> None:
    rng = np.random.default_rng(8)
    for size in (1, 5, 9):
        target = rng.uniform(0, 160, size)
        batch = (target + rng.normal(0, 12, size), target, rng.normal(size=(size, 3)), rng.integers(0, 3, size))
        norms = rng.uniform(0.1, 20, 2)
        hint = "Compare part by part: weights of the samples, mean over B, cross-entropy, weights of the tasks."
        is_number(grace.number(*batch, norms), grace_loss(*batch, norms), f"the loss of {size} engines", hint)


idle = Exercise(
    "13.9",
    "is the weight idle?",
    vector,
    "A loss that does not change says nothing about its gradient.",
)


@idle.requires("two numbers: a ratio of losses and a ratio of pulls")
def _(ratios: Array) -> None:
    expect(ratios.size == 2, f"{ratios.size} numbers came", "Hand over `(ratio_of_losses, ratio_of_pulls)`.")


@idle.requires("the plain mean makes the loss larger by the mean weight")
def _(ratios: Array) -> None:
    slips = {
        1.0: "That is so for the normalised mean. The plain one divides by 4, and the weights sum to more.",
        1 / 1.52: "The ratio stands on its head: plain over normalised is wanted.",
        6.08: "6.08 is the sum of the weights. The plain mean divides by the number of engines.",
    }
    hint = "With equal errors r the plain mean is r² times the mean weight, and the normalised mean is r²."
    is_number(float(ratios[0]), 1.52, "the ratio of losses", hint, slips, 1e-3)


@idle.requires("under the normalised mean the engine near failure still pulls harder")
def _(ratios: Array) -> None:
    if ratios.size != 2:
        raise Miss("there is no second number to look at", "")
    slips = {
        1.0: "The loss does not see the weights here; the gradient does. Differentiate by one prediction.",
        1.96 / 1.52: "That is the pull against plain MSE. Compare the first engine with the last.",
        0.0: "Both engines are wrong by five cycles, and both pull.",
    }
    hint = "The derivative by prediction i is 2 w_i r_i over the sum of the weights. What remains of a ratio?"
    is_number(float(ratios[1]), 1.96, "the ratio of pulls", hint, slips, 1e-3)


live_weights = Exercise(
    "13.10",
    "weights that the optimiser can move",
    function("balanced_loss(losses, shared)"),
    "Measure norms without `create_graph`, keep the graph of the losses, and weights are constants by themselves.",
)


def _problem() -> tuple[list[Any], Any]:
    """Two losses of one shared tensor, which share a part of their graph, and that tensor."""
    import torch

    shared = torch.tensor([0.4, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    hidden = torch.tanh(shared * torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64))
    return [(60 * hidden.sum() - 45) ** 2, torch.log1p(torch.exp(hidden[0] - hidden[1]))], shared


def _right() -> tuple[float, Array]:
    """The loss and the step with constant weights."""
    import torch

    losses, shared = _problem()
    rows = [torch.autograd.grad(loss, shared, retain_graph=True)[0].numpy() for loss in losses]
    inverse = 1 / np.array([np.linalg.norm(row) for row in rows])
    weights = inverse / inverse.sum()
    values = np.array([loss.item() for loss in losses])
    return float(weights @ values), weights @ np.stack(rows)


def _returned(balanced_loss: Function) -> tuple[Any, Any]:
    losses, shared = _problem()
    total = balanced_loss(losses, [shared])
    if total is None or total is ...:
        raise NotYet
    return total, shared


@live_weights.requires("it is the sum of both losses under inverse-gradient weights that sum to 1")
def _(balanced_loss: Function) -> None:
    total, _ = _returned(balanced_loss)
    wanted, _ = _right()
    hint = "Norms first, one over each, divided by their sum; then weight times loss, added up."
    slips = {2 * wanted: "Your weights sum to 2.", wanted / 2: "Your weights sum to one half."}
    is_number(float(vector(total)[0]), wanted, "the loss", hint, slips, 1e-5)


@live_weights.requires("a graph still leads from it to the shared parameters")
def _(balanced_loss: Function) -> None:
    total, _ = _returned(balanced_loss)
    hint = "You detached the losses, or turned them into plain numbers. Only the weights are constants."
    expect(bool(getattr(total, "requires_grad", False)), "nothing can be learned from it: there is no graph", hint)


@live_weights.requires("its gradient is that of constant weights")
def _(balanced_loss: Function) -> None:
    import torch

    total, shared = _returned(balanced_loss)
    if not getattr(total, "requires_grad", False):
        raise Miss("there is no gradient to look at", "")
    (step,) = torch.autograd.grad(total, shared)
    wanted = _right()[1]
    cosine = float(step.numpy() @ wanted / (np.linalg.norm(step) * np.linalg.norm(wanted)))
    hint = "The optimiser can lower your loss by moving the weights. Where does a graph reach the norms?"
    expect(close(step.numpy(), wanted, 1e-5), f"its cosine with the right step is {show(cosine)}", hint)
