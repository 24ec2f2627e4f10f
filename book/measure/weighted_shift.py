"""How far do failure weights move predictions, and where do they buy accuracy? For section 14.3 and the results page.

A model whose best fit is one linear solve: ridge regression on summaries of a window (last value, mean of the last
five cycles and of all, slope and standard deviation of each sensor) and 500 random cosines of them. So no optimiser, no
epoch and no seed of a network stands between the loss and what it asks for: two fits differ in ``w_max`` alone.

Every fit is judged on NASA's test engines, at their last cycle, and on all windows of the engines held out. For those,
the shift that the equation of 14.3 expects is computed too, from labels alone: the held-out windows are put into groups
that the plain fit predicts nearly alike, and each group's mean and variance of the labels enter the equation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from rulbook.course.ch14.minimiser import early_shift
from rulbook.course.measurement import Bench, measurement
from rulbook.data import Prepared, prepare
from rulbook.data.windows import Windows
from rulbook.metrics import nasa_score, rmse
from rulbook.reference import failure_weights

Array = NDArray[np.float64]

SUBSETS = ("FD001", "FD002", "FD003", "FD004")
CEILINGS = (1.0, 2.0, 5.0)
COSINES, PENALTY, EVERY = 500, 1.0, 2
GROUPS = 20
BANDS = {"up to 30": (0, 30), "31 to 80": (31, 80), "above 80": (81, np.inf)}
"""Of the capped label, in cycles: the three health classes."""


def summaries(windows: Windows, every: int = 1) -> tuple[Array, Array]:
    """Five numbers for each sensor of each window, shape (n, 5 F), and the labels in cycles."""
    rows, starts = np.asarray(windows.rows, np.float64), np.asarray(windows.starts)[::every]
    time = np.arange(windows.window) - (windows.window - 1) / 2
    cut = rows[starts[:, None] + np.arange(windows.window)]
    parts = (
        cut[:, -1],
        cut[:, -5:].mean(axis=1),
        cut.mean(axis=1),
        np.einsum("t,ntf->nf", time / (time @ time), cut),
        cut.std(axis=1),
    )
    return np.concatenate(parts, axis=1), np.asarray(windows.rul, np.float64)[::every]


class Features:
    """Standardised summaries, 500 random cosines of them, and a column of ones."""

    def __init__(self, train: Array, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.mean, self.std = train.mean(axis=0), train.std(axis=0) + 1e-12
        # A width of the square root of the number of inputs: typical windows lie about one width from each other.
        self.directions = draw.normal(size=(train.shape[1], COSINES)) / np.sqrt(train.shape[1])
        self.phases = draw.uniform(0, 2 * np.pi, COSINES)

    def __call__(self, summary: Array) -> Array:
        """The inputs of the regression, shape (n, 5 F + 501)."""
        scaled = (summary - self.mean) / self.std
        waves = np.sqrt(2) * np.cos(scaled @ self.directions + self.phases)
        return np.column_stack([scaled, waves, np.ones(len(scaled))])


def fitted(x: Array, y: Array, w_max: float) -> Array:
    """Coefficients of the weighted ridge regression; the constant, in the last column, is not penalised."""
    weights = failure_weights(y, w_max=w_max)
    # The penalty grows with the mean weight: a common factor of all weights then changes nothing.
    penalty = np.full(x.shape[1], PENALTY * weights.mean())
    penalty[-1] = 0
    normal = x.T @ (weights[:, None] * x) + np.diag(penalty)
    return np.asarray(cho_solve(cho_factor(normal), x.T @ (weights * y)))


def judged(pred: Array, y: Array) -> dict[str, Any]:
    """RMSE, mean and standard deviation of the error, NASA's score, and RMSE and mean error in each band."""
    error = pred - y
    bands = {name: (y >= low) & (y <= high) for name, (low, high) in BANDS.items()}
    return {
        "rmse": round(rmse(pred, y), 4),
        "mean_error": round(float(error.mean()), 4),
        "std_error": round(float(error.std()), 4),
        "nasa_score": round(nasa_score(pred, y), 3),
        "bands": {
            name: {
                "count": int(band.sum()),
                "rmse": round(rmse(pred[band], y[band]), 4),
                "mean_error": round(float(error[band].mean()), 4),
            }
            for name, band in bands.items()
        },
    }


def expected_shift(plain: Array, y: Array, w_max: float) -> float:
    """The mean of the equation's shift over groups of windows that the plain fit predicts nearly alike."""
    groups = np.array_split(np.argsort(plain, kind="stable"), GROUPS)
    shifts = [early_shift(float(y[group].mean()), float(y[group].var()), w_max=w_max) for group in groups]
    return float(np.average(shifts, weights=[len(group) for group in groups]))


def one_split(data: Prepared, seed: int) -> list[dict[str, Any]]:
    """One row for each ceiling, all on the same engines and the same random cosines."""
    summary, y = summaries(data.train, EVERY)
    features = Features(summary, seed)
    x = features(summary)
    parts = {name: summaries(part) for name, part in (("validation", data.validation), ("test", data.test))}
    parts = {name: (features(part), labels) for name, (part, labels) in parts.items()}
    rows, plain = [], {}
    for w_max in CEILINGS:
        coefficients = fitted(x, y, w_max)
        pred = {name: np.clip(part @ coefficients, 0, data.horizon.max_rul) for name, (part, _) in parts.items()}
        plain = plain or pred
        rows.append(
            {
                "subset": data.subset,
                "seed": seed,
                "w_max": w_max,
                **{name: judged(pred[name], labels) for name, (_, labels) in parts.items()},
                "validation_shift": round(float((pred["validation"] - plain["validation"]).mean()), 4),
                "expected_shift": round(expected_shift(plain["validation"], parts["validation"][1], w_max), 4),
                "test_shift": round(float((pred["test"] - plain["test"]).mean()), 4),
            }
        )
    return rows


@measurement(
    "How far failure weights move predictions, where they buy accuracy, and the shift that the minimiser in closed "
    "form expects: weighted ridge regressions on all four subsets, four splits and three ceilings.",
    pages=("14-failure-biased-mse", "results"),
    data=SUBSETS,
    minutes=3,
    quick={"seeds": 1},
    tolerance=5e-3,
)
def measure(bench: Bench, seeds: int = 4) -> dict[str, Any]:
    """All subsets, seeds and ceilings."""
    rows = []
    for subset in SUBSETS:
        fleet = bench.load(subset)
        for seed in range(seeds):
            rows += bench.part(f"{subset}, seed {seed}", lambda f, s: one_split(prepare(f, seed=s), s), fleet, seed)
    return {"fits": rows}


@measure.piece
def piece(bench: Bench) -> dict[str, Any]:
    """The three fits of the first split of FD001."""
    return {"fits": one_split(prepare(bench.load("FD001"), seed=0), 0)}


if __name__ == "__main__":
    measure.main()
