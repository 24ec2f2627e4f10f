"""Every exercise of every chapter: its stub fails, its solution passes, each wrong answer earns a message of its own.

Sources and checks are found, not listed: a new chapter is tested by being there.
"""

import ast
import functools
import linecache

import pytest

from rulbook.course.exercises._sheet import read_sheet
from rulbook.course.exercises.export import sources_folder
from rulbook.exercises import exercises

SHEETS = [read_sheet(path) for path in sorted(sources_folder().glob("[0-9]*-*.md"))]
WRITTEN = {one.number: (sheet, one) for sheet in SHEETS for one in sheet.exercises}
WRONG = [(number, place) for number, (_, one) in WRITTEN.items() for place in range(len(one.tagged("wrong")))]


def run(cells, names):
    """Run code cells one after the other and return what the last expression of the last cell shows."""
    shown = None
    for place, cell in enumerate(cells):
        file = f"<cell {place} {hash(cell.source)}>"
        linecache.cache[file] = (len(cell.source), None, cell.source.splitlines(keepends=True), file)
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file, "exec"), names)
        shown = eval(compile(ast.Expression(last.value), file, "eval"), names) if last else None
    return shown


def answered(number, answers):
    """The result of an exercise's check after its stub and ``answers`` were run in a fresh notebook."""
    sheet, one = WRITTEN[number]
    given = [cell for cell in sheet.opening if cell.cell_type == "code"]
    return run([*given, *one.tagged(""), *one.tagged("stub"), *answers, *one.tagged("check")], {})


@functools.cache
def refusal(number, place):
    """The result of a wrong answer."""
    return answered(number, [WRITTEN[number][1].tagged("wrong")[place]])


def refusals(number):
    return [refusal(*one) for one in WRONG if one[0] == number]


def first_hint(result):
    return next(f"{finding.text} {finding.hint}" for finding in result.findings if not finding.passed)


def test_every_check_has_an_exercise_and_every_exercise_a_check():
    written = [(number, one.title.lower()) for number, (_, one) in WRITTEN.items()]
    assert written == [(number, one.title.lower()) for number, one in exercises().items()]


def test_chapter_14_has_at_least_eight():
    assert sum(number.startswith("14.") for number in exercises()) >= 8


@pytest.mark.parametrize("number", WRITTEN)
def test_the_stub_fails(number):
    assert not answered(number, []).passed


@pytest.mark.parametrize("number", WRITTEN)
def test_the_solution_passes(number):
    solution = WRITTEN[number][1].tagged("solution")
    result, again = answered(number, solution), answered(number, solution)
    assert result.number == number
    assert result.passed, result
    assert (repr(again), again._repr_html_()) == (repr(result), result._repr_html_())


@pytest.mark.parametrize(("number", "place"), WRONG)
def test_a_wrong_answer_is_refused_with_its_message(number, place):
    says = WRITTEN[number][1].tagged("wrong")[place].metadata["says"]
    assert not refusal(number, place).passed
    assert says in first_hint(refusal(number, place))


@pytest.mark.parametrize("number", WRITTEN)
def test_there_are_three_wrong_answers_or_more_and_no_two_are_told_the_same(number):
    hints = list(map(first_hint, refusals(number)))
    assert len(set(hints)) == len(hints) >= 3


@pytest.mark.parametrize("number", WRITTEN)
def test_every_property_is_missed_by_some_wrong_answer(number):
    """A property that none of them lacks would prove nothing."""
    names = {name for name, _ in exercises()[number].properties}
    always_held = names.intersection(*({f.text for f in result.findings if f.passed} for result in refusals(number)))
    assert not always_held
