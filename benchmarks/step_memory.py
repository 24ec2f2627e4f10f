"""What a training step costs when the C library keeps its memory, and when it gives it back (`rulbook sweep`).

    python benchmarks/step_memory.py [--rounds 7] [--steps 20]

A step makes and drops many arrays of some megabytes. As it is set, glibc returns each to the system, and the next step
gets it back page by page, each filled with zeros. `rulbook sweep` starts its workers with other settings. Both ways run
in processes of their own, taking turns; the ratio is that of the medians. Writes benchmarks/results/step_memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

RESULT = Path(__file__).parent / "results" / "step_memory.json"


def work(steps: int) -> dict[str, float]:
    """Steps of the compact network on batches of 256 windows, after a few to warm up."""
    import torch

    from rulbook.methods import METHODS
    from rulbook.model import DualTaskModel
    from rulbook.training import step

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, method = DualTaskModel(14, "compact", max_rul=125.0), METHODS["baseline"]
    balancer, optimizer = method.balancer(), torch.optim.AdamW(model.parameters())
    batch = torch.randn(256, 30, 14), 125 * torch.rand(256), torch.randint(0, 3, (256,))

    def again() -> None:
        step(model, batch, method, balancer, optimizer)

    for _ in range(3):
        again()
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for _ in range(steps):
        again()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "milliseconds": 1000 * wall / steps,
        "cpu_milliseconds": 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / steps,
        "system_milliseconds": 1000 * (after.ru_stime - before.ru_stime) / steps,
        "page_faults": (after.ru_minflt - before.ru_minflt) / steps,
    }


def main() -> None:
    """Measure both ways in turns, print them, write the record."""
    from rulbook.runs.sweep import WORKER_ENVIRONMENT

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each way (default 7)")
    parser.add_argument("--steps", type=int, default=20, help="steps of each measurement (default 20)")
    parser.add_argument("--out", type=Path, default=RESULT, help="the record to write")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(work(args.steps)))
        return
    plain = {name: value for name, value in os.environ.items() if name not in WORKER_ENVIRONMENT}
    ways = {"as set": {**plain, "OMP_NUM_THREADS": "1"}, "memory kept": {**plain, **WORKER_ENVIRONMENT}}
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in tqdm(range(args.rounds), unit="round"):
        for way, environment in ways.items():
            command = [sys.executable, __file__, "--worker", "--steps", str(args.steps)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            taken[way].append(json.loads(done.stdout.splitlines()[-1]))
    median = {way: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for way, runs in taken.items()}
    ratio = {key: median["as set"][key] / median["memory kept"][key] for key in ("milliseconds", "cpu_milliseconds")}
    record = {
        "command": "python benchmarks/step_memory.py",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "as set / memory kept": ratio,
        "median": median,
        "runs": taken,
    }
    for way, values in median.items():
        print(f"{way:12} " + ", ".join(f"{key} {value:,.1f}" for key, value in values.items()))
    print(f"as set / memory kept: wall {ratio['milliseconds']:.2f}, CPU {ratio['cpu_milliseconds']:.2f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
