"""Nearest rows: those of a slow search, with distances that keep the digits of near copies."""

import numpy as np
import pytest

from isotropy.search import graph, neighbour_graph


@pytest.mark.parametrize("axis_rows", [100, 4096])
@pytest.mark.parametrize("width", [3, 64, 65, 300])
def test_as_a_slow_search_finds_them(width, axis_rows, monkeypatch):
    monkeypatch.setattr(graph, "_AXIS_ROWS", axis_rows)  # fewer rows than there are, and more
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(120, 8)) @ rng.normal(size=(8, width)) + 0.01 * rng.normal(size=(120, width))).astype("f4")
    d = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2)
    np.fill_diagonal(d, np.inf)
    distance, near = neighbour_graph(x, 5)
    assert np.array_equal(near, np.argsort(d, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(distance, np.sort(d, axis=1)[:, :5], rtol=1e-4)


def test_near_copies_far_from_zero_keep_their_distance():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype("f4") + np.float32(1000)
    x[9] = x[4]
    x[9, 0] += np.float32(0.001)
    distance, near = neighbour_graph(x, 3)
    assert near[9, 0] == 4 and distance[9, 0] == pytest.approx(float(x[9, 0] - x[4, 0]))


def test_ties_go_by_row_number_and_copies_do_not_hide_each_other():
    x = np.zeros((6, 2), dtype=np.float32)
    assert neighbour_graph(x, 3)[1].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
