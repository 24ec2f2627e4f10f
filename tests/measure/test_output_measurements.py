"""The committed measurements of chapter 11 are consistent in themselves, and their networks what they should be."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from rulbook.course.results import read_json

MEASURE = Path(__file__).resolve().parents[2] / "book" / "measure"
LIVES = read_json("test_engine_lives")
ENDS = read_json("output_activations")
NAMES = ("normal", "degrading", "critical")
HEADS = {f"{who} network": LIVES["fresh_heads"][f"{who} network"] for who in ("trained", "untrained")}
NETWORKS = [(who, seed) for who in ("trained", "untrained") for seed in "012"]


@pytest.mark.parametrize("why", LIVES["engines"])
def test_a_life_is_whole(why):
    one = LIVES["engines"][why]
    cycle = np.array(one["cycle"])
    assert cycle[0] == 30
    assert (np.diff(cycle) == 1).all()
    assert (np.diff(one["true_rul"]) == -1).all()
    np.testing.assert_allclose(sum(np.array(one[name]) for name in NAMES), 1, atol=2e-3)
    assert 0 <= min(one["rul"]) <= max(one["rul"]) <= 125


def test_both_heads_judge_every_window():
    heads = LIVES["heads"]
    assert all(sum(counts) == heads["windows"] for counts in heads["named"].values())
    assert heads["normal_against_critical"] <= heads["differ"] <= heads["windows"]


def macro_f1(confusion: list[list[int]]) -> float:
    """The plain mean of F1 = 2 TP / (2 TP + FP + FN) over the classes; rows are the truth."""
    counts = np.array(confusion)
    return float(np.mean(2 * np.diag(counts) / (counts.sum(axis=0) + counts.sum(axis=1))))


def test_every_judge_of_the_health_classes_saw_the_same_windows():
    heads, fresh = LIVES["heads"], LIVES["fresh_heads"]
    judges = {**heads["scores"], **{f"{who} {seed}": fresh[f"{who} network"][seed] for who, seed in NETWORKS}}
    for who, found in judges.items():
        confusion = np.array(found["confusion"])
        assert confusion.sum(axis=1).tolist() == heads["named"]["truth"], who
        assert found["macro_f1"] == pytest.approx(macro_f1(found["confusion"]), abs=6e-4), who
        assert found["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum(), abs=6e-4), who
        if who in heads["named"]:
            assert confusion.sum(axis=0).tolist() == heads["named"][who]


def test_fresh_heads_read_what_the_trained_one_does_not():
    fresh = {who: [one["macro_f1"] for one in found.values()] for who, found in HEADS.items()}
    own = LIVES["heads"]["scores"]["health head"]["macro_f1"]
    assert own + 0.2 < min(fresh["untrained network"])
    assert max(fresh["untrained network"]) + 0.05 < min(fresh["trained network"])
    assert LIVES["fresh_heads"]["epochs"] == LIVES["run"]["selected_epoch"]


def test_a_fresh_head_learns_what_stands_on_the_slip_and_no_more():
    script = runpy.run_path(str(MEASURE / "test_engine_lives.py"))
    classes = torch.arange(300) % 3
    telling = torch.nn.functional.pad(torch.eye(3)[classes], (0, 29))
    silent = torch.ones_like(telling)
    for slips, share in ((telling, 1.0), (silent, 1 / 3)):
        head = script["fresh_head"](0, slips, classes, 100)
        assert not head.training
        named = head(slips).argmax(dim=1)
        assert (named == classes).float().mean().item() == pytest.approx(share, abs=1e-6)


def test_the_arms_share_their_seeds():
    arms = dict(ENDS["arms"])
    alone = arms.pop("ReLU, default bias, RUL alone")
    assert len({tuple(run["seed"] for run in runs) for runs in arms.values()}) == 1
    assert all(0 <= run[key] <= 1 for runs in arms.values() for run in runs for key in run if "zeros" in key)
    assert [run["seed"] for run in alone] == [
        run["seed"] for run in arms["ReLU, default bias"] if run["zeros_before"] == 1
    ]


def test_what_the_page_says_of_the_arms():
    arms = ENDS["arms"]
    assert all(run["zeros_before"] == run["zeros_after"] == 1 for run in arms["ReLU, default bias, RUL alone"])
    born_dead = [run for run in arms["ReLU, default bias"] if run["zeros_before"] == 1]
    assert sorted(run["zeros_after"] for run in born_dead) == [0, 0, 0, 0.422]
    at_mean = arms["nothing, bias at the mean"]
    assert all(a["rmse"] > b["rmse"] for a, b in zip(arms["nothing, default bias"], at_mean, strict=True))


def test_the_script_builds_what_its_arms_say():
    script = runpy.run_path(str(MEASURE / "output_activations.py"))
    plain = script["network"](3, False, False, 80.0)
    behind = script["network"](3, True, False, 80.0)
    assert abs(plain.rul_head[-1].bias.item()) <= 0.25
    assert script["network"](3, False, True, 80.0).rul_head[-1].bias.item() == 80.0
    x = torch.randn(4, 30, 14, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(behind.eval()(x)[0], plain.eval()(x)[0].relu())
