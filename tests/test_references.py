"""References keep pointing at something: sections, equations, exercises, chapters, files and links.

The rule. A *section* (``section 14.2``), an *equation* (``equation (14.7)``) and an *exercise* (``exercise 14.3``) that
code, comments, tests, scripts or exercise sources name are on a page: a heading, a ``\\tag``, a heading of an exercise.
A *chapter* may be one of the outline's 25, also where it is not written yet: its number is fixed, its sections are not.
A bare ``(14.7)`` is an equation or a section. What belongs to the source says so: *its* section, *the source's*.

And a reference that exists can still be the wrong one. So, where sections of the book use a name of the package, the
docstring of that name points to one of them.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = range(1, 26)
"""Of the outline."""

NUMBER = r"\d{1,2}\.\d{1,2}"
SEVERAL = rf"\(?{NUMBER}\)?(?:(?:, | and |, and | to | or )\(?{NUMBER}\)?)*"
KINDS = {
    "section": re.compile(rf"\b[Ss]ections? ({SEVERAL})"),
    "equation": re.compile(rf"\b(?:[Ee]quations?|[Ee]qs?\.) ({SEVERAL})"),
    "exercise": re.compile(rf"\b(?:[Ee]xercises?|[Ee]xercises for chapter \d+,) ({SEVERAL})"),
    "equation or section": re.compile(rf"(?<![\w.])\(({NUMBER})\)"),
}
CHAPTER = re.compile(r"\b[Cc]hapters? (\d+(?:(?:, | and | to )\d+(?!\.\d))*)(?!\.\d)")
SOURCES_OWN = re.compile(r"(\bits|\bsource's|\bsource:|\btheir)( own)?\s+$")


def pages() -> list[Path]:
    return sorted((ROOT / "book").glob("[0-9]*.md"))


@cache
def sections() -> dict[str, str]:
    """The text of each section that is written, by its number."""
    found = {}
    for page in pages():
        for part in re.split(r"^## (?=\d)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            found[part.split()[0]] = part
    return found


@cache
def known() -> dict[str, frozenset[str]]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    exercises = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "book" / "exercises").glob("[0-9]*.md"))
    equations = frozenset(re.findall(r"\\tag\{([^}]+)\}", text))
    return {
        "section": frozenset(sections()),
        "equation": equations,
        "exercise": frozenset(re.findall(rf"^## (?:Exercise )?({NUMBER})\b", exercises, re.MULTILINE)),
        "equation or section": equations | frozenset(sections()),
    }


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The comments and strings of a Python file, else the whole text; each with the line that it begins on."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, text
        return
    comments: list[tuple[int, str]] = []
    strings: list[tuple[int, str]] = []
    beside = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, words = token.start[0], token.string.lstrip("# ")
            # A comment over several lines is one text.
            if comments and line - comments[-1][0] == comments[-1][1].count("\n") + 1:
                comments[-1] = (comments[-1][0], f"{comments[-1][1]}\n{words}")
            else:
                comments.append((line, words))
        elif token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            line, words = token.start[0], re.sub(r"^[a-zA-Z]*[\"']+|[\"']+$", "", token.string)
            # Strings side by side are one.
            if beside:
                line, words = strings[-1][0], strings.pop()[1] + words
            strings.append((line, words))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            beside = token.type == tokenize.STRING
    yield from strings + comments


def broken(text: str) -> list[str]:
    """What a text refers to and is not there."""
    text = re.sub(r"[ \t]*\n[ \t]*", " ", text)
    found = []
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            if kind != "exercise" and SOURCES_OWN.search(text[: match.start()]):
                continue
            named = re.findall(NUMBER, match[1])
            if " to " in match[1] and len(named) == 2:
                named = between(*named)
            # A small number in brackets is most often a number.
            if kind == "equation or section" and not 10 <= int(named[0].split(".")[0]) <= CHAPTERS[-1]:
                continue
            found += [f"{kind} {number}" for number in named if number not in known()[kind]]
    for match in CHAPTER.finditer(text):
        if not SOURCES_OWN.search(text[: match.start()]):
            found += [f"chapter {number}" for number in re.findall(r"\d+", match[1]) if int(number) not in CHAPTERS]
    return found


def between(first: str, last: str) -> list[str]:
    (chapter, low), (other, high) = (map(int, number.split(".")) for number in (first, last))
    return [f"{chapter}.{i}" for i in range(low, high + 1)] if chapter == other and low < high else [first, last]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("This is a copy without version control.")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_every_reference_of_the_code_points_at_something() -> None:
    files = tracked("rulbook", "benchmarks/*.py", "book/measure", "book/exercises/*.md", "tests", "setup.py", "*.md")
    files = [file for file in files if file.suffix in {".py", ".js", ".css", ".md"} and file != Path(__file__)]
    files = [file for file in files if file.parent != ROOT / "book"]
    found = [
        f"{file.relative_to(ROOT)}, in the text from line {line}: {what}"
        for file in files
        for line, text in prose(file)
        for what in broken(text)
        # Tests of the kit make up sheets of their own.
        if not (what.startswith("exercise") and file.is_relative_to(ROOT / "tests"))
    ]
    assert len(files) > 150
    assert found == []


def test_strings_side_by_side_and_comments_over_lines_are_read_as_one(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text('x = ["See section "\n     "17.9.", "and", f"{x} (13.99)"]\n# Of equation\n# (14.99).\n')
    found = sorted((line, what) for line, text in prose(file) for what in broken(text))
    assert [(line, what) for line, what in found if " or " not in what] == [(1, "section 17.9"), (3, "equation 14.99")]
    assert (2, "equation or section 13.99") in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Weights (section 17.9).", ["section 17.9"]),
        ("Weights (section\n    17.9).", ["section 17.9"]),
        ("Sections 14.1 and 14.9", ["section 14.9"]),
        ("Sections 14.3 to 14.5", ["section 14.5"]),
        ("by eq. (14.7) and equation (14.99)", ["equation 14.99", "equation or section 14.99"]),
        ("Plot (13.99).", ["equation or section 13.99"]),
        ("one optimiser steps (14.4).", []),
        ("Exercises for chapter 13, 13.7 to 13.99: losses", [f"exercise 13.{i}" for i in range(11, 100)]),
        ("chapters 12 and 26", ["chapter 26"]),
        ("chapter 25 and chapter 5, which is to come", []),
        ("section 5.1 of a chapter to come", ["section 5.1"]),
        ("what the source says in its section 99.1", []),
        ("see (21.1) of a chapter to come", ["equation or section 21.1"]),
        ("a range (0.5) and a pair (80.0, 30.0), f(27.5)", []),
    ],
)
def test_a_broken_reference_is_found_and_a_whole_one_is_not(text: str, wanted: list[str]) -> None:
    assert broken(text) == wanted


def test_there_is_something_to_point_at() -> None:
    counts = {kind: len(numbers) for kind, numbers in known().items()}
    assert counts["section"] >= 21
    assert counts["equation"] >= 44
    assert counts["exercise"] >= 53


def documented(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """The module, its public classes and functions: what each is called, its names, its docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    # A module goes by the name of what it is called after: weighted_sum holds WeightedSum.
    stem = path.stem.replace("_", "")
    yield module, [node.name for node in public if node.name.lower() == stem], ast.get_docstring(tree) or ""
    for node in public:
        yield f"{module}.{node.name}", [node.name], ast.get_docstring(node) or ""


def test_a_docstring_points_to_a_section_that_uses_its_name() -> None:
    wrong, seen = [], 0
    for path in tracked("rulbook/*.py"):
        if path.name.startswith("checks_"):
            continue
        for what, names, text in documented(path):
            named = set(re.findall(NUMBER, " ".join(KINDS["section"].findall(re.sub(r"\s+", " ", text)))))
            # "Windows" and "cap" are words of English too.
            names = [name for name in names if re.search("_|[a-z][A-Z]|[A-Z]{2}", name)]
            uses = re.compile("|".join(rf"\b{name}\b" for name in names) or r"(?!)")
            using = {number for number, section in sections().items() if uses.search(section)}
            if named and using:
                seen += 1
                if not named & using:
                    told = " ".join(sorted(using))
                    wrong.append(f"{what} says {' '.join(sorted(named))}; its name stands in {told}")
    assert seen > 25
    assert wrong == []


LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)+/?)`")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_and_paths_of_the_first_files_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    # A link in a code span shows how to write one.
    links = [match[1] for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", text))]
    missing = [link for link in links if not (ROOT / link).exists()]
    for path in PATH.findall(text):
        # NN-topic and NAME stand for any; what a command writes is not there before.
        general = re.sub(r"NN|NAME|topic|\*", "*", path)
        here = general.split("/")[0] in {entry.name for entry in ROOT.iterdir()} - {"_build"}
        if here and not any([*ROOT.glob(general.rstrip("/")), *ROOT.glob(f"{general.rstrip('/')}.*")]):
            missing.append(path)
    assert missing == []
