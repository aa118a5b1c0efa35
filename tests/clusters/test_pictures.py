"""Pictures of rows show what is in the data."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from isotropy.clusters.pictures import pictures
from isotropy.data import Data


def pixels(one):
    return np.asarray(Image.open(BytesIO(one)))


def test_small_images_are_kept_to_the_pixel_and_enlarged():
    x = np.random.default_rng(0).integers(0, 256, (3, 3, 9, 7), dtype=np.uint8)
    for one, made in zip(x, pictures(Data(x, "image")), strict=True):
        assert np.array_equal(pixels(made), one.transpose(1, 2, 0).repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_images_of_any_numbers_and_channels_are_scaled_into_a_small_frame(channels):
    x = np.random.default_rng(0).normal(size=(2, channels, 200, 100)).astype(np.float32)
    x[0, 0, 0, 0] = np.nan
    assert [pixels(one).shape[:2] for one in pictures(Data(x, "image"))] == [(64, 32)] * 2


def test_a_rising_series_is_drawn_rising_and_gaps_are_left_open():
    x = np.linspace(0, 1, 100)[None, None].repeat(3, axis=0)
    x[1, 0, 40:60], x[2] = np.nan, np.nan
    drawn = [(pixels(one) != 255).any(axis=2) for one in pictures(Data(x, "series"))]
    rows, columns = np.nonzero(drawn[0])
    assert np.corrcoef(rows, columns)[0, 1] < -0.99
    assert drawn[0][:, 55:70].any() and not drawn[1][:, 55:70].any() and not drawn[2].any()


def test_tables_and_too_many_rows_have_none():
    assert pictures(Data(np.zeros((3, 3)), "table")) is None
    assert pictures(Data(np.zeros((20_001, 1, 4)), "series")) is None
