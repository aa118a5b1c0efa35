"""Summaries of series as long as they are."""

import numpy as np
import torch

from isotropy.batch import Batch
from isotropy.data import SeriesPreprocess
from isotropy.encoders import ENCODERS
from isotropy.evaluation.baselines import collect
from isotropy.features.series import own_series
from isotropy.features.summary import BANDS, SeriesCourse, SeriesSummary, cuts, series_summary, usual_bands
from isotropy.representation import learn_embedding


def series(steps, seed=0):
    """Return series (N, 2, longest) of noise as a batch, each of its own steps."""
    values = torch.randn(len(steps), 2, max(steps), generator=torch.Generator().manual_seed(seed))
    mask = (torch.arange(max(steps)) < torch.tensor(steps)[:, None, None]).expand(values.shape)
    return Batch(values, mask.contiguous())


def test_a_padded_series_has_the_summary_of_the_series_alone():
    rows = series([100, 64, 80])
    found = series_summary(own_series(rows, 2))
    for place, length in enumerate((100, 64, 80)):
        alone = series_summary(rows.values[place : place + 1, :, :length].numpy())
        assert np.array_equal(found[place], alone[0])


def test_a_frequency_is_the_same_at_every_length():
    steps = [200, 400, 300]
    rows = series(steps)
    wave = torch.sin(2 * torch.pi * 0.2 * torch.arange(400)).expand(rows.shape)
    found = series_summary(own_series(Batch(wave.contiguous(), rows.mask), 2))
    strongest = found[:, 10:].reshape(3, 2, BANDS).argmax(axis=2)
    assert (strongest == int(0.2 / 0.5 * BANDS)).all()


def test_short_series_have_as_many_numbers_as_the_others():
    rows = series([1, 2, 40, 30, 50])
    made = SeriesSummary.learn(rows)
    found = made(rows)
    assert usual_bands(own_series(rows, 2)) == 15
    assert found.shape == (5, 2 * (5 + 15)) and bool(torch.isfinite(found).all())
    assert torch.equal(made(rows[1:3]), found[1:3])


def test_baselines_of_series_that_hardly_have_a_step_are_finite():
    x = own_series(series([1, 1, 1, 5]), 1)
    raw = np.eye(4)
    found = collect(raw, raw, width=2, series=(x, x))["summary features"][0]
    assert usual_bands(x) == 1 and found.shape == (4, 2 * 6) and np.isfinite(found).all()


def test_what_was_learnt_on_one_length_reads_series_at_it():
    rows = torch.randn(4, 2, 90, generator=torch.Generator().manual_seed(0))
    made = SeriesSummary.learn(rows)
    before = SeriesSummary({"length": torch.tensor(90)})  # as runs kept it that had no number of bands
    assert made(rows[..., :70]).shape == (4, 2 * 37)
    assert torch.equal(before(rows), made(rows))


def test_the_course_of_a_series_is_the_summaries_of_its_parts():
    steps = [4000, 2048, 3001]
    rows = series(steps)
    made = SeriesCourse.learn(rows)
    found = made(rows).numpy()
    for place, length in enumerate(steps):
        alone = rows.values[place : place + 1, :, :length].numpy()
        parts = [series_summary(alone[..., start:stop])[0] for start, stop in cuts(length, 4)]
        assert np.array_equal(found[place], np.concatenate(parts))


def test_the_course_of_a_short_series_has_as_many_numbers():
    found = SeriesCourse.learn(series([3000, 2500]))(series([3, 700]))
    assert found.shape == (2, 4 * 2 * 37) and bool(torch.isfinite(found).all())


def test_long_series_alone_are_joined_with_their_course():
    assert SeriesCourse.suits(series([100, 2100, 2048]))
    assert not SeriesCourse.suits(series([100, 9000, 2047]))
    for length, joined in ((2048, True), (2047, False)):
        x = np.random.default_rng(0).normal(size=(8, 1, length))
        preprocess = SeriesPreprocess.learn(x, any_length=True)
        encoder = ENCODERS["multiscale_cnn"](channels=1, length=length)
        made = learn_embedding("joined", encoder, preprocess, preprocess.transform(x))
        assert ("series_course" in made.parts) == joined


def test_a_group_of_short_series_alone_has_the_columns_of_all():
    values, mask = (
        torch.randn(6, 2, 60),
        torch.arange(60).expand(6, 2, 60) < torch.tensor([60, 60, 60, 60, 9, 11]).view(6, 1, 1),
    )
    made = SeriesSummary.learn(Batch(values, mask))
    short = made(Batch(values[4:, :, :12], mask[4:, :, :12]))
    torch.testing.assert_close(short, made(Batch(values, mask))[4:], rtol=0, atol=0)
