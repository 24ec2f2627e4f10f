"""Exercises for chapter 11, 11.1 to 11.5: the network's shapes, its parameters and its heads.

``book/exercises/11-dual-task-model.md`` has their statements, stubs, solutions and wrong answers.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rulbook._check import Array
from rulbook.course.exercises._answers import Function, close, expect, function, is_number, is_pair, number, show, slip
from rulbook.course.exercises._exercise import Exercise, Miss

born_dead = Exercise(
    "11.1",
    "born dead",
    number,
    "The spread of the sum decides nothing but the edge. The sign of one random bias decides the rest.",
)


@born_dead.requires("it is a share, between 0 and 1")
def _(share: float) -> None:
    hint = "7 of 100 networks are a share of 0.07. Divide by the number of networks."
    expect(0 <= share <= 1, f"{show(share, 0, 1)} is no share", hint)


@born_dead.requires("fewer networks are dead for every window than have a bias below 0")
def _(share: float) -> None:
    slips = {
        0.5: "Half of the biases are below 0. With a bias of -0.01, does the window with the largest sum answer 0 too?",
        0.6: "That is the share that answers 0 to at least one window. Every window is asked for.",
    }
    hint = "A network is dead if bias + sum is at most 0 for the window with the largest sum."
    expect(share < 0.5 - 1e-9, f"{show(share, 0.5)} is half or more", slip(share, slips, hint))


@born_dead.requires("it is the share of biases from which even the largest sum does not lead above 0")
def _(share: float) -> None:
    slips = {
        0.2: "0.2 is the length of the stretch of biases. Over which length are they drawn?",
        0.8: "You divided by 0.25. The biases are drawn from -0.25 to 0.25, a stretch of 0.5.",
        0.1: "0.1 is the spread of the sums. Which biases keep the largest of them at or below 0?",
    }
    hint = "Which biases b have b + 0.05 at most 0? What share of the stretch from -0.25 to 0.25 is that?"
    expect(close(share, 0.4, 1e-3), f"{show(share)} of the networks", slip(share, slips, hint))


lstm_count = Exercise(
    "11.2",
    "count a recurrent layer",
    function("lstm_parameters(width_in, hidden, layers, directions)"),
    "With 64, 256, 2 and 2 it gives 2,236,416: two thirds of the whole network.",
)


def _lstm(width_in: int, hidden: int, layers: int, directions: int) -> float:
    first = directions * 4 * hidden * (width_in + hidden + 2)
    return float(first + (layers - 1) * directions * 4 * hidden * (directions * hidden + hidden + 2))


@lstm_count.requires("one input, one state, one layer, both directions: 32 parameters")
def _(count: Function) -> None:
    slips = {
        16.0: "That is one direction. The layer runs forwards and backwards, with weights of its own each way.",
        24.0: "One bias for each gate row. PyTorch keeps two, one with the inputs and one with the states.",
        8.0: "That is one gate for both directions. An LSTM has four.",
        12.0: "That is one direction with one bias. PyTorch has two of each.",
    }
    hint = "Count one row of one gate: inputs, states, biases. Then rows, gates, directions."
    is_number(count.number(1, 1, 1, 2), 32.0, "the count", hint, slips)


@lstm_count.requires("twice the inputs add 2 · 4 · H weights for each new input, in one layer")
def _(count: Function) -> None:
    grown = count.number(20, 7, 1, 2) - count.number(10, 7, 1, 2)
    hint = "Every row of every gate reads every input once. How many rows are there in both directions?"
    is_number(grown, 10 * 2 * 4 * 7.0, "what ten more inputs cost at H = 7", hint)


@lstm_count.requires("it knows that states are read too: 10 inputs and 20 states give 5,120")
def _(count: Function) -> None:
    slips = {
        2 * 4 * 20 * (10 + 2.0): "Each gate also reads the states of the cycle before. Where are their weights?",
        2 * 4 * 20 * (10 + 1 + 2.0): "Each row reads all H states, not one.",
    }
    hint = "A row of a gate reads D inputs and H states."
    is_number(count.number(10, 20, 1, 2), 5120.0, "the count", hint, slips)


@lstm_count.requires("the second layer reads both directions of the first")
def _(count: Function) -> None:
    got = count.number(64, 256, 2, 2) - count.number(64, 256, 1, 2)
    slips = {
        2 * 4 * 256 * (64 + 256 + 2.0): "Your second layer reads the network's input again. It reads the first layer.",
        2 * 4 * 256 * (256 + 256 + 2.0): "Your second layer reads one direction of the first. How wide is its output?",
        0.0: "A second layer costs nothing in your count.",
    }
    slips[2 * 4 * 256 * (2 * 256 + 256 + 1.0)] = "One bias is missing in each row of the second layer."
    is_number(got, 1_576_960.0, "the second layer of the book", "What is its input width?", slips)


@lstm_count.requires("each layer reads the one below it, however many there are")
def _(count: Function) -> None:
    for width_in, hidden, layers in ((5, 3, 3), (40, 8, 4), (2, 11, 6)):
        wanted = _lstm(width_in, hidden, layers, 2)
        slips = {
            _lstm(width_in, hidden, 2, 2): "You stop at two layers.",
            _lstm(width_in, hidden, 1, 2) * layers: "Each layer after the first reads the one below it.",
        }
        what = f"the count for D = {width_in}, H = {hidden} and {layers} layers"
        is_number(count.number(width_in, hidden, layers, 2), wanted, what, "How wide is what layer 3 reads?", slips)


@lstm_count.requires("in one direction, a layer reads one direction of the layer below")
def _(count: Function) -> None:
    for width_in, hidden, layers in ((1, 1, 1), (9, 4, 2), (3, 7, 4)):
        wanted = _lstm(width_in, hidden, layers, 1)
        slips = {
            _lstm(width_in, hidden, layers, 2): "You counted both directions. Their number comes in as an argument.",
            _lstm(width_in, hidden, layers, 2) / 2: "Half of two directions is too much: what does layer 2 read now?",
        }
        what = f"the count for D = {width_in}, H = {hidden}, {layers} layers, one direction"
        is_number(count.number(width_in, hidden, layers, 1), wanted, what, "Where do the directions enter?", slips)


cnn_count = Exercise(
    "11.3",
    "count a convolution block",
    function("block_parameters(n_in, n_out, kernel, groups)"),
    "Three such blocks make the 52,928 of the book's CNN with 17 features.",
)


@cnn_count.requires("one more input channel adds one kernel to each output channel")
def _(count: Function) -> None:
    got = count.number(18, 64, 3, 1) - count.number(17, 64, 3, 1)
    hint = "Each output channel slides one kernel over each input channel."
    is_number(got, 3 * 64.0, "what the 18th input channel costs", hint)


@cnn_count.requires("the width of the kernel is an argument")
def _(count: Function) -> None:
    got = count.number(4, 8, 5, 1) - count.number(4, 8, 3, 1)
    is_number(got, 2 * 4 * 8.0, "what two more taps cost", "Is there a 3 in the body of your function?")


@cnn_count.requires("17 channels to 64, kernel 3: 3,392 parameters")
def _(count: Function) -> None:
    weights = 3 * 17 * 64.0
    slips = {
        weights: "Batch normalisation has parameters too: a scale and a shift for each channel that it sees.",
        weights + 64: "That is the convolution with a bias, without batch normalisation. The block has it reversed.",
        weights + 3 * 64: "You gave the convolution a bias. What does batch normalisation do to a constant?",
        weights + 4 * 64: "Running mean and variance are kept but not trained: they are buffers, no parameters.",
        weights + 2 * 17: "Batch normalisation comes after the convolution. How many channels does it see?",
    }
    is_number(count.number(17, 64, 3, 1), 3392.0, "the count", "Kernel weights, then two numbers a channel.", slips)


@cnn_count.requires("in groups, an output channel reads only the channels of its group")
def _(count: Function) -> None:
    for n_in, n_out, kernel, groups in ((8, 4, 3, 2), (12, 6, 5, 3), (10, 10, 7, 10), (6, 9, 1, 3)):
        weights = kernel * n_in * n_out
        slips = {
            weights + 2.0 * n_out: "All output channels still read all input channels.",
            weights / groups**2 + 2.0 * n_out: "All output channels are there still. Each reads fewer inputs.",
            (weights + 2.0 * n_out) / groups: "Batch normalisation knows no groups: two numbers a channel, as before.",
        }
        what = f"the count for {n_in} to {n_out} channels, kernel {kernel}, {groups} groups"
        hint = "How many input channels are there in a group? So many kernels has each output channel."
        is_number(count.number(n_in, n_out, kernel, groups), weights / groups + 2.0 * n_out, what, hint, slips)


last_vector = Exercise(
    "11.4",
    "the last of what",
    function("last_cycle(ordered)"),
    "The axes are window, cycle, number. Say which one you mean, and check the shape once.",
)


@last_vector.requires("five windows give five vectors")
def _(last_cycle: Function) -> None:
    ordered = np.random.default_rng(4).normal(size=(5, 30, 8))
    got = np.asarray(last_cycle(ordered))
    hints = {
        (30, 8): "That is the last window, all of its 30 cycles. Which axis counts the windows?",
        (5, 30): "That is one of the eight numbers, at every cycle. Which axis counts the cycles?",
        (5, 1, 8): "Right numbers, one axis too many: a slice keeps its axis, an index drops it.",
    }
    hint = "Print `ordered.shape` and the shape of what you return."
    expect(got.shape == (5, 8), f"(5, 30, 8) became {got.shape}", hints.get(got.shape, hint))


@last_vector.requires("each is the vector of its window's last cycle")
def _(last_cycle: Function) -> None:
    for seed, shape in enumerate(((6, 6, 8), (5, 30, 8), (1, 4, 8), (7, 2, 10))):
        _expect_last(last_cycle, np.random.default_rng(seed).normal(size=shape))


def _expect_last(last_cycle: Function, ordered: Array) -> None:
    got, wanted = np.asarray(last_cycle(ordered)), ordered[:, -1]
    if got.shape == wanted.shape and close(got, wanted):
        return
    if got.shape != wanted.shape:
        hint = "One vector for each window, whatever the numbers of windows and cycles."
        raise Miss(f"{ordered.shape} became {got.shape}", hint)
    half = ordered.shape[2] // 2
    if ordered.shape[0] == ordered.shape[1] and close(got, ordered[-1]):
        hint = "With 6 windows of 6 cycles the shapes agree and the numbers do not: you took the last window."
    elif close(got, ordered[:, 0]):
        hint = "That is the first cycle."
    elif close(got, ordered.mean(axis=1)):
        hint = "That is the mean over all cycles. It is a pooling too, but not the one asked for."
    elif close(got[:, :half], wanted[:, :half]) and close(got[:, half:], ordered[:, 0, half:]):
        hint = "These are the final states of both directions, as `h_n` has them. The backward one ends at cycle 1."
    else:
        hint = "Try one window of two cycles: [[[1, 2], [3, 4]]] must give [[3, 4]]."
    raise Miss("some numbers are not those of the last cycle", hint)


mini_heads = Exercise(
    "11.5",
    "two heads in NumPy",
    function("two_heads(h, rul_layers, health_layers)"),
    "This is `DualTaskModel.heads`: one number and three logits from the same representation.",
)


def _layers(rng: np.random.Generator, *widths: int) -> list[tuple[Array, Array]]:
    return [(rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)) for n_in, n_out in pairwise(widths)]


def _head(h: Array, layers: list[tuple[Array, Array]]) -> Array:
    for i, (weight, bias) in enumerate(layers):
        h = h @ weight.T + bias
        if i + 1 < len(layers):
            h = np.maximum(h, 0.0)
    return h


def _answers(two_heads: Function, *args: object) -> tuple[Array, Array]:
    rul, logits = is_pair(two_heads(*args), "End with `return rul, logits`.")
    return np.asarray(rul, dtype=float), np.asarray(logits, dtype=float)


_H = np.random.default_rng(11).normal(size=(6, 4))
_RUL, _HEALTH = _layers(np.random.default_rng(3), 4, 5, 1), _layers(np.random.default_rng(2), 4, 5, 3)


@mini_heads.requires("six windows give six numbers, shape (6,), and six times three logits")
def _(two_heads: Function) -> None:
    rul, logits = _answers(two_heads, _H, _RUL, _HEALTH)
    hint = "A last layer with one row gives (6, 1). Against labels of shape (6,) that broadcasts to a table."
    if rul.shape == (6, 3) and logits.size == 6:
        hint = "The three logits came first. The RUL is wanted first."
    expect(rul.shape == (6,), f"the RULs have shape {rul.shape}", hint)
    expect(logits.shape == (6, 3), f"the logits have shape {logits.shape}", "Three for each window.")


@mini_heads.requires("with one layer each, the answers are the bare sums: nothing stands behind the last layer")
def _(two_heads: Function) -> None:
    one_rul, one_health = _RUL[-1:], _HEALTH[-1:]
    h = np.random.default_rng(12).normal(size=(6, 5))
    rul, logits = _answers(two_heads, h, one_rul, one_health)
    wanted_rul, wanted_logits = _head(h, one_rul)[:, 0], _head(h, one_health)
    if not close(rul, wanted_rul):
        hint = "Put a -5 through your last layer by hand. Does a ReLU wait behind it?"
        dead = close(rul, np.maximum(wanted_rul, 0.0))
        raise Miss(
            "a negative answer was cut off" if dead else "the RULs are not h W^T + b",
            hint if dead else "A layer is a matrix times the vector, plus the bias.",
        )
    if not close(logits, wanted_logits):
        if close(logits.sum(axis=1), 1.0):
            hint = "They sum to 1: probabilities. The loss takes the softmax itself."
        elif close(logits, np.maximum(wanted_logits, 0.0)):
            hint = "A ReLU stands behind the last layer of the health head: negative scores are cut off."
        else:
            hint = "The RUL head is right. Is the last layer of the health head computed in the same way?"
        raise Miss("the logits are not h V^T + c", hint)


@mini_heads.requires("between two layers, what is negative becomes 0")
def _(two_heads: Function) -> None:
    rul, logits = _answers(two_heads, _H, _RUL, _HEALTH)
    hint = "Without a ReLU between them two layers are one: a matrix times a matrix is a matrix."
    expect(close(rul, _head(_H, _RUL)[:, 0]), "the RULs of two layers differ from ours", hint)
    expect(close(logits, _head(_H, _HEALTH)), "the logits of two layers differ from ours", hint)


@mini_heads.requires("the heads may have any number of layers, and not the same")
def _(two_heads: Function) -> None:
    rng = np.random.default_rng(115)
    for deep, flat, windows in ((4, 3, 7), (4, 3, 7), (1, 4, 2), (3, 1, 6), (2, 5, 1)):
        widths = np.random.default_rng(deep).integers(3, 7, size=(2, 5))
        h = rng.normal(size=(windows, 4))
        rul_layers = _layers(rng, 4, *widths[0, : deep - 1].tolist(), 1)
        health_layers = _layers(rng, 4, *widths[1, : flat - 1].tolist(), 3)
        rul, logits = _answers(two_heads, h, rul_layers, health_layers)
        hint = "A ReLU stands between each layer and the next, and each head ends where its own list does."
        seen = f"with {deep} layers for RUL and {flat} for health, {windows} windows"
        if rul.shape == () and windows == 1:
            hint = "`squeeze` drops every axis of length 1, that of a single window too. Index the axis you mean."
        expect(rul.shape == (windows,), f"{seen}, the RULs have shape {rul.shape}", hint)
        expect(logits.shape == (windows, 3), f"{seen}, the logits have shape {logits.shape}", hint)
        expect(close(rul, _head(h, rul_layers)[:, 0]), f"{seen}, the RULs differ from ours", hint)
        expect(close(logits, _head(h, health_layers)), f"{seen}, the logits differ from ours", hint)
