"""Exercises for chapter 13, 13.7 to 13.10: the losses side by side, and two mistakes.

``book/exercises/13-accuracy-and-safety.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulbook._check import Array
from rulbook.course.exercises._answers import (
    Function,
    close,
    expect,
    function,
    is_number,
    is_secret,
    row,
    show,
    slip,
    vector,
)
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.reference import grace_loss

shares = Exercise(
    "13.7",
    "weights that sum to one, or to two",
    function("weights(norms, total)"),
    "The sum is a convention. Say which one you use, and compare losses only under the same one.",
)
_PAIR = np.array([4.81, 0.0096])
# No geometric sequence: of such, turned round, every weight is right.
_MORE = (np.array([1.0, 3.0, 100.0]), np.array([0.2, 7.0, 0.5, 40.0]), np.array([9.0, 2.0]), np.array([5.0, 1.0, 1.0]))


@shares.requires("they sum to what was asked for")
def _(weights: Function) -> None:
    for norms in (_PAIR, *_MORE):
        for total in (1.0, 2.0, 0.7):
            got = float(weights.array(norms, total).sum())
            slips = {1.0: "You stop at shares. Multiply by `total`.", 2.0: "Your 2 is written into the body."}
            seen = f"for total = {total:g} they sum to {show(got, total)}"
            expect(close(got, total), seen, slip(got, slips, "Divide by a sum."))


@shares.requires("two tasks pull equally hard")
def _(weights: Function) -> None:
    pulls = weights.array(_PAIR, 1.0) * _PAIR
    if close(pulls[0], pulls[1], 1e-4):
        return
    if pulls[0] / pulls[1] > _PAIR[0] / _PAIR[1]:
        hint = "The louder task got the larger weight, which makes it louder still. Inverse proportion is wanted."
    else:
        hint = "A weight times its norm must be the same number for both."
    raise Miss(f"the pulls are {show(pulls[0], pulls[1])} and {show(pulls[1], pulls[0])}", hint)


@shares.requires("so do three, and four, whatever they sum to")
def _(weights: Function) -> None:
    for norms in _MORE:
        for total in (1.0, 3.0):
            got = weights.array(norms, total)
            pulls = got * norms
            hint = "Each weight is one over its own norm, divided by the sum of all such."
            swapped = norms[::-1] / norms.sum() * total
            if close(got, swapped):
                hint += " To hand each task the other's norm works for two only."
            elif close(got * (len(norms) - 1) * norms.sum(), total * (norms.sum() - norms)):
                hint += " S - g works for two tasks only."
            seen = f"for norms {row(norms)} the pulls are {row(pulls, *pulls)}"
            expect(close(pulls, pulls[0], 1e-4), seen, hint)


@shares.requires("a norm of exactly zero gives finite weights")
def _(weights: Function) -> None:
    for norms in ([2.0, 0.0], [0.0, 3.0, 1.0]):
        got = vector(weights(np.array(norms), 1.0))
        hint = "Add a small number such as 1e-8 to each norm."
        expect(close(got.sum(), 1.0), f"for norms {row(norms)} they sum to {show(got.sum(), 1.0)}", hint)


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
    seen = f"a norm of 500 in place of 1 moves the loss from {show(quiet, loud)} to {show(loud, quiet)}"
    expect(loud < quiet, seen, hint)


@by_hand.requires("it is the loss of (13.11) on random batches")
def _(grace: Function) -> None:
    rng = np.random.default_rng(8)
    for size, ratio in ((1, 3.0), (5, 0.2), (9, 8.0), (6, 500.0), (7, 0.002), (5, 60.0)):
        target = rng.uniform(0, 160, size)
        batch = (target + rng.normal(0, 12, size), target, rng.normal(size=(size, 3)), rng.integers(0, 3, size))
        norms = rng.uniform(0.1, 2.0) * np.array([ratio, 1.0])
        got, wanted = grace.number(*batch, norms), grace_loss(*batch, norms)
        what = f"for norms {row(norms)} the loss of {size} {'engine' if size == 1 else 'engines'}"
        hint = "Compare part by part: weights of the samples, mean over B, cross-entropy, weights of the tasks."
        is_number(got, wanted, what, hint, _grace_slips(*batch, norms))


def _grace_slips(
    pred: Array, target: Array, logits: Array, labels: NDArray[np.integer[Any]], norms: Array
) -> dict[float, str]:
    """What GRACE becomes by known slips, each with its hint."""
    shares = 1 / norms / (1 / norms).sum()
    floored = np.maximum(shares, 0.05)
    squares, ce = (pred - target) ** 2, _cross_entropy(logits, labels)
    weights, unclipped = 2 - np.minimum(target, 125) / 125, 2 - target / 125

    def loss(mse: float, pair: Array) -> float:
        return float(pair[0] * mse + pair[1] * ce)

    right = float(np.mean(weights * squares))
    return {
        loss(right, floored / floored.sum()): "There is a floor under the task weights. This formula has none.",
        loss(right, shares[::-1]): "The task weights are the wrong way round: RUL comes first in `norms`.",
        loss(float(np.mean(unclipped * squares)), shares): "Beyond the cap a sample weighs 1. Yours weighs less.",
        loss(float(np.mean(squares)), shares): "The sample weights are missing.",
    }


def _cross_entropy(logits: Array, labels: NDArray[np.integer[Any]]) -> float:
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(labels)), labels].mean())


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
    is_secret(float(ratios[0]), 1.52, "the ratio of losses", hint, slips, 1e-3)


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
    is_secret(float(ratios[1]), 1.96, "the ratio of pulls", hint, slips, 1e-3)


live_weights = Exercise(
    "13.10",
    "weights that the optimiser can move",
    function("balanced_loss(losses, shared)"),
    "Measure norms without `create_graph`, keep the graph of the losses, and weights are constants by themselves.",
)


class _Problem(NamedTuple):
    """Two losses of some shared tensors and of a head each; the loss and the step with constant weights."""

    losses: list[Any]
    shared: list[Any]
    loss: float
    step: Array
    pieces: list[Array]


_SCALES = (45.0, 2.0, 300.0)


def _problem(scale: float = _SCALES[0]) -> _Problem:
    import torch

    first = torch.tensor([0.4, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([[0.5, -0.2, 0.9], [1.2, 0.3, -0.6]], dtype=torch.float64, requires_grad=True)
    hidden = torch.tanh(second @ first)
    losses = [(0.3 * scale * hidden.sum() - scale) ** 2, torch.log1p(torch.exp(2 * hidden[0] - hidden[1]))]
    rows = [_flat(torch.autograd.grad(loss, [first, second], retain_graph=True)) for loss in losses]
    inverse = 1 / np.array([np.linalg.norm(row) for row in rows])
    weights = inverse / inverse.sum()
    values = np.array([loss.item() for loss in losses])
    return _Problem(losses, [first, second], float(weights @ values), weights @ np.stack(rows), rows)


def _flat(pieces: Any) -> Array:
    import torch

    return np.asarray(torch.cat([piece.detach().reshape(-1) for piece in pieces]).numpy())


def _returned(balanced_loss: Function, problem: _Problem) -> Any:
    total = balanced_loss(problem.losses, problem.shared)
    return total[0] if isinstance(total, list) and len(total) == 1 else total


@live_weights.requires("it is the sum of both losses under inverse-gradient weights that sum to 1")
def _(balanced_loss: Function) -> None:
    for scale in _SCALES:
        problem = _problem(scale)
        got = vector(_returned(balanced_loss, problem))
        expect(got.size == 1, f"{got.size} numbers came back, one loss is wanted", "Add up weight times loss.")
        values = [loss.item() for loss in problem.losses]
        hint = "Norms first, one over each, divided by their sum; then weight times loss, added up."
        slips = {2 * problem.loss: "Your weights sum to 2.", problem.loss / 2: "Your weights sum to one half."}
        slips |= {
            _weighted(values, norms): "A norm runs over all tensors of `shared`: one length over all their entries."
            for norms in _partial_norms(problem)
        }
        is_number(float(got[0]), problem.loss, "the loss", hint, slips, 1e-5)


def _partial_norms(problem: _Problem) -> list[Array]:
    """Norms that leave a tensor out, or add up the lengths of the tensors."""
    cut = problem.shared[0].numel()
    parts = np.array([[np.linalg.norm(row[:cut]), np.linalg.norm(row[cut:])] for row in problem.pieces])
    return [parts[:, 0], parts[:, 1], parts.sum(axis=1)]


def _weighted(values: list[float], norms: Array) -> float:
    return float((1 / norms) @ np.array(values) / (1 / norms).sum())


def _through_weights(problem: _Problem) -> Array:
    """The step of weights that have a graph on losses that have none."""
    import torch

    rows = [torch.autograd.grad(loss, problem.shared, create_graph=True) for loss in problem.losses]
    inverse = 1 / torch.stack([torch.cat([piece.flatten() for piece in pieces]).norm() for pieces in rows])
    total = (inverse / inverse.sum()) @ torch.stack(problem.losses).detach()
    return _flat(torch.autograd.grad(total, problem.shared, retain_graph=True))


@live_weights.requires("a graph still leads from it to the shared parameters")
def _(balanced_loss: Function) -> None:
    total = _returned(balanced_loss, _problem())
    hint = "You detached the losses, or turned them into plain numbers. Only the weights are constants."
    expect(bool(getattr(total, "requires_grad", False)), "nothing can be learned from it: there is no graph", hint)


@live_weights.requires("its gradient is that of constant weights")
def _(balanced_loss: Function) -> None:
    import torch

    for scale in _SCALES:
        problem = _problem(scale)
        total = _returned(balanced_loss, problem)
        if not getattr(total, "requires_grad", False):
            raise Miss("there is no gradient to look at", "")
        step = _flat(torch.autograd.grad(total, problem.shared, retain_graph=True))
        lengths = float(np.linalg.norm(step) * np.linalg.norm(problem.step))
        cosine = float(step @ problem.step) / lengths if lengths else 0.0
        hint = "The optimiser can lower your loss by moving the weights. Where does a graph reach the norms?"
        if np.allclose(step, _through_weights(problem), rtol=1e-4):
            hint = "Only your weights have a graph, the losses have none: it is to be the other way round."
        expect(close(step, problem.step, 1e-5), f"its cosine with the right step is {show(cosine, 1)}", hint)
