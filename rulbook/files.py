"""Files that appear whole or not at all, and what may be replaced by one.

A file is written beside its place and then moved there, so that a kill at any moment leaves the old one or the new one,
never half of one. Only a regular file is ever replaced: a device or a pipe is written into, a link is followed.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from rulbook.errors import InputError

__all__ = ["one_line", "remove_leftovers", "sentence_of", "write_atomically"]


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that a reader finds the old file or the new one, whole.

    Args:
        path: A file, there or not; its folder is made. A symbolic link is followed, and stays. A device or a pipe
            cannot be replaced by a file: it is written into.
        content: Text is written as UTF-8.

    Raises:
        ValueError: If ``path`` is a folder, or a pipe that nobody reads.
        OSError: If the file cannot be written, as on a full disk; the message names it. Nothing is left behind then.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        mode = _mode(target)
        if mode is None or stat.S_ISREG(mode):
            _replace(Path(os.path.realpath(target)), data)
        elif stat.S_ISDIR(mode):
            raise InputError(f"{str(path)!r} is a folder: name a file to be written.")
        else:
            _write_into(target, data)
    except OSError as error:
        where = f"{target.name} in {str(target.parent)!r}"
        raise OSError(error.errno, f"{error.strerror or error} while writing {where}") from error


def remove_leftovers(folder: Path) -> None:
    """Remove what :func:`write_atomically` left in ``folder`` when its process was killed in the middle.

    Only for a folder that no other process writes into.
    """
    for file in folder.glob(".*"):
        if re.fullmatch(r"\..+\.\d+", file.name) and file.is_file():
            file.unlink(missing_ok=True)


def one_line(text: object) -> str:
    """Any message on one line."""
    return " ".join(str(text).split())


def sentence_of(error: BaseException) -> str:
    """The message of an error on one line; of the system's errors what happened and to which file, without a number."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {str(error.filename)!r}" if error.filename is not None else ""
        return one_line(f"{error.strerror}{where}")
    return one_line(error)


def _mode(target: Path) -> int | None:
    """What is at the end of the links, or None if nothing is there."""
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write_into(target: Path, data: bytes) -> None:
    try:
        # Without this flag, opening a pipe that nobody reads waits for ever.
        descriptor = os.open(target, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(f"{str(target)!r} is a pipe that nobody reads, or no file at all: name a file.") from error
        raise
    os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor has no path)
        file.write(data)
