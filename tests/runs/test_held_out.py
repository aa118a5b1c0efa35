"""The held-out loss: the loss of fixed rows by fixed random numbers, and nothing moves by being scored."""

import numpy as np
import pytest
import torch

from isotropy.data import read
from isotropy.runs import prepare
from isotropy.runs.held_out import HeldOut
from isotropy.runs.monitor import held_out_every
from isotropy.runs.recipe import Recipe
from isotropy.training import fit
from laws import cases

TABLE = {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16, "train.precision": "float32"}


def scorer(name, **options):
    method = cases.make(name)
    data = cases.dataset(modality=cases.modality(method))
    rows = torch.arange(cases.ROWS)
    arguments = {"batch_size": cases.BATCH, "seed": 3, "bf16": False, "device": torch.device("cpu"), "name": "x"}
    return method, HeldOut(method, data, rows, cases.views(method), **arguments | options)


@pytest.mark.parametrize("name", cases.ALL)
def test_scoring_changes_nothing_and_gives_the_same_number_twice(name):
    method, held_out = scorer(name)
    for _ in cases.train(method, epochs=0.5):
        pass
    before, mode, generator = cases.state(method), method.training, torch.get_rng_state()
    first = held_out.loss(method)
    assert np.isfinite(first) and first == held_out.loss(method)
    after = cases.state(method)
    assert all(torch.equal(before[key], after[key]) for key in before) and method.training == mode
    assert torch.equal(generator, torch.get_rng_state())


@pytest.mark.parametrize("name", ["simclr", "dino", "lfr"])
def test_it_is_the_loss_that_a_step_would_have(name):
    method, held_out = scorer(name, batch_size=cases.ROWS)
    found = held_out.loss(method)
    data, twin = cases.dataset(modality=cases.modality(method)), cases.make(name).train()
    twin.progress, twin.rng = 1.0, held_out._copy.rng
    twin.before_pass(data, 0)
    views = cases.views(method)(data, torch.arange(cases.ROWS), seed=held_out.seed, pass_=0)
    outputs = twin(views)
    outputs |= {key: outputs[key].mean(dim=0, keepdim=True) for key in twin.averaged}
    assert found == pytest.approx(float(sum(twin.loss(**outputs).values()).detach()), rel=1e-9)


@pytest.mark.parametrize(
    ("method", "settings", "name", "rows"),
    [
        ("simclr", {}, "held_out_loss", 16),
        ("lfr", {"train.batch_size": 8}, "held_out_loss", 24),
        # DIET knows rows by number, and W-MSE whitens more rows than the test part has.
        ("diet", {"train.batch_size": 16}, "fixed_loss", 96),
        ("w_mse", {"train.batch_size": 64, "method.projector_width": 16, "method.sub_batch_size": 32}, "fixed_loss",
         64),
    ],
)  # fmt: skip
def test_test_rows_are_scored_where_the_method_can(method, settings, name, rows):
    recipe = Recipe.default(method, "table").changed(TABLE | settings)
    prepared = prepare.prepare(recipe, read(np.random.default_rng(0).normal(size=(124, 3)), label=np.arange(124) % 2))
    held_out = HeldOut.of(prepared)
    stored = torch.cat([held_out.dataset.batch(index) for index in held_out.batches])
    wanted = prepared.rows[prepared.test if name == "held_out_loss" else prepared.train]
    assert held_out.name == name and len(stored) == rows
    assert {tuple(row) for row in stored.tolist()} <= {tuple(row) for row in wanted.tolist()}
    assert len({tuple(row) for row in stored.tolist()}) == rows, "each row once"


def test_without_a_label_training_rows_are_scored_and_the_loss_falls_with_the_training():
    recipe = Recipe.default("autoencoder", "table").changed(TABLE | {"train.epochs": 20.0})
    held_out, losses = None, []
    prepared = prepare.prepare(recipe, read(np.random.default_rng(0).normal(size=(100, 3))))
    held_out = HeldOut.of(prepared)
    for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()):
        if step.number % 20 == 0:
            losses.append(held_out.loss(prepared.method))
    assert held_out.name == "fixed_loss" and losses == sorted(losses, reverse=True)


def test_scores_are_few_in_a_long_run():
    assert [held_out_every(steps) for steps in (8, 120, 130, 2400)] == [10, 10, 20, 200]
