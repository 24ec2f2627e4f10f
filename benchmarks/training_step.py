"""What the loop adds to a training step: epochs of `train`, over the same steps written out, in one run.

    python benchmarks/training_step.py [--rounds 7]

Three ways take turns, round by round, on the same batches of the demo fleet, with the same network and method:

* *written out*: forward, losses, backward pass of the weighted sum, clip, optimiser, average of the weights, and
  nothing else: no report, no check for what is not finite;
* *step*: `rulbook.training.step`, batch by batch;
* *loop*: the loop of `train` over these steps, with its own draws, its record of the steps and
  two observers, one of which looks between the two passes.

The ratio of CPU times of one thread is taken within each round; the median over the rounds is written to
benchmarks/results/training_step.json, for the loop and for its steps alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from rulbook.data import demo_fleet, prepare
from rulbook.data.tensors import TensorWindows
from rulbook.losses import task_losses
from rulbook.training import Forward, Observer, TrainingConfig, step
from rulbook.training.loop import train_epoch
from rulbook.training.state import State

RESULT = Path(__file__).parent / "results" / "training_step.json"


class Looking(Observer):
    """Looks between the passes of each step, and keeps nothing."""

    def on_forward(self, seen: Forward, run: State) -> None:
        """Look."""


def written_out(run: State, windows: TensorWindows) -> None:
    """One epoch by hand."""
    for index in run.batches():
        x, rul, health = windows.batch(index)
        run.model.train()
        with run.draws:
            representation = run.model.encode(x)
            answers, logits = run.model.heads(representation)
        losses = task_losses(answers, logits, rul, health, max_rul=run.max_rul, samples=run.method.samples)
        run.optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), run.config.clip_norm)
        run.optimizer.step()
        run.average.update_parameters(run.model)


def of_steps(run: State, windows: TensorWindows) -> None:
    """One epoch of `rulbook.training.step`, without the loop."""
    for index in run.batches():
        batch = windows.batch(index)
        with run.draws:
            step(run.model, batch, run.method, run.balancer, run.optimizer, average=run.average)


def of_the_loop(run: State, windows: TensorWindows) -> None:
    """One epoch of `train`, without what comes after its steps."""
    train_epoch(run, windows, [Looking(), Observer()])


WAYS: dict[str, Callable[[State, TensorWindows], None]] = {
    "written out": written_out,
    "step": of_steps,
    "loop": of_the_loop,
}


def main() -> None:
    """Measure all ways in turns, print the ratios, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each way (default 7)")
    parser.add_argument("--method", default="amnl", help="one with fixed weights (default amnl)")
    parser.add_argument("--out", type=Path, default=RESULT, help="the record to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = prepare(demo_fleet(), seed=0)
    runs = {way: State(data, TrainingConfig(args.method)) for way in WAYS}
    windows = TensorWindows.of(data.train)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in tqdm(range(args.rounds + 1), unit="round"):
        for way, run in WAYS.items():
            started = time.process_time()
            run(runs[way], windows)
            if round_ > 0:  # The first round warms up.
                seconds[way].append(time.process_time() - started)
    plain = seconds["written out"]
    ratios = {
        way: statistics.median(one / other for one, other in zip(seconds[way], plain, strict=True)) for way in WAYS
    }
    record = {
        "command": "python benchmarks/training_step.py",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "method": args.method,
        "steps of an epoch": len(runs["loop"].batches()),
        "over written out": {way: round(ratio, 3) for way, ratio in ratios.items()},
        "CPU seconds of an epoch": {way: [round(one, 3) for one in times] for way, times in seconds.items()},
    }
    print(", ".join(f"{way} {ratio:.3f}" for way, ratio in ratios.items()))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
