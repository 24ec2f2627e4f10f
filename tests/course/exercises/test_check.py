"""What `check` promises whatever it is handed: it understands, explains, and never raises on a learner's account."""

import html.parser
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from rulbook.course.ch13.expected_score import best_bias
from rulbook.course.ch14.schedules import SCHEDULES, broken_constraints
from rulbook.errors import InputError
from rulbook.exercises import Exercise, Finding, Miss, Result, check, exercises, expect, function, number, vector
from rulbook.losses import failure_weights, moderate_weighted_mse_loss
from rulbook.palette import METHOD_COLORS
from rulbook.reference import amnl_weighted_mse, softmax_cross_entropy
from rulbook.reference import failure_weights as reference_weights


def one_of_each():
    return [
        None,
        ...,
        "text",
        3,
        -1.0,
        float("nan"),
        [],
        [1, 2],
        (..., ...),
        {"a": 1},
        object(),
        np.ones((2, 2)),
        print,
    ]


@pytest.mark.parametrize("number", exercises())
def test_nothing_that_is_handed_over_makes_it_raise(number):
    def breaks(*args):
        raise RuntimeError("broken")

    for answer in [*one_of_each(), breaks, lambda: 1, lambda *a: "text", lambda *a: np.nan, lambda *a: [[1], [2]]]:
        result = check(number, answer)
        assert not result.passed
        assert result.number == number
        assert str(result)
        assert result._repr_html_()


def test_an_unknown_number_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"number is '14\.99': it must be one of .*14\.1, 14\.2, .*14\.13"):
        check("14.99", 1.0)


@pytest.mark.parametrize(
    "answer", [1.6, np.float32(1.6), np.array(1.6), np.array([1.6]), torch.tensor(1.6), Fraction(8, 5), [1.6]]
)
def test_a_number_may_come_in_any_dress(answer):
    assert check("14.1", answer).passed


@pytest.mark.parametrize("answer", [(300, 310), [300, 310], np.array([300.0, 310.0]), torch.tensor([300.0, 310.0])])
def test_so_may_a_vector(answer):
    assert check("14.6", answer).passed


def scalar_weights(y, max_rul):
    return 1.0 + max(0.0, 1.0 - y / max_rul)


def list_weights(target, max_rul):
    return [scalar_weights(y, max_rul) for y in target]


@pytest.mark.parametrize("answer", [scalar_weights, list_weights, failure_weights, reference_weights])
def test_a_function_may_work_on_numbers_lists_tensors_or_arrays(answer):
    assert check("14.3", answer).passed


def test_a_torch_loss_with_its_autograd_gradient_is_understood():
    def weighted_mse(pred, target, max_rul):
        pred = torch.as_tensor(pred).requires_grad_()
        loss = moderate_weighted_mse_loss(pred, torch.as_tensor(target), max_rul)
        loss.backward()
        return loss, pred.grad

    assert check("14.4", weighted_mse).passed


def test_the_packaged_functions_pass_their_own_exercises():
    def gradient(pred, target, max_rul):
        loss, _, grad = amnl_weighted_mse(pred, target, max_rul)
        return loss, grad

    assert check("14.4", gradient).passed
    assert check("14.5", lambda pred, target, max_rul: amnl_weighted_mse(pred, target, max_rul)[0]).passed
    assert check("14.8", lambda pred, target: moderate_weighted_mse_loss(pred, target, w_max=1.0)).passed


def test_the_bug_of_14_8_is_pytorchs_own_behaviour():
    with pytest.warns(UserWarning, match="broadcasting"):
        loss = torch.nn.functional.mse_loss(torch.tensor([[0.0], [50.0], [100.0]]), torch.tensor([0.0, 50.0, 100.0]))
    assert loss.item() == pytest.approx(3333.33, abs=0.01)
    result = check("14.8", torch.nn.functional.mse_loss)
    assert [finding.passed for finding in result.findings] == [True, False, False, False]


def test_the_schedule_exercise_sees_what_section_14_2_sees():
    for schedule in SCHEDULES.values():
        missed = {name for name, _ in exercises()["14.11"].properties} - {
            finding.text for finding in check("14.11", schedule).findings if finding.passed
        }
        anchored, continuous = (any(word in name for name in missed) for word in ("exactly", "no jump"))
        assert anchored == ("anchored" in broken_constraints(schedule))
        assert continuous == ("continuous" in broken_constraints(schedule))


def test_an_exception_is_shown_with_its_line():
    def weights(target, max_rul):
        total = 0
        return target[1000] + total

    result = check("14.3", weights)
    line = weights.__code__.co_firstlineno + 2
    first, *others = result.findings
    assert first.text == "weight at the cap is 1: stopped by IndexError"
    assert f"line {line} of weights, `return target[1000] + total`" in first.hint
    assert all(not finding.hint for finding in others)


def test_the_wrong_arguments_are_named_before_anything_runs():
    finding = check("14.3", lambda target: target).findings[0]
    assert "the check calls `weights(target, max_rul)`" in finding.text
    assert finding.hint == "Keep the arguments of the stub, in their order."


def test_calling_the_function_instead_of_handing_it_over_is_noticed():
    finding = check("14.3", scalar_weights(50, 125)).findings[0]
    assert finding.text == "a float came, a function is wanted"


def test_a_stub_is_not_called_wrong():
    def stub(target, max_rul):
        raise NotImplementedError

    for untouched in (stub, lambda target, max_rul: None, lambda target, max_rul: ..., ...):
        result = check("14.3", untouched)
        assert result.findings == ()
        assert "not answered yet" in result.summary
        assert "✗" not in str(result)


def test_the_answer_cannot_spoil_our_inputs():
    def greedy(target, max_rul):
        weights = reference_weights(target, max_rul)
        target[:] = 0.0
        return weights

    assert check("14.3", greedy).passed


def test_nor_can_an_answer_in_torch_that_writes_into_them():
    def greedy(target, max_rul):
        weights = 1 + torch.clamp(1 - target / max_rul, 0, 1)
        target.zero_()
        return weights

    def nested(h, rul_layers, health_layers):
        def head(a, layers):
            for place, (weight, bias) in enumerate(layers):
                a = a @ weight.T + bias
                a = torch.relu(a) if place + 1 < len(layers) else a
            for weight, bias in layers:
                weight.zero_(), bias.zero_()
            return a

        return head(h, rul_layers)[:, 0], head(h, health_layers)

    assert check("14.3", greedy).passed
    assert check("11.5", nested).passed


@pytest.mark.parametrize("extra", [-1, 1])
def test_one_number_too_few_or_too_many_is_refused(extra):
    def weights(target, max_rul):
        return np.resize(reference_weights(target, max_rul), np.size(target) + extra)

    result = check("14.3", weights)
    assert not any(finding.passed for finding in result.findings)
    assert f"returned {1 + extra} numbers for 1 number" in result.findings[0].text


@pytest.mark.parametrize("number", exercises())
def test_what_an_answer_is_good_for_is_told_only_when_it_is_right(number):
    takeaway = exercises()[number].takeaway
    assert takeaway
    for answer in (3.5, ..., lambda *args: 3.5, [3.5, 2.5]):
        result = check(number, answer)
        assert not result.passed
        shown = str(result), result._repr_html_()
        assert " ".join(takeaway.split()) not in " ".join(shown[0].split())
        assert result.takeaway[:20] not in shown[1]
    right = Result(number, "t", (Finding(True, "x"),), takeaway)
    assert " ".join(takeaway.split()) in " ".join(str(right).split())


@pytest.mark.parametrize("number", [14.10, 17.1, np.float64(14.1), 14, None, b"14.1"])
def test_a_number_without_quotes_is_refused_because_two_exercises_share_it(number):
    with pytest.raises(InputError, match=r"number is .*: write it as text, in quotes"):
        check(number, 1.6)


def test_what_is_raised_with_nothing_to_say_says_so_and_the_innermost_line_is_the_learners():
    def weights(target, max_rul):
        raise RuntimeError

    def inner(target, max_rul):
        return np.linalg.solve(np.zeros((2, 2)), np.ones(2))

    assert "It came without a message" in check("14.3", weights).findings[0].hint
    assert "of inner, `return np.linalg.solve" in check("14.3", inner).findings[0].hint
    long = check("14.3", lambda target, max_rul: (_ for _ in ()).throw(ValueError("x" * 5000))).findings[0].hint
    assert len(long) < 700


def test_a_text_that_two_properties_share_is_told_once():
    twice = Exercise("1.1", "t", number)
    for name in ("the first", "the second"):

        @twice.requires(name)
        def _(answer):
            raise Miss("nothing came", "Look again.")

    assert [(f.text, f.hint) for f in twice.check(1).findings] == [("nothing came", "Look again."), ("the second", "")]


def test_points_may_come_to_the_front_as_lists_or_as_arrays():
    def by_array(points):
        no_worse = (points[:, None] <= points[None]).all(axis=2)
        better = (points[:, None] < points[None]).any(axis=2)
        return ~(no_worse & better).any(axis=0)

    def by_list(points):
        return [not any(p != q and p[0] <= q[0] and p[1] <= q[1] for p in sorted(points)) for q in points]

    assert check("13.4", by_array).passed
    assert check("13.4", by_list).passed


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("17.1", (0.571, 0.286, 0.143)),
        ("13.1", 25.97),
        ("17.8", [346, 1465]),
        ("17.8", (346.4, 1460)),
        ("14.2", 19.6),
        ("13.9", np.array([1.52, 1.96])),
    ],
)
def test_as_many_digits_as_are_asked_for_are_enough(number, answer):
    assert check(number, answer).passed


def test_a_shift_to_a_tenth_of_a_cycle_is_exact_enough_and_six_tenths_are_not():
    assert check("13.3", lambda sigma: round(best_bias(sigma), 1)).passed
    assert check("13.3", lambda sigma: best_bias(sigma) + 0.09).passed
    assert not check("13.3", lambda sigma: best_bias(sigma) + 0.12).passed
    assert not check("13.3", lambda sigma: best_bias(sigma) - 0.6).passed


def test_progress_is_shown_and_one_hint_at_a_time():
    result = check("14.3", lambda target, max_rul: 2.0 - target / max_rul)
    assert [finding.passed for finding in result.findings] == [True, True, False, True, True, True]
    assert str(result).splitlines()[:5] == [
        "Exercise 14.3, the weight of every engine: 5 of 6 right",
        "  ✓ weight at the cap is 1",
        "  ✓ weight at failure is 2",
        "  ✗ weight at RUL 200 is 0.4, expected 1",
        "    Your line goes on falling beyond the cap. What does the clip do where target",
    ]
    upside_down = check("14.3", lambda target, max_rul: target / max_rul - 5)
    assert [bool(finding.hint) for finding in upside_down.findings] == [True] + [False] * 5


def test_guessing_exercises_do_not_give_their_number_away():
    for guess in (0.1, 1.3, 1.5, 7.0, 10.0, 14.0, 20.0, 25.0, 100.0):
        assert "1.6" not in str(check("14.1", guess))
        assert "19.6" not in str(check("14.2", guess))


def test_an_exercise_of_ones_own():
    square = Exercise("1.1", "a square", function("square(x)"), "Done.")

    @square.requires("the square of 3 is 9")
    def _(answer):
        expect(answer.number(np.array([3.0])) == 9, "3 became something else", "What is 3 times 3?")

    assert square.check(lambda x: x**2).passed
    assert square.check(lambda x: x + x).findings == (Finding(False, "3 became something else", "What is 3 times 3?"),)


def test_readers_say_what_is_wrong_with_an_answer():
    for read, answer, said in [
        (number, [1, 2], "2 numbers came, one is wanted"),
        (vector, "abc", "a str came, numbers are wanted"),
        (vector, [1.0, np.inf], "inf is among the numbers"),
    ]:
        with pytest.raises(Miss, match=said):
            read(answer)


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_html_is_closed_escaped_and_says_what_the_text_says():
    result = Result("1.1", "a <b> & c", (Finding(True, "x < y"), Finding(False, "<script>", "try `a < b`")), "ok")
    page = result._repr_html_()
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert "<script>" not in page
    assert "<code>a &lt; b</code>" in page
    for words in ("a <b> & c", "x < y", "<script>", "a < b", "✓", "✗"):
        assert words in "".join(reader.words)
    assert 'aria-label="right:"' in page
    assert 'aria-label="not yet:"' in page


def test_colours_can_be_read_on_light_and_dark_and_belong_to_no_method():
    def luminance(color):
        channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
            0.2126,
            0.7152,
            0.0722,
        ]

    def contrast(one, other):
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    page = Result("1.1", "t", (Finding(True, "a"), Finding(False, "b")))._repr_html_()
    badges = re.findall(r"background:(#\w{6});color:#fff", page)
    assert len(badges) == 2
    for color in badges:
        assert contrast(color, "#ffffff") > 4.5  # the sign on its badge, and the badge on a white page
        assert contrast(color, "#16191d") > 3  # the badge on a dark page
        assert color not in METHOD_COLORS.values()


def test_checking_needs_neither_torch_nor_notebook_tools():
    code = (
        "import sys; from rulbook.exercises import check; assert check('14.1', 1.6).passed; "
        "print(sorted({'torch', 'matplotlib', 'nbformat', 'jupytext', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def through_single(call):
    """The same answer, by somebody who computes in single precision."""

    def in_single(*args):
        narrow = [arg.astype(np.float32) if getattr(arg, "dtype", None) == np.float64 else arg for arg in args]
        returned = call(*narrow)
        parts = returned if isinstance(returned, tuple) else (returned,)
        single = tuple(np.asarray(part, dtype=np.float32) for part in parts)
        return single if isinstance(returned, tuple) else single[0]

    return in_single


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("11.9", softmax_cross_entropy),
        ("14.4", lambda pred, target, max_rul: amnl_weighted_mse(pred, target, max_rul)[::2]),
        ("14.5", lambda pred, target, max_rul: amnl_weighted_mse(pred, target, max_rul)[0]),
    ],
)
def test_slopes_by_differences_are_taken_of_answers_in_single_precision_too(number, answer):
    missed = [finding.text for finding in check(number, through_single(answer)).findings if not finding.passed]
    assert missed == []


def test_gradients_may_come_back_as_arrays():
    def step_gradient(losses, params):
        rows = [torch.autograd.grad(loss, params, retain_graph=True) for loss in losses]
        inverse = [1 / torch.cat([piece.flatten() for piece in row]).norm() for row in rows]
        shares = [one / sum(inverse) for one in inverse]
        return [
            sum(share * piece for share, piece in zip(shares, pieces, strict=True)).numpy()
            for pieces in zip(*rows, strict=True)
        ]

    assert check("17.5", step_gradient).passed


def test_a_far_error_and_a_tensor_without_an_axis_count():
    def capped(pred, true):
        error = np.clip(pred - true, -100, 100)
        return np.where(error < 0, np.expm1(-error / 13), np.expm1(error / 10)).sum()

    assert not check("13.2", capped).passed
    assert not check("12.3", lambda pieces: sum((one**2).sum() for one in pieces if one.ndim) ** 0.5).passed
    assert check("12.3", lambda pieces: sum((one**2).sum() for one in pieces) ** 0.5).passed


def test_messages_show_no_digits_of_rounding_and_talk_of_what_the_exercise_is_about():
    def texts(number, answer):
        return [f"{one.text} {one.hint}" for one in check(number, answer).findings if not one.passed]

    (alike, *_) = texts("14.13", ([60, 60, 60], [130, 140, 150]))
    assert "from 60 to 60 and saves 0 %" in alike
    assert not any("engine" in text for text in texts("17.3", lambda norms, eps: norms[:2]))
    below = texts("11.7", lambda a, y, rate, max_rul: np.maximum(a - 2 * rate * (a - y), 0))
    assert any("The step from 325 is right" in text for text in below)
