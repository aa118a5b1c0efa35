"""The default encoder for series: any length, masks, scales, pooling, statistics."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from isotropy.batch import Batch
from isotropy.encoders import MultiScaleCNN, proportions
from isotropy.encoders.multiscale import KERNEL, channel_statistics, reaches
from isotropy.errors import UserError


def made(length=40, **options):
    torch.manual_seed(2)
    return MultiScaleCNN(channels=2, length=length, **{"width": 40, "filters": 3, "scales": 4, **options}).eval()


def hidden(x, length, seed=0):
    """Return the series padded to `length`, some of their values missing, and the same without padding."""
    there = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) > 0.3
    padded = torch.full((*x.shape[:2], length), float("nan"))
    padded[..., : x.shape[2]] = x.masked_fill(~there, 1e9)
    mask = torch.zeros(padded.shape, dtype=torch.bool)
    mask[..., : x.shape[2]] = there
    return Batch(padded, mask), Batch(padded[..., : x.shape[2]].clone(), there)


@pytest.mark.parametrize("trained", [3, 40, 700])
@pytest.mark.parametrize("length", [1, 3, 17, 400])
def test_one_network_takes_any_length_at_one_width(trained, length):
    encoder, x = made(trained), torch.randn(3, 2, length)
    assert encoder(x).shape == (3, 40) and encoder(x).isfinite().all()
    assert encoder.frames(x).shape == (3, 12, length)


def test_it_takes_a_hundred_thousand_steps():
    assert made(100_000)(torch.randn(1, 2, 100_000)).isfinite().all()


@pytest.mark.parametrize("channels", [1, 8, 9, 30])
def test_the_width_does_not_depend_on_the_channels(channels):
    assert MultiScaleCNN(channels=channels, length=20)(torch.randn(4, channels, 20)).shape == (4, 320)


@pytest.mark.parametrize("trained", [3, 40, 700])
@pytest.mark.parametrize("length", [3, 17, 90])
def test_a_padded_series_has_the_embedding_of_the_series_alone(trained, length):
    encoder, x = made(trained), torch.randn(5, 2, length)
    padded = Batch(functional.pad(x, (0, 37), value=1e6), functional.pad(torch.ones_like(x), (0, 37)).bool())
    torch.testing.assert_close(encoder(padded), encoder(x), rtol=0, atol=1e-6)
    long, short = hidden(x, length + 50)
    torch.testing.assert_close(encoder(long), encoder(short), rtol=0, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_what_stays_in_cache_has_the_numbers_of_plain_operations(masked):
    encoder, x = made(700), torch.randn(2 * proportions._STEPS // 90 + 5, 2, 90)
    mask = torch.rand(x.shape) > 0.3 if masked else None
    values = x if mask is None else x.masked_fill(~mask, 0.0)
    found, wanted = encoder._in_cache(values, mask), encoder._proportions(values, mask)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(encoder._in_cache(values, mask), found)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(encoder._in_cache(values, mask), found, rtol=0, atol=0)


def test_what_stands_under_a_mask_changes_nothing_in_value_or_gradient():
    encoder, x = made(700).double(), torch.randn(5, 2, 90, dtype=torch.float64)
    there = torch.rand(x.shape) > 0.4
    one, other = x.clone(), x.masked_fill(~there, float("nan"))
    one.requires_grad_()
    found = encoder(Batch(one, there))
    torch.testing.assert_close(found, encoder(Batch(other, there)), rtol=0, atol=1e-12)
    found.square().sum().backward()
    assert one.grad.isfinite().all() and not one.grad[~there].any()


def test_a_series_or_a_channel_without_values_is_finite():
    encoder, mask = made(), torch.ones(3, 2, 20, dtype=torch.bool)
    mask[0], mask[1, 0] = False, False
    assert encoder(Batch(torch.randn(3, 2, 20), mask)).isfinite().all()


def test_a_filter_is_read_as_its_proportion_above_the_threshold():
    encoder, x = made(40, scales=2).double(), torch.randn(3, 2, 40, dtype=torch.float64)
    proportions = []
    encoder.norm.register_forward_pre_hook(lambda _, given: proportions.append(given[0]))
    encoder(x)
    expected = []
    for convolution, dilation in zip(encoder.convolutions, reaches(40, 2), strict=True):
        weight = convolution.weight.squeeze(2)
        response = functional.conv1d(x, weight, convolution.bias, padding=4 * dilation, dilation=dilation)
        expected.append((1 / (1 + (-8 * response).exp())).mean(2))
    torch.testing.assert_close(proportions[0], torch.cat(expected, 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(encoder.frames(x).mean(2), proportions[0], rtol=0, atol=1e-12)


def test_wide_scales_read_averages():
    encoder = made(700)
    assert max(encoder.blocks) > 1
    for block, convolution in zip(encoder.blocks, encoder.convolutions, strict=True):
        assert block * convolution.dilation[1] * (KERNEL - 1) <= 700 * 1.2
    fast = torch.randn(4, 2, 700)
    coarse = functional.avg_pool1d(fast, encoder.blocks[-1], ceil_mode=True)
    responses = [one for one, _ in encoder._responses(fast, None)]
    expected = encoder.convolutions[-1](coarse.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(responses[-1], expected)


def test_statistics_are_those_of_numpy_over_what_is_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3, 30)) * 5
    mask = rng.random(x.shape) > 0.3
    found = channel_statistics(torch.from_numpy(np.where(mask, x, 0)), torch.from_numpy(mask)).numpy()
    whole = channel_statistics(torch.from_numpy(x), None).numpy()
    for row in range(4):
        for channel in range(3):
            for made, there in ((found, mask[row, channel]), (whole, np.ones(30, dtype=bool))):
                values = x[row, channel][there]
                steps = np.diff(x[row, channel])[there[1:] & there[:-1]]
                right = [
                    np.arcsinh(values.mean()), np.log(values.var() + 1e-4) / 2, np.arcsinh(values.min()),
                    np.arcsinh(values.max()), np.arcsinh(values[-1]), np.log(np.abs(steps).mean() + 1e-3),
                ]  # fmt: skip
                np.testing.assert_allclose(made[row, channel::3], right, rtol=1e-9)


def test_the_level_of_a_series_is_in_the_embedding_whatever_is_learnt():
    encoder = made()
    torch.nn.init.zeros_(encoder.head.weight)
    x = torch.randn(3, 2, 40)
    assert (encoder(x + 1) - encoder(x)).abs().max() > 0.1 and (encoder(2 * x) - encoder(x)).abs().max() > 0.1


def test_kernels_begin_with_sum_zero_and_norm_one():
    for convolution in made().convolutions:
        torch.testing.assert_close(convolution.weight.sum(3), torch.zeros(3, 2, 1), rtol=0, atol=1e-5)
        torch.testing.assert_close(convolution.weight.flatten(1).norm(dim=1), torch.ones(3))


def test_one_row_alone_can_be_trained_on():
    encoder, x = made(), torch.randn(3, 2, 40)
    encoder(x)
    torch.testing.assert_close(encoder.train()(x[:1]), encoder.eval()(x[:1]))


def test_training_moves_the_norms_and_one_row_does_not():
    encoder = made().train()
    encoder(torch.randn(1, 2, 40))
    before = encoder.norm.running_mean.clone()
    assert (before == 0.5).all()
    encoder(torch.randn(4, 2, 40))
    assert not torch.equal(before, encoder.norm.running_mean)


def test_a_width_without_room_to_learn_is_refused():
    with pytest.raises(UserError, match="width = 48: 48 numbers are statistics of 20 channels, so give more"):
        MultiScaleCNN(channels=20, length=30, width=48)
    with pytest.raises(UserError, match="scales must be a whole number"):
        MultiScaleCNN(channels=1, length=30, scales=0)
