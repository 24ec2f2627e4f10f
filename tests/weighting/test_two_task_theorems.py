"""What section 17.2 proves of two tasks: the weights are IMTL-G's, and the step works against neither."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchjd.aggregation import IMTLG

from rulbook.weighting import EMA, AffineFloor, ClipFloor, InverseNorm


def gradients(tasks: int, seed: int, dimensions: int = 4) -> torch.Tensor:
    """Directions at random, lengths over six decades."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, dimensions, generator=generator, dtype=torch.float64)
    lengths = 10 ** (6 * torch.rand(tasks, 1, generator=generator, dtype=torch.float64) - 3)
    return lengths * rows / rows.norm(dim=1, keepdim=True)


def along(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What a joint step does for each task, as a share of what its own gradient of that length would."""
    step = weights.to(rows.dtype) @ rows
    return rows @ step / (rows.norm(dim=1) * (step.norm() + 1e-300))


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_two_tasks_get_the_step_of_imtl_g(seed):
    rows = gradients(2, seed)
    ours = InverseNorm(2, eps=0)(rows.norm(dim=1)).to(rows.dtype) @ rows
    assert_close(ours, IMTLG()(rows), rtol=1e-6, atol=1e-12)


def test_three_tasks_do_not():
    rows = gradients(3, 0)
    ours = InverseNorm(3, eps=0)(rows.norm(dim=1)).to(rows.dtype) @ rows
    assert torch.cosine_similarity(ours, IMTLG()(rows), dim=0) < 0.99


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_the_step_of_two_tasks_halves_the_angle_and_works_against_neither(seed):
    rows = gradients(2, seed)
    first, second = along(rows, InverseNorm(2, eps=0)(rows.norm(dim=1)))
    assert first >= -1e-9
    assert_close(first, second, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("floor", [ClipFloor, AffineFloor])
def test_a_floor_works_against_the_quieter_of_two_that_quarrel(floor):
    # Cosine -0.9; at a ratio of 500 the floor leaves pulls of some 25 to 1.
    rows = torch.tensor([[500.0, 0.0], [-0.9, (1 - 0.81) ** 0.5]], dtype=torch.float64)
    loud, quiet = along(rows, floor(InverseNorm(2, eps=0), 0.05)(rows.norm(dim=1)))
    assert loud > 0.9
    assert quiet < -0.8


def test_an_average_that_lags_works_against_one_of_two():
    average = EMA(InverseNorm(2, eps=0), beta=0.99)
    rows = torch.tensor([[500.0, 0.0], [-0.9, (1 - 0.81) ** 0.5]], dtype=torch.float64)
    assert along(rows, average(rows.norm(dim=1)))[1] < -0.8


def test_a_third_task_can_be_worked_against():
    problems = (gradients(3, seed) for seed in range(200))
    worst = min(along(rows, InverseNorm(3, eps=0)(rows.norm(dim=1))).min().item() for rows in problems)
    assert worst < -0.1
