"""NASA's files: where they are looked for, how they are fetched, how each is known to be the right one.

No path inside an archive is ever used as a path on disk: the twelve names that are wanted are known, and anything else
is left in the archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import lzma
import os
import struct
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rulbook._needs import needed
from rulbook.data.facts import CMAPSS_FILES, NASA_ZIP_URL, SHA256
from rulbook.errors import InputError

__all__ = ["cache_folder", "cmapss_folder", "download_cmapss", "sha256_of", "unpack_cmapss"]

_INNER_ZIP = "CMAPSSData.zip"
# NASA's largest file is 10 MB and its inner archive 12 MB; a member that claims more is not one of them.
_LARGEST_MEMBER = 64 * 2**20
# Nor is an archive: it has 12 MB. A server that trickles is given up after ten minutes, a silent one after one.
_LARGEST_ARCHIVE = 128 * 2**20
_SILENCE_S, _LONGEST_S = 60.0, 600.0


# What reading a damaged or foreign archive may raise: lies in its tables, streams that are none, methods unknown here.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    OverflowError,
    MemoryError,
    struct.error,
)


def cache_folder() -> Path:
    """Where downloaded files are kept: ``rulbook/cmapss`` under the user's cache folder, as pooch finds it."""
    with needed():
        import pooch

    return Path(pooch.os_cache("rulbook")) / "cmapss"


def cmapss_folder(root: str | Path | None = None) -> Path:
    """The folder that holds NASA's files: ``root``, else ``$RULBOOK_DATA``, else the cache, filled by download.

    A zip is unpacked to a folder of the cache that is named after its contents, once.

    Raises:
        ValueError: If ``root`` or ``$RULBOOK_DATA`` is neither a folder nor a zip of NASA's.
        OSError: If the download fails.
    """
    named = root if root is not None else os.environ.get("RULBOOK_DATA") or None
    if named is None:
        folder = cache_folder()
        return folder if _complete(folder) else download_cmapss(folder)
    origin = "root" if root is not None else "RULBOOK_DATA"
    path = Path(named).expanduser()
    if path.is_dir():
        return path
    if not path.is_file():
        raise InputError(f"{origin} is {str(named)!r}: no such folder or zip.")
    unpacked = cache_folder() / f"zip-{sha256_of(path)[:16]}"
    # No checksums here: whoever loads a file checks it, and may insist on one that differs.
    return unpacked if _complete(unpacked) else unpack_cmapss(path, unpacked, checksums=None)


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
    target = cache_folder() if folder is None else Path(folder)
    with tempfile.TemporaryDirectory(prefix="rulbook-") as scratch:
        archive = Path(scratch) / "cmapss.zip"
        try:
            _fetch(url, archive, progress)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise OSError(
                f"NASA's archive could not be fetched from {url}: {error or type(error).__name__}. "
                "Fetch it with a browser and pass its path as root, or set RULBOOK_DATA to it."
            ) from error
        return unpack_cmapss(archive, target, checksums=checksums)


def _fetch(url: str, archive: Path, progress: bool) -> None:
    """Write what ``url`` gives to a file, within a limit of size and one of time for all of it.

    Raises:
        OSError: If the server fails, is too slow, or gives too much or too little.
    """
    with needed():
        from tqdm import tqdm

    if not url.startswith(("http://", "https://")):
        raise OSError("only http and https are fetched")
    deadline = time.monotonic() + _LONGEST_S
    with (
        urllib.request.urlopen(url, timeout=_SILENCE_S, context=_trusted(url)) as response,
        archive.open("wb") as file,
    ):
        if not response.geturl().startswith(("http://", "https://")):
            raise OSError(f"it leads to {response.geturl()}, and only http and https are fetched")
        length = response.headers.get("Content-Length", "")
        promised = int(length) if length.isdigit() else None
        if promised is not None and promised > _LARGEST_ARCHIVE:
            raise OSError(f"{promised:,} bytes are offered, and NASA's archive is far smaller")
        received = 0
        with tqdm(total=promised, unit="B", unit_scale=True, disable=not progress) as bar:
            # read1 returns what has come, so that the clock is looked at between the drops of a trickle.
            while chunk := response.read1(1 << 16):
                received += len(chunk)
                if received > _LARGEST_ARCHIVE:
                    raise OSError(f"more than {_LARGEST_ARCHIVE:,} bytes came, and NASA's archive is far smaller")
                if time.monotonic() > deadline:
                    raise OSError(f"only {received:,} bytes came within {_LONGEST_S:g} seconds")
                file.write(chunk)
                bar.update(len(chunk))
    if promised is not None and received != promised:
        raise OSError(f"the connection ended after {received:,} of {promised:,} bytes")


def _trusted(url: str) -> Any:
    """The certificates that pooch's own downloads trust, for an address that needs them."""
    if not url.startswith("https://"):
        return None
    import ssl

    try:
        import certifi
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def unpack_cmapss(archive: str | Path, folder: str | Path, *, checksums: Mapping[str, str] | None = SHA256) -> Path:
    """Write the twelve files of NASA's archive, outer or inner, to ``folder``, after all of them have been checked.

    Raises:
        ValueError: If the archive is damaged, lacks a file, holds one that differs from NASA's, or a path that leads
            out of it.
    """
    source, target = Path(archive), Path(folder)
    contents = _read_members(source)
    missing = [name for name in CMAPSS_FILES if name not in contents]
    if missing:
        raise InputError(f"{source.name} lacks {', '.join(missing)}: it is not NASA's C-MAPSS archive.")
    for name in CMAPSS_FILES:
        if checksums is not None and hashlib.sha256(contents[name]).hexdigest() != checksums[name]:
            raise InputError(f"{name} in {source.name} differs from NASA's file: its SHA-256 is not the known one.")
    target.mkdir(parents=True, exist_ok=True)
    for name in CMAPSS_FILES:
        _put(target / name, contents[name])
    return target


def _put(file: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, under a name that no other process or thread has."""
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("xb") as opened:
            opened.write(content)
        beside.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in CMAPSS_FILES)


def _read_members(source: Path) -> dict[str, bytes]:
    """The wanted files of an archive by name; those of the zip inside, where there is one."""
    try:
        with zipfile.ZipFile(source) as outer:
            contents = _wanted(outer, source.name)
            if _INNER_ZIP in contents:
                with zipfile.ZipFile(io.BytesIO(contents[_INNER_ZIP])) as inner:
                    contents = _wanted(inner, _INNER_ZIP)
    except InputError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source.name} is not a whole zip archive: {reason}.") from error
    return contents


def _wanted(archive: zipfile.ZipFile, source: str) -> dict[str, bytes]:
    contents = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{source} holds {member.filename!r}, a path that leads out of it: nothing was unpacked.")
        if path.name not in (*CMAPSS_FILES, _INNER_ZIP):
            continue
        if member.file_size > _LARGEST_MEMBER:
            raise InputError(f"{source} holds {path.name} of {member.file_size:,} bytes: NASA's is far smaller.")
        if member.flag_bits & 1:
            raise InputError(f"{source} is encrypted: unpack it with its password and give the folder.")
        with archive.open(member) as opened:
            content = opened.read(_LARGEST_MEMBER + 1)
        if len(content) > _LARGEST_MEMBER:
            raise InputError(
                f"{source} holds {path.name} of more than {_LARGEST_MEMBER:,} bytes: NASA's is far smaller."
            )
        contents[path.name] = content
    return contents
