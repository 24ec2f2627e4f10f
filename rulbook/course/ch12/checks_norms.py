"""Exercises for chapter 12, 12.1 to 12.5: units, norms and how they are measured.

``book/exercises/12-gradient-imbalance.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import (
    Function,
    close,
    expect,
    function,
    is_number,
    is_secret,
    number,
    row,
    show,
    slip,
    vector,
)
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.reference import softmax_cross_entropy, uniform_mse

unit_guess = Exercise(
    "12.1",
    "the ratio in tens of cycles",
    number,
    "A unit u in the loss divides the squared error, its gradient and the ratio by u².",
)


@unit_guess.requires("a larger unit makes the ratio smaller")
def _(ratio: float) -> None:
    slips = {50_000.0: "You multiplied. In tens of cycles every error is a smaller number. What happens to its square?"}
    hint = "An error of 30 cycles is an error of 3 in the new unit. Is its gradient longer or shorter than before?"
    expect(0 < ratio < 500, f"{show(ratio, 500)} is not below 500", slip(ratio, slips, hint))


@unit_guess.requires("the whole loss is divided, and the loss is a square")
def _(ratio: float) -> None:
    slips = {
        50.0: "You divided by 10 once. Prediction and target are both divided, and their difference is then squared.",
        0.5: "You divided three times. The loss is a square, not a cube, and its gradient is divided as it is.",
    }
    is_secret(ratio, 5.0, "the ratio", "By which factor does the squared error shrink? Its gradient does too.", slips)


ceiling = Exercise(
    "12.2",
    "as loud as it gets",
    vector,
    "Sure and wrong is the loudest a classifier can be, and it is not loud: √2 over the batch size.",
)


def _three(logits: Array) -> Array:
    expect(logits.size == 3, f"{logits.size} numbers came", "One score for each of the three classes: a list of three.")
    return logits


@ceiling.requires("three scores, one for each class")
def _(logits: Array) -> None:
    _three(logits)


@ceiling.requires("the network is wrong: the true class 0 does not have the highest score")
def _(logits: Array) -> None:
    scores = _three(logits)
    hint = "A network that is right and sure has next to no gradient. Let another class win."
    expect(scores.argmax() != 0 or np.ptp(scores) == 0, f"class 0 leads with {show(scores[0])}", hint)


@ceiling.requires("the gradient of the window is longer than 1.41")
def _(logits: Array) -> None:
    _, gradient = softmax_cross_entropy(_three(logits)[None], [0])
    length = float(np.linalg.norm(gradient))
    if length > 1.41:
        return
    others = gradient[0, 1:]
    if np.ptp(logits) == 0:
        hint = "All classes alike: the network has no opinion. Give it a wrong one."
    elif close(others[0], others[1], 0.3) and others.min() > 0.3:
        hint = "Nearly no probability is left at the true class, but two wrong ones share it. Which split is longest?"
    else:
        hint = "The direction is right. Let the score of one wrong class grow further."
    raise Miss(f"the gradient is {show(length, 1.41)} long", hint)


joined = Exercise(
    "12.3",
    "one length for many tensors",
    function("length(pieces)"),
    "`rulbook.gradients.task_gradient_norms` does this for each task, on all tensors at once.",
)


@joined.requires("one tensor: its own length, whatever its shape")
def _(length: Function) -> None:
    slips = {
        7.0: "That is 3 + 4. A length is the root of the sum of squares.",
        25.0: "That is the square of the length. Take the root.",
        4.0: "That is the largest entry. All of them count.",
    }
    is_number(length.number([np.array([[3.0], [4.0]])]), 5.0, "the length of (3, 4)", "Think of Pythagoras.", slips)


@joined.requires("cutting a tensor in two changes nothing")
def _(length: Function) -> None:
    whole = np.random.default_rng(12).normal(size=(6, 4))
    uncut, cut = length.number([whole]), length.number([whole[:2], whole[2:]])
    if close(uncut, cut):
        return
    hint = {
        True: "Lengths do not add, squares do: put all entries into one vector, or add the squares of the lengths.",
        False: "Something was divided or left out. Each entry counts once, in whichever tensor it lies.",
    }[cut > uncut]
    raise Miss(f"whole it is {show(uncut, cut)}, in two pieces {show(cut, uncut)}", hint)


@joined.requires("it is right for three tensors of different shapes")
def _(length: Function) -> None:
    generator = np.random.default_rng(3)
    pieces = [generator.normal(size=shape) for shape in ((5, 3), (7,), (2, 2, 2))]
    wanted = float(np.linalg.norm(np.concatenate([piece.ravel() for piece in pieces])))
    is_number(length.number(pieces), wanted, "the length", "Flatten every tensor, join them, take one length.")
    single = [np.array([3.0, 0.0]), np.array(4.0)]
    hint = "One of the tensors is a single number and has no axis, as a learned scale is. It counts like the others."
    is_number(length.number(single), 5.0, "the length of (3, 0) and the number 4", hint)
    for many in (1, 2, 6):
        pieces = [generator.normal(size=(2, 1 + place)) * (1.0 + place) for place in range(many)]
        wanted = float(np.sqrt(sum(float((piece**2).sum()) for piece in pieces)))
        is_number(length.number(pieces), wanted, f"the length over {many} tensors", "Each of them counts, once.")


by_hand = Exercise(
    "12.4",
    "two norms by hand",
    function("norms(x, w, a, v, rul, health)"),
    "Three stages for each task: what arrives, through the head, collected over the windows.",
)


def _case(seed: int, size: int = 7, read: int = 3, kept: int = 2) -> tuple[Array, Array, Array, Array, Array, Array]:
    generator = np.random.default_rng(seed)
    shapes = ((size, read), (kept, read), (kept,), (3, kept))
    x, w, a, v = (generator.normal(size=shape) for shape in shapes)
    return x, w, 10 * a, v, generator.uniform(0, 125, size), generator.integers(0, 3, size).astype(float)


def _slopes(x: Array, w: Array, a: Array, v: Array, rul: Array, health: Array) -> Array:
    """Both norms on w from central differences."""

    def losses(shared: Array) -> Array:
        h = x @ shared.T
        return np.array([uniform_mse(70 + h @ a, rul)[0], softmax_cross_entropy(h @ v.T, health.astype(int))[0]])

    found = np.zeros((2, *w.shape))
    for place in np.ndindex(w.shape):
        nudge = np.zeros_like(w)
        nudge[place] = 1e-5
        found[(slice(None), *place)] = (losses(w + nudge) - losses(w - nudge)) / 2e-5
    return np.asarray(np.sqrt((found**2).sum(axis=(1, 2))))


def _pair(norms: Function, seed: int, *sizes: int) -> tuple[Array, Array]:
    case = _case(seed, *sizes)
    *rest, health = case
    got = vector(norms(*rest, health.astype(np.int64)))
    expect(got.size == 2, f"{got.size} numbers came back", "Return two lengths: RUL first, then health.")
    return got, _slopes(*case)


def _at_h(seed: int) -> tuple[float, float]:
    """Both norms at the representation, before the shared layer collects them."""
    x, w, a, v, rul, health = _case(seed)
    h = x @ w.T
    arriving = 2 / len(x) * (70 + h @ a - rul)
    _, at_scores = softmax_cross_entropy(h @ v.T, health.astype(int))
    return float(np.linalg.norm(np.outer(arriving, a))), float(np.linalg.norm(at_scores @ v))


def _without_70(seed: int) -> float:
    x, w, a, _, rul, _ = _case(seed)
    return float(np.linalg.norm(np.outer(2 / len(x) * (x @ w.T @ a - rul), a).T @ x))


_COMMON = {
    "h": "That is the length at h. The layer w comes before it: collect over the windows, with x.",
    "square": "That is the squared length. Take the root.",
}


@by_hand.requires("the RUL norm is the slope of the squared error on w")
def _(norms: Function) -> None:
    got, wanted = _pair(norms, 4)
    slips = {
        0.5: "Half of it. What does the square leave in front?",
        7.0: "It is B times too large, and there are 7 windows. The loss is a mean.",
        3.5: "It is 7/2 times too large: both the mean and the factor 2 of the square are missing.",
        _at_h(4)[0] / float(wanted[0]): _COMMON["h"],
        float(wanted[0]): _COMMON["square"],
        float(wanted[1] / wanted[0]): "The two lengths are in the wrong order: RUL comes first.",
        _without_70(4) / float(wanted[0]): "The head adds 70 to its weighted sum. Your error leaves it out.",
    }
    hint = "Compare stage by stage: 2/B times the error, times a, then a sum over the windows of outer products."
    expect(
        close(got[0], wanted[0], 1e-4),
        f"the RUL norm is {show(got[0] / wanted[0], 1)} times what central differences say",
        slip(got[0] / wanted[0], slips, hint),
    )


@by_hand.requires("the health norm is the slope of the cross-entropy on w")
def _(norms: Function) -> None:
    got, wanted = _pair(norms, 5)
    x, w, _, v, _, health = _case(5)
    h = x @ w.T
    p = np.exp(h @ v.T) / np.exp(h @ v.T).sum(axis=1, keepdims=True)
    no_label = float(np.linalg.norm((p / 7 @ v).T @ x))
    only_true = -np.eye(3)[health.astype(int)] * (1 - p)
    slips = {
        7.0: "It is B times too large. The cross-entropy is a mean too.",
        no_label / float(wanted[1]): "Your gradient is p. At the true class a 1 has to be taken away.",
        float(np.linalg.norm((only_true / 7 @ v).T @ x))
        / float(wanted[1]): "You kept the true class only. The scores of the others get a gradient too: their p.",
        _at_h(5)[1] / float(wanted[1]): _COMMON["h"],
        float(wanted[1]): _COMMON["square"],
    }
    hint = "What arrives is (p - one-hot)/B, a row for each window; then v takes it to h, and x collects it on w."
    expect(
        close(got[1], wanted[1], 1e-4),
        f"the health norm is {show(got[1] / wanted[1], 1)} times what central differences say",
        slip(got[1] / wanted[1], slips, hint),
    )


@by_hand.requires("one window makes no exception, nor do forty")
def _(norms: Function) -> None:
    for seed, size, read, kept in ((6, 1, 3, 2), (7, 40, 3, 2), (8, 5, 4, 6), (9, 7, 3, 2)):
        got, wanted = _pair(norms, seed, size, read, kept)
        expect(
            close(got, wanted, 1e-4),
            f"for {size} windows of {read} readings the norms are {row(got, *wanted)}, expected {row(wanted, *got)}",
            "Is there a 7 or a 3 in your function that should be the number of windows?",
        )


meter = Exercise(
    "12.5",
    "the meter that reads both",
    function("measure(losses, params)"),
    "`torch.autograd.grad` returns what `backward` would have added. That is all the difference, and it is enough.",
)


class _Case(NamedTuple):
    """Two losses, what both depend on, a head each, and the two norms on what they share."""

    losses: Any
    params: Any
    heads: Any
    wanted: Array


def _torch_case(tensors: int = 2) -> _Case:
    import torch

    params = [
        torch.tensor([[1.0, 2.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True),
        torch.tensor([1.0, -1.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([0.3, 0.1], dtype=torch.float64, requires_grad=True),
    ]
    heads = [torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in (1.5, -0.5)]
    h = torch.tanh(params[0] @ params[1] + params[2])
    losses = [100 * (heads[0] * h).square().sum(), (heads[1] * h - 1).square().sum()]
    shared = params[:tensors]
    wanted = []
    for loss in losses:
        pieces = torch.autograd.grad(loss, shared, retain_graph=True)
        wanted.append(float(torch.cat([piece.reshape(-1) for piece in pieces]).norm()))
    return _Case(losses, shared, heads, np.array(wanted))


def _measured(measure: Function, tensors: int = 2) -> tuple[Array, _Case]:
    case = _torch_case(tensors)
    norms = vector(measure(case.losses, case.params))
    expect(norms.size == 2, f"{norms.size} numbers came back for two tasks", "Return one norm for each loss.")
    return norms, case


@meter.requires("the first task is measured right")
def _(measure: Function) -> None:
    hint = "Are all tensors of `params` in it? One length over all: the root of the sum of all squares."
    for tensors in (2, 1, 3):
        got, case = _measured(measure, tensors)
        what = f"the norm of the first task, on {tensors} tensors," if tensors != 2 else "the norm of the first task"
        is_number(got[0], float(case.wanted[0]), what, hint, {float(case.wanted[1]): "That is the second task's."})


@meter.requires("the second task is measured alone")
def _(measure: Function) -> None:
    hint = "The second reading still contains the first task. `backward` adds to what is there."
    for tensors in (2, 1, 3):
        got, case = _measured(measure, tensors)
        is_number(got[1], float(case.wanted[1]), "the norm of the second task", hint)


@meter.requires("a gradient that was there before is still there")
def _(measure: Function) -> None:
    import torch

    case = _torch_case()
    for param in (*case.params, *case.heads):
        param.grad = torch.full_like(param, 3.0)
    measure(case.losses, case.params)
    hint = "Somebody may be collecting gradients there. Ask for gradients without storing them: `torch.autograd.grad`."
    expect(_untouched(case.params, 3.0), "after the measurement `.grad` holds something else", hint)
    hint = "`backward` reaches every parameter of the graph, not only `params`. `torch.autograd.grad` stores nothing."
    expect(_untouched(case.heads, 3.0), "after the measurement the `.grad` of a head holds something else", hint)


def _untouched(params: Any, value: float) -> bool:
    return all(param.grad is not None and bool((param.grad == value).all()) for param in params)


@meter.requires("the losses can still be differentiated afterwards")
def _(measure: Function) -> None:
    _, case = _measured(measure)
    try:
        (case.losses[0] + case.losses[1]).backward()
    except RuntimeError:
        raise Miss(
            "the training step that follows finds no graph",
            "Keep the graph in every pass, the last one included: `retain_graph=True`.",
        ) from None
