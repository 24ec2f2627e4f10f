"""What one would tune can be reached from a config: an Optuna study in twenty lines."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import optuna
import pytest

from rulbook.balancing import WeightedSum
from rulbook.data import demo_fleet, prepare
from rulbook.methods import METHODS
from rulbook.model import PRESETS
from rulbook.training import TrainingConfig, train
from rulbook.weighting import InverseGradient, Linear


@pytest.fixture(scope="module")
def data():
    prepared = prepare(demo_fleet(engines=5, test_engines=2, seed=3), window=8, seed=0)
    return replace(prepared, train=prepared.train.take(np.arange(0, len(prepared.train), 4)))


def weighted(floor, beta):
    return WeightedSum(InverseGradient(floor=floor, beta=beta, warmup=0))


def config_of(trial):
    ceiling, floor = trial.suggest_float("ceiling", 1, 4), trial.suggest_float("floor", 0, 0.2)
    balancer = partial(weighted, floor, trial.suggest_float("beta", 0.5, 0.99))
    width = trial.suggest_categorical("width", [6, 12])
    widths = replace(PRESETS["compact"], lstm_hidden=width, dropout=trial.suggest_float("dropout", 0, 0.5))
    method = replace(METHODS["grace"], samples=Linear(ceiling), balancer=balancer)
    return TrainingConfig(method, widths, epochs=1, batch_size=64)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_tunes_ceiling_floor_average_dropout_and_width(data):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tried = []

    def objective(trial):
        tried.append(train(data, config_of(trial), progress=False))
        return tried[-1].history["validation_rmse"].min()

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=3)
    assert study.best_value == min(result.history["validation_rmse"].min() for result in tried)
    for trial, result in zip(study.trials, tried, strict=True):
        chosen, network = result.config.chosen_method, result.model
        assert chosen.samples.w_max == trial.params["ceiling"]
        assert network.lstm.hidden_size == trial.params["width"]
        assert network.funnel[2].p == trial.params["dropout"]
        assert (result.history["weight_rul"] >= 0.999 * trial.params["floor"]).all()
    assert len({result.config for result in tried}) == 3
