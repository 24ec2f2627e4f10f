"""What a trained network says of two FD001 engines, cycle by cycle; write ``book/results/test_engine_lives.json``.

The two are named by a rule, before any prediction: the test engine with the fewest cycles left after its last record,
and the one with the longest record. First a network, then this script:

    rulbook train --dataset FD001 --method baseline --preset compact --seed 0 --out runs/heads
    python book/measure/test_engine_lives.py runs/heads

The training takes minutes, the script seconds.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rulbook.checkpoint import Checkpoint, load_checkpoint
from rulbook.data import Fleet, Windows, all_windows, load_cmapss

RESULT = Path(__file__).resolve().parents[1] / "results" / "test_engine_lives.json"


def chosen(fleet: Fleet) -> dict[str, int]:
    """The engine nearest to failure at its last record, and the one with the longest record."""
    lengths = fleet.test.groupby("unit")["cycle"].max()
    return {"fewest left": int(lengths.index[np.argmin(fleet.test_rul)]), "longest record": int(lengths.idxmax())}


def test_windows(fleet: Fleet, checkpoint: Checkpoint) -> Windows:
    """Every window of every test engine, labels not capped."""
    preprocessor = checkpoint.preprocessor
    features = preprocessor.transform(fleet.test)
    return all_windows(features, fleet.test, last_rul=fleet.test_rul, window=checkpoint.horizon.window, max_rul=None)


def life(windows: Windows, engine: int, checkpoint: Checkpoint) -> dict[str, list[float]]:
    """Cycle, true RUL, predicted RUL and the three health probabilities of one engine's windows."""
    own = windows.of_engines([engine])
    x, true_rul, _ = own.tensors()
    rul, probabilities = checkpoint.model.predict(x, max_rul=checkpoint.horizon.max_rul)
    return {
        "cycle": own.cycle.tolist(),
        "true_rul": [int(value) for value in true_rul],
        "rul": [round(value, 1) for value in rul.tolist()],
        **{
            name: [round(value, 3) for value in column]
            for name, column in zip(("normal", "degrading", "critical"), probabilities.T.tolist(), strict=True)
        },
    }


def both_heads(windows: Windows, checkpoint: Checkpoint) -> dict[str, Any]:
    """Over all windows of all test engines: the classes, what each head makes of them, and how often the two differ."""
    normal, critical = windows.thresholds
    differ = far = 0
    named = {who: np.zeros(3, int) for who in ("truth", "RUL head", "health head")}
    named["truth"] += np.bincount(windows.health, minlength=3)
    for index in np.array_split(np.arange(len(windows)), len(windows) // 1024 + 1):
        rul, probabilities = checkpoint.model.predict(windows.tensors(index)[0], max_rul=125.0)
        by_rul = (rul <= normal).long() + (rul <= critical).long()
        by_health = probabilities.argmax(dim=1)
        named["RUL head"] += np.bincount(by_rul, minlength=3)
        named["health head"] += np.bincount(by_health, minlength=3)
        apart = (by_rul - by_health).abs()
        differ += int((apart > 0).sum())
        far += int((apart > 1).sum())
    return {
        "windows": len(windows),
        "differ": differ,
        "normal_against_critical": far,
        "named": {who: counts.tolist() for who, counts in named.items()},
    }


def measure(checkpoint: Checkpoint, record: dict[str, Any], root: Path | None = None) -> dict[str, Any]:
    """Everything that the page shows."""
    fleet = load_cmapss("FD001", root)
    windows, engines = test_windows(fleet, checkpoint), chosen(fleet)
    return {
        "command": "python book/measure/test_engine_lives.py runs/heads",
        "run": {
            "command": "rulbook train --dataset FD001 --method baseline --preset compact --seed 0 --out runs/heads",
            "selected_epoch": record["selected_epoch"],
            "test_rmse": round(record["test"]["rmse"], 2),
            "test_health_accuracy": round(record["test"]["health_accuracy"], 3),
            "date": record["date"],
            "torch": torch.__version__.partition("+")[0],
        },
        "engines": {why: {"engine": engine, **life(windows, engine, checkpoint)} for why, engine in engines.items()},
        "heads": both_heads(windows, checkpoint),
    }


def as_text(result: dict[str, Any]) -> str:
    """JSON with each list on one line."""
    return re.sub(r"\[[-\d.,\s]+\]", lambda numbers: " ".join(numbers[0].split()), json.dumps(result, indent=1)) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Predict two test engines of FD001 over their records.")
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    folder: Path = parser.parse_args().run
    facts = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    RESULT.write_text(as_text(measure(load_checkpoint(folder / "best.safetensors"), facts)), encoding="utf-8")
    print(f"wrote {RESULT}")
