"""What a column says can still be read from the embedding: large, minute, heavy-tailed numbers, dates, many levels."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isotropy.data import TablePreprocess
from isotropy.encoders import build
from isotropy.representation import Representation

ROWS, TRAIN = 1200, 900
RNG = np.random.default_rng(0)
Z = RNG.normal(size=ROWS)
SECONDS = RNG.integers(0, 86_400 * 365, ROWS)
TIMES = pd.Timestamp("2024-03-01") + pd.to_timedelta(SECONDS, unit="s")
TAILS = np.tan(np.pi * (0.999 * RNG.random(ROWS) - 0.4995))
# A column, and what of it must still be there.
COLUMNS: dict[str, tuple[Any, Any]] = {
    "about 10^12, of deviation 1": (1e12 + Z, Z),
    "of deviation 10^11": (1e12 * (1 + 0.1 * Z), Z),
    "of variance 10^-12": (1e-6 * Z, Z),
    "of variance 10^-12 about 5": (5 + 1e-6 * Z, Z),
    "lognormal over twelve decades": (np.exp(4 * Z), Z),
    "without moments": (TAILS, np.arctan(TAILS)),
    "the hour of a timestamp": (TIMES, np.sin(2 * np.pi * (SECONDS % 86_400) / 86_400)),
}


def represented(column: Any, kinds: dict[str, str] | None = None) -> tuple[Representation, pd.DataFrame]:
    """Return an untrained encoder of a table with the column, and the table."""
    jobs, noise = RNG.choice(["cook", "smith", "monk"], ROWS), RNG.normal(size=ROWS)
    frame = pd.DataFrame({"x": column, "noise": noise, "job": jobs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preprocess = TablePreprocess.learn(frame.iloc[:TRAIN], kinds=kinds)
    torch.manual_seed(0)
    return Representation(build("table_quantiles", "table", preprocess.shape), preprocess, method="masked"), frame


def explained(vectors: np.ndarray, truth: np.ndarray) -> float:
    """Return R2 of a ridge regression on rows that it was not fitted on."""
    probe = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 9)))
    return float(probe.fit(vectors[:TRAIN], truth[:TRAIN]).score(vectors[TRAIN:], truth[TRAIN:]))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_probe_reads_it_from_the_embedding(name: str) -> None:
    column, truth = COLUMNS[name]
    made, frame = represented(column)
    assert explained(made.transform(frame), truth) > 0.98
    assert explained(made.transform(frame.assign(x=frame["x"].sample(frac=1, random_state=0).values)), truth) < 0.5


def test_of_ten_thousand_levels_the_frequent_ones_are_told_apart_and_the_others_by_their_letters() -> None:
    frequent = RNG.random(ROWS) < 0.7
    codes = np.where(frequent, RNG.integers(0, 20, ROWS), RNG.integers(20, 10_000, ROWS))
    names = np.array([f"{'even' if code % 2 == 0 else 'odd'} {code:05d}" for code in codes])
    made, frame = represented(names)
    vectors, even = made.transform(frame), (codes % 2 == 0).astype(float)
    inside = explained(np.where(frequent[:, None], vectors, 0.0), np.where(frequent, even, 0.5))
    assert inside > 0.9
    made, frame = represented(names, kinds={"x": "text"})
    assert explained(made.transform(frame), even) > 0.9


@pytest.mark.parametrize("name", COLUMNS)
def test_a_value_that_training_never_lacked_is_missing_and_never_nan(name: str) -> None:
    made, frame = represented(COLUMNS[name][0])
    frame = frame.astype({"job": object})
    frame.loc[::5, ["x", "job"]] = None
    found = made.transform(frame)
    assert np.isfinite(found).all()
    frame.loc[:, "noise"] = np.nan
    assert np.isfinite(made.transform(frame)).all()
