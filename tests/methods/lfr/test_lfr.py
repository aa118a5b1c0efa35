import pickle
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from isotropy.errors import UserError
from isotropy.methods import LFR
from isotropy.methods.lfr import cache
from isotropy.methods.lfr.projectors import candidate, choose
from isotropy.rng import Stream
from isotropy.training import Optim
from isotropy.views.multiview import MultiView, Plain
from methods.fakes import Net, Rows, copy_of, normal, unmoved

ROWS, BATCH, WIDTH, TARGET, K, P = 26, 8, 8, 6, 3, 2


def projector(outputs=TARGET, inputs=5):
    return nn.Sequential(nn.Linear(inputs, 7), nn.ReLU(), nn.Linear(7, outputs))


def dataset():
    return Rows(normal(ROWS, 5, seed=4))


def small(dropout=0.0, **options):
    torch.manual_seed(1)
    settings = {"num_projectors": K, "num_candidates": 9, "target_width": TARGET, "predictor_passes": P}
    return LFR(Net(dropout=dropout), make_projector=projector, **(settings | options)).double()


def order(pass_):
    return torch.randperm(ROWS, generator=torch.Generator().manual_seed(pass_))


def adam(parameters):
    return torch.optim.Adam(parameters, lr=3e-3, betas=(0.9, 0.99), weight_decay=3e-4)


def train(method, rows, passes, first=0, optimisers=None):
    """A driver loop: what the library's loop does with `frozen`, `before_pass`, `forward` and `loss`."""
    halves = {True: method.encoder, False: method.predictors}
    optimisers = optimisers or {kind: adam(half.parameters()) for kind, half in halves.items()}
    losses = []
    for pass_ in range(first, first + passes):
        method.train().requires_grad_(True)
        for module in method.frozen(pass_):
            module.eval().requires_grad_(False)
        method.before_pass(rows, pass_)
        optimiser = optimisers[pass_ % (1 + P) == 0]
        for index in order(pass_).split(BATCH):
            torch.manual_seed(len(losses))  # what dropout draws
            loss = method.loss(**method(Plain()(rows, index, seed=0, pass_=pass_)))["bbt"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return losses, optimisers


def published_bbt(p, y, offdiagonal):
    c = normalize(p, dim=1) @ normalize(y, dim=1).T
    off = c.flatten()[:-1].view(len(c) - 1, len(c) + 1)[:, 1:]
    return (c.diagonal() - 1).pow(2).sum() + offdiagonal * off.pow(2).sum()


def published(encoder, projectors, predictors, x, passes):
    """The published loop: every batch recomputes its targets, K of everything in a Python loop, both halves get
    gradients and one optimiser of two steps."""
    halves = {True: [encoder], False: predictors}
    optimisers = {kind: adam([p for part in half for p in part.parameters()]) for kind, half in halves.items()}
    losses = []
    for pass_ in range(passes):
        moves_encoder = pass_ % (1 + P) == 0
        encoder.train(moves_encoder)
        for index in order(pass_).split(BATCH):
            torch.manual_seed(len(losses))
            rows = x[index]
            z, loss = encoder(rows), 0.0
            for g, h in zip(projectors, predictors):
                loss = loss + published_bbt(h(z), g(rows).detach(), 0.01) / len(projectors)
            optimisers[moves_encoder].zero_grad()
            loss.backward()
            optimisers[moves_encoder].step()
            losses.append(loss.item())
    return losses


def separate_predictors(method, hidden):
    """Return the method's stacked predictors as K networks with copies of their weights."""
    parts = []
    for k in range(K):
        if hidden is None:
            part = nn.Linear(WIDTH, TARGET).double()
            values = [method.predictors[0].weight.chunk(K)[k], method.predictors[0].bias.chunk(K)[k]]
        else:
            linear, norm, _, _, last = method.predictors
            part = nn.Sequential(
                nn.Linear(WIDTH, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, TARGET)
            ).double()
            values = [p.chunk(K)[k] for p in (linear.weight, norm.weight, norm.bias)]
            values += [last.weight[k].T, last.bias[k]]
        with torch.no_grad():
            for p, value in zip(part.parameters(), values, strict=True):
                p.copy_(value)
        parts.append(part)
    return parts


@pytest.mark.parametrize("hidden", [None, 5])
def test_equals_the_published_loop_after_two_cycles(hidden):
    method, rows, passes = small(dropout=0.3, predictor_hidden=hidden), dataset(), 2 * (1 + P)
    encoder, predictors = deepcopy(method.encoder), separate_predictors(method, hidden)
    losses, _ = train(method, rows, passes)
    projectors = [candidate(projector, 0, number).double() for number in method.chosen_projectors.tolist()]
    expected = published(encoder, projectors, predictors, rows.x, passes)
    assert losses == pytest.approx(expected, rel=1e-12)
    assert losses[-1] < losses[0]
    for mine, theirs in zip(method.encoder.state_dict().values(), encoder.state_dict().values()):
        assert (mine - theirs).abs().max() <= 1e-12
    for mine, theirs in zip(separate_predictors(method, hidden), predictors):
        for p, q in zip(mine.parameters(), theirs.parameters()):
            assert (p - q).abs().max() <= 1e-12


@pytest.mark.parametrize("hidden", [None, 5])
def test_each_pass_moves_one_half_and_the_encoder_moves_first(hidden):
    method, rows = small(predictor_hidden=hidden), dataset()
    optimisers = None
    for pass_ in range(2 * (1 + P)):
        before = copy_of(method)
        _, optimisers = train(method, rows, 1, first=pass_, optimisers=optimisers)
        now, moves_encoder = copy_of(method), pass_ % (1 + P) == 0
        for name, value in now.items():
            if name != "chosen_projectors":
                assert torch.equal(value, before[name]) != (name.startswith("encoder") == moves_encoder), name


def test_an_epoch_is_one_pass_of_the_encoder_and_p_of_the_predictors():
    method = small()
    assert method.passes_per_epoch == 1 + P
    assert [method.frozen(pass_) == (method.predictors,) for pass_ in range(6)] == [True, False, False] * 2
    assert all(method.frozen(pass_) == (method.encoder,) for pass_ in (1, 2, 4, 5))
    assert (method.min_views, set(method.gathered)) == (1, {"prediction", "target"})


def test_the_predictors_learning_rate_is_constant_and_the_encoders_a_cosine():
    method, optim = small(), Optim(lr=0.1, warmup=0.0)
    optimiser = optim.build(method, method.unscheduled)
    predictors = {id(p) for p in method.predictors.parameters()}
    for progress, encoder_rate in ((0.0, 0.1), (0.5, 0.05), (1.0, 0.0)):
        optim.set_rate(optimiser, progress)
        for group in optimiser.param_groups:
            for p in group["params"]:
                assert group["lr"] == pytest.approx(0.1 if id(p) in predictors else encoder_rate)


def test_the_encoder_embeds_every_row_once_a_cycle_and_predictor_passes_make_no_view():
    method, rows = small(), dataset()
    train(method, rows, 1 + P)
    assert method.encoder.rows == 2 * ROWS  # its own pass, and the cache that all predictor passes share

    def no_view():
        raise AssertionError("a view was made")

    outputs = method(MultiView(torch.arange(4), no_view))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "prediction": (4, K, TARGET),
        "target": (4, K, TARGET),
    }


@pytest.mark.parametrize("budget", [0, ROWS * WIDTH * 8])
def test_rows_beyond_the_memory_for_them_give_the_same_training(budget, monkeypatch):
    whole, rows = small(dropout=0.3), dataset()
    expected, _ = train(whole, rows, 2 * (1 + P))
    bounded, rows = small(dropout=0.3), dataset()
    monkeypatch.setattr(cache, "MOST_BYTES", budget)
    losses, _ = train(bounded, rows, 2 * (1 + P))
    assert losses == pytest.approx(expected, rel=1e-9)
    for mine, theirs in zip(bounded.encoder.state_dict().values(), whole.encoder.state_dict().values()):
        assert (mine - theirs).abs().max() <= 1e-9
    held = [value for value in vars(bounded._cache).values() if isinstance(value, torch.Tensor)]
    assert sum(tensor.nbytes for tensor in held) == budget, "the vectors alone are below it, or nothing is"
    rows.batch = lambda index, real=rows.batch: real(index) if len(index) <= BATCH else pytest.fail("too many rows")
    bounded.before_pass(rows, 3)
    assert bounded(Plain()(rows, torch.arange(4), seed=0, pass_=3))["target"].shape == (4, K, TARGET)


def test_targets_made_by_the_batch_are_of_full_precision(monkeypatch):
    method, rows = small().float(), Rows(normal(ROWS, 5).float())
    kept = small().float()
    kept.before_pass(rows, 1)
    monkeypatch.setattr(cache, "MOST_BYTES", 0)
    method.eval().before_pass(rows, 1)
    with torch.autocast("cpu", torch.bfloat16):
        targets, codes = method._cache.targets(torch.arange(4)), method._cache.codes(torch.arange(4), method.encoder)
    assert torch.allclose(targets, kept._cache.targets(torch.arange(4)), atol=1e-6)
    assert torch.allclose(codes, kept._cache.codes(torch.arange(4), kept.encoder), atol=1e-6)


def test_a_run_that_starts_again_within_a_cycle_ends_with_the_same_bits():
    straight, rows = small(dropout=0.3), dataset()
    _, optimisers = train(straight, rows, 2)
    state, states = deepcopy(straight.state_dict()), {k: deepcopy(o.state_dict()) for k, o in optimisers.items()}
    end, _ = train(straight, rows, 3, first=2, optimisers=optimisers)
    resumed = small(dropout=0.3)
    resumed.load_state_dict(state)
    fresh = {True: adam(resumed.encoder.parameters()), False: adam(resumed.predictors.parameters())}
    for kind, optimiser in fresh.items():
        optimiser.load_state_dict(states[kind])
    again, _ = train(resumed, rows, 3, first=2, optimisers=fresh)
    assert again == end
    assert unmoved(resumed, straight.state_dict())


def test_the_cache_follows_the_encoders_weights_the_source_and_the_choice():
    method, rows = small(), dataset()
    index = torch.arange(4)

    def outputs(where=rows, pass_=1):
        method.eval().before_pass(where, pass_)
        return method(Plain()(where, index, seed=0, pass_=pass_))

    first = outputs()
    with torch.no_grad():
        next(iter(method.encoder.parameters())).mul_(2)
    assert not torch.equal(outputs()["prediction"], first["prediction"])
    assert not torch.equal(outputs(Rows(rows.x.flip(0)))["target"], first["target"])
    method.chosen_projectors.copy_(method.chosen_projectors.flip(0))
    assert torch.equal(outputs()["target"], first["target"].flip(1))


def test_projectors_are_chosen_by_the_dpp_on_shuffled_rows_kept_and_never_trained():
    method, rows = small(), dataset()
    method.rng = Stream(seed=5)
    assert method.chosen_projectors.tolist() == [-1] * K
    method.before_pass(rows, 0)
    chosen = method.chosen_projectors.tolist()
    every_row = rows.x[torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))]
    # The kernel is a sum over rows, so the order of a probe that holds them all changes nothing.
    assert chosen == choose(projector, every_row, count=K, candidates=9, seed=5)
    train(method, rows, 1 + P)
    expected = [normalize(candidate(projector, 5, number).double()(rows.x), dim=1) for number in chosen]
    targets = method(Plain()(rows, torch.arange(ROWS), seed=0, pass_=0))["target"]
    assert not targets.requires_grad
    assert torch.allclose(targets, torch.stack(expected, 1), atol=1e-14)
    assert method.chosen_projectors.tolist() == chosen
    assert not any("projector" in name for name, _ in method.named_parameters())


def test_a_loaded_choice_is_not_made_again():
    method, other = small(), small()
    method.before_pass(dataset(), 0)
    made = []
    other.make_projector = lambda width: made.append(1) or projector(width)
    other.load_state_dict(method.state_dict())
    other.before_pass(dataset(), 0)
    assert len(made) == 1 + K  # one to look at its width, then the chosen ones
    assert other.chosen_projectors.tolist() == method.chosen_projectors.tolist()


def test_equal_candidates_are_refused():
    fixed = projector()
    with pytest.raises(UserError, match="only 1 different projectors could be chosen from 9"):
        small_with(lambda width: deepcopy(fixed)).before_pass(dataset(), 0)


def test_a_narrow_table_trains_with_as_many_projectors_as_differ():
    x = torch.zeros(ROWS, 5, dtype=torch.float64)
    x[::2, 0] = 1  # two different rows: two Gram matrices span all
    method = small()
    with pytest.warns(UserWarning, match=f"LFR trains with 2 projectors, not {K}"):
        method.before_pass(Rows(x), 0)
    chosen = method.chosen_projectors.tolist()
    assert min(chosen[:2]) >= 0 and chosen[2:] == [-1] * (K - 2)
    train(method, Rows(x), 1 + P)
    outputs = method(Plain()(Rows(x), torch.arange(8), seed=0, pass_=1))
    assert outputs["prediction"].shape == outputs["target"].shape == (8, 2, TARGET)
    assert method.chosen_projectors.tolist() == chosen


def small_with(make, **options):
    method = small(**options)
    method.make_projector = make
    return method


def test_initial_weights_of_the_projectors():
    def make(width):
        return nn.Sequential(nn.Conv1d(3, 8, 5), nn.Flatten(), nn.Linear(64, width))

    convolution, _, linear = candidate(small_with(make, beta_init=True, sparse_fraction=0.4)._make, 0, 0)
    assert (convolution.weight == 0).sum() == round(0.4 * convolution.weight.numel())
    assert (linear.weight == 0).sum() == round(0.4 * linear.weight.numel())
    rest = convolution.weight[convolution.weight != 0]
    assert rest.abs().max() <= 1 and rest.var().item() == pytest.approx(0.5, abs=0.15)
    plain = candidate(small_with(make)._make, 0, 0)
    assert plain[0].weight.abs().max() <= 15**-0.5
    assert (plain[0].weight != 0).all()


def test_choosing_does_not_disturb_the_callers_generator():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    method = deepcopy(small())
    torch.manual_seed(7)
    method.before_pass(dataset(), 0)
    assert torch.equal(torch.rand(3), expected)


def test_a_copy_and_a_pickle_carry_the_weights_and_not_the_cache():
    method, rows = small(), dataset()
    train(method, rows, 2)
    method_with_picklable_factory = small_with(partial(projector, inputs=5))
    method_with_picklable_factory.load_state_dict(method.state_dict())
    method_with_picklable_factory.before_pass(rows, 1)
    for copy in (deepcopy(method), pickle.loads(pickle.dumps(method_with_picklable_factory))):
        assert unmoved(copy, method.state_dict())
        with pytest.raises(AssertionError, match="before_pass comes before forward"):
            copy(Plain()(rows, torch.arange(4), seed=0, pass_=1))
        copy.before_pass(rows, 1)
        views = Plain()(rows, torch.arange(4), seed=0, pass_=1)
        assert torch.equal(copy(views)["prediction"], method(views)["prediction"])
    assert set(method.state_dict()) == {
        "chosen_projectors",
        *(name for name in copy.state_dict() if name != "chosen_projectors"),
    }
    assert sum(value.numel() for value in method.state_dict().values()) < 500


def test_wrong_projectors_are_refused():
    with pytest.raises(UserError, match="a function from a width to a new untrained network, not Linear: give lambda"):
        LFR(Net(), make_projector=nn.Linear(5, 6))
    with pytest.raises(UserError, match=r"makes \(2, 4\) of 2 rows, and target_width is 6"):
        small_with(lambda width: projector(4)).before_pass(dataset(), 0)
