"""Structured views from the recipe to the artefact, beside the same moves of the input."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from isotropy import SelfSupervisedEncoder, load
from isotropy.errors import UserError

OPTIONS = {
    "encoder": "c4_cnn",
    "encoder_options": {"width": 8},
    "method_options": {"projector": [16, 8]},
    "epochs": 2,
    "batch_size": 32,
    "random_state": 0,
    "precision": "float32",
}


def digits():
    return load_digits().images[:96].astype(np.uint8)


def trained(**views):
    return SelfSupervisedEncoder("simclr", view_options=views, **OPTIONS).fit(digits())


def test_both_kinds_of_views_train_the_same_encoder(tmp_path):
    read, moved = trained(name="structured"), trained(name="moved")
    a, b = (model.representation_.encoder.state_dict() for model in (read, moved))
    # The same mathematics; float32 rounds differently in maps of turned images.
    assert all(torch.allclose(a[name], b[name], atol=2e-3) for name in a)
    assert read.history_[0]["loss"] == pytest.approx(moved.history_[0]["loss"], rel=1e-4)
    read.representation_.save(tmp_path)
    again = load(tmp_path).transform(digits()[:5])
    assert np.array_equal(again, read.transform(digits()[:5]))


def test_the_strength_is_a_setting():
    near, far = trained(name="structured", distance=1), trained(name="structured", distance=2)
    assert near.history_[-1]["loss"] != far.history_[-1]["loss"]


@pytest.mark.parametrize(
    ("options", "views", "said"),
    [
        (
            {"encoder": "small_resnet"},
            {"name": "structured"},
            "needs an equivariant encoder, not 'small_resnet'.*c4_cnn",
        ),
        ({}, {"name": "structurd"}, "did you mean 'structured'"),
        ({}, {"name": "structured", "lam": 1}, "views has no option 'lam'"),
        ({}, {"name": "structured", "base_size": 2}, "set encoder.read = 2"),
        ({}, {"name": "structured", "distance": 3}, "lie 0 to 2 apart"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(options, views, said):
    options = OPTIONS | options
    if options["encoder"] == "small_resnet":
        options["encoder_options"] = {}
    with pytest.raises(UserError, match=said):
        SelfSupervisedEncoder("simclr", view_options=views, **options).fit(digits())


def test_a_method_that_compares_no_views_is_refused():
    with pytest.raises(UserError, match="lfr compares no views"):
        SelfSupervisedEncoder("lfr", encoder="c4_cnn", view_options={"name": "structured"}, epochs=1).fit(digits())
