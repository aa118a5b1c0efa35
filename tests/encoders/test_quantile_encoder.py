"""Piecewise-linear embeddings beside the encoding of the paper, written plainly."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from isotropy.data import TablePreprocess
from isotropy.encoders import TableQuantiles, build, from_spec, quantiles, spec
from isotropy.encoders.quantiles import Knots
from isotropy.errors import UserError

EDGES = [[-2.0, -1.0, 0.5, 3.0], [0.0, 1.0]]


def encoding(x: float, edges: list[float]) -> list[float]:
    """Piecewise-linear encoding of one number: equation 1 of Gorishniy et al. 2022, ends left open."""
    pieces, found = len(edges) - 1, []
    for t in range(1, pieces + 1):
        low, high = edges[t - 1], edges[t]
        if x < low and t > 1:
            found.append(0.0)
        elif x >= high and t < pieces:
            found.append(1.0)
        else:
            found.append((x - low) / (high - low))
    return found


@pytest.mark.parametrize("x", [-2.5, -2.0, -1.0, -0.2, 0.5, 2.9, 3.0, 4.0])
def test_the_embedding_is_a_linear_layer_on_the_papers_encoding(x):
    encoder = TableQuantiles(numeric=2, numbers=[{"edges": edges} for edges in EDGES], width=6).double()
    weight = encoder.vectors.weight.detach()
    row = [x, 0.25]
    right = encoder.bias.detach() + weight[0] + weight[4]
    for start, value, edges in zip((0, 4), row, EDGES, strict=True):
        slopes = weight[start + 1 : start + len(edges)] - weight[start : start + len(edges) - 1]
        right = right + torch.tensor(encoding(value, edges), dtype=torch.float64) @ slopes
    torch.testing.assert_close(encoder.embed(torch.tensor([row], dtype=torch.float64))[0], right)


def test_far_outside_the_training_range_a_number_stays_finite():
    encoder = TableQuantiles(numeric=1, numbers=[{"edges": [0.0, 1.0, 2.0]}], width=4)
    far, near = encoder.embed(torch.tensor([[1e6], [3.0]]))
    torch.testing.assert_close(far, near)


def test_ranks_of_training_rows_are_uniform_and_standardised():
    values = np.random.default_rng(0).lognormal(sigma=2.0, size=(4000, 1))
    preprocess = TablePreprocess.learn(values)
    assert "tail" in preprocess.shape["numbers"][0]
    x = preprocess.transform(values)
    ranks = Knots(preprocess.shape["numbers"]).ranks(x)
    assert abs(float(ranks.mean())) < 0.02 and abs(float(ranks.var()) - 1) < 0.02
    order = torch.from_numpy(values[:, 0].argsort())
    assert (ranks[order, 0].diff() >= 0).all()


def test_missing_hidden_and_the_mean_are_three_states():
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, None], "b": [1.0, 2.0, 3.0, 4.0]})
    preprocess = TablePreprocess.learn(frame)
    encoder = build("table_quantiles", "table", preprocess.shape, width=8)
    nn.init.normal_(encoder.vectors.weight)
    rows = preprocess.transform(pd.DataFrame({"a": [1.0, None, 1.0], "b": [2.0] * 3}))
    rows[2, 0] = torch.nan
    assert torch.pdist(encoder(rows)).min() > 1e-2
    # Whatever stands where a value is missing has no influence.
    rows[1, 0] = 7.0
    torch.testing.assert_close(encoder(rows)[1], encoder(preprocess.transform(frame[3:].assign(b=2.0)))[0])


def test_a_hidden_category_is_no_level_and_gets_no_influence():
    encoder = TableQuantiles(numeric=0, categories=[3, 4], width=8)
    nn.init.normal_(encoder.vectors.weight)
    levels = torch.tensor([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [torch.nan, 1.0]])
    assert torch.pdist(encoder(levels)).min() > 1e-2


def test_dates_are_read_by_day_week_and_year():
    # Two years of hours: the same hour of the same weekday is near, another hour is far, in the cycles alone.
    when = pd.date_range("2020-01-01", periods=2 * 366 * 24, freq="h")
    preprocess = TablePreprocess.learn(pd.DataFrame({"when": when}))
    encoder = build("table_quantiles", "table", preprocess.shape, width=8)
    phases = encoder._phases(preprocess.transform(pd.DataFrame({"when": when[[0, 24, 12, 7 * 24]]})))
    day = phases[:, [0, 3]]
    torch.testing.assert_close(day[0], day[1], atol=2e-2, rtol=0)
    torch.testing.assert_close(day[0], -day[2], atol=2e-2, rtol=0)
    week = phases[:, [1, 4]]
    torch.testing.assert_close(week[0], week[3], atol=2e-2, rtol=0)
    assert (week[0] - week[1]).norm() > 0.5


def test_the_encoder_is_rebuilt_from_json_with_its_edges():
    frame = pd.DataFrame({"a": np.arange(50.0) ** 3, "when": pd.date_range("2020", periods=50), "c": ["x", "y"] * 25})
    frame.loc[::7, "a"] = np.nan
    preprocess = TablePreprocess.learn(frame)
    encoder = build("table_quantiles", "table", preprocess.shape)
    again = from_spec(json.loads(json.dumps(spec(encoder))))
    again.load_state_dict(encoder.state_dict())
    rows = preprocess.transform(frame)
    assert torch.equal(encoder(rows), again(rows)) and torch.isfinite(encoder(rows)).all()


@pytest.mark.parametrize(
    "frame",
    [
        {"a": [1.0, 2.0, 3.0]},
        {"a": [5.0, None, 5.0]},
        {"a": [True, False, True]},
        {"a": [1, 2, 1], "b": [3, 3, 4]},
        {"a": ["x", "y", "x"]},
        {"a": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"])},
    ],
    ids=["numbers", "one value or none", "booleans", "integers", "categories", "dates"],
)
def test_narrow_tables_are_embedded(frame):
    frame = pd.DataFrame(frame)
    preprocess = TablePreprocess.learn(frame)
    encoder = build("table_quantiles", "table", preprocess.shape, width=8)
    out = encoder(preprocess.transform(frame))
    out.sum().backward()
    assert torch.isfinite(out).all() and all(torch.isfinite(p.grad).all() for p in encoder.parameters())
    targets = encoder.targets(preprocess.transform(frame))
    assert targets.shape == preprocess.transform(frame).shape and torch.isfinite(targets).all()


def test_every_column_has_the_same_variance_before_training():
    torch.manual_seed(0)
    encoder = TableQuantiles(
        numeric=2, numbers=[{"edges": list(range(33))}, {"edges": [0.0, 1.0]}], categories=[5], width=512
    )
    x = torch.stack([torch.linspace(0, 32, 4000), torch.arange(4000.0) % 2, torch.arange(4000.0) % 5], 1)
    state = encoder.embed(x).detach()
    for column in range(3):
        alone = torch.stack(
            [state[x[:, column] == value].mean(0) for value in x[:, column].unique()[:: 1 + 124 * (column == 0)]]
        )
        assert 0.5 < float(alone.var(0, correction=0).sum()) / 512 * 3 < 2


def test_fewer_bins_leave_edges_out_and_keep_the_ends():
    knots = Knots([{"edges": list(range(33))}], bins=4)
    assert knots.low[0].tolist() == [0, 8, 16, 24] and knots.counts == [5]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"numbers": [{"edges": [1.0, 0.0]}] * 3}, "increasing"),
        ({"numbers": [{"edges": [0.0, 1.0]}]}, "tells of 1 columns"),
        ({"width": 0}, "whole number"),
        ({"bins": 0}, "whole number"),
        ({"categories": [0]}, "whole number"),
    ],
)
def test_wrong_arguments_are_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        TableQuantiles(**{"numeric": 3} | wrong)


@pytest.mark.parametrize("most", [4096, 0], ids=["few vectors", "many vectors"])
@pytest.mark.parametrize("low", [False, True], ids=["float32", "bf16"])
def test_the_gradient_of_the_vectors_is_that_of_looking_them_up(monkeypatch, most, low):
    monkeypatch.setattr(quantiles, "_DENSE", most)
    torch.manual_seed(0)
    table = torch.randn(9, 5, requires_grad=True)
    # Row 4 is twice in an output, rows 0 and 8 are in none.
    places, weights = torch.tensor([[1, 4, 4], [7, 2, 3], [4, 5, 6], [1, 2, 3]]), torch.rand(4, 3)
    gradient = torch.randn(4, 5)
    expected = torch.zeros(9, 5)
    for output in range(4):
        for place, weight in zip(places[output], weights[output]):
            expected[place] += weight * gradient[output]
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        found = quantiles._WeightedRows.apply(table, places, weights)
    (found,) = torch.autograd.grad(found, table, gradient)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.03 if low else 1e-6, rtol=0)
