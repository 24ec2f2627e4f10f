"""What the checks take, part by part, and what they will take when the book has 25 chapters.

``python benchmarks/ci_time.py`` runs every part of ``make test`` once, which takes as long as the checks do, and writes
``ci_time.md`` beside this file. A test that belongs to a chapter, a page, a figure or an exercise is repeated in every
chapter to come: its seconds are a slope. The rest stays as it is.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from rulbook.course.figures import figure_names

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("test-style", "test-unit", "test-notebooks", "test-browser")
CHAPTERS = 25
LIMIT = 30
HEAD = """# What the checks take

Written by `python benchmarks/ci_time.py`, {day}, on {cores} cores of this processor: {processor}.
Set-up and downloads come on top.

A test belongs to a chapter if its file, or what it is given, names one of the book's chapters, pages, figures or
exercises. Such seconds grow with the chapters, of which there are {written} now; all others stay. The last column is
that line at {chapters} chapters.

| part | tests | of chapters | wall now, min | of chapters, share of the seconds | wall at {chapters} chapters, min |
|---|---|---|---|---|---|
"""


@dataclass
class Part:
    """What one part of the checks took.

    Attributes:
        wall: Seconds by the clock on the wall, with the start of its processes.
        tests: How many there were, and how many of them belong to a chapter.
        seconds: What the tests took, and what those of chapters did.
        failed: The commands that failed.
    """

    wall: float = 0.0
    tests: list[int] = field(default_factory=lambda: [0, 0])
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])
    failed: list[str] = field(default_factory=list)

    def count(self, name: str, seconds: float) -> None:
        """Add a test."""
        of_chapter = int(belongs_to_a_chapter(name))
        for place in range(of_chapter + 1):
            self.tests[place] += 1
            self.seconds[place] += seconds

    @property
    def share(self) -> float:
        """Of the seconds, those of tests that belong to a chapter."""
        return self.seconds[1] / self.seconds[0] if self.seconds[0] else 0.0

    def at(self, growth: float) -> float:
        """Seconds by the clock on the wall with so many times the chapters."""
        return self.wall * (1 + self.share * (growth - 1))


def belongs_to_a_chapter(name: str) -> bool:
    """Whether a test, named by its file, its function and what it is given, will have siblings in a new chapter."""
    if re.search(r"notebooks/(exercises/)?[\w-]*\d\d-|/ch\d\d/", name):
        return True
    given = name.partition("[")[2]
    return bool(re.search(r"\b\d\d\.\d+\b|\b\d\d-[a-z]", given)) or any(figure in given for figure in figure_names())


def commands(part: str) -> list[list[str]]:
    """The checks of a part as make would run them."""
    printed = subprocess.run(["make", "-n", part], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = (shlex.split(line) for line in printed.splitlines() if re.match(r"\S*python -m (ruff|mypy|pytest)", line))
    return list(lines)


def measured(part: str, work: Path) -> Part:
    """Run a part, all of its commands."""
    found = Part()
    for number, command in enumerate(commands(part)):
        report = work / f"{part}-{number}.xml"
        pytest = "pytest" in command
        began = time.monotonic()
        extra = [f"--junitxml={report}", "-o", "junit_family=xunit1"] if pytest else []
        done = subprocess.run([*command, *extra], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        found.wall += time.monotonic() - began
        if done.returncode != 0:
            found.failed.append(shlex.join(command))
        if pytest:
            for case in ElementTree.parse(report).iter("testcase"):
                file = case.get("file") or case.get("classname", "").replace(".", "/")
                found.count(f"{file}::{case.get('name')}", float(case.get("time", 0)))
    return found


def table(parts: dict[str, Part], written: int) -> str:
    """The page."""
    growth = CHAPTERS / written
    rows = []
    for name, part in parts.items():
        cells = (
            f"`make {name}`",
            f"{part.tests[0]:,}",
            f"{part.tests[1]:,}",
            f"{part.wall / 60:.1f}",
            f"{100 * part.share:.0f} %",
            f"{part.at(growth) / 60:.1f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    now, then = (sum(part.at(times) for part in parts.values()) / 60 for times in (1.0, growth))
    tests = [sum(part.tests[place] for part in parts.values()) for place in (0, 1)]
    rows.append(f"| `make test` | {tests[0]:,} | {tests[1]:,} | {now:.1f} | | {then:.1f} |")
    longest = max(part.at(growth) for part in parts.values()) / 60
    verdict = "keeps" if then <= LIMIT else "breaks"
    end = (
        f"\nAll parts one after the other on these cores: {then:.0f} minutes at {CHAPTERS} chapters, "
        f"which {verdict} the limit of {LIMIT}. Side by side, as the workflow runs them, the longest part decides: "
        f"{longest:.0f} minutes.\n"
    )
    return "\n".join(rows) + "\n" + end


def main() -> int:
    """Run all parts and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("ci_time.md"))
    args = parser.parse_args()
    work = ROOT / "_build" / "ci_time"
    work.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Part] = defaultdict(Part)
    for part in PARTS:
        parts[part] = measured(part, work)
        print(f"{part}: {parts[part].wall / 60:.1f} min", flush=True)
    if failed := [command for part in parts.values() for command in part.failed]:
        print("\n".join([*(f"{command} failed" for command in failed), "Nothing is written: repair that first."]))
        return 1
    written = len(list((ROOT / "book").glob("[0-9][0-9]-*.md")))
    head = HEAD.format(
        day=datetime.date.today().isoformat(),
        cores=os.cpu_count(),
        processor=processor(),
        written=written,
        chapters=CHAPTERS,
    )
    args.out.write_text(head + table(parts, written), encoding="utf-8")
    print(f"Written: {args.out}")
    return 0


def processor() -> str:
    """What the machine says of itself, where it does."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    named = re.search(r"model name\s*: (.+)", text)
    return named[1].strip() if named else "unknown"


if __name__ == "__main__":
    sys.exit(main())
