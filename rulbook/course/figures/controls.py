"""What a reader can move: traits that know their label, range and step, and refuse any other value.

A control is declared once, in Python, and becomes a native input with a label in the browser. Its values lie on the
grid that the input steps through, so a parity test over the grid covers everything a reader can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, product
from typing import Any

import traitlets

from rulbook._check import finite_number, one_of, within
from rulbook.errors import InputError

__all__ = ["Choice", "Control", "Several", "Slider", "Switch"]


class Control(traitlets.TraitType[Any, Any]):
    """What all controls have in common.

    A kind of control is a subclass, and in ``shared.js`` the builder named by its ``"kind"``, which makes the input.
    """

    @property
    def grid(self) -> list[Any]:
        """Every value that a reader can give it, in the order of the input."""
        raise NotImplementedError(f"{type(self).__name__} has no grid.")


class Slider(traitlets.Float[float, float], Control):
    """A number on a grid, shown as a range input.

    Args:
        default: The value a figure opens with.
        low: Smallest value.
        high: Largest value.
        step: Distance of neighbouring values on the grid.
        label: What the reader sees beside the input.
        unit: Written after the value, for instance ``"cycles"``.
    """

    def __init__(self, default: float, *, low: float, high: float, step: float, label: str, unit: str = "") -> None:
        super().__init__(default, help=f"{label}; {low:g} to {high:g} in steps of {step:g} {unit}".rstrip())
        digits = len(f"{step:g}".partition(".")[2])
        control = {"kind": "slider", "low": low, "high": high, "step": step, "digits": digits, "unit": unit}
        self.tag(sync=True, control={**control, "label": label})

    @property
    def grid(self) -> list[float]:
        """The values from low to high, ascending."""
        control: dict[str, Any] = self.metadata["control"]
        count = round((control["high"] - control["low"]) / control["step"]) + 1
        return [round(control["low"] + i * control["step"], control["digits"]) for i in range(count)]

    def validate(self, obj: Any, value: Any) -> float:
        """Return ``value`` as the grid spells it.

        Raises:
            ValueError: If it is out of range or between two steps.
            TraitError: If it is no number.
        """
        control: dict[str, Any] = self.metadata["control"]
        number = finite_number(str(self.name), super().validate(obj, value))
        # Without the sign of a zero.
        nearest = round(number, int(control["digits"])) + 0.0
        # The largest value may come as 0.05 + 94 * 0.01, which is a rounding error beyond 0.99.
        meant = nearest if abs(number - nearest) <= 1e-9 else number
        steps = (within(str(self.name), meant, control["low"], control["high"]) - control["low"]) / control["step"]
        if meant != nearest or abs(steps - round(steps)) > 1e-6:
            raise InputError(
                f"{self.name} is {value}: it must lie on the grid from {control['low']:g} to {control['high']:g} "
                f"in steps of {control['step']:g}."
            )
        return nearest


class Choice(traitlets.Unicode[str, str | bytes], Control):
    """One of a few names, shown as a select.

    Args:
        default: The name a figure opens with.
        choices: The names, in the order in which they are listed.
        label: What the reader sees beside the input.
    """

    def __init__(self, default: str, choices: Sequence[str], *, label: str) -> None:
        super().__init__(default, help=f"{label}; one of {', '.join(choices)}")
        self.tag(sync=True, control={"kind": "choice", "choices": list(choices), "label": label})

    @property
    def grid(self) -> list[str]:
        """The choices."""
        return list(self.metadata["control"]["choices"])

    def validate(self, obj: Any, value: Any) -> str:
        """Return ``value`` if it is among the choices; ``ValueError`` names them otherwise."""
        return one_of(str(self.name), super().validate(obj, value), self.metadata["control"]["choices"])


class Several(traitlets.List[str], Control):
    """Any number of names, shown as checkboxes; kept in the order of the choices.

    Args:
        default: The names a figure opens with.
        choices: All names, in the order in which they are listed.
        label: What the group of checkboxes is called.
    """

    def __init__(self, default: Sequence[str], choices: Sequence[str], *, label: str) -> None:
        super().__init__(traitlets.Unicode(), list(default), help=f"{label}; any of {', '.join(choices)}")
        self.tag(sync=True, control={"kind": "several", "choices": list(choices), "label": label})

    @property
    def grid(self) -> list[list[str]]:
        """All combinations of the choices, from none to all."""
        choices = self.metadata["control"]["choices"]
        ticked = product([False, True], repeat=len(choices))
        return sorted((list(compress(choices, ticks)) for ticks in ticked), key=len)

    def validate(self, obj: Any, value: Any) -> list[str]:
        """Return the names without repeats; ``ValueError`` if one is no choice."""
        choices = self.metadata["control"]["choices"]
        names = {one_of(str(self.name), name, choices) for name in super().validate(obj, value) or ()}
        return [name for name in choices if name in names]


class Switch(traitlets.Bool[bool, bool | int], Control):
    """Yes or no, shown as one checkbox.

    Args:
        default: Whether it is on when a figure opens.
        label: What the reader sees beside the box.
    """

    def __init__(self, default: bool, *, label: str) -> None:
        super().__init__(default, help=label)
        self.tag(sync=True, control={"kind": "switch", "label": label})

    @property
    def grid(self) -> list[bool]:
        """No and yes."""
        return [False, True]
