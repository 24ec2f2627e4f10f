"""What a worker process does first. It is light: no worker may live on for the seconds in which torch is loaded."""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing import parent_process

__all__ = ["begin"]

_PR_SET_PDEATHSIG = 1


def begin() -> None:
    """Bind this process to the one that started it: it ends when that ends, however that is.

    Ctrl-C reaches all processes of a terminal: the parent answers it, and ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        _ask_the_kernel()
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _ask_the_kernel() -> None:
    """On Linux the kernel ends us, even while Python's lock is held."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        # A C library without prctl: the thread that waits for the parent is enough.
        return


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
