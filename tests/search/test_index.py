"""The index beside the exact search, and without its package."""

import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.search import ApproximateIndex, Index, index, nearest


def test_its_scores_are_the_exact_ones_and_most_neighbours_are_found():
    pytest.importorskip("usearch")
    x = np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32)
    x[300:310] = x[0]
    made = ApproximateIndex(x)
    assert isinstance(made, Index) and len(made) == 600
    own = np.arange(50)
    places, scores = made.search(x[:50], 8, leave_out=own)
    exact, right = nearest(x[:50], x, 8, leave_out=own)
    assert np.mean([len(set(a) & set(b)) / 8 for a, b in zip(places, exact, strict=True)]) > 0.9
    same = places == exact
    assert scores[same].tobytes() == right[same].tobytes() and not (places == own[:, None]).any()
    ties = scores[:, 1:] == scores[:, :-1]
    assert ties.any() and (np.diff(places, axis=1)[ties] > 0).all() and (np.diff(scores, axis=1) <= 0).all()
    with pytest.raises(UserError, match="top_k = 601"):
        made.search(x[:2], 601)
    with pytest.raises(UserError, match="queries of width 5"):
        made.search(x[:2, :5], 3)


def test_without_its_package_it_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(index, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install 'isotropy\[search\]'"):
        ApproximateIndex(np.eye(3))


def test_no_query_has_no_answer_and_settings_are_checked():
    pytest.importorskip("usearch")
    x = np.random.default_rng(0).normal(size=(20, 3))
    indices, scores = ApproximateIndex(x).search(x[:0], 4)
    assert (indices.shape, scores.shape, indices.dtype, scores.dtype) == ((0, 4), (0, 4), np.int64, np.float32)
    with pytest.raises(UserError, match="effort must be a whole number of at least 1, not -1"):
        ApproximateIndex(x, effort=-1)
    with pytest.raises(UserError, match="connectivity must be a whole number of at least 2, not 'a'"):
        ApproximateIndex(x, connectivity="a")  # type: ignore[arg-type]
