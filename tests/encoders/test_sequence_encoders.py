"""Frames along time, and the encoders for series that are not convolutional."""

import numpy as np
import pytest
import torch
from torch import nn

from isotropy.encoders import ENCODERS, GRU, FrameEncoder, SeriesMLP, SeriesTransformer, build, wrap
from isotropy.encoders.series import places
from isotropy.errors import UserError
from isotropy.nn.attention import Block

SERIES = [name for name, kind in ENCODERS.items() if kind.modality == "series"]
FRAMED = [name for name in SERIES if issubclass(ENCODERS[name], FrameEncoder)]
# Reads more of a frame than its mean (tests/encoders/test_multiscale.py).
POOLED = [name for name in FRAMED if name != "multiscale_cnn"]


def series(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", POOLED)
def test_an_encoders_vector_is_its_frames_pooled_or_flattened(name):
    encoder, x = build(name, "series", {"channels": 2, "length": 40}).double().eval(), series(3, 2, 40)
    frames = encoder.frames(x)
    assert frames.shape[:2] == (3, encoder.frame_width) and frames.shape[2] > 1
    made = frames.mean(2) if encoder.width == encoder.frame_width else frames.flatten(1)
    torch.testing.assert_close(encoder(x), made, rtol=0, atol=1e-12)


def test_the_perceptron_and_the_axis_of_speeds_have_no_frames():
    assert set(SERIES) - set(FRAMED) == {"series_mlp", "dilation_cnn"}


def test_a_wrapped_network_hands_on_its_own_frames():
    class Own(nn.Module):
        frame_width = 4

        def frames(self, x):
            return x.repeat(1, 4, 1)

        def forward(self, x):
            return self.frames(x).mean(2)

    wrapped = wrap(Own(), width=4)
    assert isinstance(wrapped, FrameEncoder) and wrapped.frame_width == 4
    assert wrapped.frames(torch.zeros(2, 1, 6)).shape == (2, 4, 6)
    assert not isinstance(wrap(nn.Flatten(), width=6), FrameEncoder)


@pytest.mark.parametrize("name", ["gru", "series_transformer"])
@pytest.mark.parametrize("length", [1, 7, 64, 333])
def test_they_take_any_length(name, length):
    encoder = build(name, "series", {"channels": 2, "length": 40}, width=8)
    assert encoder(torch.randn(3, 2, length)).shape == (3, 8)


def test_a_block_equals_the_equations_written_with_numpy():
    block = Block(6, heads=2, hidden=5).double()
    x = series(2, 4, 6)
    weights = {name: p.detach().numpy() for name, p in block.named_parameters()}

    def norm(rows, name):
        rows = rows - rows.mean(-1, keepdims=True)
        rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + 1e-5)
        return rows * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    for row, made in zip(x.numpy(), block(x).detach().numpy()):
        query, key, value = np.split(norm(row, "first_norm") @ weights["mix.weight"].T, 3, axis=1)
        heads = []
        for part in (slice(0, 3), slice(3, 6)):
            scores = np.exp(query[:, part] @ key[:, part].T / np.sqrt(3))
            heads.append(scores / scores.sum(1, keepdims=True) @ value[:, part])
        row = row + np.concatenate(heads, 1) @ weights["join.weight"].T + weights["join.bias"]
        inner = norm(row, "second_norm") @ weights["widen.weight"].T + weights["widen.bias"]
        row = row + np.maximum(inner, 0) @ weights["narrow.weight"].T + weights["narrow.bias"]
        np.testing.assert_allclose(made, row, rtol=0, atol=1e-12)


def test_a_transformer_knows_the_order_of_patches_and_a_place_is_what_the_paper_says():
    encoder, x = SeriesTransformer(channels=1, width=8, patch=4).double().eval(), series(2, 1, 16)
    turned = x.unflatten(2, (4, 4)).flip(2).flatten(2)
    assert (encoder(x) - encoder(turned)).abs().max() > 1e-4
    made = places(7, 6)
    for place in range(7):
        for column in range(3):
            angle = place / 10000 ** (column / 3)
            assert made[place, column].item() == pytest.approx(np.sin(angle), abs=1e-12)
            assert made[place, column + 3].item() == pytest.approx(np.cos(angle), abs=1e-12)


def test_a_gru_reads_in_both_directions():
    encoder = GRU(channels=1, width=6, stride=1).double()
    x = series(1, 1, 12).requires_grad_()
    encoder.frames(x)[0, :, 5].sum().backward()
    assert (x.grad[0, 0] != 0).all()


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(UserError, match="gru halves its width between two directions: 7 is odd"):
        GRU(channels=1, width=7)
    with pytest.raises(UserError, match="3 heads of attention do not divide a width of 128"):
        SeriesTransformer(channels=1, heads=3)
    with pytest.raises(UserError, match="depth must be a whole number of at least 1"):
        SeriesMLP(channels=1, length=4, depth=0)
