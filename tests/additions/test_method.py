"""A method is a file: put it there, and it is in the table, on the command line and in figures, drawn like no other."""

from __future__ import annotations

import re

SOFT = '''
"""GRACE with a soft step in place of the line."""

from __future__ import annotations

from functools import partial

from rulbook.methods._build import inverse_gradient
from rulbook.methods._method import Method
from rulbook.weighting.samples import Sigmoid

grace_soft = Method(
    name="grace_soft",
    label="GRACE, soft step",
    description="GRACE whose sample weights rise within a few dozen cycles.",
    balancer=partial(inverse_gradient, floor=0.0),
    samples=Sigmoid(w_max=3.0),
    family="control",
)
'''
OTHER = SOFT.replace("grace_soft", "grace_other").replace("GRACE, soft step", "GRACE, another step")

SEEN = """
import pandas as pd
from rulbook.cli import main
from rulbook.course.ch13.regime_chooser import measured_points, measured_runs
from rulbook.data import demo_fleet, prepare
from rulbook.methods import METHODS
from rulbook.training import TrainingConfig, train

print(METHODS["grace_soft"].samples, METHODS["grace_soft"].look != METHODS["grace_other"].look)

data = prepare(demo_fleet(engines=4, test_engines=2, seed=3), window=4, seed=0)
print(len(train(data, TrainingConfig(method="grace_soft", epochs=1), progress=False).history))

row = {"dataset": "FD001", "seed": 0, "test_rmse": 15.0, "test_nasa_score": 300.0}
table = pd.DataFrame([{**row, "method": method} for method in [*list(METHODS)[:4], "grace_soft"]])
print(measured_points(measured_runs(table))["FD001"][-1]["label"])

try:
    main(["train", "--help"])
except SystemExit:
    pass
"""


def test_a_method_is_one_file(project):
    project.put("rulbook/methods/soft.py", SOFT)
    project.put("rulbook/methods/other.py", OTHER)
    samples, epochs, label, *told = project.python("-c", SEEN).splitlines()
    assert samples == "Sigmoid(w_max=3.0, rate=12.0, centre=0.6) True"
    assert (epochs, label) == ("1", "GRACE, soft step")
    assert "grace_soft (GRACE, soft step)" in " ".join(" ".join(told).split())
    told = project.pytest("tests/methods/test_methods.py", "-k", "soft or other or alike or order")
    assert int(re.findall(r"(\d+) passed", told)[0]) > 5
    assert "failed" not in told
