"""Draws of one's own: PyTorch's numbers to the bit, its global generator left alone, whoever else draws."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from rulbook.model import DualTaskModel
from rulbook.training.draws import Draws


def everything():
    """One of each kind of draw."""
    like = torch.zeros(3)
    values = [torch.rand(2), torch.randn(2), torch.randperm(9), torch.randint(9, (4,)), torch.rand_like(like)]
    values += [torch.bernoulli(torch.full((8,), 0.3)), torch.multinomial(torch.ones(6), 3), torch.randn_like(like)]
    values += [torch.normal(0.0, 1.0, (3,)), torch.zeros(3).uniform_(), torch.zeros(3).normal_()]
    values += [torch.zeros(3).exponential_(), torch.zeros(9).bernoulli_(0.4)]
    values += [nn.functional.dropout(torch.ones(20), 0.3), nn.functional.dropout(torch.ones(4, 5).T, 0.6)]
    linear, attention = nn.Linear(3, 2), nn.MultiheadAttention(4, 2)
    values += [parameter.detach() for module in (linear, attention) for parameter in module.parameters()]
    weight = torch.zeros(4, 4)
    for initialise in (nn.init.xavier_normal_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.trunc_normal_):
        values.append(initialise(weight).clone())
    return values


def test_every_draw_is_what_a_seeded_pytorch_gives_and_the_global_generator_stands_still():
    torch.manual_seed(4)
    expected = everything()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    with Draws(4):
        drawn = everything()
    assert torch.equal(torch.get_rng_state(), before)
    for index, (own, seeded) in enumerate(zip(drawn, expected, strict=True)):
        assert torch.equal(own, seeded), index


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_dropout_between_the_layers_of_an_lstm_is_pytorchs(batch_first, bidirectional, bias):
    lstm = nn.LSTM(3, 4, 3, bias=bias, batch_first=batch_first, dropout=0.4, bidirectional=bidirectional)
    x = torch.randn(5, 6, 3)
    for training in (True, False):
        lstm.train(training)
        torch.manual_seed(0)
        expected, (hidden, cell) = lstm(x)
        with Draws(0):
            out, (own_hidden, own_cell) = lstm(x)
        for own, theirs in ((out, expected), (own_hidden, hidden), (own_cell, cell)):
            assert torch.equal(own, theirs)


@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_a_network_is_born_and_trained_alike(preset):
    x = torch.randn(4, 8, 5, generator=torch.Generator().manual_seed(1))

    def gradients():
        model = DualTaskModel(5, preset).train()
        rul, logits = model(x)
        (rul.sum() + logits.sum()).backward()
        return [rul, logits, *(parameter.grad for parameter in model.parameters())]

    torch.manual_seed(3)
    expected = gradients()
    with Draws(3):
        drawn = gradients()
    assert all(torch.equal(own, seeded) for own, seeded in zip(drawn, expected, strict=True))


def test_draws_go_on_where_they_stood():
    draws = Draws(1)
    with draws:
        torch.rand(3)
    state = draws.state()
    with draws:
        expected = torch.rand(5)
    other = Draws(2)
    other.restore(state)
    with other:
        assert torch.equal(torch.rand(5), expected)
    with pytest.raises(ValueError, match="state holds nothing"):
        other.restore({})


def test_threads_do_not_take_each_others_numbers():
    with Draws(5):
        expected = [everything() for _ in range(3)]
    found, start = {}, threading.Barrier(3)

    def own(name):
        start.wait()
        with Draws(5):
            found[name] = [everything() for _ in range(3)]

    def others():
        start.wait()
        for _ in range(300):
            torch.rand(10)

    threads = [threading.Thread(target=own, args=(name,)) for name in "ab"] + [threading.Thread(target=others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "ab":
        assert all(
            torch.equal(one, other)
            for drawn, alone in zip(found[name], expected, strict=True)
            for one, other in zip(drawn, alone, strict=True)
        )
