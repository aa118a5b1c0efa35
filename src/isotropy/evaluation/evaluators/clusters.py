"""Clusters: do as many groups as there are classes, found without labels, agree with them?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.splits import stratified

ROWS = 5000
STARTS = 3


def clusters(candidate: Features, problem: Problem) -> Iterator[Measurement]:
    """Measure the normalised mutual information of classes and k-means clusters of at most 5,000 test rows, in [0, 1].

    As many clusters as classes, the best of three starts, learnt on training rows. The form of the features is the one
    whose clusters agree best with the classes of training rows. A label that is a number has no classes to agree with.

    Source: Strehl and Ghosh 2002; arithmetic mean of the entropies, as in scikit-learn.

    Example:
        >>> x, y = np.repeat(np.eye(2), 20, axis=0), np.repeat([0, 1], 20)
        >>> [(m.metric, float(m.value(m.terms.mean(0)).round(3))) for m in clusters(Features(x, x), Problem.of(y, y))]
        [('NMI', 1.0)]
    """
    from sklearn.metrics import normalized_mutual_info_score

    if not isinstance(candidate, Features) or problem.task != "classes":
        return
    count = len(problem.classes)
    known = np.flatnonzero(problem.test_y >= 0)
    test = known[stratified(problem.test_y[known], min(ROWS, len(known)), seed=problem.seed)]
    train = stratified(problem.train_y, min(ROWS, len(problem.train_y)), seed=problem.seed)
    best, chosen = -1.0, (candidate.as_is, None)
    for form in candidate.forms():
        model = _clustered(form, train, count, problem.seed)
        agreement = normalized_mutual_info_score(problem.train_y[train], model.labels_)
        if agreement > best:
            best, chosen = float(agreement), (form, model)
    form, model = chosen
    assert model is not None
    pairs = problem.test_y[test] * model.n_clusters + model.predict(form.test[test])
    # Pairs that no row has add nothing, and of many classes there are too many to keep.
    there, own = np.unique(pairs, return_inverse=True)
    terms = (own[:, None] == np.arange(len(there))).astype(np.float64)
    of_classes, of_clusters = (_indicator(one) for one in np.divmod(there, model.n_clusters))

    def value(means: NDArray[np.float64]) -> NDArray[np.float64]:
        return _nmi(means, means @ of_classes, means @ of_clusters)

    detail = {"form": form.name, "clusters": int(model.n_clusters), "rows": len(test)}
    yield Measurement("NMI", len(problem.train_y), terms, detail, value=value, validation=best, ends=(0.0, 1.0))


def _clustered(form: Form, rows: NDArray[np.int64], count: int, seed: int) -> Any:
    from sklearn.cluster import KMeans

    with threadpool_limits(limits=1):
        return KMeans(min(count, len(rows)), n_init=STARTS, max_iter=50, random_state=seed).fit(form.train[rows])


def _indicator(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return which of the codes that there are each of them is, (P, codes) of 0 and 1."""
    there, own = np.unique(codes, return_inverse=True)
    return (own[:, None] == np.arange(len(there))).astype(np.float64)


def _nmi(pairs: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normalised mutual information of joint frequencies (..., P) and their sums by either side -> (...)."""
    information = _entropy(rows) + _entropy(columns) - _entropy(pairs)
    middle = (_entropy(rows) + _entropy(columns)) / 2
    return np.where(middle > 1e-12, information / np.maximum(middle, 1e-12), 1.0)


def _entropy(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1.0))).sum(-1))
