from math import exp, log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.errors import UserError
from isotropy.methods import NNCLR
from isotropy.objectives import info_nce
from isotropy.training import fit
from laws.cases import Jitter, Rows
from methods.fakes import Net, normal, views_of


def small(**options):
    torch.manual_seed(0)
    return NNCLR(Net(), **({"projector": (16, 6), "predictor_hidden": 10, "queue_size": 12} | options)).double()


def test_the_loss_is_the_papers_over_both_directions():
    method = small(temperature=0.3).eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    z = [method.projector(method.encoder(x)) for x in tensors]
    p = [method.predictor(x) for x in z]
    near = []
    for x in z:
        rows = [min(method.queue, key=lambda q, row=row: (normalize(row, dim=0) - q).norm()) for row in x]
        near.append(torch.stack(rows))
    expected = (info_nce(near[0], p[1], temperature=0.3) + info_nce(near[1], p[0], temperature=0.3)).item() / 2
    assert method.loss(**method(views_of(*tensors)))["contrast"].item() == pytest.approx(expected, abs=1e-12)


def test_reference_losses_are_what_the_loss_gives():
    rows = 8
    method = small(projector=(16, rows), temperature=0.2)
    reference_losses = method.reference_losses(rows)
    corners = normalize(torch.eye(rows).double() - 1 / rows, dim=1)
    method.queue[:rows] = corners
    point = torch.ones(rows, rows).double()
    assert reference_losses["point collapse"] == pytest.approx(log(8))
    assert reference_losses["perfection"] == pytest.approx(log(1 + 7 * exp(-8 / 7 / 0.2)))
    for name, z in (("point collapse", point), ("perfection", corners)):
        assert method.loss([z, z], [z, z])["contrast"].item() == pytest.approx(reference_losses[name])
    # Where the queue is one point every sample has the same neighbour, and equal predictions are as good as any.
    method.queue.copy_(normalize(point[:1], dim=1).expand_as(method.queue))
    assert method.loss([corners, corners], [point, point])["contrast"].item() == pytest.approx(log(8))


def test_the_queue_takes_the_first_views_unit_rows_and_forgets_the_oldest():
    method = small()
    before = method.queue.clone()
    pushed = [normal(5, 6, seed=seed) for seed in range(3)]
    for z in pushed[:2]:
        method.update(z=[z, -z], prediction=[])
    assert torch.equal(method.queue[:10], normalize(torch.cat(pushed[:2]), dim=1))
    assert torch.equal(method.queue[10:], before[10:])
    method.update(z=[pushed[2], -pushed[2]])
    assert torch.equal(method.queue[[10, 11, 0, 1, 2]], normalize(pushed[2], dim=1))
    assert method.oldest.item() == 3 and torch.equal(method.queue[3:10], normalize(torch.cat(pushed[:2])[3:], dim=1))
    method.update(z=[normal(30, 6)])
    assert torch.allclose(method.queue.norm(dim=1), torch.ones(12).double())


def test_the_first_queue_is_of_unit_rows_and_drawn_with_the_weights():
    assert torch.allclose(small().queue.norm(dim=1), torch.ones(12).double(), atol=1e-6)
    assert torch.equal(small().queue, small().queue)


def test_every_parameter_learns_and_only_through_the_predictions():
    method = small()
    outputs = method(views_of(normal(8, 9), normal(8, 9, seed=1), normal(8, 5, seed=2)))
    assert (len(outputs["prediction"]), len(outputs["z"])) == (3, 2)
    assert not any(z.requires_grad for z in outputs["z"])
    method.loss(**outputs)["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_a_batch_that_the_queue_cannot_hold_is_refused_before_the_first_step():
    rows = Rows(torch.randn(40, 5))
    with pytest.raises(UserError, match="queue of 12 rows is smaller than a batch of 16: raise method.queue_size"):
        next(iter(fit(small(), rows, Jitter(2), batch_size=16)))
    assert small().check_batch_size(12) is None
