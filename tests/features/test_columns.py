import numpy as np
import torch
from scipy.stats import norm

from isotropy.features import NormalScores
from isotropy.representation import learn_embedding
from representation.examples import made


def test_scores_are_the_normal_quantiles_of_the_ranks_and_know_no_unit():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(5000, 1)))
    scores = NormalScores.learn(x)(x).numpy()[:, 0]
    ranks = (x.numpy()[:, 0].argsort().argsort() + 0.5) / 5000
    inner = (ranks > 0.01) & (ranks < 0.99)
    np.testing.assert_allclose(scores[inner], norm.ppf(ranks)[inner], atol=0.03)
    # Convex between two quantiles, so that the same up to the step between them.
    np.testing.assert_allclose(NormalScores.learn(x.exp())(x.exp()).numpy()[inner, 0], scores[inner], atol=0.03)
    assert NormalScores.learn(x)(x * 1000).abs().max() < 3.1


def test_two_values_stay_and_repeated_ones_get_their_middle_quantile():
    x = torch.tensor([[0.0, 1.0, 5.0]] * 50 + [[1.0, 2.0, 5.0]] * 25 + [[1.0, 3.0, 5.0]] * 25)
    scores = NormalScores.learn(x)(x).numpy()
    assert np.array_equal(scores[:, 0], x[:, 0]) and np.array_equal(scores[:, 2], x[:, 2])
    np.testing.assert_allclose(scores[[0, 50, 75], 1], norm.ppf([0.25, 0.625, 0.875]), atol=0.03)


def test_every_column_of_a_table_is_a_linear_function_of_the_joined_embedding():
    plain, values = made("table_mlp")
    rows = plain.preprocess.transform(values)
    joined = learn_embedding("joined", plain.encoder, plain.preprocess, rows)
    own = plain.encoder.width
    raw = plain.preprocess.features(rows)
    network, to_input = joined.network(plain.encoder, plain.preprocess)
    with torch.no_grad():
        z = network(to_input(rows)).numpy()[:, own:]
    weights = np.linalg.lstsq(np.c_[z, np.ones(len(z))], raw, rcond=None)[0]
    np.testing.assert_allclose(np.c_[z, np.ones(len(z))] @ weights, raw, atol=1e-4)
