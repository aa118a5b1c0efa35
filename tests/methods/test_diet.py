from math import log

import numpy as np
import pytest
import torch

from isotropy.methods import DIET
from isotropy.objectives import instance_classification
from isotropy.views.multiview import MultiView
from methods.fakes import Net, normal, views_of
from objectives.test_instance import slow_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_the_loss_classifies_the_rows_and_is_averaged_over_views(smoothing):
    method = DIET(Net(), n_samples=20, label_smoothing=smoothing).double().eval()
    tensors, index = [normal(7, 5), normal(7, 5, seed=1)], torch.tensor([19, 0, 3, 3, 11, 7, 2])
    outputs = method(MultiView(index, lambda: tensors))
    expected = np.mean(
        [
            slow_cross_entropy(method.encoder(x).detach(), method.head.weight.detach(), index, smoothing).mean()
            for x in tensors
        ]
    )
    assert [x.shape for x in outputs["cross_entropy"]] == [(7,), (7,)]
    assert method.loss(**outputs)["index"].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("n", "perfection"), [(50_000, 9.1561), (512, 5.4819)])
def test_reference_losses_are_what_the_loss_gives(n, perfection):
    method = DIET(Net(width=1), n_samples=n)
    reference_losses = method.reference_losses(8)
    assert reference_losses == pytest.approx({"point collapse": log(n), "perfection": perfection}, abs=1e-4)
    index = torch.tensor([3, n - 1])
    one = torch.ones(2, 1, dtype=torch.float64)
    flat = instance_classification(one, torch.zeros(n, 1, dtype=torch.float64), index, smoothing=0.8)
    assert flat.tolist() == pytest.approx([log(n)] * 2, abs=1e-9)
    best = torch.full((n, 2), log(0.8 / n), dtype=torch.float64)
    best[index, [0, 1]] = log(0.8 / n + 0.2)
    least = instance_classification(torch.eye(2, dtype=torch.float64), best, index, smoothing=0.8)
    assert least.tolist() == pytest.approx([reference_losses["perfection"]] * 2, abs=1e-9)
    assert DIET(Net(width=1), n_samples=9, label_smoothing=0.0).reference_losses(8)["perfection"] == 0


def test_every_parameter_learns_also_the_rows_of_absent_samples():
    method = DIET(Net(), n_samples=30).double()
    method.loss(**method(views_of(normal(8, 5))))["index"].backward()
    assert all(p.grad.isfinite().all() and (p.grad != 0).any() for p in method.parameters())
    assert (method.head.weight.grad.abs().sum(1) > 0).all()
