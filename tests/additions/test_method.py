"""A method is a file: put it there, and it is in the table, on the command line and in figures, drawn like no other."""

from __future__ import annotations

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
    make_balancer=partial(inverse_gradient, floor=0.0),
    samples=Sigmoid(w_max=3.0),
    family="control",
)
'''
OTHER = SOFT.replace("grace_soft", "grace_other").replace("GRACE, soft step", "GRACE, another step")

SEEN = """
from rulbook.data import demo_fleet, prepare
from rulbook.methods import METHODS
from rulbook.methods._table import alike
from rulbook.training import TrainingConfig, train

assert list(METHODS)[:4] == ["baseline", "amnl", "gaba", "grace"]
assert alike(METHODS) == [] and len(METHODS) == 19
data = prepare(demo_fleet(engines=5, test_engines=2, seed=3), window=8, seed=0)
result = train(data, TrainingConfig(method="grace_soft", epochs=1), progress=False)
print(METHODS["grace_soft"].samples, len(result.history))
"""

FIGURE = """
import pandas as pd
from rulbook.course.ch13.regime_chooser import measured_points, measured_runs

row = {"dataset": "FD001", "seed": 0, "test_rmse": 15.0, "test_nasa_score": 300.0}
methods = ("baseline", "amnl", "gaba", "grace", "grace_soft")
table = pd.DataFrame([{**row, "method": method} for method in methods])
print([point["label"] for point in measured_points(measured_runs(table))["FD001"]][-1])
"""

HELP = "from rulbook.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass"


def test_a_method_is_one_file(project):
    project.put("rulbook/methods/soft.py", SOFT)
    project.put("rulbook/methods/other.py", OTHER)
    assert project.python("-c", SEEN) == "Sigmoid(w_max=3.0, rate=12.0, centre=0.6) 1\n"
    assert project.python("-c", FIGURE) == "GRACE, soft step\n"
    assert "GRACE, soft step" in " ".join(project.python("-c", HELP).split())
    told = project.pytest("tests/methods/test_methods.py", "-v")
    assert told.count("[grace_soft]") == told.count("[grace_other]") > 1
