"""One loop for every method: the losses of the tasks come in, a balancer weighs them, one optimiser steps (14.4).

Nothing here asks which method runs. How samples are weighted is a number, ``w_max``; how tasks are weighted is the
method's balancer (:mod:`rulbook.gradients`). Validation *engines*, never seen in training, choose the epoch.
"""

from rulbook.training.loop import Evaluation, TrainingConfig, TrainingResult, evaluate, train
from rulbook.training.step import PRECISIONS, DivergedError, Forward, step

__all__ = [
    "PRECISIONS",
    "DivergedError",
    "Evaluation",
    "Forward",
    "TrainingConfig",
    "TrainingResult",
    "evaluate",
    "step",
    "train",
]
