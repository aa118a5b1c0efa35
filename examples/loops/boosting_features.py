"""Embeddings as further columns for boosted trees: XGBoost, else CatBoost, else scikit-learn's."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from isotropy import SelfSupervisedEncoder

try:
    from xgboost import XGBClassifier as Trees
except ImportError:
    try:
        from catboost import CatBoostClassifier as Trees
    except ImportError:
        Trees = HistGradientBoostingClassifier


def main():
    """Return the accuracy of trees on the columns, and on the columns beside the embedding."""
    x, y = load_breast_cancer(return_X_y=True)
    x, test_x, y, test_y = train_test_split(x, y, stratify=y, random_state=0)
    # Trained on training rows alone, without their labels.
    encoder = SelfSupervisedEncoder(epochs=5, embedding="learned", random_state=0).fit(x)
    wide, test_wide = (np.hstack([part, encoder.transform(part)]) for part in (x, test_x))
    options = {"verbose": 0, "allow_writing_files": False} if Trees.__name__ == "CatBoostClassifier" else {}
    raw = Trees(random_state=0, **options).fit(x, y).score(test_x, test_y)
    return raw, Trees(random_state=0, **options).fit(wide, y).score(test_wide, test_y)


if __name__ == "__main__":
    print(main())
