import sys

import numpy as np
import pytest

from isotropy.evaluation import knn_probe


def brute_force(train, test, values, k, temperature):
    out = []
    for row in test:
        cosine = np.array([row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in train])
        nearest = np.argsort(-cosine)[:k]
        weight = np.exp(cosine[nearest] / temperature)
        out.append((weight[:, None] * values[nearest]).sum(0) / weight.sum())
    return np.array(out)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_votes_equal_brute_force(monkeypatch, k):
    monkeypatch.setattr(sys.modules[knn_probe.__module__], "_CELLS", 200)  # several chunks
    rng = np.random.default_rng(k)
    x, y, test, truth = rng.normal(size=(60, 4)), rng.integers(3, size=60), rng.normal(size=(25, 4)), np.zeros(25, int)
    found = knn_probe(x, y, test, truth, k=k)
    assert np.array_equal(found.predicted, brute_force(x, test, np.eye(3)[y], k, 0.07).argmax(1))


def test_numbers_are_averaged_with_the_same_weights():
    rng = np.random.default_rng(0)
    x, y, test = rng.normal(size=(50, 3)), 1e4 + rng.normal(size=50), rng.normal(size=(20, 3))
    found = knn_probe(x, y, test, np.arange(20.0), k=7)
    assert found.task == "numbers"
    np.testing.assert_allclose(found.predicted, brute_force(x, test, y[:, None], 7, 0.07)[:, 0], atol=1e-4)


def test_no_more_neighbours_than_rows_and_zero_rows_are_no_error():
    found = knn_probe(np.eye(3), ["a", "b", "b"], np.zeros((2, 3)), ["b", "a"], k=20)
    assert found.detail["k"] == 3 and found.score == 0.5
