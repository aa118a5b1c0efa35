"""Clusters that are there are found, in their number too; where there are none, that is said."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from isotropy.clusters import cluster
from isotropy.clusters.axes import principal
from isotropy.clusters.stability import agreements, most_stable, refound
from isotropy.errors import UserError


def blobs(count, rows=500, spread=1.0):
    x, y = make_blobs(rows, 20, centers=count, cluster_std=spread, random_state=count)
    return x.astype(np.float32), y


@pytest.mark.parametrize("count", [3, 7])
def test_the_number_of_clusters_is_found(count):
    x, y = blobs(count)
    found = cluster(x)
    assert (found.count, found.clear) == (count, True)
    assert adjusted_rand_score(y, found.labels) == 1
    assert found.sizes == sorted(np.bincount(y).tolist(), reverse=True)
    assert min(found.stability) > 0.99


def test_rows_without_structure_have_no_clear_number():
    x = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    found = cluster(x * np.linspace(3, 0.2, 8, dtype=np.float32))
    assert found.clear is False and not any(one.clear for one in found.agreement)


def test_one_long_direction_is_no_evidence_of_two_clusters():
    x, y = blobs(3, spread=2)
    found = agreements(principal(x), numbers=[2, 3])
    assert found[0].mean > 0.9 and found[0].reference > 0.9
    assert most_stable(found) == (3, True)


def test_the_number_does_not_depend_on_how_many_rows_there_are():
    x, _ = blobs(4, rows=5000)
    few = agreements(principal(x), numbers=[3, 4, 5])
    assert most_stable(few) == (4, True)


def test_exemplars_are_nearest_to_the_middle_of_their_cluster_by_a_slow_loop():
    x, _ = blobs(3, rows=90, spread=4)
    found = cluster(x, 3)
    axes = principal(x)
    for number, rows in enumerate(found.exemplars):
        mine = np.flatnonzero(found.labels == number)
        far = [float(np.linalg.norm(axes[row] - axes[mine].mean(axis=0))) for row in mine]
        assert rows == mine[np.argsort(far)[:5]].tolist()


def test_copies_of_a_row_stand_for_a_cluster_once():
    x = np.repeat(np.array([[0, 0], [5, 5], [0.2, 0], [5.2, 5]], dtype=np.float32), [9, 9, 3, 3], axis=0)
    assert cluster(x, 2).exemplars == [[0, 18], [9, 21]]


def test_hdbscan_leaves_rows_alone_and_finds_dense_ones():
    x, y = blobs(4)
    alone = np.random.default_rng(0).uniform(-60, 60, size=(20, 20)).astype(np.float32)
    found = cluster(np.concatenate([x, alone]), method="hdbscan")
    assert found.count == 4
    assert (found.labels[500:] == -1).mean() > 0.9
    assert adjusted_rand_score(y, found.labels[:500]) > 0.95


def test_clusters_that_chance_drew_are_not_found_again():
    x = np.random.default_rng(0).normal(size=(400, 10)).astype(np.float32)
    assert max(refound(cluster(x, 8).labels, x)) < 0.6


def test_equal_input_gives_equal_clusters():
    x, _ = blobs(5, spread=6)
    assert np.array_equal(cluster(x, 5, seed=3).labels, cluster(x, 5, seed=3).labels)


ROWS = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        (ROWS, {"k": "3x"}, "whole number"),
        (ROWS, {"k": 2.5}, "whole number"),
        (ROWS, {"k": 0}, "give 1 to"),
        (ROWS, {"k": 31}, "30 distinct rows"),
        (ROWS, {"method": "kmean"}, "did you mean 'kmeans'"),
        (ROWS, {"k": 3, "method": "hdbscan"}, "finds the number"),
        (ROWS[:4], {"method": "hdbscan"}, "at least 5 rows"),
        (ROWS[:1], {}, "at least 2 rows"),
        (ROWS[:6], {}, "too few"),
        (np.ones((30, 3), dtype=np.float32), {}, "are the same"),
        (np.where(np.arange(30)[:, None] == 3, np.nan, ROWS), {}, "not finite"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(x, options, said):
    with pytest.raises(UserError, match=said) as error:
        cluster(x, **options)
    assert "\n" not in str(error.value)


def test_rows_that_are_equal_are_in_one_cluster():
    x = np.random.default_rng(0).normal(size=(400, 260)).astype(np.float32)
    x[150:] = x[0]
    assert len(np.unique(principal(x)[150:], axis=0)) == 1
    assert cluster(x, method="hdbscan").labels[150:].tolist() == [0] * 250
    with pytest.raises(UserError, match="k = 151 clusters, and there are 150 distinct rows"):
        cluster(x, 151)


def test_copies_make_no_number_of_clusters_stable():
    x = np.random.default_rng(0).normal(size=(400, 20)).astype(np.float32)
    x[200:] = x[0]
    assert cluster(x).clear is False
    there, _ = blobs(4)
    there[250:] = there[0]
    found = cluster(there)
    # The row and its copies are a cluster of their own.
    assert (found.count, found.clear, found.sizes[0]) == (5, True, 251)
