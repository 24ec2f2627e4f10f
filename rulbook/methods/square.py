"""The four cells of the book: two choices for the samples, times two for the tasks (section 13.4)."""

from __future__ import annotations

from functools import partial

from rulbook.looks import Look
from rulbook.methods._build import fixed, inverse_gradient
from rulbook.methods._method import Method
from rulbook.weighting.samples import Linear, Uniform

_alike, _near_failure = Uniform(), Linear(w_max=2.0)
_equal, _published = partial(fixed, 0.5, 0.5), partial(inverse_gradient, floor_form="clip")

baseline = Method(
    name="baseline",
    label="plain MSE + CE",
    description="Every sample alike, both tasks at 0.5.",
    balancer=_equal,
    samples=_alike,
    family="square",
    look=Look("#7a7a7a"),
)
amnl = Method(
    name="amnl",
    label="AMNL",
    description="Samples near failure weigh up to twice as much, both tasks at 0.5.",
    balancer=_equal,
    samples=_near_failure,
    family="square",
    look=Look("#0072b2"),
)
gaba = Method(
    name="gaba",
    label="GABA",
    description="Every sample alike, tasks by inverse gradient norm, floor as published.",
    balancer=_published,
    samples=_alike,
    family="square",
    look=Look("#d55e00"),
)
grace = Method(
    name="grace",
    label="GRACE",
    description="AMNL's sample weights and GABA's task weights.",
    balancer=_published,
    samples=_near_failure,
    family="square",
    look=Look("#009e73"),
)
