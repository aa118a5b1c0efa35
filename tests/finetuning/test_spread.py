"""Labels of a few rows spread to rows without one, where held-out rows say that the probe is better for it."""

import numpy as np
import pytest
import torch

from isotropy.data import TablePreprocess
from isotropy.encoders import wrap
from isotropy.evaluation.splits import stratified
from isotropy.finetuning.finetune import finetune_rows
from isotropy.finetuning.spread import MOST_OTHERS, Spread, some_of
from isotropy.representation import Representation


def arcs(rows, seed=0):
    """Return two arcs of a circle with a gap at both ends, and each row's arc: a label says little of the far end."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    angle = np.pi * y + rng.uniform(0.1, np.pi - 0.1, rows)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), np.where(y, "lower", "upper")


def some_labels(y, size):
    """Return the labels with all but so many of each class missing."""
    kept = stratified(y, 2 * size, seed=3)
    return np.where(np.isin(np.arange(len(y)), kept), y, None)


def as_it_is(x):
    layer = torch.nn.Linear(x.shape[1], x.shape[1])
    torch.nn.init.eye_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return Representation(wrap(layer, width=x.shape[1]), TablePreprocess.learn(x), method="lfr")


@pytest.mark.parametrize("size", [1, 4])
def test_few_labels_spread_where_rows_have_none_and_alone_they_do_not(size):
    x, y = arcs(600)
    labels, representation = some_labels(y, size), as_it_is(x)
    model = representation.finetune(x, labels, epochs=1, lr=1e-9)
    there = np.array([one is not None for one in labels])
    alone = representation.finetune(x[there], y[there], epochs=1, lr=1e-9)
    assert model.detail["chosen"] == "frozen probe on spread labels" and alone.detail["chosen"] == "frozen probe"
    assert model.detail["labels"] == 2 * size
    assert model.score(x, y) > alone.score(x, y) + 0.05


def test_held_out_rows_leave_labels_alone_that_neighbours_do_not_share():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12))
    x[:, 1:] *= 3  # what tells neighbours apart says nothing of the class
    y = (x[:, 0] > 0).astype(int)
    labels = np.where(np.arange(400) < 60, y, None)
    model = as_it_is(x[:, :2]).finetune(x[:, :2], labels, epochs=1, lr=1e-9)
    assert model.detail["chosen"] != "frozen probe on spread labels"


def test_rows_that_may_not_be_learnt_from_and_labels_of_others_say_nothing():
    x, y = arcs(300)
    representation = as_it_is(x)
    rows, labels, train = representation.stored(x), some_labels(y, 2), np.arange(200)
    labels[200:] = y[200:]
    first = finetune_rows(representation, rows, labels, train)
    moved, other = rows.clone(), labels.copy()
    moved[200:], other[200:] = 9.0, y[200:][::-1]
    again = finetune_rows(representation, moved, other, train)
    assert first.detail["chosen"] == "frozen probe on spread labels"
    assert np.array_equal(first.predictions_stored(rows[:200]), again.predictions_stored(rows[:200]))


def test_numbers_and_many_labels_do_not_spread(monkeypatch):
    monkeypatch.setattr("isotropy.finetuning.beginning.Spread", None)  # it would be called
    x, y = arcs(300)
    labels = np.where(np.arange(300) < 20, x[:, 0], np.nan)
    assert as_it_is(x).finetune(x, labels, epochs=1, lr=1e-9).task == "numbers"
    monkeypatch.setattr("isotropy.finetuning.spread.MOST_LABELLED", 100)
    as_it_is(x).finetune(x, np.where(np.arange(300) < 120, y, None), epochs=1, lr=1e-9)


def test_rows_that_no_label_reaches_take_none():
    """Three bundles of directions of more than ten rows each, of which the last has no label."""
    bundles = np.repeat(np.eye(6, dtype=np.float32)[[0, 2, 4]], 12, axis=0)
    bundles[:, 1::2] = np.tile(np.linspace(0, 0.1, 12), 3)[:, None] * bundles[:, ::2]
    labelled = np.array([0, 12])
    others, given = Spread.over(bundles[labelled], np.delete(bundles, labelled, axis=0))(np.arange(2), np.array([1, 0]))
    assert given.tolist() == [1] * 11 + [0] * 11
    assert np.array_equal(others, np.delete(bundles[:24], labelled, axis=0))


def test_at_most_two_thousand_others_take_a_label():
    some = some_of(np.arange(10, 10_010))
    assert len(some) == MOST_OTHERS and (some[0], some[-1]) == (10, 10_009) and (np.diff(some) > 0).all()
    assert some_of(np.arange(3)).tolist() == [0, 1, 2]
