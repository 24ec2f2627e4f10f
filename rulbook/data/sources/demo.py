"""A synthetic fleet with the columns and the troubles of C-MAPSS, made in a moment and without a download.

Every notebook of the book runs on it. It is no simulation of an engine: each reading is a level that depends on the
operating condition, plus a shift that grows towards failure, plus noise. Levels, shifts and noise are what the real
files show on average (FD002 for levels, noise and the compressor fault, FD003 for the fan fault), rounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook._check import whole
from rulbook.data.fleet import CutRange, Fleet
from rulbook.data.layout import SENSORS, SENSORS_14, SETTINGS
from rulbook.data.sources.cmapss import OPERATING_POINTS, SUBSETS
from rulbook.data.splits import cut_engines
from rulbook.errors import InputError
from rulbook.horizon import WINDOW, Horizon

__all__ = ["CUT", "NAMES", "demo_fleet", "load"]

NAMES = ("demo",)
"""What the command line and :func:`rulbook.data.sources.load` call this fleet."""

CUT = CutRange(1, SUBSETS["FD001"].longest_rul, WINDOW)
"""Test engines end as far from failure as NASA's of FD001 at most, and leave a window to be seen."""


class _Sensor(NamedTuple):
    """How a sensor behaves: its level at the six operating points; its noise; its shift at failure, on the ground."""

    levels: tuple[float, float, float, float, float, float]
    noise: float
    compressor_fault: float
    fan_fault: float
    decimals: int = 2


_BEHAVIOUR = {
    "s1": _Sensor((518.67, 489.05, 491.19, 462.54, 449.44, 445.00), 0.0, 0.0, 0.0),
    "s2": _Sensor((642.41, 604.66, 607.32, 536.73, 555.57, 549.49), 0.35, 1.40, 1.40),
    "s3": _Sensor((1587.3, 1499.1, 1482.7, 1260.3, 1363.9, 1351.7), 4.4, 16.0, 22.0),
    "s4": _Sensor((1403.4, 1306.1, 1248.5, 1046.5, 1127.2, 1123.3), 5.2, 28.0, 31.0),
    "s5": _Sensor((14.62, 10.52, 9.35, 7.05, 5.48, 3.91), 0.0, 0.0, 0.0),
    "s6": _Sensor((21.61, 15.49, 13.655, 9.027, 8.000, 5.715), 0.003, 0.0, -0.003),
    "s7": _Sensor((553.88, 394.69, 334.81, 175.56, 194.61, 138.74), 0.45, -2.7, 14.0),
    "s8": _Sensor((2388.06, 2318.90, 2323.95, 1915.35, 2222.96, 2211.92), 0.10, 0.25, 0.60),
    "s9": _Sensor((9056.4, 8779.1, 8723.8, 8010.5, 8350.2, 8321.7), 16.0, 33.0, 72.0),
    "s10": _Sensor((1.300, 1.260, 1.080, 0.940, 1.020, 1.020), 0.001, 0.0, 0.013),
    "s11": _Sensor((47.37, 45.33, 44.30, 36.68, 41.84, 42.00), 0.15, 0.86, 1.10),
    "s12": _Sensor((521.86, 371.75, 315.14, 164.69, 183.17, 130.64), 0.36, -2.3, 13.5),
    "s13": _Sensor((2388.06, 2388.10, 2388.08, 2028.24, 2388.05, 2387.99), 0.10, 0.25, 0.60),
    "s14": _Sensor((8137.6, 8131.0, 8062.1, 7874.5, 8068.1, 8085.1), 15.0, 21.0, 57.0),
    "s15": _Sensor((8.4209, 8.6422, 9.2093, 10.8869, 9.3098, 9.3550), 0.025, 0.11, -0.15, 4),
    "s16": _Sensor((0.03, 0.03, 0.02, 0.02, 0.02, 0.02), 0.0, 0.0, 0.0),
    "s17": _Sensor((392.4, 368.9, 364.6, 306.7, 333.5, 330.3), 1.1, 4.2, 5.6, 0),
    "s18": _Sensor((2388.0, 2319.0, 2324.0, 1915.0, 2223.0, 2212.0), 0.0, 0.0, 0.0, 0),
    "s19": _Sensor((100.0, 100.0, 100.0, 84.93, 100.0, 100.0), 0.0, 0.0, 0.0),
    "s20": _Sensor((38.92, 28.60, 24.52, 14.30, 14.87, 10.61), 0.11, -0.51, 0.60),
    "s21": _Sensor((23.350, 17.159, 14.710, 8.579, 8.919, 6.367), 0.065, -0.31, 0.36, 4),
}

# Shares of the cycles at each operating point, as counted in FD002.
_SHARES = (0.15, 0.15, 0.15, 0.15, 0.15, 0.25)
_FAN_SHARE = 0.44
# Engines of one type differ from new: this much of the noise of each sensor.
_ENGINE_SPREAD = 0.35


def load(name: str, root: str | Path | None = None) -> Fleet:
    """What the registry calls: :func:`demo_fleet`. It needs no files."""
    return demo_fleet()


def demo_fleet(
    *,
    engines: int = 40,
    test_engines: int = 20,
    conditions: int = 6,
    fault_modes: int = 2,
    seed: int = 0,
) -> Fleet:
    r"""A synthetic fleet, shaped like NASA's files and rounded like them.

    A reading of sensor :math:`j` under condition :math:`c`, :math:`y` cycles before failure, is

    .. math:: x = \ell_{jc}\,\bigl(1 + s_j\, e^{-y/\tau}\bigr) + \sigma_j\,(0.35\,b_j + \varepsilon)

    with the level :math:`\ell`, the relative shift :math:`s` of the engine's fault, its pace :math:`\tau` between 30
    and 55 cycles, its own offset :math:`b` and noise :math:`\varepsilon`, both standard normal.

    Args:
        engines: Engines run to failure; they live 128 cycles and more, 206 on average.
        test_engines: Engines cut off with 1 to 145 cycles left.
        conditions: 1, always on the ground, or 6, drawn afresh each cycle.
        fault_modes: 1, the compressor degrades, or 2, in 44 % of the engines it is the fan, which moves some sensors
            the other way.
        seed: Everything random follows from it. The same seed gives the same fleet on every machine.

    Returns:
        A fleet named ``demo``, with NASA's 26 columns.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> demo_fleet(engines=3, test_engines=2)
        Fleet(demo: 3 training engines, 607 cycles; 2 test engines, 227 cycles)
    """
    whole("engines", engines, 1)
    whole("test_engines", test_engines, 0)
    for name, value, choices in (("conditions", conditions, (1, 6)), ("fault_modes", fault_modes, (1, 2))):
        if value not in choices:
            raise InputError(f"{name} is {value}: it must be {choices[0]} or {choices[1]}.")
    rng = np.random.default_rng(whole("seed", seed, 0))
    lives = 128 + rng.gamma(2.8, 28.0, size=engines + test_engines).astype(np.int64)
    engine = np.repeat(np.arange(len(lives)), lives)
    cycle = np.concatenate([np.arange(1, life + 1) for life in lives])
    point = rng.choice(6, size=len(engine), p=_SHARES) if conditions == 6 else np.zeros(len(engine), np.int64)
    fan = rng.random(len(lives)) < (_FAN_SHARE if fault_modes == 2 else 0.0)
    pace = rng.uniform(30.0, 55.0, size=len(lives))
    damage = np.exp(-(lives[engine] - cycle) / pace[engine])
    table = {"unit": engine + 1, "cycle": cycle, **_fly(point, rng), **_read(engine, point, damage, fan, rng)}
    frame = pd.DataFrame(table)
    train = frame[frame["unit"] <= engines].reset_index(drop=True)
    test, test_rul = cut_engines(frame[frame["unit"] > engines], CUT, seed=seed, cuts=1)
    test = test.drop(columns="source_unit")
    return Fleet("demo", train, test, test_rul, SETTINGS, SENSORS_14, Horizon(), cut=CUT)


def _fly(point: NDArray[np.int64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """The three settings: an operating point, met as closely as in NASA's files."""
    nominal = np.array(OPERATING_POINTS)[point]
    altitude = nominal[:, 0] + rng.uniform(0.0, 0.008, size=len(point))
    mach = nominal[:, 1] + rng.uniform(0.0, 0.002, size=len(point))
    return dict(zip(SETTINGS, (altitude.round(4), mach.round(4), nominal[:, 2]), strict=True))


def _read(
    engine: NDArray[np.int64],
    point: NDArray[np.int64],
    damage: NDArray[np.float64],
    fan: NDArray[np.bool_],
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """The readings of all sensors at every cycle."""
    readings = {}
    for name in SENSORS:
        sensor = _BEHAVIOUR[name]
        level = np.array(sensor.levels)[point]
        shift = np.where(fan, sensor.fan_fault, sensor.compressor_fault) / sensor.levels[0]
        noise = _ENGINE_SPREAD * rng.standard_normal(len(fan))[engine] + rng.standard_normal(len(engine))
        readings[name] = (level * (1.0 + shift[engine] * damage) + sensor.noise * noise).round(sensor.decimals)
    return readings
