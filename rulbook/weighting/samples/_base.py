"""What every sample weighting is: true RUL in, one weight for each sample out."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rulbook._check import above, at_least, finite, numbers, shown, within
from rulbook.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    Values = TypeVar("Values", NDArray[np.floating[Any]], Tensor)
    """An array or a tensor: what comes in, goes out."""
else:
    # Hints are executed in tests, and torch need not be there.
    Tensor = Values = Any

__all__ = ["SampleWeighting", "Values", "exp", "nearness", "sample_weighting"]

_LARGEST = 1e30
"""Of a ceiling or a cap: float32 ends at 3.4e38, and a weight is multiplied with squares."""


@dataclass(frozen=True)
class SampleWeighting(ABC):
    """A weight as a function of true RUL.

    ``samples(rul, max_rul)`` gives the weights of a batch: a NumPy array of an array (or a list), a tensor of a tensor,
    with equal values. A subclass is a frozen dataclass. It defines :meth:`weigh`, adds the numbers of its own as
    fields, and checks those in ``__post_init__``, after ``super().__post_init__()``.

    Attributes:
        w_max: The ceiling, at least 1: what the weighting gives, or tends to, at RUL 0.
    """

    w_max: float = 2.0

    def __post_init__(self) -> None:
        self._keep("w_max", within("w_max", at_least("w_max", self.w_max, 1), 1, _LARGEST))

    @overload
    def __call__(self, rul: Tensor, max_rul: float) -> Tensor: ...
    @overload
    def __call__(self, rul: ArrayLike, max_rul: float) -> NDArray[np.floating[Any]]: ...
    def __call__(self, rul: Any, max_rul: float) -> Any:
        """The weights of samples.

        Args:
            rul: True RUL, any shape, in the unit of ``max_rul`` (cycles in C-MAPSS).
            max_rul: The cap on RUL.

        Returns:
            Weights of the same shape, from 1 to ``w_max``, in the precision of ``rul``, single at least. Whole numbers
            count as double in NumPy and as single in torch, as everywhere in the two.

        Raises:
            ValueError: If a value is no finite number, or ``max_rul`` is not positive.
        """
        cap = within("max_rul", above("max_rul", max_rul, 0), 1 / _LARGEST, _LARGEST)
        torch = sys.modules.get("torch")  # Who has a tensor has imported it.
        if torch is not None and isinstance(rul, torch.Tensor):
            return self.weigh(_real_tensor(rul, torch), cap)
        array = _real_array(rul)
        return np.asarray(self.weigh(array, cap), dtype=array.dtype)

    @abstractmethod
    def weigh(self, rul: Values, max_rul: float) -> Values:
        """The weights of checked RUL, written with what arrays and tensors both know (see :func:`nearness`)."""

    @property
    def own_parameters(self) -> tuple[str, ...]:
        """The numbers that it needs besides ``max_rul`` and ``w_max``."""
        return tuple(field.name for field in fields(self) if field.name != "w_max")

    def _keep(self, name: str, value: float) -> None:
        """Put a checked value in its place: what came as 2 or as a NumPy number is a plain float from here on."""
        object.__setattr__(self, name, value)


def sample_weighting(name: str, value: Any) -> SampleWeighting:
    """Return ``value`` if it is a sample weighting; its ceiling alone, which says no shape, is none."""
    if not isinstance(value, SampleWeighting):
        raise InputError(f"{name} is {shown(value)}: it must be a sample weighting, such as Linear(w_max=2.0).")
    return value


def nearness(rul: Values, max_rul: float) -> Values:
    """How near failure is: 1 at RUL 0, 0 at the cap and above, a straight line between."""
    # A method, and not np.clip, so that tensors can do it too.
    near: Values = (1.0 - rul / max_rul).clip(0.0, 1.0)
    return near


def exp(values: Values) -> Values:
    """The exponential function of an array or a tensor."""
    powers: Values = np.exp(values) if isinstance(values, (np.ndarray, np.generic)) else values.exp()
    return powers


def _real_array(rul: Any) -> NDArray[np.floating[Any]]:
    if np.asarray(rul).dtype == np.bool_:
        raise InputError("rul holds True and False: it must hold real numbers.")
    array = numbers("rul", rul)
    finite("rul", array)
    dtype = getattr(rul, "dtype", None)
    return array.astype(np.float32) if dtype in (np.float16, np.float32) else array


def _real_tensor(rul: Tensor, torch: Any) -> Tensor:
    if rul.is_complex() or rul.dtype == torch.bool:
        raise InputError(f"rul is a tensor of {rul.dtype}: it must hold real numbers.")
    if not bool(torch.isfinite(rul).all()):
        raise InputError("rul holds a value that is not finite: NaN or infinity has no weight.")
    return rul.to(torch.promote_types(rul.dtype, torch.float32))
