"""Every method that ``rulbook train --method`` knows: a choice of sample weights and a balancer (sections 13.4, 21.1).

A method is data. The training loop reads its fields and never its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.gradients import Balancer
from rulbook.horizon import MAX_RUL
from rulbook.weighting import FixedWeights, InverseGradient

__all__ = ["METHODS", "Method"]


@dataclass(frozen=True)
class Method:
    """How a run weighs samples and tasks.

    Attributes:
        name: The key in :data:`METHODS`, as given to ``--method``.
        label: How it is written in a legend.
        description: One sentence.
        make_balancer: Builds a new balancer for one run.
        w_max: The weight of a sample at RUL 0; 1 weighs all samples alike.
        rul_scale: Predictions and targets are divided by this many cycles before the loss is taken.
        family: ``"square"`` for the four cells of the book, ``"control"``, or ``"peer"`` for methods of others.
    """

    name: str
    label: str
    description: str
    make_balancer: Callable[[], Balancer]
    w_max: float = 1.0
    rul_scale: float = 1.0
    family: str = "square"


def _fixed(*weights: float) -> Balancer:
    return WeightedSum(FixedWeights(weights))


def _inverse_gradient(**settings: Any) -> Balancer:
    return WeightedSum(InverseGradient(**settings))


def _gradnorm() -> Balancer:
    from rulbook.balancing.gradnorm import GradNorm

    return GradNorm()


def _uncertainty() -> Balancer:
    from rulbook.balancing.torchjd import scalarized

    return scalarized("UW", 2)


def _dwa() -> Balancer:
    from rulbook.balancing.torchjd import DynamicWeightAverage

    return DynamicWeightAverage()


def _torchjd(name: str, **settings: Any) -> Balancer:
    from rulbook.balancing.torchjd import aggregated

    return aggregated(name, **settings)


_published = partial(_inverse_gradient, floor_form="clip")
_equal = partial(_fixed, 0.5, 0.5)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("baseline", "plain MSE + CE", "Every sample alike, both tasks at 0.5.", _equal),
        Method("amnl", "AMNL", "Samples near failure weigh up to twice as much, both tasks at 0.5.", _equal, w_max=2.0),
        Method("gaba", "GABA", "Every sample alike, tasks by inverse gradient norm, floor as published.", _published),
        Method("grace", "GRACE", "AMNL's sample weights and GABA's task weights.", _published, w_max=2.0),
        Method(
            "constant",
            "constant 0.0477 / 0.9523",
            "What GABA's weights come to once its floor holds, from the first step on.",
            partial(_fixed, 0.0477, 0.9523),
            family="control",
        ),
        Method(
            "gaba_no_floor",
            "GABA without floor",
            "GABA with the floor taken away, so that both tasks do pull equally hard.",
            partial(_inverse_gradient, floor=0.0),
            family="control",
        ),
        Method(
            "scaled_targets",
            "targets / 125",
            "The baseline with RUL in units of 125 cycles, which shrinks its gradient 125 to 15,625 times.",
            _equal,
            rul_scale=MAX_RUL,
            family="control",
        ),
        Method(
            "single_task", "RUL alone", "The health task weighs nothing.", partial(_fixed, 1.0, 0.0), family="control"
        ),
        Method(
            "uncertainty",
            "uncertainty weighting",
            "Each task's weight is learned as the inverse of its noise (Kendall et al. 2018).",
            _uncertainty,
            family="peer",
        ),
        Method(
            "dwa",
            "DWA",
            "Tasks whose loss falls more slowly weigh more (Liu et al. 2019).",
            _dwa,
            family="peer",
        ),
        Method(
            "gradnorm",
            "GradNorm",
            "Weights are learned until all tasks train at the same rate (Chen et al. 2018).",
            _gradnorm,
            family="peer",
        ),
        Method(
            "upgrad",
            "UPGrad",
            "The mean of the task gradients, each made to conflict with none (Quinton & Rey 2024).",
            partial(_torchjd, "UPGrad"),
            family="peer",
        ),
        Method(
            "mgda",
            "MGDA",
            "The shortest vector among the mixtures of the task gradients (Désidéri 2012).",
            partial(_torchjd, "MGDA"),
            family="peer",
        ),
        Method(
            "pcgrad",
            "PCGrad",
            "Each task gradient loses its part against the others (Yu et al. 2020).",
            partial(_torchjd, "PCGrad"),
            family="peer",
        ),
        Method(
            "cagrad",
            "CAGrad",
            "The direction near the mean gradient that helps the worst-off task most (Liu et al. 2021).",
            partial(_torchjd, "CAGrad", c=0.5),
            family="peer",
        ),
        Method(
            "imtl_g",
            "IMTL-G",
            "The sum has equal projections on all task gradients (Liu et al. 2021).",
            partial(_torchjd, "IMTLG"),
            family="peer",
        ),
        Method(
            "aligned_mtl",
            "Aligned-MTL",
            "The task gradients are first made orthogonal and equally long (Senushkin et al. 2023).",
            partial(_torchjd, "AlignedMTL"),
            family="peer",
        ),
    )
}
"""The methods by name."""
