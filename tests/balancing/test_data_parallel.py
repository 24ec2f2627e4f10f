"""Two processes under torchrun: every rank uses the same weights, those of the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from two_processes import FORMS, run

from rulbook.balancing.weighted_sum import MEASURES

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    out = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
    subprocess.run(
        [*command, str(HERE / "two_processes.py"), str(out)],
        env=environment,
        check=True,
        timeout=240,
        capture_output=True,
    )
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("form", FORMS)
def test_ranks_agree_with_each_other_and_with_one_process_on_the_whole_batch(ranks, form):
    first, second = (rank[form] for rank in ranks)
    assert torch.equal(first["weights"], second["weights"])
    assert torch.equal(first["parameters"], second["parameters"])
    whole = run(form, 0, 1, None)
    assert_close(first["weights"], whole["weights"], rtol=1e-10, atol=0)
    assert_close(first["parameters"], whole["parameters"], rtol=1e-10, atol=1e-12)


def test_ranks_that_do_not_talk_drift_apart(ranks):
    first, second = (rank["alone"]["weights"] for rank in ranks)
    assert (first - second).abs().max() > 0.01


@pytest.mark.parametrize("measure", MEASURES)
def test_a_wrapped_model_stays_in_step_and_is_told_that_its_weights_do_not(ranks, measure):
    first, second = (rank[f"wrapped {measure}"] for rank in ranks)
    assert_close(first["parameters"], second["parameters"], rtol=1e-6, atol=1e-7)
    assert not torch.equal(first["weights"], second["weights"])
    assert len(first["told"]) == len(second["told"]) == 1
    assert "2 processes without a process_group" in first["told"][0]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "every"])
def test_what_one_process_lacks_all_leave_out(ranks, form):
    first, second = (rank[f"lacking {form}"] for rank in ranks)
    assert torch.equal(first["steps"], second["steps"])
    assert bool(first["steps"].isfinite().all())
    # Absent, there, overflown: the second weight tells.
    assert (first["steps"][:, 1] > 0).tolist() == [False, True, False]
    assert not first["shown"].isfinite().any()
    assert not second["shown"].isfinite().any()
