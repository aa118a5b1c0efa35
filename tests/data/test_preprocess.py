import json

import numpy as np
import pytest
import torch

from isotropy.data import PREPROCESS, ImagePreprocess, SeriesPreprocess
from isotropy.data import tensors as tensors_module
from isotropy.data.series import interpolate
from isotropy.errors import UserError


def waves(rows=30, channels=3, length=20, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(rows, channels, length)) * [[1.0], [10.0], [0.1]][:channels] + 5


def pictures(rows=20, channels=3, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (rows, channels, side, side + 2), dtype=np.uint8)


def test_registry_names_modalities():
    assert {name: cls.modality for name, cls in PREPROCESS.items()} == {name: name for name in PREPROCESS}


def test_channels_are_standardised_by_training_rows_alone():
    values = waves()
    series = SeriesPreprocess.learn(values[:20])
    rows = series.transform(values)
    assert rows.dtype == torch.float32 and series.shape == {"channels": 3, "length": 20}
    np.testing.assert_allclose(rows[:20].mean((0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(rows[:20].std((0, 2), correction=0), 1, rtol=1e-5)
    changed = values.copy()
    changed[20:] *= 100
    assert SeriesPreprocess.learn(changed[:20]).to_json() == series.to_json()


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_pieces_change_nothing(monkeypatch, dtype):
    values = (waves() * 100).astype(dtype)
    whole = SeriesPreprocess.learn(values)
    stored = whole.transform(values)
    monkeypatch.setattr(tensors_module, "PIECE", 200)
    pieces = SeriesPreprocess.learn(values)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(pieces.std, whole.std, rtol=1e-12)
    assert torch.equal(whole.transform(values), stored)
    assert torch.equal(whole.transform(torch.from_numpy(values)), stored)


def test_a_channel_that_moves_in_one_piece_only_is_kept(monkeypatch):
    monkeypatch.setattr(tensors_module, "PIECE", 200)
    values = waves(rows=12)
    values[3:, 1] = values[0, 1, 0]
    values[6:, 2] = np.nan
    assert SeriesPreprocess.learn(values).kept == (0, 1, 2)


def test_series_json_round_trip_is_exact_to_the_bit():
    values = waves()
    series = SeriesPreprocess.learn(values, any_length=True)
    again = SeriesPreprocess.from_json(json.loads(json.dumps(series.to_json())))
    assert torch.equal(again.transform(values), series.transform(values)) and again.any_length
    with pytest.raises(UserError, match="no series preprocessing"):
        SeriesPreprocess.from_json({"modality": "series"})


def test_missing_values_are_interpolated_in_time():
    values = waves()
    series = SeriesPreprocess.learn(values)
    holes = values.copy()
    holes[0, 1, [0, 5, 6, 19]] = np.nan
    holes[1, 2] = np.nan
    rows = series.transform(holes)
    line = np.interp(np.arange(20), np.flatnonzero(~np.isnan(holes[0, 1])), holes[0, 1][~np.isnan(holes[0, 1])])
    np.testing.assert_allclose(rows[0, 1], (line - series.mean[1]) / series.std[1], rtol=1e-5, atol=1e-6)
    assert (rows[1, 2] == 0).all() and torch.equal(rows[2:], series.transform(values)[2:])
    learnt = SeriesPreprocess.learn(holes)
    np.testing.assert_allclose(learnt.mean, np.nanmean(holes, axis=(0, 2)), rtol=1e-12)
    np.testing.assert_allclose(learnt.std, np.nanstd(holes, axis=(0, 2)), rtol=1e-12)


def test_series_are_standardised_alike_alone_and_among_many_in_memory_of_their_own():
    values = np.random.default_rng(2).normal(size=(600, 3, 64))
    values[7, 1, 3:9], values[8, 2] = np.nan, np.nan
    values[9, 0, 0] = 1e30
    series = SeriesPreprocess.learn(values[:5])
    before, whole = values.copy(), series.transform(values)
    for row in (0, 7, 8, 9, 599):
        assert torch.equal(series.transform(values[row : row + 1])[0], whole[row])
    np.testing.assert_array_equal(values, before)
    assert whole.isfinite().all() and whole.max() <= 1e6


def test_interpolation_equals_numpy_everywhere():
    draw = np.random.default_rng(1)
    values = draw.normal(size=(40, 2, 9))
    values[draw.random(values.shape) < 0.6] = np.nan
    for row, filled in zip(values.reshape(-1, 9), interpolate(values).reshape(-1, 9)):
        there = ~np.isnan(row)
        if there.any():
            np.testing.assert_allclose(filled, np.interp(np.arange(9), np.flatnonzero(there), row[there]))
        else:
            assert np.isnan(filled).all()


def test_flat_channels_are_dropped_by_name():
    values = waves()
    values[:, 1] = 3.25
    values[:, 2] = np.nan
    with pytest.warns(UserWarning, match="channels dropped.*: 1, 2"):
        series = SeriesPreprocess.learn(values)
    assert series.shape == {"channels": 1, "length": 20}
    assert series.transform(values).shape == (30, 1, 20)
    with pytest.raises(UserError, match="no channel is left"):
        SeriesPreprocess.learn(np.ones((4, 2, 5)))


def test_another_length_than_all_training_series_had_is_a_departure():
    learnt = SeriesPreprocess.learn(waves(), any_length=True)
    assert learnt.departure(waves()) is None
    assert learnt.departure(waves(length=15)) == "the series have 15 steps, the training had 20"
    early = waves()
    early[3, :, 12:] = np.nan
    assert learnt.departure(early) == "the series have 12 to 20 steps, the training had 20"
    # Training with several lengths knows no other one; of an encoder of one length `transform` says what it does.
    assert SeriesPreprocess.learn(early, any_length=True).departure(waves(length=15)) is None
    assert SeriesPreprocess.learn(waves()).departure(early) is None


def test_new_series_must_have_the_form_of_training():
    series = SeriesPreprocess.learn(waves())
    with pytest.raises(UserError, match="have 2 channels; the training had 3"):
        series.transform(waves(channels=2))
    hint = r"have 1 channel; the training had 3: of one series give an array of shape \(1, 3, 20\)$"
    with pytest.raises(UserError, match=hint):
        series.transform(waves()[0][:, None])
    with pytest.raises(UserError, match="have 1 channel; the training had 3$"):
        series.transform(waves(rows=4, channels=1))
    with pytest.raises(UserError, match="have 15 time steps; the training had 20"):
        series.transform(waves(length=15))
    assert SeriesPreprocess.learn(waves(), any_length=True).transform(waves(length=15)).shape == (30, 3, 15)
    bad = waves()
    bad[7, 2, 4] = -np.inf
    with pytest.raises(UserError, match="series 7, channel 2, step 4: infinite"):
        series.transform(bad)
    with pytest.raises(UserError, match="series 7, channel 2, step 4: infinite"):
        SeriesPreprocess.learn(bad)
    with pytest.raises(UserError, match="at least two series; there are 1"):
        SeriesPreprocess.learn(waves(rows=1))
    with pytest.raises(UserError, match="three dimensions"):
        series.transform(np.ones((3, 4)))


def test_series_features_are_flat():
    series = SeriesPreprocess.learn(waves())
    rows = series.transform(waves())
    np.testing.assert_array_equal(series.features(rows), rows.numpy().reshape(30, 60))


def test_image_statistics_are_those_of_all_training_pixels(monkeypatch):
    values = pictures()
    learnt = ImagePreprocess.learn(values[:15])
    scaled = values[:15].astype(np.float64) / 255
    np.testing.assert_allclose(learnt.mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(learnt.std, scaled.std(axis=(0, 2, 3)), rtol=1e-12)
    monkeypatch.setattr(tensors_module, "PIECE", 500)
    assert ImagePreprocess.learn(values[:15]).to_json() == learnt.to_json()
    assert ImagePreprocess.learn(values[:15] / 255).to_json() == {**learnt.to_json(), "scale": "unit"}


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_uint8_until_they_are_prepared(channels):
    values = pictures(channels=channels)
    images = ImagePreprocess.learn(values)
    rows = images.transform(values)
    assert rows.dtype == torch.uint8 and rows.data_ptr() == values.ctypes.data
    assert images.shape == {"channels": channels, "size": [8, 10]}
    prepared = images.to_input(rows)
    mean, std = (np.array(numbers)[:, None, None] for numbers in (images.mean, images.std))
    np.testing.assert_allclose(prepared, (values / 255 - mean) / std, atol=1e-5)
    assert prepared.dtype == torch.float32 and torch.equal(rows, torch.from_numpy(values))


def test_read_only_images_are_copied():
    values = pictures()
    images = ImagePreprocess.learn(values)
    values.flags.writeable = False
    rows = images.transform(values)
    assert rows.data_ptr() != values.ctypes.data and torch.equal(rows, torch.from_numpy(values.copy()))


def test_image_json_round_trip_is_exact_to_the_bit():
    images = ImagePreprocess.learn(pictures())
    again = ImagePreprocess.from_json(json.loads(json.dumps(images.to_json())))
    rows = images.transform(pictures())
    assert torch.equal(again.to_input(again.transform(pictures())), images.to_input(rows))
    with pytest.raises(UserError, match="no image preprocessing"):
        ImagePreprocess.from_json({"size": 3})
    with pytest.raises(UserError, match="unknown scale 'units'"):
        ImagePreprocess.from_json(images.to_json() | {"scale": "units"})


def test_new_images_must_have_the_form_of_training():
    images = ImagePreprocess.learn(pictures())
    with pytest.raises(UserError, match="are 9x11; the training had 8x10"):
        images.transform(pictures(side=9))
    with pytest.raises(UserError, match="have 1 channel; the training had 3"):
        images.transform(pictures(channels=1))
    with pytest.raises(UserError, match="images are numbers .samples"):
        images.transform(pictures()[0])
    with pytest.raises(UserError, match="at least two images"):
        ImagePreprocess.learn(pictures(rows=1))
    with pytest.raises(UserError, match="nothing is left"):
        ImagePreprocess.learn(np.full((4, 1, 3, 3), 7, dtype=np.uint8))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_image_is_read_alone_as_it_is_in_a_batch(kind):
    whole = pictures().astype(kind)
    whole[0] = np.arange(80).reshape(8, 10) % 2  # dark: alone it could be shares of white
    images = ImagePreprocess.learn(whole)
    assert (
        torch.equal(images.transform(whole[:1]), images.transform(whole)[:1]) and images.transform(whole[:1]).max() == 1
    )
    again = ImagePreprocess.from_json(json.loads(json.dumps(images.to_json())))
    assert torch.equal(again.transform(whole[:1]), images.transform(whole[:1]))
    unit = ImagePreprocess.learn(pictures() / kind(255))
    assert torch.equal(unit.transform(whole[:1]), images.transform(whole[:1]) * 255)
    np.testing.assert_array_equal(unit.transform(pictures()), pictures())
    with pytest.raises(UserError, match=r"training were floats in \[0, 1\]; these are .* from 0 to 199: rescale"):
        unit.transform(whole)
    with pytest.raises(UserError, match=r"training were whole levels 0 to 255; these are .*times 255"):
        images.transform(whole / kind(255))


def test_image_features_are_pixels_of_bounded_size():
    values = pictures(rows=300)
    images = ImagePreprocess.learn(values)
    np.testing.assert_allclose(images.features(images.transform(values)), values.reshape(300, -1) / 255, atol=1e-6)
    large = pictures(rows=3, side=64)
    images = ImagePreprocess.learn(large)
    features = images.features(images.transform(large))
    assert features.shape == (3, 3 * 32 * 32)
    np.testing.assert_allclose(features.mean(), large.mean() / 255, rtol=1e-2)


def test_one_constant_colour_is_kept_finite():
    values = pictures()
    values[:, 2] = 9
    images = ImagePreprocess.learn(values)
    assert torch.isfinite(images.to_input(images.transform(values))).all() and images.channels == 3
