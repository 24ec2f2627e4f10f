"""NASA's C-MAPSS data set: what is known about it, each fact with its source, and the way to load it.

Sources: [S] Saxena, Goebel, Simon, Eklund (2008), *Damage propagation modeling for aircraft engine run-to-failure
simulation*, PHM 2008, and the ``readme.txt`` in NASA's archive; [C] counted in the files themselves, and counted again
by the tests that have them; [L] a convention of the literature on this data set.

Loading it is three lines of pandas; the rest is making sure that it is NASA's.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from rulbook._check import one_of, same_length
from rulbook.data.fetch import Archive
from rulbook.data.fleet import CutRange, Fleet, engine_runs, require_rows
from rulbook.data.layout import COLUMNS, SENSORS_14, SETTINGS
from rulbook.data.textfiles import cmapss_text, rul_vector
from rulbook.errors import InputError
from rulbook.horizon import Horizon

__all__ = [
    "ARCHIVE",
    "CMAPSS_FILES",
    "NAMES",
    "OPERATING_POINTS",
    "SENSOR_NAMES",
    "SHA256",
    "SUBSETS",
    "SubsetFacts",
    "download_cmapss",
    "load",
    "load_cmapss",
]

SENSOR_NAMES = {
    "s1": "T2, total temperature at the fan inlet, °R",
    "s2": "T24, total temperature at the LPC outlet, °R",
    "s3": "T30, total temperature at the HPC outlet, °R",
    "s4": "T50, total temperature at the LPT outlet, °R",
    "s5": "P2, pressure at the fan inlet, psia",
    "s6": "P15, total pressure in the bypass duct, psia",
    "s7": "P30, total pressure at the HPC outlet, psia",
    "s8": "Nf, physical fan speed, rpm",
    "s9": "Nc, physical core speed, rpm",
    "s10": "epr, engine pressure ratio P50/P2",
    "s11": "Ps30, static pressure at the HPC outlet, psia",
    "s12": "phi, fuel flow per Ps30, pps/psi",
    "s13": "NRf, corrected fan speed, rpm",
    "s14": "NRc, corrected core speed, rpm",
    "s15": "BPR, bypass ratio",
    "s16": "farB, burner fuel-air ratio",
    "s17": "htBleed, bleed enthalpy",
    "s18": "Nf_dmd, demanded fan speed, rpm",
    "s19": "PCNfR_dmd, demanded corrected fan speed, rpm",
    "s20": "W31, HPT coolant bleed, lbm/s",
    "s21": "W32, LPT coolant bleed, lbm/s",
}
"""The 21 sensors in file order. [S, table 2]"""

OPERATING_POINTS = (
    (0.0, 0.0, 100.0),
    (10.0, 0.25, 100.0),
    (20.0, 0.70, 100.0),
    (25.0, 0.62, 60.0),
    (35.0, 0.84, 100.0),
    (42.0, 0.84, 100.0),
)
"""The six points that FD002 and FD004 fly at, as :data:`SETTINGS`; FD001 and FD003 know the first only. [C]"""


@dataclass(frozen=True)
class SubsetFacts:
    """Counts of one subset.

    Attributes:
        conditions: Operating conditions. [S]
        fault_modes: 1: the high-pressure compressor degrades; 2: in some engines it is the fan. [S]
        train_engines: Engines run to failure. [C]
        test_engines: Engines cut off before failure. [C]
        train_rows: Cycles in the training file. [C]
        test_rows: Cycles in the test file. [C]
        shortest_rul: What the test engine that is nearest to its end has left, in cycles. [C]
        longest_rul: What the one that is farthest has. [C]
        shortest_history: Cycles that are known of the test engine that was cut off first. [C]
    """

    conditions: int
    fault_modes: int
    train_engines: int
    test_engines: int
    train_rows: int
    test_rows: int
    shortest_rul: int
    longest_rul: int
    shortest_history: int


SUBSETS = {
    "FD001": SubsetFacts(1, 1, 100, 100, 20_631, 13_096, 7, 145, 31),
    "FD002": SubsetFacts(6, 1, 260, 259, 53_759, 33_991, 6, 194, 21),
    "FD003": SubsetFacts(1, 2, 100, 100, 24_720, 16_596, 6, 145, 38),
    # NASA's readme swaps the engine counts of FD004: it announces 248 for training and 249 for testing.
    "FD004": SubsetFacts(6, 2, 249, 248, 61_249, 41_214, 6, 195, 19),
}

CMAPSS_FILES = tuple(f"{part}_{subset}.txt" for subset in SUBSETS for part in ("train", "test", "RUL"))

NASA_ZIP_URL = "https://phm-datasets.s3.amazonaws.com/NASA/6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip"
"""NASA's own archive: a zip around ``CMAPSSData.zip`` around the twelve files."""

SHA256 = {
    "RUL_FD001.txt": "a19c8ec94931949d0485bdc35118206e9c81c4547b422efb9cf86f4ceddbceca",
    "RUL_FD002.txt": "c851dd96a6ea6998d3c4a8f834d3c8013aa90e93a6ed950dc826ad0655b2906b",
    "RUL_FD003.txt": "df1e0566306b174a2de41c67a3e7a51877889598b78643fc3e5685259091b7cb",
    "RUL_FD004.txt": "196b836b85a95ac7fdbbf29c5fdf1657382eafa445644d114ffaaf50dc2975e1",
    "test_FD001.txt": "3cda7109ce17bafb5443f2ac926cfcf88154b941b8c4cf95eb55d1ddd6f52851",
    "test_FD002.txt": "de7b5bf7e998a985c378488480528b7c02cff1406a46740def362dda8d9b4e02",
    "test_FD003.txt": "299babd63c8d987cef079c4a425429f33b3a34797d803bbe2ad48c29dbd0d790",
    "test_FD004.txt": "1dc675fff0624bac10786927c6715b37d1297657137400d2b1a3138d777a3ba5",
    "train_FD001.txt": "963b5e22825b34d8b21c69e1aeb4af3e647050eb672ee8834ba4b5d91d2de0f8",
    "train_FD002.txt": "dac6c4dbc4e7c1bdeb5747da3d313d05c395bb99801b44a002b26a2ba13d788f",
    "train_FD003.txt": "2abbe9968cc5e8eb091980f51b20f62bb4127336d3482cb52071d53bf23329e2",
    "train_FD004.txt": "27ef6160b6a1dcb2613a88de9c239f763b223f02cdc41dc5cdedc5dc189b6218",
}
"""Of the twelve files as unpacked from NASA's archive."""


NAMES = tuple(SUBSETS)
"""What the command line and :func:`rulbook.data.sources.load` call these data sets."""

ARCHIVE = Archive(
    data_set="C-MAPSS",
    publisher="NASA",
    folder="cmapss",
    url=NASA_ZIP_URL,
    files=CMAPSS_FILES,
    sha256=SHA256,
    variable="RULBOOK_DATA",
    inner="CMAPSSData.zip",
)
"""The twelve files as NASA offers them."""


def load(name: str, root: str | Path | None = None, *, verify: bool = True) -> Fleet:
    """What the registry calls: :func:`load_cmapss`."""
    return load_cmapss(name, root, verify=verify)


def download_cmapss(
    folder: str | Path | None = None,
    *,
    url: str = NASA_ZIP_URL,
    checksums: Mapping[str, str] | None = SHA256,
    progress: bool = True,
) -> Path:
    """Fetch NASA's archive (12 MB) and unpack its twelve files, each checked.

    Args:
        folder: Where to put them; the cache by default.
        url: The archive.
        checksums: The SHA-256 of each file; None takes the files as they come.
        progress: Show a progress bar.

    Returns:
        The folder.

    Raises:
        OSError: If the archive cannot be fetched.
        ValueError: If it is not NASA's.
    """
    archive = replace(ARCHIVE, url=url, sha256=checksums or {})
    return archive.download(folder, verify=checksums is not None, progress=progress)


def load_cmapss(subset: str, root: str | Path | None = None, *, verify: bool = True) -> Fleet:
    """Load FD001, FD002, FD003 or FD004.

    Args:
        subset: The name of the subset.
        root: NASA's files: a folder that holds them, or NASA's zip, outer or inner. None: the folder or zip that
            ``$RULBOOK_DATA`` names, else the cache, into which they are downloaded when it is empty.
        verify: Refuse a file that holds other numbers than NASA's, by its SHA-256 (line ends may differ). With False
            it is loaded, and a warning names it.

    Returns:
        ``train`` and ``test`` with the 26 columns of :data:`~rulbook.data.COLUMNS`, and ``test_rul``, the true RUL of
        each test engine after its last cycle, in cycles, not capped.

    Raises:
        ValueError: If the subset is unknown, a file is missing, cut off or differs from NASA's.
        OSError: If the files have to be downloaded and cannot be.

    Example:
        >>> fleet = load_cmapss("FD001")  # doctest: +SKIP
        >>> data = prepare(fleet)  # doctest: +SKIP
        >>> x, rul, health = data.train.tensors()  # doctest: +SKIP
    """
    one_of("subset", subset, SUBSETS)
    folder = ARCHIVE.found(root)
    files = [folder / f"{part}_{subset}.txt" for part in ("train", "test", "RUL")]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file.name} is not in {str(folder)!r}: give the folder that holds NASA's twelve files.")
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents, strict=True):
        if not _is_nasas(file.name, content):
            _differs(file, content, verify)
    train, test = (_table(content, file.name) for file, content in zip(files[:2], contents[:2], strict=True))
    test_rul = rul_vector(contents[2].decode("utf-8", errors="replace"), files[2].name)
    same_length(files[2].name, test_rul, "the list of test engines", engine_runs(test).units)
    facts = SUBSETS[subset]
    cut = CutRange(facts.shortest_rul, facts.longest_rul, facts.shortest_history)
    return Fleet(subset, train, test, test_rul, SETTINGS, SENSORS_14, Horizon(), cut=cut)


def _table(content: bytes, name: str) -> pd.DataFrame:
    frame, _, lines = cmapss_text(content, name)
    require_rows(frame, COLUMNS[2:], name, lines)
    return frame


def _is_nasas(name: str, content: bytes) -> bool:
    """Whether a file holds NASA's numbers as NASA wrote them; how lines end is not looked at.

    Git and editors change line ends and strip the blanks before them. Written as NASA wrote them, such a file is
    NASA's again, to the last byte, if its numbers are.
    """
    if hashlib.sha256(content).hexdigest() == SHA256[name]:
        return True
    end = b" \n" if name.startswith("RUL") else b"  \n"
    content = content.removeprefix(b"\xef\xbb\xbf")
    lines = [b" ".join(line.split()) + end for line in content.splitlines() if line.strip()]
    return hashlib.sha256(b"".join(lines)).hexdigest() == SHA256[name]


def _differs(file: Path, content: bytes, verify: bool) -> None:
    found = hashlib.sha256(content).hexdigest()
    sentence = f"{file.name} in {str(file.parent)!r} differs from NASA's file: its SHA-256 is {found[:12]}…, "
    sentence += f"not {SHA256[file.name][:12]}…, and it holds other numbers"
    if verify:
        raise InputError(
            f"{sentence}. It may be cut off or changed: give NASA's own zip or folder as root (--root), or delete this "
            "one to have it downloaded again. In Python, pass verify=False to load it all the same."
        )
    warnings.warn(f"{sentence}; loaded because verify is False.", stacklevel=3)
