"""Small fleets of made-up machines, for tests on tables of one's own."""

from __future__ import annotations

import numpy as np
import pandas as pd


def machines(lives=(40, 55, 60, 48, 70, 44), seed=0, wear=5.0):
    """Machines run to failure: a setting of two levels, two sensors that follow wear, each with noise."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(1, len(lives) + 1), lives)
    cycle = np.concatenate([np.arange(1, life + 1) for life in lives])
    left = np.repeat(lives, lives) - cycle
    table = pd.DataFrame({"unit": unit, "cycle": cycle})
    table["setting_1"] = rng.choice([10.0, 20.0], size=len(table))
    table["s1"] = 100.0 + wear * np.exp(-left / 15.0) + rng.normal(size=len(table))
    table["s2"] = 300.0 - wear * np.exp(-left / 10.0) + rng.normal(size=len(table))
    return table


def cycles_left(table):
    return table.groupby("unit")["cycle"].transform("max") - table["cycle"]
