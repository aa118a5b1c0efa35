"""Equivariance: exact where a group is exact, measured where it is not, and errors that must be seen."""

import pytest
import torch
from torch import nn

from isotropy.encoders import (
    C4CNN,
    D4CNN,
    C4ResNet,
    CyclicCNN,
    CyclicSeriesCNN,
    DilationCNN,
    ScaleCNN,
    equivariance_error,
)
from isotropy.encoders.equivariant.groups import GroupConv, GroupNorm, Lift
from isotropy.encoders.equivariant.space import Rotations, Scales, Translations, act
from isotropy.errors import UserError

EXACT = {
    "c4": lambda: C4CNN(channels=2, size=(12, 12), width=8),
    "c4 odd": lambda: C4CNN(channels=2, size=(13, 13), width=8),
    "d4": lambda: D4CNN(channels=2, size=(12, 12), width=8),
    "c4 resnet": lambda: C4ResNet(channels=2, size=(12, 12), width=8),
    "torus": lambda: CyclicCNN(channels=2, size=(12, 16), width=8),
    "series": lambda: CyclicSeriesCNN(channels=2, length=24, width=8),
}


def inputs(encoder, rows, seed=0):
    shape = (2, 24) if encoder.modality == "series" else (2, *encoder.arguments["size"])
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("train", [True, False])
def test_a_moved_input_at_home_is_the_input_at_the_moved_place(name, train):
    encoder = EXACT[name]().double().train(train)
    base = encoder.base
    starts = base.offsets(1)
    x = inputs(encoder, len(starts))
    moved = encoder.fibres(base.transformed(x, starts, 1))
    plain = encoder.fibres(x)
    left = base.crop(moved, base.origin(1).expand(len(x), -1), 1)
    assert (left - base.crop(plain, starts, 1)).abs().max() < 1e-12 * plain.abs().max()
    assert encoder.equivariance_error < 1e-12
    # In float32, as it trains.
    single = encoder.float()
    left = base.crop(single.fibres(base.transformed(x, starts, 1).float()), base.origin(1).expand(len(x), -1), 1)
    right = base.crop(single.fibres(x.float()), starts, 1)
    assert (left - right).abs().max() < 1e-5 * right.abs().max()


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("size", [2, 3])
def test_patches_of_several_places_keep_their_order(name, size):
    encoder = EXACT[name]().double()
    base = encoder.base
    starts = base.offsets(size)[:6]
    x = inputs(encoder, len(starts), seed=1)
    left = base.crop(encoder.fibres(base.transformed(x, starts, size)), base.origin(size).expand(len(x), -1), size)
    right = base.crop(encoder.fibres(x), starts, size)
    assert (left - right).abs().max() < 1e-12
    assert right.shape[1] == 8 * size ** len(base.shape)


@pytest.mark.parametrize("mirrors", [False, True])
def test_the_group_is_a_group_and_acts(mirrors):
    group = Rotations(mirrors=mirrors)
    n, table, inverse = group.shape[0], group.table, group.inverse
    x = torch.randn(1, 3, 5, 5)
    for a in range(n):
        assert table[a, 0] == a == table[0, a] and table[a, inverse[a]] == 0
        assert sorted(table[a].tolist()) == list(range(n))
        for b in range(n):
            assert torch.equal(act(x, int(table[a, b])), act(act(x, b), a))
            assert torch.equal(table[table[a, b]], table[a][table[b]])


def test_c4_rolls_its_axis_by_the_turn():
    encoder = C4CNN(channels=1, size=(8, 8), width=4).double()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    for k in (1, 2, 3):
        turned = encoder.fibres(torch.rot90(x, k, (2, 3)))
        assert torch.allclose(turned, encoder.fibres(x).roll(k, 2), atol=1e-12)
        assert k == 2 or not torch.allclose(turned, encoder.fibres(x).roll(-k, 2), atol=1e-2)


def test_before_pooling_the_maps_turn_too():
    group = Rotations(mirrors=False)
    net = nn.Sequential(Lift(group, 1, 3), GroupNorm(3), nn.ReLU(), GroupConv(group, 3, 2)).double()
    x = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    right, turned = net(x), net(torch.rot90(x, 1, (2, 3)))
    # f(T_k x)(r = 0, u) = f(x)(r = -k, R^-k u) with R^-1 (i, j) = (j, H - 1 - i).
    for i in range(6):
        for j in range(6):
            assert torch.allclose(turned[:, :, 0, i, j], right[:, :, 3, j, 5 - i], atol=1e-12)


@pytest.mark.parametrize("size", [(8, 7), (4, 8, 8)])
def test_turns_need_squares(size):
    with pytest.raises(UserError, match="square images"):
        C4CNN(channels=1, size=size)


@pytest.mark.parametrize(("side", "halvings"), [(13, ["pool"]), (12, ["stride"]), (14, ["pool", "pool"])])
def test_layers_that_break_it_are_refused_with_the_error_and_the_reason(side, halvings):
    for kind in (C4CNN, C4ResNet):
        with pytest.raises(UserError, match=r"not equivariant .*relative error 0\.\d.*even sizes only"):
            kind(channels=1, size=(side, side), width=8, halvings=halvings)


def test_a_length_that_does_not_halve_is_refused():
    with pytest.raises(UserError, match=r"not equivariant.*fewer halvings"):
        CyclicSeriesCNN(channels=1, length=13, width=8, halvings=1)
    with pytest.raises(UserError, match=r"not equivariant.*fewer halvings"):
        CyclicCNN(channels=1, size=(13, 12), width=8, halvings=1)
    assert CyclicSeriesCNN(channels=1, length=178, width=8).base.shape == (89,)


class _Reversed(GroupConv):
    """The classic bug: the group axis goes the wrong way round."""

    def forward(self, x):
        return super().forward(x.flip(2).roll(1, 2))


def test_the_reversed_axis_is_seen():
    encoder = C4CNN(channels=1, size=(12, 12), width=8)
    wrong = _Reversed(encoder.base, 2, 4)
    encoder.layers[1] = wrong
    assert equivariance_error(encoder, torch.randn(4, 1, 12, 12)) > 0.1


def test_a_plain_network_whose_channels_are_called_turns_is_seen():
    class Plain(C4CNN):
        def fibres(self, x):
            return self.plain(x).mean(dim=(2, 3)).unflatten(1, (8, 4))

    encoder = C4CNN(channels=1, size=(12, 12), width=8)
    encoder.__class__ = Plain
    encoder.plain = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1))
    assert equivariance_error(encoder, torch.randn(4, 1, 12, 12)) > 0.1


def test_statistics_of_single_turns_are_seen_when_images_turn_differently():
    class PerTurn(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(2 * 4)

        def forward(self, x):
            return self.norm(x.flatten(1, 2)).view_as(x)

    encoder = C4CNN(channels=1, size=(12, 12), width=8)
    encoder.norms[0] = PerTurn()
    x = torch.randn(4, 1, 12, 12) * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1)
    assert equivariance_error(encoder, x) > 1e-3


def test_zero_padding_breaks_shifts_at_the_border():
    encoder = CyclicCNN(channels=1, size=(12, 12), width=8)
    for convolution in encoder.layers.convolutions:
        convolution.padding_mode = "zeros"
    assert equivariance_error(encoder, torch.randn(4, 1, 12, 12)) > 1e-2


@pytest.mark.parametrize(
    "make", [lambda: ScaleCNN(channels=1, size=(32, 32)), lambda: DilationCNN(channels=2, length=64)]
)
def test_sizes_are_approximate_and_say_so(make):
    encoder = make()
    assert not encoder.base.exact and 1e-3 < encoder.equivariance_error < 1


def test_a_level_sees_the_stretched_series_as_the_one_below_sees_the_series():
    """Away from borders and without norms: filters with holes of 2 on a series stretched by 2 see what is there."""
    base = Scales(2, axes=1)
    t = torch.linspace(-3, 3, 129, dtype=torch.float64)
    x = torch.exp(-(t**2)).view(1, 1, -1)
    weight = torch.randn(1, 1, 5, dtype=torch.float64)
    fine = nn.functional.conv1d(x, weight, padding=2)
    stretched = base.transformed(x, torch.tensor([[-1]]), 2)  # home of a read of both levels is 0
    coarse = nn.functional.conv1d(stretched, weight, padding=4, dilation=2)
    there = base.transformed(fine, torch.tensor([[-1]]), 2)
    middle = slice(20, 109)
    assert (coarse - there)[..., middle].abs().max() < 0.02 * fine.abs().max()


def test_reads_never_leave_the_levels():
    with pytest.raises(AssertionError, match="outside the levels"):
        Scales(3, axes=1).positions(torch.tensor([[2]]), 2)


def test_shifts_move_by_whole_places():
    base = Translations((4,), stride=3)
    x = torch.arange(12.0).view(1, 1, 12)
    assert base.transformed(x, torch.tensor([[1]]), 1)[0, 0, 0] == 3
    assert base.transformed(x, torch.tensor([[3]]), 1)[0, 0].tolist() == [9, 10, 11, *range(9)]


def test_group_pooled_vectors_do_not_change_with_the_input():
    encoder = C4CNN(channels=2, size=(12, 12), width=8).double().eval()
    x = inputs(encoder, 3)
    assert torch.allclose(encoder(x), encoder(torch.rot90(x, 1, (2, 3))), atol=1e-12)


def test_the_width_is_that_of_the_read():
    assert C4CNN(channels=1, size=(8, 8), width=8, read=3).width == 24
    assert CyclicCNN(channels=1, size=(8, 8), width=8, read=2).width == 32
    with pytest.raises(UserError, match="base size 5: the encoder's base space has 4 positions"):
        C4CNN(channels=1, size=(8, 8), width=8, read=5)
