"""Engines as data: NASA's C-MAPSS, a synthetic fleet, or your own table, as windows to train on (section 14.4).

>>> fleet = load_cmapss("FD001")  # doctest: +SKIP
>>> data = prepare(fleet)  # doctest: +SKIP
"""

from rulbook.data.columns import Columns
from rulbook.data.fetch import cache_folder
from rulbook.data.fleet import CutRange, Fleet, engine_runs
from rulbook.data.labels import cap, health_labels, measured_labels, rul_labels
from rulbook.data.layout import COLUMNS, DROPPED_SENSORS, SENSORS, SENSORS_14, SETTINGS
from rulbook.data.prepare import Prepared, prepare
from rulbook.data.preprocess import Preprocessor
from rulbook.data.sources.cmapss import (
    OPERATING_POINTS,
    SENSOR_NAMES,
    SHA256,
    SUBSETS,
    download_cmapss,
    load_cmapss,
)
from rulbook.data.sources.demo import demo_fleet
from rulbook.data.splits import cut_engines, split_engines
from rulbook.data.tables import fleet_from_frame, read_table
from rulbook.data.textfiles import read_frame
from rulbook.data.windows import Windows, all_windows, last_windows, split_windows_at_random, training_windows
from rulbook.horizon import HEALTH_CLASSES, HEALTH_THRESHOLDS, MAX_RUL, WINDOW, Horizon, MeasuredHealth

__all__ = [
    "COLUMNS",
    "DROPPED_SENSORS",
    "HEALTH_CLASSES",
    "HEALTH_THRESHOLDS",
    "MAX_RUL",
    "OPERATING_POINTS",
    "SENSORS",
    "SENSORS_14",
    "SENSOR_NAMES",
    "SETTINGS",
    "SHA256",
    "SUBSETS",
    "WINDOW",
    "Columns",
    "CutRange",
    "Fleet",
    "Horizon",
    "MeasuredHealth",
    "Prepared",
    "Preprocessor",
    "Windows",
    "all_windows",
    "cache_folder",
    "cap",
    "cut_engines",
    "demo_fleet",
    "download_cmapss",
    "engine_runs",
    "fleet_from_frame",
    "health_labels",
    "last_windows",
    "load_cmapss",
    "measured_labels",
    "prepare",
    "read_frame",
    "read_table",
    "rul_labels",
    "split_engines",
    "split_windows_at_random",
    "training_windows",
]
