"""Encoders for series: the paper's shapes and counts, equality with the 1-D form, any length."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from isotropy.encoders import DilatedResNet, SeriesCNN
from isotropy.errors import UserError


def weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("channels", "length", "width", "count"), [(9, 128, 2304, 84_672), (1, 178, 3072, 82_624)])
def test_shapes_and_parameter_counts_of_the_paper(channels, length, width, count):
    encoder = SeriesCNN(channels=channels, length=length)
    assert encoder.width == width and weights(encoder) == count
    assert encoder(torch.zeros(4, channels, length)).shape == (4, width)


def one_dimensional(encoder: SeriesCNN, channels: int) -> nn.Sequential:
    """The paper's form of `encoder`, with its weights."""
    layers: list[nn.Module] = []
    for before, after in ((channels, 32), (32, 64), (64, 128)):
        layers += [nn.Conv1d(before, after, 8, padding=4, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        layers.append(nn.MaxPool1d(2, 2, padding=1))
    layers.insert(4, nn.Dropout(0.35))
    form = nn.Sequential(*layers, nn.Flatten()).double()
    state = {name.removeprefix("layers."): value for name, value in encoder.state_dict().items()}
    form.load_state_dict({k: v.squeeze(2) if v.dim() == 4 else v for k, v in state.items()})
    return form


@pytest.mark.parametrize("train", [True, False])
def test_height_one_equals_the_one_dimensional_form(train):
    encoder = SeriesCNN(channels=3, length=50).double()
    form = one_dimensional(encoder, 3)
    x = torch.randn(6, 3, 50, dtype=torch.float64)
    outputs, gradients = [], []
    for network in (encoder.train(train), form.train(train)):
        torch.manual_seed(0)
        # Dropout draws by place, and the places of both forms coincide.
        output = network(x)
        output.square().sum().backward()
        outputs.append(output.detach())
        gradients.append([p.grad.flatten() for p in network.parameters()])
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-10)


def test_initial_weights_equal_those_of_the_one_dimensional_form():
    torch.manual_seed(3)
    encoder = SeriesCNN(channels=9, length=128)
    torch.manual_seed(3)
    assert torch.equal(encoder.layers[0].weight.squeeze(2), nn.Conv1d(9, 32, 8, bias=False).weight)


def test_dropout_stands_after_the_first_block():
    encoder = SeriesCNN(channels=1, length=20, dropout=0.25)
    kinds = [type(layer) for layer in encoder.layers]
    assert kinds.index(nn.Dropout) == 4 and encoder.layers[4].p == 0.25


def test_long_series_keep_a_bounded_width():
    encoder = SeriesCNN(channels=1, length=3000)
    assert encoder.width == 128 * 32
    assert encoder(torch.randn(2, 1, 3000)).shape == (2, 4096)


@pytest.mark.parametrize("length", [1, 2, 9, 178, 240])
def test_series_cnn_takes_any_length(length):
    encoder = SeriesCNN(channels=2, length=length)
    assert encoder(torch.randn(3, 2, length)).shape == (3, encoder.width)


@pytest.mark.parametrize("length", [1, 5, 128, 777])
def test_one_dilated_network_takes_any_length(length):
    assert DilatedResNet(channels=2, width=24, depth=3)(torch.randn(3, 2, length)).shape == (3, 24)


def test_the_dilated_network_sees_253_steps():
    body = DilatedResNet(channels=1, width=4, hidden=2).double().eval().layers[:-5]
    for convolution in body.modules():
        if isinstance(convolution, nn.Conv2d):
            # Positive weights and inputs keep every path through the ReLUs open.
            nn.init.constant_(convolution.weight, 0.1)
    x = torch.ones(1, 1, 601, dtype=torch.float64, requires_grad=True)
    body(x.unsqueeze(2))[0, :, 0, 300].sum().backward()
    touched = x.grad[0, 0].nonzero().flatten()
    assert (touched.min(), touched.max()) == (300 - 126, 300 + 126)


def test_a_dilated_block_equals_one_dimensional_convolutions():
    block = DilatedResNet(channels=1, hidden=5, depth=3).layers[3].double().eval()
    x = torch.randn(2, 5, 1, 40, dtype=torch.float64)
    inner = x.squeeze(2)
    for norm, convolution in ((block.first_norm, block.first), (block.second_norm, block.second)):
        inner = norm(inner.unsqueeze(2)).squeeze(2).relu()
        inner = functional.conv1d(inner, convolution.weight.squeeze(2), padding=4, dilation=4)
    torch.testing.assert_close(block(x).squeeze(2), x.squeeze(2) + inner)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(UserError, match="channels"):
        SeriesCNN(channels=0, length=5)
    with pytest.raises(UserError, match="dropout"):
        SeriesCNN(channels=1, length=5, dropout=1.5)
    with pytest.raises(UserError, match="hidden"):
        DilatedResNet(channels=1, hidden=0)
