"""What stands behind the end of a series changes nothing: encoders, free features, views, preprocessing, artefacts."""

import numpy as np
import pytest
import torch

from isotropy.batch import Batch
from isotropy.data import SeriesPreprocess
from isotropy.data.unequal import padded
from isotropy.encoders import ENCODERS, MultiScaleCNN, build
from isotropy.features import FEATURES
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation, learn_embedding
from isotropy.views import SeriesViews

CHANNELS, LENGTH = 2, 30
TAKERS = [name for name, kind in ENCODERS.items() if kind.takes_masks]


def series(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(CHANNELS, length, generator=generator) for length in lengths]


def batch(rows, length, padding=float("nan")) -> Batch:
    values = torch.full((len(rows), CHANNELS, length), padding, dtype=rows[0].dtype)
    for place, row in enumerate(rows):
        values[place, :, : row.shape[1]] = row
    ends = torch.tensor([row.shape[1] for row in rows])
    return Batch(values, (torch.arange(length) < ends[:, None, None]).expand(values.shape).contiguous())


def made(name):
    torch.manual_seed(2)
    encoder = build(name, "series", {"channels": CHANNELS, "length": LENGTH})
    encoder(torch.randn(32, CHANNELS, LENGTH))  # batch norms have seen something
    return encoder


@pytest.mark.parametrize("name", TAKERS)
def test_a_padded_series_has_the_vector_of_the_series_alone(name):
    encoder = made(name).eval()
    for dtype, rounding in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        encoder, rows = encoder.to(dtype), [row.to(dtype) for row in series([1, 3, 7, 17, 30, 41])]
        with torch.no_grad():
            alone = torch.cat([encoder(row[None]) for row in rows])
            for length, padding in ((41, 1e6), (64, float("nan"))):
                difference = (encoder(batch(rows, length, padding)) - alone).abs().max()
                assert difference < rounding * max(1, alone.abs().max())
        assert alone.std(0).max() > 0.01


@pytest.mark.parametrize("name", TAKERS)
def test_no_statistic_or_gradient_of_a_training_step_reads_padding(name):
    rows = [row.double() for row in series([3, 7, 17, 30, 30, 12])]
    ends = []
    for length, padding in ((30, 1e6), (64, float("nan"))):
        encoder = made(name).double()
        out = encoder(batch(rows, length, padding))
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        moved = [p.grad for p in encoder.parameters() if p.grad is not None]
        ends.append([out, *moved, *(b for b in encoder.buffers() if b.is_floating_point())])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", MODALITIES["series"].free)
def test_free_features_of_a_padded_series_are_those_of_the_series_alone(name):
    rows = series([9, 17, 30, 30, 12, 5])
    learnt = FEATURES[name].learn(batch(rows, LENGTH))
    alone = torch.cat([learnt(row[None]) for row in rows])
    for length in (30, 64):
        assert torch.equal(learnt(batch(rows, length, 1e6)), alone)
    assert torch.equal(alone, torch.cat([FEATURES[name].learn(batch(rows, LENGTH, 5.0))(row[None]) for row in rows]))


@pytest.mark.parametrize(
    "setting", [{"crop": 0.4}, {"permute": 5}, {"time_mask": 0.6}, {"scale": 0.5, "jitter": 0.0}, {"jitter": 0.3}, {}]
)
def test_views_of_a_padded_series_are_made_of_its_own_steps(setting):
    views = SeriesViews(**{"scale": 0.0, "jitter": 0.0, "channel_mask": 0.3, **setting})
    rows = [row.abs() + 1 for row in series([1, 2, 7, 30, 12])]
    index = torch.arange(5)
    for seed in range(8):
        found = [views.make(batch(rows, LENGTH, padding), index, seed=seed, pass_=0) for padding in (1e6, -1e6)]
        for one, other in zip(*found, strict=True):
            assert torch.equal(one.values, other.values) and torch.equal(one.mask, batch(rows, LENGTH).mask)
            assert (one.values[~one.mask] == 0).all() and one.values.abs().max() < 100


def test_a_permuted_series_keeps_its_steps_and_a_crop_stays_within_it():
    rows = [1 + torch.arange(length).expand(CHANNELS, -1).double() for length in (1, 3, 9, 30)]
    whole = batch(rows, LENGTH)
    for seed in range(20):
        permuted = SeriesViews(scale=0, jitter=0, permute=6).make(whole, torch.arange(4), seed=seed, pass_=0)[0]
        cropped = SeriesViews(scale=0, jitter=0, crop=0.3).make(whole, torch.arange(4), seed=seed, pass_=0)[0]
        for place, row in enumerate(rows):
            there = permuted.values[place][:, : row.shape[1]]
            assert torch.equal(there.sort(1).values, row)
            window = cropped.values[place][:, : row.shape[1]]
            assert window.min() >= 1 and window.max() <= row.shape[1] and (window.diff(dim=1) >= 0).all()


def test_views_of_series_that_are_all_there_are_those_without_a_mask():
    x = torch.randn(6, CHANNELS, LENGTH)
    views = SeriesViews(crop=0.5, permute=4, time_mask=0.3, channel_mask=0.2)
    plain = views.make(x, torch.arange(6), seed=1, pass_=2)
    masked = views.make(Batch(x, torch.ones_like(x).bool()), torch.arange(6), seed=1, pass_=2)
    assert all(torch.equal(one, other.values) for one, other in zip(plain, masked, strict=True))


def test_preprocessing_learns_from_what_is_there():
    rows = [row.numpy() * 5 + 3 for row in series([4, 9, 30, 12])]
    learnt = SeriesPreprocess.learn(padded(rows), any_length=True)
    joined = np.concatenate(rows, axis=1).astype(np.float64)
    np.testing.assert_allclose(learnt.mean, joined.mean(1))
    np.testing.assert_allclose(learnt.std, joined.std(1))
    assert learnt.unequal and learnt.length == 30
    stored = learnt.transform(padded(rows[:2]))
    assert stored.shape == (2, CHANNELS, 30) and stored.mask.sum(2).tolist() == [[4, 4], [9, 9]]
    assert (stored.values[~stored.mask] == 0).all()


def test_a_gap_is_filled_and_the_end_of_one_channel_is_held():
    row = np.array([[1.0, np.nan, 3.0, 4.0, np.nan], [0.0, 1.0, np.nan, np.nan, np.nan]])
    learnt = SeriesPreprocess(channels=2, length=5, kept=(0, 1), mean=(0, 0), std=(1, 1), any_length=True)
    stored = learnt.transform(np.stack([row, np.ones((2, 5))]))
    assert stored.values[0].tolist() == [[1, 2, 3, 4, 0], [0, 1, 1, 1, 0]]
    assert stored.mask[0].tolist() == [[True] * 4 + [False]] * 2


@pytest.mark.parametrize("embedding", ["learned", "joined"])
@pytest.mark.parametrize("lengths", [[40, 9, 17, 30, 64, 12, 40, 33], [40] * 8])
def test_an_embedding_is_the_same_to_the_bit_in_any_subset_order_and_container(lengths, embedding):
    rows = [row.numpy() for row in series(lengths)]
    learnt = SeriesPreprocess.learn(padded(rows), any_length=True)
    torch.manual_seed(0)
    encoder = MultiScaleCNN(channels=CHANNELS, length=40, width=40, filters=4, scales=3).eval()
    gives = learn_embedding(embedding, encoder, learnt, learnt.transform(padded(rows)))
    representation = Representation(encoder, learnt, method="simclr", embedding=gives)
    # Longer and shorter ones come too, whatever the training had.
    rows = [*rows, *(row.numpy() for row in series([100, 5, 40], seed=1))]
    whole = representation.transform(rows)
    assert np.array_equal(whole, np.concatenate([representation.transform([row]) for row in rows]))
    assert np.array_equal(whole[[9, 2, 4]], representation.transform([rows[9], rows[2], rows[4]]))
    wider = np.full((11, CHANNELS, 150), np.nan, dtype=np.float32)
    wider[:, :, :100] = padded(rows)
    assert np.array_equal(whole, representation.transform(wider))
    with torch.no_grad():
        right = encoder(learnt.transform(rows[9][None] if not learnt.unequal else padded([rows[9]])))
    np.testing.assert_allclose(representation.of_encoder().transform([rows[9]]), right.numpy(), rtol=1e-5, atol=1e-6)
