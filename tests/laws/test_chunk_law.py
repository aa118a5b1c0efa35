"""The chunk law: a batch that goes through the networks in pieces makes the very step of the whole batch."""

from functools import cache

import pytest
import torch

from isotropy import rng
from isotropy.errors import UserError
from isotropy.training import Optim, gradient
from laws import cases
from laws.toys import Contrast

# Whitening sub-batches of four rows (W-MSE) multiplies rounding by their condition number.
TOLERANCE = 1e-11


@cache
def trained(name: str, chunk: int | None) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    method = cases.without_batch_norm(cases.make(name))
    terms = [step.terms for step in cases.train(method, micro_batch=chunk)]
    return terms, cases.state(method)


def difference(name: str, chunk: int) -> float:
    (whole, state), (terms, chunked) = trained(name, None), trained(name, chunk)
    apart = [abs(a[k] - b[k]) / max(1.0, abs(a[k])) for a, b in zip(whole, terms, strict=True) for k in a]
    return max(*apart, cases.distance(chunked, state))


@pytest.mark.parametrize("chunk", [1, 2, 9])
@pytest.mark.parametrize("name", cases.ALL)
def test_chunks_equal_the_whole_batch(name, chunk):
    # Batches have 9 rows and the last one 3, so a chunk of 2 divides neither.
    assert difference(name, chunk) < TOLERANCE


@pytest.mark.parametrize("name", cases.ALL)
def test_a_replay_without_its_last_piece_breaks_the_law(name, monkeypatch):
    replay = gradient.Gradient._replay
    monkeypatch.setattr(gradient.Gradient, "_replay", lambda self, pieces, *rest: replay(self, pieces[:-1], *rest))
    broken = trained.__wrapped__(name, 2)
    assert cases.distance(broken[1], trained(name, None)[1]) > 1e4 * TOLERANCE


def with_dropout() -> Contrast:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return cases.without_batch_norm(Contrast(cases.encoder(), dropout=0.4).double())


def test_the_replay_draws_the_dropout_of_the_first_run():
    learnt = with_dropout()
    next(iter(cases.train(learnt, micro_batch=4, optim=Optim(name="sgd", lr=0.05, warmup=0, final=1, weight_decay=0))))
    # The same step by hand: one graph over the chunks, each under its own seed, and plain SGD at the first rate.
    method, data = with_dropout(), cases.dataset()
    index, before = rng.order(0, 0, cases.ROWS)[: cases.BATCH], cases.state(method)
    tensors = [], []
    for place, rows in enumerate(index.split(4)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(rng.mix(0, 0, 0, place))
            for column, z in zip(tensors, method(cases.views(method)(data, rows, seed=0, pass_=0))["z"]):
                column.append(z)
    method.loss(z=[torch.cat(column) for column in tensors])["contrast"].backward()
    moved = cases.state(learnt)
    for name, parameter in method.named_parameters():
        torch.testing.assert_close(moved[name], before[name] - 0.05 * parameter.grad, rtol=1e-12, atol=1e-14)
    assert any(not torch.equal(moved[name], before[name]) for name in before)


def test_dropout_is_a_function_of_the_step_and_leaves_the_callers_generator_alone():
    ends = []
    for draws in (0, 5):
        method = with_dropout()
        torch.rand(draws)
        generator = torch.get_rng_state()
        for _ in cases.train(method, micro_batch=4):
            pass
        assert torch.equal(torch.get_rng_state(), generator)
        ends.append(cases.state(method))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("name", cases.ALL)
def test_batch_statistics_are_refused_by_name(name):
    with pytest.raises(UserError, match=r"^micro_batch: the statistics of '\S+' \(BatchNorm[12]d\) [^\n]*$"):
        next(iter(cases.train(cases.make(name), micro_batch=4)))


def test_a_batch_norm_that_only_reads_its_statistics_is_not_refused():
    method = cases.without_batch_norm(cases.make("toy_contrast"))
    method.encoder.module.add_module("last", torch.nn.BatchNorm1d(8).double())
    frozen = method.encoder.module.last
    method.frozen = lambda pass_: (frozen,)
    next(iter(cases.train(method, micro_batch=4)))
    frozen.track_running_stats, frozen.running_mean, frozen.running_var = False, None, None
    with pytest.raises(UserError, match="encoder.module.last"):
        next(iter(cases.train(method, micro_batch=4)))


def test_a_chunk_below_one_row_is_refused():
    with pytest.raises(UserError, match="micro_batch = 0"):
        next(iter(cases.train(cases.make("toy_contrast"), micro_batch=0)))
