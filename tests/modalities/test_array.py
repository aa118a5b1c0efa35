"""Arrays of any shape: what has no modality of its own trains by methods that need no views that know the data."""

import numpy as np
import pytest
import torch
from torch import nn

from isotropy import SelfSupervisedEncoder, load, read
from isotropy.data import ArrayPreprocess
from isotropy.errors import UserError
from isotropy.views import ArrayViews

VOLUMES = np.random.default_rng(0).normal(3, 2, (48, 2, 4, 5, 6)).astype(np.float32)
METHODS = {
    "lfr": {"num_projectors": 2, "num_candidates": 3},
    "diet": {},
    "autoencoder": {},
    "masked": {},
    "dacl": {},
    "lejepa": {},
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_without_views_of_a_modality(method, tmp_path):
    model = SelfSupervisedEncoder(
        method, modality="array", epochs=1, batch_size=24, random_state=0, method_options=METHODS[method],
        encoder_options={"width": 8, "hidden": 16},
    )  # fmt: skip
    z = model.fit(VOLUMES).transform(VOLUMES)
    assert z.shape == (48, 8) and np.isfinite(z).all() and z.std() > 0
    model.save(tmp_path)
    assert np.array_equal(load(tmp_path).transform(VOLUMES[5:9]), z[5:9])


def test_a_network_of_ones_own_takes_volumes():
    network = nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1))
    model = SelfSupervisedEncoder("dacl", encoder=network, modality="array", epochs=1, batch_size=24, random_state=0)
    assert model.fit_transform(VOLUMES).shape == (48, 4)


def test_channels_are_standardised_on_training_rows():
    values = VOLUMES.astype(np.float64) + 1e6 * np.arange(2).reshape(2, 1, 1, 1)
    rows = np.arange(0, 48, 2)
    learnt = ArrayPreprocess.learn(values, rows)
    part = values[rows]
    np.testing.assert_allclose(learnt.mean, part.mean(axis=(0, 2, 3, 4)), rtol=1e-12)
    np.testing.assert_allclose(learnt.std, part.std(axis=(0, 2, 3, 4)), rtol=1e-9)
    flat = ArrayPreprocess.learn(np.arange(12.0).reshape(6, 2))
    torch.testing.assert_close(flat.transform(np.arange(12.0).reshape(6, 2)).mean(0), torch.zeros(2))


def test_what_is_no_array_of_the_training_is_refused():
    assert read(VOLUMES, modality="array").description == "the array: arrays of 2x4x5x6, 48 rows (float32)"
    with pytest.raises(UserError, match="could be anything.*'array' takes any shape"):
        read(VOLUMES)
    broken = VOLUMES.copy()
    broken[3, 0, 0, 0, 0] = np.nan
    for line, values in {
        "missing or infinite": broken,
        "at least two rows": VOLUMES[:1],
        "nothing is left to learn": np.ones((5, 2, 3)),
    }.items():
        with pytest.raises(UserError, match=line):
            ArrayPreprocess.learn(values)
    with pytest.raises(UserError, match="the rows have the shape .4, 5, 6.; the training had .2, 4, 5, 6."):
        ArrayPreprocess.learn(VOLUMES).transform(VOLUMES[:, 0])
    with pytest.raises(UserError, match="cannot be arrays: give numbers"):
        read(np.array([["a", "b"]]), modality="array")


def test_views_hide_whole_blocks_and_are_functions_of_the_sample():
    views = ArrayViews(mask=0.5, block=2, jitter=0.0)
    x = torch.ones(64, 3, 4, 6)
    one, two = views.make(x, torch.arange(64), seed=1, pass_=2)
    assert torch.equal(views.make(x[9:11], torch.tensor([9, 10]), seed=1, pass_=2)[1], two[9:11])
    blocks = one.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert ((blocks == 0).all(4) | (blocks == 1).all(4)).all() and abs(float(one.mean()) - 0.5) < 0.05
    noisy = ArrayViews(mask=0.0, jitter=0.5).make(x, torch.arange(64), seed=1, pass_=2)[0] - x
    assert abs(float(noisy.std()) - 0.5) < 0.01
