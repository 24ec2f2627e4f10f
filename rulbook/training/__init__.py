"""One loop for every method: the losses of the tasks come in, a balancer weighs them, one optimiser steps (14.4).

Nothing here asks which method runs. How samples are weighted is the method's ``samples``
(:mod:`rulbook.weighting.samples`); how tasks are weighted, its balancer (:mod:`rulbook.gradients`). Validation
*engines*, never seen in training, choose the epoch.
"""

from rulbook.training.loop import PRECISIONS, Evaluation, TrainingConfig, TrainingResult, evaluate, train

__all__ = ["PRECISIONS", "Evaluation", "TrainingConfig", "TrainingResult", "evaluate", "train"]
