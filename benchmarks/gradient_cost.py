"""What a step costs, and how far its weights are from the exact ones, for each way to measure gradient norms.

    python benchmarks/gradient_cost.py                      # both presets; minutes
    python benchmarks/gradient_cost.py --presets compact --rounds 100 --subset FD001

Cost: each round runs one step of every form, in random order, and divides its time by that of the plain step in the
same round; the table shows the median over the rounds. A step is that of rulbook.training: forward, losses, backward
and clip. Its optimiser, the same for all, rests, which makes the ratios larger. Times are CPU seconds of one thread, so
that a busy neighbour shows less. A form that measures exactly only now and then is the mean of its kinds of steps, each
as often as it comes.

Error: a compact model trains with GABA's weights on the demo fleet, or on a C-MAPSS subset, and at every step the norms
at all three places are recorded. Each form then replays the record, and its smoothed weight of the RUL task is compared
with that of the exact form, once without a floor and once with the floor of 0.05.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from rulbook.balancing.balancer import Balancer, StepReport
from rulbook.balancing.gradnorm import GradNorm
from rulbook.balancing.torchjd import aggregated
from rulbook.balancing.weighted_sum import WeightedSum
from rulbook.data import demo_fleet, load_cmapss, prepare
from rulbook.gradients import Losses, task_gradient_norms
from rulbook.methods import METHODS
from rulbook.model import DualTaskModel
from rulbook.training import Forward, step
from rulbook.weighting import FixedWeights, InverseGradient

RESULTS = Path(__file__).parent / "results"
EVERY, CALIBRATE = 10, (20, 50)


class DoubleBackwardGradNorm(Balancer):
    """GradNorm as it is usually coded: the norms keep their graph, and the loss of the weights runs back through it."""

    def __init__(self, everywhere: bool) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.log_weights = nn.Parameter(torch.zeros(2))

    def backward(
        self,
        losses: Losses,
        *,
        shared: Sequence[Tensor],
        representation: Tensor | None = None,
        last_shared: Sequence[Tensor] | None = None,
    ) -> StepReport:
        """One step with norms on all shared parameters, or on the last layer."""
        place = shared if self.everywhere or last_shared is None else last_shared
        weights = 2 * self.log_weights.softmax(dim=0)
        rows = [
            torch.autograd.grad(w * loss, place, create_graph=True) for w, loss in zip(weights, losses, strict=True)
        ]
        norms = torch.stack([torch.cat([part.reshape(-1) for part in row]).norm() for row in rows])
        spread = (norms - norms.mean().detach()).abs().sum()
        torch.autograd.backward(spread, inputs=[self.log_weights], retain_graph=True)
        values = torch.stack(list(losses))
        torch.autograd.backward(torch.dot(weights.detach(), values))
        return StepReport(values.detach(), weights.detach(), norms.detach())


class Resting(torch.optim.SGD):
    """An optimiser that makes no step, so that every step is timed on the same network."""

    def step(self, closure: Any = None) -> None:
        """Do nothing."""


def gaba(**settings: Any) -> WeightedSum:
    """GABA past its warm-up."""
    return WeightedSum(InverseGradient(warmup=0), **settings)


BALANCERS: dict[str, Callable[[], Balancer]] = {
    "plain": lambda: WeightedSum(FixedWeights()),
    "naive": lambda: gaba(measure="naive"),
    "reuse": gaba,
    "held": lambda: gaba(every=10**9),
    "last_layer": lambda: gaba(measure="last_layer"),
    "representation": lambda: gaba(measure="representation"),
    "last_layer calibration": lambda: gaba(measure="last_layer", calibrate=1),
    "representation calibration": lambda: gaba(measure="representation", calibrate=1),
    "mtl_backward": lambda: aggregated("UPGrad"),
    "gradnorm": GradNorm,
    "gradnorm twice, last layer": lambda: DoubleBackwardGradNorm(everywhere=False),
    "gradnorm twice": lambda: DoubleBackwardGradNorm(everywhere=True),
}
"""The kinds of steps that are timed."""

MEASURED: dict[str, dict[str, Any]] = {"naive": {"measure": "naive"}, "reuse": {}, f"every {EVERY}": {"every": EVERY}}
for _place in ("last_layer", "representation"):
    MEASURED[_place] = {"measure": _place}
    MEASURED |= {f"{_place}, {steps}": {"measure": _place, "calibrate": steps} for steps in CALIBRATE}
"""The forms of GABA whose weights are compared."""

LABELS = {
    "plain": "plain step, fixed weights",
    "naive": "two norms, then a third backward pass",
    "reuse": "the two task gradients reused",
    f"every {EVERY}": f"the same at every {EVERY}th step",
    "last_layer": "norms on the last shared layer",
    **{f"last_layer, {steps}": f"the same, calibrated at every {steps}th step" for steps in CALIBRATE},
    "representation": "norms at the representation",
    **{f"representation, {steps}": f"the same, calibrated at every {steps}th step" for steps in CALIBRATE},
    "mtl_backward": "TorchJD, mtl_backward and UPGrad",
    "gradnorm": "GradNorm, last layer, single backward",
    "gradnorm twice, last layer": "GradNorm, last layer, double backward",
    "gradnorm twice": "GradNorm, all shared parameters, double backward",
}


def step_ratios(preset: str, rounds: int, batch_size: int) -> tuple[dict[str, list[float]], float]:
    """Time of each kind of step over that of the plain step, for each round; and the median plain time in seconds."""
    torch.manual_seed(0)
    model = DualTaskModel(14, preset, max_rul=125.0)
    x, rul = torch.randn(batch_size, 30, 14), 125 * torch.rand(batch_size)
    batch = x, rul, torch.randint(0, 3, (batch_size,))
    balancers = {name: make() for name, make in BALANCERS.items()}

    def timed(balancer: Balancer) -> float:
        optimizer = Resting([*model.parameters(), *balancer.parameters()])
        start = time.process_time()
        step(model, batch, METHODS["baseline"], balancer, optimizer)
        return time.process_time() - start

    order, shuffle = list(balancers), random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in order}
    # Attention's fast kernel has no second derivative; every form gets the same one.
    with sdpa_kernel(SDPBackend.MATH):
        for round_ in range(rounds + 1):
            shuffle.shuffle(order)
            for name in order:
                seconds = timed(balancers[name])
                if round_ > 0:  # The first round warms up.
                    times[name].append(seconds)
    plain = times["plain"]
    ratios = {name: [one / other for one, other in zip(times[name], plain, strict=True)] for name in times}
    return ratios, statistics.median(plain)


def costs(ratios: dict[str, list[float]]) -> dict[str, float]:
    """The median ratio of each form, mixed from its kinds of steps where it has several."""
    median = {name: statistics.median(values) for name, values in ratios.items()}
    mixed = {f"every {EVERY}": (median["reuse"] + (EVERY - 1) * median["held"]) / EVERY}
    for place in ("last_layer", "representation"):
        for steps in CALIBRATE:
            mixed[f"{place}, {steps}"] = (median[f"{place} calibration"] + (steps - 1) * median[place]) / steps
    return {name: (median | mixed)[name] for name in LABELS}


def recorded_norms(subset: str | None, steps: int, batch_size: int) -> dict[str, Tensor]:
    """Norms of both tasks at the three places, (steps, 2) each, while a compact model trains with GABA's weights."""
    data = prepare(demo_fleet() if subset is None else load_cmapss(subset))
    windows = data.train
    torch.manual_seed(0)
    model = DualTaskModel(
        windows.rows.shape[1], "compact", initial_rul=float(np.mean(windows.rul)), max_rul=data.horizon.max_rul
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    balancer = WeightedSum(InverseGradient(floor_form="clip"))
    places: dict[str, list[Tensor]] = {"shared": [], "last_layer": [], "representation": []}

    def measure(seen: Forward) -> None:
        shared, last_shared = model.shared_parameters(), model.last_shared_parameters()
        for place, params in zip(places, (shared, last_shared, [seen.representation]), strict=True):
            places[place].append(task_gradient_norms(seen.losses, params))

    for _ in range(steps):
        index = torch.randint(0, len(windows), (batch_size,), generator=generator)
        batch = windows.tensors(index.numpy())
        step(model, batch, METHODS["gaba"], balancer, optimizer, on_forward=measure)
    return {place: torch.stack(rows) for place, rows in places.items()}


def replayed(norms: dict[str, Tensor], floor: float, settings: dict[str, Any]) -> Tensor:
    """The path of the RUL weight in a form that meets the recorded norms, each at its place."""
    balancer = WeightedSum(InverseGradient(warmup=0, floor=floor), **settings)
    weights = []
    for exact, last, cheap in zip(norms["shared"], norms["last_layer"], norms["representation"], strict=True):
        places = [torch.zeros(2, requires_grad=True) for _ in range(3)]
        # Losses that are linear in each place have just these norms there.
        losses = sum(norm * place for norm, place in zip((exact, last, cheap), places, strict=True))
        report = balancer.backward(losses, shared=places[:1], last_shared=places[1:2], representation=places[2])
        weights.append(report.weights[0])
    return torch.stack(weights)


def weight_errors(norms: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Relative error of the RUL weight of each form: median, 95 % quantile, largest; last, largest under the floor."""
    errors = {}
    exact = {floor: replayed(norms, floor, {}) for floor in (0.0, 0.05)}
    for name, settings in MEASURED.items():
        free, floored = ((replayed(norms, floor, settings) / exact[floor] - 1).abs() for floor in (0.0, 0.05))
        errors[name] = {
            "median": float(free.median()),
            "p95": float(free.quantile(0.95)),
            "largest": float(free.max()),
            "largest_with_floor": float(floored.max()),
        }
    return errors


def as_markdown(result: dict[str, Any]) -> str:
    """The table to read."""
    presets = result["cost"]
    head = ["step", *(f"x plain, {preset}" for preset in presets), "error, median", "95 %", "largest", "with floor"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for name, label in LABELS.items():
        error = result["weight_error"]["forms"].get(name)
        cells = [f"{presets[preset]['ratios'][name]:.2f}" for preset in presets]
        cells += [f"{value:.1%}" for value in error.values()] if error else [""] * 4
        lines.append("| " + " | ".join([label, *cells]) + " |")
    ratio = result["weight_error"]["norm_ratio"]
    plain = ", ".join(f"{preset} {1000 * values['plain_seconds']:.0f} ms" for preset, values in presets.items())
    facts = (
        f"Plain step: {plain}; batch {result['batch_size']}, windows 30 x 14, {result['threads']} thread(s). "
        f"Median ratio of norms RUL / health: {ratio['shared']:.0f} on all shared parameters, "
        f"{ratio['last_layer']:.0f} on the last shared layer, {ratio['representation']:.0f} at the representation "
        f"({result['weight_error']['data']}, {result['weight_error']['steps']} steps). "
        f"{result['machine']}; {', '.join(f'{name} {number}' for name, number in result['versions'].items())}; "
        f"{result['date']}."
    )
    return "\n".join([*lines, "", facts, ""])


def main() -> None:
    """Measure, print the table, write it and its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["compact", "paper"], help="networks to time")
    parser.add_argument("--rounds", type=int, default=30, help="rounds for the compact preset; a third for the other")
    parser.add_argument("--steps", type=int, default=1000, help="training steps on which weights are compared")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--subset", help="a C-MAPSS subset such as FD001; the demo fleet if not given")
    parser.add_argument("--out", type=Path, default=RESULTS / "gradient_cost", help="path without ending")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    cost = {}
    for preset in args.presets:
        rounds = args.rounds if preset == "compact" else max(args.rounds // 3, 3)
        ratios, plain_seconds = step_ratios(preset, rounds, args.batch_size)
        cost[preset] = {
            "rounds": rounds,
            "plain_seconds": plain_seconds,
            "ratios": costs(ratios),
            "quartiles": {name: np.quantile(values, [0.25, 0.75]).tolist() for name, values in ratios.items()},
        }
        print(f"{preset}: timed {rounds} rounds", flush=True)
    norms = recorded_norms(args.subset, args.steps, args.batch_size)
    result = {
        "cost": cost,
        "weight_error": {
            "data": args.subset or "demo fleet",
            "steps": args.steps,
            "norm_ratio": {place: float((rows[:, 0] / rows[:, 1]).median()) for place, rows in norms.items()},
            "forms": weight_errors(norms),
        },
        "batch_size": args.batch_size,
        "threads": args.threads,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        "versions": {"python": platform.python_version(), "torch": version("torch"), "torchjd": version("torchjd")},
        "date": datetime.now(UTC).date().isoformat(),
    }
    table = as_markdown(result)
    print(table)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
