"""Operating conditions and per-condition z-scores, fitted on training engines only (section 14.4).

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

from rulbook._check import one_of, shown, whole
from rulbook._needs import needed
from rulbook.data.conditions import Found, find_conditions
from rulbook.data.fleet import require_columns, require_rows, where_in
from rulbook.data.layout import SENSORS_14, SETTINGS
from rulbook.errors import InputError

__all__ = ["Preprocessor"]

# Conditions are looked for in so many rows at most, drawn at random: plenty, and quick for a fleet of millions.
_SAMPLE = 20_000
# k-means, asked for a number of conditions that the gaps do not show, looks at fewer: it is slower.
_SAMPLE_OF_KMEANS = 5_000
# Below this share of its mean, a standard deviation is the rounding error of a constant.
_CONSTANT = 1e-9
# A setting this many times farther from its condition than in any training row was not in the training data.
_FAR = 10.0
# A reading so many standard deviations off is no wear: the sensor is broken, or counts in another unit.
_BROKEN = 1e4
# A sensor of whose variance within a condition this share follows a setting is not freed of it by the z-score.
_FOLLOWS, _ROWS_TO_TELL = 0.25, 100


class Preprocessor:
    r"""Raw sensor tables to float32 features.

    .. math:: z = \frac{x - \mu_c}{\sigma_c} \qquad \text{with the operating condition } c \text{ of the row}

    Conditions are as many as the settings show: a setting whose values lie in lumps with wide gaps between them tells
    conditions apart; one that is constant, nearly constant, noise or a continuum has no say (see
    :attr:`conditions_report_`). They are numbered in the order of the first setting (then the second, …), so that 0 is
    the ground on C-MAPSS. The settings themselves are no features: within a condition they are noise, which a z-score
    would blow up to the size of a signal.

    A sensor that is constant within a condition carries nothing there and becomes 0.

    It keeps scikit-learn's manners: it can be cloned, its parameters got and set, and it is a step of a Pipeline.

    Args:
        n_conditions: Conditions to look for. None: as many as there are, which may be one. A number: so many, by
            k-means on the settings if the gaps between their values show another number.
        sensors: The columns that become features, in this order.
        settings: The columns that tell conditions apart; may be empty, which makes one condition.
        random_state: Seed of the sample that conditions are looked for in, and of k-means.

    Attributes:
        centroids_: Mean settings of each condition, shape (conditions, settings).
        means_: Mean of each sensor in each condition, shape (conditions, features).
        stds_: Standard deviation, same shape; 0 for a constant sensor.
        scales_: Standard deviation of each setting over all training rows, 1 for a constant one, shape (settings,).
        reach_: Largest distance of a training row from its condition in each setting, shape (settings,).
        telling_: The settings that tell conditions apart.
        evidence_: What each setting looks like: ``"constant"``, ``"nearly constant"``, ``"varies continuously"`` or
            ``"has levels"``.
    """

    centroids_: NDArray[np.float64]
    means_: NDArray[np.float64]
    stds_: NDArray[np.float64]
    scales_: NDArray[np.float64]
    reach_: NDArray[np.float64]
    telling_: tuple[str, ...]
    evidence_: dict[str, str]

    def __init__(
        self,
        *,
        n_conditions: int | None = None,
        sensors: Sequence[str] = SENSORS_14,
        settings: Sequence[str] = SETTINGS,
        random_state: int = 0,
    ) -> None:
        # Kept as they came, so that scikit-learn's clone finds them again.
        self.n_conditions = n_conditions
        self.sensors = sensors
        self.settings = settings
        self.random_state = random_state
        self._require_parameters()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that it was made with; ``deep`` is scikit-learn's and changes nothing here."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Preprocessor:
        """Change arguments; what has been fitted stays until the next :meth:`fit`.

        Raises:
            ValueError: If there is no such argument or it cannot have that value.
        """
        for name, value in params.items():
            one_of("a parameter of Preprocessor", name, _PARAMETERS)
            setattr(self, name, value)
        self._require_parameters()
        return self

    def fit(self, frame: pd.DataFrame, y: object = None) -> Preprocessor:
        """Find the conditions and their statistics in the rows of training engines.

        Args:
            frame: One row per engine and cycle.
            y: Not looked at; a Pipeline hands it over.

        Raises:
            ValueError: If a column is missing, the table is empty, or a value is no finite number or too large to be
                squared.

        Warns:
            UserWarning: If a sensor follows a setting that varies continuously, which no condition takes out of it.
        """
        self._require_parameters()
        require_rows(frame, (*self.settings, *self.sensors))
        settings, sensors = self._columns(frame, self.settings), self._columns(frame, self.sensors)
        with np.errstate(over="ignore", invalid="ignore"):
            stds = settings.std(axis=0)
            _require_statistics(frame, self.settings, settings, stds)
            _require_statistics(frame, self.sensors, sensors, sensors.std(axis=0))
        varies = stds > _CONSTANT * np.abs(settings).max(axis=0, initial=0.0)
        self.scales_ = np.where(varies, stds, 1.0)
        found = self._found(settings)
        telling = found.telling
        self.telling_ = tuple(name for name, tells in zip(self.settings, telling, strict=True) if tells)
        self.evidence_ = dict(zip(self.settings, found.looks, strict=True))
        # k-means numbers its clusters by chance: sort them, rounded so that noise in the first setting decides nothing.
        order = np.lexsort((found.centroids / self.scales_)[:, telling].round(2).T[::-1]) if telling.any() else [0]
        labels = _nearest(settings, found.centroids[order], self.scales_, telling)
        groups = [group for c in range(len(found.centroids)) if (group := labels == c).any()]
        self.centroids_ = np.stack([settings[group].mean(axis=0) for group in groups])
        labels = _nearest(settings, self.centroids_, self.scales_, telling)
        self.reach_ = np.abs(settings - self.centroids_[labels]).max(axis=0, initial=0.0)
        self.means_ = np.stack([sensors[group].mean(axis=0) for group in groups])
        stds = np.stack([sensors[group].std(axis=0) for group in groups])
        self.stds_ = np.where(stds > _CONSTANT * np.abs(self.means_), stds, 0.0)
        self._tell_what_settings_leave(settings, sensors, labels)
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
        labels = _nearest(settings, self.centroids_, self.scales_, self._tells())
        distances = np.abs(settings - self.centroids_[labels])
        far = np.flatnonzero((distances > _FAR * self.reach_ + 1e-6 * self.scales_).any(axis=1))
        if len(far):
            row = dict(zip(self.settings, settings[far[0]].tolist(), strict=True))
            warnings.warn(
                f"{len(far):,} of {len(labels):,} rows have settings unlike any in the training data, the first {row}: "
                "predictions for them are guesses.",
                stacklevel=2,
            )
        return labels

    @property
    def conditions_report_(self) -> str:
        """How many conditions there are and what that was told from, one line per setting."""
        self._require_fitted()
        count = self.n_conditions_
        told = f"told apart by {', '.join(self.telling_)}" if self.telling_ else "no setting tells any apart"
        lines = [f"{count} operating condition{'s'[: count > 1]}: {told}"]
        return "\n".join([*lines, *(f"{name}: {look}" for name, look in self.evidence_.items())])

    def transform(self, frame: pd.DataFrame) -> Float32[np.ndarray, "rows features"]:
        """The z-scores of the sensors, one row per row of ``frame``.

        Every feature that comes back is finite.

        Raises:
            ValueError: If a column is missing, the table is empty, a value is no finite number, or a reading is so far
                off that its z-score is none.
            RuntimeError: If the preprocessor has not been fitted.

        Warns:
            UserWarning: If a reading is ten thousand standard deviations off: a broken sensor, or another unit.
        """
        self._require_fitted()
        require_rows(frame, (*self.settings, *self.sensors))
        labels = self.conditions(frame)
        inverse = np.divide(1.0, self.stds_, out=np.zeros_like(self.stds_), where=self.stds_ > 0)
        features = np.empty((len(frame), len(self.sensors)), dtype=np.float32)
        # Column by column: the table is never held a second time in double precision.
        for column, name in enumerate(self.sensors):
            readings = frame[name].to_numpy(dtype=np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                features[:, column] = (readings - self.means_[labels, column]) * inverse[labels, column]
        largest = np.abs(features).max(axis=0, initial=0.0)
        if not (largest <= _BROKEN).all():
            self._tell_broken(frame, features)
        return features

    def fit_transform(self, frame: pd.DataFrame, y: object = None) -> Float32[np.ndarray, "rows features"]:
        """:meth:`fit`, then :meth:`transform` the same table; ``y`` is not looked at."""
        return self.fit(frame).transform(frame)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """The names of the features: the sensors, in their order."""
        return np.array(self.sensors, dtype=object)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The columns that were fitted on, as scikit-learn calls them."""
        self._require_fitted()
        return np.array([*self.settings, *self.sensors], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "means_")

    def __sklearn_tags__(self) -> Any:
        with needed():
            from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), transformer_tags=TransformerTags())

    def to_dict(self) -> dict[str, Any]:
        """Settings and fitted statistics as numbers, lists and strings; JSON keeps them exactly."""
        self._require_fitted()
        settings = ("n_conditions", "random_state")
        return {
            **{name: getattr(self, name) for name in settings},
            "sensors": list(self.sensors),
            "settings": list(self.settings),
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            "telling_": list(self.telling_),
            "evidence_": dict(self.evidence_),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Preprocessor:
        """A fitted preprocessor from :meth:`to_dict`.

        Raises:
            ValueError: If an entry is missing, unknown, not finite or does not fit the others.
        """
        expected = {*_PARAMETERS, *_ARRAYS, "telling_", "evidence_"}
        if not isinstance(state, Mapping) or set(state) != expected:
            differing = ", ".join(sorted(expected.symmetric_difference(state)))
            raise InputError(f"state does not hold what a preprocessor needs: {differing} is missing or unknown.")
        for name in ("sensors", "settings", "telling_"):
            if not isinstance(state[name], (list, tuple)) or not all(isinstance(one, str) for one in state[name]):
                raise InputError(f"state holds {name} = {shown(state[name])}: it must be a list of names.")
        wanted, seed = state["n_conditions"], state["random_state"]
        for name, number in (("n_conditions", 1 if wanted is None else wanted), ("random_state", seed)):
            if not isinstance(number, int) or isinstance(number, bool):
                raise InputError(f"state holds {name} = {shown(number)}: it must be a whole number.")
        made = cls(
            n_conditions=wanted,
            sensors=tuple(state["sensors"]),
            settings=tuple(state["settings"]),
            random_state=seed,
        )
        conditions = len(state["means_"]) if isinstance(state["means_"], list) else 0
        shapes = {
            "centroids_": (conditions, len(made.settings)),
            "means_": (conditions, len(made.sensors)),
            "stds_": (conditions, len(made.sensors)),
            "scales_": (len(made.settings),),
            "reach_": (len(made.settings),),
        }
        for name, shape in shapes.items():
            values = _numbers(name, state[name])
            if values.shape != shape or not np.isfinite(values).all() or conditions == 0:
                raise InputError(f"state holds {name} of shape {values.shape}: it must be {shape} and finite.")
            setattr(made, name, values)
        for name, low in (("stds_", 0.0), ("reach_", 0.0), ("scales_", np.nextafter(0.0, 1.0))):
            values = getattr(made, name)
            if values.size and values.min() < low:
                raise InputError(f"state holds {values.min()} among {name}: no spread is negative, no scale zero.")
        made.telling_ = tuple(state["telling_"])
        if not set(made.telling_) <= set(made.settings) or (conditions > 1 and not made.telling_):
            raise InputError(f"state holds telling_ = {shown(made.telling_)}: it must name settings.")
        evidence = state["evidence_"]
        if not isinstance(evidence, Mapping) or not all(isinstance(look, str) for look in evidence.values()):
            raise InputError(f"state holds evidence_ = {shown(evidence)}: it must be a word for each setting.")
        if set(evidence) != set(made.settings):
            raise InputError(f"state holds evidence_ for {', '.join(map(str, evidence))}: it must name the settings.")
        made.evidence_ = dict(evidence)
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preprocessor):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fitted = (
            f"{len(self.means_)} condition{'s'[: len(self.means_) > 1]}" if hasattr(self, "means_") else "not fitted"
        )
        return f"Preprocessor({fitted}, {len(self.sensors)} sensors)"

    def _require_fitted(self) -> None:
        if not hasattr(self, "means_"):
            raise RuntimeError(
                "this Preprocessor is not fitted: call fit with the table of the training engines first."
            )

    def _require_parameters(self) -> None:
        if self.n_conditions is not None:
            whole("n_conditions", self.n_conditions, 1)
        for name in ("sensors", "settings"):
            names = getattr(self, name)
            if isinstance(names, str) or not all(isinstance(one, str) for one in names):
                raise InputError(f"{name} is {shown(names)}: it must be a list of names of columns.")
        if not len(self.sensors):
            raise InputError("sensors is empty: at least one column is needed.")
        if not len(self.settings) and (self.n_conditions or 1) > 1:
            raise InputError(
                f"settings is empty but n_conditions is {self.n_conditions}: conditions are told by settings."
            )
        whole("random_state", self.random_state, 0, 2**32 - 1)

    def _tells(self) -> NDArray[np.bool_]:
        return np.array([name in self.telling_ for name in self.settings], dtype=np.bool_)

    def _found(self, settings: NDArray[np.float64]) -> Found:
        """Conditions by the gaps between values; by k-means where another number is asked for."""
        found = find_conditions(_sampled(settings, _SAMPLE, self.random_state))
        if self.n_conditions is None or len(found.centroids) == self.n_conditions:
            return found
        wanted = whole("n_conditions", self.n_conditions, 1)
        sample = _sampled(settings, _SAMPLE_OF_KMEANS, self.random_state)
        if wanted == 1:
            return Found(sample.mean(axis=0, keepdims=True), np.zeros(settings.shape[1], dtype=np.bool_), found.looks)
        telling = found.telling if found.telling.any() else np.array(["constant" not in look for look in found.looks])
        scaled = sample[:, telling] / self.scales_[telling]
        distinct = len(np.unique(scaled, axis=0))
        if wanted > distinct:
            raise InputError(f"n_conditions is {wanted} but the table holds {distinct} distinct settings only.")
        with needed():
            from sklearn.cluster import KMeans

        labels = KMeans(wanted, n_init=4, random_state=self.random_state).fit(scaled).labels_
        return Found(np.stack([sample[labels == label].mean(axis=0) for label in range(wanted)]), telling, found.looks)

    def _tell_what_settings_leave(
        self, settings: NDArray[np.float64], sensors: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> None:
        """Warn where a sensor follows a setting within a condition: the z-score leaves that in."""
        loose = [index for index, name in enumerate(self.settings) if "continuously" in self.evidence_[name]]
        loose += [index for index, name in enumerate(self.settings) if "too many" in self.evidence_[name]]
        if not loose or len(settings) < _ROWS_TO_TELL or self.n_conditions is not None:
            return
        rows = np.sort(np.random.default_rng(self.random_state).permutation(len(settings))[:_SAMPLE_OF_KMEANS])
        condition = labels[rows]
        apart = settings[rows][:, loose] - self.centroids_[condition][:, loose]
        off = (sensors[rows] - self.means_[condition]) / np.where(self.stds_ > 0, self.stds_, np.inf)[condition]
        spread = np.maximum(apart.std(axis=0), 1e-300)
        follows = ((apart / spread).T @ off / len(rows)) ** 2
        setting, sensor = divmod(int(follows.argmax()), follows.shape[1])
        if follows[setting, sensor] > _FOLLOWS:
            name = self.settings[loose[setting]]
            warnings.warn(
                f"setting {name} {self.evidence_[name]}: it makes no operating conditions, and sensor "
                f"{self.sensors[sensor]} follows it ({follows[setting, sensor]:.0%} of its variance), which the "
                "z-scores leave in. Give n_conditions to divide its range, or take it out of the sensors first.",
                stacklevel=3,
            )

    def _tell_broken(self, frame: pd.DataFrame, features: NDArray[np.float32]) -> None:
        bad = ~np.isfinite(features)
        far = bad if bad.any() else np.abs(features) > _BROKEN
        row, column = (int(index) for index in np.argwhere(far)[0])
        name = self.sensors[column]
        reading = f"{frame[name].to_numpy(dtype=np.float64)[row]:g} in column {name}, {where_in(frame, row)}"
        if bad.any():
            raise InputError(f"frame holds {reading}: so far from all training data that it has no z-score.")
        warnings.warn(
            f"frame holds {reading}, {abs(features[row, column]):,.0f} standard deviations from the training data, and "
            f"{int(far.sum()) - 1} more like it: a broken sensor or another unit; predictions from it are guesses.",
            stacklevel=3,
        )

    @staticmethod
    def _columns(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
        return frame[list(names)].to_numpy(dtype=np.float64)


_PARAMETERS = ("n_conditions", "sensors", "settings", "random_state")
_ARRAYS = ("centroids_", "means_", "stds_", "scales_", "reach_")


def _nearest(
    settings: NDArray[np.float64],
    centroids: NDArray[np.float64],
    scales: NDArray[np.float64],
    telling: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The nearest centroid of each row, by the settings that tell, each measured in its scale."""
    if len(centroids) == 1:
        return np.zeros(len(settings), dtype=np.int64)
    seen, scale = settings[:, telling], scales[telling]
    squares = [(((seen - centroid) / scale) ** 2).sum(axis=1) for centroid in centroids[:, telling]]
    return np.asarray(np.stack(squares).argmin(axis=0), dtype=np.int64)


def _sampled(settings: NDArray[np.float64], most: int, seed: int) -> NDArray[np.float64]:
    if len(settings) <= most:
        return settings
    chosen = np.random.default_rng(seed).choice(len(settings), most, replace=False)
    return settings[np.sort(chosen)]


def _require_statistics(
    frame: pd.DataFrame, names: Sequence[str], values: NDArray[np.float64], stds: NDArray[np.float64]
) -> None:
    """Refuse numbers so large that their squares are none."""
    for column, name in enumerate(names):
        if not np.isfinite(stds[column]):
            row = int(np.abs(values[:, column]).argmax())
            raise InputError(
                f"frame holds {values[row, column]:g} in column {name}, {where_in(frame, row)}: too large for a mean "
                "and a standard deviation."
            )


def _numbers(name: str, values: Any) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"state holds {name} = {shown(values)}: it must be numbers.") from error
