"""What several commands are tried on."""

from __future__ import annotations

import functools

import pytest

from rulbook.cli import main
from rulbook.data import demo_fleet


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "--epochs", "1", "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def small_demo(monkeypatch):
    small = functools.partial(demo_fleet, engines=6, test_engines=3)
    monkeypatch.setattr("rulbook.data.sources.demo.demo_fleet", small)
    return small()
