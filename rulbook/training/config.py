"""What decides a training run, besides the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from rulbook._check import above, at_least, finite_number, one_of, shown, whole, within
from rulbook.errors import InputError
from rulbook.methods import METHODS, Method
from rulbook.model import PRESETS, ModelConfig
from rulbook.training.describe import described, digest
from rulbook.training.draws import Draws
from rulbook.training.step import PRECISIONS

__all__ = ["TrainingConfig"]

_LOWEST = {
    0: ("seed", "warmup_epochs", "plateau_patience", "probe_every"),
    1: ("epochs", "patience"),
    # Batch normalisation cannot normalise a lone window.
    2: ("batch_size",),
}
_LARGEST_WHOLE = 2**32 - 1
"""The largest seed that NumPy and scikit-learn take, which split and prepare the data of a run."""
_LARGEST = 1e30
"""Of what is multiplied with a weight: float32 ends at 3.4e38, and AdamW needs room for its own factors."""
_OBJECTS = "objects"
"""Where a description tells what the method or the network is, if it has no name."""


@dataclass(frozen=True, eq=False)
class TrainingConfig:
    """What decides a run, besides the data.

    Whole numbers may come as 3.0, and are kept as 3. A method or a network that has a name is kept as that name.

    Attributes:
        method: A name in :data:`rulbook.methods.METHODS`, or a :class:`~rulbook.methods.Method` of your own: another
            ceiling, floor or average is ``dataclasses.replace`` of one that is there.
        model: The network: a name in :data:`rulbook.model.PRESETS`, or a :class:`~rulbook.model.ModelConfig` with
            widths and dropout of your own.
        seed: Decides the initial weights, the order of the batches and the dropout.
        epochs: At most so many passes over the training windows.
        batch_size: Windows per step.
        learning_rate: Of AdamW, after the warm-up.
        weight_decay: Of AdamW.
        warmup_epochs: Epochs over which the learning rate rises from a tenth.
        plateau_patience: Epochs without a better validation RMSE before the learning rate halves.
        patience: Epochs without a better validation RMSE before training stops.
        clip_norm: Largest norm of the joint gradient.
        ema_decay: Decay per step of the weight average that is evaluated and kept; 0 turns it off.
        probe_every: Measure both task gradients on all shared parameters at every so many steps of an epoch, for the
            record, whatever the method itself measures; 0 never. A probe costs two backward passes and changes nothing.
        precision: ``"fp32"``, or ``"bf16"``: what both tasks share computes in bfloat16 where PyTorch's autocast deems
            that safe. Weights and their gradients, heads, losses, averages and every evaluation stay in float32.

    Raises:
        ValueError: If a value is out of its range.

    Example:
        >>> from dataclasses import replace
        >>> from rulbook.model import PRESETS
        >>> config = TrainingConfig("grace", model=replace(PRESETS["compact"], dropout=0.1), epochs=5)
        >>> config.to_dict()["objects"]["preset"]["dropout"]
        0.1
    """

    method: str | Method = "amnl"
    # In records, on the command line and in sweep files, where only names work, it is the preset.
    model: str | ModelConfig = field(default="compact", metadata={"setting": "preset"})
    seed: int = 0
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: int = 2
    plateau_patience: int = 3
    patience: int = 8
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    probe_every: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if isinstance(self.method, Method):
            named = _is_registered(self.method)
            object.__setattr__(self, "method", self.method.name if named else self.method)
        else:
            one_of("method", self.method, METHODS)
        if isinstance(self.model, ModelConfig):
            names = [name for name, widths in PRESETS.items() if widths == self.model]
            object.__setattr__(self, "model", names[0] if names else self.model)
        else:
            one_of("model", self.model, PRESETS)
        one_of("precision", self.precision, PRECISIONS)
        checked: dict[str, float] = {
            name: whole(name, whole(name, getattr(self, name), low), low, _LARGEST_WHOLE)
            for low, names in _LOWEST.items()
            for name in names
        }
        for name in ("learning_rate", "clip_norm"):
            checked[name] = within(name, above(name, getattr(self, name), 0), 0, _LARGEST)
        checked["weight_decay"] = within("weight_decay", at_least("weight_decay", self.weight_decay, 0), 0, _LARGEST)
        checked["ema_decay"] = within("ema_decay", self.ema_decay, 0, 1)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        """Whether two runs would be the same; an object that went to another process and back is what it was."""
        return self.to_dict() == other.to_dict() if isinstance(other, TrainingConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(digest(self.to_dict()))

    @property
    def chosen_method(self) -> Method:
        """The method itself, where ``method`` is its name."""
        return METHODS[self.method] if isinstance(self.method, str) else self.method

    @property
    def model_config(self) -> ModelConfig:
        """The widths themselves, where ``model`` is the name of a preset."""
        return PRESETS[self.model] if isinstance(self.model, str) else self.model

    @property
    def method_name(self) -> str:
        """The method in one word: its name, and for one of your own six digits of its description too."""
        if isinstance(self.method, str):
            return self.method
        return f"{self.method.name}-{digest(self._objects['method'])}"

    @property
    def preset(self) -> str:
        """The network in one word: the name of its preset, or ``own`` and six digits of its description."""
        return self.model if isinstance(self.model, str) else f"own-{digest(self._objects['preset'])}"

    @cached_property
    def _objects(self) -> dict[str, Any]:
        """What has no name, described."""
        found: dict[str, Any] = {}
        if isinstance(self.method, Method):
            found["method"] = _told(self.method)
        if isinstance(self.model, ModelConfig):
            found["preset"] = described(self.model)
        return found

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain JSON values, for a record: equal settings give equal descriptions, in any process.

        The network stands under ``preset``. A method or network of your own is told under ``objects`` as well: what its
        sample weights, its balancer and its widths are.
        """
        plain = {one.metadata.get("setting", one.name): getattr(self, one.name) for one in fields(self)}
        plain |= {"method": self.method_name, "preset": self.preset}
        return plain | ({_OBJECTS: self._objects} if self._objects else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """The settings that :meth:`to_dict` gave; what an older record lacks has its default.

        Raises:
            ValueError: If a setting is not known or out of its range, or if method or network had no name: an object is
                not made from its description.
        """
        if objects := values.get(_OBJECTS):
            raise InputError(
                f"settings hold a {' and a '.join(objects)} without a name: it can be compared, and not made again."
            )
        keys = {one.metadata.get("setting", one.name): one.name for one in fields(cls)}
        if unknown := sorted(set(values) - set(keys) - {_OBJECTS}):
            raise InputError(f"settings hold {shown(', '.join(unknown))[1:-1]}: known are {', '.join(keys)}.")
        kinds = {keys[name]: value for name, value in values.items() if name != _OBJECTS}
        return cls(**{name: _of_kind(name, value, getattr(cls, name)) for name, value in kinds.items()})

    def differing(self, kept: Mapping[str, Any]) -> list[str]:
        """The settings in which a run is another one, whose description was kept; what is missing there is the default.

        Raises:
            ValueError: If what was kept describes no run: a setting is unknown, or out of its range.
        """
        objects = kept.get(_OBJECTS, {})
        if not isinstance(objects, dict):
            raise InputError(f"{_OBJECTS} is {shown(objects)}: it must be a JSON object.")
        named = {name: value for name, value in kept.items() if name not in objects and name != _OBJECTS}
        theirs = {**TrainingConfig.from_dict(named).to_dict(), **kept}
        mine = self.to_dict()
        return [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]


def _of_kind(name: str, value: Any, default: Any) -> Any:
    """A value out of a file as what its setting is: a name, a whole number or a number."""
    if not isinstance(default, str):
        return whole(name, value, 0) if isinstance(default, int) else finite_number(name, value)
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}: it must be a name.")
    return value


def _told(method: Method) -> dict[str, Any]:
    """What of a method decides a run."""
    # A balancer may draw what it begins with.
    with Draws(0):
        balancer = method.balancer()
    return described({"samples": method.samples, "rul_scale": method.rul_scale, "balancer": balancer})  # type: ignore[no-any-return]


def _is_registered(method: Method) -> bool:
    """Whether a name stands for it; one that came from another process has a balancer of its own that is the same."""
    known = METHODS.get(method.name)
    if known is None or replace(method, balancer=known.balancer) != known:
        return False
    return method.balancer is known.balancer or _told(method) == _told(known)
