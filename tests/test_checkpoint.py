"""Checkpoints: equal content is equal bytes, one flipped bit is refused, and so is whatever does not fit."""

from __future__ import annotations

import errno
import os
import random
import struct
from pathlib import Path

import pytest
import torch

from rulbook import checkpoint as checkpoints
from rulbook.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from rulbook.data import Columns, Horizon, Preprocessor, demo_fleet
from rulbook.errors import InputError
from rulbook.files import remove_leftovers, write_atomically
from rulbook.model import DualTaskModel, ModelConfig


@pytest.fixture(scope="module")
def preprocessor():
    return Preprocessor().fit(demo_fleet(engines=3, test_engines=2, seed=1).train)


@pytest.fixture(scope="module")
def model(preprocessor):
    torch.manual_seed(0)
    config = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(4, 4, 4))
    return DualTaskModel(len(preprocessor.sensors), config)


@pytest.fixture
def good(model, preprocessor, tmp_path):
    save_checkpoint(tmp_path / "good", model.state_dict(), model, preprocessor, Horizon(), {"seed": 3})
    return tmp_path / "good"


def test_what_was_saved_comes_back_in_evaluation_mode(good, model, preprocessor):
    model.train()
    found = load_checkpoint(good)
    assert not found.model.training
    assert not any(module.training for module in found.model.modules())
    assert found.model.state_dict().keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value), name
    assert (found.preprocessor, found.horizon, found.facts["seed"]) == (preprocessor, Horizon(), 3)
    assert found.columns is None


def test_names_of_the_users_columns_travel_along(model, preprocessor, tmp_path):
    own = ("plane",), tuple(f"own_{sensor}" for sensor in preprocessor.sensors)
    names = Columns("unit_nr", "flight", preprocessor.settings, preprocessor.sensors, left_out=(("RUL", "the answer"),))
    other = Columns("unit_nr", "flight", *own)
    save_checkpoint(tmp_path / "c", model.state_dict(), model, preprocessor, Horizon(), {}, columns=names)
    assert load_checkpoint(tmp_path / "c").columns == names
    save_checkpoint(tmp_path / "c", model.state_dict(), model, preprocessor, Horizon(), {}, columns=other)
    with pytest.raises(InputError, match="names of other columns than its preprocessor reads"):
        load_checkpoint(tmp_path / "c")


def test_equal_content_is_equal_bytes(good, model, preprocessor, tmp_path):
    # The library writes the entries of its header in an order that it draws anew each time.
    for copy in range(8):
        save_checkpoint(tmp_path / f"{copy}", model.state_dict(), model, preprocessor, Horizon(), {"seed": 3})
        assert (tmp_path / f"{copy}").read_bytes() == good.read_bytes()


def test_a_flipped_bit_is_refused_or_changes_nothing(good, tmp_path):
    content, rng = good.read_bytes(), random.Random(0)
    (length,) = struct.unpack("<Q", content[:8])
    whole = load_tensors(good)
    places = [*rng.sample(range(8 + length), 500), *rng.sample(range(8 + length, len(content)), 200), *range(8)]
    refused = 0
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        (tmp_path / "flipped").write_bytes(changed)
        try:
            tensors, facts = load_tensors(tmp_path / "flipped")
        except InputError as error:
            refused += "flipped" in str(error) and "\n" not in str(error)
        else:
            assert facts == whole[1]
            assert tensors.keys() == whole[0].keys()
            assert all(torch.equal(tensors[name], value) for name, value in whole[0].items())
    assert refused > 0.98 * len(places)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_off_anywhere_is_refused(good, tmp_path, share):
    content = good.read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        load_checkpoint(tmp_path / "cut")


FORGED_TENSORS = [
    (lambda t: t.pop("rul_head.9.weight"), "lacks rul_head.9.weight"),
    (lambda t: t.update(more=torch.zeros(1)), "has the unknown more"),
    (lambda t: t.update({"rul_head.9.weight": torch.zeros(2, 16)}), r"of shape \(2, 16\) and must be .* \(1, 16\)"),
    (lambda t: t.update({"rul_head.9.bias": torch.zeros(1, dtype=torch.float16)}), "float16 .* must be float32"),
    (lambda t: t.update({"rul_head.9.bias": torch.zeros(1, dtype=torch.int32)}), "int32 .* must be float32"),
    (lambda t: t.update({"rul_head.9.bias": torch.tensor([float("nan")])}), "not finite"),
    (lambda t: t.update({"rul_head.9.bias": torch.tensor([float("inf")])}), "not finite"),
    (lambda t: t.update({"convolutions.1.running_var": torch.full((4,), -1.0)}), "negative variance"),
]


@pytest.mark.parametrize(("forge", "words"), FORGED_TENSORS)
def test_tensors_that_do_not_fit_the_network_are_refused(good, tmp_path, forge, words):
    tensors, facts = load_tensors(good)
    forge(tensors)
    save_tensors(tmp_path / "forged", tensors, facts)
    with pytest.raises(InputError, match=words) as refused:
        load_checkpoint(tmp_path / "forged")
    assert "\n" not in str(refused.value)


FORGED_FACTS = [
    ("model", lambda f: f.pop("n_features"), "lacks n_features"),
    ("model", lambda f: f.update(new_option=1), "holds no usable model: "),
    ("model", lambda f: f.update(lstm_hidden=10**6), "lstm_hidden is 1000000"),
    ("model", lambda f: f.update(lstm_hidden=99_999), "lstm_hidden is 99999: it must be"),
    ("model", lambda f: f.update(lstm_hidden=True), "lstm_hidden is True"),
    ("model", lambda f: f.update(attention_heads=3), "attention_heads is 3: it must divide"),
    ("model", lambda f: f.update(channels=[4, 4]), "channels is"),
    ("model", lambda f: f.update(channels="444"), "channels is '444'"),
    ("model", lambda f: f.update(funnel=[4, 4, "4"]), "funnel is '4'"),
    ("model", lambda f: f.update(dropout="0.1"), "dropout is '0.1'"),
    ("model", lambda f: f.update(dropout=1.5), "dropout is 1.5"),
    ("model", lambda f: f.update(n_features=13), "does not fit"),
    ("preprocessor", lambda f: f.pop("means_"), "means_"),
    ("preprocessor", lambda f: f.update(sensors="s1"), "sensors is 's1'"),
    ("preprocessor", lambda f: f.update(sensors=f["sensors"][:-1] + f["sensors"][:1]), "named twice"),
    ("preprocessor", lambda f: f.update(stds_=[[-x for x in row] for row in f["stds_"]]), "negative"),
    ("preprocessor", lambda f: f.update(scales_=[0.0] * len(f["scales_"])), "greater than 0"),
    ("preprocessor", lambda f: f.update(reach_=-1.0), "negative"),
    ("preprocessor", lambda f: f.update(means_=[["1"]]), "means_ is '1'"),
    ("preprocessor", lambda f: f.update(means_=f["means_"] * 2), "must"),
    ("preprocessor", lambda f: f.update(random_state=None), "random_state"),
    ("horizon", lambda f: f.update(max_rul=float("nan")), "max_rul"),
    ("horizon", lambda f: f.update(window=0), "window is 0"),
    ("horizon", lambda f: f.pop("time_unit"), "time_unit"),
]


@pytest.mark.parametrize(("part", "forge", "words"), FORGED_FACTS)
def test_settings_that_are_missing_unknown_or_out_of_range_are_refused(good, tmp_path, part, forge, words):
    tensors, facts = load_tensors(good)
    forge(facts[part])
    save_tensors(tmp_path / "forged", tensors, facts)
    with pytest.raises(InputError, match=words) as refused:
        load_checkpoint(tmp_path / "forged")
    assert "\n" not in str(refused.value)
    assert "forged" in str(refused.value)


@pytest.mark.parametrize("part", ["model", "preprocessor", "horizon", "columns", "versions"])
@pytest.mark.parametrize("value", [[], "text", 3, [[1]], True])
def test_a_part_of_another_kind_is_refused(good, tmp_path, part, value):
    tensors, facts = load_tensors(good)
    save_tensors(tmp_path / "forged", tensors, {**facts, part: value})
    with pytest.raises(InputError, match=part):
        load_checkpoint(tmp_path / "forged")


def test_facts_nested_too_deep_are_refused(good, tmp_path):
    tensors, facts = load_tensors(good)
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    save_tensors(tmp_path / "deep", tensors, {**facts, "model": deep})
    with pytest.raises(InputError, match="nested too deep"):
        load_checkpoint(tmp_path / "deep")


def test_a_network_for_other_sensors_than_the_preprocessors_is_refused(good, model, tmp_path):
    one_less = Preprocessor(sensors=("s2", "s3")).fit(demo_fleet(engines=3, test_engines=2, seed=1).train)
    save_checkpoint(tmp_path / "c", model.state_dict(), model, one_less, Horizon(), {})
    with pytest.raises(InputError, match="a network for 14 sensors and a preprocessor for 2"):
        load_checkpoint(tmp_path / "c")


def test_other_versions_and_other_tools_are_named(good, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    tensors, facts = load_tensors(good)
    save_tensors(tmp_path / "later", tensors, {**facts, "versions": {"rulbook": "99.0.0"}})
    with pytest.raises(InputError, match=r"written by rulbook 99\.0\.0, and this is"):
        load_checkpoint(tmp_path / "later")
    save_file(tensors, tmp_path / "foreign", metadata={"made": "elsewhere"})
    with pytest.raises(InputError, match="was not written by rulbook"):
        load_checkpoint(tmp_path / "foreign")
    save_file(tensors, tmp_path / "bare")
    with pytest.raises(InputError, match="was not written by rulbook"):
        load_checkpoint(tmp_path / "bare")
    save_file(tensors, tmp_path / "earlier", metadata={"format": "rulbook-1", "facts": "{}"})
    with pytest.raises(InputError, match="by an earlier rulbook, in the format 'rulbook-1'"):
        load_checkpoint(tmp_path / "earlier")
    monkeypatch.setattr(checkpoints, "_FORMAT", "rulbook-9")
    save_tensors(tmp_path / "next", tensors, facts)
    monkeypatch.undo()
    with pytest.raises(InputError, match="or by a later one"):
        load_checkpoint(tmp_path / "next")


def test_a_file_is_replaced_whole_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("there")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "new"
    write_atomically(tmp_path / "a" / "b" / "c", b"\x00\x01")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"\x00\x01"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "link", "there"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_file_is_written_into_or_refused_and_never_replaced(tmp_path):
    before = Path("/dev/null").stat()
    write_atomically("/dev/null", "gone")
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    with pytest.raises(OSError, match=r"No space left on device while writing full in '/dev'"):
        write_atomically("/dev/full", "too much")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe that nobody reads"):
        write_atomically(tmp_path / "pipe", "heard by nobody")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "heard")
    assert os.read(reader, 100) == b"heard"
    os.close(reader)
    with pytest.raises(InputError, match="is a folder"):
        write_atomically(tmp_path, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_full_disk_is_named_with_the_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    write_atomically(tmp_path / "state.safetensors", "old")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device while writing state\.safetensors in ") as failed:
        write_atomically(tmp_path / "state.safetensors", "new")
    assert failed.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    assert (tmp_path / "state.safetensors").read_text() == "old"


def test_what_a_killed_writer_left_is_cleared_away_and_nothing_else(tmp_path):
    for name in (".state.safetensors.123", ".record.json.9", ".hidden", "state.safetensors", ".git.d"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git.d", ".hidden", "state.safetensors"]
