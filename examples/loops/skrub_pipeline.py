"""The encoder behind skrub's TableVectorizer, which makes numbers of any column. Needs: pip install skrub."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skrub import TableVectorizer

from isotropy import SelfSupervisedEncoder


def main():
    """Return the accuracy of three folds."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["gold", "basic"], 300)
    frame = pd.DataFrame({
        "orders": rng.poisson(np.where(kind == "gold", 12, 4)),
        "city": rng.choice(["Aachen", "Bonn", "Celle"], 300),
        "note": [f"{word} since {rng.integers(1990, 2024)}" for word in np.where(kind == "gold", "member", "guest")],
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 300), unit="D"),
    })  # fmt: skip
    model = make_pipeline(
        TableVectorizer(), SelfSupervisedEncoder(epochs=3, random_state=0), StandardScaler(), LogisticRegression()
    )
    return cross_val_score(model, frame, kind, cv=3)


if __name__ == "__main__":
    print(main())
