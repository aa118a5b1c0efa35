import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation import evaluate
from isotropy.evaluation.evaluators.few_labels import few_labels


@pytest.fixture
def classes():
    rng = np.random.default_rng(4)
    y = rng.integers(5, size=400)
    return np.eye(5)[y] + 0.4 * rng.normal(size=(400, 5)), y


def curve(x, y, **options):
    return list(few_labels(x[:300], y[:300], x[300:], y[300:], seed=0, **options))


def test_the_curve_rises_and_counts_its_labels(classes):
    found = curve(*classes, task="classes", sizes=[1, 5, 40, 5000], draws=5)
    assert [one.labels for one in found] == [5, 25, 200], "a size that no class has is left out"
    means = [one.terms.mean() for one in found]
    assert means[0] < means[1] < means[2]
    assert all(one.terms.shape == (5, 1) for one in found)


def test_all_representations_learn_from_the_same_draws(classes):
    x, y = classes
    rows = np.arange(400.0)[:, None]
    first, again = (curve(z, y, task="classes", sizes=[3], draws=4)[0].terms for z in (x, x + 0 * rows))
    assert np.array_equal(first, again)
    pairs = {"us": (x[:300], x[300:]), "same": (x[:300] * 1.0, x[300:])}
    found = evaluate(pairs, y[:300], y[300:], ours="us", evaluators=["few_labels"])
    gaps = [score["difference"] for score in found["scores"] if score["representation"] == "same"]
    assert len(gaps) == 5 and all(gap == {"value": 0.0, "low": 0.0, "high": 0.0} for gap in gaps)


def test_numbers_are_drawn_by_rows(classes):
    x, _ = classes
    found = curve(x, x[:, 0] + 0.1, task="numbers", draws=3)
    assert [one.labels for one in found] == [20, 50, 200] and found[-1].terms.mean() > 0.99


def test_sizes_that_are_not_there_are_one_line(classes):
    with pytest.raises(UserError, match="sizes from 1 to"):
        curve(*classes, task="classes", sizes=[301])
