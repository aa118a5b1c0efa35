"""Exact search beside a slow transcription, where floats are nasty, and where it is asked for what there is not."""

import numpy as np
import pytest
import torch

from isotropy.errors import UserError
from isotropy.search import exact, nearest
from isotropy.search.cosine import on_grid


def slowly(queries, rows, top_k, own=None):
    """Cosines in float64 of numpy, rounded to float32, sorted as tuples."""
    q, r = (np.asarray(x, dtype=np.longdouble) for x in (queries, rows))
    q, r = (x / np.maximum(np.sqrt((x * x).sum(1, keepdims=True)), np.finfo(np.longdouble).tiny) for x in (q, r))
    cosines = q @ r.T
    found = []
    for place, line in enumerate(cosines):
        allowed = [row for row in range(len(r)) if own is None or row != own[place]]
        found.append(sorted(allowed, key=lambda row: (-line[row], row))[:top_k])
    return np.array(found), np.take_along_axis(cosines, np.array(found), 1)


def data(name, count=400, width=24):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(count, width))
    match name:
        case "copies":  # of few rows
            x = x[rng.integers(0, 9, count)]
        case "collapsed":  # cosines of all but .9999
            x = 1 + 1e-3 * x
        case "one row":
            x = np.repeat(x[:1], count, 0)
        case "rising":  # every piece is nearer than those before
            x = x[:1] + np.linspace(2, 0, count)[:, None] * x
        case "zeros":
            x[rng.random(count) < 0.5] = 0
        case "huge":
            x *= 10.0 ** rng.integers(-30, 30, (count, 1))
    return x.astype(np.float32)


KINDS = ["normal", "copies", "collapsed", "one row", "rising", "zeros", "huge"]


@pytest.fixture(params=[True, False], ids=["bf16", "float32"], autouse=True)
def product(request, monkeypatch):
    """Whatever the processor multiplies fast, both products find all candidates; pieces are small."""
    monkeypatch.setattr(exact, "_multiplies_bf16", lambda: request.param)
    monkeypatch.setattr(exact, "_ROWS", 128)


@pytest.mark.parametrize("top_k", [1, 10, 399])
@pytest.mark.parametrize("name", KINDS)
def test_it_is_the_slow_search(name, top_k):
    x = data(name)
    own = np.arange(40) * 3
    places, scores = nearest(x[own], x, top_k, leave_out=own)
    assert places.dtype == np.int64 and scores.dtype == np.float32
    right, cosines = slowly(x[own], x, top_k, own)
    np.testing.assert_allclose(scores, cosines, atol=1.5e-7)
    # Rows whose cosines differ by more than the rounding of a row stand in this order.
    values = x.astype(np.longdouble)
    values /= np.maximum(np.sqrt((values**2).sum(1, keepdims=True)), 1e-300)
    for mine, theirs, query in zip(places, right, values[own], strict=True):
        np.testing.assert_allclose(
            (values[mine] @ query).astype(float), (values[theirs] @ query).astype(float), atol=3e-8
        )
        assert len(set(mine)) == top_k


@pytest.mark.parametrize("name", KINDS)
def test_a_score_depends_on_its_two_rows_alone(name, monkeypatch):
    x = data(name)
    order = np.random.default_rng(0).permutation(len(x))
    places, scores = nearest(x[:50], x, 20)
    monkeypatch.setattr(exact, "_ROWS", 96)
    monkeypatch.setattr(exact, "_QUERIES", 7)
    before = torch.get_num_threads()
    torch.set_num_threads(3 - min(before, 2))
    try:
        again, same = nearest(x[:50], x, 20)
        _, moved = nearest(x[:50] * np.float32(8), x[order], 20)
    finally:
        torch.set_num_threads(before)
    assert (places == again).all() and scores.tobytes() == same.tobytes() == moved.tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_both_products_lead_to_the_same_bits(name, monkeypatch):
    x = data(name)
    found = []
    for fast in (True, False):
        monkeypatch.setattr(exact, "_multiplies_bf16", lambda fast=fast: fast)
        found.append(nearest(x[::7], x, 12))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(*found, strict=True))


def test_equal_rows_are_ordered_by_number_and_a_row_is_1_to_itself():
    x = data("copies")
    places, scores = nearest(x, x, 30)
    assert (scores[:, 0] == 1).all()
    ties = scores[:, 1:] == scores[:, :-1]
    assert ties.any() and (np.diff(places, axis=1)[ties] > 0).all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_it_takes_tensors_of_any_kind(kind):
    x = (torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) * 9).to(kind)
    places, scores = nearest(x[:4], x, 3)
    right, cosines = slowly(x[:4].double(), x.double(), 3)
    np.testing.assert_allclose(scores, cosines, atol=1.5e-7)
    assert (places == right).all()


def test_it_reads_a_file_s_map_and_strides_and_leaves_the_caller_s_precision(tmp_path):
    x = data("normal")
    np.save(tmp_path / "x.npy", x)
    file = np.load(tmp_path / "x.npy", mmap_mode="r")
    torch.set_float32_matmul_precision("medium")
    try:
        found = nearest(file[:3], file, 5)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    for values in (x, np.asfortranarray(x), x[:, ::-1], x.astype(">f4")):
        asked = values[:3]
        places, scores = nearest(asked, values, 5)
        assert (places == found[0]).all() and scores.tobytes() == found[1].tobytes()


def test_numbers_beyond_float32_have_cosines():
    x = np.array([[1e200, 1e200], [1e-200, 0], [0, 1e-45], [-1e300, -1e300]])
    places, scores = nearest(x, x, 4)
    assert places[0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(scores[0], [1, 0.5**0.5, 0.5**0.5, -1], rtol=1e-7)


def test_no_queries_are_answered():
    assert [part.shape for part in nearest(np.empty((0, 3)), np.ones((4, 3)), 2)] == [(0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 5}, "top_k = 5: give a whole number from 1 to 4, as many rows as there are"),
        ({"top_k": 4, "leave_out": [0, -1]}, "top_k = 4: give a whole number from 1 to 3"),
        ({"top_k": 0}, "top_k = 0: "),
        ({"top_k": 2.0}, "top_k = 2.0: "),
        ({"queries": np.ones((2, 4))}, "queries of width 4 cannot be looked up among rows of width 3"),
        ({"queries": np.ones(3)}, r"queries: float64 of shape \(3,\) is no matrix of numbers"),
        ({"queries": torch.ones(3)}, r"queries: shape \(3,\) is no matrix"),
        ({"rows": [["a", "b", "c"]]}, "rows: <U1 of shape"),
        ({"rows": np.array([[1, 2, 3], [1, np.nan, 2]])}, "rows: row 1 holds a value that is not finite"),
        ({"queries": np.array([[1, np.inf, 3]])}, "queries: row 0 holds a value that is not finite"),
        ({"leave_out": [0, 4]}, "leave_out: give the number of a row, below 4, or -1 for each of 2 queries"),
        ({"leave_out": [0.0, 1.0]}, "leave_out: "),
        ({"rows": np.empty((0, 3))}, "there are no rows"),
        ({"queries": np.ones((2, 0)), "rows": np.ones((4, 0))}, "rows of no numbers"),
    ],
)
def test_wrong_input_is_one_line(options, message):
    with pytest.raises(UserError, match=message):
        nearest(**{"queries": np.ones((2, 3)), "rows": np.ones((4, 3)), "top_k": 2} | options)


def test_the_grid_s_sums_are_exact():
    x = torch.from_numpy(data("huge", count=50))
    grid, norms = on_grid(x)
    whole = [[int(value) for value in row] for row in grid.tolist()]
    assert (grid == grid.round()).all() and all(sum(a * a for a in row) < 2**53 for row in whole)
    assert norms.tolist() == [sum(a * a for a in row) for row in whole]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
def test_no_product_is_further_from_a_score_than_the_margin(kind):
    # Rows of one number all round in one direction.
    for width in range(1, 300):
        unit = torch.full((1, width), width**-0.5)
        product = (unit.to(kind) @ unit.to(kind).T).double()
        assert abs(float(product) - 1) <= exact._margin(kind, width)
