"""The model of the two norms against the losses themselves."""

from __future__ import annotations

import numpy as np
import pytest
from livefigures import LOAD
from playwright.sync_api import Page

from rulbook import reference
from rulbook.course.ch12.norm_scales import NormScales, even_unit, modelled_norms


def test_the_model_of_norms_is_what_the_losses_send_back() -> None:
    generator = np.random.default_rng(0)
    pred, target = generator.normal(60, 20, size=(2, 256))
    rmse, p = float(np.sqrt(np.mean((pred - target) ** 2))), 0.7
    logits = np.log(np.where(np.eye(3)[generator.integers(0, 3, 256)] == 1, p, (1 - p) / 2))
    at_rul = reference.uniform_mse(pred / 5, target / 5)[1]
    at_health = reference.softmax_cross_entropy(logits, logits.argmax(axis=1))[1]
    rul, health = modelled_norms(5.0, rmse, p, 1.0)
    # The RUL slope is 10 cycles, which is 2 units of 5.
    assert rul == pytest.approx(2 * np.linalg.norm(at_rul))
    assert health == pytest.approx(np.linalg.norm(at_health))
    assert modelled_norms(even_unit(rmse, p), rmse, p, 1.0)[0] == pytest.approx(health)
    # What the title says of the number of parameters.
    assert np.divide(*modelled_norms(5.0, rmse, p, 1e6)) == pytest.approx(rul / health)


@pytest.mark.browser
def test_norm_scales(blank: Page) -> None:
    blank.evaluate(LOAD, NormScales._esm)
    controls, scales = NormScales.controls(), NormScales().tables()
    units, errors, sizes = ([*controls[name].grid][::step] for name, step in (("unit", 4), ("rmse", 3), ("size", 1)))
    probabilities = controls["p_true"].grid[::5]
    computed = blank.evaluate(
        """([us, rs, ps, ns, s]) =>
             us.map((u) => rs.map((r) => ps.map((p) => ns.map((n) => script.norms(u, r, p, n, s)))))""",
        [units, errors, probabilities, [10**size for size in sizes], scales],
    )
    expected = [
        [[[modelled_norms(u, r, p, 10**n) for n in sizes] for p in probabilities] for r in errors] for u in units
    ]
    np.testing.assert_allclose(computed, expected, rtol=1e-12)
    computed = blank.evaluate(
        "([rs, ps, s]) => rs.map((r) => ps.map((p) => script.evenUnit(r, p, s)))", [errors, probabilities, scales]
    )
    np.testing.assert_allclose(computed, [[even_unit(r, p) for p in probabilities] for r in errors], rtol=1e-12)
