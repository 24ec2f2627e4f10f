"""What a run of the network shows of it: every parameter once, shapes that fit together, nothing left behind."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from rulbook.course.ch11.blueprint import BLOCKS, blueprint
from rulbook.model import PRESETS, DualTaskModel, parameter_counts


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n_features", [14, 17])
def test_every_parameter_is_in_one_layer(preset, n_features):
    model = DualTaskModel(n_features, preset)
    layers = blueprint(model)
    counts = parameter_counts(model)
    assert sum(layer.parameters for layer in layers) == counts.pop("total")
    by_block = [sum(layer.parameters for layer in layers if layer.block == block) for block in BLOCKS]
    assert by_block == list(counts.values())


def test_what_leaves_one_layer_enters_the_next():
    layers = blueprint(DualTaskModel(14, "paper"), window=25)
    inside = [(a, b) for a, b in pairwise(layers) if a.block == b.block]
    assert all(before.gives == after.takes for before, after in inside)
    first = {block: next(layer for layer in layers if layer.block == block) for block in BLOCKS}
    assert first["CNN"].takes == (14, 25)
    assert first["BiLSTM"].takes == (25, 64)
    assert first["attention"].takes == first["BiLSTM"].gives == (25, 512)
    assert first["RUL head"].takes == first["health head"].takes == (32,)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model = DualTaskModel(14, "compact").train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    blueprint(model)
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
