"""One network, two answers: remaining useful life in cycles, and a health class (chapter 11).

A window of sensor readings passes three convolutions (local shapes), two bidirectional LSTM layers (order in time) and
self-attention (which cycles matter); the last cycle's vector goes through a funnel to 32 numbers that both heads share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rulbook._check import above, finite_number, one_of, shown, whole, within
from rulbook.errors import InputError
from rulbook.horizon import HEALTH_CLASSES, MAX_RUL, Horizon

__all__ = ["PRESETS", "DualTaskModel", "ModelConfig", "NotFiniteError", "parameter_counts"]

_WIDEST = 4096
"""Wider than any network of the field, and narrow enough that a wrong number does not ask for terabytes."""


@dataclass(frozen=True)
class ModelConfig:
    """Widths of the network.

    Attributes:
        channels: Output channels of the three convolutions.
        lstm_hidden: Hidden size of each LSTM direction; the encoder's width is twice that.
        attention_heads: Heads of the self-attention; must divide the encoder's width.
        funnel: Widths of the shared funnel; the last one is what both heads see.
        dropout: Share of activations dropped between blocks while training.

    Raises:
        ValueError: If a width is no whole number from 1 to 4096, or the heads do not divide the encoder's width.
    """

    channels: tuple[int, int, int]
    lstm_hidden: int
    attention_heads: int
    funnel: tuple[int, int, int]
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("channels", "funnel"):
            object.__setattr__(self, name, _three_widths(name, getattr(self, name)))
        for name in ("lstm_hidden", "attention_heads"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 1, _WIDEST))
        object.__setattr__(self, "dropout", within("dropout", self.dropout, 0, 1))
        if 2 * self.lstm_hidden % self.attention_heads:
            raise InputError(
                f"attention_heads is {self.attention_heads}: it must divide the encoder's width, "
                f"{2 * self.lstm_hidden}."
            )


def _three_widths(name: str, values: Any) -> tuple[int, int, int]:
    if not isinstance(values, (tuple, list)) or len(values) != 3:
        raise InputError(f"{name} is {shown(values)}: it must be three whole numbers.")
    first, second, third = (whole(f"{name}[{place}]", value, 1, _WIDEST) for place, value in enumerate(values))
    return first, second, third


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(channels=(64, 128, 64), lstm_hidden=256, attention_heads=8, funnel=(256, 64, 32), dropout=0.3),
    "compact": ModelConfig(channels=(32, 64, 32), lstm_hidden=42, attention_heads=6, funnel=(64, 48, 32), dropout=0.2),
}
"""``paper`` is the source book's network, 3.50 M parameters; ``compact`` has its shape at 0.13 M, for a laptop."""


class NotFiniteError(InputError):
    """The network answered NaN or infinity, or was given some.

    Attributes:
        window: The position in the batch of the window at fault; None if the weights are.
    """

    def __init__(self, message: str, window: int | None = None) -> None:
        super().__init__(message)
        self.window = window


class DualTaskModel(nn.Module):
    """Predicts RUL in cycles and health logits from a window of sensor readings (section 11.4).

    Args:
        n_features: Sensors per cycle, F.
        preset: A name in :data:`PRESETS`, or a :class:`ModelConfig` of your own.
        initial_rul: Where the RUL output starts, in cycles: the mean of the training targets. Started at zero, the
            first steps only move the output there; with a ReLU behind it, it may never get there (section 11.2).
        max_rul: The cap on the labels that it is trained with, in cycles, and so on what it predicts. None: not told.
        thresholds: Of the health classes that it is trained with, in cycles, the larger first. None: not told.
        n_classes: Health classes, C: three where two thresholds make them, as many as were measured elsewhere.

    Raises:
        ValueError: If ``n_features`` is no positive whole number, the preset is unknown or a number is out of range.

    Example:
        >>> model = DualTaskModel(n_features=14, preset="compact")
        >>> rul, health_logits = model(torch.zeros(8, 30, 14))
        >>> tuple(rul.shape), tuple(health_logits.shape)
        ((8,), (8, 3))
    """

    def __init__(
        self,
        n_features: int = 14,
        preset: str | ModelConfig = "paper",
        *,
        initial_rul: float = 75.0,
        max_rul: float | None = None,
        thresholds: tuple[float, float] | None = None,
        n_classes: int = len(HEALTH_CLASSES),
    ) -> None:
        super().__init__()
        config = preset if isinstance(preset, ModelConfig) else PRESETS[one_of("preset", preset, PRESETS)]
        self.n_features = n_features = whole("n_features", n_features, 1)
        self.n_classes = n_classes = whole("n_classes", n_classes, 2, _WIDEST)
        self.config = config
        # The one place for the cap is the data's Horizon; training hands it on, so that the network can be asked alone.
        self.max_rul = None if max_rul is None else above("max_rul", max_rul, 0)
        self.thresholds = None if thresholds is None else Horizon(thresholds=thresholds).thresholds
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
            *_dense(f3, 32, config.dropout), *_dense(32, 16, 0.0), nn.Linear(16, n_classes)
        )
        nn.init.constant_(self.rul_head[-1].bias, finite_number("initial_rul", initial_rul))  # type: ignore[arg-type]

    # The hints of the next three say no shapes: torch.jit.script reads hints, and knows none of jaxtyping's.
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """RUL in cycles (B,), unbounded while training, and health logits (B, C) for windows ``x`` (B, T, F)."""
        return self.heads(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """The representation that both heads share, (B, 32), of windows ``x`` (B, T, F)."""
        local = self.convolutions(x.transpose(1, 2)).transpose(1, 2)
        ordered, _ = self.lstm(local)
        # Only the last cycle goes on, so only the last cycle asks: the same numbers at a thirtieth of the queries.
        query = ordered[:, -1:]
        attended, _ = self.attention(query, ordered, ordered, need_weights=False)
        shared: Tensor = self.funnel(self.attention_norm(query + attended)[:, 0])
        return shared

    def heads(self, representation: Tensor) -> tuple[Tensor, Tensor]:
        """RUL (B,) and health logits (B, C) from the shared representation (B, 32)."""
        return self.rul_head(representation).squeeze(1), self.health_head(representation)

    @torch.no_grad()
    def predict(
        self, x: Float[Tensor, "batch time feature"], *, max_rul: float | None = None
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch health_class"]]:
        """RUL clamped to [0, ``max_rul``] cycles and health-class probabilities, with dropout off.

        The clamp stands here and not in :meth:`forward`: while training it would cut the gradient of every window
        predicted outside, and a unit that is cut off everywhere stays so (section 11.2).

        Args:
            x: Windows, (B, T, F).
            max_rul: None: the cap that the model was told, or C-MAPSS's if it was told none.

        Raises:
            ValueError: If ``x`` is no batch of windows of F features, or anything in it, in the weights or in the
                answer is NaN or infinite: a clamp would make a number of the one and ``argmax`` a class of the other.
        """
        told = MAX_RUL if self.max_rul is None else self.max_rul
        cap = told if max_rul is None else above("max_rul", max_rul, 0)
        if x.ndim != 3 or 0 in x.shape or x.shape[2] != self.n_features:
            raise InputError(f"x has shape {tuple(x.shape)}: it must be (windows, cycles, {self.n_features}).")
        x = x.to(next(self.parameters()).dtype)
        if not bool(torch.isfinite(x).all()):
            window, cycle, feature = torch.nonzero(~torch.isfinite(x))[0].tolist()
            raise NotFiniteError(
                f"x holds {x[window, cycle, feature]} in window {window}, cycle {cycle}, feature {feature}: every "
                "value must be finite.",
                window,
            )
        self._require_finite_weights()
        with _evaluating(self):
            rul, health_logits = self(x)
        finite = torch.isfinite(rul) & torch.isfinite(health_logits).all(dim=1)
        if not bool(finite.all()):
            window = int(torch.nonzero(~finite)[0])
            raise NotFiniteError(
                f"the model's answer to window {window} of x is no number, though x (at most "
                f"{float(x[window].abs().max()):.3g}) and the weights are finite: one of the two is out of range.",
                window,
            )
        return rul.clamp(0.0, cap), health_logits.softmax(dim=1)

    def _require_finite_weights(self) -> None:
        for name, values in self.state_dict().items():
            if not bool(torch.isfinite(values).all()):
                value = values[~torch.isfinite(values)][0]
                raise NotFiniteError(
                    f"the model holds {value} in {name}: its weights are damaged, or training diverged."
                )

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
        thresholds = None if self.thresholds is None else list(self.thresholds)
        told = {"n_classes": self.n_classes, "max_rul": self.max_rul, "thresholds": thresholds}
        return {"n_features": self.n_features, **told, **asdict(self.config)}

    @classmethod
    def from_config_dict(cls, values: Mapping[str, Any]) -> DualTaskModel:
        """The network that :meth:`config_dict` describes, freshly initialised.

        Raises:
            ValueError: If an entry is missing, unknown or out of its range.
        """
        widths = {field.name for field in fields(ModelConfig)}
        needed = {"n_features", *widths}
        known = {*needed, "n_classes", "max_rul", "thresholds"}
        if not isinstance(values, Mapping) or not needed <= set(values) <= known:
            raise InputError(f"model is {shown(values)}: it must hold {', '.join(sorted(known))}, and nothing else.")
        # What comes out of a file has any type: each value is checked here, before it stands for a number.
        config = ModelConfig(
            channels=_three_widths("channels", values["channels"]),
            lstm_hidden=whole("lstm_hidden", values["lstm_hidden"], 1, _WIDEST),
            attention_heads=whole("attention_heads", values["attention_heads"], 1, _WIDEST),
            funnel=_three_widths("funnel", values["funnel"]),
            dropout=within("dropout", values["dropout"], 0, 1),
        )
        max_rul, thresholds = values.get("max_rul"), values.get("thresholds")
        if thresholds is not None and (not isinstance(thresholds, (list, tuple)) or len(thresholds) != 2):
            raise InputError(f"thresholds is {shown(thresholds)}: it must be two numbers, the larger first.")
        return cls(
            whole("n_features", values["n_features"], 1, _WIDEST),
            config,
            max_rul=None if max_rul is None else above("max_rul", max_rul, 0),
            thresholds=None
            if thresholds is None
            else Horizon.from_dict({**Horizon().to_dict(), "thresholds": thresholds}).thresholds,
            n_classes=whole("n_classes", values.get("n_classes", len(HEALTH_CLASSES)), 2, _WIDEST),
        )


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


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode in every module inside, and afterwards in each the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    # A model in use is in evaluation mode throughout: nothing is touched, so that threads may share it.
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    # No bias: batch normalisation subtracts the mean right after, and any constant with it.
    return [nn.Conv1d(n_in, n_out, kernel_size=3, padding=1, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()]


def _dense(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(dropout)]
