"""Pumps, unlike engines: names of their own, two duties, a text column, a constant one, the answer joined in."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROLES = ["--unit", "pump_id", "--cycle", "Operating day", "--settings", "duty", "--sensors", "flow (l/s),vibration"]
HORIZON = ["--cap", "45", "--thresholds", "30,12", "--window", "10"]


def pumps(lives=(40, 55, 60, 48, 70, 44, 52, 66), seed=0, first=1):
    rng = np.random.default_rng(seed)
    tables = []
    for number, life in enumerate(lives, start=first):
        day = np.arange(1, life + 1)
        wear = np.exp((day - life) / 15)
        heavy = rng.random(life) < 0.4
        tables.append(
            pd.DataFrame(
                {
                    "pump_id": f"P-{number:02d}",
                    "Operating day": day,
                    "site": rng.choice(["north", "south"], size=life),
                    "duty": np.where(heavy, 2, 1),
                    "flow (l/s)": (np.where(heavy, 62.0, 41.0) - 4 * wear + rng.normal(0, 0.5, life)).round(2),
                    "vibration": (np.where(heavy, 3.1, 1.9) + 2.2 * wear + rng.normal(0, 0.15, life)).round(3),
                    "supply voltage": 400.0,
                    "RUL": life - day,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def cut(table, left):
    """The same pumps without the last rows of each, and what each had left."""
    kept = [group.iloc[: len(group) - days] for (_, group), days in zip(table.groupby("pump_id"), left, strict=True)]
    return pd.concat(kept, ignore_index=True)
