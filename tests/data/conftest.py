"""Files in NASA's layout, made here: small, valid, and not NASA's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from nasafiles import nasa_text, zipped

from rulbook.data import Fleet, demo_fleet
from rulbook.data.sources import cmapss
from rulbook.data.sources.cmapss import CMAPSS_FILES


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return demo_fleet(engines=12, test_engines=6, seed=3)


@pytest.fixture(scope="session")
def fake_files() -> dict[str, bytes]:
    """Twelve files named like NASA's, each subset another small fleet."""
    contents = {}
    for seed, subset in enumerate(cmapss.NAMES):
        made = demo_fleet(engines=2, test_engines=2, seed=seed)
        contents[f"train_{subset}.txt"] = nasa_text(made.train).encode()
        contents[f"test_{subset}.txt"] = nasa_text(made.test).encode()
        contents[f"RUL_{subset}.txt"] = "".join(f"{rul:g} \n" for rul in made.test_rul).encode()
    assert sorted(contents) == sorted(CMAPSS_FILES)
    return contents


@pytest.fixture(scope="session")
def fake_checksums(fake_files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in fake_files.items()}


@pytest.fixture
def fake_folder(tmp_path: Path, fake_files: dict[str, bytes]) -> Path:
    folder = tmp_path / "fake"
    folder.mkdir()
    for name, content in fake_files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def inner_zip(fake_files: dict[str, bytes]) -> bytes:
    return zipped({**fake_files, "readme.txt": b"Data Set: FD001"})


@pytest.fixture(scope="session")
def outer_zip(inner_zip: bytes) -> bytes:
    return zipped({"6. Turbofan Engine Degradation Simulation Data Set/CMAPSSData.zip": inner_zip})


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own, through the variable that the operating system's convention names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.delenv("RULBOOK_DATA", raising=False)
    return tmp_path / "cache"
