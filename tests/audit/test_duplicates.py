"""Copies of rows: agreement as a slow loop has it, and copies that were changed are found among rows of each kind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isotropy.audit import audit
from isotropy.audit.audit import issues_of
from isotropy.audit.duplicates import by_agreement, sets_of
from isotropy.audit.given import Given, raw_of
from isotropy.audit.linkage import agreement, beside
from isotropy.data import ImagePreprocess, SeriesPreprocess, TablePreprocess
from isotropy.encoders import MultiScaleCNN, TableMLP, wrap
from isotropy.errors import UserError
from isotropy.representation import Representation


def table(count=300, seed=0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=(count, 4)), rng.integers(0, 5, count)]).astype("f4")
    x[::9, 1] = np.nan
    return x, np.array([False] * 4 + [True])


def slow_agreement(x, codes, i, j):
    total = 0.0
    for c in range(x.shape[1]):
        known = [v for v in x[:, c] if not np.isnan(v)]
        a, b = x[i, c], x[j, c]
        if np.isnan(a) or np.isnan(b) or (codes[c] and a != b):
            continue
        total -= np.log(np.mean([abs(np.float64(v) - a) <= abs(np.float64(a) - b) for v in known]))
    return total


def test_agreement_as_a_slow_loop_has_it():
    x, codes = table()
    one, other = np.random.default_rng(1).integers(0, 300, (2, 40))
    expected = [slow_agreement(x, codes, i, j) for i, j in zip(one, other)]
    np.testing.assert_allclose(agreement(x, codes, one, other), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("changed", [0, 2, 4])
def test_a_copy_with_one_value_of_another_row_is_found(changed):
    x, codes = table()
    x[50] = x[7]
    x[50, changed] = x[7, changed] + (1 if changed == 4 else 3)
    found = by_agreement(x, codes, beside(x), np.ones(300, dtype=bool))
    assert found.partner[[7, 50]].tolist() == [50, 7]
    assert sorted(np.argsort(found.closeness)[:2].tolist()) == [7, 50]


def test_a_set_of_copies_is_one_whatever_the_order():
    assert sets_of(6, [(np.array([5, 2]), np.array([2, 0])), (np.array([1]), np.array([3]))]).tolist() == [
        0,
        1,
        0,
        1,
        -1,
        0,
    ]


def smooth(*shape):
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return F.avg_pool1d(noise, 9, 1, 4) if noise.ndim == 3 else F.avg_pool2d(noise, 5, 1, 2)


@pytest.mark.parametrize("kind", ["series", "image"])
def test_changed_copies_of_series_and_images_are_found(kind):
    x = (
        smooth(60, 1, 64).numpy()
        if kind == "series"
        else (smooth(60, 1, 24, 24) * 500 + 128).clamp(0, 255).byte().numpy()
    )
    x[20] = np.roll(x[10], 6, axis=-1)
    x[30] = x[11] // 2 if kind == "image" else 2 * x[11] + 1
    x[40] = x[12]
    x[50] = x[50].flat[0]
    preprocess = (SeriesPreprocess if kind == "series" else ImagePreprocess).learn(x)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(x[0].size, 8))
    made = Representation(wrap(network, width=8), preprocess, method="simclr")
    found = audit(made, x, labels=["a", "b"] * 30, part=["train"] * 30 + ["test"] * 30)
    assert set(np.flatnonzero(found.issues["near_duplicate"].issue)) >= {11, 30}
    worst = np.argsort(found.issues["near_duplicate"].score, kind="stable")[:4]
    assert set(worst) <= {10, 20, 11, 30, 12, 40}
    assert np.flatnonzero(found.issues["exact_duplicate"].issue).tolist() == [12, 40]
    assert found.issues["blank"].ranked()[0] == 50
    assert {30, 40} <= set(np.flatnonzero(found.issues["twin"].issue))
    assert found.listed("exact_duplicate")["reason"].tolist() == ["equal to row 40", "equal to row 12"]


@pytest.mark.parametrize("seed", [3, 5, 34, 35])  # a normal tail names two to six of them
def test_series_of_noise_are_no_copies(seed):
    x = np.random.default_rng(seed).normal(size=(80, 1, 60))
    network = MultiScaleCNN(channels=1, length=60, width=16, filters=2, scales=2)
    made = Representation(network, SeriesPreprocess.learn(x), method="simclr")
    assert audit(made, x).counts["near_duplicate"] == 0
    x[7] = 1.3 * x[3] + 0.05 * np.random.default_rng(0).normal(size=60)
    assert audit(made, x).issues["near_duplicate"].ranked()[:2].tolist() == [3, 7]


def test_too_few_rows_and_labels_of_another_length():
    x = np.random.default_rng(0).normal(size=(20, 3))
    made = Representation(TableMLP(numeric=3, width=8), TablePreprocess.learn(x), method="lfr")
    with pytest.raises(UserError, match="12 rows or more"):
        audit(made, x[:5])
    with pytest.raises(UserError, match="label: 3 values for 20 rows"):
        audit(made, x, labels=[1, 2, 3])
    found = audit(made, x, labels=np.arange(20) * 0.5)
    assert "label" in found.issues and "misplaced" not in found.issues
    assert audit(made, x, labels=["a"] * 20).notes[-1].startswith("label label: too few labels, or one class only")
    # What identifies a row is no class: most rows are alone in theirs.
    found = audit(made, x, labels=[f"id {place // 2 if place < 8 else place}" for place in range(20)])
    assert found.notes[-1] == "label label: 12 of 20 rows are alone in their class: not audited"
    assert "label" not in found.issues and "misplaced" not in found.issues
    assert "label" in audit(made, x, labels=[f"pair {place // 2}" for place in range(20)]).issues


def test_a_copy_at_another_gain_and_level_fits_where_series_differ_in_length():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1, 64)).cumsum(axis=2)
    for row, end in enumerate(rng.integers(20, 64, 60)):
        x[row, :, end:] = np.nan
    x[7] = 2 * x[3] + 30
    encoder = MultiScaleCNN(channels=1, length=64, width=32, filters=2, scales=2)
    made = Representation(encoder, SeriesPreprocess.learn(x), method="simclr")
    raw = raw_of(made, made.stored(x))
    pictures, vectors = raw.pictures.flatten(1), raw.thumbnails
    assert np.corrcoef(pictures[3], pictures[7])[0, 1] > 0.999
    assert issues_of(Given(vectors, raw)).issues["near_duplicate"].ranked().tolist()[:2] == [3, 7]


CHANGES = {
    "without its end": lambda row: row[:, :-6],
    "without its beginning": lambda row: row[:, 6:],
    "held at its last value": lambda row: np.pad(row, ((0, 0), (0, 6)), mode="edge"),
    "without its end, at another gain and level": lambda row: 1.4 * row[:, :-6] - 20,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_of_another_length_is_named_among_series_of_several_lengths(change):
    rng = np.random.default_rng(0)
    x = np.full((120, 1, 72), np.nan)
    for row, end in enumerate(rng.integers(50, 65, 120)):
        x[row, :, :end] = rng.normal(size=end).cumsum()
    for copy, row in enumerate(range(20, 28)):
        new = CHANGES[change](x[row][:, ~np.isnan(x[row, 0])])
        x[copy], x[copy, :, : new.shape[1]] = np.nan, new
    made = Representation(
        MultiScaleCNN(channels=1, length=72, width=32, filters=2, scales=2), SeriesPreprocess.learn(x), method="simclr"
    )
    raw = raw_of(made, made.stored(x))
    found = issues_of(Given(raw.thumbnails, raw)).issues["near_duplicate"]
    assert set(np.flatnonzero(found.issue)) == {*range(8), *range(20, 28)}
    assert (found.beside["nearest_row"][:8] == np.arange(20, 28)).all()
