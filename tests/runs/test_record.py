"""The record of a run: what is written is read back, whatever is wrong with a file is said with file and entry."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
from fuzz.attacks import RECORD
from hypothesis import given
from hypothesis import strategies as st

from rulbook.course.results import benchmark_records, results_folder
from rulbook.data import demo_fleet, prepare
from rulbook.errors import InputError
from rulbook.inference import Evaluation
from rulbook.runs.record import (
    FORMAT,
    Band,
    ChosenByTest,
    Gradients,
    Machine,
    OtherProtocols,
    Quartiles,
    Record,
    RecordError,
    Scores,
    read_history,
    read_predictions,
    read_record,
    read_records,
    write_record,
)
from rulbook.runs.run import bands_of, data_checksum, gradient_quartiles, run
from rulbook.training import TrainingConfig

SCORES = Scores(rmse=15.5, nasa_score=400.0, health_accuracy=0.7, health_macro_f1=0.6)
QUARTILES = Quartiles(1.0, 2.0, None)
FULL = Record(
    data={"subset": "demo", "split": "engines", "windows": {"train": 1000, "test": 3}, "max_rul": 125.0},
    config={"method": "amnl", "preset": "compact", "seed": 1, "epochs": 9, "batch_size": 256},
    config_hash="0" * 12,
    selected_epoch=2,
    epochs=3,
    validation=SCORES,
    test=SCORES,
    other_protocols=OtherProtocols(SCORES, SCORES, ChosenByTest(**asdict(SCORES), epoch=1)),
    task_weights=(0.5, 0.5),
    last_task_weights=(0.25, 0.75),
    training_seconds=1.0,
    windows_per_second=2.0,
    versions={"torch": "2.13.0"},
    machine=Machine("cpu", 1, "x86_64", 2, "2.13.0+cpu"),
    date="2026-11-26",
    gradients=Gradients("all shared parameters", 4, QUARTILES, QUARTILES),
    notes={"RUL was left out": 3},
    wall_seconds=2.0,
    bands=(Band(None, 30.0, 2, 10.5, -3.0), Band(30.0, None, 0, None, None)),
    data_checksum="1" * 12,
    history="history.csv",
    predictions="predictions.csv",
)


def written(record: Record = FULL) -> dict:
    return json.loads(json.dumps(asdict(record)))


def put(folder: Path, values: object) -> Path:
    path = folder / "record.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


# What is written is read back

numbers = st.floats(-1e299, 1e299)
maybe = st.none() | numbers
words = st.text(st.characters(codec="utf-8"), max_size=8)
scores = st.builds(Scores, numbers, maybe, numbers, numbers)
quartiles = st.builds(Quartiles, *[maybe] * 3)
plain = st.recursive(st.none() | st.booleans() | st.integers() | numbers | words, st.lists, max_leaves=5)
chosen = st.builds(ChosenByTest, numbers, maybe, numbers, numbers, st.integers(1))
changes = st.fixed_dictionaries(
    {
        "data": st.dictionaries(words, plain, max_size=3).map(lambda more: {**more, "subset": "x", "split": "engines"}),
        "config": st.dictionaries(words, plain, max_size=3).map(lambda more: {**more, **FULL.config}),
        "validation": st.none() | scores,
        "test": st.none() | scores,
        "other_protocols": st.none() | st.builds(OtherProtocols, scores, scores, chosen),
        "task_weights": st.tuples(numbers, numbers),
        "gradients": st.none() | st.builds(Gradients, words, st.integers(0), quartiles, quartiles),
        "notes": st.dictionaries(words, st.integers(1), max_size=3),
        "bands": st.lists(st.builds(Band, maybe, maybe, st.integers(0), maybe, maybe), max_size=3).map(tuple),
        "wall_seconds": maybe,
        "data_checksum": st.none() | words,
        "history": st.none() | st.just("history.csv"),
        "predictions": st.none() | st.just("p.csv"),
        "versions": st.dictionaries(words, words, max_size=3).map(lambda more: {**more, "torch": "2"}),
    }
)


@given(changes=changes)
def test_a_record_is_read_back_as_it_was_written(tmp_path_factory, changes):
    record = replace(FULL, **changes)
    path = tmp_path_factory.getbasetemp() / "any" / "record.json"
    write_record(path, record)
    assert read_record(path) == record
    assert json.loads(path.read_text(encoding="utf-8"))["format"] == FORMAT


def test_every_committed_record_reads_and_writes_back(tmp_path):
    kept = benchmark_records()
    assert len(kept) == len(list(results_folder().glob("benchmark/*/record.json"))) > 0
    for record in kept:
        assert record.format in (1, FORMAT)
        write_record(tmp_path / "record.json", record)
        assert read_record(tmp_path / "record.json") == record


def test_an_earlier_record_has_nothing_where_it_did_not_look(tmp_path):
    earlier = read_record(put(tmp_path, RECORD))
    assert earlier.format == 1
    assert (earlier.bands, earlier.data_checksum, earlier.predictions, earlier.history) == ((), None, None, None)
    for nothing in ({}, None):
        bare = read_record(put(tmp_path, {**RECORD, "test": nothing, "other_protocols": nothing}))
        assert (bare.test, bare.other_protocols) == (None, None)
        row = bare.to_row()
        assert math.isnan(row["test_rmse"])
        assert math.isnan(row["best_test_epoch"])
        assert list(row) == list(read_record(put(tmp_path, RECORD)).to_row())


def test_a_row_has_the_numbers_of_the_record_to_five_digits():
    row = replace(FULL, test=replace(SCORES, rmse=15.123456, nasa_score=None)).to_row()
    assert (row["dataset"], row["method"], row["preset"], row["split"], row["seed"]) == (
        *("demo", "amnl", "compact", "engines", 1),
    )
    assert (row["test_rmse"], row["uncapped_rmse"], row["best_test_epoch"]) == (15.123, 15.5, 1)
    assert math.isnan(row["test_nasa_score"])
    assert (row["weight_rul"], row["weight_health"]) == (0.25, 0.75)
    assert (row["norm_ratio_median"], row["cosine_q1"]) == (2.0, 1.0)
    assert (row["torch"], row["device"], row["threads"]) == ("2.13.0", "cpu", 1)
    assert not any(name.startswith("cosine") for name in replace(FULL, gradients=None).to_row())


def test_steps_until_the_chosen_epoch_are_those_of_whole_epochs():
    assert FULL.steps_until_chosen == 2 * 4  # 1000 windows in batches of 256: three full ones and a rest.


# Whatever is wrong is said with file and entry


def places(kind: type, values: dict, prefix: str = "") -> list[tuple[str, tuple, bool]]:
    """Every entry of a record that is typed: its name, where it stands, and whether it has to be there."""
    found = []
    for part in fields(kind):
        at, value = f"{prefix}{part.name}", values[part.name]
        needed = part.default is part.default_factory
        found.append((at, tuple(at.split(".")), needed))
        hint = get_type_hints(kind)[part.name]
        inner = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
        if inner is not None and isinstance(value, dict):
            found += places(inner, value, f"{at}.")
    return found


PLACES = places(Record, written())


def changed(path: tuple, change) -> dict:
    values = written()
    place = values
    for step in path[:-1]:
        place = place[step]
    change(place, path[-1])
    return values


def test_the_places_are_those_of_the_whole_record():
    names = {name for name, _, _ in PLACES}
    assert {"test.rmse", "other_protocols.best_test_epoch.epoch", "gradients.cosine.q3", "machine.cores"} <= names


@pytest.mark.parametrize(("name", "path", "needed"), PLACES)
def test_an_entry_of_another_kind_or_a_missing_one_is_named_with_its_file(tmp_path, name, path, needed):
    for wrong in (True, [[]], {"colour": None}, float("nan")):
        if name in ("data", "config", "versions") and isinstance(wrong, dict):
            continue  # What more these say is not the record's business; what they lack is told by its own name.
        values = changed(path, lambda place, key, wrong=wrong: place.__setitem__(key, wrong))
        with pytest.raises(RecordError) as refused:
            read_record(put(tmp_path, values))
        assert repr(str(tmp_path / "record.json")) in str(refused.value)
        assert name in str(refused.value)
    less = put(tmp_path, changed(path, lambda place, key: place.pop(key)))
    if needed:
        with pytest.raises(RecordError, match=f"it has no {name}"):
            read_record(less)
    else:
        assert isinstance(read_record(less), Record)


@pytest.mark.parametrize("name", ["", "test.", "machine.", "gradients.cosine.", "other_protocols.best_test_epoch."])
def test_an_entry_that_nobody_knows_is_named(tmp_path, name):
    path = (*filter(None, name.split(".")), "colour")
    foreign = put(tmp_path, changed(path, lambda place, key: place.__setitem__(key, 3)))
    with pytest.raises(RecordError, match=rf"record\.json' is damaged.* it has the unknown entry {name}colour\."):
        read_record(foreign)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"split": "engines"}}, "it has no data.subset"),
        ({"config": {**FULL.config, "seed": 1.5}}, "config.seed is 1.5, and must be a whole number"),
        ({"task_weights": [0.5]}, "task_weights is .*, and must be a list of 2"),
        ({"task_weights": [0.5, "x"]}, r"task_weights\[1\] is 'x', and must be a number"),
        ({"bands": [{**asdict(FULL.bands[0]), "rmse": "1"}]}, r"bands\[0\]\.rmse is '1', and must be a number"),
        ({"notes": {"a": "b"}}, "notes.a is 'b', and must be a whole number"),
        ({"versions": {"torch": 2}}, "versions.torch is 2, and must be a text"),
        ({"versions": {}}, "it has no versions.torch"),
        ({"test": {**asdict(SCORES), "rmse": 1e301}}, "test.rmse is 1e.301, and must be a number"),
        ({"test": {**asdict(SCORES), "rmse": -1e301}}, "test.rmse is -1e.301, and must be a number"),
        ({"wall_seconds": 10**400}, "wall_seconds is 1000.*, and must be a number"),
        ({"bands": {}}, "bands is {}, and must be a list"),
        ({"task_weights": [0.5, 0.25, 0.25]}, "task_weights is .*, and must be a list of 2"),
        ({"notes": [1]}, r"notes is \[1\], and must be an object"),
        ({"config": {**FULL.config, "method": 3}}, "config.method is 3, and must be a text"),
        ({"history": "a\\b.csv"}, "history is .*, and must be the name of a file beside it"),
        ({"history": ""}, "history is '', and must be the name of a file beside it"),
        ({"predictions": "../secret.csv"}, "predictions is '../secret.csv', and must be the name of a file beside it"),
        ({"history": "/etc/passwd"}, "history is '/etc/passwd', and must be the name of a file beside it"),
        ({"history": ".."}, "must be the name of a file beside it"),
        ({"format": FORMAT + 1}, f"has the format {FORMAT + 1}: a later rulbook wrote it"),
        ({"format": 0}, "format is 0"),
    ],
)
def test_a_fault_deep_inside_is_told_in_words(tmp_path, change, words):
    with pytest.raises(RecordError, match=words):
        read_record(put(tmp_path, {**written(), **change}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training_seconds": math.inf}, "training_seconds is inf"),
        ({"test": replace(SCORES, rmse=math.nan)}, "test.rmse is nan"),
        ({"history": "../history.csv"}, "beside it"),
        ({"config": {**FULL.config, "channels": (1, 2)}}, "must be plain values"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, change, words):
    with pytest.raises(RecordError, match=words):
        write_record(tmp_path / "record.json", replace(FULL, **change))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_records_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no \*/record\.json"):
        read_records(tmp_path)


# What a run writes


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    data = prepare(demo_fleet(engines=6, test_engines=4, seed=1), window=8, thresholds=(60, 20), seed=0)
    folder = tmp_path_factory.mktemp("runs") / "one"
    config = TrainingConfig(epochs=2, batch_size=256, method="gaba")
    return data, folder, run(data, config, folder, progress=False)


def test_a_run_leaves_what_each_test_engine_was_told(finished):
    data, folder, record = finished
    table = read_predictions(folder / "record.json")
    assert list(table) == [
        *("engine", "cycle", "true_rul", "rul"),
        *("probability_normal", "probability_degrading", "probability_critical"),
    ]
    assert table["engine"].tolist() == data.test.unit.tolist()
    assert table["true_rul"].tolist() == data.test.true_rul.tolist()
    errors = table["rul"] - table["true_rul"].clip(upper=data.horizon.max_rul)
    assert np.sqrt((errors**2).mean()) == pytest.approx(record.test.rmse, abs=1e-3)
    assert table.filter(like="probability").sum(axis=1).to_numpy() == pytest.approx(1.0, abs=2e-4)
    assert sum(band.engines for band in record.bands) == len(table)
    squares = sum(band.engines * band.rmse**2 for band in record.bands if band.engines)
    assert math.sqrt(squares / len(table)) == pytest.approx(record.test.rmse)


def test_a_run_tells_the_weights_of_the_chosen_epoch_and_its_history(finished):
    _, folder, record = finished
    history = read_history(folder / "record.json")
    assert history["epoch"].tolist() == [1, 2]
    chosen = history.iloc[record.selected_epoch - 1]
    assert record.task_weights == pytest.approx((chosen["weight_rul"], chosen["weight_health"]))
    assert record.validation.rmse == pytest.approx(chosen["validation_rmse"])


def test_a_run_tells_its_versions_without_what_a_build_adds(finished):
    _, _, record = finished
    assert not any("+" in version for version in record.versions.values())
    assert record.machine.torch_build.partition("+")[0] == record.versions["torch"]


def test_a_table_that_is_not_there_is_named(finished, tmp_path):
    record = finished[2]
    write_record(tmp_path / "record.json", record)
    with pytest.raises(InputError, match=r"the table of predictions beside record .* is .*predictions\.csv': no such"):
        read_predictions(tmp_path / "record.json")
    (tmp_path / "predictions.csv").write_text("")
    with pytest.raises(RecordError, match=r"predictions\.csv' is damaged"):
        read_predictions(tmp_path / "record.json")
    put(tmp_path, RECORD)
    with pytest.raises(InputError, match="names no table of history"):
        read_history(tmp_path / "record.json")


def test_the_checksum_of_the_data_is_that_of_every_row_and_label(finished):
    data, _, record = finished
    assert record.data_checksum == data_checksum(data)
    again = prepare(demo_fleet(engines=6, test_engines=4, seed=1), window=8, thresholds=(60, 20), seed=0)
    assert data_checksum(again) == data_checksum(data)
    for part in ("train", "validation", "test", "test_all"):
        windows = getattr(data, part)
        rows = windows.rows.copy()
        rows[windows.ends[0], 0] = np.nextafter(rows[windows.ends[0], 0], np.float32(9))
        rul = windows.true_rul.copy()
        rul[-1] += 1
        for other in (replace(windows, rows=rows), replace(windows, true_rul=rul), windows.capped_at(90)):
            assert data_checksum(replace(data, **{part: other})) != data_checksum(data)


def test_bands_by_hand():
    seen = Evaluation(
        rul=np.array([40.0, 20.0, 50.0, 81.0, 120.0]),
        true_rul=np.array([30.0, 10.0, 80.0, 80.5, 125.0]),
        health_probabilities=np.full((5, 3), 1 / 3, dtype=np.float32),
        true_health=np.zeros(5, dtype=np.int64),
    )
    assert bands_of(seen, (80.0, 30.0)) == (
        Band(None, 30.0, 2, 10.0, 10.0),
        Band(30.0, 80.0, 1, 30.0, -30.0),
        Band(80.0, None, 2, math.sqrt((0.25 + 25) / 2), -2.25),
    )
    assert bands_of(seen, (5.0,))[0] == Band(None, 5.0, 0, None, None)


def test_a_gradient_of_zero_leaves_a_record_that_can_be_read():
    probes = pd.DataFrame({"norm_rul": [1.0, 2.0, 3.0, 4.0], "norm_health": [1.0, 1.0, 0.0, 0.0], "cosine": [0.1] * 4})
    measured = gradient_quartiles(probes)
    assert (measured.norm_ratio.q1, measured.norm_ratio.q3) == (1.75, None)
    assert measured.cosine == Quartiles(0.1, 0.1, 0.1)
    assert gradient_quartiles(probes.iloc[:0]) is None


def test_a_fleet_that_lives_so_long_that_the_score_is_beyond_any_number_leaves_a_record(tmp_path, finished):
    data, _, _ = finished
    long_lived = replace(data, test=replace(data.test, true_rul=data.test.true_rul + 20_000))
    record = run(long_lived, TrainingConfig(epochs=1, batch_size=256), tmp_path / "run", progress=False)
    assert record.other_protocols.uncapped.nasa_score is None
    assert record.other_protocols.uncapped.rmse > 19_000
    assert read_record(tmp_path / "run" / "record.json") == record
