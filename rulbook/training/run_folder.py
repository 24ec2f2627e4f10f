"""The folder of one training run: which files it holds, and that one process at a time writes into it."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rulbook.errors import InputError
from rulbook.files import remove_leftovers

__all__ = ["RunFolder", "RunInUseError", "held"]

_LOCK = "run.lock"
# File systems that know no locks answer with one of these.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class RunInUseError(InputError):
    """Another process, or another thread of this one, is training into the folder."""


class RunFolder:
    """A run's folder while this process alone may write into it: made by :func:`held`.

    Attributes:
        path: The folder.
        best: The model of the chosen epoch.
        state: All that a stopped run needs to go on.
        history: One row per epoch.
        predictions: One row per test engine.
        record: Written last of all: a run with a record is a finished run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.best = self.path / "best.safetensors"
        self.state = self.path / "state.safetensors"
        self.history = self.path / "history.csv"
        self.predictions = self.path / "predictions.csv"
        self.record = self.path / "record.json"

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


@contextmanager
def held(folder: str | Path | RunFolder | None) -> Iterator[RunFolder | None]:
    """Make a run's folder, keep every other process out of it, and clear away what a killed one left half-written.

    The lock is the operating system's: it ends with the process, however that ends.

    Args:
        folder: The folder. One that is held already is handed on as it is, and None too.

    Raises:
        RunInUseError: If another process holds it.
        OSError: If the folder cannot be made or written into.

    Warns:
        UserWarning: If the file system knows no locks, so that nothing keeps others out.
    """
    if folder is None or isinstance(folder, RunFolder):
        yield folder
        return
    run = RunFolder(folder)
    run.path.mkdir(parents=True, exist_ok=True)
    lock = run.path / _LOCK
    descriptor = _acquire(lock)
    if descriptor is None:
        raise RunInUseError(
            f"folder {str(run.path)!r} is in use: {_holder(lock)} is training into it. Wait, or give another folder."
        )
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        remove_leftovers(run.path)
        yield run
    finally:
        # Removed while it is held: whoever opened it meanwhile finds, once it has the lock, that it is no longer there.
        if sys.platform != "win32":
            lock.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(lock: Path) -> int | None:
    """The locked file, or None if another has it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
            warnings.warn(
                f"the file system of {str(lock.parent)!r} knows no locks: start no second run in that folder.",
                stacklevel=3,
            )
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        import msvcrt

        # A byte far behind the text, so that others can read who holds it.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(lock: Path) -> str:
    try:
        number = lock.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        number = ""
    return f"process {number}" if number.isdigit() else "another process"
