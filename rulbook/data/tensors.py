"""The one place where windows become tensors: rows go to the device once, windows are cut out of them there.

Training, validation, ``evaluate`` and ``predict`` all take their batches from here (section 14.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int64
from numpy.typing import NDArray
from torch import Tensor

from rulbook.data.windows import Windows

__all__ = ["TensorWindows", "upload"]


@dataclass(frozen=True, eq=False)
class TensorWindows:
    """Windows on a device: their rows once in its memory, a batch cut out by index; no loader is needed.

    Made by :meth:`of`, or by :func:`upload` for several parts of a data set.

    Attributes:
        windows: What they were made from.
        rows: The features of all cycles.
        starts: The row at which each window starts.
        rul: The labels in cycles, capped as the windows say; NaN where none is known.
        health: The health class of each window; -1 where none is known.
    """

    windows: Windows
    rows: Float32[Tensor, "row feature"]
    starts: Int64[Tensor, " window"]
    rul: Float32[Tensor, " window"]
    health: Int64[Tensor, " window"]

    @classmethod
    def of(cls, windows: Windows, device: torch.device | str = "cpu") -> TensorWindows:
        """The windows on a device. On the CPU nothing is copied but the labels."""
        return cls._on(_tensor(windows.rows, device), windows)

    @classmethod
    def _on(cls, rows: Float32[Tensor, "row feature"], windows: Windows) -> TensorWindows:
        return cls(
            windows,
            rows,
            _tensor(windows.starts.astype(np.int64, copy=False), rows.device),
            _tensor(windows.rul.astype(np.float32), rows.device),
            _tensor(windows.health, rows.device),
        )

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def device(self) -> torch.device:
        """Where the rows lie, and every batch."""
        return self.rows.device

    def x(self, index: Int[Tensor, " batch"] | Bool[Tensor, " window"]) -> Float32[Tensor, "picked cycle feature"]:
        """The windows at ``index`` (numbers, or a mask), shape (batch, cycles of a window, features)."""
        offsets = torch.arange(self.windows.window, device=self.device)
        return self.rows[self.starts[index.to(self.device)][:, None] + offsets]

    def batch(
        self, index: Int[Tensor, " batch"] | Bool[Tensor, " window"]
    ) -> tuple[Float32[Tensor, "picked cycle feature"], Float32[Tensor, " picked"], Int64[Tensor, " picked"]]:
        """The windows at ``index``, their RUL in cycles and their health classes."""
        index = index.to(self.device)
        return self.x(index), self.rul[index], self.health[index]


def upload(parts: Sequence[Windows], device: torch.device | str) -> list[TensorWindows]:
    """Several parts of a data set on a device, in their order. Rows that parts share are uploaded once.

    Training and validation engines are windows on the same rows, and so are the protocols of the test engines.
    """
    rows = {id(windows.rows): windows.rows for windows in parts}
    uploaded = {key: _tensor(array, device) for key, array in rows.items()}
    return [TensorWindows._on(uploaded[id(windows.rows)], windows) for windows in parts]


# Any type of number: rows are float32, starts and classes whole.
def _tensor(array: NDArray[np.float32] | NDArray[np.int64], device: torch.device | str) -> Tensor:
    # PyTorch shares the memory of an array, and warns of one that nobody may write into.
    return torch.as_tensor(np.require(array, requirements=["C", "W"]), device=device)
