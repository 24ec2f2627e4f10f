"""What is known about NASA's C-MAPSS data, each fact with its source.

Sources: [S] Saxena, Goebel, Simon, Eklund (2008), *Damage propagation modeling for aircraft engine run-to-failure
simulation*, PHM 2008, and the ``readme.txt`` in NASA's archive; [C] counted in the files themselves, and counted again
by the tests that have them; [L] a convention of the literature on this data set.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CMAPSS_FILES",
    "COLUMNS",
    "DROPPED_SENSORS",
    "HEALTH_CLASSES",
    "HEALTH_THRESHOLDS",
    "MAX_RUL",
    "NASA_ZIP_URL",
    "OPERATING_POINTS",
    "SENSORS",
    "SENSORS_14",
    "SENSOR_NAMES",
    "SETTINGS",
    "SHA256",
    "SUBSETS",
    "WINDOW",
    "SubsetFacts",
]

SETTINGS = ("setting_1", "setting_2", "setting_3")
"""Altitude in thousands of feet, Mach number, throttle resolver angle in percent. [S]"""

SENSOR_NAMES = {
    "s1": "T2, total temperature at the fan inlet, °R",
    "s2": "T24, total temperature at the LPC outlet, °R",
    "s3": "T30, total temperature at the HPC outlet, °R",
    "s4": "T50, total temperature at the LPT outlet, °R",
    "s5": "P2, pressure at the fan inlet, psia",
    "s6": "P15, total pressure in the bypass duct, psia",
    "s7": "P30, total pressure at the HPC outlet, psia",
    "s8": "Nf, physical fan speed, rpm",
    "s9": "Nc, physical core speed, rpm",
    "s10": "epr, engine pressure ratio P50/P2",
    "s11": "Ps30, static pressure at the HPC outlet, psia",
    "s12": "phi, fuel flow per Ps30, pps/psi",
    "s13": "NRf, corrected fan speed, rpm",
    "s14": "NRc, corrected core speed, rpm",
    "s15": "BPR, bypass ratio",
    "s16": "farB, burner fuel-air ratio",
    "s17": "htBleed, bleed enthalpy",
    "s18": "Nf_dmd, demanded fan speed, rpm",
    "s19": "PCNfR_dmd, demanded corrected fan speed, rpm",
    "s20": "W31, HPT coolant bleed, lbm/s",
    "s21": "W32, LPT coolant bleed, lbm/s",
}
"""The 21 sensors in file order. [S, table 2]"""

SENSORS = tuple(SENSOR_NAMES)
COLUMNS = ("unit", "cycle", *SETTINGS, *SENSORS)
"""The 26 columns of a file, which carries no header. [S]"""

DROPPED_SENSORS = ("s1", "s5", "s6", "s10", "s16", "s18", "s19")
"""Constant on FD001, but for a flicker in s6. [C] On FD003 and FD004 s10 answers to the fan fault, so dropping it there
costs something; it is dropped all the same, to stay comparable. [L]"""

SENSORS_14 = tuple(name for name in SENSORS if name not in DROPPED_SENSORS)
"""The 14 sensors that most papers keep. [L]"""

OPERATING_POINTS = (
    (0.0, 0.0, 100.0),
    (10.0, 0.25, 100.0),
    (20.0, 0.70, 100.0),
    (25.0, 0.62, 60.0),
    (35.0, 0.84, 100.0),
    (42.0, 0.84, 100.0),
)
"""The six points that FD002 and FD004 fly at, as :data:`SETTINGS`; FD001 and FD003 know the first only. [C]"""

MAX_RUL = 125.0
"""The cap on training labels, in cycles: a healthy engine's sensors do not tell 150 cycles from 250. [L]"""

WINDOW = 30
"""Cycles that a model sees at once. [L]"""

HEALTH_THRESHOLDS = (80.0, 30.0)
"""Above the first an engine is normal, up to the second critical, between them degrading; in cycles of RUL.

A choice of this book's source, not of NASA: the data set has no health labels.
"""

HEALTH_CLASSES = ("normal", "degrading", "critical")


@dataclass(frozen=True)
class SubsetFacts:
    """Counts of one subset.

    Attributes:
        conditions: Operating conditions. [S]
        fault_modes: 1: the high-pressure compressor degrades; 2: in some engines it is the fan. [S]
        train_engines: Engines run to failure. [C]
        test_engines: Engines cut off before failure. [C]
        train_rows: Cycles in the training file. [C]
        test_rows: Cycles in the test file. [C]
    """

    conditions: int
    fault_modes: int
    train_engines: int
    test_engines: int
    train_rows: int
    test_rows: int


SUBSETS = {
    "FD001": SubsetFacts(1, 1, 100, 100, 20_631, 13_096),
    "FD002": SubsetFacts(6, 1, 260, 259, 53_759, 33_991),
    "FD003": SubsetFacts(1, 2, 100, 100, 24_720, 16_596),
    # NASA's readme swaps the engine counts of FD004: it announces 248 for training and 249 for testing.
    "FD004": SubsetFacts(6, 2, 249, 248, 61_249, 41_214),
}

CMAPSS_FILES = tuple(f"{part}_{subset}.txt" for subset in SUBSETS for part in ("train", "test", "RUL"))

NASA_ZIP_URL = "https://phm-datasets.s3.amazonaws.com/NASA/6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip"
"""NASA's own archive: a zip around ``CMAPSSData.zip`` around the twelve files."""

SHA256 = {
    "RUL_FD001.txt": "a19c8ec94931949d0485bdc35118206e9c81c4547b422efb9cf86f4ceddbceca",
    "RUL_FD002.txt": "c851dd96a6ea6998d3c4a8f834d3c8013aa90e93a6ed950dc826ad0655b2906b",
    "RUL_FD003.txt": "df1e0566306b174a2de41c67a3e7a51877889598b78643fc3e5685259091b7cb",
    "RUL_FD004.txt": "196b836b85a95ac7fdbbf29c5fdf1657382eafa445644d114ffaaf50dc2975e1",
    "test_FD001.txt": "3cda7109ce17bafb5443f2ac926cfcf88154b941b8c4cf95eb55d1ddd6f52851",
    "test_FD002.txt": "de7b5bf7e998a985c378488480528b7c02cff1406a46740def362dda8d9b4e02",
    "test_FD003.txt": "299babd63c8d987cef079c4a425429f33b3a34797d803bbe2ad48c29dbd0d790",
    "test_FD004.txt": "1dc675fff0624bac10786927c6715b37d1297657137400d2b1a3138d777a3ba5",
    "train_FD001.txt": "963b5e22825b34d8b21c69e1aeb4af3e647050eb672ee8834ba4b5d91d2de0f8",
    "train_FD002.txt": "dac6c4dbc4e7c1bdeb5747da3d313d05c395bb99801b44a002b26a2ba13d788f",
    "train_FD003.txt": "2abbe9968cc5e8eb091980f51b20f62bb4127336d3482cb52071d53bf23329e2",
    "train_FD004.txt": "27ef6160b6a1dcb2613a88de9c239f763b223f02cdc41dc5cdedc5dc189b6218",
}
"""Of the twelve files as unpacked from NASA's archive."""
