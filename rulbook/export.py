"""A trained model as one graph that reads raw sensors and says what ``predict`` says: for ONNX, TorchScript, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from rulbook.checkpoint import Checkpoint
from rulbook.inference import BROKEN

__all__ = ["Deployed", "save_onnx"]


class Deployed(nn.Module):
    """Normalisation, network and clamp of a checkpoint in one module, in evaluation mode.

    What :func:`rulbook.inference.predict` refuses with a sentence, a graph cannot. A window with a reading, a z-score
    or an answer that is out of range gets NaN for its RUL *and* for all its probabilities, never a class.

    Args:
        checkpoint: From :func:`rulbook.checkpoint.load_checkpoint`.

    Example:
        >>> deployed = Deployed(load_checkpoint("best.safetensors"))  # doctest: +SKIP
        >>> rul, probabilities = deployed(settings, sensors)  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        fitted = checkpoint.preprocessor
        self.model = checkpoint.model
        self.max_rul = checkpoint.horizon.max_rul
        self.window = checkpoint.horizon.window
        self.settings, self.sensors = list(fitted.settings), list(fitted.sensors)
        inverse = np.divide(1.0, fitted.stds_, out=np.zeros_like(fitted.stds_), where=fitted.stds_ > 0)
        # In double precision, as in Preprocessor: a reading of 2388.02 leaves float32 three digits for a z-score.
        self.centroids = nn.Buffer(torch.as_tensor(fitted.centroids_, dtype=torch.float64))
        self.scales = nn.Buffer(torch.as_tensor(fitted.scales_, dtype=torch.float64))
        self.means = nn.Buffer(torch.as_tensor(fitted.means_, dtype=torch.float64))
        self.inverse_stds = nn.Buffer(torch.as_tensor(inverse, dtype=torch.float64))
        self.broken = BROKEN
        self.eval()

    # The hints say no shapes: torch.jit.script reads hints, and knows none of jaxtyping's.
    def forward(self, settings: Tensor, sensors: Tensor) -> tuple[Tensor, Tensor]:
        """RUL in cycles (B,) and probabilities of the health classes (B, 3).

        Args:
            settings: Raw settings, (B, T, settings), float64, in the order of ``self.settings``.
            sensors: Raw readings, (B, T, sensors), float64, in the order of ``self.sensors``. An engine shorter than
                the window is filled up on the left with its first cycle.
        """
        distances = ((settings.unsqueeze(2) - self.centroids) / self.scales).square().sum(dim=3)
        condition = distances.argmin(dim=2)
        features = ((sensors - self.means[condition]) * self.inverse_stds[condition]).float()
        rul, health_logits = self.model(features)
        # NaN is not smaller either.
        finite = (features.abs() < self.broken).flatten(1).all(dim=1) & torch.isfinite(settings).flatten(1).all(dim=1)
        finite = finite & torch.isfinite(rul) & torch.isfinite(health_logits).all(dim=1)
        rul = torch.where(finite, rul.clamp(0.0, self.max_rul), torch.nan)
        probabilities = torch.where(finite.unsqueeze(1), health_logits.softmax(dim=1), torch.nan)
        return rul, probabilities

    def example(self) -> tuple[Float64[Tensor, "2 cycle setting"], Float64[Tensor, "2 cycle sensor"]]:
        """Two windows of the right shapes, to trace the module with: each at the middle of a condition."""
        rows = (0, len(self.means) - 1)
        settings, sensors = (
            torch.stack([table[row].expand(self.window, -1) for row in rows]) for table in (self.centroids, self.means)
        )
        return settings, sensors


def save_onnx(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write :class:`Deployed` as an ONNX file, for any number of windows at a time.

    Inputs ``settings`` and ``sensors`` are float64, outputs are ``rul`` and ``probabilities``. Needs the extra
    ``rulbook[onnx]``.

    Returns:
        The path.

    Raises:
        ImportError: If ``onnxscript`` is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError('onnxscript is not installed: `pip install "rulbook[onnx]"`.') from error
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    deployed = Deployed(checkpoint)
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        deployed,
        deployed.example(),
        dynamo=True,
        input_names=["settings", "sensors"],
        output_names=["rul", "probabilities"],
        dynamic_shapes=({0: batch}, {0: batch}),
        verbose=False,
    )
    assert program is not None
    program.save(target)
    return target
