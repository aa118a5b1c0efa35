from math import exp, log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.errors import UserError
from isotropy.methods import SwAV
from isotropy.nn.prototypes import Prototypes
from isotropy.objectives import sinkhorn, swav
from isotropy.training import fit
from laws.cases import Jitter, Rows
from methods.fakes import Net, copy_of, normal, unmoved, views_of


def small(**options):
    torch.manual_seed(0)
    return SwAV(Net(), **({"projector": (16, 6), "num_prototypes": 7, "queue_size": 0} | options)).double()


def tensors(count=2, rows=8, first=0):
    return [normal(rows, 5, seed=first + v) for v in range(count)]


def test_the_loss_is_the_papers_over_unit_projections_and_prototypes():
    method = small().eval()
    x = tensors(3)
    z = [normalize(method.projector(method.encoder(one)), dim=1) for one in x]
    scores = [one @ normalize(method.prototypes.weight, dim=1).T for one in z]
    expected = swav(scores, [sinkhorn(s) for s in scores[:2]], temperature=0.1)
    outputs = method(views_of(*x))
    assert method.loss(**outputs)["prediction"].item() == pytest.approx(expected.item(), abs=1e-12)
    assert (len(outputs["scores"]), len(outputs["z"])) == (3, 2)
    assert all(torch.allclose(a, b) for a, b in zip(outputs["z"], z, strict=False))


def test_only_the_direction_of_a_prototype_counts():
    layer, z = Prototypes(4, 6).double(), normalize(normal(5, 4), dim=1)
    before = layer(z)
    assert torch.allclose(layer.weight.norm(dim=1), torch.ones(6).double())
    layer(z).square().sum().backward()
    assert (layer.weight.grad * layer.weight).sum(1).abs().max() < 1e-12
    with torch.no_grad():
        layer.weight *= torch.arange(1.0, 7.0).unsqueeze(1)
    assert torch.allclose(layer(z), before)


def test_crops_of_several_sizes_go_through_the_encoder_once_per_size():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), *(normal(6, 5, seed=v) for v in range(2, 8))))
    assert (len(outputs["scores"]), len(outputs["z"])) == (8, 2)
    assert method.encoder.rows == 48
    assert small(num_assigned=3).min_views == 3


def pushed(method, count, first=50):
    """Push `count` batches of 8 rows and return their projections, in order."""
    kept = []
    for number in range(count):
        z = [normalize(normal(8, 6, seed=first + 2 * number + v), dim=1) for v in range(2)]
        method.update(z=z)
        kept.append(z)
    return [torch.cat([z[v] for z in kept]) for v in range(2)]


def test_the_queue_wraps_and_holds_the_last_rows_of_each_view():
    method = small(queue_size=20)
    rows = pushed(method, 5)
    assert method.pushed == 40
    for queue, all_ in zip(method.queue, rows, strict=True):
        last = all_[-20:]
        assert torch.equal(queue.roll(-(40 % 20), 0), last)


def test_a_full_queue_is_scored_with_the_prototypes_of_today_and_takes_part_in_sinkhorn_alone():
    method = small(queue_size=16, queue_start=0.2)
    outputs = method.eval()(views_of(*tensors()))
    without = method.loss(**outputs)["prediction"].item()
    pushed(method, 1)
    method.progress = 0.5
    assert method.loss(**outputs)["prediction"].item() == without, "not full"
    pushed(method, 1, first=60)
    method.progress = 0.1
    assert method.loss(**outputs)["prediction"].item() == without, "too early"
    method.progress = 0.2
    with torch.no_grad():
        method.prototypes.weight.copy_(normal(7, 6, seed=9))
    outputs = method(views_of(*tensors()))
    c = normalize(normal(7, 6, seed=9), dim=1).T
    codes = [
        sinkhorn(torch.cat([z, queue]) @ c)[:8] for z, queue in zip(outputs["z"], method.queue.clone(), strict=True)
    ]
    expected = swav(outputs["scores"], codes, temperature=0.1).item()
    assert method.loss(**outputs)["prediction"].item() == pytest.approx(expected, abs=1e-12)
    assert abs(expected - swav(outputs["scores"], [x[:8] for x in outputs["scores"]], temperature=0.1)) > 1e-3


def test_codes_of_a_ranks_own_rows_are_other_codes():
    # What a Sinkhorn that is not over the rows of all ranks would do; the ranks law then fails.
    method = small()
    outputs = method(views_of(*tensors()))
    whole = method.loss(**outputs)["prediction"].item()
    halves = [
        method.loss(**{k: [x[rows] for x in v] for k, v in outputs.items()})["prediction"].item()
        for rows in (slice(0, 4), slice(4, 8))
    ]
    assert abs(sum(halves) / 2 - whole) > 1e-3


def test_reference_losses_are_what_the_loss_gives():
    method = small(projector=(16, 7), temperature=0.25, sinkhorn_epsilon=0.2)
    with torch.no_grad():
        method.prototypes.weight.copy_(torch.eye(7))
    marks = method.reference_losses(14)

    def cost(z):
        return method.loss(scores=[z, z], z=[z, z])["prediction"].item()

    flat = normalize(torch.ones(14, 7).double(), dim=1)
    assert marks["point collapse"] == marks["uniform codes"] == log(7)
    assert cost(flat) == pytest.approx(log(7), abs=1e-12)
    for seed in range(5):
        assert cost(normalize(normal(1, 7, seed=seed), dim=1).expand(14, 7)) > log(7)
    one = torch.eye(7).double()[:1].expand(14, 7)
    assert cost(one) == pytest.approx(marks["one code"], abs=1e-12)
    spread = torch.eye(7).double().repeat(2, 1)
    assert cost(spread) == pytest.approx(marks["perfection"], abs=1e-12)
    assert SwAV(Net(), num_prototypes=3000).reference_losses(256)["uniform codes"] == pytest.approx(8.0064, abs=1e-4)
    own = exp(5) / (exp(5) + 6)
    assert marks["perfection"] == pytest.approx(log(exp(4) + 6) - 4 * own)


def test_everything_learns_but_the_prototypes_of_the_first_passes():
    method = small(frozen_passes=2)
    assert [bool(method.frozen(p)) for p in range(4)] == [True, True, False, False]
    assert method.frozen(0) == (method.prototypes,)
    sum(method.loss(**method(views_of(*tensors()))).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
    detached = {k: [x.detach() for x in v] for k, v in method(views_of(*tensors())).items()}
    assert not method.loss(**detached)["prediction"].requires_grad


def test_update_without_a_queue_writes_nothing():
    method = small()
    before = copy_of(method)
    method.update(z=[normal(8, 6)] * 2)
    assert unmoved(method, before)


def test_a_queue_smaller_than_the_batch_is_refused_with_the_numbers():
    with pytest.raises(UserError, match=r"queue_size = 20 is smaller than the batch of 32 rows: .* = 128, or 0"):
        next(iter(fit(small(queue_size=20), Rows(torch.randn(40, 5)), Jitter(2), batch_size=32)))
    assert small(queue_size=32).check_batch_size(32) is None
    assert small().check_batch_size(32) is None
