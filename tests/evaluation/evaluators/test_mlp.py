import numpy as np

from isotropy.evaluation import linear_probe, mlp_probe


def bent(rows, seed):
    """Two classes that no line separates and every small network does."""
    x = np.random.default_rng(seed).uniform(-1, 1, size=(rows, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def test_an_mlp_reads_bent_classes_that_a_line_cannot():
    x, y = bent(1500, 0)
    x_test, y_test = bent(600, 1)
    assert mlp_probe(x, y, x_test, y_test).score - linear_probe(x, y, x_test, y_test).score > 0.3
    straight = (x[:, 0] > 0).astype(int), (x_test[:, 0] > 0).astype(int)
    assert mlp_probe(x, straight[0], x_test, straight[1]).score > 0.94


def test_an_mlp_reads_numbers_of_any_size():
    x, _ = bent(400, 0)
    y = 1e4 * x[:, 0] ** 2 + 1e5
    found = mlp_probe(x[:300], y[:300], x[300:], y[300:])
    assert found.task == "numbers" and found.score > 0.9
