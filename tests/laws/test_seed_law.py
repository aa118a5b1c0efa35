"""The seed law: two seeds differ in everything that is random, one seed repeats it, whatever a method draws itself."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from isotropy.methods import LFR, METHODS
from isotropy.methods.method import Method
from isotropy.rng import Stream
from laws import cases
from laws.toys import Contrast

# Methods that draw something besides weights and views: what they were asked to draw from must reach the loss.
DRAWING = ("dacl", "lejepa", "lfr", "masked", "stab", "ts2vec", "ts_tcc", "w_mse")


class Deaf(Contrast):
    """A method with a fault: it drops features by a stream of its own, whatever seed the run has."""

    def forward(self, views):
        outputs = super().forward(views)
        own = Stream(seed=7)
        return {"z": [z * torch.rand(z.shape, generator=generator(own)) for z in outputs["z"]]}


class Listening(Contrast):
    """The same method without the fault."""

    def forward(self, views):
        outputs = super().forward(views)
        return {"z": [z * torch.rand(z.shape, generator=generator(self.rng)) for z in outputs["z"]]}


def generator(stream: Stream) -> torch.Generator:
    return torch.Generator().manual_seed(int(stream.of_step(1)) & 0xFFFF)


def draws(make, seed: int, kind: type[Method]) -> tuple[Tensor, ...]:
    """Return what one step makes of the same weights, rows and views: only what the method draws can differ."""
    method = make().train()
    source = cases.dataset(modality=cases.modality(kind))
    index = torch.arange(cases.BATCH)
    method.rng = Stream.of(seed, type(method).__name__)
    method.before_pass(source, 0)
    outputs = method(cases.views(kind)(source, index, seed=0, pass_=0))
    return (torch.stack(list(method.loss(**outputs).values())).detach(), *tensors(outputs))


def tensors(outputs) -> Iterator[Tensor]:
    for value in outputs.values():
        yield from (x.detach() for x in (value if isinstance(value, list) else [value]))


def alike(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", cases.REGISTERED)
def test_a_method_draws_by_the_seed_of_the_run_or_not_at_all(name):
    kind = METHODS[name]
    first, again, other = (draws(lambda: cases.make(name), seed, kind) for seed in (0, 0, 1))
    assert alike(first, again)
    assert alike(first, other) == (name not in DRAWING)


def test_a_method_that_draws_by_a_seed_of_its_own_is_found():
    def one_of(kind):
        torch.manual_seed(0)
        return kind(cases.encoder()).double()

    sound, deaf = ([draws(lambda k=kind: one_of(k), seed, kind) for seed in (0, 1)] for kind in (Listening, Deaf))
    assert not alike(*sound)
    assert alike(*deaf)


@pytest.mark.parametrize("name", cases.REGISTERED)
def test_a_training_differs_by_its_seed_and_is_repeated_by_it(name):
    def losses(seed: int) -> list[float]:
        return [step.loss for step, _ in zip(cases.train(cases.make(name), seed=seed), range(3))]

    assert losses(0) == losses(0) != losses(1)


@pytest.mark.parametrize("name", ["lfr"])
def test_lfr_chooses_and_makes_its_projectors_by_the_seed_of_the_run(name):
    source, chosen, targets = cases.dataset(), [], []
    for seed in (0, 1, 2):
        method = cases.make(name)
        assert isinstance(method, LFR)
        for _, _ in zip(cases.train(method, seed=seed), range(1)):
            pass
        chosen.append(method.chosen_projectors.tolist())
        targets.append(method._cache.targets(torch.arange(len(source))))
    assert not torch.equal(targets[0], targets[1]) and not torch.equal(targets[1], targets[2])
    assert len({tuple(numbers) for numbers in chosen}) > 1
