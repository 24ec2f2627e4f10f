"""Which columns of a table are what: recognised by name, said once, kept with the fleet and the checkpoint.

People name the same column ``unit``, ``unit_nr``, ``engine_id`` or ``ID``. What can be told from a name alone is told
here; what would be a guess between two columns is refused, with both names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rulbook._check import shown
from rulbook.data.layout import SENSORS_14, SETTINGS
from rulbook.errors import InputError

__all__ = ["Columns", "refuse_doubled", "the_column"]

Label = str | int
"""What heads a column: a name, or a number where a file had no header."""

_OPERATION = r"(?:op|oper|operation|operational|operating)?"
_SETTING = re.compile(rf"{_OPERATION}(?:settings?|sett?|conditions?|cond)(\d+)|os(\d+)|opset(\d+)|op(\d+)|oc(\d+)")
_SENSOR = re.compile(
    r"(?:s|sm|sensors?|sens|sensorno|sensornr|sensornumber|sensorid|sensormeasures?|sensormeasurements?|sensorreadings?"
    r"|measurements?)(\d+)"
)
# The engine and its time, as the public copies of C-MAPSS and its kin name them; letters and digits only.
_UNIT = frozenset(
    """unit units unitnr unitno unitnum unitnumber unitid engine engines engineid enginenr engineno enginenum
    enginenumber id machine machineid machinenr machinenumber asset assetid device deviceid equipment equipmentid
    """.split()  # noqa: SIM905
)
_CYCLE = frozenset(
    """cycle cycles time times timecycle timecycles timeincycle timeincycles cyclenr cycleno cyclenum cyclenumber
    cycleid timestep timesteps timestamp flight flightnr flightno flightnumber
    """.split()  # noqa: SIM905
)
_PHYSICAL = {"altitude": 1, "alt": 1, "mach": 2, "machnumber": 2, "tra": 3, "throttleresolverangle": 3}


@dataclass(frozen=True)
class Columns:
    """What each column of a user's table was taken as.

    Attributes:
        unit: The column that names the machine, as the user's table has it.
        cycle: The column that counts its time.
        settings: The columns that say how it was operated.
        sensors: The columns that a model sees.
        left_out: The others, each with the reason: ``(("RUL", "gives the answer away by its name"), …)``.
        guessed: Which of ``unit``, ``cycle``, ``settings`` and ``sensors`` nobody named, so that they were told from
            the names of the columns.
    """

    unit: Label = "unit"
    cycle: Label = "cycle"
    settings: tuple[Label, ...] = ()
    sensors: tuple[Label, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    guessed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        doubled = [label for label, count in Counter(map(str, self.used)).items() if count > 1]
        if doubled:
            raise InputError(f"the column {doubled[0]} is wanted twice: a column can be one thing only.")

    @property
    def used(self) -> tuple[Label, ...]:
        """The labels of all columns that are used, in the order unit, cycle, settings, sensors."""
        return (self.unit, self.cycle, *self.settings, *self.sensors)

    @property
    def setting_names(self) -> tuple[str, ...]:
        """What the settings are called inside a fleet: as in the table, but for a clash with ``unit`` and ``cycle``."""
        return tuple(map(inside, self.settings))

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """What the sensors are called inside a fleet."""
        return tuple(map(inside, self.sensors))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a fleet's tables: ``unit``, ``cycle``, the settings, the sensors."""
        return ("unit", "cycle", *self.setting_names, *self.sensor_names)

    def rename(self, frame: pd.DataFrame, source: str = "frame") -> pd.DataFrame:
        """The used columns of a table that names them as the fleet's did, under the names inside the fleet.

        A column is looked for by the user's name, then by the name inside the fleet, then by every usual spelling of
        it (``Sensor 2``, ``s_2`` and ``SensorMeasure2`` for ``s2``). Other columns are left behind.

        Raises:
            ValueError: If a column is missing, two could be meant, or the table names a column twice.
        """
        found = self.found_in(frame, source)
        renamed = frame[list(found.values())].copy(deep=False)
        renamed.columns = pd.Index(list(found))
        return renamed

    def found_in(self, frame: pd.DataFrame, source: str = "frame") -> dict[str, Any]:
        """The column of a table for each name inside the fleet, looked for as :meth:`rename` does.

        Raises:
            ValueError: If a column is missing, two could be meant, or the table names a column twice.
        """
        refuse_doubled(frame, source)
        found, missing = {}, []
        for label, name in zip(self.used, self.names, strict=True):
            column = the_column(frame, label, name, source)
            if column is None:
                missing.append(str(label))
            else:
                found[name] = column
        if missing:
            raise InputError(lacking(frame, missing, source))
        for column, times in Counter(found.values()).items():
            if times > 1:
                roles = " and ".join(name for name, taken in found.items() if taken == column)
                raise InputError(f"{source} has one column, {column}, for {roles}: each needs its own.")
        return found

    def restricted(self, settings: Sequence[str], sensors: Sequence[str]) -> Columns:
        """The same labels for a fleet that uses these settings and sensors, named as inside the fleet."""
        known = dict(zip((*self.setting_names, *self.sensor_names), (*self.settings, *self.sensors), strict=True))
        return Columns(
            self.unit,
            self.cycle,
            tuple(known.get(name, name) for name in settings),
            tuple(known.get(name, name) for name in sensors),
            self.left_out,
            self.guessed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record or a checkpoint."""
        return {
            "unit": self.unit,
            "cycle": self.cycle,
            "settings": list(self.settings),
            "sensors": list(self.sensors),
            "left_out": [list(pair) for pair in self.left_out],
            "guessed": list(self.guessed),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Columns:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: If an entry is missing, unknown or of another kind.
        """
        expected = {"unit", "cycle", "settings", "sensors", "left_out", "guessed"}
        if not isinstance(values, Mapping) or set(values) != expected:
            raise InputError(f"columns is {shown(values)}: it must hold {', '.join(sorted(expected))}.")
        lists = {name: values[name] for name in ("settings", "sensors", "left_out", "guessed")}
        for name, value in lists.items():
            if not isinstance(value, (list, tuple)):
                raise InputError(f"columns holds {name} = {shown(value)}: it must be a list.")
        labels = (values["unit"], values["cycle"], *lists["settings"], *lists["sensors"])
        if not all(isinstance(label, (str, int)) and not isinstance(label, bool) for label in labels):
            raise InputError(f"columns names {shown(labels)}: every column must be a name or a number.")
        pairs = lists["left_out"]
        if not all(isinstance(p, (list, tuple)) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in pairs):
            raise InputError(f"columns holds left_out = {shown(pairs)}: it must be pairs of a name and a reason.")
        if not all(isinstance(name, str) for name in lists["guessed"]):
            raise InputError(f"columns holds guessed = {shown(lists['guessed'])}: it must be names.")
        return cls(
            values["unit"],
            values["cycle"],
            tuple(lists["settings"]),
            tuple(lists["sensors"]),
            tuple((name, reason) for name, reason in pairs),
            tuple(lists["guessed"]),
        )

    def __str__(self) -> str:
        def said(role: str, labels: Sequence[Label]) -> str:
            told = " (told by name)" if role in self.guessed else ""
            return f"{role + ':':10} {', '.join(map(str, labels)) or 'none'}{told}"

        lines = [
            said("unit", (self.unit,)),
            said("cycle", (self.cycle,)),
            said("settings", self.settings),
            said("sensors", self.sensors),
        ]
        lines += [f"{'left out:':10} {name}: {reason}" for name, reason in self.left_out]
        return "\n".join(lines)


def refuse_doubled(frame: pd.DataFrame, source: str) -> None:
    """Refuse a table in which one name heads two columns: which of them is meant cannot be known."""
    # 1 and "1" would be one name in a checkpoint.
    doubled = [name for name, count in Counter(map(str, frame.columns)).items() if count > 1]
    if doubled:
        raise InputError(f"{source} has the column {doubled[0]} twice: drop one or give it another name.")


def the_column(frame: pd.DataFrame, label: Label, name: str, source: str) -> Any:
    """The column of a table that ``label``, or inside a fleet ``name``, stands for; None if there is none."""
    if name not in ("unit", "cycle") and name in frame.columns:
        return name
    if label in frame.columns:
        return label
    spelled = {str(column): column for column in frame.columns}
    for exact in (str(label), name):
        if exact in spelled:
            return spelled[exact]
    alike = [column for column in frame.columns if letters(column) == letters(label)]
    # A label of the user's own has no other spellings; one of the field's has many, and so have unit and cycle.
    if meaning(name) is not None and (not alike or meaning(label) == meaning(name)):
        alike = [column for column in frame.columns if meaning(column) == meaning(name)]
    if len(alike) > 1:
        raise InputError(f"{source} has {_listed(alike)}, which may both be {label}: rename the one that is not.")
    return alike[0] if alike else None


def choose(frame: pd.DataFrame, role: str, source: str = "frame") -> tuple[Any, bool]:
    """The column that is the unit or the cycle, and whether that was told by a name other than ours.

    Raises:
        ValueError: If none or more than one could be it.
    """
    if role in frame.columns:
        return role, False
    alike = [column for column in frame.columns if meaning(column) == role]
    if len(alike) > 1:
        raise InputError(
            f"{source} has {_listed(alike)}, which may both be the {role}: say which, {role}={alike[0]!r}."
        )
    return (alike[0] if alike else None), True


def meaning(label: object) -> str | None:
    """What a name says by the field's conventions: ``unit``, ``cycle``, ``setting_2``, ``s7``; None if nothing."""
    if not isinstance(label, str):
        return None
    plain = letters(label)
    if plain in _UNIT:
        return "unit"
    if plain in _CYCLE:
        return "cycle"
    if (match := _SETTING.fullmatch(plain)) is not None:
        return f"setting_{int(next(filter(None, match.groups())))}"
    if plain in _PHYSICAL:
        return f"setting_{_PHYSICAL[plain]}"
    if (match := _SENSOR.fullmatch(plain)) is not None:
        return f"s{int(match[1])}"
    return None


def settings_among(frame: pd.DataFrame, taken: Iterable[object], source: str = "frame") -> list[Any]:
    """The columns that are settings by their names, numbered ones in the order of their numbers.

    Raises:
        ValueError: If two of them are spellings of the same setting.
    """
    left = [column for column in frame.columns if column not in set(taken)]
    numbered: dict[int, list[Any]] = {}
    named = []
    for column in left:
        said = meaning(column)
        if said is not None and said.startswith("setting_") and letters(column) not in _PHYSICAL:
            numbered.setdefault(int(said.removeprefix("setting_")), []).append(column)
        elif isinstance(column, str) and re.match(rf"{_OPERATION}setting", letters(column)):
            named.append(column)
        elif said is not None and said.startswith("setting_"):
            numbered.setdefault(int(said.removeprefix("setting_")), []).append(column)
    for number, columns in numbered.items():
        spelled = [column for column in columns if letters(column) not in _PHYSICAL]
        if len(spelled) > 1:
            raise InputError(f"{source} has {_listed(spelled)}, which may both be setting {number}: give settings=.")
    chosen = {*named, *(column for columns in numbered.values() for column in columns)}
    order = sorted(numbered)
    ranked = [column for number in order for column in numbered[number]]
    return [*ranked, *(column for column in left if column in chosen and column not in ranked)]


def letters(label: object) -> str:
    """A name without case, blanks, underscores and punctuation."""
    return "".join(char for char in str(label).casefold() if char.isalnum())


def lacking(frame: pd.DataFrame, missing: Sequence[str], source: str) -> str:
    """The sentence on columns that are not there."""
    there = ", ".join(map(str, frame.columns[:8])) + (", …" if len(frame.columns) > 8 else "")
    index = "" if not set(missing) & set(frame.index.names) else " Its index has that name: call reset_index() first."
    return f"{source} lacks the column{'s'[: len(missing) > 1]} {', '.join(missing)}: it has {there}.{index}"


def inside(label: Label) -> str:
    """What a column is called inside a fleet."""
    name = str(label)
    return f"{name}_" if name in ("unit", "cycle") else name


def _listed(columns: Sequence[Any]) -> str:
    return " and ".join(map(str, columns))


CMAPSS_COLUMNS = Columns(settings=SETTINGS, sensors=SENSORS_14)
