"""Settings: a name or an object, told plainly in the record, compared at a resume, sent to a worker."""

from __future__ import annotations

import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rulbook.balancing import WeightedSum
from rulbook.data import demo_fleet, prepare
from rulbook.errors import InputError
from rulbook.methods import METHODS
from rulbook.model import PRESETS, ModelConfig
from rulbook.runs.record import read_record
from rulbook.runs.run import run
from rulbook.runs.sweep import PlannedRun, finished_record, plan, run_sweep
from rulbook.training import TrainingConfig, Watch, train
from rulbook.training.describe import described
from rulbook.weighting import FixedWeights, InverseGradient, Linear, Uniform

SMALL = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(8, 8, 8), dropout=0.1)


def weighted(floor=0.05, beta=0.99):
    return WeightedSum(InverseGradient(floor=floor, beta=beta))


def steep(w_max=3.0):
    return replace(METHODS["amnl"], samples=Linear(w_max))


@pytest.fixture(scope="module")
def tiny():
    prepared = prepare(demo_fleet(engines=5, test_engines=3, seed=3), window=8, seed=0)
    return replace(prepared, train=prepared.train.take(np.arange(0, len(prepared.train), 4)))


def test_what_has_a_name_is_kept_as_its_name():
    for name, method in METHODS.items():
        assert TrainingConfig(method) == TrainingConfig(name)
        # As it comes from another process, with a balancer of its own that is the same.
        assert TrainingConfig(pickle.loads(pickle.dumps(method))).method == name
    for name, widths in PRESETS.items():
        assert TrainingConfig(model=replace(widths)).model == name
        assert TrainingConfig(model=name).model_config == widths


OTHERS = {
    "ceiling": steep(),
    "shape": replace(METHODS["amnl"], samples=Uniform()),
    "floor": replace(METHODS["amnl"], balancer=partial(weighted, floor=0.01)),
    "average": replace(METHODS["amnl"], balancer=partial(weighted, floor=0.01, beta=0.9)),
    "weights": replace(METHODS["amnl"], balancer=lambda: WeightedSum(FixedWeights((0.3, 0.7)))),
    "scale": replace(METHODS["amnl"], rul_scale=10.0),
}


def test_objects_of_one_name_are_told_apart():
    configs = [TrainingConfig("amnl"), *map(TrainingConfig, OTHERS.values())]
    assert len(set(configs)) == len({config.method_name for config in configs}) == 1 + len(OTHERS)
    assert all(config.method_name.startswith("amnl") for config in configs)
    networks = [
        replace(SMALL, **change) for change in ({}, {"dropout": 0.2}, {"lstm_hidden": 6}, {"funnel": (8, 8, 9)})
    ]
    assert len({TrainingConfig(model=network).preset for network in networks}) == 4
    assert TrainingConfig(steep()) == TrainingConfig(steep())
    assert hash(TrainingConfig(steep())) == hash(TrainingConfig(steep()))


@pytest.mark.parametrize("change", [{"method": steep(), "model": SMALL}, {"method": OTHERS["average"]}, {}])
def test_a_config_is_plain_json_and_the_same_in_every_process(change):
    config = TrainingConfig(**change, epochs=3)
    plain = config.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert config.differing(plain) == []
    sent = pickle.loads(pickle.dumps(config))
    assert sent == config
    assert sent.to_dict() == plain


def test_names_are_described_as_they_always_were():
    plain = TrainingConfig("gaba", "paper", seed=3).to_dict()
    assert list(plain)[:3] == ["method", "preset", "seed"]
    assert (plain["method"], plain["preset"], plain["seed"]) == ("gaba", "paper", 3)
    assert set(plain) == {one.name for one in fields(TrainingConfig)} - {"model"} | {"preset"}
    older = {name: value for name, value in plain.items() if name not in ("precision", "probe_every")}
    assert TrainingConfig.from_dict(older) == TrainingConfig("gaba", "paper", seed=3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 3}, "settings hold colour: known are method, preset, seed"),
        ({"preset": "huge"}, "model is 'huge': it must be one of paper, compact"),
        ({"learning_rate": "0.1"}, "learning_rate is '0.1'"),
    ],
)
def test_a_description_at_fault_is_refused(change, words):
    described = {**TrainingConfig().to_dict(), **change}
    for read in (TrainingConfig.from_dict, TrainingConfig().differing):
        with pytest.raises(InputError, match=words):
            read(described)


def test_an_object_is_not_made_from_its_description():
    config = TrainingConfig(steep(), SMALL)
    with pytest.raises(InputError, match="settings hold a method and a preset without a name"):
        TrainingConfig.from_dict(config.to_dict())
    with pytest.raises(InputError, match="objects is 3"):
        config.differing({**config.to_dict(), "objects": 3})
    assert TrainingConfig(steep(2.5), SMALL).differing(config.to_dict()) == ["method", "objects"]
    assert replace(config, seed=4).differing(config.to_dict()) == ["seed"]
    assert TrainingConfig().differing(config.to_dict()) == ["method", "preset", "objects"]


def test_a_run_of_objects_is_recorded_goes_on_and_is_no_other_run(tiny, tmp_path):
    config = TrainingConfig(steep(), SMALL, epochs=2, batch_size=64)
    whole = train(tiny, config, progress=False)
    assert whole.model.config == SMALL
    record = run(tiny, replace(config, epochs=1), tmp_path, progress=False)
    assert read_record(tmp_path / "record.json") == record
    assert config.differing(record.config) == ["epochs"]
    for change, words in (
        (
            {"method": steep(2.5)},
            r"method \('amnl-.*', not 'amnl-.*'\), objects\.method\.samples\.w_max \(3\.0, not 2\.5",
        ),
        ({"method": "amnl"}, "another method"),
        ({"model": replace(SMALL, dropout=0.2)}, r"objects\.preset\.dropout \(0\.1, not 0\.2\)"),
    ):
        with pytest.raises(InputError, match=words):
            train(tiny, replace(config, **change), folder=tmp_path, resume=True, progress=False)
    watching = [Watch(test=tiny.test)]
    resumed = train(tiny, config, folder=tmp_path, resume=True, progress=False, observers=watching)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)


def test_a_sweep_hands_an_object_to_its_workers_and_finds_the_record_again(tmp_path):
    runs = [PlannedRun("demo", TrainingConfig(replace(OTHERS["floor"], samples=Linear(3)), SMALL, epochs=1))]
    (record,) = run_sweep(runs, tmp_path, workers=1, progress=False)
    assert record == finished_record(runs[0], tmp_path)
    assert record.config["objects"]["method"]["samples"]["w_max"] == 3
    other = PlannedRun("demo", replace(runs[0].config, seed=1))
    (tmp_path / runs[0].name).rename(tmp_path / other.name)
    with pytest.raises(InputError, match="is of a run with another seed"):
        finished_record(other, tmp_path)


def test_a_method_that_cannot_be_sent_is_refused_before_anything_runs(tmp_path, monkeypatch):
    runs = [*plan([{"datasets": ["demo"], "methods": ["amnl"]}]), PlannedRun("demo", TrainingConfig(OTHERS["weights"]))]
    with pytest.raises(InputError, match=r"the method of demo-amnl-.* cannot be sent to a worker process: .*lambda"):
        run_sweep(runs, tmp_path, progress=False)
    typed = partial(weighted, 0.3)
    monkeypatch.setattr(sys.modules["__main__"], "weighted_here", weighted, raising=False)
    monkeypatch.setattr(weighted, "__module__", "__main__")
    monkeypatch.setattr(weighted, "__qualname__", "weighted_here")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(InputError, match="it was defined in a notebook"):
        run_sweep([PlannedRun("demo", TrainingConfig(replace(steep(), balancer=typed)))], tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []
    # Threads take it as it is.
    worked = []
    monkeypatch.setattr("rulbook.runs.sweep._work", lambda planned, *_: worked.append(planned))
    with ThreadPoolExecutor(1) as threads:
        run_sweep(runs[1:], tmp_path, executor=threads, progress=False)
    assert worked == runs[1:]


def enclosing(value):
    return lambda: value


@dataclass(frozen=True)
class Shape:
    ceiling: float = 2.0


class Slotted:
    __slots__ = ("ceiling",)

    def __init__(self, ceiling):
        self.ceiling = ceiling


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Shape(), Shape(3.0)),
        (Slotted(2), Slotted(3)),
        (SimpleNamespace(a=1), SimpleNamespace(a=2)),
        (np.arange(3), np.arange(3) + 1),
        (np.zeros(100), np.full(100, 1e-9)),
        (torch.zeros(100), torch.full((100,), 1e-9)),
        (np.array(["a"]), np.array(["b"])),
        (enclosing(1), enclosing(2)),
        (lambda x: x + 1, lambda x: x + 2),
        (partial(weighted, 0.1), partial(weighted, 0.2)),
        (Shape(2.0).__eq__, Shape(3.0).__eq__),
        (float("nan"), float("inf")),
        ({1, 2}, {1, 3}),
        (torch.nn.Dropout(0.1), torch.nn.Dropout(0.2)),
        (len, max),
        (METHODS["cagrad"].balancer(), METHODS["upgrad"].balancer()),
    ],
)
def test_what_differs_is_described_differently_and_what_is_equal_alike(one, other):
    plain = described(one)
    assert json.loads(json.dumps(plain)) == plain
    assert plain == described(one)
    assert plain != described(other)
    assert " at 0x" not in json.dumps(plain)


def test_an_object_that_holds_itself_is_described_all_the_same():
    one = SimpleNamespace(name="a")
    one.self = one
    assert described(one)["self"] == "again types.SimpleNamespace"
