import pytest
import torch

from isotropy.methods import LeJEPA
from isotropy.objectives import lejepa
from isotropy.rng import Stream
from methods.fakes import Net, normal, views_of


def small(**options):
    torch.manual_seed(0)
    return LeJEPA(Net(), **({"projector": (16, 6), "num_slices": 10} | options)).double()


def test_the_loss_is_the_papers_on_projected_views():
    method = small(gaussian_weight=0.2, num_knots=9).eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1), normal(7, 5, seed=2)]
    found = method.loss(**method(views_of(*tensors)))
    z = [method.projector(method.encoder(x)) for x in tensors]
    expected = lejepa(z, method.directions(), centre=3, lambda_=0.2, knots=9)
    for name, term in expected.items():
        assert found[name].item() == pytest.approx(term.item(), abs=1e-12)


def test_the_centre_is_that_of_the_large_views():
    method = small().eval()
    large, little = [normal(6, 9), normal(6, 9, seed=1)], normal(6, 5, seed=2)
    outputs = method(views_of(*large, little))
    assert (len(outputs["large"]), len(outputs["small"])) == (2, 1)
    z = [method.projector(method.encoder(x)) for x in (*large, little)]
    expected = lejepa(z, method.directions(), centre=2)
    assert method.loss(**outputs)["prediction"].item() == pytest.approx(expected["prediction"].item(), abs=1e-12)


def test_directions_are_new_every_step_and_a_function_of_it():
    method, again = small(), small()
    first = method.directions()
    assert first.shape == (10, 6) and torch.equal(first, again.directions()), "a loss called twice is the same"
    method.rng = Stream(step=1)
    assert not torch.equal(first, method.directions())
    drawn = []
    for step in range(200):
        method.rng = Stream(step=step)
        drawn.append(method.directions())
    drawn = torch.cat(drawn)
    assert len(drawn.unique(dim=0)) == 2000
    assert drawn.mean(0).abs().max() < 0.1 and (drawn.T @ drawn / 2000 - torch.eye(6)).abs().max() < 0.15


def test_reference_losses_are_what_the_loss_gives():
    method = small(gaussian_weight=0.1, num_slices=64)
    marks, point = method.reference_losses(128), torch.zeros(128, 6, dtype=torch.float64)
    found = sum(method.loss([point, point], []).values()).item()
    assert found == pytest.approx(marks["point collapse"], abs=1e-9)
    assert sum(method.loss([point + 0.5, point + 0.5], []).values()).item() > found
    drawn = []
    for seed in range(200):
        z = normal(128, 6, seed=seed)
        drawn.append(sum(method.loss([z, z], []).values()))
        method.update()
    drawn = torch.stack(drawn)
    assert drawn.mean().item() == pytest.approx(marks["perfection"], abs=3 * drawn.std().item() / 200**0.5)
    assert marks["perfection"] == pytest.approx(0.1052464, abs=1e-7)
