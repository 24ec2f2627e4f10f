"""What the checks try answers on: the worked example of section 14.1 and made-up batches."""

from __future__ import annotations

import numpy as np

from rulbook._check import Array

__all__ = ["CAP", "SIX_ENGINES", "batch"]

CAP = 125.0
SIX_ENGINES = np.array([5.0, 20.0, 50.0, 90.0, 125.0, 200.0])


def batch(seed: int, size: int = 40) -> tuple[Array, Array]:
    """Predictions and true RULs of a made-up batch, in cycles, some beyond the cap."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(0.0, 200.0, size)
    return target + rng.normal(0.0, 15.0, size), target
