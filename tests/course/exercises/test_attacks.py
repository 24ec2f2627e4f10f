"""Answers that are wrong on purpose: none passes a check, none leaves it, none spoils the next.

The attacks are made from the official solution of each exercise, so a new exercise is attacked by being there.
"""

import ast
import asyncio
import builtins
import contextlib
import functools
import inspect
import io
import itertools
import math
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rulbook.course.exercises._guard import LIMITS
from rulbook.course.exercises._sheet import read_sheet, student_opening
from rulbook.course.exercises.export import sources_folder
from rulbook.exercises import Exercise, Miss, check, exercises, expect, function, is_number, show

SHEETS = [read_sheet(path) for path in sorted(sources_folder().glob("[0-9]*-*.md"))]
WRITTEN = {one.number: (sheet, one) for sheet in SHEETS for one in sheet.exercises}

# Arguments that may change places: the answer is the same by the nature of the question.
SYMMETRIC = {
    ("11.8", "rul", "max_rul"),  # the smaller of the two counts
    ("12.6", "size", "collect"),  # a step sees so many windows as their product says
    ("13.5", "cycles", "score_span"),
    ("13.5", "points", "rmse_span"),
    ("14.8", "pred", "target"),
    ("17.3", "norms", "eps"),  # a sum
}


@functools.cache
def official(number):
    """What the official solution hands to its check."""
    sheet, one = WRITTEN[number]
    names = {}
    cells = [cell for cell in sheet.opening if cell.cell_type == "code"]
    for cell in [*cells, *one.tagged(""), *one.tagged("stub"), *one.tagged("solution")]:
        if cell.cell_type == "code":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, f"<solution of {number}>", "exec"), names)
    call = ast.parse(one.tagged("check")[0].source).body[-1].value
    return eval(compile(ast.Expression(call.args[1]), "<check>", "eval"), names)


def used_arguments(number):
    """The arguments that the official solution reads at all."""
    cells = WRITTEN[number][1].tagged("solution")
    trees = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    read = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return [name for name in inspect.signature(official(number)).parameters if name in read]


FUNCTIONS = [number for number in WRITTEN if callable(official(number))]
FIXED = [number for number in WRITTEN if not callable(official(number))]


def arrays_in(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from arrays_in(part)


def kept(value):
    """A copy that later writing does not reach."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return type(value)(map(kept, value)) if isinstance(value, (list, tuple)) else value


def shape_of(value):
    return tuple(map(shape_of, value)) if isinstance(value, (list, tuple)) else np.shape(value)


def frozen(answer, names, by_shape):
    """The answer with some arguments ignored: they stay what they were in the first call, or first of such shapes."""
    places = [list(inspect.signature(answer).parameters).index(name) for name in names]
    first = {}

    @functools.wraps(answer)
    def ignoring(*args):
        key = tuple(map(shape_of, args)) if by_shape else ()
        seen = first.setdefault(key, [kept(arg) for arg in args])
        return answer(*(seen[i] if i in places else arg for i, arg in enumerate(args)))

    return ignoring


def defaulted(answer, name):
    """The answer with an argument left at its default, whatever came."""
    parameters = inspect.signature(answer).parameters

    @functools.wraps(answer)
    def ignoring(*args):
        return answer(
            *(parameters[one].default if one == name else arg for one, arg in zip(parameters, args, strict=False))
        )

    return ignoring


def changing_places(answer, one, other):
    names = list(inspect.signature(answer).parameters)
    i, j = names.index(one), names.index(other)

    @functools.wraps(answer)
    def swapped(*args):
        given = list(args)
        given[i], given[j] = given[j], given[i]
        return answer(*given)

    return swapped


def through(answer, change):
    """The answer with something done to what it returns."""

    @functools.wraps(answer)
    def changed(*args):
        return change(answer(*args))

    return changed


def turned_round(returned):
    if isinstance(returned, np.ndarray) and returned.ndim:
        return returned[::-1]
    return type(returned)(reversed(returned)) if isinstance(returned, (list, tuple)) else returned


def in_one_buffer(answer):
    """The answer in an array, or several, that the next call writes again."""
    buffers = {}

    def put(returned, place):
        if isinstance(returned, (list, tuple)):
            return type(returned)(put(part, (place, i)) for i, part in enumerate(returned))
        if not isinstance(returned, (np.ndarray, np.generic, float)):
            return returned
        value = np.asarray(returned, dtype=float)
        buffer = buffers.setdefault((place, value.shape), np.empty(value.shape))
        buffer[...] = value
        return buffer

    return through(answer, lambda returned: put(returned, 0))


def right_once(answer):
    calls = itertools.count()

    @functools.wraps(answer)
    def tired(*args):
        returned = answer(*args)
        return returned if next(calls) < 1 else through(lambda: returned, zeroed)()

    return tired


def zeroed(returned):
    if isinstance(returned, (list, tuple)):
        return type(returned)(map(zeroed, returned))
    if isinstance(returned, (bool, np.bool_)):
        return not returned
    return returned * 0 + 17


def wrong_answers(answer, used, symmetric=()):
    """Wrong answers made from a right one, by name."""
    parameters = inspect.signature(answer).parameters
    for count in (1, 2):
        for names in itertools.combinations(used, count):
            if len(used) > 1 or count == 1:
                for by_shape in (False, True) if len(parameters) > len(names) else (False,):
                    how = "as first of their shapes" if by_shape else "as in the first call"
                    ignoring = frozen(answer, names, by_shape)
                    yield f"{', '.join(names)} {how}", ignoring
                    yield f"{', '.join(names)} {how}, in one buffer", in_one_buffer(frozen(answer, names, by_shape))
    for name in used:
        if parameters[name].default is not inspect.Parameter.empty:
            yield f"{name} at its default", defaulted(answer, name)
    for one, other in itertools.combinations(used, 2):
        if (one, other) not in symmetric:
            yield f"{one} and {other} in each other's place", changing_places(answer, one, other)
    yield "right once", right_once(answer)


def survivors(exercise, answer, used, symmetric=()):
    return [name for name, wrong in wrong_answers(answer, used, symmetric) if exercise.check(wrong).passed]


@pytest.fixture(autouse=True)
def _official_solutions_still_pass(request):
    """After each attack on an exercise its official solution passes, with the tools that were there before."""
    before = (np.allclose, np.isclose, np.asarray, np.random.default_rng, np.linalg.norm, math.exp, len)
    yield
    assert before == (np.allclose, np.isclose, np.asarray, np.random.default_rng, np.linalg.norm, math.exp, len)
    number = getattr(request.node, "callspec", None) and request.node.callspec.params.get("number")
    if number:
        assert check(number, official(number)).passed


@pytest.mark.parametrize("number", FUNCTIONS)
def test_no_check_passes_when_an_argument_is_ignored_or_misplaced(number):
    symmetric = [(one, other) for which, one, other in SYMMETRIC if which == number]
    assert survivors(exercises()[number], official(number), used_arguments(number), symmetric) == []


@pytest.mark.parametrize("number", FUNCTIONS)
def test_what_comes_back_in_the_wrong_order_is_refused(number):
    shapes = []

    def noted(returned):
        shapes.append(len(returned) if isinstance(returned, (list, tuple)) or np.ndim(returned) else 1)
        return turned_round(returned)

    result = check(number, through(official(number), noted))
    assert not result.passed or max(shapes) == 1


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_right_answer_may_reuse_its_buffer_return_views_and_write_into_its_inputs(number):
    answer = official(number)

    @functools.wraps(answer)
    def careless(*args):
        returned = kept(answer(*args))
        for array in arrays_in(args):
            array[...] = 0
        return returned

    assert check(number, in_one_buffer(answer)).passed
    assert check(number, careless).passed
    if number not in ("12.5", "13.10", "17.5"):
        assert check(number, through(answer, lambda out: out[:] if isinstance(out, np.ndarray) else out)).passed


class Exits:
    def __array__(self, *args, **kwargs):
        raise SystemExit(3)


class Agrees(float):
    def __eq__(self, other):
        return True

    def __float__(self):
        raise GeneratorExit

    __hash__ = float.__hash__


class Untold(BaseException):
    def __str__(self):
        raise RuntimeError("no")


def endless_list():
    inner = []
    inner.append(inner)
    return inner


NOTHING = [
    0,
    1,
    -1,
    125,
    0.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    None,
    ...,
    True,
    "",
    "1.6",
    b"1.6",
    "nan",
    1j,
    1.6 + 0j,
    10**400,
    -(10**400),
    [],
    (),
    {},
    {1.6},
    [[]],
    [1, [2, 3]],
    ["1.6", "2"],
    [10**400, 1],
    np.array([]),
    np.array(["1.6"]),
    np.array([1.6, None], dtype=object),
    np.array(1.6 + 0j),
    np.ma.masked_all(4),
    np.zeros((2, 3)),
    np.zeros(40),
    np.ones(2_000_000, np.int8),
    range(10**9),
    (x for x in [1.6]),
    endless_list(),
    object(),
    int,
    float,
    Exits(),
    Agrees(1.6),
    torch.tensor(float("nan")),
    torch.tensor([1j]),
]


@pytest.mark.parametrize("number", WRITTEN)
def test_constants_and_things_that_are_no_numbers_are_refused(number):
    returned = [
        0,
        1,
        125,
        math.nan,
        None,
        "1.6",
        1j,
        10**400,
        [],
        {},
        np.zeros(40),
        np.ma.masked_all(4),
        Exits(),
        object(),
    ]
    given = [(lambda *args, one=one: one) for one in returned] if number in FUNCTIONS else []
    for answer in [*NOTHING, *given]:
        result = check(number, answer)
        assert not result.passed, answer
        assert str(result)
        assert result._repr_html_()


@pytest.mark.parametrize("number", FIXED)
def test_a_right_number_in_quotes_or_with_an_imaginary_part_is_refused(number):
    def dressed(value, dress):
        return [dressed(part, dress) for part in value] if np.ndim(value) else dress(value)

    for dress in (str, lambda value: str(value).encode(), lambda value: complex(value, 0), np.str_):
        if not isinstance(official(number), tuple) or not any(np.ndim(part) for part in official(number)):
            result = check(number, dressed(official(number), dress))
            assert not result.passed
            assert result.findings


PATCHES = {
    "np.allclose": (np, "allclose", lambda *args, **kwargs: True),
    "np.isclose": (np, "isclose", lambda *args, **kwargs: np.True_),
    "np.isfinite": (np, "isfinite", lambda *args, **kwargs: np.array(True)),
    "np.asarray": (np, "asarray", lambda *args, **kwargs: np.zeros(3)),
    "np.array": (np, "array", lambda *args, **kwargs: np.zeros(3)),
    "np.abs": (np, "abs", lambda *args, **kwargs: np.zeros(3)),
    "np.linalg.norm": (np.linalg, "norm", lambda *args, **kwargs: 1.0),
    "np.random.default_rng": (np.random, "default_rng", lambda *args: 1 / 0),
    "np.testing.assert_allclose": (np.testing, "assert_allclose", lambda *args, **kwargs: None),
    "math.exp": (math, "exp", lambda x: 1.0),
    "math.expm1": (math, "expm1", lambda x: 1.0),
    "builtins.all": (builtins, "all", lambda x: True),
    "builtins.abs": (builtins, "abs", lambda x: 0),
    "rulbook.course.exercises._answers.close": (
        sys.modules["rulbook.course.exercises._answers"],
        "close",
        lambda *args: True,
    ),
    "rulbook.reference.failure_weights": (
        sys.modules["rulbook.reference"],
        "failure_weights",
        lambda target, *args: 0 * target,
    ),
}


def patching(answer, patches):
    @functools.wraps(answer)
    def patched(*args):
        returned = answer(*args)
        for holder, name, replacement in patches:
            setattr(holder, name, replacement)
        return returned

    return patched


@pytest.mark.parametrize("number", FUNCTIONS)
def test_an_answer_that_replaces_what_checks_compute_with_is_refused_and_undone(number):
    there = {name: getattr(holder, attribute) for name, (holder, attribute, _) in PATCHES.items()}
    for patches in (PATCHES.values(), [PATCHES["np.allclose"]]):
        for answer in (official(number), lambda *args: 0.0):
            result = check(number, patching(answer, patches))
            assert not result.passed
            assert "replaced `" in str(result)
            assert {name: getattr(holder, attribute) for name, (holder, attribute, _) in PATCHES.items()} == there


@pytest.mark.parametrize("name", PATCHES)
def test_each_replaced_tool_is_named(name):
    holder, attribute, _ = PATCHES[name]
    there = getattr(holder, attribute)
    assert f"`{name}`" in str(check("14.3", patching(official("14.3"), [PATCHES[name]])))
    assert getattr(holder, attribute) is there


def test_what_a_notebook_replaced_beforehand_is_told_and_put_back(monkeypatch):
    monkeypatch.setattr(np, "allclose", lambda *args, **kwargs: True)
    assert "`np.allclose`" in str(check("14.3", lambda target, max_rul: target))
    assert check("14.3", official("14.3")).passed
    monkeypatch.setattr(Exercise, "check", lambda self, answer: None, raising=True)
    monkeypatch.undo()


def test_settings_that_an_answer_changes_are_set_back():
    def sets(target, max_rul):
        np.seterr(all="raise")
        sys.setrecursionlimit(500)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        return official("14.3")(target, max_rul)

    before = np.geterr(), sys.getrecursionlimit(), torch.is_grad_enabled(), torch.get_default_dtype()
    assert check("14.3", sets).passed
    assert before == (np.geterr(), sys.getrecursionlimit(), torch.is_grad_enabled(), torch.get_default_dtype())


class Own(BaseException):
    pass


@pytest.mark.parametrize("number", FUNCTIONS)
def test_whatever_is_raised_is_a_finding(number):
    def recursing(*args):
        return recursing(*args)

    for error in (GeneratorExit(), Untold(), MemoryError(), StopIteration(1), Miss("x")):

        def raises(*args, error=error):
            raise error

        result = check(number, raises)
        assert not result.passed
        assert result.findings
    for error in (RecursionError, asyncio.CancelledError, Own, SystemExit):
        raises = recursing if error is RecursionError else lambda *args, error=error: (_ for _ in ()).throw(error)
        assert f"stopped by {error.__name__}" in str(check(number, raises))


def test_who_interrupts_a_check_stops_it():
    def interrupted(target, max_rul):
        signal.raise_signal(signal.SIGINT)
        return target

    with pytest.raises(KeyboardInterrupt):
        check("14.3", interrupted)
    assert check("14.3", official("14.3")).passed


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(LIMITS, "cpu", 0.05)
    monkeypatch.setattr(LIMITS, "wall", 0.5)


def endless(*args):
    while True:
        pass


def deaf(*args):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def deaf_to_the_deaf(*args):
    while True:
        try:
            deaf()
        except BaseException:
            try:
                deaf()
            finally:
                deaf()


def asleep(*args):
    time.sleep(60)


def swallowing(*args):
    try:
        while True:
            pass
    except BaseException:
        return 1.6


class EndlessArray:
    def __array__(self, *args, **kwargs):
        while True:
            pass


def test_an_answer_without_end_is_stopped_in_every_exercise(short):
    for number in WRITTEN:
        pair = number in ("12.10", "14.13")
        never = (EndlessArray(), EndlessArray()) if pair else EndlessArray()
        result = check(number, endless if number in FUNCTIONS else never)
        assert not result.passed
        assert "it ran for more than 0.05 seconds and was stopped" in str(result)


WITHOUT_END = [endless, deaf, deaf_to_the_deaf, asleep, swallowing, lambda *args: EndlessArray()]


@pytest.mark.clock
@pytest.mark.parametrize("answer", WITHOUT_END)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["main thread", "another thread"])
def test_no_way_of_not_ending_holds_a_check_up(short, answer, elsewhere):
    if elsewhere and answer in (deaf, deaf_to_the_deaf, asleep):
        pytest.skip("another thread can neither be woken nor kept from listening")
    began, results = time.monotonic(), []
    if elsewhere:
        thread = threading.Thread(target=lambda: results.append(check("14.3", answer)), daemon=True)
        thread.start()
        thread.join(60)
    else:
        results.append(check("14.3", answer))
    assert "was stopped" in str(results[0])
    assert time.monotonic() - began < 5
    assert all("was stopped" in f.text or not f.passed for f in results[0].findings)


def test_an_alarm_that_was_set_before_still_comes():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        check("14.3", lambda target, max_rul: time.sleep(0.1) or target)
        time.sleep(0.1)
        assert rung == [1]
        assert signal.getsignal(signal.SIGALRM) is not before
    finally:
        signal.signal(signal.SIGALRM, before)


def weak_exercise():
    """A check of the kind that this file is there to find: one cap, one batch, and what comes back is not copied."""
    weak = Exercise("1.1", "weak", function("weights(target, max_rul)"))

    @weak.requires("weights are right")
    def _(weights):
        target = np.array([0.0, 50.0, 125.0])
        got = weights.array(target, 125.0)
        expect(np.allclose(got, [2.0, 1.6, 1.0]), "they are not", "")

    return weak


def test_the_attacks_have_teeth():
    def right(target, max_rul=125.0):
        return 1 + np.clip(1 - target / max_rul, 0, 1)

    found = survivors(weak_exercise(), right, ["target", "max_rul"])
    assert {"max_rul at its default", "max_rul as in the first call", "right once"} <= set(found)
    assert survivors(exercises()["14.3"], right, ["target", "max_rul"]) == []


NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def numbers_in(text):
    return [float(token.replace(",", "").rstrip(".")) for token in NUMBER.findall(text)]


def secrets(number):
    """The numbers of an answer that is one: those that a change by two percent makes wrong."""
    values = np.asarray(official(number), dtype=float).reshape(-1) if number in ONE_ANSWER else []
    statement = " ".join(cell.source for cell in WRITTEN[number][1].tagged(""))
    return [value for value in values if not any(math.isclose(value, one) for one in numbers_in(statement))]


def scaled(value, factor):
    return [scaled(part, factor) for part in value] if np.ndim(value) else value * factor


def is_table(answer):
    return isinstance(answer, (list, tuple)) and any(np.ndim(part) for part in answer)


ONE_ANSWER = [
    number
    for number in FIXED
    if not is_table(official(number)) and not check(number, scaled(official(number), 1.02)).passed
]


def test_the_exercises_with_one_answer_are_found():
    assert {"11.1", "12.1", "13.1", "13.9", "14.1", "14.2", "17.1", "17.8"} <= set(ONE_ANSWER)


def gives_away(text, values):
    return [value for value in values if any(math.isclose(value, one, rel_tol=5e-4) for one in numbers_in(text))]


@pytest.mark.parametrize("number", ONE_ANSWER)
def test_a_wrong_number_is_not_told_the_right_one(number):
    right = official(number)
    tried = [scaled(right, factor) for factor in (-1, 0, 0.01, 0.1, 0.5, 0.9, 0.97, 1.03, 1.1, 2, 3, 10, 100, 1e4)]
    if np.ndim(right):
        tried += [[value * (1.3 + step * place) for place, value in enumerate(right)] for step in (0.1, 1.0)]
    else:
        tried += [3, 7.5, 50, 0.25]
    for answer in tried:
        result = check(number, answer)
        own = np.atleast_1d(np.asarray(answer, dtype=float))
        hidden = [value for value in secrets(number) if not any(math.isclose(value, one) for one in own)]
        said = "\n".join(f"{finding.text} {finding.hint}" for finding in result.findings)
        assert not result.passed
        assert gives_away(said, hidden) == [], said


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_what_a_page_shows_before_its_exercises_gives_no_answer_away(sheet):
    names, shown = {}, []
    for cell in student_opening(sheet):
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<opening>", "exec"), names)
            if last:
                shown.append(eval(compile(ast.Expression(last.value), "<opening>", "eval"), names))
    assert shown, "a page shows how a check talks"
    for result in shown:
        said = "\n".join(f"{finding.text} {finding.hint}" for finding in result.findings)
        assert said
        assert [one for number in ONE_ANSWER for one in gives_away(said, secrets(number))] == []


def nudged(returned, amount):
    if isinstance(returned, (list, tuple)):
        return type(returned)(nudged(part, amount) for part in returned)
    return returned if isinstance(returned, (bool, np.bool_)) else returned * (1 + amount) + amount


@pytest.mark.parametrize("number", FUNCTIONS)
def test_no_message_says_that_a_number_is_itself(number):
    for amount in (0.3, 1e-2, 1e-3, -1e-4, 1e-5, -3e-6):
        for finding in check(
            number, through(official(number), lambda out, amount=amount: nudged(out, amount))
        ).findings:
            before, expected, after = finding.text.partition(", expected ")
            if expected and not finding.passed:
                wanted = NUMBER.findall(after)
                assert NUMBER.findall(before)[-len(wanted) :] != wanted, finding.text


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_two_numbers_that_differ_are_shown_differently(one, other):
    assert (show(one, other) == show(other, one)) == (one == other)
    assert math.isclose(float(show(one).replace(",", "")), one, rel_tol=6e-4, abs_tol=5e-324)


@pytest.mark.parametrize("amount", [1e-2, 1e-5, 1e-9, 1e-14])
def test_a_number_that_is_missed_is_told_apart_from_the_one_expected(amount):
    with pytest.raises(Miss) as missed:
        is_number(5 * (1 + amount), 5.0, "it", "", tolerance=amount / 10)
    got, wanted = re.fullmatch(r"it is (.+), expected (.+)", missed.value.seen).groups()
    assert got != wanted
