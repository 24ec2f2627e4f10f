"""Every data set in rulbook/data/sources, found and not listed: what a file must hold, what its fleets must know."""

from __future__ import annotations

import re
import sys
import types

import numpy as np
import pytest

from rulbook.data import Fleet, engine_runs, prepare, sources
from rulbook.data.sources import cmapss
from rulbook.errors import InputError
from rulbook.horizon import Horizon

MODULES = sources.modules()
NEED_FILES = [name for name, module in MODULES.items() if hasattr(module, "SHA256")]
MADE_HERE = [name for name in MODULES if name not in NEED_FILES]


def test_the_demo_fleet_and_nasas_four_are_found_those_without_files_first():
    assert {"demo", *cmapss.NAMES} <= set(sources.names())
    assert sources.names() == (*MADE_HERE, *NEED_FILES)


@pytest.mark.parametrize("name", MODULES)
def test_a_data_set_says_what_it_is_and_where_that_is_known_from(name):
    module = MODULES[name]
    assert len(module.__doc__) > 80, "what is known, and its source"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name), "it names a folder and an option"
    for checksum in getattr(module, "SHA256", {}).values():
        assert re.fullmatch(r"[0-9a-f]{64}", checksum)


def is_whole(fleet: Fleet, name: str) -> None:
    """What everything that is made from a fleet leans on."""
    assert fleet.subset == name, "a checkpoint finds its test engines again by this name"
    train, test = engine_runs(fleet.train), engine_runs(fleet.test)
    assert len(train.units) > 1
    assert len(test.units) == len(fleet.test_rul)
    assert tuple(fleet.columns.sensor_names) == fleet.sensors
    known = fleet.train.columns.tolist()
    assert {"unit", "cycle", *fleet.settings, *fleet.sensors} <= set(known)
    assert fleet.test.columns.tolist() == known
    horizon = fleet.horizon
    assert Horizon.from_dict(horizon.to_dict()) == horizon
    # Where test engines may be cut holds for those that are there.
    if len(test.units):
        assert fleet.cut.shortest_rul <= fleet.test_rul.min()
        assert fleet.test_rul.max() <= (fleet.cut.longest_rul or np.inf)
    data = prepare(fleet, seed=1, validation_cuts=1)
    assert data.horizon == horizon
    assert data.validation.true_rul.max() <= (fleet.cut.longest_rul or np.inf)
    assert set(np.unique(data.train.health)) == set(range(len(horizon.classes)))
    assert data.train.rows.shape[1] == len(fleet.sensors)
    if fleet.n_conditions is not None:
        assert data.preprocessor.n_conditions_ == fleet.n_conditions


@pytest.mark.parametrize("name", MADE_HERE)
def test_a_fleet_that_is_made_here_knows_what_suits_it(name):
    is_whole(sources.load(name), name)


@pytest.mark.real_data
@pytest.mark.parametrize("name", cmapss.NAMES)
def test_nasas_fleets_know_what_suits_them(name, cmapss_folder):
    fleet = sources.load(name, cmapss_folder)
    is_whole(fleet, name)
    facts = cmapss.SUBSETS[name]
    counted = (fleet.test_rul.min(), fleet.test_rul.max(), engine_runs(fleet.test).length.min())
    assert counted == (facts.shortest_rul, facts.longest_rul, facts.shortest_history)
    assert fleet.horizon == Horizon()


def test_an_unknown_name_is_answered_by_the_list_of_those_there_are():
    with pytest.raises(InputError, match=f"dataset is 'FD005': it must be one of {', '.join(sources.names())}"):
        sources.load("FD005")


def test_root_and_verify_reach_the_data_set_that_reads_files(tmp_path):
    with pytest.raises(InputError, match=r"root is .*nowhere"):
        sources.load("FD001", tmp_path / "nowhere")
    for part in ("train", "test", "RUL"):
        (tmp_path / f"{part}_FD001.txt").write_text("1\n")
    with pytest.raises(InputError, match="differs from NASA's file"):
        sources.load("FD001", tmp_path)
    with (
        pytest.warns(UserWarning, match="loaded because verify is False"),
        pytest.raises(InputError, match="line 1 has 1 values"),
    ):
        sources.load("FD001", tmp_path, verify=False)
    assert sources.load("demo", verify=False).subset == "demo", "there is nothing to verify"


@pytest.mark.parametrize(
    ("holds", "message"),
    [
        ({}, "is no data set: it must have NAMES, a tuple, and load"),
        ({"NAMES": "own", "load": print}, "is no data set"),
        ({"NAMES": ("own",)}, "is no data set"),
        ({"NAMES": ("FD003",), "load": print}, "both call a data set 'FD003'"),
    ],
    ids=["nothing", "a text for names", "no load", "a name that is taken"],
)
def test_a_file_that_is_no_data_set_is_named(holds, message, monkeypatch):
    module = types.ModuleType("rulbook.data.sources.own")
    module.__file__ = "own.py"
    vars(module).update(holds)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = [*sources.iter_modules(sources.__path__), types.SimpleNamespace(name="own")]
    monkeypatch.setattr(sources, "iter_modules", lambda path: found)
    with pytest.raises(InputError, match=rf"own\.py.*{message}"):
        sources.names()


def test_names_of_sensors_are_those_of_the_layout():
    from rulbook.data import SENSORS

    assert tuple(cmapss.SENSOR_NAMES) == SENSORS
