"""NASA's C-MAPSS data set, as it is, in three lines of pandas; the rest is making sure that it is NASA's."""

from __future__ import annotations

import warnings
from pathlib import Path

from rulbook._check import one_of, same_length
from rulbook.data.facts import SHA256, SUBSETS
from rulbook.data.fetch import cmapss_folder, sha256_of
from rulbook.data.fleet import Fleet, engine_runs
from rulbook.data.tables import read_cmapss_text, rul_vector
from rulbook.errors import InputError

__all__ = ["load_cmapss"]


def load_cmapss(subset: str, root: str | Path | None = None, *, verify: bool = True) -> Fleet:
    """Load FD001, FD002, FD003 or FD004.

    Args:
        subset: The name of the subset.
        root: NASA's files: a folder that holds them, or NASA's zip, outer or inner. None: the folder or zip that
            ``$RULBOOK_DATA`` names, else the cache, into which they are downloaded when it is empty.
        verify: Refuse a file whose SHA-256 is not that of NASA's file. With False it is loaded, and a warning names it.

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
    for file in files:
        if (found := sha256_of(file)) != SHA256[file.name]:
            _differs(file, found, verify)
    train, test = map(read_cmapss_text, files[:2])
    test_rul = rul_vector(files[2].read_text(encoding="ascii", errors="replace"), files[2].name)
    same_length(files[2].name, test_rul, "the list of test engines", engine_runs(test).units)
    return Fleet(subset, train, test, test_rul)


def _differs(file: Path, found: str, verify: bool) -> None:
    sentence = f"{file.name} in {str(file.parent)!r} differs from NASA's file: its SHA-256 is {found[:12]}…, "
    sentence += f"not {SHA256[file.name][:12]}…"
    if verify:
        raise InputError(f"{sentence}. It may be cut off or changed; pass verify=False to load it all the same.")
    warnings.warn(f"{sentence}; loaded because verify is False.", stacklevel=3)
