"""An output that learns from engines one after the other: with a ReLU behind it, it can go silent (section 11.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rulbook._check import one_of
from rulbook.course.figures.controls import Choice, Slider
from rulbook.course.figures.figure import LiveFigure
from rulbook.course.figures.numerals import fixed
from rulbook.palette import ACCENT, OTHERS

__all__ = ["BATCH_MEANS", "OUTPUTS", "DeadOutput", "answer_and_slope", "output_path"]

OUTPUTS = ("ReLU", "softplus", "nothing")
ENGINES, LIFE, BATCH, CAP = 4, 192, 32, 125

# One engine after the other, each from its first cycle to its last, in batches of 32 windows: nobody has shuffled.
_LIFE = np.minimum(np.arange(LIFE)[::-1], CAP).reshape(-1, BATCH).mean(axis=1)
BATCH_MEANS: tuple[float, ...] = tuple(float(mean) for mean in np.tile(_LIFE, ENGINES))
"""Mean label of each batch, in cycles: six batches an engine."""


def answer_and_slope(output: str, a: float) -> tuple[float, float]:
    """What is answered for the pre-activation ``a``, and by how much the answer moves with it (section 11.2).

    Args:
        output: ``"ReLU"``, ``"softplus"`` or ``"nothing"``.
        a: The pre-activation, in cycles.
    """
    one_of("output", output, OUTPUTS)
    if output == "ReLU":
        return max(a, 0.0), float(a > 0)
    if output == "softplus":
        small = math.exp(-abs(a))
        return max(a, 0.0) + math.log1p(small), (1.0 if a > 0 else small) / (1 + small)
    return a, 1.0


def output_path(output: str, start: float, step: float, targets: Sequence[float] = BATCH_MEANS) -> list[float]:
    r"""The answer before each batch and after the last, while gradient descent follows the batches.

    .. math:: a \leftarrow a - s\,(f(a) - m)\,f'(a)

    Args:
        output: What stands behind the pre-activation, :math:`f`.
        start: The first pre-activation, in cycles.
        step: Length of a step as a share of the error, :math:`s`: 1 lands on the target, more goes beyond it.
        targets: Mean label of each batch, :math:`m`, in cycles.
    """
    a, path = float(start), []
    for mean in targets:
        answer, slope = answer_and_slope(output, a)
        path.append(answer)
        a -= step * (answer - mean) * slope
    return [*path, answer_and_slope(output, a)[0]]


class DeadOutput(LiveFigure):
    """The RUL that one output unit answers while it learns from unshuffled batches.

    Args:
        output: What stands behind the last layer: ``"ReLU"``, ``"softplus"`` or ``"nothing"``.
        start: The pre-activation before the first step, -100 to 120 cycles.
        step: Length of a step as a share of the error, 0.1 to 1.9.

    Raises:
        ValueError: If a value is off its grid or no choice; the message names both.
    """

    script = "dead_output.js"
    title = "Behind a ReLU one step too far is the last step"
    alt = (
        "The answer of one output unit in cycles over 24 batches, which follow four engines from health to failure; "
        "dots mark the mean label of each batch, falling from 125 to 16 four times. Without a ReLU the answer swings "
        "around the labels throughout. With one, and with long steps, it falls to 0 when a batch of healthy engines "
        "is followed by worn ones, and stays at 0 to the end."
    )
    hint = "shorten the step until the output survives. Then start it at −10, and try to save it with the step alone."

    output = Choice("ReLU", OUTPUTS, label="Behind the output")
    start = Slider(75, low=-100, high=120, step=5, label="Pre-activation at the start", unit="cycles")
    step = Slider(1.6, low=0.1, high=1.9, step=0.1, label="Step, as a share of the error")

    def tables(self) -> dict[str, Any]:
        """The mean labels of the batches, unrounded."""
        return {"targets": list(BATCH_MEANS)}

    def read_out(self) -> str:
        """How far the answers are from the labels, and whether the output still lives."""
        path = np.array(output_path(self.output, self.start, self.step))
        error = np.sqrt(np.mean((path[:-1] - BATCH_MEANS) ** 2))
        if path[-1] == 0:
            alive = np.flatnonzero(path)
            since = alive[-1] + 1 if len(alive) else 0
            life = f"It has been exactly 0 since batch {since}, and no batch can change that."
        else:
            life = f"It ends at {fixed(path[-1], 1)} cycles."
        return (
            f"Start {fixed(self.start, 0)}, step {fixed(self.step, 1)}, {self.output} behind the output: over the "
            f"{len(BATCH_MEANS)} batches the answer misses the mean label by {fixed(error, 1)} cycles (root mean "
            f"square). {life}"
        )

    def picture(self, axes: Axes) -> None:
        """The answers, over the labels and over what an output without anything behind it would say."""
        batches = range(len(BATCH_MEANS) + 1)
        axes.plot(batches[:-1], BATCH_MEANS, "o", color=OTHERS[0], label="mean label of the batch")
        axes.plot(
            batches, output_path("nothing", self.start, self.step), "--", color=OTHERS[1], label="nothing behind it"
        )
        axes.plot(batches, output_path(self.output, self.start, self.step), color=ACCENT, label=self.output)
        axes.set(xlabel="batch", ylabel="answer (cycles)")
        axes.legend()
