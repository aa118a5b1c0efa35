from importlib import import_module
from math import log

import numpy as np
import pytest
import torch
from torch.nn import functional

from isotropy.objectives import instance_classification


def slow_cross_entropy(h, weight, index, smoothing):
    """Every row's cross entropy, row by row and class by class."""
    found = []
    for row, own in zip(h.numpy(), index.tolist()):
        scores = [float(row @ column) for column in weight.numpy()]
        log_total = max(scores) + log(sum(np.exp(score - max(scores)) for score in scores))
        targets = [smoothing / len(scores) + (1 - smoothing) * (m == own) for m in range(len(scores))]
        found.append(-sum(t * (score - log_total) for t, score in zip(targets, scores)))
    return np.array(found)


def case(classes=40, width=6, rows=7):
    generator = torch.Generator().manual_seed(0)
    h, weight = (torch.randn(n, width, dtype=torch.float64, generator=generator) for n in (rows, classes))
    # A class that two rows share, the first and the last.
    return h, weight, torch.tensor([classes - 1, 0, 3, 3, 11, 7, 2])[:rows]


@pytest.fixture(params=[8, 2048])
def blocks(request, monkeypatch):
    monkeypatch.setattr(import_module("isotropy.objectives.instance"), "_BLOCK", request.param)


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 0.8, 1.0])
def test_equals_the_equation_written_as_loops(blocks, smoothing):
    h, weight, index = case()
    found = instance_classification(h, weight, index, smoothing=smoothing)
    assert found.numpy() == pytest.approx(slow_cross_entropy(h, weight, index, smoothing), abs=1e-10)


def test_gradients_are_those_of_the_whole_matrix_of_scores(blocks):
    h, weight, index = case()
    h.requires_grad_(), weight.requires_grad_()
    whole = functional.cross_entropy(h @ weight.T, index, label_smoothing=0.8, reduction="none")
    weights = torch.linspace(-1, 2, len(h), dtype=torch.float64)
    expected = torch.autograd.grad((whole * weights).sum(), (h, weight))
    found = torch.autograd.grad((instance_classification(h, weight, index, smoothing=0.8) * weights).sum(), (h, weight))
    for ours, theirs in zip(found, expected):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert torch.autograd.gradcheck(lambda h, w: instance_classification(h, w, index, smoothing=0.8), (h, weight))


def test_known_situations():
    h, weight, index = case()
    for flat in (
        instance_classification(0 * h, weight, index, smoothing=0.8),
        instance_classification(h, 0 * weight, index),
    ):
        assert flat.tolist() == pytest.approx([log(40)] * 7, abs=1e-12)
    own = torch.zeros(7, 40, dtype=torch.float64)
    own[range(7), index] = 60.0
    assert instance_classification(torch.eye(7, dtype=torch.float64), own.T, index).max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e4, -1e4])
def test_finite_at_every_scale(dtype, scale):
    h = (scale * torch.eye(5)[:3]).to(dtype).requires_grad_()
    weight = torch.eye(5, dtype=dtype).requires_grad_()
    losses = instance_classification(h, weight, torch.arange(3), smoothing=0.8)
    losses.sum().backward()
    assert losses.dtype == torch.float32 and losses.isfinite().all()
    assert all(x.grad.isfinite().all() and x.grad.dtype == dtype for x in (h, weight))


def test_under_autocast_the_products_are_narrow_and_the_loss_is_not():
    h, weight, index = case()
    h, weight = h.float(), weight.float().requires_grad_()
    whole = instance_classification(h, weight, index, smoothing=0.8)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = instance_classification(h, weight, index, smoothing=0.8)
    narrow.sum().backward()
    assert narrow.dtype == weight.grad.dtype == torch.float32
    assert 0 < (narrow - whole).abs().max() < 0.1


def test_mistakes_are_named():
    h, weight, index = case()
    with pytest.raises(ValueError, match=r"rows are \(N, D\), weights \(M, D\) and index \(N,\), got .*\(40, 5\)"):
        instance_classification(h, weight[:, :5], index)
    with pytest.raises(ValueError, match=r"smoothing is in \[0, 1\], got 2"):
        instance_classification(h, weight, index, smoothing=2)
