"""NASA's C-MAPSS data set, as it is, in three lines of pandas; the rest is making sure that it is NASA's."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pandas as pd

from rulbook._check import one_of, same_length
from rulbook.data.facts import COLUMNS, SHA256, SUBSETS
from rulbook.data.fetch import cmapss_folder
from rulbook.data.fleet import Fleet, engine_runs, require_rows
from rulbook.data.textfiles import cmapss_text, rul_vector
from rulbook.errors import InputError

__all__ = ["load_cmapss"]


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
    folder = cmapss_folder(root)
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
    return Fleet(subset, train, test, test_rul)


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
