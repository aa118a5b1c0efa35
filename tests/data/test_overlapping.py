"""Windows that overlap take the memory of what they are cut from, and what is made of them has the same bits."""

import numpy as np
import pandas as pd
import pytest
import torch

from isotropy.batch import WindowRows, take
from isotropy.data import ArrayDataset, SeriesPreprocess, read
from isotropy.data.overlapping import WindowArray, series_of, windows_of
from isotropy.data.recordings import windows
from isotropy.errors import UserError
from isotropy.representation import Representation
from isotropy.runs.fingerprint import fingerprint
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


def day(name, gone=(), steps=400, kind=np.float32, seed=0):
    """Return a recording of one file with gaps where steps are gone."""
    walk = np.random.default_rng(seed).normal(size=(steps, 2)).cumsum(axis=0)
    frame = pd.DataFrame(walk, columns=["x", "y"]).astype(kind).assign(t=np.arange(steps) / 50, who=name)
    return frame.drop(index=list(gone))


PIECES = {
    "a gap": day("a", range(150, 190)),
    "groups": pd.concat([day("a"), day("b", seed=1).assign(t=lambda x: x.t + 8), day("c", range(90, 120), seed=2)]),
    "float64": day("a", range(150, 190), kind=np.float64),
    "a piece of one window": day("a", [*range(70, 90), *range(300, 310)]),
}


@pytest.mark.parametrize("gone", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("name", PIECES)
def test_windows_of_several_pieces_are_views_of_them_with_the_same_bits(name, gone, monkeypatch):
    frame = PIECES[name].copy()
    frame["id"] = frame.pop("who")
    if gone:
        # Within windows, at the end of some, and where a piece begins.
        frame.iloc[[0, 33, 34, 149, 200], 0] = np.nan
        frame.iloc[120:124, 1] = np.nan
    views, own = both(monkeypatch, frame, time="t", id="id", window=64, hop=5)
    assert isinstance(views.values, WindowArray) and isinstance(own.values, np.ndarray)
    assert views.values.series.size < own.values.size / 3
    for one in (np.asarray(views.values), views.values[:], views.values[np.arange(len(own))]):
        np.testing.assert_array_equal(one, own.values)
    np.testing.assert_array_equal(views.values[3:9:2, 1, -1], own.values[3:9:2, 1, -1])
    np.testing.assert_array_equal(views.take(own.values[:, 0, 0] > 0).values, own.values[own.values[:, 0, 0] > 0])
    assert views.values.dtype == own.values.dtype and views.description == own.description
    rows = np.random.default_rng(1).permutation(len(own))[:50]
    learnt = [SeriesPreprocess.learn(one.values, rows) for one in (views, own)]
    assert learnt[0].to_json() == learnt[1].to_json()
    stored, held = (learnt[0].transform(one.values) for one in (views, own))
    assert isinstance(stored, WindowRows) and torch.equal(stored, held) and stored.shape == held.shape
    index = torch.tensor([7, 0, 20, 7])
    dataset = ArrayDataset(stored, learnt[0], index=torch.arange(len(held)).flip(0))
    assert dataset.rows is stored
    for found in (
        take(stored, index),
        stored[index],
        stored.index_select(0, index),
        dataset.batch(len(held) - 1 - index),
    ):
        assert type(found) is torch.Tensor and found.is_contiguous() and torch.equal(found, held[index])
    assert isinstance(stored[5:30:2], WindowRows) and torch.equal(stored[5:30:2], held[5:30:2])
    assert torch.equal(stored[3], held[3]) and torch.equal(stored[:, 0] + 1, held[:, 0] + 1)
    np.testing.assert_array_equal(stored[2:].cpu().numpy(), held[2:].numpy())
    assert fingerprint(stored) == fingerprint(held)
    pick = WindowRows.rows
    # Views are to spare the memory of all rows.
    monkeypatch.setattr(
        WindowRows, "rows", lambda self, rows: pytest.fail() if rows == slice(None) else pick(self, rows)
    )
    for some in (take(stored, index), stored[index], stored.index_select(0, index), stored[5:9][index[1:2]]):
        assert len(some)


def test_several_files_train_and_embed_with_the_same_bits(monkeypatch, tmp_path):
    for name in "abc":
        day(name, range(100, 130), seed=ord(name)).assign(kind=lambda x: x.index // 100).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    recipe = Recipe.default("simclr", "series").changed({"train.epochs": 2.0, "train.batch_size": 32})
    ends = []
    for data in both(monkeypatch, str(tmp_path / "*.csv"), time="t", group="who", label="kind", window=64, hop=5):
        prepared = prepare(recipe, data)
        terms = [step.terms for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments())]
        made: Representation = prepared.representation()
        ends.append((terms, made.transform(data), made.embed_stored(prepared.rows)))
    assert isinstance(prepared.rows, torch.Tensor) and ends[0][0] == ends[1][0]
    for one, other in zip(ends[0][1:], ends[1][1:]):
        np.testing.assert_array_equal(one, other)


def test_infinities_are_refused_where_they_are_as_before(monkeypatch):
    frame = day("a", range(150, 190)).drop(columns="who")
    frame.iloc[200, 0] = np.inf
    said = []
    for data in both(monkeypatch, frame, time="t", window=64, hop=5):
        made = SeriesPreprocess.learn(data.values, np.arange(10))
        with pytest.raises(UserError, match="infinite value") as raised:
            made.transform(data.values)
        said.append(str(raised.value))
    assert said[0] == said[1]
