"""scikit-learn estimators: an encoder as a transformer, and with labels of some rows a classifier and a regressor."""

from isotropy.estimator.encoder import SelfSupervisedEncoder
from isotropy.estimator.supervised import SelfSupervisedClassifier, SelfSupervisedRegressor

__all__ = ["SelfSupervisedClassifier", "SelfSupervisedEncoder", "SelfSupervisedRegressor"]
