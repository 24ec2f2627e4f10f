"""The network: shapes, parameter budget, and the places where such a network goes quietly wrong."""

from __future__ import annotations

import pytest
import torch

from rulbook.model import PRESETS, DualTaskModel, ModelConfig, parameter_counts

# Worked out by hand, chapter 11: conv = in*out*3 + 2*out; LSTM direction = 4h(in + h + 2); attention = 4w(w + 1) + 2w.
PAPER = {
    "convolutions": 14 * 64 * 3 + 128 + 64 * 128 * 3 + 256 + 128 * 64 * 3 + 128,
    "lstm": 2 * 4 * 256 * (64 + 256 + 2) + 2 * 4 * 256 * (512 + 256 + 2),
    "attention": 4 * 512 * 513 + 2 * 512,
    "funnel": 513 * 256 + 257 * 64 + 65 * 32,
    "rul_head": 33 * 64 + 65 * 32 + 33 * 16 + 17,
    "health_head": 33 * 32 + 33 * 16 + 17 * 3,
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return DualTaskModel(14, "compact").eval()


def windows(n=6, seed=0):
    return torch.randn(n, 30, 14, generator=torch.Generator().manual_seed(seed))


def test_parameters_per_block_of_the_paper_preset():
    counts = parameter_counts(DualTaskModel(14, "paper"))
    assert counts == {**PAPER, "total": sum(PAPER.values())}
    assert counts["total"] == 3_496_644


def test_the_count_covers_every_parameter():
    model = DualTaskModel(17, "compact")
    assert parameter_counts(model)["total"] == sum(p.numel() for p in model.parameters())
    assert 120_000 < parameter_counts(model)["total"] < 140_000


@pytest.mark.parametrize("preset", PRESETS)
def test_shapes(preset):
    rul, health_logits = DualTaskModel(14, preset)(windows(3))
    assert rul.shape == (3,)
    assert health_logits.shape == (3, 3)


def test_shared_parameters_and_heads_are_all_there_is(model):
    shared = {id(p) for p in model.shared_parameters()}
    heads = {id(p) for head in (model.rul_head, model.health_head) for p in head.parameters()}
    assert shared.isdisjoint(heads)
    assert shared | heads == {id(p) for p in model.parameters()}
    assert {id(p) for p in model.last_shared_parameters()} < shared


def test_every_parameter_is_reached_by_some_task():
    model = DualTaskModel(14, "compact").train()
    rul, health_logits = model(windows(32))
    (rul.pow(2).mean() + health_logits.logsumexp(1).mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_last_query_alone_gives_what_full_attention_gives(model):
    x = windows(4)
    ordered, _ = model.lstm(model.convolutions(x.transpose(1, 2)).transpose(1, 2))
    attended, _ = model.attention(ordered, ordered, ordered, need_weights=False)
    expected = model.funnel(model.attention_norm(ordered + attended)[:, -1])
    torch.testing.assert_close(model.encode(x), expected)


def test_rul_starts_at_the_mean_target_and_keeps_its_gradient_everywhere():
    torch.manual_seed(0)
    model = DualTaskModel(14, "compact", initial_rul=87.0)
    rul, _ = model(windows(64))
    assert rul.mean().item() == pytest.approx(87.0, abs=2.0)
    # Pushed far below zero, where a ReLU output would be dead, the output still passes the gradient on.
    with torch.no_grad():
        model.rul_head[-1].bias.fill_(-500.0)
    rul, _ = model(windows(8))
    (rul - 50).pow(2).mean().backward()
    assert rul.max() < 0
    assert model.rul_head[-1].bias.grad.abs() > 100


def test_predict_clamps_and_leaves_the_mode_alone(model):
    with torch.no_grad():
        model.rul_head[-1].bias.fill_(1000.0)
    model.train()
    rul, probabilities = model.predict(windows(5), max_rul=125.0)
    assert model.training
    assert (rul == 125).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))


def test_a_window_is_predicted_alike_alone_and_in_company(model):
    x = windows(7)
    torch.testing.assert_close(model.predict(x)[0][3:4], model.predict(x[3:4])[0], rtol=1e-4, atol=1e-4)


def test_config_survives_json(model):
    import json

    again = DualTaskModel.from_config_dict(json.loads(json.dumps(model.config_dict())))
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.eval()(windows())[0], model(windows())[0])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="preset is 'huge': it must be one of paper, compact"):
        DualTaskModel(14, "huge")
    with pytest.raises(ValueError, match="n_features is 0"):
        DualTaskModel(0)
    with pytest.raises(ValueError, match="dropout is 2"):
        DualTaskModel(14, ModelConfig((4, 4, 4), 4, 2, (4, 4, 4), dropout=2.0))


@pytest.mark.parametrize("bias", [-1000.0, 1000.0])
@pytest.mark.parametrize("training", [True, False])
def test_predict_clamps_on_both_sides_from_both_modes(model, bias, training):
    with torch.no_grad():
        model.rul_head[-1].bias.fill_(bias)
    model.train(training)
    rul, _ = model.predict(windows(5))
    assert rul.tolist() == [0.0 if bias < 0 else 125.0] * 5
    assert all(module.training == training for module in model.modules())
    again, _ = model.predict(windows(5), max_rul=90)
    assert again.tolist() == [0.0 if bias < 0 else 90.0] * 5


def test_predict_leaves_each_module_in_the_mode_it_was_in(model):
    model.train()
    model.lstm.eval()
    model.funnel[1].eval()
    modes = [module.training for module in model.modules()]
    model.predict(windows(2))
    assert [module.training for module in model.modules()] == modes
    with torch.no_grad():
        model.attention_norm.weight[:] = 1e30  # overflows behind the checks, so that predict raises inside
        model.funnel[0].weight[:] = 1e30
    with pytest.raises(ValueError, match="is no number"):
        model.predict(windows(2))
    assert [module.training for module in model.modules()] == modes


def test_dropout_and_running_averages_are_off_in_predict(model):
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = (model.predict(windows(6))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_predict_takes_the_cap_that_the_model_was_told():
    model = DualTaskModel(14, "compact", max_rul=90).eval()
    with torch.no_grad():
        model.rul_head[-1].bias.fill_(1000.0)
    assert (model.predict(windows(2))[0] == 90).all()
    assert (model.predict(windows(2), max_rul=130)[0] == 130).all()
    with pytest.raises(ValueError, match="max_rul is 0"):
        model.predict(windows(2), max_rul=0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_window_that_is_no_number_is_named(model, value):
    for place in ((0, 0, 0), (2, 7, 5), (5, 29, 13)):
        x = windows(6)
        x[place] = value
        where = "window {}, cycle {}, feature {}".format(*place)
        with pytest.raises(ValueError, match=f"x holds {value} in {where}"):
            model.predict(x)
    with pytest.raises(ValueError, match=r"x has shape \(3, 30, 13\)"):
        model.predict(windows(3)[:, :, :13])
    with pytest.raises(ValueError, match=r"x has shape \(0, 30, 14\)"):
        model.predict(windows(0))


def test_the_last_shared_layer_is_the_last_of_the_funnel(model):
    weight, bias = model.last_shared_parameters()
    assert weight is model.funnel[-3].weight
    assert bias is model.funnel[-3].bias
    assert tuple(weight.shape) == (32, 48)


def test_parameters_of_a_network_of_ones_own_by_hand():
    counts = parameter_counts(DualTaskModel(5, ModelConfig((4, 6, 2), 3, 2, (7, 8, 9))))
    assert counts["convolutions"] == 5 * 4 * 3 + 8 + 4 * 6 * 3 + 12 + 6 * 2 * 3 + 4
    assert counts["lstm"] == 2 * 4 * 3 * (2 + 3 + 2) + 2 * 4 * 3 * (6 + 3 + 2)
    assert counts["attention"] == 4 * 6 * 7 + 12
    assert counts["funnel"] == 7 * 7 + 8 * 8 + 9 * 9
    assert counts["rul_head"] == 10 * 64 + 65 * 32 + 33 * 16 + 17
    assert counts["health_head"] == 10 * 32 + 33 * 16 + 17 * 3
