import numpy as np
import pytest

import isotropy
from isotropy.errors import UserError
from isotropy.evaluation.baselines import EXTRAS, check_baselines


def test_unknown_baselines_and_those_of_other_data_are_refused():
    check_baselines([])
    check_baselines(["patches"], "image")
    with pytest.raises(UserError, match=r"baseline 'patch' is unknown.*patches"):
        check_baselines(["patch"])
    with pytest.raises(UserError, match="'patches' is for image data, and this is series data"):
        check_baselines(["patches"], "series")


def finished(*arguments, **keywords):
    events = isotropy.train(*arguments, method="simclr", epochs=1, evaluators=("linear",), **keywords)
    return next(event for event in events if hasattr(event, "evidence") and hasattr(event, "representation"))


def test_patches_stand_among_the_baselines_of_images_on_request():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    x = (rng.integers(60, size=(60, 1, 8, 8)) + 150 * y[:, None, None, None]).astype(np.uint8)
    found = finished(x, label=y, modality="image", baselines=("patches",))
    names = {score["representation"] for score in found.evidence[0]["scores"]}
    assert EXTRAS["patches"].title in names


def test_random_convolutions_stand_among_the_baselines_of_series():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    x = np.sin(np.arange(24) * np.where(y, 0.5, 0.9)[:, None])[:, None] + rng.normal(size=(60, 1, 24)) / 9
    found = finished(x.astype(np.float32), label=y, modality="series")
    names = {score["representation"] for score in found.evidence[0]["scores"]}
    assert {"summary features", "random convolutions"} <= names
    with pytest.raises(UserError, match="for image data"):
        finished(x.astype(np.float32), label=y, modality="series", baselines=("patches",))
