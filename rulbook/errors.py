"""The one error of ours that a caller has to know: something given to rulbook is wrong, and the message says what."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(ValueError):
    """An argument, a file or a table that rulbook cannot use.

    The message is a sentence that names the argument or the file, what came, and what was wanted. It is a
    ``ValueError``, so that a caller who knows nothing of this class catches it. The command line prints it in one line
    and exits with 2; any other error there is a fault of rulbook's own.
    """
