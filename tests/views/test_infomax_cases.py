"""Deep InfoMax, CPC and Greedy InfoMax as structured views: equal, with gradients, to their papers' losses in loops."""

import pytest
import torch
from torch import nn

from isotropy.encoders import CyclicSeriesCNN
from isotropy.methods import SimCLR
from isotropy.objectives import info_nce
from isotropy.views.equivariant import Offsets, StructuredViews
from methods.fakes import Rows

ROWS, CHANNELS, LENGTH, WIDTH, TAU = 6, 2, 16, 8, 0.2
CLOSE = 1e-10


def encoder_of(channels=CHANNELS, length=LENGTH):
    return CyclicSeriesCNN(channels=channels, length=length, width=WIDTH).double().train()


def rows(channels=CHANNELS, length=LENGTH):
    return torch.randn(ROWS, channels, length, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def cosine(a, b):
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def gradients(loss, *modules):
    parameters = [p for module in modules for p in module.parameters()]
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(p) if grad is None else grad for p, grad in zip(parameters, found, strict=True)]


def assert_equal(one, other, *modules):
    assert abs(one.item() - other.item()) < CLOSE
    pairs = zip(gradients(one, *modules), gradients(other, *modules), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) < CLOSE
    assert max(float(grad.abs().max()) for grad in gradients(one, *modules)) > 1e-3


def nt_xent_in_loops(first, second):
    """SimCLR's loss (Chen et al. 2020, equation 1) of two lists of vectors."""
    every, total = [*first, *second], 0.0
    for i, anchor in enumerate(every):
        positive = every[(i + len(first)) % len(every)]
        below = sum((cosine(anchor, other) / TAU).exp() for j, other in enumerate(every) if j != i)
        total = total - (cosine(anchor, positive) / TAU) + below.log()
    return total / len(every)


def test_deep_infomax_is_a_local_and_a_pooled_view():
    """DIM(L) with InfoNCE (Hjelm et al. 2019, equations 4 and 5): every place of the map must tell its own summary."""
    torch.manual_seed(0)
    encoder, head, x = encoder_of(), nn.Linear(WIDTH, 5).double(), rows()

    maps = encoder.fibres(x)
    total, places = 0.0, maps.shape[2]
    summaries = [head(sum(maps[i, :, u] for u in range(places)) / places) for i in range(ROWS)]
    for i in range(ROWS):
        for u in range(places):
            local = head(maps[i, :, u])
            below = sum((cosine(local, summary) / TAU).exp() for summary in summaries)
            total = total - cosine(local, summaries[i]) / TAU + below.log()
    direct = total / (ROWS * places)

    # Structured views draw one place a row: their mean over all draws is what DIM sums.
    views = StructuredViews(base=encoder.base, pooled=(False, True))(
        Rows(x, "series"), torch.arange(ROWS), seed=0, pass_=0
    )
    losses = []
    for offset in encoder.base.offsets(1):
        views._drawn = [offset.expand(ROWS, -1)] * 2
        local, pooled = views.through(encoder)
        losses.append(info_nce(head(local), head(pooled), temperature=TAU))
    assert len(losses) == places
    assert_equal(torch.stack(losses).mean(), direct, encoder, head)


def test_simclr_on_a_local_and_a_pooled_view_is_symmetric_deep_infomax():
    torch.manual_seed(0)
    method, x, index = SimCLR(encoder_of(), projector=(8, 4), temperature=TAU).double().train(), rows(), torch.arange(6)
    base = method.encoder.base
    views = StructuredViews(base=base, pooled=(False, True))(Rows(x, "series"), index, seed=3, pass_=0)
    found = sum(method.loss(**method(views)).values())

    maps = method.encoder.fibres(x)
    drawn = Offsets(base)(index, seed=3, pass_=0)[0]
    local = torch.stack([maps[i, :, int(drawn[i, 0])] for i in range(ROWS)])
    # The projector's batch norm sees the batch of a view.
    first, second = (method.projector(h) for h in (local, maps.mean(dim=2)))
    assert_equal(found, nt_xent_in_loops(list(first), list(second)), method)


@pytest.mark.parametrize("step", [1, 2])
def test_cpc_is_a_pair_of_crops_with_a_head_for_their_displacement(step):
    """CPC (van den Oord et al. 2018, equation 4): a context of b places tells the place `step` after its end.

    The crop of the first view is what the recurrent network reads, the last place of the second is the target, and the
    bilinear head is that of the displacement. The offsets are a function of seed, pass and row, so the head can be.
    """
    torch.manual_seed(0)
    encoder, b, x, index = encoder_of(), 3, rows(), torch.arange(ROWS)
    places = encoder.base.shape[0]
    context = nn.GRU(WIDTH, 5, batch_first=True).double()
    heads = nn.ModuleList(nn.Linear(WIDTH, 5, bias=False).double() for _ in range(places))
    options = {"distance": step, "base_size": b}

    views = StructuredViews(base=encoder.base, **options)(Rows(x, "series"), index, seed=0, pass_=0)
    first, second = (view.view(ROWS, WIDTH, b) for view in views.through(encoder))
    one, other = Offsets(encoder.base, **options)(index, seed=0, pass_=0)
    displaced = ((other - one) % places)[:, 0]
    assert set(displaced.tolist()) == {step, places - step}, "both directions of time were drawn"
    told = context(first.transpose(1, 2))[1][0]
    targets = torch.stack([torch.stack([heads[int(k)](z) for z in second[:, :, -1]]) for k in displaced])
    logits = torch.einsum("id,ijd->ij", told, targets)
    found = -(logits.log_softmax(dim=1).diagonal()).mean()

    maps, total = encoder.fibres(x), 0.0
    ends = [(int(one[i, 0]) + b - 1) % places for i in range(ROWS)]
    for i in range(ROWS):
        read = torch.stack([maps[i, :, (ends[i] - b + 1 + n) % places] for n in range(b)])
        state = context(read.unsqueeze(0))[1][0, 0]
        scores = []
        for j in range(ROWS):
            # A negative is another row, at its own place: that of its second view.
            place = (ends[j] + int(displaced[j])) % places
            scores.append(state @ heads[int(displaced[i])](maps[j, :, place]))
        total = total - scores[i] + torch.stack(scores).exp().sum().log()
    assert_equal(found, total / ROWS, encoder, context, heads)


def test_greedy_infomax_is_structured_views_of_every_module_on_the_maps_of_the_one_before():
    """Greedy InfoMax (Löwe et al. 2019, section 3): each module has its own loss, and no gradient goes back between."""
    torch.manual_seed(0)
    x, index = rows(), torch.arange(ROWS)
    lower = SimCLR(encoder_of(), projector=(8, 4), temperature=TAU).double().train()
    places = lower.encoder.base.shape[0]
    upper = SimCLR(encoder_of(WIDTH, places), projector=(8, 4), temperature=TAU).double().train()
    modules = ((lower, x, 0), (upper, lower.encoder.fibres(x).detach(), 1))
    losses = []
    for method, inputs, seed in modules:
        views = StructuredViews(base=method.encoder.base)(Rows(inputs, "series"), index, seed=seed, pass_=0)
        losses += method.loss(**method(views)).values()
    assert not any(grad.any() for grad in gradients(losses[1], lower)), "a gradient went back"

    total, h = 0.0, x
    for method, _, seed in modules:
        h = method.encoder.fibres(h.detach())
        drawn = Offsets(method.encoder.base)(index, seed=seed, pass_=0)
        crops = [torch.stack([h[i, :, int(offset[i, 0])] for i in range(ROWS)]) for offset in drawn]
        total = total + nt_xent_in_loops(*(list(method.projector(crop)) for crop in crops))
    assert_equal(sum(losses), total, lower, upper)
