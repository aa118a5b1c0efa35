"""Structured views: the identity of the theory, one run of the encoder, and draws that stay where they should."""

import pytest
import torch

from isotropy.encoders import C4CNN, D4CNN, CyclicSeriesCNN, Equivariant, wrap
from isotropy.encoders.equivariant.space import Rotations, Scales, Translations
from isotropy.errors import UserError
from isotropy.methods import METHODS
from isotropy.nn.ema import Teacher
from isotropy.views.equivariant import MovedViews, Offsets, StructuredViews
from methods.fakes import Rows

HOSTS = ["simclr", "byol", "simsiam", "barlow_twins", "vicreg", "music"]
OPTIONS = {
    "simclr": {"projector": (16, 8)},
    "byol": {"projector": (16, 8), "predictor_hidden": 16},
}


ENCODERS = {
    "c4": (lambda: C4CNN(channels=1, size=(8, 8), width=8), (1, 8, 8), "image"),
    "d4": (lambda: D4CNN(channels=1, size=(8, 8), width=8), (1, 8, 8), "image"),
    "shift": (lambda: CyclicSeriesCNN(channels=2, length=16, width=8), (2, 16), "series"),
}


def case(kind, host="simclr", rows=24):
    make, shape, modality = ENCODERS[kind]
    torch.manual_seed(0)
    options = OPTIONS.get(host, {})
    method = METHODS[host](make(), **options).double().train()
    x = torch.randn(rows, *shape, dtype=torch.float64)
    return method, Rows(x, modality), torch.arange(rows)


def run(method, views):
    method.zero_grad()
    outputs = method(views)
    terms = method.loss(**outputs)
    sum(terms.values()).backward()
    return {k: v.item() for k, v in terms.items()}, {
        n: p.grad for n, p in method.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("host", HOSTS)
def test_both_kinds_of_views_give_the_same_loss_and_gradients(kind, host):
    method, dataset, index = case(kind, host)
    base = method.encoder.base
    found = {}
    for name, views in (("read", StructuredViews(base=base)), ("moved", MovedViews(base=base))):
        method, dataset, index = case(kind, host)  # batch norms and queues as they were
        found[name] = run(method, views(dataset, index, seed=3, pass_=1))
    (a, grads), (b, others) = found["read"], found["moved"]
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=1e-12)
    scale = max(g.abs().max().item() for g in grads.values())
    assert grads.keys() == others.keys() and scale > 0
    assert max(float((grads[n] - others[n]).abs().max()) for n in grads) < 1e-12 * scale


def test_means_over_all_pairs_are_equal():
    method, dataset, index = case("c4")
    base, encoder = method.encoder.base, method.encoder
    totals = {"read": 0.0, "moved": 0.0}
    maps = encoder.fibres(dataset.x)
    for p in range(4):
        for q in range(4):
            if p == q:
                continue
            starts = [torch.full((len(index), 1), k) for k in (p, q)]
            read = [base.crop(maps, s, 1) for s in starts]
            turned = encoder.fibres(torch.cat([base.transformed(dataset.x, s, 1) for s in starts]))
            moved = base.crop(turned, base.origin(1).expand(len(turned), -1), 1).chunk(2)
            for name, tensors in (("read", read), ("moved", moved)):
                totals[name] += sum(method.loss(z=[method.projector(h) for h in tensors]).values()).item()
    assert totals["read"] == pytest.approx(totals["moved"], rel=1e-12)


def test_a_network_without_the_structure_breaks_the_identity():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Tanh()).double()

    class Reshaped(Equivariant):
        width = 8
        base = Rotations(mirrors=False)

        def __init__(self):
            super().__init__()
            self.net = plain

        def fibres(self, x):
            return self.net(x).unflatten(1, (8, 4))

    found = []
    for views in (StructuredViews, MovedViews):
        torch.manual_seed(1)
        method = METHODS["simclr"](Reshaped(), projector=(16, 8)).double()
        _, dataset, index = case("c4")
        found.append(run(method, views(base=Reshaped.base)(dataset, index, seed=0, pass_=0))[0]["contrast"])
    assert abs(found[0] - found[1]) > 1e-3


def test_the_encoder_runs_once_and_no_input_is_moved(monkeypatch):
    method, dataset, index = case("c4", "byol")
    runs, moves = [], []
    fibres = C4CNN.fibres
    monkeypatch.setattr(C4CNN, "fibres", lambda self, x: runs.append(len(x)) or fibres(self, x))
    monkeypatch.setattr(Rotations, "transformed", lambda *_: moves.append(1))
    method(StructuredViews(base=method.encoder.base)(dataset, index, seed=0, pass_=0))
    assert runs == [24, 24] and not moves  # the student's and the teacher's, each once


def test_a_teacher_reads_its_own_map_without_a_graph():
    method, dataset, index = case("c4", "byol")
    outputs = method(StructuredViews(base=method.encoder.base)(dataset, index, seed=0, pass_=0))
    assert not any(y.requires_grad for y in outputs["target"])
    assert all(p.requires_grad for p in outputs["prediction"])


@pytest.mark.parametrize(
    ("base", "distance", "size"),
    [
        (Rotations(mirrors=False), 1, 1),
        (Rotations(mirrors=True), 3, 2),
        (Translations((6, 5), stride=1), 2, 2),
        (Scales(4, axes=1), 2, 2),
    ],
)
def test_views_lie_as_far_apart_as_asked_and_inside(base, distance, size):
    first, second = Offsets(base, distance=distance, base_size=size)(torch.arange(400), seed=1, pass_=2)
    steps = {tuple(step) for step in base.displacements(distance).tolist()}
    for a, b in zip(first[:60], second[:60]):
        assert any(torch.equal(base.add(a[None], torch.tensor([s]))[0], b) for s in steps)
    for start in (first, second):
        assert base.inside(start, size).all()
        flat = base.positions(start, size)
        assert int(flat.min()) >= 0 and int(flat.max()) < torch.Size(base.shape).numel()


def test_draws_are_even_and_functions_of_seed_pass_and_sample():
    places = Offsets(Rotations(mirrors=False), num_views=3)
    index = torch.arange(6000)
    starts = places(index, seed=0, pass_=0)
    for start in starts:
        assert (torch.bincount(start[:, 0], minlength=4) / 6000 - 0.25).abs().max() < 0.03
    steps = (starts[1] - starts[0]) % 4
    assert (torch.bincount(steps[:, 0], minlength=4)[1:] / 6000 - 1 / 3).abs().max() < 0.03 and not (steps == 0).any()
    part = places(index[100:200], seed=0, pass_=0)
    assert all(torch.equal(a[100:200], b) for a, b in zip(starts, part))
    assert not torch.equal(starts[0], places(index, seed=0, pass_=1)[0])
    assert not torch.equal(starts[0], places(index, seed=1, pass_=0)[0])


def test_distance_zero_is_the_same_view_twice():
    first, second = Offsets(Translations((7,), stride=2), distance=0)(torch.arange(50), seed=0, pass_=0)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("base", "options", "said"),
    [
        (Rotations(mirrors=False), {"distance": 3}, "positions of this base space lie 0 to 2 apart"),
        (Rotations(mirrors=False), {"base_size": 5}, "base size 5: the encoder's base space has 4 positions"),
        (Scales(3, axes=2), {"distance": 2, "base_size": 2}, "no two crops"),
        (Rotations(mirrors=False), {"num_views": 0}, "num_views"),
    ],
)
def test_what_is_not_there_is_refused(base, options, said):
    with pytest.raises(UserError, match=said):
        StructuredViews(base=base, **options)


def test_one_local_and_one_pooled_view():
    method, dataset, index = case("c4")
    views = StructuredViews(base=method.encoder.base, pooled=(False, True))(dataset, index, seed=0, pass_=0)
    local, pooled = views.through(method.encoder)
    assert torch.allclose(pooled, method.encoder(dataset.x)) and not torch.allclose(local, pooled)
    with pytest.raises(UserError, match="pooled: 1 values for 2 views"):
        StructuredViews(base=method.encoder.base, pooled=(True,))
    with pytest.raises(UserError, match="width of one position"):
        StructuredViews(base=method.encoder.base, pooled=True, base_size=2)


def test_a_network_without_a_map_is_refused_in_feature_space_and_welcome_in_input_space():
    net = wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6)).double(), width=6)
    _, dataset, index = case("c4")
    base = Rotations(mirrors=False)
    for module, name in ((net, "Wrapped"), (Teacher(net), "Teacher")):
        with pytest.raises(UserError, match=f"{name} has none: take an equivariant encoder"):
            StructuredViews(base=base)(dataset, index, seed=0, pass_=0).through(module)
        tensors = MovedViews(base=base)(dataset, index, seed=0, pass_=0).through(module)
        assert [view.shape for view in tensors] == [(24, 6)] * 2
