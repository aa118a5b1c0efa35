import pytest
import torch

from isotropy.methods import VICReg
from isotropy.objectives import vicreg
from methods.fakes import Net, normal, views_of


def test_the_terms_are_vicregs_of_the_expanded_views():
    method = VICReg(
        Net(), projector=(16, 6), invariance_weight=3.0, variance_weight=2.0, covariance_weight=5.0
    ).double()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    outputs = method.eval()(views_of(*tensors))
    z = [method.expander(method.encoder(x)) for x in tensors]
    expected = vicreg(*z, invariance=3.0, variance=2.0, covariance=5.0)
    terms = method.loss(**outputs)
    assert list(terms) == ["invariance", "variance", "covariance"]
    assert all(terms[name].item() == pytest.approx(expected[name].item(), abs=1e-12) for name in terms)
    assert method.expander[-1].bias is None


def perfect(rows, width):
    """Equal views of unit variance, as decorrelated as `rows` rows allow, for width <= rows-1 or 2(rows-1)."""
    centred = torch.linalg.qr(torch.cat([torch.ones(rows, 1).double(), normal(rows, rows - 1)], 1)).Q[:, 1:]
    turned = torch.linalg.qr(normal(rows - 1, rows - 1, seed=1)).Q
    frame = torch.cat([torch.eye(rows - 1).double(), turned], 1)[:, :width]
    return (rows - 1) ** 0.5 * centred @ frame


@pytest.mark.parametrize(("width", "expected"), [(6, 0.0), (7, 0.0), (14, 2.0)])
def test_reference_losses_are_what_the_loss_gives(width, expected):
    method, rows = VICReg(Net(), projector=(16, width)), 8
    reference_losses = method.reference_losses(rows)
    assert reference_losses == pytest.approx({"point collapse": 24.75, "perfection": expected})
    point, best = torch.ones(rows, width).double(), perfect(rows, width)
    assert sum(method.loss(z=[point, point]).values()).item() == pytest.approx(24.75)
    assert sum(method.loss(z=[best, best]).values()).item() == pytest.approx(expected, abs=1e-10)


def test_every_parameter_learns_and_none_through_the_loss_alone():
    method = VICReg(Net(), projector=(16, 6))
    outputs = method(views_of(torch.randn(8, 5), torch.randn(8, 5)))
    detached = {"z": [z.detach() for z in outputs["z"]]}
    assert not any(term.requires_grad for term in method.loss(**detached).values())
    sum(method.loss(**outputs).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
