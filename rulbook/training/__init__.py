"""Training: one step, one loop, for every method (section 14.4).

``step`` does one optimiser step, and the loop of ``train`` is made of it. Nothing here asks which method runs: how
samples are weighted is in the method, how tasks are weighted in its balancer (:mod:`rulbook.gradients`). Validation
*engines*, never seen in training, choose the epoch.

========================  ==================================================================
``config``                what decides a run, besides the data
``step``                  one optimiser step
``state``                 all that moves in a run, with ``save`` and ``load``
``loop``                  ``train``
``observers``             what looks on: progress bar, record, probes, your own
``keeping, run_folder``   the run's folder: the same run goes on there, or is refused
``draws``                 random draws of the run's own
``describe``              a method or network of your own, told plainly for the record
========================  ==================================================================
"""

from rulbook.inference import Evaluation, evaluate
from rulbook.training.config import TrainingConfig
from rulbook.training.loop import TrainingResult, train
from rulbook.training.observers import Observer, Observing, Probe, ProgressBar, Steps, Watch
from rulbook.training.step import PRECISIONS, DivergedError, Forward, step

__all__ = [
    "PRECISIONS",
    "DivergedError",
    "Evaluation",
    "Forward",
    "Observer",
    "Observing",
    "Probe",
    "ProgressBar",
    "Steps",
    "TrainingConfig",
    "TrainingResult",
    "Watch",
    "evaluate",
    "step",
    "train",
]
