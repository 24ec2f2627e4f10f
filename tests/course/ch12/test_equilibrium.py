"""The toy of two pulls against the optimisers of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook.course.ch12.equilibrium import Equilibrium, equilibrium, toy_path


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_toy_walks_as_the_optimisers_of_torch_do(optimizer: str) -> None:
    torch = pytest.importorskip("torch")
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    walker, path = getattr(torch.optim, optimizer)([theta], lr=0.02), [0.0]
    for _ in range(150):
        walker.zero_grad()
        (0.5 * 7 * (theta - 1) ** 2 + 0.5 * (theta + 1) ** 2).backward()
        walker.step()
        path.append(theta.item())
    np.testing.assert_allclose(toy_path(7, optimizer, 0.02, 150), path, rtol=1e-9, atol=1e-12)
    assert path[-1] == pytest.approx(equilibrium(7), abs=0.01)


def test_a_path_that_runs_away_ends_there() -> None:
    path = toy_path(100, "SGD", 0.1)
    assert abs(path[-1]) > 10
    assert len(path) < 20


@pytest.mark.browser
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_equilibrium(blank: Page, optimizer: str) -> None:
    blank.evaluate(LOAD, Equilibrium._esm)
    controls = Equilibrium.controls()
    ratios, rates = ([10**d for d in controls[name].grid] for name in ("decades", "rate"))
    computed = blank.evaluate(
        "([ratios, rates, o]) => ratios.map((r) => rates.map((e) => script.toyPath(r, o, e, 200)))",
        [ratios, rates, optimizer],
    )
    for ratio, paths in zip(ratios, computed, strict=True):
        for rate, path in zip(rates, paths, strict=True):
            np.testing.assert_allclose(path, toy_path(ratio, optimizer, rate), rtol=1e-9, atol=1e-9)
    rest = blank.evaluate("(ratios) => ratios.map(script.equilibrium)", ratios)
    np.testing.assert_allclose(rest, [equilibrium(ratio) for ratio in ratios], rtol=1e-14)
