"""One network, two answers: remaining useful life in cycles, and a health class (chapters 8 to 11).

A window of sensor readings passes three convolutions (local shapes), two bidirectional LSTM layers (order in time) and
self-attention (which cycles matter); the last cycle's vector goes through a funnel to 32 numbers that both heads share.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rulbook._check import one_of, whole, within

__all__ = ["PRESETS", "DualTaskModel", "ModelConfig", "parameter_counts"]


@dataclass(frozen=True)
class ModelConfig:
    """Widths of the network.

    Attributes:
        channels: Output channels of the three convolutions.
        lstm_hidden: Hidden size of each LSTM direction; the encoder's width is twice that.
        attention_heads: Heads of the self-attention; must divide the encoder's width.
        funnel: Widths of the shared funnel; the last one is what both heads see.
        dropout: Share of activations dropped between blocks while training.
    """

    channels: tuple[int, int, int]
    lstm_hidden: int
    attention_heads: int
    funnel: tuple[int, int, int]
    dropout: float = 0.2


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(channels=(64, 128, 64), lstm_hidden=256, attention_heads=8, funnel=(256, 64, 32), dropout=0.3),
    "compact": ModelConfig(channels=(32, 64, 32), lstm_hidden=42, attention_heads=6, funnel=(64, 48, 32), dropout=0.2),
}
"""``paper`` is the source book's network, 3.50 M parameters; ``compact`` has its shape at 0.13 M, for a laptop."""

HEALTH_CLASSES = 3


class DualTaskModel(nn.Module):
    """Predicts RUL in cycles and health logits from a window of sensor readings (section 11.4).

    Args:
        n_features: Sensors per cycle, F.
        preset: A name in :data:`PRESETS`, or a :class:`ModelConfig` of your own.
        initial_rul: Where the RUL output starts, in cycles: the mean of the training targets. Started at zero, the
            first steps only move the output there; with a ReLU behind it, it may never get there (section 11.2).

    Raises:
        ValueError: If ``n_features`` is no positive whole number or the preset is unknown.

    Example:
        >>> model = DualTaskModel(n_features=14, preset="compact")
        >>> rul, health_logits = model(torch.zeros(8, 30, 14))
        >>> tuple(rul.shape), tuple(health_logits.shape)
        ((8,), (8, 3))
    """

    def __init__(self, n_features: int = 14, preset: str | ModelConfig = "paper", *, initial_rul: float = 75.0) -> None:
        super().__init__()
        config = PRESETS[one_of("preset", preset, PRESETS)] if isinstance(preset, str) else preset
        within("dropout", config.dropout, 0, 1)
        self.n_features = whole("n_features", n_features, 1)
        self.config = config
        c1, c2, c3 = config.channels
        self.convolutions = nn.Sequential(
            *_convolution(n_features, c1), *_convolution(c1, c2), *_convolution(c2, c3), nn.Dropout(config.dropout)
        )
        width = 2 * config.lstm_hidden
        self.lstm = nn.LSTM(
            c3, config.lstm_hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=config.dropout
        )
        self.attention = nn.MultiheadAttention(width, config.attention_heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        f1, f2, f3 = config.funnel
        self.funnel = nn.Sequential(
            *_dense(width, f1, config.dropout), *_dense(f1, f2, config.dropout), *_dense(f2, f3, 0.0)
        )
        self.rul_head = nn.Sequential(
            *_dense(f3, 64, config.dropout), *_dense(64, 32, 0.0), *_dense(32, 16, 0.0), nn.Linear(16, 1)
        )
        self.health_head = nn.Sequential(
            *_dense(f3, 32, config.dropout), *_dense(32, 16, 0.0), nn.Linear(16, HEALTH_CLASSES)
        )
        nn.init.constant_(self.rul_head[-1].bias, initial_rul)  # type: ignore[arg-type]

    def forward(
        self, x: Float[Tensor, "batch time feature"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch health_class"]]:
        """RUL in cycles (B,), unbounded while training, and health logits (B, 3) for windows ``x`` (B, T, F)."""
        return self.heads(self.encode(x))

    def encode(self, x: Float[Tensor, "batch time feature"]) -> Float[Tensor, "batch width"]:
        """The representation that both heads share, (B, 32)."""
        local = self.convolutions(x.transpose(1, 2)).transpose(1, 2)
        ordered, _ = self.lstm(local)
        # Only the last cycle goes on, so only the last cycle asks: the same numbers at a thirtieth of the queries.
        query = ordered[:, -1:]
        attended, _ = self.attention(query, ordered, ordered, need_weights=False)
        shared: Tensor = self.funnel(self.attention_norm(query + attended)[:, 0])
        return shared

    def heads(
        self, representation: Float[Tensor, "batch width"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch health_class"]]:
        """Both answers from the shared representation (B, 32)."""
        return self.rul_head(representation).squeeze(1), self.health_head(representation)

    @torch.no_grad()
    def predict(
        self, x: Float[Tensor, "batch time feature"], *, max_rul: float = 125.0
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch health_class"]]:
        """RUL clamped to [0, ``max_rul``] cycles and health-class probabilities, with dropout off.

        The clamp stands here and not in :meth:`forward`: while training it would cut the gradient of every window
        predicted outside, and a unit that is cut off everywhere stays so (section 11.2).
        """
        was_training = self.training
        self.eval()
        rul, health_logits = self(x)
        self.train(was_training)
        return rul.clamp(0.0, max_rul), health_logits.softmax(dim=1)

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that both tasks pull on: everything before the heads."""
        blocks = (self.convolutions, self.lstm, self.attention, self.attention_norm, self.funnel)
        return [parameter for block in blocks for parameter in block.parameters()]

    def last_shared_parameters(self) -> list[nn.Parameter]:
        """Weight and bias of the last layer before the heads."""
        last = [module for module in self.funnel if isinstance(module, nn.Linear)][-1]
        return list(last.parameters())

    def config_dict(self) -> dict[str, Any]:
        """What is needed to build the same network again, as plain JSON values."""
        return {"n_features": self.n_features, **asdict(self.config)}

    @classmethod
    def from_config_dict(cls, values: dict[str, Any]) -> DualTaskModel:
        """The network that :meth:`config_dict` describes, freshly initialised."""
        widths: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}
        return cls(widths.pop("n_features"), ModelConfig(**widths))


def parameter_counts(model: DualTaskModel) -> dict[str, int]:
    """Trainable parameters per block, in the order of the data, with their sum under ``total`` (section 11.4)."""
    blocks: dict[str, list[nn.Module]] = {
        "convolutions": [model.convolutions],
        "lstm": [model.lstm],
        "attention": [model.attention, model.attention_norm],
        "funnel": [model.funnel],
        "rul_head": [model.rul_head],
        "health_head": [model.health_head],
    }
    counts = {
        name: sum(parameter.numel() for module in modules for parameter in module.parameters())
        for name, modules in blocks.items()
    }
    return {**counts, "total": sum(counts.values())}


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    # No bias: batch normalisation subtracts the mean right after, and any constant with it.
    return [nn.Conv1d(n_in, n_out, kernel_size=3, padding=1, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()]


def _dense(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
