"""Predictions are averaged by what held-out rows say of them."""

import numpy as np

from isotropy.evaluation.averaging import average_weights


def test_rows_that_agree_leave_the_bootstrap_nothing_to_draw():
    """Where every row says the same, each resample does: the weights are those of the whole likelihood."""
    chance = np.array([0.9, 0.6, 0.3])
    for count in (1, 5, 20):
        found = average_weights(np.log(np.tile(chance[:, None, None], (1, 2, count))), np.ones((2, count), dtype=bool))
        np.testing.assert_allclose(found, np.tile((chance**count / (chance**count).sum())[:, None], (1, 2)))


def test_rows_that_disagree_keep_more_than_the_likelihood_would():
    rng = np.random.default_rng(0)
    log = rng.normal(scale=2, size=(2, 1, 50))
    log[1] += (log[0] - log[1]).mean() - 0.1  # five nats behind in all
    (first,), (second,) = average_weights(log, np.ones((1, 50), dtype=bool))
    assert np.exp(-5) < 0.05 < second < first


def test_rows_that_are_not_held_out_say_nothing_and_none_is_an_equal_share():
    log = np.log(np.random.default_rng(0).uniform(0.1, 1, size=(3, 2, 10)))
    held = np.zeros((2, 10), dtype=bool)
    held[0, :4] = True
    other = log.copy()
    other[:, 0, 4:] = -100
    found = average_weights(log, held)
    assert np.array_equal(found, average_weights(other, held)) and np.allclose(found[:, 1], 1 / 3)
    assert np.allclose(found.sum(axis=0), 1)


def test_a_draw_has_its_weights_whichever_others_are_beside_it():
    log = np.log(np.random.default_rng(0).uniform(0.1, 1, size=(3, 4, 10)))
    held = np.ones((4, 10), dtype=bool)
    np.testing.assert_allclose(average_weights(log, held)[:, 2:3], average_weights(log[:, 2:3], held[2:3]))
