"""Where two pulls on one parameter come to rest, and how two optimisers get there (section 12.4)."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes

from rulbook._check import Array, above, one_of, whole
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.palette import ACCENT, OTHERS

__all__ = ["OPTIMIZERS", "Equilibrium", "equilibrium", "toy_path"]

OPTIMIZERS = ("Adam", "SGD")
STEPS = 200
FAR = 10.0
"""Beyond this distance from zero a path counts as run away."""


def equilibrium(ratio: float) -> float:
    r"""The minimum of :math:`\kappa\,\tfrac12(\theta - 1)^2 + \tfrac12(\theta + 1)^2`: (kappa - 1) / (kappa + 1)."""
    return (above("ratio", ratio, 0) - 1) / (ratio + 1)


def toy_path(ratio: float, optimizer: str, rate: float, steps: int = STEPS) -> Array:
    """Theta after 0, 1, ..., ``steps`` steps on that sum, from theta = 0; the path ends where it leaves [-10, 10].

    Args:
        ratio: How much stiffer the first term is, kappa; at theta = 0 its gradient is so much longer.
        optimizer: ``"SGD"``, or ``"Adam"`` with the betas 0.9 and 0.999 and epsilon 1e-8.
        rate: The learning rate.
        steps: How many steps.
    """
    import numpy as np

    one_of("optimizer", optimizer, OPTIMIZERS)
    above("rate", rate, 0)
    theta, first, second, path = 0.0, 0.0, 0.0, [0.0]
    for step in range(1, whole("steps", steps, 1) + 1):
        slope = ratio * (theta - 1) + (theta + 1)
        if optimizer == "SGD":
            theta -= rate * slope
        else:
            first = 0.9 * first + 0.1 * slope
            second = 0.999 * second + 0.001 * slope**2
            theta -= rate * (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
        path.append(theta)
        if abs(theta) > FAR:
            break
    return np.array(path)


class Equilibrium(LiveFigure):
    """Two quadratic pulls at +1 and -1: the path of an optimiser on their sum, and what each task is left with.

    Args:
        decades: The ratio of the two stiffnesses, as a power of ten, 0 to 3.3.
        optimizer: ``"SGD"`` or ``"Adam"``.
        rate: The learning rate, as a power of ten, -3.5 to -0.5.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "equilibrium.js"
    title = "The optimiser changes the way; where two goals come to rest is settled by their stiffness"
    alt = (
        "Above, the parameter over 200 steps: it starts at 0, between the goal of the health task at minus 1 and that "
        "of the RUL task at plus 1, and ends on a dashed line close to the RUL goal, with either optimiser, unless "
        "the learning rate is too large for SGD and it runs away. Below, the error that each task is left with "
        "against the ratio: that of RUL falls to zero, that of health rises to 2."
    )
    hint = "switch to SGD. Which learning rates still arrive? Does any of them, or Adam, end somewhere else?"

    decades = Slider(1, low=0, high=3.3, step=0.1, label="Stiffness ratio κ, power of ten")
    optimizer = Choice("Adam", OPTIMIZERS, label="Optimiser")
    rate = Slider(-2, low=-3.5, high=-0.5, step=0.1, label="Learning rate, power of ten")

    def tables(self) -> dict[str, Any]:
        """How many steps are drawn."""
        return {"steps": STEPS}

    def read_out(self) -> str:
        """Where the sum is least, what that leaves to each task, and whether the optimiser gets there."""
        ratio, rate = 10**self.decades, 10**self.rate
        rest, path = equilibrium(ratio), toy_path(ratio, self.optimizer, rate)
        away = [step for step, theta in enumerate(path) if abs(theta - rest) >= 0.01]
        if abs(path[-1]) > FAR:
            how = f"runs away: it needs a learning rate below {fixed(2 / (ratio + 1), 4)}"
        elif away[-1:] == [STEPS]:
            how = f"stands at {fixed(path[-1], 3)} after {STEPS} steps, still on its way"
        else:
            how = f"is there to within 0.01 from step {away[-1] + 1 if away else 0} on"
        return (
            f"At a stiffness ratio of {fixed(ratio, 1 if ratio < 10 else 0)} the sum is least at θ = {fixed(rest, 3)}, "
            f"which leaves RUL an error of {fixed((1 - rest) ** 2 / 2, 3)} and health one of "
            f"{fixed((1 + rest) ** 2 / 2, 3)}. {self.optimizer} with a learning rate of {fixed(rate, 4)} {how}."
        )

    def picture(self, axes: Axes) -> None:
        """The paths of both optimisers."""
        for name, color in zip(OPTIMIZERS, OTHERS, strict=False):
            axes.plot(toy_path(10**self.decades, name, 10**self.rate), color=color, label=name)
        axes.axhline(equilibrium(10**self.decades), color=ACCENT, linestyle="--", linewidth=1)
        axes.set(xlabel="step", ylabel="shared parameter θ", ylim=(-1.1, 1.4))
        axes.legend()
