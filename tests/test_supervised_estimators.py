"""Classifier and regressor: scikit-learn's checks, labels that are missing in part, and what is kept."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from isotropy.estimator import SelfSupervisedClassifier, SelfSupervisedRegressor

QUICK = {"num_candidates": 6, "target_width": 16}
SHORT = {"epochs": 1, "encoder_options": {"width": 16, "hidden": 16}, "finetune_options": {"epochs": 1, "folds": 2}}


def classifier(**settings: Any) -> SelfSupervisedClassifier:
    return SelfSupervisedClassifier(**{"method_options": QUICK, "random_state": 0, **SHORT} | settings)


@parametrize_with_checks(
    [
        SelfSupervisedClassifier(method_options=QUICK, **SHORT),
        SelfSupervisedRegressor(method_options=QUICK, **SHORT),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
