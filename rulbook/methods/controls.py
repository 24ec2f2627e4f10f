"""Controls: methods of the book with one thing changed, to see what that thing does."""

from __future__ import annotations

from functools import partial

from rulbook.horizon import MAX_RUL
from rulbook.looks import numbered
from rulbook.methods._build import fixed, inverse_gradient
from rulbook.methods._method import Method

constant = Method(
    name="constant",
    label="constant 0.0477 / 0.9523",
    description="What GABA's weights come to once its floor holds, from the first step on.",
    balancer=partial(fixed, 0.0477, 0.9523),
    family="control",
    look=numbered(0),
)
gaba_no_floor = Method(
    name="gaba_no_floor",
    label="GABA without floor",
    description="GABA with the floor taken away, so that both tasks do pull equally hard.",
    balancer=partial(inverse_gradient, floor=0.0),
    family="control",
    look=numbered(1),
)
scaled_targets = Method(
    name="scaled_targets",
    label="targets / 125",
    description="The baseline with RUL in units of 125 cycles, which shrinks its gradient 125 to 15,625 times.",
    balancer=partial(fixed, 0.5, 0.5),
    rul_scale=MAX_RUL,
    family="control",
    look=numbered(2),
)
single_task = Method(
    name="single_task",
    label="RUL alone",
    description="The health task weighs nothing.",
    balancer=partial(fixed, 1.0, 0.0),
    family="control",
    look=numbered(3),
)
