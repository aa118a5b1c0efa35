import pytest
import torch
from torch.nn.functional import normalize

from isotropy.methods import Center, CenterSubtraction
from methods.fakes import Net, normal, views_of


def small(kind, **options):
    torch.manual_seed(0)
    return kind(Net(), projector=(16, 6), **options).double()


def total(method, z):
    return sum(method.loss(z=z).values()).item()


def test_center_is_alignment_against_the_unbiased_centre():
    method = small(Center, center_weight=0.3)
    outputs = method(views_of(normal(7, 5), normal(7, 5, seed=1)))
    a, b = (normalize(x, dim=1) for x in outputs["z"])
    align, c2 = (a * b).sum(1).mean(), (a.sum(0) @ b.sum(0) - (a * b).sum()) / (7 * 6)
    terms = method.loss(**outputs)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"alignment": -align.item(), "centre": 0.3 * c2.item()}, abs=1e-12
    )


def test_the_first_step_of_center_subtraction_is_simsiam_without_a_predictor():
    method = small(CenterSubtraction)
    outputs = method(views_of(normal(7, 5), normal(7, 5, seed=1)))
    a, b = (normalize(x, dim=1) for x in outputs["z"])
    assert total(method, outputs["z"]) == pytest.approx(-(a * b).sum(1).mean().item(), abs=1e-12)


def test_the_centre_follows_the_mean_after_use():
    method = small(CenterSubtraction, momentum=0.75)
    outputs = method(views_of(normal(7, 5), normal(7, 5, seed=1)))
    assert not outputs["mean"].requires_grad
    mean = normalize(torch.cat(outputs["z"]), dim=1).mean(0, keepdim=True)
    assert torch.allclose(outputs["mean"].mean(0, keepdim=True), mean)
    before = total(method, outputs["z"])
    method.update(**(outputs | {"mean": mean}))
    assert torch.allclose(method.centre, mean / 4)
    method.update(**(outputs | {"mean": mean}))
    assert torch.allclose(method.centre, mean * 7 / 16)
    assert total(method, outputs["z"]) != pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("lambd", [0.5, 1.0])
def test_reference_losses_of_center_subtraction_are_what_the_loss_gives(lambd):
    method = small(CenterSubtraction, center_fraction=lambd)
    point, simplex = normal(1, 6).expand(8, 6), torch.eye(8, dtype=torch.float64)[:, :6]
    known = method.reference_losses(8)
    rows = torch.cat([simplex[:6], -simplex[:6]])  # centre 0
    assert total(method, [rows, rows]) == pytest.approx(known["perfection"], abs=1e-12)
    for _ in range(100):
        method.update(mean=normalize(point, dim=1).mean(0, keepdim=True))
    assert total(method, [point, point]) == pytest.approx(known["point collapse"], abs=1e-3)


def test_what_is_subtracted_is_what_keeps_it_from_one_point():
    # Free embeddings near one point: with the whole centre taken off they spread, with almost none they stay.
    lengths = {}
    for lambd in (1e-6, 0.5, 1.0):
        method = small(CenterSubtraction, center_fraction=lambd)
        z = (1 + 0.05 * normal(32, 6)).requires_grad_()
        optimiser = torch.optim.SGD([z], lr=30.0)
        for _ in range(150):
            optimiser.zero_grad()
            sum(method.loss(z=[z, z]).values()).backward()
            optimiser.step()
            method.update(mean=normalize(z.detach(), dim=1).mean(0, keepdim=True))
        lengths[lambd] = normalize(z.detach(), dim=1).mean(0).norm().item()
    assert lengths[1e-6] > 0.95 > 0.3 > max(lengths[0.5], lengths[1.0])
