"""How far a model looks back and ahead: the one place for window, cap, health thresholds and unit of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rulbook._check import above, shown, whole
from rulbook.data.facts import HEALTH_THRESHOLDS, MAX_RUL, WINDOW
from rulbook.errors import InputError

__all__ = ["Horizon"]


@dataclass(frozen=True)
class Horizon:
    """What a fleet, its windows, a training run and a checkpoint have to agree on.

    A :class:`~rulbook.data.Fleet` comes with one, :func:`~rulbook.data.prepare` may change parts of it, and a
    checkpoint keeps it: whoever scores, predicts or plots reads it there. Defaults are C-MAPSS's.

    Attributes:
        window: Cycles that a model sees at once.
        max_rul: Cap on labels and predictions, in cycles.
        thresholds: RUL in cycles above which a machine is normal, and up to which it is critical.
        time_unit: What one row of a machine's table counts, in the singular: ``"cycle"``, ``"charge"``, ``"hour"``.

    Raises:
        ValueError: If a value is out of its range, or the thresholds do not fall.
    """

    window: int = WINDOW
    max_rul: float = MAX_RUL
    thresholds: tuple[float, float] = HEALTH_THRESHOLDS
    time_unit: str = "cycle"

    def __post_init__(self) -> None:
        # Frozen, so that nothing changes behind its back; what came as 30.0 or as a list is put right once, here.
        object.__setattr__(self, "window", whole("window", self.window, 1))
        object.__setattr__(self, "max_rul", above("max_rul", self.max_rul, 0))
        object.__setattr__(self, "thresholds", _thresholds(self.thresholds))
        if not isinstance(self.time_unit, str) or not self.time_unit.strip():
            raise InputError(f"time_unit is {shown(self.time_unit)}: it must be a word such as 'cycle'.")

    def with_(
        self,
        *,
        window: int | None = None,
        max_rul: float | None = None,
        thresholds: tuple[float, float] | None = None,
    ) -> Horizon:
        """The same horizon with the parts that are given put in their places."""
        given = {"window": window, "max_rul": max_rul, "thresholds": thresholds}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record or a checkpoint."""
        return {**asdict(self), "thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Horizon:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: If an entry is missing, unknown or out of its range.
        """
        expected = {"window", "max_rul", "thresholds", "time_unit"}
        if not isinstance(values, Mapping) or set(values) != expected:
            raise InputError(f"horizon is {shown(values)}: it must hold {', '.join(sorted(expected))}.")
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
