"""One rank of a data-parallel run: started by torchrun in test_data_parallel.py, which compares what the ranks save."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from rulbook.weighted_sum import WeightedSum
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


if __name__ == "__main__":
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    together = {form: run(form, rank, world, dist.group.WORLD) for form in FORMS}
    alone = run("reuse", rank, world, None)
    torch.save({**together, "alone": alone}, Path(sys.argv[1]) / f"{rank}.pt")
    dist.destroy_process_group()
