import pytest
import torch

from isotropy.methods import BarlowTwins
from isotropy.objectives import barlow_twins
from methods.fakes import Net, normal, views_of


def test_the_terms_are_those_of_the_projected_views():
    method = BarlowTwins(Net(), projector=(16, 6), off_diagonal_weight=0.3, loss_scale=0.7).double()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    outputs = method.eval()(views_of(*tensors))
    expected = barlow_twins(*[method.projector(method.encoder(x)) for x in tensors], lambda_=0.3, scale=0.7)
    terms = method.loss(**outputs)
    assert list(terms) == ["invariance", "redundancy"]
    assert all(terms[name].item() == pytest.approx(expected[name].item(), abs=1e-12) for name in terms)
    assert method.projector[-1].bias is None


def crowded(rows, width):
    """Equal views of biased variance 1, as uncorrelated as `rows` rows allow, for width <= rows-1 or 2(rows-1)."""
    centred = torch.linalg.qr(torch.cat([torch.ones(rows, 1).double(), normal(rows, rows - 1)], 1)).Q[:, 1:]
    turned = torch.linalg.qr(normal(rows - 1, rows - 1, seed=1)).Q
    frame = torch.cat([torch.eye(rows - 1).double(), turned], 1)[:, :width]
    return rows**0.5 * centred @ frame


@pytest.mark.parametrize(("width", "crowding"), [(6, 0.0), (7, 0.0), (14, 1.0)])
def test_reference_losses_are_what_the_loss_gives(width, crowding):
    method, rows = BarlowTwins(Net(), projector=(16, width), off_diagonal_weight=0.3, loss_scale=0.5), 8
    reference_losses = method.reference_losses(rows)
    point, best = torch.ones(rows, width).double(), crowded(rows, width)
    assert reference_losses["point collapse"] == pytest.approx(0.5 * width)
    assert reference_losses["perfection"] == pytest.approx(0.5 * width * 0.3 * crowding)
    for name, z in (("point collapse", point), ("perfection", best)):
        assert sum(method.loss(z=[z, z]).values()).item() == pytest.approx(reference_losses[name], abs=1e-4)


def test_independent_views_cost_the_reference_loss():
    method = BarlowTwins(Net(), projector=(16, 40), off_diagonal_weight=0.1)
    draws = [
        sum(method.loss(z=[normal(20, 40, seed=2 * s), normal(20, 40, seed=2 * s + 1)]).values()) for s in range(40)
    ]
    assert torch.stack(draws).mean().item() == pytest.approx(method.reference_losses(20)["independence"], rel=0.02)


def test_every_parameter_learns_and_none_through_the_loss_alone():
    method = BarlowTwins(Net(), projector=(16, 6))
    outputs = method(views_of(torch.randn(8, 5), torch.randn(8, 5)))
    detached = {"z": [z.detach() for z in outputs["z"]]}
    assert not any(term.requires_grad for term in method.loss(**detached).values())
    sum(method.loss(**outputs).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
