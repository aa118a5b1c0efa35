import pytest
import torch
from torch import nn

from isotropy.methods.lfr.predictors import StackedLinear, hidden_predictors, linear_predictors
from methods.fakes import normal


def separate_linear(stack, k, count):
    """Return predictor k of a linear stack as a network of its own."""
    whole = stack[0]
    alone = nn.Linear(whole.in_features, whole.out_features // count).double()
    with torch.no_grad():
        alone.weight.copy_(whole.weight.chunk(count)[k])
        alone.bias.copy_(whole.bias.chunk(count)[k])
    return alone


def test_linear_predictors_are_as_many_separate_ones():
    stack, z = linear_predictors(3, 4, 5).double(), normal(7, 4)
    assert torch.allclose(stack(z), torch.stack([separate_linear(stack, k, 3)(z) for k in range(3)], 1), atol=1e-14)


def test_hidden_predictors_are_as_many_separate_ones_in_value_and_gradient():
    stack, z = hidden_predictors(3, 4, 6, 5).double(), normal(7, 4).requires_grad_()
    last = stack[-1]
    outputs = []
    for k in range(3):
        alone = nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5)).double()
        with torch.no_grad():
            alone[0].weight.copy_(stack[0].weight.chunk(3)[k])
            alone[3].weight.copy_(last.weight[k].T)
            alone[3].bias.copy_(last.bias[k])
        outputs.append(alone(z))
    expected = torch.stack(outputs, 1)
    assert torch.allclose(stack(z), expected, atol=1e-14)
    gradients = [torch.autograd.grad(y.sin().sum(), z)[0] for y in (stack(z), expected)]
    assert torch.allclose(*gradients, atol=1e-13)
    # The published loop leaves predictors in train mode: the batch normalises in every mode.
    assert torch.equal(stack.eval()(z), stack.train()(z))
    assert not list(stack.buffers())


@pytest.mark.parametrize("inputs", [4, 400])
def test_initial_weights_are_those_of_separate_linear_layers(inputs):
    torch.manual_seed(0)
    bound = inputs**-0.5
    layers = [StackedLinear(6, inputs, 50), linear_predictors(6, inputs, 50)[0], nn.Linear(inputs, 300)]
    for layer in layers:
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= bound
            assert values.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)
            assert values.mean().item() == pytest.approx(0, abs=0.12 * bound)
