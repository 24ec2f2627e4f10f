"""A task weighting is a file: put it there, and it is found, steps, and is held to what all of them promise."""

from __future__ import annotations

import re

ROOTED = '''
"""Half-way between equal weights and GABA's."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from rulbook.weighting.tasks._base import Weighting
from rulbook.weighting.tasks.inverse_norm import InverseNorm


class RootNorm(Weighting):
    r"""Weights in inverse proportion to the root of the gradient norms.

    Args:
        tasks: The number of tasks K.
    """

    def __init__(self, tasks: int = 2) -> None:
        super().__init__(tasks)
        self.formula = InverseNorm(tasks, eps=0.0)

    @torch.no_grad()
    def forward(self, norms: Shaped[Tensor, "..."] | None = None, *, steps: int = 1) -> Float[Tensor, " task"]:
        """The formula of GABA, of the roots."""
        weights: Tensor = self.formula(self._checked(norms).sqrt())
        return weights
'''

STEPPED = """
import torch
from rulbook.balancing import WeightedSum
from rulbook.weighting import EMA, RootNorm
from rulbook.weighting.tasks import TASKS

assert TASKS["RootNorm"] is RootNorm
trunk = torch.nn.Parameter(torch.ones(3))
report = WeightedSum(EMA(RootNorm(), beta=0.0)).backward([8 * trunk.sum(), 0.5 * trunk.sum()], shared=[trunk])
print([round(weight, 6) for weight in report.weights.tolist()])
"""


def test_a_task_weighting_is_one_file(project):
    project.put("rulbook/weighting/tasks/root_norm.py", ROOTED)
    assert project.python("-c", STEPPED) == "[0.2, 0.8]\n"
    told = project.pytest("tests/weighting/test_tasks.py", "-k", "RootNorm")
    assert int(re.findall(r"(\d+) passed", told)[0]) > 20
    assert "failed" not in told
