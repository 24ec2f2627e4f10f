"""How far a model looks back and ahead, and what its health classes are: the one place for these numbers.

Window, cap and thresholds of C-MAPSS stand here and nowhere else; a fleet of other machines brings its own, and whoever
prepares, trains, scores, predicts or plots reads them off the fleet or the checkpoint. Needs no package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rulbook._check import above, shown, whole
from rulbook.errors import InputError

__all__ = ["HEALTH_CLASSES", "HEALTH_THRESHOLDS", "MAX_RUL", "WINDOW", "Horizon", "MeasuredHealth"]

MAX_RUL = 125.0
"""The cap on C-MAPSS's training labels, in cycles: a healthy engine's sensors do not tell 150 cycles from 250.

A convention of the literature on this data set.
"""

WINDOW = 30
"""Cycles of C-MAPSS that a model sees at once: a convention of the literature too."""

HEALTH_THRESHOLDS = (80.0, 30.0)
"""Above the first an engine is normal, up to the second critical, between them degrading; in cycles of RUL.

A choice of this book's source, not of NASA: the data set has no health labels.
"""

HEALTH_CLASSES = ("normal", "degrading", "critical")
"""The classes that two thresholds make, from the healthiest on."""


@dataclass(frozen=True)
class MeasuredHealth:
    """Health classes that somebody measured: a column of the table, and no function of the remaining life.

    A window has the class of its last row. A row without one, between two inspections, has that of the row before.

    Attributes:
        column: The column of the fleet's tables. It holds the names of classes, or their places in ``classes`` from 0.
        classes: The names of the classes, at least two, from the healthiest on.

    Raises:
        ValueError: If a name is empty, or two are alike.
    """

    column: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column.strip():
            raise InputError(f"column is {shown(self.column)}: it must be the name of the column of health classes.")
        names = self.classes
        plain = isinstance(names, (list, tuple)) and all(isinstance(name, str) and name.strip() for name in names)
        if not plain or len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"classes is {shown(names)}: it must be the names of two classes or more, all different.")
        object.__setattr__(self, "classes", tuple(names))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record or a checkpoint."""
        return {"column": self.column, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MeasuredHealth:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: If an entry is missing, unknown or of another kind.
        """
        if not isinstance(values, Mapping) or set(values) != {"column", "classes"}:
            raise InputError(f"health is {shown(values)}: it must hold classes, column.")
        column, classes = values["column"], values["classes"]
        if not isinstance(column, str) or not isinstance(classes, (list, tuple)):
            raise InputError(f"health is {shown(values)}: it must hold a name, column, and a list of names, classes.")
        return cls(column, tuple(classes))


@dataclass(frozen=True)
class Horizon:
    """What a fleet, its windows, a training run and a checkpoint have to agree on.

    A :class:`~rulbook.data.Fleet` comes with one, :func:`~rulbook.data.prepare` may change parts of it, and a
    checkpoint keeps it: whoever scores, predicts or plots reads it there. Defaults are C-MAPSS's.

    Attributes:
        window: Rows (cycles, charges, hours) that a model sees at once.
        max_rul: Cap on labels and predictions, in units of time.
        thresholds: RUL above which a machine is normal, and up to which it is critical. None where health is measured.
        time_unit: What one row of a machine's table counts, in the singular: ``"cycle"``, ``"charge"``, ``"hour"``.
        health: Health classes of the machines' own, measured; None where the thresholds make them.

    Raises:
        ValueError: If a value is out of its range, the thresholds do not fall, or health is told in both ways.
    """

    window: int = WINDOW
    max_rul: float = MAX_RUL
    thresholds: tuple[float, float] | None = None
    time_unit: str = "cycle"
    health: MeasuredHealth | None = None

    def __post_init__(self) -> None:
        # Frozen, so that nothing changes behind its back; what came as 20.0 or as a list is put right once, here.
        object.__setattr__(self, "window", whole("window", self.window, 1))
        object.__setattr__(self, "max_rul", above("max_rul", self.max_rul, 0))
        if self.health is None:
            falling = HEALTH_THRESHOLDS if self.thresholds is None else self.thresholds
            object.__setattr__(self, "thresholds", _thresholds(falling))
        elif not isinstance(self.health, MeasuredHealth):
            raise InputError(f"health is {shown(self.health)}: it must be a MeasuredHealth.")
        elif self.thresholds is not None:
            raise InputError(
                f"thresholds is {shown(self.thresholds)} and health is measured, in column {self.health.column}: give "
                "one of them."
            )
        if not isinstance(self.time_unit, str) or not self.time_unit.strip():
            raise InputError(f"time_unit is {shown(self.time_unit)}: it must be a word such as 'cycle'.")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the health classes, from the healthiest on; a model has one output for each."""
        return HEALTH_CLASSES if self.health is None else self.health.classes

    def with_(
        self,
        *,
        window: int | None = None,
        max_rul: float | None = None,
        thresholds: tuple[float, float] | None = None,
    ) -> Horizon:
        """The same horizon with the parts that are given put in their places.

        Thresholds make the health classes from then on, where they were measured before.
        """
        given: dict[str, Any] = {"window": window, "max_rul": max_rul, "thresholds": thresholds}
        changes = {name: value for name, value in given.items() if value is not None}
        if thresholds is not None:
            changes["health"] = None
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record or a checkpoint."""
        told = {
            "window": self.window,
            "max_rul": self.max_rul,
            "thresholds": None if self.thresholds is None else list(self.thresholds),
            "time_unit": self.time_unit,
        }
        return told if self.health is None else {**told, "health": self.health.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Horizon:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: If an entry is missing, unknown or out of its range.
        """
        expected = {"window", "max_rul", "thresholds", "time_unit"}
        if not isinstance(values, Mapping) or set(values) - {"health"} != expected:
            raise InputError(f"horizon is {shown(values)}: it must hold {', '.join(sorted(expected))}.")
        if "health" in values:
            return cls(**{**values, "health": MeasuredHealth.from_dict(values["health"])})
        return cls(**{**values, "thresholds": _thresholds(values["thresholds"])})


def _thresholds(values: Any) -> tuple[float, float]:
    try:
        upper, lower = values
    except (TypeError, ValueError) as error:
        raise InputError(f"thresholds is {shown(values)}: it must be two numbers, the larger first.") from error
    upper, lower = above("thresholds[0]", upper, 0), above("thresholds[1]", lower, 0)
    if upper <= lower:
        raise InputError(f"thresholds is {shown(values)}: the first must be greater than the second.")
    return upper, lower
