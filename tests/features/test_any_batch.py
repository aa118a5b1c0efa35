"""What says that a row's features have the same bits in any batch has."""

import numpy as np
import pytest
import torch

from isotropy.features import FEATURES

ROWS = {"series": (3, 40), "image": (3, 12, 12), "table": (5,)}
OF = {
    "series_summary": "series",
    "series_course": "series",
    "random_convolutions": "series",
    "patches": "image",
    "pixels": "image",
}


@pytest.mark.parametrize("name", [name for name, made in FEATURES.items() if made.any_batch])
def test_a_row_has_the_same_bits_in_any_batch(name):
    rows = torch.rand(300, *ROWS[OF.get(name, "table")], generator=torch.Generator().manual_seed(0))
    features = FEATURES[name].learn(rows)
    whole = features(rows).numpy()
    places = np.random.default_rng(0).permutation(300)
    for size in (1, 7, 64):
        some = places[:size]
        assert np.array_equal(features(rows[some]).numpy(), whole[some])
        assert np.array_equal(features(rows[some[-1] :]).numpy(), whole[some[-1] :])
