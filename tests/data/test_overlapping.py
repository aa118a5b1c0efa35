"""Windows that overlap take the memory of what they are cut from, and what is made of them has the same bits."""

import numpy as np
import pytest
import torch

from isotropy.batch import take
from isotropy.data import ArrayDataset, SeriesPreprocess, read
from isotropy.data.overlapping import series_of, windows_of
from isotropy.data.recordings import windows
from isotropy.representation import Representation
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit


def recording(kind=np.float32, steps=1000):
    walk = np.random.default_rng(0).normal(size=(steps, 3)).cumsum(axis=0)
    return (walk * [1, 1e3, 0] * 100 if kind == np.int16 else walk).astype(kind)


def in_memory_of_their_own(series, format):
    """Cut as windows of several recordings are, whose memory is their own."""
    return windows._stacked([windows._windows(*one, format.window) for one in series])


def both(monkeypatch, source, **cutting):
    """Return the data with windows as views, and with windows that hold their steps."""
    views = read(source, **cutting)
    monkeypatch.setattr(windows, "_values", in_memory_of_their_own)
    return views, read(source, **cutting)


@pytest.mark.filterwarnings("ignore:channels dropped")
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_what_is_learnt_and_stored_of_them_is_the_same_to_the_bit(kind, monkeypatch):
    # Long enough for sums in another order to have other bits.
    views, own = both(monkeypatch, recording(kind, 20_000), window=256, hop=20)
    assert series_of(views.values) is not None and series_of(own.values) is None
    np.testing.assert_array_equal(views.values, own.values)
    assert views.values.dtype == own.values.dtype
    rows = np.random.default_rng(1).permutation(len(own))[:100]
    for some in (None, rows):
        learnt = [SeriesPreprocess.learn(one.values, some) for one in (views, own)]
        assert learnt[0].to_json() == learnt[1].to_json()
    stored = [learnt[0].transform(one.values) for one in (views, own)]
    assert stored[0].untyped_storage().nbytes() < stored[1].untyped_storage().nbytes() / 9
    assert torch.equal(*stored)
    index = torch.tensor([7, 0, 150, 7])
    taken = [take(one, index) for one in stored]
    assert torch.equal(*taken) and taken[0].is_contiguous()
    held = ArrayDataset(stored[0], learnt[0])
    assert held.rows.untyped_storage().nbytes() == stored[0].untyped_storage().nbytes()
    assert torch.equal(held.batch(index), taken[1])


@pytest.mark.parametrize("gone", [(slice(300, 310), 1), (0, 0), (999, slice(None))])
def test_missing_values_are_filled_in_within_each_window_as_before(gone, monkeypatch):
    values = recording()
    values[gone] = np.nan
    views, own = both(monkeypatch, values, window=64, hop=5)
    learnt = [SeriesPreprocess.learn(one.values) for one in (views, own)]
    assert learnt[0].to_json() == learnt[1].to_json() and torch.equal(
        learnt[0].transform(views.values), learnt[0].transform(own.values)
    )


def test_training_and_embeddings_have_the_same_bits(monkeypatch):
    recipe = Recipe.default("simclr", "series").changed({"train.epochs": 2.0, "train.batch_size": 32})
    ends = []
    for data in both(monkeypatch, recording(), window=64, hop=5):
        prepared = prepare(recipe, data)
        terms = [step.terms for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments())]
        made: Representation = prepared.representation()
        ends.append((terms, made.transform(data.values), made.embed_stored(prepared.rows)))
    assert ends[0][0] == ends[1][0]
    for one, other in zip(ends[0][1:], ends[1][1:]):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cutting", [{"window": 64}, {"window": 64, "hop": 80}, {"window": 996, "hop": 9}])
def test_windows_that_share_nothing_hold_their_steps(cutting):
    assert series_of(read(recording(), **cutting).values) is None


def test_a_series_is_found_only_in_its_windows():
    series = np.arange(40.0).reshape(2, 20)
    found = windows_of(series, 6, 2)
    assert not found.flags.writeable and found.shape == (8, 2, 6)
    np.testing.assert_array_equal(series_of(found), series)
    np.testing.assert_array_equal(series_of(found[2:5]), series[:, 4:14])
    for other in (np.zeros((3, 2, 6)), found[[1, 2]], found[::-1], found[:, :, ::-1], found[:1], found.astype(float)):
        assert series_of(other) is None
