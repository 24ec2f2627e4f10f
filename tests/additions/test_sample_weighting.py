"""A sample weighting is a file: put it there, and it is found, trained with, and held to what all of them promise."""

from __future__ import annotations

import re

CUBIC = '''
"""A weight that hardly rises before the end."""

from __future__ import annotations

from dataclasses import dataclass

from rulbook.weighting.samples._base import SampleWeighting, Values, nearness


@dataclass(frozen=True)
class Cubic(SampleWeighting):
    r"""The cube of the nearness: :math:`w(y) = 1 + (w_{max} - 1) n^3`."""

    def weigh(self, rul: Values, max_rul: float) -> Values:
        """Half a life before failure an eighth of the way is gone."""
        return 1.0 + (self.w_max - 1.0) * nearness(rul, max_rul) ** 3
'''

FOUND = """
from rulbook.weighting import Cubic
from rulbook.weighting.samples import SAMPLES

assert SAMPLES["Cubic"] is Cubic
print(Cubic(3.0)([0, 62.5, 125], 125).tolist())
"""

REFUSED = """
import importlib
try:
    importlib.import_module("rulbook.weighting.samples")
except TypeError as error:
    print(error)
"""


def test_a_sample_weighting_is_one_file(project):
    project.put("rulbook/weighting/samples/cubic.py", CUBIC)
    assert project.python("-c", FOUND) == "[3.0, 1.25, 1.0]\n"
    told = project.pytest("tests/weighting/test_samples.py", "-k", "Cubic")
    assert int(re.findall(r"(\d+) passed", told)[0]) > 20
    assert "failed" not in told


def test_a_file_that_holds_none_is_told_at_once(project):
    project.put("rulbook/weighting/samples/empty.py", "x = 1")
    assert "samples.empty defines no SampleWeighting" in project.python("-c", REFUSED)
