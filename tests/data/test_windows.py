"""Windows, held to a loop that copies each of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulbook.data import (
    Windows,
    all_windows,
    demo_fleet,
    last_windows,
    prepare,
    split_windows_at_random,
    training_windows,
)


def engines(*lengths, features=2):
    """A table of engines 10, 20, … and features whose values tell the row."""
    frame = pd.DataFrame(
        {
            "unit": np.repeat(10 * np.arange(1, len(lengths) + 1), lengths),
            "cycle": np.concatenate([np.arange(1, n + 1) for n in lengths]),
        }
    )
    rows = np.arange(len(frame), dtype=np.float32)[:, None] + np.linspace(0, 0.5, features, dtype=np.float32)
    return rows, frame


def copied(rows, frame, window):
    """The plain way: one array per window, short engines repeated on the left."""
    made = []
    for unit, part in frame.groupby("unit", sort=False):
        own = rows[part.index]
        if len(own) < window:
            own = np.concatenate([np.repeat(own[:1], window - len(own), axis=0), own])
        life, seen = len(part), len(own)
        made += [(unit, life - (seen - end), own[end - window : end]) for end in range(window, seen + 1)]
    return made


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6), window=st.integers(1, 8))
def test_all_windows_are_those_of_the_plain_loop(lengths, window):
    rows, frame = engines(*lengths)
    expected = copied(rows, frame, window)
    windows = all_windows(rows, frame, last_rul=0, window=window)
    assert len(windows) == len(expected) == sum(max(n - window + 1, 1) for n in lengths)
    assert windows.unit.tolist() == [unit for unit, _, _ in expected]
    assert windows.cycle.tolist() == [cycle for _, cycle, _ in expected]
    stacked = np.stack([x for _, _, x in expected])
    np.testing.assert_array_equal(windows.x, stacked)
    np.testing.assert_array_equal(windows.gather(np.arange(len(windows))), stacked)
    np.testing.assert_array_equal(windows.rows[windows.starts[:, None] + np.arange(window)], stacked)
    np.testing.assert_array_equal(windows.rows[windows.ends], stacked[:, -1])
    np.testing.assert_array_equal(windows.views[windows.starts], stacked)
    life = frame.groupby("unit")["cycle"].max()
    assert windows.rul.tolist() == [life[unit] - cycle for unit, cycle, _ in expected]


def test_short_engine_repeats_its_first_cycle_on_the_left():
    rows, frame = engines(2, 5, features=1)
    windows = last_windows(rows, frame, last_rul=[40, 7], window=4)
    np.testing.assert_array_equal(windows.x[:, :, 0], [[0, 0, 0, 1], [3, 4, 5, 6]])
    assert windows.unit.tolist() == [10, 20]
    assert windows.cycle.tolist() == [2, 5]
    assert windows.rul.tolist() == [40, 7]


def test_nothing_is_copied_where_no_engine_is_short():
    rows, frame = engines(40, 35)
    windows = training_windows(rows, frame)
    assert windows.rows is rows
    assert np.shares_memory(windows.views, rows)
    assert np.shares_memory(windows[3], rows)
    first = windows.of_engines([10])
    assert len(first) == 11
    assert np.shares_memory(first.x, rows)
    assert np.shares_memory(windows.take([0]).x, rows)
    assert not np.shares_memory(windows.x, rows)
    assert not np.shares_memory(windows.gather([0]), rows)


def test_labels_capped_or_not_and_health_unchanged():
    rows, frame = engines(200)
    windows = training_windows(rows, frame, window=30)
    assert (windows.rul.max(), windows.true_rul.max(), windows.rul.min()) == (125, 170, 0)
    uncapped = windows.capped_at(None)
    assert uncapped.rul.max() == 170
    assert uncapped.capped_at(100).rul.max() == 100
    np.testing.assert_array_equal(uncapped.health, windows.health)
    assert np.bincount(windows.health).tolist() == [90, 50, 31]
    assert training_windows(rows, frame, last_rul=1).rul.min() == 1
    assert training_windows(rows, frame, max_rul=None).rul.max() == 170


def test_unknown_labels_are_marked():
    rows, frame = engines(40)
    windows = last_windows(rows, frame, last_rul=None)
    assert np.isnan(windows.rul).all()
    assert windows.health.tolist() == [-1]


def test_tensors():
    torch = pytest.importorskip("torch")
    rows, frame = engines(33, 31, 30)
    windows = training_windows(rows, frame)
    x, rul, health = windows.tensors()
    assert (x.shape, x.dtype, rul.dtype, health.dtype) == ((7, 30, 2), torch.float32, torch.float32, torch.int64)
    np.testing.assert_array_equal(x, windows.x)
    np.testing.assert_array_equal(rul, windows.rul)
    table, starts = torch.from_numpy(windows.rows), torch.from_numpy(windows.starts)
    assert torch.equal(table[starts[:, None] + torch.arange(30)], x)
    assert torch.equal(windows.tensors([2, 5])[0], x[[2, 5]])


def test_random_split_keeps_every_window_once_and_leaks():
    rows, frame = engines(60, 60, 60)
    windows = training_windows(rows, frame)
    train, held_out = split_windows_at_random(windows, fraction=0.25, seed=4)
    assert (len(train), len(held_out)) == (70, 23)
    assert sorted([*train.starts, *held_out.starts]) == windows.starts.tolist()
    neighbours = np.abs(held_out.starts[:, None] - train.starts).min(axis=1)
    assert np.median(neighbours) == 1
    again = split_windows_at_random(windows, fraction=0.25, seed=4)[1]
    np.testing.assert_array_equal(again.starts, held_out.starts)
    assert split_windows_at_random(windows, seed=5)[1].starts.tolist() != held_out.starts.tolist()


def test_no_windows():
    rows, frame = engines(40)
    nothing = training_windows(rows, frame).take([])
    assert (len(nothing), nothing.x.shape, nothing.rul.shape) == (0, (0, 30, 2), (0,))
    empty = all_windows(rows[:0], frame.iloc[:0], last_rul=[])
    assert isinstance(empty, Windows)
    assert len(empty) == len(last_windows(rows[:0], frame.iloc[:0], last_rul=[])) == 0


def test_engines_named_by_text():
    rows, frame = engines(31, 30)
    windows = last_windows(rows, frame.assign(unit=frame["unit"].map({10: "port", 20: "starboard"})), last_rul=None)
    assert windows.unit.tolist() == ["port", "starboard"]
    assert len(windows.of_engines(["port"])) == 1


def test_bad_arguments():
    rows, frame = engines(40, 40)
    with pytest.raises(ValueError, match="features has 79 values but frame has 80"):
        training_windows(rows[1:], frame)
    with pytest.raises(ValueError, match="window is 0"):
        training_windows(rows, frame, window=0)
    with pytest.raises(ValueError, match="max_rul is 0"):
        training_windows(rows, frame, max_rul=0)
    with pytest.raises(ValueError, match="last_rul has 1 values but the list of engines has 2"):
        last_windows(rows, frame, last_rul=[3])
    with pytest.raises(ValueError, match="the rows of engine 10 in two places"):
        training_windows(rows, frame.assign(unit=np.tile([10, 20], 40)).sort_values("cycle"))
    with pytest.raises(ValueError, match="engine 10 at cycle 39 right after cycle 40"):
        training_windows(rows, frame.iloc[::-1].assign(unit=10))


def test_own_thresholds_reach_the_labels_of_every_kind_of_window():
    rows, frame = engines(80, 60)
    for cut in (training_windows, all_windows, last_windows):
        windows = cut(rows, frame, last_rul=20, window=10, thresholds=(50, 15))
        expected = np.where(windows.true_rul > 50, 0, np.where(windows.true_rul > 15, 1, 2))
        np.testing.assert_array_equal(windows.health, expected)
        assert windows.take([0]).thresholds == (50, 15)
    with pytest.raises(ValueError, match=r"thresholds is \(15, 50\)"):
        _ = training_windows(rows, frame, thresholds=(15, 50)).health
    with pytest.raises(ValueError, match=r"thresholds is \(30, 30\)"):
        _ = training_windows(rows, frame, thresholds=(30, 30)).health


@pytest.mark.parametrize("units", [[7, 3, 5], ["b", "c", "a"], [3, 2, 1]])
def test_the_last_window_of_every_engine_is_there_whether_or_not_numbers_rise(units):
    rows, frame = engines(12, 9, 15)
    frame = frame.assign(unit=frame["unit"].map(dict(zip([10, 20, 30], units, strict=True))))
    windows = last_windows(rows, frame, last_rul=[4, 5, 6], window=8)
    assert windows.unit.tolist() == units
    assert windows.cycle.tolist() == [12, 9, 15]
    assert windows.true_rul.tolist() == [4, 5, 6]


def test_windows_evenly_spaced_in_any_direction_are_the_right_ones():
    rows, frame = engines(20)
    windows = training_windows(rows, frame, window=5)
    for chosen in ([3], [3, 5, 7], [7, 5, 3], [4, 4, 4], [0, 1, 5]):
        np.testing.assert_array_equal(windows.take(chosen).x, windows.gather(chosen))


def test_any_cap_above_zero_is_one():
    rows, frame = engines(40)
    for cap in (0.5, 1, 1e-9):
        assert set(training_windows(rows, frame, max_rul=cap).rul) == {0, cap}
        assert set(last_windows(rows, frame, last_rul=8, max_rul=cap).rul) == {cap}
        assert set(training_windows(rows, frame).capped_at(cap).rul) == {0, cap}


def test_a_random_split_takes_any_seed_from_0_on_and_any_share_from_none_to_all():
    rows, frame = engines(40)
    windows = training_windows(rows, frame)
    first = split_windows_at_random(windows)
    for one, other in zip(first, split_windows_at_random(windows, fraction=0.2, seed=0), strict=True):
        np.testing.assert_array_equal(one.starts, other.starts)
    assert [len(part) for part in first] == [9, 2]
    assert [len(part) for part in split_windows_at_random(windows, fraction=0)] == [11, 0]
    assert [len(part) for part in split_windows_at_random(windows, fraction=1)] == [0, 11]
    for wrong in ({"seed": -1}, {"fraction": 1.1}, {"fraction": -0.1}):
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            split_windows_at_random(windows, **wrong)


def test_a_cap_that_is_none_is_refused():
    rows, frame = engines(40)
    for wrong in (0, -5, np.nan):
        with pytest.raises(ValueError, match="max_rul is"):
            training_windows(rows, frame).capped_at(wrong)


def test_the_split_that_leaks_follows_its_seed_through_prepare():
    fleet = demo_fleet(engines=3, test_engines=1)
    first, again, other = (prepare(fleet, split="windows", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation.starts, again.validation.starts)
    assert first.validation.starts.tolist() != other.validation.starts.tolist()
