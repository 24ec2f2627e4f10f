"""Methods of others, on every sample alike (chapter 21)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rulbook.looks import numbered
from rulbook.methods._build import torchjd
from rulbook.methods._method import Method

if TYPE_CHECKING:
    from rulbook.balancing.balancer import Balancer
else:
    Balancer = Any


def _uncertainty() -> Balancer:
    from rulbook.balancing.torchjd import scalarized

    return scalarized("UW", 2)


def _dwa() -> Balancer:
    from rulbook.balancing.torchjd import DynamicWeightAverage

    return DynamicWeightAverage()


def _gradnorm() -> Balancer:
    from rulbook.balancing.gradnorm import GradNorm

    return GradNorm()


uncertainty = Method(
    name="uncertainty",
    label="uncertainty weighting",
    description="Each task's weight is learned as the inverse of its noise (Kendall et al. 2018).",
    balancer=_uncertainty,
    look=numbered(4),
)
dwa = Method(
    name="dwa",
    label="DWA",
    description="Tasks whose loss falls more slowly weigh more (Liu et al. 2019).",
    balancer=_dwa,
    look=numbered(5),
)
gradnorm = Method(
    name="gradnorm",
    label="GradNorm",
    description="Weights are learned until all tasks train at the same rate (Chen et al. 2018).",
    balancer=_gradnorm,
    look=numbered(6),
)
upgrad = Method(
    name="upgrad",
    label="UPGrad",
    description="The mean of the task gradients, each made to conflict with none (Quinton & Rey 2024).",
    balancer=partial(torchjd, "UPGrad"),
    look=numbered(7),
)
mgda = Method(
    name="mgda",
    label="MGDA",
    description="The shortest vector among the mixtures of the task gradients (Désidéri 2012).",
    balancer=partial(torchjd, "MGDA"),
    look=numbered(8),
)
pcgrad = Method(
    name="pcgrad",
    label="PCGrad",
    description="Each task gradient loses its part against the others (Yu et al. 2020).",
    balancer=partial(torchjd, "PCGrad"),
    look=numbered(9),
)
cagrad = Method(
    name="cagrad",
    label="CAGrad",
    description="The direction near the mean gradient that helps the worst-off task most (Liu et al. 2021).",
    balancer=partial(torchjd, "CAGrad", c=0.5),
    look=numbered(10),
)
imtl_g = Method(
    name="imtl_g",
    label="IMTL-G",
    description="The sum has equal projections on all task gradients (Liu et al. 2021).",
    balancer=partial(torchjd, "IMTLG"),
    look=numbered(11),
)
aligned_mtl = Method(
    name="aligned_mtl",
    label="Aligned-MTL",
    description="The task gradients are first made orthogonal and equally long (Senushkin et al. 2023).",
    balancer=partial(torchjd, "AlignedMTL"),
    look=numbered(12),
)
