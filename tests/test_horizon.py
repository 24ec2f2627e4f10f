"""Window, cap, health classes and unit of time are said once, by the fleet, and reach everything made from it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rulbook
from rulbook.data import demo_fleet, fleet_from_frame, measured_labels, prepare
from rulbook.errors import InputError
from rulbook.horizon import HEALTH_CLASSES, HEALTH_THRESHOLDS, MAX_RUL, WINDOW, Horizon, MeasuredHealth

PACKAGE = Path(rulbook.__file__).parent
STATE = MeasuredHealth("state", ("fresh", "aged", "spent", "dead"))


def test_what_a_fleet_says_reaches_every_window():
    fleet = replace(demo_fleet(engines=6, test_engines=3), horizon=Horizon(20, 90.0, (60.0, 10.0), "flight"))
    data = prepare(fleet, seed=1)
    for part in (data.train, data.validation, data.test, data.test_all):
        assert (part.window, part.max_rul, part.thresholds) == (20, 90.0, (60.0, 10.0))
        assert part.rul.max() <= 90
        np.testing.assert_array_equal(part.health, np.where(part.true_rul > 60, 0, np.where(part.true_rul > 10, 1, 2)))
    assert data.horizon == fleet.horizon
    described = data.describe()
    assert (described["window"], described["max_rul"], described["thresholds"]) == (20, 90.0, [60.0, 10.0])


def test_an_argument_of_prepare_goes_before_the_fleet_and_leaves_the_rest():
    data = prepare(demo_fleet(engines=6, test_engines=3), max_rul=200, thresholds=(50, 15))
    assert data.horizon == Horizon(30, 200.0, (50.0, 15.0), "cycle")
    assert data.test.thresholds == (50.0, 15.0)


def test_a_horizon_comes_back_from_plain_values_and_refuses_others():
    horizon = Horizon(25, 110.0, (70.0, 20.0), "charge")
    assert Horizon.from_dict(horizon.to_dict()) == horizon
    for wrong, message in [
        ({"window": 0}, "window is 0: it must be a whole number of at least 1"),
        ({"max_rul": -1}, "max_rul is -1: it must be greater than 0"),
        ({"thresholds": (30, 80)}, r"thresholds is \(30, 80\): the first must be greater"),
        ({"time_unit": ""}, "time_unit is '': it must be a word"),
        ({"thresholds": (80, 30), "health": STATE}, r"thresholds is \(80, 30\) and health is measured.*give one"),
    ]:
        with pytest.raises(ValueError, match=message):
            Horizon(**wrong)
    with pytest.raises(ValueError, match="it must hold max_rul, thresholds, time_unit, window"):
        Horizon.from_dict({"window": 30})


# The numbers stand in one file.


def numbers_that_belong_in_the_horizon(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each cap, and of each window or threshold that is given as a number, in a module."""

    def is_number(node: ast.AST | None, *values: float) -> bool:
        return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in values

    def named(target: ast.AST, value: ast.AST | None) -> Iterator[tuple[str, ast.AST]]:
        if value is not None:
            name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
            yield name, value

    for node in ast.walk(tree):
        if is_number(node, MAX_RUL):
            yield node.lineno, f"the cap, {ast.unparse(node)}"
        if isinstance(node, ast.Tuple) and [getattr(one, "value", None) for one in node.elts] == [*HEALTH_THRESHOLDS]:
            yield node.lineno, f"the thresholds, {ast.unparse(node)}"
        given: list[tuple[str, ast.AST]] = []
        if isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            with_default = [*zip(plain[len(plain) - len(node.defaults) :], node.defaults, strict=True)]
            with_default += [(one, default) for one, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            given = [(argument.arg, default) for argument, default in with_default if default is not None]
        elif isinstance(node, ast.keyword):
            given = [(node.arg or "", node.value)]
        elif isinstance(node, ast.AnnAssign):
            given = [*named(node.target, node.value)]
        elif isinstance(node, ast.Assign):
            given = [pair for target in node.targets for pair in named(target, node.value)]
        for name, value in given:
            lower = name.lower()
            if ("window" in lower and is_number(value, WINDOW)) or (
                "threshold" in lower and is_number(value, *HEALTH_THRESHOLDS)
            ):
                yield node.lineno if hasattr(node, "lineno") else value.lineno, f"{name} = {ast.unparse(value)}"


@pytest.mark.parametrize(
    "code",
    [
        "def f(x, max_rul=125.0): ...",
        "def f(x, *, cap: float = 125): ...",
        "share = 1 - y / 125",
        "class C:\n    window: int = 30",
        "def f(*, window=30): ...",
        "prepare(fleet, window=30)",
        "THRESHOLDS = (80, 30)",
        "health = labels(y, (80.0, 30.0))",
        "threshold = 30.0",
    ],
)
def test_a_number_that_stands_elsewhere_would_be_found(code):
    assert [*numbers_that_belong_in_the_horizon(ast.parse(code))]


def test_cap_window_and_thresholds_stand_in_one_file():
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "course"]
    assert len(files) > 40
    found = {
        f"{path.relative_to(PACKAGE)}:{line}": said
        for path in files
        if path != PACKAGE / "horizon.py"
        for line, said in numbers_that_belong_in_the_horizon(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {}, "name a constant of rulbook.horizon"


def test_a_signature_in_a_chapter_has_no_cap_of_its_own_either():
    found = [
        f"{path.relative_to(PACKAGE)}:{default.lineno}"
        for path in (PACKAGE / "course").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.arguments)
        for default in filter(None, [*node.defaults, *node.kw_defaults])
        if isinstance(default, ast.Constant) and default.value == MAX_RUL
    ]
    assert found == []


def test_nasas_subsets_are_listed_once():
    listed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict))
        and {"FD001", "FD002", "FD003", "FD004"}
        <= {
            one.value
            for one in (node.keys if isinstance(node, ast.Dict) else node.elts)
            if isinstance(one, ast.Constant)
        }
    ]
    assert [place.partition(":")[0] for place in listed] == [str(Path("data/sources/cmapss.py"))]


def test_the_horizon_needs_neither_pandas_nor_torch():
    code = "import sys, rulbook.horizon; sys.exit(bool({'pandas', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Health that was measured.


def test_measured_health_is_named_whole_and_comes_back_from_plain_values():
    horizon = Horizon(20, 400, time_unit="charge", health=STATE)
    assert (horizon.thresholds, horizon.classes) == (None, ("fresh", "aged", "spent", "dead"))
    assert Horizon().classes == HEALTH_CLASSES
    assert Horizon.from_dict(horizon.to_dict()) == horizon
    # Thresholds that somebody asks for go before what was measured.
    assert horizon.with_(thresholds=(200, 50)) == Horizon(20, 400, (200.0, 50.0), "charge")
    assert horizon.with_(window=10).health == STATE
    for classes in ((), ("one",), ("a", "a"), ("a", " ")):
        with pytest.raises(InputError, match="it must be the names of two classes or more, all different"):
            MeasuredHealth("state", classes)
    with pytest.raises(InputError, match="it must be the name of the column"):
        MeasuredHealth(" ", ("a", "b"))
    for damaged in (
        {},
        {"column": "state"},
        {"column": 3, "classes": ["a", "b"]},
        {"column": "c", "classes": "ab"},
    ):
        with pytest.raises(InputError, match=r"health is .* it must hold"):
            Horizon.from_dict({**horizon.to_dict(), "health": damaged})


def cells(lives=(60, 70, 80, 90, 75), states=STATE.classes) -> pd.DataFrame:
    """Cells whose state is looked at every tenth charge; it says nothing certain about the life that is left."""
    rng = np.random.default_rng(1)
    tables = []
    for cell, life in enumerate(lives):
        charge = np.arange(1, life + 1)
        code = np.minimum(charge * 4 // life, 3) if cell % 2 else np.minimum(charge // 25, 3)
        tables.append(
            pd.DataFrame(
                {
                    "cell": f"c{cell}",
                    "charge": charge,
                    "volts": 4 - charge / life + rng.normal(0, 0.1, life),
                    "state": pd.Series([states[one] for one in code]).where(charge % 10 == 1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def fleet_of_cells(table: pd.DataFrame, **more):
    told = {"unit": "cell", "cycle": "charge", "settings": [], "sensors": ["volts"], "test_fraction": 0.4}
    return fleet_from_frame(
        table, **{**told, "max_rul": 60, "window": 15, "time_unit": "charge", "health": STATE, **more}
    )


def test_the_class_of_a_window_is_that_of_its_last_row_or_of_the_last_look_before_it():
    table = cells()
    fleet = fleet_of_cells(table.sample(frac=1, random_state=2))
    data = prepare(fleet, validation_cuts=2, seed=3)
    looked = table.assign(state=table.groupby("cell")["state"].ffill()).set_index(["cell", "charge"])["state"]
    for part in (data.train, data.test, data.test_all):
        expected = [STATE.classes.index(looked[unit, cycle]) for unit, cycle in zip(part.unit, part.cycle, strict=True)]
        assert part.health.tolist() == expected
    assert len(data.validation) > 0
    assert set(data.validation.health.tolist()) <= {0, 1, 2, 3}
    picked = data.train.take([3, 1]).capped_at(None)
    assert picked.health.tolist() == data.train.health[[3, 1]].tolist()
    assert data.horizon.classes == STATE.classes
    # Whoever asks for thresholds gets them.
    by_life = prepare(fleet, thresholds=(40, 10)).train
    np.testing.assert_array_equal(by_life.health, (by_life.true_rul <= 40).astype(int) + (by_life.true_rul <= 10))


def test_names_places_and_categories_say_the_same_and_a_column_alone_is_told_aloud():
    names = cells()
    places = names.assign(state=names["state"].map({name: place for place, name in enumerate(STATE.classes)}))
    expected = fleet_of_cells(names).train["state"].tolist()
    assert fleet_of_cells(places).train["state"].tolist() == expected
    for table, classes in (
        (names, STATE.classes),
        (places, ("0", "1", "2", "3")),
        (names.assign(state=pd.Categorical(names["state"], STATE.classes)), STATE.classes),
    ):
        with pytest.warns(UserWarning, match=f"the health classes in column state are.*on, {', '.join(classes)}\\."):
            told = fleet_of_cells(table, health="state", name="cells")
        assert told.horizon.health == MeasuredHealth("state", classes)
        assert told.train["state"].tolist() == expected
        assert told.sensors == ("volts",)


def test_a_measured_class_is_no_sensor_of_itself():
    table = cells().assign(state=lambda frame: frame["state"].ffill().map(STATE.classes.index))
    with pytest.warns(UserWarning, match="columns were taken"):
        fleet = fleet_of_cells(table, sensors=None)
    assert fleet.sensors == ("volts",)
    with pytest.raises(InputError, match="sensors names state, which is used already"):
        fleet_of_cells(table, sensors=["volts", "state"])


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (lambda table: table, {"health": "colour"}, "frame lacks the column colour"),
        (lambda table: table, {"health": "cell"}, "health names cell, which is used already"),
        (
            lambda table: table,
            {"health": "volts", "sensors": ["charge2"]},
            "different values in column volts: a health",
        ),
        (lambda table: table, {"thresholds": (40, 10)}, r"thresholds is \(40, 10\) and health is .*give one of them"),
        (
            lambda table: table.assign(state=table["state"].replace("aged", "old")),
            {},
            "holds 'old' in column state, row",
        ),
        (
            lambda table: table.assign(state=table["state"].map({"fresh": 4})),
            {},
            "holds 4.0 in column state, row 1 .*be one",
        ),
        (lambda table: table.iloc[1:], {}, "no health class in column state, row 1 .*from its first row on"),
        (
            lambda table: table.assign(state=table["charge"] // 30 + 0.5),
            {"health": "state"},
            "a name, or a number counted",
        ),
    ],
    ids=["no column", "two roles", "a measurement", "two ways", "unknown name", "unknown place", "no first", "halves"],
)
def test_a_health_class_that_is_none_is_refused_by_column_and_row(change, more, message):
    table = change(cells()).assign(charge2=lambda frame: frame["volts"] + 1)
    with pytest.raises(InputError, match=message):
        fleet_of_cells(table, **more)


def test_labels_of_a_table_without_the_column_are_refused():
    with pytest.raises(InputError, match="new lacks the column state, the health class that was measured"):
        measured_labels(pd.DataFrame({"unit": [1], "cycle": [1]}), STATE, "new")


# What suits engines does not suit everything.


def test_machines_that_live_far_longer_than_the_cap_is_made_for_are_told_and_cut_within_their_own_lives():
    lives = [*range(900, 1600, 70)]
    table = cells(lives).drop(columns="state")
    told = {"unit": "cell", "cycle": "charge", "settings": [], "time_unit": "charge", "test_fraction": 0.5}
    with pytest.warns(
        UserWarning, match=r"live up to 1530 charges.*a cap of 125 and health thresholds of 80 and 30 suit"
    ):
        fleet = fleet_from_frame(table, **told)
    assert fleet.test_rul.max() > 500
    with pytest.warns(
        UserWarning, match=r"9\d % of the training windows are normal by the thresholds of 80 and 30 charges"
    ):
        prepare(fleet, max_rul=1000)
    fleet = fleet_from_frame(table, **told, max_rul=1000, window=50, thresholds=(600, 200))
    assert fleet.cut.longest_rul == 1000
    assert 500 < fleet.test_rul.max() <= 1000
    assert fleet.test.groupby("unit").size().min() >= 50
    data = prepare(fleet, validation_cuts=10)
    assert (data.horizon, data.train.window, data.train.max_rul) == (fleet.horizon, 50, 1000)
    assert 500 < data.validation.true_rul.max() <= 1000


def test_prepare_takes_operating_conditions_from_the_fleet_unless_it_is_told_others():
    fleet = replace(demo_fleet(engines=6, test_engines=3), n_conditions=2)
    assert prepare(fleet).preprocessor.n_conditions_ == 2
    assert prepare(fleet, n_conditions=3).preprocessor.n_conditions_ == 3
    assert prepare(replace(fleet, n_conditions=None)).preprocessor.n_conditions_ == 6


def test_a_checkpoint_keeps_the_names_of_measured_classes_and_refuses_a_network_with_another_number(tmp_path):
    import torch

    from rulbook.checkpoint import load_checkpoint, save_checkpoint
    from rulbook.model import DualTaskModel, ModelConfig

    fleet = fleet_of_cells(cells())
    data = prepare(fleet)
    config = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(4, 4, 4))
    for n_classes in (4, 3):
        model = DualTaskModel(1, config, max_rul=60, n_classes=n_classes)
        file = tmp_path / f"{n_classes}.safetensors"
        save_checkpoint(file, model.state_dict(), model, data.preprocessor, data.horizon, {})
    found = load_checkpoint(tmp_path / "4.safetensors")
    assert found.horizon.classes == STATE.classes
    assert found.model.predict(torch.zeros(2, 15, 1))[1].shape == (2, 4)
    with pytest.raises(InputError, match="a network with 3 health classes and the names of 4"):
        load_checkpoint(tmp_path / "3.safetensors")
