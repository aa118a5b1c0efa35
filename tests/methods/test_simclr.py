from math import exp, log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.methods import SimCLR
from isotropy.objectives import nt_xent
from methods.fakes import Net, normal, views_of


def test_the_loss_is_nt_xent_of_the_projected_views():
    method = SimCLR(Net(), projector=(16, 6), temperature=0.3).double()
    tensors = [normal(7, 5), normal(7, 5, seed=1), normal(7, 5, seed=2)]
    outputs = method.eval()(views_of(*tensors))
    z = [method.projector(method.encoder(x)) for x in tensors]
    expected = nt_xent(*z, temperature=0.3).item()
    assert [tuple(x.shape) for x in outputs["z"]] == [(7, 6)] * 3
    assert method.loss(**outputs)["contrast"].item() == pytest.approx(expected, abs=1e-12)


def test_reference_losses_are_what_the_loss_gives():
    method, rows = SimCLR(Net(), temperature=0.4), 6
    reference_losses = method.reference_losses(rows)
    simplex = normalize(torch.eye(rows, dtype=torch.float64) - 1 / rows, dim=1)
    point = torch.ones(rows, 3, dtype=torch.float64)
    assert reference_losses == pytest.approx({"point collapse": log(11), "perfection": log(1 + 10 * exp(-3))})
    assert method.loss(z=[point, point])["contrast"].item() == pytest.approx(reference_losses["point collapse"])
    assert method.loss(z=[simplex, simplex])["contrast"].item() == pytest.approx(reference_losses["perfection"])


def test_every_parameter_learns_and_none_through_the_loss_alone():
    method = SimCLR(Net(), projector=(16, 6))
    outputs = method(views_of(torch.randn(8, 5), torch.randn(8, 5)))
    detached = {"z": [z.detach() for z in outputs["z"]]}
    assert not method.loss(**detached)["contrast"].requires_grad
    method.loss(**outputs)["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
