"""Filters' proportions in pieces: the numbers and the gradients of convolution, sigmoid and mean."""

import pytest
import torch
from torch.nn import functional

from isotropy.batch import lengths
from isotropy.encoders import proportions as module
from isotropy.encoders.proportions import SHARPNESS, proportions

SHAPES = [(1, 1, 1, 1), (3, 2, 5, 7), (2, 9, 1, 12), (1, 3, 9, 4), (2, 9, 4, 33)]  # channels, taps, dilation, steps


def drawn(channels, taps, dilation, steps, rows=7, filters=5):
    generator = torch.Generator().manual_seed(steps)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((rows, channels, steps), (filters, channels, 2 * (taps // 2) + 1), (filters,))
    )
    there = torch.rand((rows, 1, steps), generator=generator) > 0.3
    there[0] = False
    return x, weight, bias, dilation, there


def plain(x, weight, bias, dilation, there=None):
    margin = weight.shape[2] // 2 * dilation
    above = torch.sigmoid(SHARPNESS * functional.conv1d(x, weight, bias, padding=margin, dilation=dilation))
    return above.mean(2) if there is None else (above * there).sum(2) / there.sum(2).clamp(min=1)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_and_gradients_are_those_of_plain_operations(shape, masked, monkeypatch):
    monkeypatch.setattr(module, "_STEPS", 2 * shape[3])  # a few rows at a time, fewer at the end
    x, weight, bias, dilation, there = drawn(*shape)
    there = there if masked else None
    found, wanted = proportions(x, weight, bias, dilation, there), plain(x, weight, bias, dilation, there)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-14)
    into = torch.randn(wanted.shape, dtype=torch.float64)
    for own, theirs in zip(
        torch.autograd.grad(found, (x, weight, bias), into),
        torch.autograd.grad(wanted, (x, weight, bias), into),
        strict=True,
    ):
        torch.testing.assert_close(own, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_read_by_their_length_have_the_same_numbers_and_gradients(threads, monkeypatch):
    monkeypatch.setattr(module, "_STEPS", 40)
    x, weight, bias, dilation, there = drawn(2, 9, 4, 60, rows=30)
    ends = torch.arange(30) * 2
    there &= torch.arange(60) < ends[:, None, None]
    x = (x * there).detach().requires_grad_()
    read = []
    taps = module._taps
    monkeypatch.setattr(module, "_taps", lambda x, *rest: read.append(x.shape[2]) or taps(x, *rest))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole, found = (proportions(x, weight, bias, dilation, there, by_length=one) for one in (False, True))
        into = torch.randn(whole.shape, dtype=torch.float64)
        gradients = [torch.autograd.grad(one, (x, weight, bias), into) for one in (whole, found)]
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-14)
    # Behind their ends series are 0 whatever is learnt.
    inside = (torch.arange(60) < lengths(there)[:, None, None]).expand(x.shape)
    for one, other in zip(*gradients, strict=True):
        some = inside if one.shape == x.shape else torch.ones_like(one, dtype=torch.bool)
        torch.testing.assert_close(one[some], other[some], rtol=1e-12, atol=1e-12)
    assert {8, 16, 24, 32, 40, 48, 56, 60} <= {*read}


def test_what_needs_no_gradient_has_none():
    x, weight, bias, dilation, _ = drawn(1, 9, 2, 30)
    proportions(x.detach(), weight.detach(), bias, dilation).sum().backward()
    assert x.grad is None and weight.grad is None and bias.grad is not None


def test_a_gradient_of_the_gradient_is_refused():
    x, weight, bias, dilation, _ = drawn(1, 9, 2, 30)
    (first,) = torch.autograd.grad(proportions(x, weight, bias, dilation).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
