"""Encoders for tables: one-hot expansion, parameter counts, embeddings."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from isotropy.encoders import OneHot, TableMLP, TableResNet
from isotropy.errors import UserError


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def rows(numeric: int, categories: list[int], count: int = 40) -> torch.Tensor:
    codes = [torch.randint(0, cardinality, (count, 1)) for cardinality in categories]
    return torch.cat([torch.randn(count, numeric), *codes], dim=1)


@pytest.mark.parametrize(("numeric", "categories"), [(3, [2, 5, 1]), (0, [4, 3]), (4, [])])
def test_one_hot_equals_functional_one_hot(numeric, categories):
    x = rows(numeric, categories)
    parts = [x[:, :numeric]]
    for place, cardinality in enumerate(categories):
        parts.append(functional.one_hot(x[:, numeric + place].long(), cardinality).float())
    expand = OneHot(numeric, categories)
    assert torch.equal(expand(x), torch.cat(parts, dim=1))
    assert expand.width == expand(x).shape[1]
    assert expand.double()(x.double()).dtype == torch.float64


def test_the_mlp_has_the_papers_parameter_counts():
    assert weights(TableMLP(numeric=105)) == 224_512
    assert weights(TableMLP(numeric=51)) == 210_688
    assert weights(TableMLP(numeric=27, width=32)) == 146_976
    assert weights(TableMLP(numeric=6, categories=[2, 7, 16, 7, 14, 6, 5, 42])) == 224_512


def test_the_mlp_on_codes_equals_the_mlp_on_one_hot_rows():
    coded = TableMLP(numeric=3, categories=[2, 5], width=7, hidden=11, depth=3)
    plain = TableMLP(numeric=10, width=7, hidden=11, depth=3)
    plain.load_state_dict(coded.state_dict())
    x = rows(3, [2, 5])
    assert torch.equal(coded(x), plain(OneHot(3, [2, 5])(x)))


def test_the_mlp_has_relu_between_its_layers_only():
    encoder = TableMLP(numeric=3, width=5, hidden=4, depth=3)
    assert [type(layer) for layer in encoder.layers] == [nn.Linear, nn.ReLU] * 2 + [nn.Linear]
    assert encoder(torch.randn(200, 3)).min() < 0


@pytest.mark.parametrize(("numeric", "categories"), [(3, [2, 5]), (0, [4, 3]), (4, [])])
def test_the_residual_network_takes_every_kind_of_table(numeric, categories):
    encoder = TableResNet(numeric=numeric, categories=categories, width=6)
    assert encoder(rows(numeric, categories)).shape == (40, 6)


def test_embeddings_of_a_row_are_one_per_column_and_summed():
    encoder = TableResNet(numeric=2, categories=[2, 3], width=6, depth=1)
    x = torch.tensor([[0.5, -1.0, 1.0, 2.0]])
    seen = []
    encoder.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder.eval()(x)
    table = encoder.codes.weight
    right = encoder.numbers(x[:, :2]) + table[1] + table[2 + 2]
    torch.testing.assert_close(seen[0], right)


def test_each_category_code_has_an_output_of_its_own():
    encoder = TableResNet(numeric=0, categories=[3, 3], width=8).eval()
    x = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))
    distances = torch.cdist(encoder(x), encoder(x)) + torch.eye(9)
    assert distances.min() > 1e-3


@pytest.mark.parametrize("kind", [TableMLP, TableResNet])
@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"numeric": 0}, {"width": 2.5}, {"categories": [0]}])
def test_numbers_out_of_range_are_refused(kind, wrong):
    with pytest.raises(UserError, match="whole number"):
        kind(**{"numeric": 3} | wrong)


def test_a_dropout_of_one_is_refused():
    with pytest.raises(UserError, match="dropout"):
        TableResNet(numeric=3, dropout=1.0)
