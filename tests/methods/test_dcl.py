from math import exp, log

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from isotropy.methods import DCL
from isotropy.objectives import decoupled_contrast, nt_xent
from methods.fakes import Net, normal


def slow(z, temperature):
    """The paper's equation 5 as loops; with more views the mean over an anchor's positives."""
    total, views, rows = 0.0, len(z), len(z[0])
    for v in range(views):
        for i in range(rows):
            cosine = lambda u, k: cosine_similarity(z[v][i], z[u][k], dim=0) / temperature  # noqa: E731
            positives = [cosine(u, i) for u in range(views) if u != v]
            negatives = sum(cosine(u, k).exp() for u in range(views) for k in range(rows) if k != i)
            total += negatives.log() - sum(positives) / len(positives)
    return total / (views * rows)


@pytest.mark.parametrize("count", [2, 3])
def test_equals_the_papers_equation_written_as_loops(count):
    z = [normal(6, 4, seed=seed) for seed in range(count)]
    assert decoupled_contrast(*z, temperature=0.3).item() == pytest.approx(slow(z, 0.3).item(), abs=1e-12)


def test_it_is_nt_xent_whose_sum_leaves_out_the_positive():
    a, b = (normalize(normal(5, 3, seed=seed), dim=1) for seed in (1, 2))
    z, t = torch.cat([a, b]), 0.4
    positives = torch.exp((a * b).sum(1).repeat(2) / t)
    others = torch.exp(z @ z.T / t).sum(1) - exp(1 / t) - positives
    expected = (-(positives / others).log()).mean().item()
    assert decoupled_contrast(a, b, temperature=t).item() == pytest.approx(expected, abs=1e-12)
    assert nt_xent(a, b, temperature=t).item() == pytest.approx(
        (-(positives / (others + positives)).log()).mean().item()
    )


def test_gradient_is_right_and_does_not_vanish_where_negatives_are_easy():
    z = [normal(4, 3, seed=seed).requires_grad_() for seed in (3, 4)]
    assert torch.autograd.gradcheck(lambda *z: decoupled_contrast(*z, temperature=0.5), z)
    a = torch.eye(2, dtype=torch.float64)
    a = torch.cat([a, -a], 1)
    pulls = []
    for loss in (decoupled_contrast, nt_xent):
        b = (a + 0.05 * normal(2, 4)).requires_grad_()
        loss(a, b, temperature=0.05).backward()
        pulls.append(b.grad.norm().item())
    assert pulls[0] > 1e3 * pulls[1]


def test_reference_losses_are_what_the_loss_gives():
    method, rows = DCL(Net(), temperature=0.4), 6
    simplex = normalize(torch.eye(rows, dtype=torch.float64) - 1 / rows, dim=1)
    point = torch.ones(rows, 3, dtype=torch.float64)
    expected = {"point collapse": log(10), "perfection": log(10) - 3}
    assert method.reference_losses(rows) == pytest.approx(expected)
    assert method.loss(z=[point, point])["contrast"].item() == pytest.approx(expected["point collapse"])
    assert method.loss(z=[simplex, simplex])["contrast"].item() == pytest.approx(expected["perfection"])


def test_one_view_or_one_row_is_refused():
    with pytest.raises(ValueError, match="compares at least two views"):
        decoupled_contrast(normal(4, 3), temperature=0.5)
    with pytest.raises(ValueError, match="at least 2 rows"):
        decoupled_contrast(normal(1, 3), normal(1, 3), temperature=0.5)
