"""What a method is: one choice for the samples, one for the tasks, and how it is named and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rulbook._check import above, one_of, shown
from rulbook.errors import InputError
from rulbook.looks import INK, Look
from rulbook.weighting.samples import SampleWeighting, Uniform, sample_weighting

if TYPE_CHECKING:
    from rulbook.balancing.balancer import Balancer
else:
    # Hints are executed in tests, and the table is read where torch is not installed.
    Balancer = Any

__all__ = ["FAMILIES", "UNSEEN", "Method", "Quoted"]

FAMILIES = {
    "square": "the four cells of the book",
    "control": "controls, which change one thing about them",
    "peer": "other methods",
    "quoted": "methods of which only printed numbers are known",
}
"""What the families hold, in the order of the table."""

_ALIKE = Uniform()

UNSEEN = Look(INK)
"""The look of a method that gives none; in the table it is replaced by one that is free."""


@dataclass(frozen=True)
class Method:
    """How a run weighs samples and tasks.

    Attributes:
        name: The key in :data:`rulbook.methods.METHODS`, as given to ``--method``.
        label: How it is written in a legend.
        description: One sentence.
        balancer: Builds a new balancer for one run: how the *tasks* are weighted. What it needs of torch is
            imported in it, so that the table can be read without.
        samples: How the *samples* are weighted inside the RUL task.
        rul_scale: The RUL loss is taken in units of this many cycles.
        family: One of :data:`FAMILIES`.
        look: How it is drawn. Left out, it gets one that no other method has.

    Raises:
        ValueError: If a field is not what it must be.
    """

    name: str
    label: str
    description: str
    balancer: Callable[[], Balancer]
    samples: SampleWeighting = _ALIKE
    rul_scale: float = 1.0
    family: str = "peer"
    look: Look = UNSEEN

    def __post_init__(self) -> None:
        _require_named(self)
        if not callable(self.balancer):
            raise InputError(
                f"balancer is {shown(self.balancer)}: it must be a function that builds a balancer, such as "
                "lambda: WeightedSum(FixedWeights())."
            )
        sample_weighting("samples", self.samples)
        object.__setattr__(self, "rul_scale", above("rul_scale", self.rul_scale, 0))


@dataclass(frozen=True)
class Quoted:
    """A method of which only printed numbers are known: it has a place in figures, and nothing trains it.

    Attributes:
        name: Its key in :data:`rulbook.methods.CANDIDATES`.
        label: How it is written in a legend.
        description: One sentence.
        look: How it is drawn. Left out, it gets one that no other method has.
        family: Always ``"quoted"``.
    """

    name: str
    label: str
    description: str
    look: Look = UNSEEN
    family: str = "quoted"

    def __post_init__(self) -> None:
        _require_named(self)


def _require_named(one: Method | Quoted) -> None:
    for field in ("name", "label", "description"):
        value = getattr(one, field)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{field} is {shown(value)}: it must be a text.")
    one_of("family", one.family, FAMILIES)
    if not isinstance(one.look, Look):
        raise InputError(f"look is {shown(one.look)}: it must be a Look, such as Look('#a6761d', dash='6 3').")
