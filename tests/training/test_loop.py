import pytest
import torch

from isotropy import rng
from isotropy.errors import UserError
from isotropy.training import Diverged, Optim, fit
from isotropy.views.multiview import Plain
from laws import cases
from laws.toys import Breaks, Contrast


def test_a_step_says_what_was_done():
    method, optim = cases.make("toy_contrast"), Optim(name="sgd", lr=0.05, warmup=0.5)
    steps = list(cases.train(method, optim=optim, epochs=2))
    assert [step.number for step in steps] == list(range(1, 11)) and {step.steps for step in steps} == {10}
    assert [step.pass_ for step in steps] == [0] * 5 + [1] * 5
    assert [step.ends_pass for step in steps] == ([False] * 4 + [True]) * 2
    assert [step.epoch for step in steps] == [number / 5 for number in range(1, 11)]
    assert [step.rows for step in steps] == [9, 9, 9, 9, 3] * 2
    assert [step.lr for step in steps] == [0.05 * optim.rate((number + 0.5) / 10) for number in range(10)]
    assert all(step.loss == sum(step.terms.values()) for step in steps)
    assert all(0 <= step.waited <= step.seconds for step in steps)
    assert all(not z.requires_grad and len(z) == step.rows for step in steps for z in step.outputs["z"])


def test_the_terms_are_those_of_the_batch_before_the_step():
    method = cases.make("toy_contrast")
    loss = cases.make("toy_contrast").train()
    index = rng.order(0, 0, cases.ROWS)[: cases.BATCH]
    expected = loss.loss(**loss(cases.views(loss)(cases.dataset(), index, seed=0, pass_=0)))
    step = next(iter(cases.train(method)))
    assert step.terms == {name: pytest.approx(term.item(), rel=1e-12) for name, term in expected.items()}


class Seen(Plain):
    """Keeps what it was asked for."""

    count = 2

    def __init__(self):
        self.asked = []

    def __call__(self, dataset, index, *, seed, pass_):
        self.asked.append((pass_, index.tolist()))
        views = super().__call__(dataset, index, seed=seed, pass_=pass_)
        views._views = views.tensors * 2
        return views


def test_every_pass_sees_every_row_once_in_an_order_of_its_own():
    views = Seen()
    rows = cases.Rows(cases.dataset().rows[:36])
    for _ in fit(cases.make("toy_contrast"), rows, views, epochs=2, batch_size=9):
        pass
    passes = [[row for number, index in views.asked if number == p for row in index] for p in (0, 1)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(36))
    assert passes[0] != passes[1] and passes[0] == rng.order(0, 0, 36).tolist()


def test_a_loss_that_becomes_nan_stops_at_the_step_with_the_term_and_moves_nothing():
    method = Breaks(cases.encoder()).double()
    before = {}
    with pytest.raises(Diverged, match=r"^the loss term 'broken' became nan at step (\d+): [^\n]*$") as error:
        for step in cases.train(method, epochs=8):
            before = {name: p.detach().clone() for name, p in method.named_parameters()}
    assert f"at step {step.number + 1}:" in str(error.value) and step.number >= 1
    assert all(torch.equal(before[name], p) for name, p in method.named_parameters())


def test_too_few_views_are_refused():
    with pytest.raises(UserError, match="Contrast compares at least 2 views of a sample and the views make 1"):
        next(iter(fit(cases.make("toy_contrast"), cases.dataset(), Plain(), epochs=1)))


def test_more_views_than_a_method_uses_are_refused():
    method = cases.make("lfr")
    with pytest.raises(
        UserError, match=r"LFR uses at most 1 view of a sample and the views make 2: set views.num_views"
    ):
        next(iter(fit(method, cases.dataset(), cases.Jitter(2), epochs=1)))


def test_a_batch_that_some_rank_would_get_nothing_of_is_refused(monkeypatch):
    monkeypatch.setattr("isotropy.training.comm.world", lambda: 4)
    with pytest.raises(UserError, match="a batch of 3 row"):
        next(iter(cases.train(cases.make("toy_contrast"))))


def test_unscheduled_modules_learn_at_the_full_rate_during_a_warm_up():
    moved = {}
    for warmup in (0.0, 0.5):
        method = cases.make("toy_contrast")
        before = {name: p.detach().clone() for name, p in method.named_parameters()}
        next(iter(cases.train(method, optim=Optim(name="sgd", lr=0.1, warmup=warmup))))
        moved[warmup] = {name: (p - before[name]).norm().item() for name, p in method.named_parameters()}
    # A bias before a normalisation has no gradient but that of rounding.
    for name in (name for name, far in moved[0.0].items() if far > 1e-9):
        slowed = moved[0.5][name] < 0.5 * moved[0.0][name]
        assert slowed != name.startswith("head."), name


def test_bf16_runs_the_networks_in_bfloat16_and_the_loss_in_float32():
    method = Contrast(cases.encoder()).float()
    made = []
    method.head.register_forward_hook(lambda module, inputs, output: made.append(output.dtype))
    step = next(iter(cases.train(method, dataset=cases.dataset(torch.float32), precision="bf16")))
    assert set(made) == {torch.bfloat16}
    assert {z.dtype for z in step.outputs["z"]} == {torch.float32}


def test_compiling_is_an_option_that_reaches_the_encoder(monkeypatch):
    method = cases.make("toy_contrast")
    asked = []
    monkeypatch.setattr(type(method.encoder), "compile", lambda self: asked.append(self))
    next(iter(cases.train(method, compile=True)))
    assert asked == [method.encoder]
