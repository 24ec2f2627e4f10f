"""Many runs read together: the flat table, paired differences, intervals and tests, against values by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rulbook.course import results
from rulbook.data import demo_fleet, prepare
from rulbook.methods import METHODS
from rulbook.runs.comparison import (
    Comparison,
    bootstrap_interval,
    collect,
    compare,
    holm,
    paired_differences,
    smallest_wilcoxon_p,
    wilcoxon_p,
)
from rulbook.runs.run import run
from rulbook.training import TrainingConfig


def table() -> pd.DataFrame:
    rows = [
        ("FD001", "baseline", 0, 15.0),
        ("FD001", "baseline", 1, 17.0),
        ("FD001", "amnl", 0, 14.0),
        ("FD001", "amnl", 1, 18.0),
        ("FD001", "amnl", 2, 13.0),  # has no partner
        ("FD002", "baseline", 0, 20.0),
        ("FD002", "amnl", 0, 10.0),
    ]
    return pd.DataFrame(rows, columns=["dataset", "method", "seed", "test_rmse"])


def test_pairs_are_matched_by_data_set_and_seed():
    difference = paired_differences(table(), "amnl", "baseline")
    assert difference.to_dict() == {("FD001", 0): -1.0, ("FD001", 1): 1.0, ("FD002", 0): -10.0}
    relative = paired_differences(table(), "amnl", "baseline", relative=True)
    assert relative[("FD002", 0)] == pytest.approx(np.log(0.5))
    with pytest.raises(ValueError, match="method is 'magic'"):
        paired_differences(table(), "magic", "baseline")
    apart = table().query("(method == 'amnl' and seed == 2) or (method == 'baseline' and seed == 0)")
    with pytest.raises(ValueError, match="share no data set and seed"):
        paired_differences(apart, "amnl", "baseline")


def test_a_comparison_says_what_the_pairs_say_and_no_more():
    # The one pair of FD002 says nothing about seeds, and is left out beside FD001.
    found = compare(table(), "amnl", "baseline")
    assert (found.pairs, found.subsets, found.lower) == (2, 1, 1)
    second = pd.DataFrame([("FD002", "amnl", 1, 30.0), ("FD002", "baseline", 1, 15.0)], columns=table().columns)
    found = compare(pd.concat([table(), second]), "amnl", "baseline")
    assert (found.pairs, found.subsets, found.lower) == (4, 2, 2)
    by_hand = np.mean([np.mean([np.log(14 / 15), np.log(18 / 17)]), np.mean([np.log(10 / 20), np.log(30 / 15)])])
    assert found.change == pytest.approx(np.exp(by_hand) - 1)
    assert found.low <= found.change <= found.high
    assert found.verdict == "too few pairs"
    assert str(found).endswith("lower in 2 of 4 pairs: too few pairs")
    alone = table()[table()["dataset"] == "FD002"]
    assert str(compare(alone, "amnl", "baseline")) == "-50.0 %, lower in 1 of 1 pairs: too few pairs"
    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        [
            ("FD001", method, seed, level * np.exp(0.01 * rng.normal()))
            for method, level in (("a", 1.0), ("b", 1.1), ("c", 1.0))
            for seed in range(8)
        ],
        columns=["dataset", "method", "seed", "test_rmse"],
    )
    assert compare(many, "a", "b").verdict == "lower"
    assert compare(many, "b", "a").verdict == "higher"
    assert compare(many, "a", "c").verdict == "cannot be told apart"
    assert compare(many, "a", "b").change == pytest.approx(1 / 1.1 - 1, abs=0.02)
    assert compare(many[many["seed"] < 5], "a", "b").verdict == "too few pairs"
    assert Comparison(8, 1, 7, -0.1, -0.2, -0.01, p=0.06).verdict == "cannot be told apart"
    assert Comparison(8, 1, 8, -0.1, -0.2, -0.01, p=0.01).verdict == "lower"


def test_an_interval_covers_as_often_as_it_says_it_does_for_many_values():
    rng = np.random.default_rng(1)
    hits = 0
    for draw in range(200):
        low, high = bootstrap_interval(rng.normal(3.0, 2.0, size=40), draws=400, seed=draw)
        hits += low <= 3.0 <= high
    assert 0.88 <= hits / 200 <= 0.98
    few = sum(
        low <= 0 <= high
        for draw in range(400)
        for low, high in [bootstrap_interval(rng.normal(size=5), draws=300, seed=draw)]
    )
    assert 0.76 <= few / 400 <= 0.90


def test_groups_count_alike_however_large():
    values, groups = [0.0] * 8 + [10.0], ["a"] * 8 + ["b"]
    assert bootstrap_interval(values, groups) == (5.0, 5.0)
    low, high = bootstrap_interval(values)
    assert low < 1.2 < high
    assert bootstrap_interval([1, 2, 4], seed=3) == bootstrap_interval([1, 2, 4], seed=3)
    for arguments, message in [
        (([],), "values is empty"),
        (([1.0, np.nan],), "values holds nan"),
        (([1.0, 2.0], ["a"]), "values has 2 values but groups has 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            bootstrap_interval(*arguments)


def test_five_seeds_cannot_reach_five_percent():
    assert smallest_wilcoxon_p(5) == 0.0625
    assert smallest_wilcoxon_p(6) == pytest.approx(0.03125)
    assert wilcoxon_p([-1.0, -0.5, -2.0, -0.1, -3.0]) == 0.0625
    for pairs in (3, 5, 8):
        assert wilcoxon_p(np.arange(1, pairs + 1)) == pytest.approx(smallest_wilcoxon_p(pairs))


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    rng = np.random.default_rng(0)
    p = rng.uniform(size=7)
    assert (holm(p) >= p).all()
    assert (holm(p) <= np.minimum(7 * p, 1) + 1e-12).all()
    assert stats.rankdata(holm(p), "min").tolist() <= stats.rankdata(p, "max").tolist()


def test_a_record_becomes_a_row(tmp_path):
    data = prepare(demo_fleet(engines=6, test_engines=4, seed=1), seed=0)
    record = run(data, TrainingConfig(epochs=2, batch_size=128, probe_every=3), tmp_path / "run", progress=False)
    row = record.to_row()
    assert (row["dataset"], row["method"], row["split"], row["seed"]) == ("demo", "amnl", "engines", 0)
    assert row["test_rmse"] == pytest.approx(record.test.rmse, rel=1e-4)
    assert row["norm_ratio_median"] == pytest.approx(record.gradients.norm_ratio.median, rel=1e-4)
    assert row["weight_rul"] + row["weight_health"] == pytest.approx(1.0, abs=1e-4)
    collected = collect(tmp_path)
    assert len(collected) == 1
    assert collected.loc[0, "uncapped_rmse"] >= 0
    with pytest.raises(ValueError, match="holds no"):
        collect(tmp_path / "run")


def test_the_committed_table_is_that_of_the_committed_records():
    folder = results.results_folder()
    stored = pd.read_csv(folder / "benchmark.csv")
    pd.testing.assert_frame_equal(collect(folder / "benchmark"), stored, check_dtype=False)
    assert not stored.duplicated(["dataset", "method", "preset", "split", "seed"]).any()
    assert set(stored["method"]) <= set(METHODS)
    assert len(stored) <= results.planned_runs()
    assert (stored["device"] == "cpu").all()
    assert set(results.read_benchmark()["split"]) == {"engines"}


def test_every_committed_record_is_of_a_planned_run():
    from rulbook.runs.sweep import finished_record, read_sweep

    folder = results.results_folder()
    planned = {run.name: run for run in read_sweep(folder / "benchmark.toml")}
    kept = sorted(path.parent.name for path in (folder / "benchmark").glob("*/record.json"))
    assert set(kept) <= set(planned)
    for name in kept:
        record = finished_record(planned[name], folder / "benchmark")
        assert (record.dataset, record.split) == (planned[name].dataset, planned[name].split)
        assert record.test is not None


def test_an_interval_has_the_ends_that_its_level_asks_for():
    # The mean of three draws from 0, 0, 1 is 1 in 1 of 27 cases (3.7 %) and at least 2/3 in 7 of 27 (25.9 %): above it
    # lie more than 2.5 % and less than 5 % of the draws. It is 0 in 8 of 27 (29.6 %).
    values = [0.0, 0.0, 1.0]
    assert bootstrap_interval(values) == (0.0, 1.0)
    assert bootstrap_interval(values, level=0.95) == (0.0, 1.0)
    assert bootstrap_interval(values, level=0.90) == pytest.approx((0.0, 2 / 3))
    assert bootstrap_interval(values, level=0.30) == pytest.approx((1 / 3, 1 / 3))
    assert bootstrap_interval(values, draws=1, seed=1) == bootstrap_interval(values, draws=1, seed=1)
    # The mean of two groups' means: 0 in 64 of 729 cases (8.8 %), 2/3 or more in 73 (10 %), 5/6 or more in 13 (1.8 %).
    grouped = bootstrap_interval([*values, *values], ["a"] * 3 + ["b"] * 3)
    assert grouped == pytest.approx((0.0, 2 / 3))


def test_data_sets_count_alike_however_many_their_pairs():
    rows = [
        (dataset, method, seed, (level if method == "a" else 1.0) * 10.0)
        for dataset, level, seeds in (("FD001", 0.5, 5), ("FD002", 2.0, 2))
        for method in ("a", "b")
        for seed in range(seeds)
    ]
    found = compare(pd.DataFrame(rows, columns=["dataset", "method", "seed", "test_rmse"]), "a", "b")
    # Half in one data set and twice in the other is no change; over the seven pairs it would be 2^(-3/7) - 1 = -26 %.
    assert (found.pairs, found.subsets, found.lower) == (7, 2, 5)
    assert (found.change, found.low, found.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


def test_pairs_without_a_difference_have_no_say_in_the_test():
    assert wilcoxon_p([0.0, 0.0, 0.0]) == 1.0
    assert wilcoxon_p([0.0, 1.0, 2.0, 3.0]) == wilcoxon_p([1.0, 2.0, 3.0]) == 0.25
    assert wilcoxon_p([0.0, -1.0, -2.0]) == wilcoxon_p([-1.0, -2.0]) == 0.5


def test_a_damaged_record_is_named(tmp_path):
    source = next(results.results_folder().glob("benchmark/*/record.json"))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_bytes(source.read_bytes())
    assert len(collect(tmp_path)) == 2
    record = json.loads(source.read_text())
    for damaged in ("", "[]", json.dumps({**record, "machine": {}}), json.dumps({**record, "last_task_weights": [1]})):
        (tmp_path / "b" / "record.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"b/record\.json' is damaged"):
            collect(tmp_path)


def test_every_committed_run_counts_as_finished(capsys):
    from rulbook.cli import main

    folder = results.results_folder()
    assert main(["sweep", str(folder / "benchmark.toml"), "--out", str(folder / "benchmark"), "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == results.planned_runs()
    assert sum(line.split()[1] == "finished" for line in lines) == len(list(folder.glob("benchmark/*/record.json")))
