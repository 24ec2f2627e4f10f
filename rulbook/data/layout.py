"""NASA's table of engines: the names of its columns, in which many public fleets come, and which of them papers keep.

Files in this layout are read whoever wrote them (:mod:`rulbook.data.textfiles`); what is known about NASA's own stands
in :mod:`rulbook.data.sources.cmapss`, with the sources [S], [C] and [L] that are named here.
"""

from __future__ import annotations

__all__ = ["COLUMNS", "DROPPED_SENSORS", "SENSORS", "SENSORS_14", "SETTINGS"]

SETTINGS = ("setting_1", "setting_2", "setting_3")
"""Altitude in thousands of feet, Mach number, throttle resolver angle in percent. [S]"""

SENSORS = tuple(f"s{number}" for number in range(1, 22))
COLUMNS = ("unit", "cycle", *SETTINGS, *SENSORS)
"""The 26 columns of a file, which carries no header. [S]"""

DROPPED_SENSORS = ("s1", "s5", "s6", "s10", "s16", "s18", "s19")
"""Constant on FD001, but for a flicker in s6. [C] On FD003 and FD004 s10 answers to the fan fault, so dropping it there
costs something; it is dropped all the same, to stay comparable. [L]"""

SENSORS_14 = tuple(name for name in SENSORS if name not in DROPPED_SENSORS)
"""The 14 sensors that most papers keep. [L]"""
