"""A model file that no training made."""

from __future__ import annotations

import torch

from rulbook.checkpoint import save_checkpoint
from rulbook.data import Horizon, Preprocessor
from rulbook.model import DualTaskModel, ModelConfig


def model_file(path, fleet, facts, **horizon):
    """A network that was never trained, as `train` would keep it."""
    torch.manual_seed(0)
    config = ModelConfig(channels=(4, 4, 4), lstm_hidden=4, attention_heads=2, funnel=(4, 4, 4))
    preprocessor = Preprocessor(sensors=fleet.sensors, settings=fleet.settings).fit(fleet.train)
    model = DualTaskModel(len(preprocessor.sensors), config, initial_rul=110.0)
    save_checkpoint(path, model.state_dict(), model, preprocessor, Horizon(**horizon), facts)
    return str(path)
