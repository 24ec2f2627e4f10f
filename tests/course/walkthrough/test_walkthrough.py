"""A walkthrough sees what each line does and changes nothing about it."""

# The functions that are walked through bind names in order to be watched.
# ruff: noqa: F841, RET504, RET507

from __future__ import annotations

import functools
import operator
import os
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rulbook import reference
from rulbook.walkthrough import Step, Walkthrough, walkthrough

TARGET = np.array([5.0, 20.0, 50.0, 90.0, 125.0, 200.0])
PRED = TARGET + 10.0


def line(walk: Walkthrough | tuple[Step, ...], code: str) -> Step:
    """The one step whose code begins so."""
    steps = walk.steps if isinstance(walk, Walkthrough) else walk
    (found,) = [step for step in steps if step.code.lstrip().startswith(code)]
    return found


def said(step: Step) -> list[str]:
    return [f"{value.role} {value}" for value in step.state]


# ---- What is seen


def test_the_reference_loss_is_shown_line_by_line_with_its_values():
    walk = walkthrough(reference.uniform_mse, PRED.tolist(), TARGET)
    assert said(line(walk, "def")) == [
        "argument pred: list of 6 = [15.0, 30.0, 60.0, 100.0, 135.0, 210.0]",
        "argument target: array float64 (6,) = [5, 20, 50, 90, 125, 200]",
    ]
    assert said(line(walk, "residual =")) == ["bound residual: array float64 (6,) = [10, 10, 10, 10, 10, 10]"]
    assert said(line(walk, "loss =")) == ["bound loss: float = 100.0"]
    assert said(line(walk, "return")) == [
        "returned loss: float = 100.0",
        "returned grad: array float64 (6,) = [3.3333, 3.3333, 3.3333, 3.3333, 3.3333, 3.3333]",
    ]
    assert "Mean squared error and its gradient" in line(walk, "def").note
    residual = line(walk, "residual =").state[0]
    assert (residual.shape, residual.dtype) == ((6,), "float64")


def test_the_weights_of_the_six_engines_are_the_ones_derived_by_hand():
    walk = walkthrough(reference.amnl_weighted_mse, PRED, TARGET)
    assert line(walk, "weights =").state[0].text == "[1.96, 1.84, 1.6, 1.28, 1, 1]"
    assert line(walk, "loss =").state[0].text == "144.67"
    assert walk.result[0] == pytest.approx(868 / 6)


def test_an_assignment_into_an_array_is_shown_where_it_happens():
    walk = walkthrough(reference.softmax_cross_entropy, [[2.0, 1.0, 0.0]], [0])
    before, after = line(walk, "grad =").state[0], line(walk, "grad[rows").state[0]
    assert before.text == "[[0.66524, 0.24473, 0.090031]]"
    assert (after.role, after.text) == ("changed", "[[-0.33476, 0.24473, 0.090031]]")


def test_what_is_changed_later_does_not_rewrite_what_was_seen():
    def later(values):
        kept = values
        row = [1]
        values *= 2
        row.append(2)
        return kept

    values = np.ones(3)
    walk = walkthrough(later, values)
    assert line(walk, "kept").state[0].text == "[1, 1, 1]"
    assert line(walk, "row =").state[0].text == "[1]"
    # One array under two names, doubled: both are said to have changed.
    assert said(line(walk, "values *=")) == [
        "bound values: array float64 (3,) = [2, 2, 2]",
        "changed kept: array float64 (3,) = [2, 2, 2]",
    ]
    assert said(line(walk, "row.append")) == ["changed row: list of 2 = [1, 2]"]
    assert walk.result is values


def test_a_loop_shows_its_last_values_and_its_count():
    def looped(values):
        total = 0
        for value in values:
            if value < 0:
                continue
            elif value > 100:
                break
            else:
                total += value
        while total > 10:
            total -= 10
        for _ in ():
            total = None
        return total

    walk = walkthrough(looped, [1, -1, 30, 500, 7])
    assert line(walk, "for value").outcome == "4 iterations"
    assert said(line(walk, "for value")) == ["bound value: int = 500"]
    assert line(walk, "if value").outcome == "condition true 1 of 4 times"
    assert line(walk, "elif").outcome == "condition true 1 of 3 times"
    assert (line(walk, "total +=").runs, line(walk, "total +=").state[0].text) == (2, "31")
    assert (line(walk, "while").outcome, line(walk, "total -=").state[0].text) == ("3 iterations", "1")
    assert (line(walk, "for _").outcome, line(walk, "total = None").outcome) == ("0 iterations", "not reached")
    assert not line(walk, "else").executes


def test_runs_are_counted_where_lines_repeat_without_leaving_them():
    def counted(values):
        rest = iter(values)
        pairs = 0
        for i in range(3):
            for _ in range(i):
                pairs += 1
        while True:
            if next(rest) == 0:
                break
        squares = [
            value**2
            for value in values
        ]  # fmt: skip
        total = sum(
            squares,
            start=pairs,
        )
        return total

    walk = walkthrough(counted, [3, 2, 1, 0])
    assert (line(walk, "for i").outcome, line(walk, "for _").outcome) == ("3 iterations", "3 iterations")
    assert line(walk, "pairs +=").runs == 3
    assert line(walk, "if next").outcome == "condition true 1 of 4 times"
    assert (line(walk, "squares").runs, line(walk, "total").runs) == (1, 1)
    assert line(walk, "total").code.count("\n") == 3
    assert walk.result == 17


def test_an_early_return_leaves_the_lines_below_it_unreached():
    def early(values):
        if len(values) == 0:
            return None
        return sum(values) / len(values)

    empty, full = walkthrough(early, []), walkthrough(early, [1.0, 2.0])
    assert [step.outcome for step in empty.steps] == ["", "condition true", "", "not reached"]
    assert said(line(empty, "return None")) == ["returned None"]
    assert [step.outcome for step in full.steps] == ["", "condition false", "not reached", ""]
    assert said(line(full, "return sum")) == ["returned float = 1.5"]


def test_returning_through_with_and_finally_is_shown_at_the_return():
    def guarded(values):
        with np.errstate(divide="ignore"):
            try:
                return values / 0.0
            finally:
                done = True

    walk = walkthrough(guarded, np.ones(1))
    assert said(line(walk, "return")) == ["returned array float64 (1,) = [inf]"]
    assert (line(walk, "with").runs, said(line(walk, "done"))) == (1, ["bound done: bool = True"])


def test_an_exception_is_shown_where_it_was_raised_with_what_the_line_read():
    def broken(pred, target):
        scale = 2.0
        residual = pred[:3] - target
        return scale * residual

    walk = walkthrough(broken, PRED, TARGET)
    step = line(walk, "residual")
    assert step.raised == "ValueError: operands could not be broadcast together with shapes (3,) (6,)"
    assert [(value.role, value.name, value.shape) for value in step.state] == [
        ("read", "pred", (6,)),
        ("read", "target", (6,)),
    ]
    assert line(walk, "return").outcome == "not reached"
    assert isinstance(walk.raised, ValueError)
    with pytest.raises(ValueError, match="broadcast"):
        _ = walk.result


def test_a_caught_exception_is_shown_and_the_run_goes_on():
    def caught(text):
        number = -1
        try:
            number = int(text)
        except ValueError as error:
            message = str(error)
        else:
            message = "fine"
        return number, message

    walk = walkthrough(caught, "x")
    assert line(walk, "number = int").raised.startswith("ValueError: invalid literal")
    assert [value.role for value in line(walk, "number = int").state] == ["read"]
    assert line(walk, 'message = "fine"').outcome == "not reached"
    assert walk.raised is None
    assert walk.result[0] == -1


def test_a_name_bound_again_to_an_equal_value_is_shown_again():
    def bound_twice():
        rate = 0.5
        rate = 1.0 - rate
        return rate

    walk = walkthrough(bound_twice)
    assert said(line(walk, "rate = 0.5")) == ["bound rate: float = 0.5"]
    assert said(line(walk, "rate = 1.0")) == ["bound rate: float = 0.5"]


def test_a_frame_that_an_exception_leaves_returns_nothing():
    def reads(values):
        return values[7]

    def asks(values):
        try:
            found = reads(values)
        except IndexError:
            found = None
        return reads(values)

    walk = walkthrough(asks, [1.0], depth=1)
    assert isinstance(walk.raised, IndexError)
    inner = line(walk, "found = reads").calls[0].steps
    for step in (*walk.steps, *inner):
        assert [value for value in step.state if value.role == "returned"] == []
    assert line(inner, "return").raised.startswith("IndexError")


def test_the_names_inside_of_a_comprehension_are_not_bound_by_its_line():
    def doubles(values):
        item = 7.0
        doubled = [2 * item for item in values]
        by_name = dict.fromkeys(values, 1)
        return doubled, by_name, item

    walk = walkthrough(doubles, [1.0, 2.0])
    assert [value.name for value in line(walk, "doubled").state] == ["doubled"]
    assert [value.name for value in line(walk, "by_name").state] == ["by_name"]
    assert walk.result[2] == 7.0


def test_exhausting_an_iterator_is_no_exception_but_next_on_an_empty_one_is():
    class Once:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

    def looped(values):
        for _ in values:
            pass
        return next(values)

    walk = walkthrough(looped, Once())
    assert line(walk, "for").raised == ""
    assert line(walk, "return").raised == "StopIteration"


def test_passing_an_exception_on_marks_only_the_line_that_raised_it():
    def passed_on():
        with np.errstate():
            try:
                raise KeyError("s7")
            finally:
                done = True
        return done

    walk = walkthrough(passed_on)
    assert [step.code.strip() for step in walk.steps if step.raised] == ['raise KeyError("s7")']
    assert isinstance(walk.raised, KeyError)


# ---- Helpers


def halved(value):
    return checked(value) / 2


def checked(value):
    # A helper of the helper.
    return float(value)


def asks_helpers(values):
    total = sum(halved(value) for value in values)
    mean = np.mean(values)
    return total + halved(mean)


def test_helpers_are_followed_as_deep_as_asked_and_libraries_never():
    flat, one, two = (walkthrough(asks_helpers, [2, 4, 6], depth=depth) for depth in range(3))
    assert not any(step.calls for step in flat.steps)
    (call,) = line(one, "total").calls
    assert (call.name, call.count) == ("halved", 3)
    assert said(line(call.steps, "return")) == ["returned float = 3.0"]
    assert not line(call.steps, "return").calls
    assert line(one, "mean").calls == ()
    (deeper,) = line(line(two, "total").calls[0].steps, "return").calls
    assert (deeper.name, line(deeper.steps, "return").note) == ("checked", "A helper of the helper.")
    assert flat.result == one.result == two.result == 8.0


def test_packaged_helpers_are_followed_too():
    walk = walkthrough(reference.amnl_weighted_mse, PRED, TARGET, depth=1)
    (call,) = line(walk, "weights").calls
    assert line(call.steps, "nearness").state[0].text == "[0.96, 0.84, 0.6, 0.28, 0, 0]"


def test_a_class_made_on_the_way_is_no_helper():
    def makes_a_class():
        class Pair:
            left = 1

            def both(self):
                return self.left

        value = Pair().both()
        return value

    walk = walkthrough(makes_a_class, depth=1)
    assert line(walk, "class Pair").calls == ()
    assert said(line(walk, "class Pair")) == ["bound Pair: type = Pair"]
    assert [call.name for call in line(walk, "value").calls] == ["both"]


def test_recursion_counts_as_a_helper():
    def factorial(n):
        if n == 0:
            return 1
        return n * factorial(n - 1)

    walk = walkthrough(factorial, 3)
    assert (walk.result, said(line(walk, "def"))) == (6, ["argument n: int = 3"])
    deep = walkthrough(factorial, 3, depth=1)
    (call,) = line(deep, "return n").calls
    assert said(line(call.steps, "return n")) == ["returned int = 2"]


def test_an_exception_in_a_helper_is_shown_in_both_places():
    walk = walkthrough(asks_helpers, ["x"], depth=2)
    top = line(walk, "total")
    assert top.raised.startswith("ValueError: could not convert")
    assert line(top.calls[0].steps, "return").raised == top.raised


# ---- Notes


def test_comments_become_notes_and_leave_the_code():
    def noted(
        pred,  # What the network says.
        target,
    ):
        """The first sentence,
        up to the empty row.

        Not this one.
        """
        # Two rows
        # of prose.
        residual = pred - target  # And its end.

        # Inside the call:
        total = sum(
            # the squares
            residual**2  # pragma: no cover
        )
        if total:
            pass
        # Before else.
        else:
            # Before the statement.
            total = 1
        return total  # type: ignore
        # Below the last line.

    walk = walkthrough(noted, np.ones(2), np.zeros(2))
    assert {step.code.split("\n")[0].strip(): step.note for step in walk.steps if step.note} == {
        "def noted(": "The first sentence, up to the empty row.\nWhat the network says.",
        "residual = pred - target": "Two rows of prose. And its end.",
        "total = sum(": "Inside the call: the squares",
        "else:": "Before else.",
        "total = 1": "Before the statement.",
        "return total": "Below the last line.",
    }
    code = "\n".join(step.code for step in walk.steps)
    assert "#" not in code
    assert "sentence" not in code
    assert line(walk, "total = sum").code == "    total = sum(\n        residual**2\n    )"
    assert [step.number for step in walk.steps] == [1, 5, 6, 9, 10, 11, 12, 13]


def test_notes_can_come_from_outside():
    walk = walkthrough(reference.uniform_mse, PRED, TARGET, notes={"residual": "Positive: promised too much."})
    assert line(walk, "residual").note == "Positive: promised too much."


@pytest.mark.parametrize(("key", "times"), [("nothing like it", 0), ("", 6)])
def test_a_note_that_fits_no_line_or_many_is_refused(key, times):
    with pytest.raises(ValueError, match=f"notes has the key '{key}', which begins {times} lines"):
        walkthrough(reference.uniform_mse, PRED, TARGET, notes={key: "?"})


# ---- Nothing is changed


def branchy(values, limit):
    seen = {}
    total = 0.0
    for i, value in enumerate(values):
        if value > limit:
            total += value / limit
            continue
        try:
            seen[int(value)] = 1 / (value - limit)
        except (ZeroDivisionError, OverflowError, ValueError):
            seen["bad"] = i
        if len(seen) > 3:
            return total, seen
    return [total, {k: v for k, v in seen.items()}, max(values)]  # noqa: C416


def outcome(call):
    try:
        return repr(call())
    except Exception as error:
        return repr(error)


@settings(max_examples=30)
@given(
    values=st.lists(st.floats() | st.integers() | st.text(max_size=2), max_size=8),
    limit=st.floats() | st.none(),
    depth=st.integers(0, 2),
)
def test_any_run_gives_what_it_gives_untraced(values, limit, depth):
    plain = outcome(lambda: branchy(values, limit))
    assert outcome(lambda: walkthrough(branchy, values, limit, depth=depth).result) == plain


@settings(max_examples=10)
@given(data=st.data(), size=st.integers(0, 12))
def test_the_losses_give_bit_for_bit_what_they_give_untraced(data, size):
    batch = arrays(np.float64, size, elements=st.floats(-1e6, 1e6))
    pred, target = data.draw(batch), data.draw(batch)
    for loss in (reference.uniform_mse, reference.amnl_weighted_mse):
        plain = outcome(lambda loss=loss: [np.asarray(part).tobytes() for part in loss(pred, target)])
        walked = outcome(
            lambda loss=loss: [np.asarray(part).tobytes() for part in walkthrough(loss, pred, target).result]
        )
        assert walked == plain


def test_the_state_of_random_numbers_is_left_alone():
    rng = np.random.default_rng(0)

    def draws(rng):
        first = rng.normal()
        return first + rng.normal()

    walked = walkthrough(draws, rng).result
    assert walked == draws(np.random.default_rng(0))


def raises(error):
    raise error


def inner_walk(values):
    inside = walkthrough(branchy, values, 1.0)
    after = inside.result
    return after


@pytest.mark.parametrize("outer", [None, "python"])
def test_the_tracer_that_was_there_is_there_again(outer):
    seen = []

    def tracer(frame, event, arg):
        seen.append((frame.f_code.co_name, event))
        return tracer

    before = sys.gettrace()
    mine = tracer if outer else None
    try:
        sys.settrace(mine)
        after = []
        walkthrough(branchy, [1.0, 2.0], 1.0)
        after.append(sys.gettrace())
        failed = walkthrough(raises, ValueError("late"))
        after.append(sys.gettrace())
        nested = walkthrough(inner_walk, [1.0, 2.0])
        after.append(sys.gettrace())
        with pytest.raises(KeyboardInterrupt):
            walkthrough(raises, KeyboardInterrupt())
        after.append(sys.gettrace())
        halved(2)
    finally:
        sys.settrace(before)
    assert after == [mine] * 4
    assert (("halved", "line") in seen) is bool(outer)
    assert ("branchy", "line") not in seen
    assert nested.result == branchy([1.0, 2.0], 1.0)
    assert line(nested, "after").state, "the outer walkthrough goes on after the inner one"
    trace = failed.raised.__traceback__
    while trace is not None:
        assert trace.tb_frame.f_code is not raises.__code__ or trace.tb_frame.f_trace is None
        trace = trace.tb_next


def test_a_large_array_is_not_copied():
    def scaled(values):
        view = values[::2]
        values *= 2
        return view

    values = np.ones(4_000_000)
    tracemalloc.start()
    walk = walkthrough(scaled, values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 20
    assert line(walk, "view").state[0].text == "[1, 1, 1, 1, 1, 1, 1, 1, …]"


def test_a_value_that_cannot_be_read_does_not_disturb_the_run():
    class Hostile(list):
        def __len__(self):
            raise RuntimeError("no")

    def made():
        value = Hostile()
        return value

    walk = walkthrough(made)
    assert isinstance(walk.result, Hostile)
    assert said(line(walk, "value")) == ["bound value: Hostile = cannot be shown (RuntimeError)"]


# ---- What can be walked through


def test_odd_shapes_of_functions():
    # fmt: off
    def short(x): return 2 * x

    def documented(x): "Only words, see :func:`len` and ``x``."

    def wordy(x):
        text = f"""
            {x}

            # no comment: {x + 1}
        """
        if x: return text.split()  # noqa: E701
        return None

    # fmt: on
    assert said(*walkthrough(short, 2).steps) == ["argument x: int = 2", "returned int = 4"]
    (step,) = walkthrough(documented, 2).steps
    assert step.note == "Only words, see `len` and `x`."
    walk = walkthrough(wordy, 1)
    assert "# no comment" in line(walk, "text").code
    assert line(walk, "if x").outcome == ""
    assert said(line(walk, "if x")) == ["returned list of 5 = ['1', '#', 'no', 'comment:', '2']"]


def doubling(f):
    @functools.wraps(f)
    def wrapper(*args):
        return 2 * f(*args)

    return wrapper


def test_a_decorated_function_runs_decorated():
    @doubling
    def mean(values):
        return sum(values) / len(values)

    walk = walkthrough(mean, [1, 2])
    assert walk.result == 3.0
    assert said(line(walk, "return")) == ["returned float = 1.5"]
    assert not line(walk, "@doubling").executes


def test_a_method_shows_what_it_sets_on_its_object():
    class Ema:
        def __init__(self):
            self.mean = 0.0

        def update(self, value, *more, beta=0.5, **named):
            # Old and new.
            self.mean = beta * self.mean + (1 - beta) * value
            return self.mean

    walk = walkthrough(Ema().update, 4.0, 1, beta=0.75, name="x")
    assert said(line(walk, "def"))[1:] == [
        "argument value: float = 4.0",
        "argument beta: float = 0.75",
        "argument more: tuple of 1 = (1,)",
        "argument named: dict of 1 = {'name': 'x'}",
    ]
    assert said(line(walk, "self.mean =")) == ["bound self.mean: float = 1.0"]
    assert line(walk, "self.mean =").code.startswith("    self")


def count_up():
    yield 1


async def waits():
    return 1


class Callable:
    def __call__(self):
        return 1


no_source: dict[str, object] = {}
exec("def typed_in(x):\n    return x", no_source)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x, "lambdas, generators and coroutines"),
        (count_up, "count_up: lambdas, generators and coroutines"),
        (waits, "waits: lambdas, generators and coroutines"),
        (len, "f is len: it must be a function made by def"),
        (np.add, "must be a function made by def"),
        (operator.itemgetter(0), "f is itemgetter"),
        (Callable, "class Callable: pass one of its methods"),
        (Callable(), "f is Callable: it must be a function made by def"),
        (functools.partial(halved, 1), "f is partial"),
        (no_source["typed_in"], "f is typed_in: its source cannot be found"),
    ],
)
def test_what_has_no_lines_to_step_through_is_refused(f, message):
    with pytest.raises(ValueError, match=message):
        walkthrough(f)


def test_a_body_that_never_runs_is_refused():
    cached = functools.lru_cache(halved)
    assert cached(4) == 2.0
    with pytest.raises(ValueError, match="halved: its body never ran"):
        walkthrough(cached, 4)


def test_wrong_arguments_are_the_callers_mistake():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        walkthrough(halved)
    with pytest.raises(ValueError, match="depth is -1: it must be a whole number of at least 0"):
        walkthrough(halved, 4, depth=-1)


def test_a_function_of_a_notebook_cell_is_found(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    cell = """
        from rulbook.walkthrough import walkthrough

        def late(pred, target):
            # Six engines.
            return pred - target

        walkthrough(late, 15.0, 5.0)
    """
    result = shell.run_cell(textwrap.dedent(cell))
    assert result.success
    walk = result.result
    assert repr(walk) in capsys.readouterr().out
    assert line(walk, "return").note == "Six engines."
    assert said(line(walk, "return")) == ["returned float = 10.0"]


# ---- The text form


def test_the_text_form_reads_from_top_to_bottom():
    def scores(logits):
        # Large `logits` would overflow.
        shifted = logits - logits.max(axis=1, keepdims=True)
        rows = checked(len(shifted))
        raise ValueError("stop\n  here")

    walk = walkthrough(scores, np.array([[2.0, 1.0], [0.0, 3.0]]), depth=1)
    assert repr(walk) == textwrap.dedent(
        """\
        scores, line by line

          1  def scores(logits):
                 logits: array float64 (2, 2) = [[2, 1],
                                                 [0, 3]]
          2      shifted = logits - logits.max(axis=1, keepdims=True)
                     # Large `logits` would overflow.
                     shifted: array float64 (2, 2) = [[0, -1],
                                                      [-3, 0]]
          3      rows = checked(len(shifted))
                     rows: float = 2.0
                     inside checked:
                     │  1  def checked(value):
                     │         value: int = 2
                     │  2      return float(value)
                     │             # A helper of the helper.
                     │             returns float = 2.0
          4      raise ValueError("stop\\n  here")
                     raises ValueError: stop here"""
    )


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import test_walkthrough as t
from rulbook.walkthrough import walkthrough
from rulbook import reference
w = [walkthrough(reference.amnl_weighted_mse, t.PRED, t.TARGET, depth=2), walkthrough(t.asks_helpers, [2, 4], depth=1)]
print(*w, *(x._repr_html_() for x in w), walkthrough(t.holds_addresses))
"""


def holds_addresses():
    bag = {"a", "b", "c"}
    thing = object()
    call = len
    raise RuntimeError(f"{thing} is not in {len(bag)} or {call}")


def test_two_processes_write_the_same_text():
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    texts = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert "0x…" in texts[0]
    assert "thing: object\n" in texts[0]


def test_the_page_form_escapes_what_it_shows():
    def hostile(text):
        # A <b>note</b> with `a < b`.
        text += "<script>alert(1)</script>"
        raise ValueError(text)

    page = walkthrough(hostile, "<img src=x>")._repr_html_()
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "<b>" not in page
    assert "A &lt;b&gt;note&lt;/b&gt; with <code>a &lt; b</code>." in page


# ---- Values


def shown(value):
    def bind(value):
        bound = value
        return bound

    return line(walkthrough(bind, value), "bound").state[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1234567.0"),
        (123.456789, "123.46"),
        (-0.0, "0.0"),
        (1e-8, "1e-8"),
        (6.022e23, "6.022e23"),
        (2e-17, "~0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (10**50, "a number of 167 bits"),
        (True, "True"),
        ("x" * 80, "'" + "x" * 60 + "…'"),
        (None, ""),
        ([], "[]"),
        ([[1, [2, [3]]]], "[[1, […]]]"),
        ({"loss": 1.5, "n": None}, "{'loss': 1.5, 'n': None}"),
        ((np.float32(0.1), np.ones((2, 2))), "(0.1, [[1, 1], [1, 1]])"),
        (np.array(["a", "b"]), "['a', 'b']"),
        (np.array([1.0, 2e-17, np.nan]), "[1, ~0, nan]"),
        (np.array([1e-9, 2e-9]), "[1e-9, 2e-9]"),
        (np.arange(20), "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
        (np.zeros((3, 0)), "[[], [], []]"),
        (np.array([True, False]), "[True, False]"),
        (np.array(3 + 4j), "3 + 4j"),
        (np.arange(24).reshape(8, 3, 1), "[[[0], [1], [2]], [[3], [4], [5]], …]"),
        (len, "len"),
        (object(), ""),
    ],
)
def test_leading_values_are_rounded_and_never_an_address(value, text):
    assert shown(value).text == text


def test_tables_are_named_by_their_shape_and_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"unit": [1, 1], "s7": [553.9, 554.2]})
    assert (shown(frame).kind, shown(frame).text) == ("DataFrame (2, 2)", "columns unit, s7")
    assert (shown(frame["s7"]).kind, shown(frame["s7"]).text) == ("Series float64 (2,)", "[553.9, 554.2]")
