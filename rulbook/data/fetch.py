"""Data sets in archives: where they are looked for, how they are fetched, how each file is known to be the right one.

No path inside an archive is ever used as a path on disk: the names that are wanted are known, and anything else is left
in the archive. A whole archive is checked before a file of it is written, and each file is moved to its place whole.
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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rulbook._needs import needed
from rulbook.errors import InputError

__all__ = ["Archive", "cache_folder", "sha256_of"]

# The largest file of C-MAPSS has 10 MB and its inner archive 12 MB; a member that claims more is no table of engines.
_LARGEST_MEMBER = 64 * 2**20
# Nor is an archive: NASA's has 12 MB. A server that trickles is given up after ten minutes, a silent one after one.
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


def cache_folder(data_set: str = "cmapss") -> Path:
    """Where downloaded files of a data set are kept: a folder of its own in ``rulbook``, under the user's cache."""
    with needed():
        import platformdirs

    return Path(platformdirs.user_cache_dir("rulbook")) / data_set


@dataclass(frozen=True)
class Archive:
    """The files of a data set in one zip, or in a zip inside of it, as their publisher offers them.

    Attributes:
        data_set: What the data set is called in messages: ``"C-MAPSS"``.
        publisher: Whose it is: ``"NASA"``.
        folder: Its folder in the cache.
        url: The archive.
        files: The files that are wanted, by name; the archive may have them in any folder.
        sha256: The SHA-256 of each file as unpacked.
        variable: The environment variable that may name a folder or zip of these files.
        inner: The zip inside the zip; None if there is none.
    """

    data_set: str
    publisher: str
    folder: str
    url: str
    files: tuple[str, ...]
    sha256: Mapping[str, str]
    variable: str
    inner: str | None = None

    def found(self, root: str | Path | None = None) -> Path:
        """The folder that holds the files: ``root``, else what the variable names, else the cache, filled by download.

        A zip is unpacked to a folder of the cache that is named after its contents, once.

        Raises:
            ValueError: If ``root`` or the variable names neither a folder nor a zip of these files.
            OSError: If the download fails.
        """
        named = root if root is not None else os.environ.get(self.variable) or None
        if named is None:
            folder = cache_folder(self.folder)
            return folder if self._complete(folder) else self.download(folder)
        origin = "root" if root is not None else self.variable
        path = Path(named).expanduser()
        if path.is_dir():
            return path
        if not path.is_file():
            raise InputError(f"{origin} is {str(named)!r}: no such folder or zip.")
        unpacked = cache_folder(self.folder) / f"zip-{sha256_of(path)[:16]}"
        # No checksums here: whoever loads a file checks it, and may insist on one that differs.
        return unpacked if self._complete(unpacked) else self.unpack(path, unpacked, verify=False)

    def download(self, folder: str | Path | None = None, *, verify: bool = True, progress: bool = True) -> Path:
        """Fetch the archive and unpack its files, each checked.

        Args:
            folder: Where to put them; the cache by default.
            verify: Refuse a file whose SHA-256 is not the known one.
            progress: Show a progress bar.

        Returns:
            The folder.

        Raises:
            OSError: If the archive cannot be fetched.
            ValueError: If it is not the publisher's.
        """
        target = cache_folder(self.folder) if folder is None else Path(folder)
        with tempfile.TemporaryDirectory(prefix="rulbook-") as scratch:
            archive = Path(scratch) / f"{self.folder}.zip"
            try:
                _fetch(self.url, archive, progress)
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise OSError(
                    f"{self.publisher}'s archive could not be fetched from {self.url}: "
                    f"{error or type(error).__name__}. Fetch it with a browser and pass its path as root, or set "
                    f"{self.variable} to it."
                ) from error
            return self.unpack(archive, target, verify=verify)

    def unpack(self, archive: str | Path, folder: str | Path, *, verify: bool = True) -> Path:
        """Write the files of the archive, outer or inner, to ``folder``, after all of them have been checked.

        Raises:
            ValueError: If the archive is damaged, lacks a file, holds one that differs from the publisher's, or a path
                that leads out of it.
        """
        source, target = Path(archive), Path(folder)
        contents = self._read_members(source)
        missing = [name for name in self.files if name not in contents]
        if missing:
            raise InputError(
                f"{source.name} lacks {', '.join(missing)}: it is not {self.publisher}'s {self.data_set} archive."
            )
        for name in self.files:
            if verify and hashlib.sha256(contents[name]).hexdigest() != self.sha256[name]:
                raise InputError(
                    f"{name} in {source.name} differs from {self.publisher}'s file: its SHA-256 is not the known one."
                )
        target.mkdir(parents=True, exist_ok=True)
        for name in self.files:
            _put(target / name, contents[name])
        return target

    def _complete(self, folder: Path) -> bool:
        return all((folder / name).is_file() for name in self.files)

    def _read_members(self, source: Path) -> dict[str, bytes]:
        """The wanted files of an archive by name; those of the zip inside, where there is one."""
        try:
            with zipfile.ZipFile(source) as outer:
                contents = self._wanted(outer, source.name)
                if self.inner is not None and self.inner in contents:
                    with zipfile.ZipFile(io.BytesIO(contents[self.inner])) as inner:
                        contents = self._wanted(inner, self.inner)
        except InputError:
            raise
        except _DAMAGED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{source.name} is not a whole zip archive: {reason}.") from error
        return contents

    def _wanted(self, archive: zipfile.ZipFile, source: str) -> dict[str, bytes]:
        contents = {}
        for member in archive.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise InputError(
                    f"{source} holds {member.filename!r}, a path that leads out of it: nothing was unpacked."
                )
            if path.name not in self.files and path.name != self.inner:
                continue
            smaller = f"{self.publisher}'s is far smaller."
            if member.file_size > _LARGEST_MEMBER:
                raise InputError(f"{source} holds {path.name} of {member.file_size:,} bytes: {smaller}")
            if member.flag_bits & 1:
                raise InputError(f"{source} is encrypted: unpack it with its password and give the folder.")
            with archive.open(member) as opened:
                content = opened.read(_LARGEST_MEMBER + 1)
            if len(content) > _LARGEST_MEMBER:
                raise InputError(f"{source} holds {path.name} of more than {_LARGEST_MEMBER:,} bytes: {smaller}")
            contents[path.name] = content
        return contents


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
            raise OSError(f"{promised:,} bytes are offered, and the archive is far smaller")
        received = 0
        with tqdm(total=promised, unit="B", unit_scale=True, disable=not progress) as bar:
            # read1 returns what has come, so that the clock is looked at between the drops of a trickle.
            while chunk := response.read1(1 << 16):
                received += len(chunk)
                if received > _LARGEST_ARCHIVE:
                    raise OSError(f"more than {_LARGEST_ARCHIVE:,} bytes came, and the archive is far smaller")
                if time.monotonic() > deadline:
                    raise OSError(f"only {received:,} bytes came within {_LONGEST_S:g} seconds")
                file.write(chunk)
                bar.update(len(chunk))
    if promised is not None and received != promised:
        raise OSError(f"the connection ended after {received:,} of {promised:,} bytes")


def _trusted(url: str) -> Any:
    """The certificates that are trusted, the same on every system, for an address that needs them."""
    if not url.startswith("https://"):
        return None
    import ssl

    with needed():
        import certifi

    return ssl.create_default_context(cafile=certifi.where())


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
