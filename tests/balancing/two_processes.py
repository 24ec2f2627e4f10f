"""One rank of a data-parallel run: started by torchrun in test_data_parallel.py, which compares what the ranks save."""

from __future__ import annotations

import math
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from rulbook.balancing.weighted_sum import MEASURES, WeightedSum
from rulbook.weighting import InverseGradient

FORMS = {
    "reuse": {},
    "naive": {"measure": "naive"},
    "every": {"every": 3},
    "last_layer": {"measure": "last_layer"},
    "representation": {"measure": "representation"},
    "calibrated": {"measure": "representation", "calibrate": 3},
}
STEPS, BATCH = 7, 8


def run(form: str, rank: int, world: int, group: dist.ProcessGroup | None) -> dict[str, torch.Tensor]:
    """Train for a few steps on this rank's part of each batch; return every step's weights and the last parameters."""
    generator = torch.Generator().manual_seed(3)

    def layer(n_in: int, n_out: int) -> nn.Linear:
        linear = nn.Linear(n_in, n_out).double()
        for parameter in linear.parameters():
            nn.init.normal_(parameter, generator=generator)
        return linear

    first, last, heads = layer(4, 6), layer(6, 5), [layer(5, 1), layer(5, 3)]
    modules = nn.ModuleList([first, last, *heads])
    optimizer = torch.optim.SGD(modules.parameters(), lr=0.01)
    balancer = WeightedSum(InverseGradient(warmup=1, beta=0.5, floor=0), process_group=group, **FORMS[form])
    weights = []
    for _ in range(STEPS):
        x = torch.randn(BATCH, 4, generator=generator, dtype=torch.float64)
        target = 50 * torch.randn(BATCH, 1, generator=generator, dtype=torch.float64)
        classes = torch.randint(0, 3, (BATCH,), generator=generator)
        # The halves are unlike each other, so ranks that did not talk would not agree.
        mine = slice(rank * BATCH // world, (rank + 1) * BATCH // world)
        z = last(first(x[mine]).tanh()).tanh()
        losses = [
            nn.functional.mse_loss(heads[0](z), target[mine]),
            nn.functional.cross_entropy(heads[1](z), classes[mine]),
        ]
        optimizer.zero_grad()
        shared = [*first.parameters(), *last.parameters()]
        report = balancer.backward(losses, shared=shared, representation=z, last_shared=list(last.parameters()))
        optimizer.step()
        weights.append(report.weights)
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in modules.parameters()])
    return {"weights": torch.stack(weights), "parameters": flat}


class Wrapped(nn.Module):
    """The same kind of network in one module, as DistributedDataParallel wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 5)
        self.heads = nn.ModuleList([nn.Linear(5, 1), nn.Linear(5, 1)])
        generator = torch.Generator().manual_seed(5)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z = self.last(self.first(x).tanh()).tanh()
        return z, self.heads[0](z), self.heads[1](z)


def run_wrapped(measure: str, rank: int) -> dict[str, object]:
    """Train a wrapped model without a process group; return the parameters, the weights and what was warned of."""
    model = nn.parallel.DistributedDataParallel(Wrapped())
    inner = model.module
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    balancer = WeightedSum(InverseGradient(warmup=1, beta=0.5, floor=0), measure=measure)
    generator = torch.Generator().manual_seed(rank)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4):
            z, one, other = model(torch.randn(6, 4, generator=generator))
            optimizer.zero_grad()
            report = balancer.backward(
                [50 * (one - 1).square().mean(), other.square().mean()],
                shared=[*inner.first.parameters(), *inner.last.parameters()],
                representation=z,
                last_shared=list(inner.last.parameters()),
            )
            optimizer.step()
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in inner.parameters()])
    told = [str(warning.message) for warning in caught if "process_group" in str(warning.message)]
    return {"parameters": flat, "weights": report.weights, "told": told}


def run_lacking(form: str, rank: int, group: dist.ProcessGroup) -> dict[str, torch.Tensor]:
    """One process has no labels for the second task, then both have, then one loss overflows."""
    trunk = nn.Parameter(torch.ones(3, dtype=torch.float64))
    heads = [nn.Parameter(torch.full((3,), 1.0 + task, dtype=torch.float64)) for task in range(2)]
    balancer = WeightedSum(InverseGradient(warmup=0, beta=0, floor=0), process_group=group, **FORMS[form])
    found = []
    for factor in (math.nan, 1.0, math.inf):
        for parameter in (trunk, *heads):
            parameter.grad = None
        z = trunk * (1.0 + rank)
        losses = [(z * heads[0]).sum(), (z * heads[1]).square().sum() * (factor if rank else 1.0)]
        report = balancer.backward(losses, shared=[trunk], representation=z, last_shared=[trunk])
        found.append(torch.cat([report.weights, trunk.grad, heads[0].grad]))
    return {"steps": torch.stack(found), "shown": heads[1].grad}


if __name__ == "__main__":
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    together = {form: run(form, rank, world, dist.group.WORLD) for form in FORMS}
    alone = run("reuse", rank, world, None)
    wrapped = {f"wrapped {measure}": run_wrapped(measure, rank) for measure in MEASURES}
    lacking = {f"lacking {form}": run_lacking(form, rank, dist.group.WORLD) for form in FORMS if form != "every"}
    torch.save({**together, **wrapped, **lacking, "alone": alone}, Path(sys.argv[1]) / f"{rank}.pt")
    dist.destroy_process_group()
