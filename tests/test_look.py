"""A first look at a fleet: numbers that can be counted by hand, doubts where something suits badly, a picture."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from rulbook._words import counted
from rulbook.data import Columns, demo_fleet, fleet_from_frame
from rulbook.horizon import MeasuredHealth
from rulbook.look import first_look, machine_word

mpl.use("Agg")


def table(lives=(20, 30, 40), **columns):
    days = np.concatenate([np.arange(1, life + 1) for life in lives])
    left = np.repeat(lives, lives) - days
    rng = np.random.default_rng(0)
    made = pd.DataFrame({"press": np.repeat([f"p{n}" for n in range(len(lives))], lives), "stroke": days})
    made["force"] = 5.0 + np.exp(-left / 5) + rng.normal(0, 0.1, len(days))
    made["noise"] = rng.normal(size=len(days))
    return made.assign(still=1.0, **{name: values(days, left) for name, values in columns.items()})


def fleet(lives=(20, 30, 40), made=None, **options):
    roles = {"unit": "press", "cycle": "stroke", "settings": [], "sensors": ["force", "noise", "still"]}
    given = {"window": 5, "max_rul": 10, "thresholds": (8, 3), "test_fraction": 0, "time_unit": "stroke"}
    return fleet_from_frame(table(lives) if made is None else made, **{**roles, **given, **options})


def test_what_it_counts_can_be_counted_by_hand():
    look = first_look(fleet())
    assert look.lives.tolist() == [20, 30, 40]
    # 16 + 26 + 36 windows; each press has 10 with fewer than 10 strokes left, 3 of class critical from 3 down to 0.
    assert len(look.windows) == 78
    assert look.at_cap == pytest.approx((78 - 3 * 10) / 78)
    assert look.shares == pytest.approx({"normal": (78 - 3 * 9) / 78, "degrading": 15 / 78, "critical": 12 / 78})
    assert look.constant == ("still",)
    assert look.machine == "press"
    assert look.lives_told == "3 presses run to failure, 90 strokes; lives of 20 to 40 strokes, median 30"
    assert look.test_told == "no test presses"
    assert look.doubts == ()


def test_no_line_is_wider_than_a_terminal():
    for one in (fleet(), fleet(window=25, max_rul=500), demo_fleet(engines=3, test_engines=2)):
        assert max(map(len, str(first_look(one)).splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_rul": 1, "thresholds": (0.9, 0.5)}, "the cap of 1 is short"),
        ({"max_rul": 300}, "the cap of 300 is long"),
        ({"window": 25}, "1 of 3 lives are shorter than the window of 25 strokes"),
        ({"thresholds": (500, 3)}, "hardly a window is normal"),
    ],
)
def test_what_suits_badly_is_doubted(options, words):
    look = first_look(fleet(**options))
    assert any(words in doubt for doubt in look.doubts)
    assert words in " ".join(str(look).split())


def test_sensors_that_move_come_first_and_constant_ones_are_not_drawn():
    look = first_look(fleet())
    features = look.preprocessor.transform(look.fleet.train)
    left = look.fleet.train.groupby("unit")["cycle"].transform("max") - look.fleet.train["cycle"]
    assert look.moving_sensors(features, left.to_numpy(dtype=float)) == ("force", "noise")


def test_measured_health_is_counted_as_it_was_measured():
    made = table(state=lambda days, left: np.where(left < 4, "worn", "good"))
    look = first_look(fleet(made=made, thresholds=None, health=MeasuredHealth("state", ("good", "worn"))))
    assert look.shares == pytest.approx({"good": 66 / 78, "worn": 12 / 78})
    assert "health as measured in column state: good 85 %, worn 15 % of the windows" in look.horizon_told


def number_of(values):
    return lambda days, left: np.asarray(values)[days % len(values)]


@pytest.mark.parametrize(
    ("settings", "conditions", "label"),
    [
        ({}, 1, ""),
        ({"load": number_of([1.0, 2.0])}, 2, "setting load"),
        ({"load": number_of([1.0, 2.0]), "heat": number_of([5.0, 5.0, 90.0])}, 4, "setting load"),
        ({"load": lambda days, left: np.random.default_rng(0).normal(size=len(days))}, 1, "setting load"),
    ],
)
def test_the_picture_has_titles_units_and_every_condition(settings, conditions, label):
    import matplotlib.pyplot as plt

    made = table(**settings)
    look = first_look(fleet(made=made, settings=list(settings)))
    assert look.preprocessor.n_conditions_ == conditions
    figure = look.plot()
    figure.canvas.draw()
    lives, shown, *sensors = figure.get_axes()
    assert lives.get_ylabel() == "life (strokes)"
    assert [axes.get_title(loc="left") for axes in sensors] == ["force", "noise"]
    assert all(axes.get_xlabel() == "strokes left" for axes in sensors)
    assert shown.get_title(loc="left") == f"{conditions} operating condition{'s'[: conditions > 1]}"
    assert shown.get_xlabel() == label
    plt.close(figure)


def test_lives_as_short_as_one_row_can_be_looked_at():
    import matplotlib.pyplot as plt

    look = first_look(fleet(lives=(1, 1, 2)))
    plt.close(look.plot())
    assert "3 of 3 lives are shorter" in " ".join(look.doubts)


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("unit", "engine"),
        ("pump_id", "pump"),
        ("Press No", "press"),
        ("machine_nr", "machine"),
        ("ID", "engine"),
        (0, "engine"),
        ("n°", "engine"),
        ("serial_number", "serial"),
        ("wind turbine id", "wind turbine"),
    ],
)
def test_a_machine_is_called_as_its_column_calls_it(column, word):
    assert machine_word(Columns(unit=column)) == word


@pytest.mark.parametrize(
    ("number", "word", "said"),
    [(1, "press", "1 press"), (2, "press", "2 presses"), (0, "battery", "0 batteries"), (1200, "day", "1,200 days")],
)
def test_things_are_counted_in_their_own_word(number, word, said):
    assert counted(number, word) == said
