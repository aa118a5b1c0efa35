from math import log

import numpy as np
import pytest
import torch

from isotropy.errors import UserError
from isotropy.methods import DIET
from isotropy.views.views import Views
from methods.fakes import Net, normal, views_of


def slow(logits, index, smoothing):
    total, n = 0.0, logits.shape[1]
    for row, own in zip(logits.numpy(), index.tolist()):
        log_p = row - row.max() - np.log(np.exp(row - row.max()).sum())
        target = np.full(n, smoothing / n)
        target[own] += 1 - smoothing
        total -= (target * log_p).sum() / len(logits)
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 0.8])
def test_the_loss_is_the_equation_written_as_loops(smoothing):
    method = DIET(Net(), n_samples=20, label_smoothing=smoothing).double().eval()
    looks, index = [normal(7, 5), normal(7, 5, seed=1)], torch.tensor([19, 0, 3, 3, 11, 7, 2])
    outputs = method(Views(index, lambda: looks))
    logits = [method.encoder(x) @ method.head.weight.T for x in looks]
    expected = np.mean([slow(x.detach(), index, smoothing) for x in logits])
    assert method.loss(**outputs)["index"].item() == pytest.approx(expected, abs=1e-10)


def test_the_gradient_of_the_logits_is_the_softmax_minus_the_target():
    method, logits = DIET(Net(), n_samples=6), normal(2, 6).requires_grad_()
    method.loss([logits], torch.tensor([4, 1]))["index"].backward()
    target = torch.full((2, 6), 0.8 / 6, dtype=torch.float64)
    target[[0, 1], [4, 1]] += 0.2
    assert torch.allclose(logits.grad, (logits.detach().softmax(1) - target) / 2, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: method.loss([x], torch.tensor([4, 1]))["index"], logits)


@pytest.mark.parametrize(("n", "perfection"), [(50_000, 9.1561), (512, 5.4819)])
def test_landmarks_are_what_the_loss_gives(n, perfection):
    method = DIET(Net(width=1), n_samples=n)
    landmarks = method.landmarks(8)
    assert landmarks == pytest.approx({"point collapse": log(n), "perfection": perfection}, abs=1e-4)
    index = torch.tensor([3, n - 1])
    assert method.loss([torch.zeros(2, n)], index)["index"].item() == pytest.approx(log(n), abs=1e-4)
    best = torch.full((2, n), 0.8 / n, dtype=torch.float64)
    best[[0, 1], index] += 0.2
    assert method.loss([best.log()], index)["index"].item() == pytest.approx(landmarks["perfection"], abs=1e-9)
    assert DIET(Net(width=1), n_samples=9, label_smoothing=0.0).landmarks(8)["perfection"] == 0


def test_every_parameter_learns_also_the_rows_of_absent_samples():
    method = DIET(Net(), n_samples=30).double()
    method.loss(**method(views_of(normal(8, 5))))["index"].backward()
    assert all(p.grad.isfinite().all() and (p.grad != 0).any() for p in method.parameters())
    assert (method.head.weight.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e4, -1e4])
def test_finite_at_every_scale(dtype, scale):
    method, logits = DIET(Net(), n_samples=5), (scale * torch.eye(5)[:3]).to(dtype).requires_grad_()
    value = method.loss([logits], torch.arange(3))["index"]
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and logits.grad.isfinite().all()


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"label_smoothing must be at least 0 and below 1, not 1"):
        DIET(Net(), n_samples=5, label_smoothing=1)
    with pytest.raises(UserError, match="n_samples must be a whole number of at least 2, not 1"):
        DIET(Net(), n_samples=1)
    line = r"a row for each of 100,000,000 samples, 8 wide: 3.0 GiB, and four times.*at most 33,554,432 rows"
    with pytest.raises(UserError, match=line):
        DIET(Net(), n_samples=100_000_000)
