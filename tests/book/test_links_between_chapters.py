"""What how-to-use promises: where a chapter leans on another, it says so with a link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = ("11-dual-task-model", "12-gradient-imbalance")
WRITTEN = sorted(path.name[:2] for path in BOOK.glob("[0-9][0-9]-*.md"))
MENTION = re.compile(r"(?:chapter|section) (\d\d)(?:\.\d+)?\b", re.IGNORECASE)


def prose(text: str) -> list[str]:
    """The sentences of a page, without its code cells."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.split(r"(?<=[.?!])\s", text)


def unlinked(text: str, own: str) -> list[str]:
    """Sentences that name another chapter of this book, but neither the source nor a link."""
    return [
        sentence
        for sentence in prose(text)
        for number in MENTION.findall(re.sub(r"\[[^\]]*\]\([^)]*\)", "", sentence))
        if number in WRITTEN and number != own and not re.search(r"\b(source|its)\b", sentence, re.IGNORECASE)
    ]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_another_chapter_is_named_with_a_link(chapter):
    assert unlinked((BOOK / f"{chapter}.md").read_text(encoding="utf-8"), chapter[:2]) == []


def test_a_bare_mention_is_found_and_a_linked_one_is_not():
    bare = "We come to that in chapter 17. And in [chapter 14](a.ipynb) too. The source's chapter 12 differs."
    assert unlinked(bare, "11") == ["We come to that in chapter 17."]
