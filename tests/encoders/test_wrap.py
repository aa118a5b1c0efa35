"""`wrap`: any module becomes an encoder, and what cannot be one is refused in one line."""

import pytest
import torch
from torch import Tensor, nn

from isotropy import encoders
from isotropy.encoders import wrap
from isotropy.errors import UserError


class Mixes(nn.Module):
    """A network whose rows see each other."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.cumsum(0)


@pytest.mark.parametrize(
    ("module", "example", "width"),
    [
        (nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(7)), torch.randn(3, 4), 7),
        (nn.GRU(3, 5, batch_first=True), torch.randn(2, 6, 3), 30),
        (nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1)), torch.randn(2, 2, 9, 9), 4),
        (nn.Conv1d(2, 4, 3), torch.randn(2, 2, 9), 28),
        (nn.Flatten(0), torch.randn(2, 1), 1),
    ],
)
def test_width_is_measured_whatever_the_network(module, example, width):
    encoder = wrap(module, example=example)
    assert encoder.width == width
    assert encoder(example).shape == (len(example), width)


def test_measuring_leaves_the_network_as_it_was():
    module = nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(7), nn.Dropout(0.5))
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    wrap(module, example=torch.randn(5, 4))
    assert [part.training for part in module] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_given_width_is_checked():
    assert wrap(nn.Linear(4, 7), width=7)(torch.zeros(2, 4)).shape == (2, 7)
    with pytest.raises(UserError, match="said to have width 8 but gives 7"):
        wrap(nn.Linear(4, 7), width=8)(torch.zeros(2, 4))
    with pytest.raises(UserError, match="has width 7 for the example, not 8"):
        wrap(nn.Linear(4, 7), width=8, example=torch.zeros(2, 4))
    with pytest.raises(UserError, match="width"):
        wrap(nn.Linear(4, 7))


def test_a_network_that_mixes_rows_is_refused():
    with pytest.raises(UserError, match="batch_first"):
        wrap(nn.GRU(3, 5), example=torch.randn(4, 6, 3))
    with pytest.raises(UserError, match="other rows"):
        wrap(Mixes(), example=torch.randn(4, 3))


def test_outputs_that_are_no_rows_are_refused():
    class Says(nn.Module):
        def __init__(self, what):
            super().__init__()
            self.what = what

        def forward(self, x: Tensor):
            return self.what

    for what in (torch.zeros(()), torch.zeros(3, 2)):
        with pytest.raises(UserError, match="one row per input"):
            wrap(Says(what), example=torch.zeros(2, 4))
    for what in ({"h": torch.zeros(2, 2)}, ()):
        with pytest.raises(UserError, match="must return a tensor"):
            wrap(Says(what), example=torch.zeros(2, 4))


def test_a_wrapped_network_is_marked_as_custom():
    encoder = wrap(nn.Linear(4, 7), width=7)
    assert encoders.spec(encoder) == {"name": "custom", "arguments": {}}
    with pytest.raises(UserError, match="network of your own"):
        encoders.from_spec(encoders.spec(encoder))
    assert not encoder.convolutional
    assert wrap(nn.Conv1d(2, 4, 3), width=4).convolutional
    assert wrap(encoder) is encoder
