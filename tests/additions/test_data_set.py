"""A third data set is one file: other units of time, a measured health class, and nothing else is touched."""

from __future__ import annotations

import csv
import io
import json

CELLS = '''
    """Battery cells, made up: 12 of them are charged until the capacity has fallen to 80 %.

    Source: nobody measured these. Capacity falls by the root of the charges, faster in some cells than in others; every
    fiftieth charge somebody looks at the cell and writes down its state, which depends on how hot it has been and not
    on how much life is left.
    """

    from pathlib import Path

    import numpy as np
    import pandas as pd

    from rulbook.data import CutRange, Fleet, fleet_from_frame
    from rulbook.horizon import Horizon, MeasuredHealth

    NAMES = ("cells",)
    STATES = ("like new", "swollen", "leaking", "dead")
    HORIZON = Horizon(window=20, max_rul=400, time_unit="charge", health=MeasuredHealth("state", STATES))
    CUT = CutRange(shortest_rul=50, longest_rul=300, shortest_history=60)


    def load(name: str, root: str | Path | None = None) -> Fleet:
        """The 12 cells; they need no files."""
        rng = np.random.default_rng(5)
        cells = []
        for cell in range(12):
            life = int(rng.integers(500, 700))
            charge = np.arange(1, life + 1)
            state = np.minimum((charge * rng.uniform(3.0, 3.9)) // life, 3).astype(int)
            cells.append(
                pd.DataFrame(
                    {
                        "cell": f"c{cell:02}",
                        "charge": charge,
                        "current": rng.choice([1.0, 2.0], life),
                        "capacity": 1 - 0.2 * np.sqrt(charge / life) + rng.normal(0, 0.004, life),
                        "resistance": 20 + state + rng.normal(0, 0.5, life),
                        "state": pd.Series([STATES[code] for code in state]).where(charge % 50 == 1),
                    }
                )
            )
        return fleet_from_frame(
            pd.concat(cells, ignore_index=True),
            unit="cell",
            cycle="charge",
            settings=["current"],
            sensors=["capacity", "resistance"],
            test_fraction=0.25,
            name=name,
            horizon=HORIZON,
            n_conditions=2,
            cut=CUT,
        )
'''
# All in one process, for its start takes longer than what it does; one line of dashes between what two commands print.
COMMANDS = """
import warnings

from rulbook.cli import main
from rulbook.data import sources

warnings.simplefilter("ignore")
fleet = sources.load("cells")
print(fleet, fleet.cut, fleet.test_rul.min() >= 50, fleet.test_rul.max() <= 300)
table = fleet.test.drop(columns="state").rename(columns={"unit": "cell", "cycle": "charge"})
table.to_csv("new_cells.csv", index=False)
for command in (
    "data --dataset cells",
    "train --dataset cells --epochs 1 --quiet --out run",
    "evaluate run/best.safetensors",
    "predict run/best.safetensors new_cells.csv --every-cycle",
    "sweep plan.toml --out runs --workers 1 --quiet",
):
    print("-----")
    assert main(command.split()) == 0, command
"""
PLAN = """
    [[runs]]
    datasets = ["cells"]
    methods = ["gaba"]
    epochs = 1
    batch_size = 512
"""
STATES = ["like new", "swollen", "leaking", "dead"]


def test_a_data_set_in_other_units_with_a_measured_health_class_is_one_file(project):
    project.put("rulbook/data/sources/cells.py", CELLS)
    project.put("plan.toml", PLAN)
    # The family's own tests find it, and ask of it what they ask of all.
    assert "2 passed" in project.pytest("tests/data/test_data_sources.py", "-k", "cells")

    fleet, looked, trained, scored, predicted, swept = project.python("-c", COMMANDS).split("-----\n")
    assert fleet.startswith("Fleet(cells: 9 training engines, ")
    assert " charges; 3 test engines, " in fleet
    assert fleet.endswith("shortest_history=60) True True\n"), "cut within their own range"
    assert looked.splitlines()[-1].startswith("3 test cells, cut off ")
    assert "charges" in looked

    assert trained.startswith("cells, ")
    assert " charges, NASA score" in trained
    told = json.loads((project.folder / "run/record.json").read_text())["data"]
    assert (told["window"], told["max_rul"], told["thresholds"], told["conditions"]) == (20, 400, None, 2)
    assert told["health"] == {"column": "state", "classes": STATES}

    assert scored.startswith("cells: 3 test cells, labels capped")
    assert scored.splitlines()[1].endswith(" charges")
    accuracy = next(line for line in scored.splitlines() if line.startswith("health accuracy"))
    assert 0 <= float(accuracy.split()[-1]) <= 1

    rows = list(csv.DictReader(io.StringIO(predicted)))
    assert {row["cell"] for row in rows} <= {f"c{number:02}" for number in range(12)}
    assert {row["health"] for row in rows} <= set(STATES)
    assert all(0 <= float(row["rul"]) <= 400 for row in rows)
    assert swept.startswith("1 runs finished")
    assert json.loads((project.folder / "runs/cells-gaba-compact-0/record.json").read_text())["data"] == told
