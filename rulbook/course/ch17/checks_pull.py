"""Exercises for chapter 17, 17.1 to 17.5: weights of equal pull, their step, and what must not be differentiated.

``book/exercises/17-inverse-gradient-weights.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, row, show, vector
from rulbook.course.exercises._exercise import Exercise, Miss
from rulbook.reference import inverse_gradient_weights

_THREE = np.array([1.0, 2.0, 4.0])

three_tasks = Exercise(
    "17.1",
    "three tasks, one pull",
    vector,
    "The common pull is 4/7, below the quietest norm: shares can hold a strong task back and cannot push a weak one.",
)


def _three(weights: Array) -> Array:
    expect(weights.size == 3, f"{weights.size} numbers came", "One weight for each task: a list of three.")
    return weights


@three_tasks.requires("three weights, one for each task")
def _(weights: Array) -> None:
    _three(weights)


@three_tasks.requires("all tasks pull equally hard")
def _(weights: Array) -> None:
    pulls = _three(weights) * _THREE
    if close(weights, weights[0]):
        hint = "With equal weights the loudest task pulls four times as hard as the quietest."
    elif weights[2] > weights[0]:
        hint = "The loudest task has the largest weight. It should be turned down."
    elif close(weights * 2 * _THREE.sum(), _THREE.sum() - _THREE):
        hint = "That is (S - g)/((K - 1) S), the form that is right for two tasks. Section 17.3 tries it on three."
    else:
        hint = "A weight times its norm must give the same number three times."
    middle = float(pulls.mean())
    expect(np.abs(pulls - middle).max() <= 2e-3 * abs(middle), f"the pulls are {row(pulls, *pulls)}", hint)


@three_tasks.requires("the weights are shares: they sum to 1")
def _(weights: Array) -> None:
    total = float(_three(weights).sum())
    is_number(total, 1.0, "their sum", "Keep their proportions: divide each by the sum of all.", tolerance=1e-3)


unit = Exercise(
    "17.2",
    "a unit in which both are heard",
    function("fair_unit(g_rul, g_health)"),
    "A unit is a task weight in disguise: dividing the targets by u is a weight of 1/u² on the RUL loss.",
)


@unit.requires("tasks that pull equally hard in cycles may stay in cycles: the unit is 1")
def _(fair_unit: Function) -> None:
    is_number(fair_unit.number(3.0, 3.0), 1.0, "the unit", "What does the unit 1 do to the loss?")


@unit.requires("the louder RUL is, the larger the unit")
def _(fair_unit: Function) -> None:
    quiet, loud = fair_unit.number(10.0, 1.0), fair_unit.number(90.0, 1.0)
    hint = "A large unit makes small numbers. Which task has to become quieter?"
    seen = f"for norms of 10 and 90 the units are {show(quiet, loud)} and {show(loud, quiet)}"
    expect(loud > quiet, seen, hint)


@unit.requires("counted in that unit, both gradients are equally long")
def _(fair_unit: Function) -> None:
    for g_rul, g_health in ((800.0, 1.0), (4.81, 0.0096), (0.5, 2.0)):
        u = fair_unit.number(g_rul, g_health)
        ratio = g_rul / u**2 / g_health
        if close(u, g_rul / g_health):
            hint = "The ratio itself is too large a unit: the error is divided by u, and then squared."
        elif close(u, (g_rul / g_health) ** 2):
            hint = "You squared where a square has to be undone."
        else:
            hint = "In units of u cycles the RUL gradient is g_rul/u². Set it equal to g_health."
        expect(
            close(ratio, 1.0),
            f"for norms {show(g_rul)} and {show(g_health)} your unit is {show(u)}, and RUL still pulls "
            f"{show(ratio, 1)} times as hard",
            hint,
        )


any_number = Exercise(
    "17.3",
    "weights for any number of tasks",
    function("task_weights(norms, eps)"),
    "`rulbook.reference.inverse_gradient_weights` is this function, but for one case: a dead task gets an equal share.",
)


@any_number.requires("the weights are shares: they sum to 1, for two tasks and for seven")
def _(task_weights: Function) -> None:
    for size in (2, 7):
        got = task_weights.array(np.arange(1.0, size + 1), 0.0)
        hint = "Divide the inverses by their own sum, not by the number of tasks."
        expect(close(got.sum(), 1.0), f"{size} weights sum to {show(got.sum(), 1)}", hint)


@any_number.requires("two tasks: the worked example, 0.002 and 0.998")
def _(task_weights: Function) -> None:
    norms, wanted = np.array([4.81, 0.0096]), np.array([0.0019918665, 0.9980081335])
    got = task_weights.array(norms, 0.0)
    if got[0] > got[1]:
        hint = "The loud task, RUL, comes first and gets the small weight."
    elif close(got, norms[::-1] ** 2 / (norms**2).sum()):
        hint = "Each weight is one over the norm, to the first power. Yours has it squared."
    else:
        hint = (
            "The louder task has the smaller weight, as it should. A weight times its norm is to be the same for both."
        )
    seen = f"they are {row(got, *wanted)}, expected {row(wanted, *got)}"
    expect(close(got, wanted), seen, hint)


@any_number.requires("all of five tasks pull equally hard")
def _(task_weights: Function) -> None:
    norms = 10 ** np.random.default_rng(17).uniform(-2, 2, 5)
    pulls = task_weights.array(norms, 0.0) * norms
    hint = "Is (17.5) in it? Equal pull of many tasks has one solution, and that is (17.2)."
    seen = f"the strongest pulls {show(pulls.max() / pulls.min(), 1)} times the weakest"
    expect(close(pulls, pulls[0]), seen, hint)


@any_number.requires("a task without a gradient gets finite weights, by eps")
def _(task_weights: Function) -> None:
    norms = np.array([2.0, 0.0, 1.0])
    wanted = np.array([3.0, 15.0, 5.0]) / 23  # 1/2.5, 1/0.5 and 1/1.5 over their sum
    got = task_weights.array(norms, 0.5)
    hint = "Add eps to every norm before you divide, so that nothing is divided by zero."
    expect(close(got, wanted), f"for norms 2, 0, 1 and eps = 0.5 you give {row(got, *wanted)}", hint)
    for eps in (0.2, 3.0):
        norms = np.random.default_rng(173).uniform(0.0, 5.0, 4)
        got, wanted = task_weights.array(norms, eps), 1 / (norms + eps) / (1 / (norms + eps)).sum()
        seen = f"for eps = {eps:g} you give {row(got, *wanted)}, expected {row(wanted, *got)}"
        expect(close(got, wanted), seen, "Is `eps` in use, for every norm?")


joint = Exercise(
    "17.4",
    "the step that all agree on",
    function("joint_step(gradients)"),
    "Equation (17.3): the direction is the sum of the unit gradients. No unit can turn it.",
)


def _gradients(seed: int, tasks: int, entries: int = 6) -> Array:
    generator = np.random.default_rng(seed)
    loudness = 10 ** generator.uniform(-2, 2, (tasks, 1))
    return np.asarray(generator.normal(size=(tasks, entries)) * loudness)


def _step(joint_step: Function, gradients: Array) -> Array:
    got = vector(joint_step(gradients))
    expect(
        got.size == gradients.shape[1],
        f"{got.size} numbers came back for {gradients.shape[1]} parameters",
        "A row is a task, a column a parameter. The step has one entry for each parameter.",
    )
    return got


@joint.requires("one entry for each parameter")
def _(joint_step: Function) -> None:
    _step(joint_step, _gradients(1, 2))


@joint.requires("counting one loss in another unit does not turn it")
def _(joint_step: Function) -> None:
    gradients = _gradients(2, 3)
    before = _step(joint_step, gradients)
    after = _step(joint_step, gradients * np.array([[1.0], [15_625.0], [1.0]]))
    cosine = float(before @ after / (np.linalg.norm(before) * np.linalg.norm(after)))
    hint = "Its direction must not depend on how long the rows are. What is left of a row without its length?"
    expect(close(cosine, 1.0), f"with one row 15,625 times as long the cosine to before is {show(cosine, 1)}", hint)


@joint.requires("its length is that of shares: weights that sum to 1")
def _(joint_step: Function) -> None:
    for seed, tasks, entries in ((3, 2, 6), (4, 5, 6), (5, 4, 3), (6, 2, 9)):
        gradients = _gradients(seed, tasks, entries)
        norms = np.linalg.norm(gradients, axis=1)
        wanted = inverse_gradient_weights(norms, eps=0.0) @ gradients
        got = _step(joint_step, gradients)
        factor = float(np.linalg.norm(got) / np.linalg.norm(wanted))
        if close(factor, float((1 / norms).sum())):
            hint = "You added the unit gradients. By (17.3) their sum is multiplied by the common pull c."
        elif close(factor, float((1 / norms).sum() / tasks)):
            hint = "You averaged the unit gradients. The weights are 1/g over the sum of all 1/g."
        else:
            hint = "Which weights, summing to 1, make all rows equally long? Multiply and add."
        if close(factor, 1.0):
            seen = f"for {tasks} tasks it is as long as it should be, and leads elsewhere"
        else:
            seen = f"for {tasks} tasks it is {show(factor)} times as long as it should be"
        expect(close(got, wanted), seen, hint)


cheating = Exercise(
    "17.5",
    "the weights that cheat",
    function("step_gradient(losses, params)"),
    "A weighting hands out numbers. The optimiser must not learn that it could move them.",
)


class _Case(NamedTuple):
    """Two losses, the parameters of both, a head, and known steps: that of equal pull first, then slips."""

    losses: list[Any]
    params: list[Any]
    head: Any
    right: Array
    slips: dict[str, Array]


def _torch_case(scale: float = 1.0, tensors: int = 2) -> _Case:
    """A case on which weights with a graph lead somewhere else altogether."""
    import torch

    starts = ([[0.4, -0.3], [0.1, 0.8]], [0.5, -1.0], [0.2, 0.4])
    all_params = [torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in starts]
    head = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    h = torch.tanh(all_params[0] @ all_params[1] + all_params[2])
    losses = [50 * scale * (head * h - 1.5).square().sum(), (h + 0.2).square().mean()]
    params = all_params[:tensors]
    pieces = [torch.autograd.grad(loss, params, retain_graph=True) for loss in losses]
    rows = np.stack([_flat(one) for one in pieces])
    norms = np.linalg.norm(rows, axis=1)
    lengths = np.array([[float(piece.norm()) for piece in one] for one in pieces])
    by_tensor = [
        sum(weight * one[place] for weight, one in zip(_shares(lengths[:, place]), pieces, strict=True))
        for place in range(tensors)
    ]
    slips = {
        "That is half and half. The weights have to come from the norms.": rows.mean(axis=0),
        "Each tensor has weights of its own in it. One norm for each task, over all its tensors.": _flat(by_tensor),
        "The lengths of the tensors were added. Squares add: one length over all entries.": _shares(lengths.sum(axis=1))
        @ rows,
        "The weights are the wrong way round: the louder task gets the smaller one.": _shares(norms)[::-1] @ rows,
        "`.grad` collects: what `backward` added for one task is still there for the next.": _shares(
            np.array([norms[0], np.linalg.norm(rows.sum(axis=0))])
        )
        @ rows,
        "The norms are functions of the parameters, and autograd follows them if it can. Make numbers of them.": _cheat(
            losses, params
        ),
    }
    return _Case(losses, params, head, _shares(norms) @ rows, slips)


def _shares(norms: Array) -> Array:
    return np.asarray(1 / norms / (1 / norms).sum())


def _cheat(losses: Any, params: Any) -> Array:
    import torch

    pieces = [torch.autograd.grad(loss, params, create_graph=True) for loss in losses]
    inverse = 1 / torch.stack([torch.cat([piece.flatten() for piece in one]).norm() for one in pieces])
    return _flat(torch.autograd.grad((inverse / inverse.sum()) @ torch.stack(losses), params, retain_graph=True))


def _flat(pieces: Any) -> Array:
    return np.concatenate([vector(piece) for piece in pieces])


def _handed(step_gradient: Function, case: _Case) -> Array:
    got = step_gradient(case.losses, case.params)
    pieces = got if isinstance(got, list) else [got]
    shapes = [tuple(getattr(piece, "shape", ())) for piece in pieces]
    expect(
        shapes == [tuple(param.shape) for param in case.params],
        f"{len(pieces)} gradients came back for {len(case.params)} tensors"
        if len(pieces) != len(case.params)
        else "what came back has not the shapes of the parameters",
        "Return what `torch.autograd.grad` returns: one gradient for each tensor in `params`.",
    )
    return _flat(pieces)


@cheating.requires("one gradient for each parameter tensor")
def _(step_gradient: Function) -> None:
    for tensors in (2, 1, 3):
        _handed(step_gradient, _torch_case(tensors=tensors))


@cheating.requires("both tasks pull equally hard in it")
def _(step_gradient: Function) -> None:
    for scale, tensors in ((1.0, 2), (20.0, 3), (0.01, 1)):
        case = _torch_case(scale, tensors)
        got = _handed(step_gradient, case)
        if close(got, case.right, 1e-5):
            continue
        lengths = float(np.linalg.norm(got) * np.linalg.norm(case.right))
        cosine = float(got @ case.right) / lengths if lengths else 0.0
        hint = "A weight is one over the norm of its task, over the sum of all such; both are plain numbers."
        if cosine > 0.9999:
            hint = "The direction is right, the length is not. The weights sum to 1."
        hint = next((text for text, slipped in case.slips.items() if close(got, slipped, 1e-5)), hint)
        raise Miss(f"its cosine with the right step is {show(cosine, 1)}", hint)


@cheating.requires("it leaves `.grad` as it was")
def _(step_gradient: Function) -> None:
    case = _torch_case()
    for param in (*case.params, case.head):
        param.grad = param.detach().new_full(param.shape, 3.0)
    _handed(step_gradient, case)
    kept = all(param.grad is not None and bool((param.grad == 3.0).all()) for param in (*case.params, case.head))
    expect(kept, "afterwards `.grad` holds something else", "Measure with `torch.autograd.grad`, not with `backward`.")
