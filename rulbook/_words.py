"""Numbers of things in words: machines and units of time are called by the columns of whoever brings them."""

from __future__ import annotations

import re

__all__ = ["counted", "plural"]


def plural(word: str) -> str:
    """``presses``, ``batteries``, ``days``."""
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}{'es' if re.search(r'(s|x|z|ch|sh)$', word) else 's'}"


def counted(number: int, word: str) -> str:
    """``1 press``, ``1,200 presses``."""
    return f"{number:,} {word if number == 1 else plural(word)}"
