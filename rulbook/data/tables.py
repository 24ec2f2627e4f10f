"""Fleets from tables of one's own: a file, a frame, and what of it is unit, cycle, setting, sensor or answer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rulbook._check import finite_number, shown
from rulbook.data.answers import by_contents, by_name
from rulbook.data.columns import Columns, Label, choose, inside, lacking, meaning, refuse_doubled, settings_among
from rulbook.data.fleet import CutRange, Fleet, engine_runs, holds_numbers, is_number, require_rows, where_in
from rulbook.data.labels import measured_labels
from rulbook.data.layout import SENSORS_14, SETTINGS
from rulbook.data.splits import cut_engines, split_engines
from rulbook.data.textfiles import raw_table, read_cmapss_text, rul_vector
from rulbook.errors import InputError
from rulbook.horizon import MAX_RUL, Horizon, MeasuredHealth

__all__ = ["fleet_from_frame", "in_order", "read_cmapss_text", "read_table", "rul_vector"]


_ROWS_NO_CHANCE = 5
# More different values than this are a measurement and no class.
_MOST_CLASSES = 20
# Lives so many times the cap are those of other machines: C-MAPSS's median is 1.6 times its cap.
_LONG_LIFE = 4


def read_table(path: str | Path, *, columns: Sequence[str] | Columns = (*SETTINGS, *SENSORS_14)) -> pd.DataFrame:
    """Read engines from a file, under the names that a model knows them by.

    Commas, semicolons, tabs, bars or blanks may separate the columns; a file in NASA's text format needs no names.
    Names are recognised in their usual spellings (``unit_nr``, ``time_cycles``, ``Sensor 2`` for ``s2``).

    Args:
        path: As for :func:`~rulbook.data.read_frame`.
        columns: What must be there and hold finite numbers, besides ``unit`` and ``cycle``; or the columns of a fleet,
            by the names that its user gave them. Others may be there and hold anything.

    Returns:
        The table, engines in the order of the file, the cycles of each in order.

    Raises:
        ValueError: If the file is missing, empty or cut off, lacks a column, or holds a missing or infinite value, text
            where numbers must be, or a cycle below 1.
    """
    frame, source, lines = raw_table(path)
    if isinstance(columns, Columns):
        wanted = columns
    else:
        unit, cycle = (choose(frame, role, source)[0] for role in ("unit", "cycle"))
        wanted = Columns("unit" if unit is None else unit, "cycle" if cycle is None else cycle, sensors=tuple(columns))
    names = {column: inside for inside, column in wanted.found_in(frame, source).items()}
    clashing = [column for column in frame.columns if column not in names and column in names.values()]
    renamed = frame.drop(columns=clashing).rename(columns=names)
    require_rows(renamed, wanted.names[2:], source, lines)
    return in_order(renamed, source)


def fleet_from_frame(
    frame: pd.DataFrame,
    *,
    unit: Label | None = None,
    cycle: Label | None = None,
    settings: Sequence[Label] | None = None,
    sensors: Sequence[Label] | None = None,
    test: pd.DataFrame | None = None,
    test_rul: Any = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    name: str = "own",
    horizon: Horizon | None = None,
    window: int | None = None,
    max_rul: float | None = None,
    thresholds: tuple[float, float] | None = None,
    time_unit: str | None = None,
    health: MeasuredHealth | Label | None = None,
    n_conditions: int | None = None,
    cut: CutRange | None = None,
) -> Fleet:
    """A fleet from a table of your own, one row per engine and cycle.

    What you do not name is told from the names of the columns, and a warning says what was taken as what; the fleet
    keeps it as ``fleet.columns``. A column that gives the answer away (RUL joined in, a life span, a row number: by its
    name or by what it holds) is left out unless you list it, and then a warning names it.

    Args:
        frame: Engines run to failure, rows in any order.
        unit: The column that names the engine. None: ``unit`` or a usual spelling of it (``engine_id``, ``unit_nr``).
        cycle: The column that counts its cycles (flights, hours, charges), from 1. None: ``cycle`` or a usual spelling.
        settings: The columns that say how it was operated. None: those whose names say so (``setting_1``,
            ``op_setting_1``, ``altitude``, ``TRA``, whatever begins with ``setting``).
        sensors: The columns that a model should see. None: every other column of numbers that gives no answer away.
        test: Engines cut off before failure, same columns.
        test_rul: RUL after the last cycle of each test engine, in cycles: a list, an array, a series or a frame of one
            column in the order in which the engines appear in ``test``; or a mapping or a series by engine.
        test_fraction: Without ``test``, this share of the engines is held out and each cut at a random point; 0 for no
            test engines.
        seed: Decides which engines, and where they are cut.
        name: What to call the fleet.
        horizon: Window, cap, health classes and unit of time that suit these machines. The next five change parts.
        window: Cycles that a model sees at once.
        max_rul: Cap on labels and predictions, in cycles.
        thresholds: Of the health classes, in cycles, the larger first.
        time_unit: What one row counts, such as ``"charge"``.
        health: A column with a health class that was measured, and its classes from the healthiest on, in place of
            thresholds. The column alone: its classes are taken in the order of their numbers or categories, or, names,
            of how much life is left in them, and a warning says so.
        n_conditions: Operating conditions. None: as many as are found in the settings.
        cut: Where engines may be cut to be test engines. None: with 1 cycle left up to as many as the cap, or, where
            no cap is given, anywhere from the first whole window on.

    Raises:
        ValueError: If a column is missing or may be two things, a value is no finite number, text stands where numbers
            must be, a cycle occurs twice or is below 1, a health class is missing or unknown, or ``test`` and
            ``test_rul`` do not fit.

    Warns:
        UserWarning: If something was guessed or left out, a listed sensor gives the answer away, the rows of a test
            engine are in ``frame`` too, or these machines live far longer than those that the cap was made for.
    """
    for argument, table in (("frame", frame), ("test", test)):
        if table is not None and not isinstance(table, pd.DataFrame):
            raise InputError(f"{argument} is a {type(table).__name__}: it must be a pandas DataFrame.")
    if (test is None) != (test_rul is None):
        raise InputError("test and test_rul belong together: give both or neither.")
    own = (horizon or Horizon()).with_(window=window, max_rul=max_rul, thresholds=thresholds)
    own = own if time_unit is None else replace(own, time_unit=time_unit)
    measured = own.health if health is None else health
    if thresholds is not None and health is not None:
        raise InputError(f"thresholds is {shown(thresholds)} and health is {shown(health)}: give one of them.")
    columns, odd = _take_columns(frame, unit, cycle, settings, sensors, name, _health_column(measured, frame))
    if measured is not None:
        measured, said = _classes(frame, columns, measured, name)
        odd = "\n".join(filter(None, (odd, said)))
        own = replace(own, thresholds=None, health=replace(measured, column=inside(measured.column)))

    train, _ = _tidy(frame, columns, "frame", measured)
    told = horizon is not None or max_rul is not None
    if cut is None:
        cut = CutRange(longest_rul=max(1, round(own.max_rul))) if told else CutRange()
    if not told:
        odd = "\n".join(filter(None, (odd, _long_lives(train, own, name))))
    if test is not None:
        own_test, rises = _tidy(test, columns, "test", measured)
        own_rul = _test_rul(test_rul, engine_runs(own_test).units, rises, columns.unit)
        odd = "\n".join(filter(None, (odd, _told_twice(train, own_test, name))))
    else:
        train, own_test, own_rul = _held_out(train, test_fraction, seed, cut.keeping(own.window))
    if odd:
        warnings.warn(odd, stacklevel=2)
    roles = (columns.setting_names, columns.sensor_names)
    return Fleet(name, train, own_test, own_rul, *roles, own, columns, n_conditions, cut)


def _health_column(health: MeasuredHealth | Label | None, frame: pd.DataFrame) -> Label | None:
    """The column of the user's table that holds the measured health class."""
    if health is None:
        return None
    wanted = health.column if isinstance(health, MeasuredHealth) else health
    if isinstance(wanted, bool) or not isinstance(wanted, (str, int)):
        raise InputError(f"health is {shown(health)}: it must be a column, or a MeasuredHealth.")
    found = next((column for column in frame.columns if str(column) == str(wanted)), None)
    if found is None:
        raise InputError(lacking(frame, [str(wanted)], "frame"))
    return _plain_label(found)


def _classes(
    frame: pd.DataFrame, columns: Columns, health: MeasuredHealth | Label, name: str
) -> tuple[MeasuredHealth, str]:
    """The column and its classes, and what there is to say where the classes were told from the table."""
    if isinstance(health, MeasuredHealth):
        return health, ""
    values = frame[_health_column(health, frame)]
    if isinstance(values.dtype, pd.CategoricalDtype):
        found = values.cat.categories.tolist()
    else:
        found = values.dropna().unique().tolist()
        if all(isinstance(value, str) for value in found):
            # The life that is left in a class, on average: the healthiest has most.
            table = columns.rename(frame)
            left = table.groupby("unit")["cycle"].transform("max") - table["cycle"]
            found = left.groupby(values.to_numpy()).mean().sort_values(ascending=False, kind="stable").index.tolist()
        else:
            whole = all(is_number(value) and value == round(value) for value in found)
            found = sorted(int(value) for value in found) if whole else found
    if not 2 <= len(found) <= _MOST_CLASSES:
        raise InputError(
            f"frame has {len(found)} different values in column {health}: a health class has from 2 to {_MOST_CLASSES}."
        )
    if not all(isinstance(value, str) for value in found) and found != list(range(len(found))):
        raise InputError(
            f"frame holds {', '.join(map(shown, found[:5]))} in column {health}: a health class is a name, or a number "
            "counted from 0."
        )
    classes = tuple(str(value).strip() for value in found)
    return MeasuredHealth(str(health), classes), (
        f"{name}: the health classes in column {health} are, from the healthiest on, {', '.join(classes)}. Give "
        "health=MeasuredHealth(column, classes) to have it otherwise."
    )


def _long_lives(train: pd.DataFrame, horizon: Horizon, name: str) -> str:
    """What there is to say of machines that live far longer than the engines whose cap is taken for them."""
    lives = engine_runs(train).length
    if np.median(lives) <= _LONG_LIFE * MAX_RUL:
        return ""
    limits = "" if horizon.thresholds is None else " and health thresholds of {:g} and {:g}".format(*horizon.thresholds)
    return (
        f"{name}: engines live up to {lives.max()} {horizon.time_unit}s, {np.median(lives):g} by the median. A window "
        f"of {horizon.window}, a cap of {horizon.max_rul:g}{limits} suit C-MAPSS, whose engines live about 200: give "
        "window=, max_rul=, thresholds= that suit these."
    )


def _told_twice(train: pd.DataFrame, test: pd.DataFrame, name: str) -> str:
    """What there is to say of test engines whose rows are all among the training rows, cycle by cycle."""
    rows = [table.drop(columns="unit").astype(np.float64) for table in (train, test)]
    hashed = [pd.util.hash_pandas_object(table, index=False).to_numpy() for table in rows]
    # A few rows of sensors with a few levels may be alike by chance.
    readings = pd.util.hash_pandas_object(rows[1].drop(columns="cycle"), index=False).to_numpy()
    runs = engine_runs(test)
    both = np.isin(hashed[1], hashed[0])
    places = [slice(first, first + length) for first, length in zip(runs.first, runs.length, strict=True)]
    twice = [
        unit
        for unit, rows_of in zip(runs.units.tolist(), places, strict=True)
        if both[rows_of].all() and len(np.unique(readings[rows_of])) >= _ROWS_NO_CHANCE
    ]
    if not twice:
        return ""
    named = ", ".join(map(str, twice[:5])) + (", …" if len(twice) > 5 else "")
    return (
        f"{name}: all rows of {len(twice)} of {len(runs.units)} test engines are in frame too ({named}): scores on "
        "engines that were trained on say nothing about others."
    )


def _held_out(
    train: pd.DataFrame, fraction: float, seed: int, within: CutRange
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.float64]]:
    """The engines that stay, those that are held out and cut, and how long these had left."""
    share = finite_number("test_fraction", fraction)
    if not 0 <= share < 1:
        raise InputError(f"test_fraction is {fraction}: it must be at least 0 and below 1.")
    if share == 0:
        return train, train.iloc[:0], np.zeros(0)
    engines = train["unit"].nunique()
    if engines < 2:
        raise InputError(
            f"frame holds {engines} engine, and test_fraction is {fraction}: at least 2 are needed to hold one out. "
            "Give test and test_rul, or test_fraction=0 for no test engines."
        )
    kept, held_out = split_engines(train["unit"], fraction=share, seed=seed)
    cut, rul = cut_engines(train[train["unit"].isin(held_out)], within, seed=seed, cuts=1)
    cut = cut.drop(columns="unit").rename(columns={"source_unit": "unit"})[list(train.columns)]
    return train[train["unit"].isin(kept)].reset_index(drop=True), cut, rul


def _take_columns(
    frame: pd.DataFrame,
    unit: Label | None,
    cycle: Label | None,
    settings: Sequence[Label] | None,
    sensors: Sequence[Label] | None,
    name: str,
    health: Label | None,
) -> tuple[Columns, str]:
    """What each column is, and what there is to say about it."""
    refuse_doubled(frame, "frame")
    _require_labels(frame)
    guessed: list[str] = []
    missing: list[str] = []
    roles: dict[str, Any] = {}
    for role, named in (("unit", unit), ("cycle", cycle)):
        found, by_spelling = (named, False) if named is not None else choose(frame, role)
        if found is None or found not in frame.columns:
            missing.append(str(role if found is None else found))
        guessed += [role] if by_spelling else []
        roles[role] = found
    if missing:
        hint = "" if unit is not None and cycle is not None else " Say which columns they are with unit= and cycle=."
        raise InputError(lacking(frame, missing, "frame") + hint)
    if len(frame) == 0:
        raise InputError("frame is empty: at least one cycle of one engine is needed.")
    if "unit" in guessed and len(frame) > 1 and frame[roles["unit"]].is_unique:
        raise InputError(f"frame has another {roles['unit']} in every row: give unit=, the column of the engines.")
    taken = [*roles.values(), *(() if health is None else (health,))]
    if health in roles.values():
        raise InputError(f"health names {health}, which is used already: a column can be one thing only.")
    if settings is None:
        chosen_settings = settings_among(frame, taken)
        guessed += ["settings"] if any(meaning(one) != one for one in chosen_settings) else []
    else:
        chosen_settings = _listed("settings", settings, frame, taken)
    taken += chosen_settings
    left_out: dict[Any, str] = {}
    if sensors is None:
        chosen = _sensors_among(frame, taken, left_out)
        guessed += ["sensors"] if any(meaning(one) != one for one in chosen) else []
    else:
        chosen = _listed("sensors", sensors, frame, taken)
    answers = _answers(frame, Columns(roles["unit"], roles["cycle"], (), tuple(chosen)))
    said = {one: why for one in chosen if (why := by_name(one)) is not None}
    hidden = _answers(frame, Columns(roles["unit"], roles["cycle"], (), tuple(chosen_settings)))
    if sensors is None:
        left_out |= answers
        chosen = [one for one in chosen if one not in answers]
    if not chosen:
        why = "".join(f" {one} {reason}." for one, reason in left_out.items())
        raise InputError(
            "sensors is empty: the table has no column of numbers besides unit, cycle and settings that gives no "
            f"answer away.{why}"
        )
    columns = Columns(
        _plain_label(roles["unit"]),
        _plain_label(roles["cycle"]),
        tuple(map(_plain_label, chosen_settings)),
        tuple(map(_plain_label, chosen)),
        tuple((str(one), why) for one, why in left_out.items()) if sensors is None else (),
        tuple(guessed),
    )
    words = []
    if sensors is not None:
        words += [
            f"{name}: sensor {one} {why}. A model that sees it is right here and nowhere else."
            for one, why in {**said, **answers}.items()
        ]
    words += [
        f"{name}: setting {one} {why}: conditions told by it may tell the life, and are no operating conditions unless "
        "it is known before."
        for one, why in hidden.items()
    ]
    if guessed or columns.left_out:
        words.append(f"{name}: columns were taken as follows. Name them to have it otherwise.\n{columns}")
    if settings is None and not chosen_settings:
        words.append(f"{name}: no column is named as a setting, so that there is one operating condition.")
    return columns, "\n".join(words)


def _sensors_among(frame: pd.DataFrame, taken: Sequence[Any], left_out: dict[Any, str]) -> list[Any]:
    """The columns of numbers that are nothing else; why others are not goes to ``left_out``."""
    chosen = []
    for column in frame.columns:
        if column in taken:
            continue
        values = frame[column]
        if (reason := by_name(column)) is not None:
            left_out[column] = reason
        elif values.isna().all():
            left_out[column] = "is empty"
        elif holds_numbers(values):
            chosen.append(column)
        elif pd.api.types.is_bool_dtype(values):
            left_out[column] = "holds True and False: make it 0 and 1 to use it"
        elif isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(values.dtype):
            _refuse_numbers_as_text(frame, column, taken)
            left_out[column] = "holds text"
        elif values.dtype == object:
            _refuse_numbers_as_text(frame, column, taken)
            left_out[column] = "holds no numbers"
        else:
            left_out[column] = f"holds no numbers but {values.dtype}"
    return chosen


def _refuse_numbers_as_text(frame: pd.DataFrame, column: Any, taken: Sequence[Any]) -> None:
    """Refuse text that should have been numbers: a column that is half read would be gone without a word."""
    values = frame[column].dropna().astype(object)
    alike = values.map(
        lambda value: (
            (isinstance(value, str) and _is_nearly_number(value)) or is_number(value) or isinstance(value, Decimal)
        )
    )
    if meaning(column) is None and not alike.any():
        return
    plain = frame[column].astype(object)
    odd = int(plain.map(lambda value: not is_number(value)).to_numpy().argmax())
    raise InputError(
        f"frame holds {shown(plain.iloc[odd])} in column {column}, {where_in(frame, odd)}: numbers are "
        f"wanted, and its type is {frame[column].dtype}. Make it numbers (pandas.to_numeric), or name the sensors "
        "without it."
    )


def _is_nearly_number(text: str) -> bool:
    """Whether a text is a number but for signs that people put between and behind digits."""
    return is_number(text.translate(str.maketrans("", "", ",_'%\u00a0\u2009\u202f ")))


def _answers(frame: pd.DataFrame, columns: Columns) -> dict[Any, str]:
    """Which of the sensors give the answer away by what they hold."""
    if not columns.sensors:
        return {}
    table = columns.rename(frame)
    require_rows(table, (), "frame")
    places = np.arange(len(table))
    ordered, order = _ordered(table, "frame")
    named = dict(zip(columns.sensor_names, columns.sensors, strict=True))
    numbers = [name for name in named if holds_numbers(ordered[name])]
    return {named[name]: why for name, why in by_contents(ordered, numbers, places[order]).items()}


def _listed(argument: str, wanted: Sequence[Label], frame: pd.DataFrame, taken: Sequence[Any]) -> list[Any]:
    """The columns that the user listed, after a look at whether they are there and nothing else already."""
    if isinstance(wanted, (str, int)):
        raise InputError(f"{argument} is {shown(wanted)}: it must be a list of columns.")
    columns = list(wanted)
    missing = [str(column) for column in columns if column not in frame.columns]
    if missing:
        raise InputError(lacking(frame, missing, "frame"))
    for column in columns:
        if column in taken or columns.count(column) > 1:
            raise InputError(f"{argument} names {column}, which is used already: a column can be one thing only.")
    return columns


def _require_labels(frame: pd.DataFrame) -> None:
    for label in frame.columns:
        if isinstance(label, (bool, np.bool_)) or not isinstance(label, (str, int, np.integer)):
            raise InputError(f"frame has a column headed {shown(label)}: columns must have names or whole numbers.")


def _plain_label(label: Any) -> Label:
    return int(label) if isinstance(label, np.integer) else label


def _tidy(
    table: pd.DataFrame, columns: Columns, source: str, health: MeasuredHealth | None
) -> tuple[pd.DataFrame, bool]:
    """The table under a fleet's names, in order; and whether the order of its engines leaves no doubt.

    Measured health classes stand in it as their places.
    """
    kept = columns.rename(table, source)
    if health is not None:
        column = _health_column(health, table)
        kept[inside(health.column)] = table[column].to_numpy()
    require_rows(kept, (*columns.setting_names, *columns.sensor_names), source)
    units = kept["unit"].to_numpy()
    appearing = kept["unit"].unique()
    together = int((units[1:] != units[:-1]).sum()) + 1 == len(appearing)
    # Mixed rows have an order if the numbers of their engines rise; of names nobody knows how their owner sorts them.
    rises = pd.api.types.is_numeric_dtype(kept["unit"]) and pd.Index(appearing).is_monotonic_increasing
    ordered = in_order(kept, source)
    if health is not None:
        inner = replace(health, column=inside(health.column))
        ordered[inner.column] = measured_labels(ordered, inner, source)
    return ordered, together or rises


def in_order(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The rows of each engine together, engines as they appear, cycles rising: checked, and numbered anew."""
    return _ordered(frame, source)[0]


def _ordered(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Engines in the order in which they appear, the cycles of each in order; a cycle twice is refused."""
    frame = frame.assign(unit=_units(frame["unit"], source), cycle=frame["cycle"].to_numpy(dtype=np.float64))
    codes = pd.factorize(frame["unit"])[0]
    order = np.lexsort((frame["cycle"].to_numpy(), codes))
    if np.array_equal(order, np.arange(len(frame))):
        ordered = frame.reset_index(drop=True)
    else:
        ordered = frame.iloc[order].reset_index(drop=True)
    ordered["cycle"] = ordered["cycle"].astype(np.int64)
    same = np.diff(codes[order]) == 0
    twice = np.flatnonzero(same & (np.diff(ordered["cycle"].to_numpy()) == 0))
    if len(twice):
        row = ordered.loc[twice[0], ["unit", "cycle"]]
        raise InputError(f"{source} has cycle {row['cycle']} of engine {row['unit']} twice: once is wanted.")
    return ordered, order


def _units(units: pd.Series, source: str) -> NDArray[Any]:
    """The engine of each row as whole numbers or as text.

    Raises:
        ValueError: If they are neither, or some of both.
    """
    if isinstance(units.dtype, pd.CategoricalDtype):
        units = units.astype(units.cat.categories.dtype)
    if holds_numbers(units):
        numbers = units.to_numpy(dtype=np.float64)
        if np.array_equal(numbers, np.round(numbers)) and np.abs(numbers).max(initial=0.0) <= 2**53:
            return numbers.astype(np.int64)
        odd = int(np.flatnonzero((numbers != np.round(numbers)) | (np.abs(numbers) > 2**53))[0])
        raise InputError(f"{source} has engine {units.iloc[odd]}: whole numbers up to 2^53, or text, name engines.")
    values = units.to_numpy(dtype=object)
    kinds = {
        "text" if isinstance(one, str) else "number" if is_number(one) else type(one).__name__: one
        for one in pd.unique(pd.Series(values, dtype=object))
    }
    if set(kinds) == {"number"} and all(isinstance(one, (int, np.integer)) for one in values):
        huge = next((one for one in values if abs(int(one)) > 2**53), None)
        if huge is not None:
            raise InputError(f"{source} has engine {huge}: whole numbers up to 2^53, or text, name engines.")
        return values.astype(np.int64)
    if set(kinds) != {"text"}:
        examples = " and ".join(map(shown, kinds.values()))
        raise InputError(f"{source} names engines by {examples}: whole numbers or text are wanted, one kind for all.")
    names = [one.strip() for one in values]
    # Numbers that became text because of one word among them: that word is a slip, and 10A and 11 are names.
    numeric = [one for one in names if is_number(one)]
    words = [one for one in names if not any(char.isdigit() for char in one)]
    if numeric and words:
        raise InputError(
            f"{source} names engines by {shown(words[0])} and {shown(numeric[0])}: numbers or names are wanted, one "
            "kind for all."
        )
    return np.array(names, dtype=object)


def _test_rul(given: Any, units: NDArray[Any], rises: bool, label: Label) -> NDArray[np.float64]:
    """The RUL of each test engine in the order of ``units``, from whatever a user has it in.

    Raises:
        ValueError: If it is not one number of at least 0 for each, or it cannot be known for which.
    """
    by_engine = _by_engine(given, units, label)
    if by_engine is not None:
        missing = [unit for unit in units.tolist() if unit not in by_engine]
        unknown = [unit for unit in by_engine if unit not in set(units.tolist())]
        if missing or unknown:
            word, engine = ("lacks", missing[0]) if missing else ("names", unknown[0])
            count = len(missing or unknown)
            raise InputError(
                f"test_rul {word} engine {shown(engine)}"
                + (f" and {count - 1} more" if count > 1 else "")
                + (", which test has." if missing else ", which test has not.")
            )
        values: list[Any] = [by_engine[unit] for unit in units.tolist()]
    else:
        values = _one_column(given)
        if len(values) != len(units):
            raise InputError(
                f"test_rul has {len(values)} values but the list of test engines has {len(units)}: they must agree."
            )
        if not rises:
            raise InputError(
                "test_rul is a list, but test has the rows of its engines mixed and in no order: it cannot be known "
                "which value belongs to which. Give a mapping from engine to RUL, or sort test."
            )
    numbers = np.zeros(len(units))
    for place, (unit, value) in enumerate(zip(units.tolist(), values, strict=True)):
        if not is_number(value) or isinstance(value, str) or not np.isfinite(float(value)):
            raise InputError(f"test_rul holds {shown(value)} for engine {unit}: a finite number of cycles is wanted.")
        if value < 0:
            raise InputError(f"test_rul holds {value} for engine {unit}: fewer than 0 cycles cannot be left.")
        numbers[place] = float(value)
    return numbers


def _by_engine(given: Any, units: NDArray[Any], label: Label) -> dict[Any, Any] | None:
    """RUL by engine, if it came so; None if it came in an order."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, pd.DataFrame) and given.shape[1] == 2:
        named = [column for column in given.columns if column == label]
        named = named or [column for column in given.columns if meaning(column) == "unit"]
        if len(named) == 1:
            other = next(column for column in given.columns if column != named[0])
            given = given.set_index(named[0])[other]
            if given.index.has_duplicates:
                raise InputError(
                    f"test_rul names engine {shown(given.index[given.index.duplicated()].tolist()[0])} twice."
                )
            return dict(given.items())
    if isinstance(given, pd.DataFrame) and given.shape[1] == 1:
        given = given.iloc[:, 0]
    if not isinstance(given, pd.Series):
        return None
    labels = given.index.tolist()
    if labels == list(range(len(labels))) and labels != units.tolist():
        # Numbered by pandas, not by engine; unless the engines carry these very numbers in another order.
        if set(labels) == set(units.tolist()):
            raise InputError(
                "test_rul is a series numbered from 0, and so are the engines, in another order: it cannot be known "
                "whether it goes by engine. Give a mapping, or an array in the order of test."
            )
        return None
    if not set(labels) & set(units.tolist()):
        return None
    if given.index.has_duplicates:
        raise InputError(f"test_rul names engine {shown(given.index[given.index.duplicated()].tolist()[0])} twice.")
    return dict(given.items())


def _one_column(given: Any) -> list[Any]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise InputError(f"test_rul is {shown(given)}: a number of cycles for each test engine is wanted.")
    if isinstance(given, pd.DataFrame) and given.shape[1] > 1:
        raise InputError(
            f"test_rul has the columns {', '.join(map(str, given.columns))}: one column of RUL is wanted, or that and "
            "the column of the engines, named as in test."
        )
    if isinstance(given, (pd.DataFrame, pd.Series)):
        values = given.to_numpy()
    else:
        try:
            values = np.asarray(given)
        except ValueError as error:
            raise InputError(f"test_rul is {shown(given)}: one number for each test engine is wanted.") from error
    if values.ndim == 2 and values.shape[-1] == 1:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise InputError(f"test_rul has shape {values.shape}: one number for each test engine is wanted.")
    # A list keeps what NumPy would have turned into something else: 12 beside "x", or True.
    return list(given) if isinstance(given, (list, tuple)) and np.ndim(given) == 1 else list(values.tolist())
