"""The Preprocessor among scikit-learn's own tools, by scikit-learn's own checks where they fit a table with names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from rulbook.data import SENSORS_14, SETTINGS, Preprocessor, rul_labels


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
    ],
)
def test_scikit_learns_checks_of_parameters(check):
    check("Preprocessor", Preprocessor())


def test_a_clone_is_unfitted_and_made_with_the_very_same_arguments(fleet):
    fitted = Preprocessor(n_conditions=6, sensors=["s2", "s4"], settings=["setting_1"], random_state=3).fit(fleet.train)
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    assert not hasattr(again, "means_")
    assert again.fit(fleet.train) == fitted
    check_is_fitted(fitted)
    assert clone(Preprocessor()).get_params() == {
        "n_conditions": None,
        "sensors": SENSORS_14,
        "settings": SETTINGS,
        "random_state": 0,
    }


def test_parameters_can_be_set_and_wrong_ones_are_refused(fleet):
    made = Preprocessor().set_params(sensors=["s2"], n_conditions=2)
    assert made.fit(fleet.train).means_.shape == (2, 1)
    for wrong, message in [
        ({"window": 3}, "a parameter of Preprocessor is 'window'"),
        ({"n_conditions": 0}, "n_conditions is 0"),
        ({"sensors": "s2"}, "sensors is 's2': it must be a list of names"),
        ({"random_state": 2**32}, "random_state is 4294967296"),
    ]:
        with pytest.raises(ValueError, match=message):
            Preprocessor().set_params(**wrong)


def test_it_is_a_step_of_a_pipeline_and_of_a_search(fleet):
    rul = np.minimum(rul_labels(fleet.train), 125)
    pipeline = make_pipeline(Preprocessor(), Ridge()).fit(fleet.train, rul)
    by_hand = Ridge().fit(Preprocessor().fit_transform(fleet.train), rul)
    expected = by_hand.predict(Preprocessor().fit(fleet.train).transform(fleet.test))
    np.testing.assert_allclose(pipeline.predict(fleet.test), expected)
    assert pipeline[0].get_feature_names_out().tolist() == list(SENSORS_14)
    assert pipeline[0].feature_names_in_.tolist() == [*SETTINGS, *SENSORS_14]
    search = GridSearchCV(pipeline, {"preprocessor__n_conditions": [1, 6]}, cv=GroupKFold(3))
    search.fit(fleet.train, rul, groups=fleet.train["unit"])
    assert search.best_params_ == {"preprocessor__n_conditions": 6}


def test_to_import_the_data_does_not_import_scikit_learn():
    code = "import sys, rulbook.data; sys.exit('sklearn' in sys.modules or 'certifi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
