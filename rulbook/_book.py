"""Where the files of the book are that the package reads: copies in an installed wheel, the clone itself otherwise."""

from __future__ import annotations

from pathlib import Path

__all__ = ["book_root"]

_PACKAGE = Path(__file__).resolve().parent


def book_root() -> Path:
    """The folder that holds ``book/results`` and ``book/exercises``: the wheel's own copy, else the clone.

    The working directory plays no part: the same installation reads the same files everywhere.

    Raises:
        FileNotFoundError: If neither is there, as when the package's folder was copied by hand.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (root / "book" / "results").is_dir():
            return root
    raise FileNotFoundError(
        f"The book's results are neither in {_PACKAGE / '_shipped'} nor in {_PACKAGE.parent / 'book'}: this copy of "
        "rulbook is not whole. Install it from a clone of the book with 'pip install .'."
    )
