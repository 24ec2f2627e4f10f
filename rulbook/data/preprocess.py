"""Operating conditions and per-condition z-scores, fitted on training engines only (chapter 6).

An engine at 42,000 feet and one on the ground give readings that differ a hundred times more than a sound and a worn
engine do. So each reading is compared with the readings of training engines under the same condition.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int
from numpy.typing import NDArray

from rulbook._check import whole
from rulbook._needs import needed
from rulbook.data.facts import SENSORS_14, SETTINGS
from rulbook.data.fleet import require_columns, require_rows
from rulbook.errors import InputError

__all__ = ["Preprocessor"]

_MOST_CONDITIONS = 6
# A condition is told from its neighbours if the settings hardly vary within it.
_LARGEST_SHARE_WITHIN = 0.01
# k-means looks at so many rows at most, drawn at random: plenty for six points, and quick for a fleet of millions.
_SAMPLE = 5_000
# Below this share of its mean, a standard deviation is the rounding error of a constant.
_CONSTANT = 1e-9
# Settings this many times farther from every condition than any training row were were not in the training data.
_FAR = 10.0


class Preprocessor:
    r"""Raw sensor tables to float32 features.

    .. math:: z = \frac{x - \mu_c}{\sigma_c} \qquad \text{with the operating condition } c \text{ of the row}

    Conditions are found by k-means on the settings, each divided by its standard deviation, and numbered in the order
    of the first setting (then the second, …), so that 0 is the ground on C-MAPSS. The settings themselves are no
    features: within a condition they are noise, which a z-score would blow up to the size of a signal.

    A sensor that is constant within a condition carries nothing there and becomes 0.

    Args:
        n_conditions: Conditions to look for. None: six if six leave at most 1 % of the variance of the settings within
            them (or as many as there are distinct settings, if those are fewer), else one.
        sensors: The columns that become features, in this order.
        settings: The columns that tell conditions apart; may be empty, which makes one condition.
        random_state: Seed of k-means.

    Attributes:
        centroids_: Mean settings of each condition, shape (conditions, settings).
        means_: Mean of each sensor in each condition, shape (conditions, features).
        stds_: Standard deviation, same shape; 0 for a constant sensor.
        scales_: Standard deviation of each setting over all training rows, 1 for a constant one, shape (settings,).
        reach_: Largest distance of a training row from its condition, in these scales.
    """

    centroids_: NDArray[np.float64]
    means_: NDArray[np.float64]
    stds_: NDArray[np.float64]
    scales_: NDArray[np.float64]
    reach_: float

    def __init__(
        self,
        *,
        n_conditions: int | None = None,
        sensors: Sequence[str] = SENSORS_14,
        settings: Sequence[str] = SETTINGS,
        random_state: int = 0,
    ) -> None:
        self.n_conditions = None if n_conditions is None else whole("n_conditions", n_conditions, 1)
        self.sensors, self.settings = tuple(sensors), tuple(settings)
        if not self.sensors:
            raise InputError("sensors is empty: at least one column is needed.")
        if not self.settings and (n_conditions or 1) > 1:
            raise InputError(f"settings is empty but n_conditions is {n_conditions}: conditions are told by settings.")
        self.random_state = whole("random_state", random_state, 0)

    def fit(self, frame: pd.DataFrame) -> Preprocessor:
        """Find the conditions and their statistics in the rows of training engines.

        Raises:
            ValueError: If a column is missing, the table is empty or a value is not a finite number.
        """
        require_rows(frame, (*self.settings, *self.sensors))
        settings = self._columns(frame, self.settings)
        stds = settings.std(axis=0)
        varies = stds > _CONSTANT * np.abs(settings).max(axis=0, initial=0.0)
        self.scales_ = np.where(varies, stds, 1.0)
        found = _find_conditions(settings / self.scales_, self.n_conditions, self.random_state) * self.scales_
        labels, _ = _nearest(settings, found, self.scales_)
        groups = [labels == condition for condition in range(len(found))]
        self.centroids_ = np.stack([settings[group].mean(axis=0) for group in groups])
        self.reach_ = float(_nearest(settings, self.centroids_, self.scales_)[1].max())
        sensors = self._columns(frame, self.sensors)
        self.means_ = np.stack([sensors[group].mean(axis=0) for group in groups])
        stds = np.stack([sensors[group].std(axis=0) for group in groups])
        self.stds_ = np.where(stds > _CONSTANT * np.abs(self.means_), stds, 0.0)
        return self

    @property
    def n_conditions_(self) -> int:
        """How many conditions were found."""
        self._require_fitted()
        return len(self.means_)

    def conditions(self, frame: pd.DataFrame) -> Int[np.ndarray, " rows"]:
        """The condition of each row, 0 … conditions - 1: the one whose centroid is nearest to its settings.

        Warns:
            UserWarning: If a row's settings are unlike any that the training engines flew at.
        """
        self._require_fitted()
        require_columns(frame, self.settings)
        settings = self._columns(frame, self.settings)
        labels, distances = _nearest(settings, self.centroids_, self.scales_)
        far = np.flatnonzero(distances > _FAR * self.reach_ + 1e-6)
        if len(far):
            row = dict(zip(self.settings, settings[far[0]].tolist(), strict=True))
            warnings.warn(
                f"{len(far):,} of {len(labels):,} rows have settings unlike any in the training data, the first {row}: "
                "predictions for them are guesses.",
                stacklevel=2,
            )
        return labels

    def transform(self, frame: pd.DataFrame) -> Float32[np.ndarray, "rows features"]:
        """The z-scores of the sensors, one row per row of ``frame``.

        Raises:
            ValueError: If a column is missing, the table is empty or a value is not a finite number.
            RuntimeError: If the preprocessor has not been fitted.
        """
        self._require_fitted()
        require_rows(frame, (*self.settings, *self.sensors))
        labels = self.conditions(frame)
        inverse = np.divide(1.0, self.stds_, out=np.zeros_like(self.stds_), where=self.stds_ > 0)
        features = np.empty((len(frame), len(self.sensors)), dtype=np.float32)
        # Column by column: the table is never held a second time in double precision.
        for column, name in enumerate(self.sensors):
            readings = frame[name].to_numpy(dtype=np.float64)
            features[:, column] = (readings - self.means_[labels, column]) * inverse[labels, column]
        return features

    def fit_transform(self, frame: pd.DataFrame) -> Float32[np.ndarray, "rows features"]:
        """:meth:`fit`, then :meth:`transform` the same table."""
        return self.fit(frame).transform(frame)

    def to_dict(self) -> dict[str, Any]:
        """Settings and fitted statistics as numbers, lists and strings; JSON keeps them exactly."""
        self._require_fitted()
        settings = ("n_conditions", "random_state")
        return {
            **{name: getattr(self, name) for name in settings},
            "sensors": list(self.sensors),
            "settings": list(self.settings),
            **{name: getattr(self, name).tolist() for name in ("centroids_", "means_", "stds_", "scales_")},
            "reach_": self.reach_,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Preprocessor:
        """A fitted preprocessor from :meth:`to_dict`.

        Raises:
            ValueError: If an entry is missing, unknown, not finite or does not fit the others.
        """
        fitted = ("centroids_", "means_", "stds_", "scales_", "reach_")
        expected = {"n_conditions", "sensors", "settings", "random_state", *fitted}
        if set(state) != expected:
            differing = ", ".join(sorted(expected.symmetric_difference(state)))
            raise InputError(f"state does not hold what a preprocessor needs: {differing} is missing or unknown.")
        made = cls(**{name: value for name, value in state.items() if name not in fitted})
        conditions = len(state["means_"])
        shapes = {
            "centroids_": (conditions, len(made.settings)),
            "means_": (conditions, len(made.sensors)),
            "stds_": (conditions, len(made.sensors)),
            "scales_": (len(made.settings),),
        }
        for name, shape in shapes.items():
            values = np.array(state[name], dtype=np.float64)
            if values.shape != shape or not np.isfinite(values).all():
                raise InputError(f"state holds {name} of shape {values.shape}: it must be {shape} and finite.")
            setattr(made, name, values)
        made.reach_ = float(state["reach_"])
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preprocessor):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fitted = f"{len(self.means_)} conditions" if hasattr(self, "means_") else "not fitted"
        return f"Preprocessor({fitted}, {len(self.sensors)} sensors)"

    def _require_fitted(self) -> None:
        if not hasattr(self, "means_"):
            raise RuntimeError(
                "this Preprocessor is not fitted: call fit with the table of the training engines first."
            )

    @staticmethod
    def _columns(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
        return frame[list(names)].to_numpy(dtype=np.float64)


def _nearest(
    settings: NDArray[np.float64], centroids: NDArray[np.float64], scales: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest centroid of each row, and how far it is, each setting measured in its scale."""
    squares = np.stack([(((settings - centroid) / scales) ** 2).sum(axis=1) for centroid in centroids])
    return squares.argmin(axis=0), np.sqrt(squares.min(axis=0))


def _find_conditions(scaled: NDArray[np.float64], n_conditions: int | None, random_state: int) -> NDArray[np.float64]:
    """Centroids in the scaled settings, in the order of their settings."""
    if len(scaled) > _SAMPLE:
        chosen = np.random.default_rng(random_state).choice(len(scaled), _SAMPLE, replace=False)
        scaled = scaled[np.sort(chosen)]
    distinct = len(np.unique(scaled, axis=0))
    wanted = min(_MOST_CONDITIONS, distinct) if n_conditions is None else n_conditions
    if wanted > distinct:
        raise InputError(f"n_conditions is {wanted} but the table holds {distinct} distinct settings only.")
    one = np.asarray(scaled.mean(axis=0, keepdims=True))
    if wanted == 1:
        return one
    with needed():
        from sklearn.cluster import KMeans

    kmeans = KMeans(wanted, n_init=4, random_state=random_state).fit(scaled)
    if n_conditions is None and kmeans.inertia_ > _LARGEST_SHARE_WITHIN * ((scaled - one) ** 2).sum():
        return one
    # k-means numbers its clusters by chance: sort them, rounded so that noise in the first setting decides nothing.
    centroids = kmeans.cluster_centers_
    return np.asarray(centroids[np.lexsort(centroids.round(2).T[::-1])])
