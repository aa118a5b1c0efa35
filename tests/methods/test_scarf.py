from math import exp, log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.methods import SCARF
from isotropy.objectives import nt_xent
from methods.fakes import Net, normal, views_of


def test_the_loss_is_nt_xent_of_the_projected_views():
    method = SCARF(Net(), projector=(16, 6), temperature=0.3).double().eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    expected = nt_xent(*[method.projector(method.encoder(x)) for x in tensors], temperature=0.3).item()
    assert method.loss(**method(views_of(*tensors)))["contrast"].item() == pytest.approx(expected, abs=1e-12)


def test_reference_losses_are_what_the_loss_gives():
    method, rows = SCARF(Net(), temperature=0.4), 6
    simplex = normalize(torch.eye(rows, dtype=torch.float64) - 1 / rows, dim=1)
    point = torch.ones(rows, 3, dtype=torch.float64)
    reference_losses = method.reference_losses(rows)
    assert reference_losses == pytest.approx({"point collapse": log(11), "perfection": log(1 + 10 * exp(-3))})
    assert method.loss(z=[point, point])["contrast"].item() == pytest.approx(reference_losses["point collapse"])
    assert method.loss(z=[simplex, simplex])["contrast"].item() == pytest.approx(reference_losses["perfection"])


def test_every_parameter_learns():
    method = SCARF(Net(), projector=(16, 6))
    method.loss(**method(views_of(torch.randn(8, 5), torch.randn(8, 5))))["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
