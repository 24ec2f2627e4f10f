"""Labels by hand, and splits that keep engines apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulbook.data import CutRange, cap, cut_engines, engine_runs, health_labels, rul_labels, split_engines
from rulbook.errors import InputError

TWO = pd.DataFrame({"unit": [7, 7, 7, 3, 3], "cycle": [1, 2, 3, 1, 2], "x": [0.0, 1.0, 2.0, 3.0, 4.0]})


def test_rul_by_hand_under_both_conventions():
    assert rul_labels(TWO).tolist() == [2, 1, 0, 1, 0]
    assert rul_labels(TWO, last_rul=1).tolist() == [3, 2, 1, 2, 1]
    assert rul_labels(TWO, last_rul=[10, 100]).tolist() == [12, 11, 10, 101, 100]


def test_rul_counts_cycles_not_rows():
    gap = pd.DataFrame({"unit": 1, "cycle": [1, 5, 6]})
    assert rul_labels(gap).tolist() == [5, 1, 0]


def test_health_classes_at_their_borders():
    assert health_labels([200, 80.5, 80, 31, 30.5, 30, 0]).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert health_labels([51, 50, 15], thresholds=(50, 15)).tolist() == [0, 1, 2]


@given(st.lists(st.floats(0, 400), min_size=1, max_size=20))
def test_the_cap_changes_no_class(rul):
    capped = cap(rul)
    assert capped.max() <= 125
    np.testing.assert_array_equal(np.asarray(rul)[capped < 125], capped[capped < 125])
    np.testing.assert_array_equal(health_labels(capped), health_labels(rul))


def test_bad_labels():
    with pytest.raises(ValueError, match="last_rul holds -1: an engine cannot have fewer than 0"):
        rul_labels(TWO, last_rul=[-1, 2])
    with pytest.raises(ValueError, match="last_rul holds nan"):
        rul_labels(TWO, last_rul=np.nan)
    with pytest.raises(ValueError, match="max_rul is 0"):
        cap([1.0], 0)
    with pytest.raises(ValueError, match=r"thresholds is \(30, 80\): the first must be greater"):
        health_labels([1.0], (30, 80))
    with pytest.raises(ValueError, match="frame lacks the column unit"):
        rul_labels(TWO.drop(columns="unit"))


def test_runs_of_engines():
    runs = engine_runs(TWO)
    assert (runs.units.tolist(), runs.first.tolist(), runs.length.tolist()) == ([7, 3], [0, 3], [3, 2])
    assert runs.last.tolist() == [2, 4]


@given(engines=st.integers(2, 60), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**20))
def test_split_keeps_every_engine_whole_and_on_one_side(engines, fraction, seed):
    units = np.repeat(np.arange(engines), 3)
    train, held_out = split_engines(units, fraction=fraction, seed=seed)
    assert sorted([*train, *held_out]) == list(range(engines))
    assert len(train) >= 1
    assert len(held_out) >= 1
    assert abs(len(held_out) - fraction * engines) <= 1
    np.testing.assert_array_equal(split_engines(np.unique(units), fraction=fraction, seed=seed)[1], held_out)


def test_split_depends_on_the_seed_not_on_the_order_in_the_file():
    units = np.arange(100)
    held_out = split_engines(units, seed=1)[1]
    assert len(held_out) == 20
    assert held_out.tolist() != split_engines(units, seed=2)[1].tolist()
    np.testing.assert_array_equal(split_engines(units[::-1], seed=1)[1], held_out)
    assert held_out.max() - held_out.min() > 50


def test_split_of_nothing_and_of_one():
    assert [part.tolist() for part in split_engines([1, 2], fraction=0)] == [[1, 2], []]
    with pytest.raises(ValueError, match=r"names 1 engine\(s\): at least two"):
        split_engines([4, 4])
    with pytest.raises(ValueError, match="fraction is 1"):
        split_engines([1, 2], fraction=1)


def test_cuts_look_like_the_test_protocol(fleet):
    cut, rul = cut_engines(fleet.train, fleet.cut, seed=2, cuts=5)
    runs = engine_runs(cut)
    assert runs.units.tolist() == list(range(1, 61))
    assert rul.min() >= 1
    assert rul.max() <= 145
    assert runs.length.min() >= 30
    life = fleet.train.groupby("unit")["cycle"].max()
    source = cut["source_unit"].to_numpy()[runs.first]
    np.testing.assert_array_equal(runs.length + rul, life[source])
    np.testing.assert_array_equal(source, np.repeat(life.index, 5))
    original = fleet.train.set_index(["unit", "cycle"])
    kept = original.loc[list(zip(cut["source_unit"], cut["cycle"], strict=True))]
    np.testing.assert_array_equal(kept["s4"], cut["s4"])
    assert rul_labels(cut, last_rul=rul)[0] == life[source[0]] - 1
    again, same = cut_engines(fleet.train, fleet.cut, seed=2, cuts=5)
    pd.testing.assert_frame_equal(again, cut)
    np.testing.assert_array_equal(same, rul)
    assert cut_engines(fleet.train, fleet.cut, seed=3, cuts=5)[1].tolist() != rul.tolist()


def test_cutting_short_engines():
    cut, rul = cut_engines(TWO, CutRange(shortest_history=30), seed=0, cuts=1)
    assert rul.tolist() == [1, 1]
    assert cut["source_unit"].tolist() == [7, 7, 3]
    with pytest.raises(ValueError, match="cuts is 0"):
        cut_engines(TWO, seed=0, cuts=0)


def test_cycles_must_rise_not_merely_change():
    for cycles in ([1, 1, 2], [1, 2, 2], [2, 1, 3]):
        with pytest.raises(ValueError, match="cycles must rise"):
            engine_runs(pd.DataFrame({"unit": 1, "cycle": cycles}))


def test_cuts_of_nothing_and_at_the_edges_of_their_arguments():
    nothing, rul = cut_engines(TWO.iloc[:0], seed=0)
    assert (len(nothing), len(rul), "source_unit" in nothing) == (0, 0, True)
    life = pd.DataFrame({"unit": 1, "cycle": range(1, 101)})
    kept, rul = cut_engines(life, CutRange(longest_rul=4, shortest_history=90), seed=0, cuts=50)
    assert (rul.min(), rul.max(), engine_runs(kept).length.min()) == (1, 4, 96)
    _, rul = cut_engines(life, CutRange(20, 30), seed=0, cuts=200)
    assert (rul.min(), rul.max()) == (20, 30)
    _, rul = cut_engines(life, CutRange(20, 30, shortest_history=95), seed=0, cuts=50)
    assert set(rul) == {5}, "history goes before the shortest RUL"
    _, rul = cut_engines(life, seed=0, cuts=2000)
    assert (rul.min(), rul.max()) == (1, 99), "without a range, anywhere"
    for wrong in ({"shortest_history": 0}, {"longest_rul": 0}, {"shortest_rul": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            CutRange(**wrong)
    with pytest.raises(ValueError, match="longest_rul is 3: it must be at least shortest_rul, 5"):
        CutRange(5, 3)
    with pytest.raises(ValueError, match="seed"):
        cut_engines(TWO, seed=-1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rul_labels(TWO, last_rul=["a", "b"]), r"last_rul is \['a', 'b'\]"),
        (lambda: rul_labels(TWO, last_rul=[[1, 2], [3, 4]]), r"last_rul has shape \(2, 2\)"),
        (lambda: health_labels([1.0], (80, float("nan"))), r"thresholds\[1\] is nan"),
        (lambda: split_engines([1, "a", None]), "units is .*one kind for all"),
        (lambda: split_engines([1, 2], fraction=float("nan")), "fraction is nan"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_labels_and_splits_refuse_by_name(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_last_rul_as_a_column_is_one_for_each_engine():
    assert rul_labels(TWO, last_rul=np.array([[10], [100]])).tolist() == [12, 11, 10, 101, 100]
