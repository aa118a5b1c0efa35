"""The perceptron head: its layers, its widths and its options."""

import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.nn.mlp import mlp


def test_the_layers_stand_in_the_order_of_the_papers():
    head = mlp((8, 16, 16, 4), norm_last=True, affine_last=False, bias_last=False, activation=nn.GELU)
    kinds = [type(layer) for layer in head]
    hidden = [nn.Linear, nn.BatchNorm1d, nn.GELU]
    assert kinds == hidden * 2 + [nn.Linear, nn.BatchNorm1d]
    assert [layer.bias is None for layer in head if isinstance(layer, nn.Linear)] == [True, True, True]
    assert head[-1].weight is None and head[1].weight is not None
    assert head(torch.randn(5, 8)).shape == (5, 4)


def test_without_norm_hidden_layers_have_biases():
    head = mlp((8, 16, 4), norm=False)
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
    assert head[0].bias is not None and head[2].bias is not None


def test_parameter_count_of_the_two_layer_predictor_of_lfr():
    # Kvasir: 2048 -> 256 (no bias, norm, ReLU) -> 2048.
    assert sum(p.numel() for p in mlp((2048, 256, 2048)).parameters()) == 1_051_136


def test_two_widths_are_one_linear_layer():
    assert [type(layer) for layer in mlp((3, 2))] == [nn.Linear]


@pytest.mark.parametrize("widths", [(3,), (), (3, 0)])
def test_widths_that_make_no_head_are_refused(widths):
    with pytest.raises(UserError, match="input and an output width"):
        mlp(widths)
