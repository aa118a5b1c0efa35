"""Clusters beside classes: the score is scikit-learn's, also of hundreds of classes, in memory that grows with rows."""

import tracemalloc

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from isotropy.evaluation.evaluators.clusters import STARTS, clusters
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem


@pytest.mark.parametrize("classes", [3, 200])
def test_the_score_is_that_of_the_clusters_of_the_form_that_was_chosen(classes):
    rng = np.random.default_rng(0)
    y = np.arange(1200) % classes
    x = (rng.normal(size=(classes, 8))[y] + rng.normal(size=(1200, 8)) * 0.7).astype(np.float32)
    features, problem = Features(x[:800], x[800:]), Problem.of(y[:800], y[800:])
    tracemalloc.start()
    (found,) = clusters(features, problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    form = next(form for form in features.forms() if form.name == found.detail["form"])
    model = KMeans(classes, n_init=STARTS, max_iter=50, random_state=problem.seed).fit(form.train)
    expected = normalized_mutual_info_score(problem.test_y, model.predict(form.test))
    assert found.value(found.terms.mean(axis=0)) == pytest.approx(expected, abs=1e-12)
    # Every class with every cluster would be 40,000 columns of 400 rows: 128 MB.
    assert peak < 20e6


def test_a_resample_without_some_pairs_is_scored_as_if_they_were_not_there():
    x, y = np.repeat(np.eye(3), 20, axis=0), np.repeat([0, 1, 2], 20)
    (found,) = clusters(Features(x, x), Problem.of(y, y))
    half = found.terms[:40].mean(axis=0)
    assert found.value(np.stack([half, found.terms.mean(axis=0)])) == pytest.approx([1.0, 1.0])
