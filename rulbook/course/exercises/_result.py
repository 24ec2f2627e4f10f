"""What a check found, in words for a terminal and in colour for a notebook."""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass

__all__ = ["Finding", "Miss", "NotYet", "Result"]

# White on either colour has a contrast above 5:1, and either colour above 3:1 on the white page and on the dark one.
_RIGHT, _WRONG, _OPEN = "#1a7f4b", "#c2342d", "#68717a"
_NOTHING_YET = "Nothing to check yet: put your answer in place of the dots, run its cell, then this one."


class Miss(Exception):  # noqa: N818 (an answer that misses is no error of the program)
    """The answer lacks a property.

    Args:
        seen: What the answer did, with the numbers: "weight at RUL 200 is 0.4, expected 1".
        hint: One thought that leads on without giving the answer away.
    """

    def __init__(self, seen: str, hint: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.hint = hint


class NotYet(Exception):  # noqa: N818
    """The stub is still as it was: there is nothing to judge."""


@dataclass(frozen=True)
class Finding:
    """One property: whether the answer has it, what was seen, and for the first that it lacks a hint."""

    passed: bool
    text: str
    hint: str = ""


@dataclass(frozen=True, repr=False)
class Result:
    """What :func:`rulbook.exercises.check` returns; printed it is text, at the end of a notebook cell it is coloured.

    Attributes:
        number: The exercise, such as "14.3".
        title: Its heading.
        findings: One per property, in the order of asking; none if the stub is still untouched.
        takeaway: What a right answer is good for.
    """

    number: str
    title: str
    findings: tuple[Finding, ...]
    takeaway: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer has every property."""
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line: the exercise and how far the answer got."""
        held = sum(finding.passed for finding in self.findings)
        if self.passed:
            verdict = "right"
        elif self.findings:
            verdict = f"{held} of {len(self.findings)} right"
        else:
            verdict = "not answered yet"
        return f"Exercise {self.number}, {self.title}: {verdict}"

    def __repr__(self) -> str:
        lines = [self.summary]
        for finding in self.findings:
            lines.append(f"  {'✓' if finding.passed else '✗'} {finding.text}")
            if finding.hint:
                lines.append(_indented(finding.hint))
        if not self.findings:
            lines.append(f"  {_NOTHING_YET}")
        if self.passed and self.takeaway:
            lines.append(_indented(self.takeaway))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [_row(finding) for finding in self.findings]
        if not self.findings:
            rows.append(f"<li>{_NOTHING_YET}</li>")
        foot = f'<p style="margin:.4em 0 0">{_marked(self.takeaway)}</p>' if self.passed and self.takeaway else ""
        color = _RIGHT if self.passed else _WRONG if self.findings else _OPEN
        return (
            f'<div class="rulbook-check" style="border-left:4px solid {color};padding:.2em .9em;line-height:1.5">'
            f"<strong>{_marked(self.summary)}</strong>"
            f'<ul style="list-style:none;margin:.3em 0 0;padding:0">{"".join(rows)}</ul>{foot}</div>'
        )


def _row(finding: Finding) -> str:
    sign, word, color = ("✓", "right", _RIGHT) if finding.passed else ("✗", "not yet", _WRONG)
    badge = (
        f'<span role="img" aria-label="{word}:" style="flex:none;width:1.4em;height:1.4em;line-height:1.4em;'
        f'border-radius:.3em;text-align:center;font-weight:bold;background:{color};color:#fff">{sign}</span>'
    )
    hint = f"<div>{_marked(finding.hint)}</div>" if finding.hint else ""
    return f'<li style="display:flex;gap:.5em;margin:.3em 0">{badge}<div>{_marked(finding.text)}{hint}</div></li>'


def _marked(text: str) -> str:
    """Escape, then show what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _indented(text: str) -> str:
    return textwrap.fill(text, width=80, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
