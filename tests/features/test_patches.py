import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from isotropy.errors import UserError
from isotropy.evaluation.evaluators.few_labels import few_labels
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.features.patches import Patches, patches


def images(*shape, seed=0):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.mark.parametrize("shape", [(9, 1, 8, 8), (9, 3, 40, 33), (9, 1, 2, 5), (1, 3, 32, 32)])
def test_four_quadrants_of_every_centroid(shape):
    found = patches(images(*shape), centroids=5)(images(3, *shape[1:], seed=1))
    quadrants = 4 if min(shape[2:]) > 2 else 1
    assert found.shape == (3, 5 * quadrants) and found.dtype == np.float32
    assert np.isfinite(found).all() and (found >= 0).all()


def test_a_seed_gives_the_same_features_and_rows_do_not_depend_on_the_batch():
    x = images(30, 3, 12, 12)
    learnt, again = patches(x, centroids=8, seed=1), patches(x, centroids=8, seed=1)
    together = learnt(x)
    assert np.array_equal(together, again(x))
    np.testing.assert_allclose(learnt(x[4:6]), together[4:6], atol=1e-5)


def test_the_triangle_is_the_distance_below_the_mean():
    """Coates, Ng and Lee, section 3.2.2: f_k = max(0, mean of z - z_k), z_k the distance to centroid k."""
    x = images(20, 1, 4, 4)
    layer = Patches.learn(x, centroids=6, stride=1)
    patch = x[0].float().flatten()[[0, 1, 4, 5]] / 255
    patch = (patch - patch.mean()) / (patch.var(correction=0) + 10 / 255**2).sqrt()
    distance = (((patch - layer.mean) @ layer.axes)[None] - layer.centroids).norm(dim=1)
    expected = (distance.mean() - distance).clamp(min=0)
    # 3 x 3 positions: the quadrant above and on the left averages four of them.
    four = []
    for row in (0, 1):
        for column in (0, 1):
            four.append(layer(x[:1, :, row : row + 2, column : column + 2])[0])
    np.testing.assert_allclose(four[0], expected, atol=1e-4)
    np.testing.assert_allclose(layer(x[:1])[0].reshape(6, 4)[:, 0], np.mean(four, axis=0), atol=1e-4)


def test_brightness_and_contrast_do_not_count():
    x = images(20, 1, 8, 8).float() / 510
    layer = Patches.learn(x, centroids=6, stride=1)
    np.testing.assert_allclose(layer(0.5 * x + 0.2), layer(x), atol=0.02)


def test_five_labels_of_every_digit_are_worth_more_than_on_raw_pixels():
    digits = load_digits()
    x, y = torch.from_numpy(digits.images).float()[:, None] / 16, digits.target
    problem = Problem.of(y[:900], y[900:], task="classes", sizes=(5,), draws=8)
    layer = patches(x[:900], centroids=256)
    made, raw = (
        next(iter(few_labels(Features(*pair), problem))).terms.mean()
        for pair in ((layer(x[:900]), layer(x[900:])), (digits.data[:900], digits.data[900:]))
    )
    assert made > raw


def test_images_of_one_pixel_are_refused():
    with pytest.raises(UserError, match="2 x 2 pixels or more"):
        patches(images(4, 1, 1, 5))
