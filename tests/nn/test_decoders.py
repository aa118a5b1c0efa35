import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.modalities import MODALITIES
from isotropy.nn.decoders import TableDecoder, categories_of, decode


@pytest.mark.parametrize(
    ("modality", "shape", "row"),
    [
        ("table", {"numeric": 3, "categories": [4, 2]}, (9,)),
        ("table", {"numeric": 0, "categories": [4, 2]}, (6,)),
        ("series", {"channels": 9, "length": 128}, (9, 128)),
        ("series", {"channels": 1, "length": 1}, (1, 1)),
        ("series", {"channels": 2, "length": 5003}, (2, 5003)),
        ("image", {"channels": 1, "size": [8, 8]}, (1, 8, 8)),
        ("image", {"channels": 3, "size": [33, 97]}, (3, 33, 97)),
    ],
)
def test_a_decoder_makes_rows_of_the_datas_shape(modality, shape, row):
    network = MODALITIES[modality].decoder(shape, 16)
    assert network(torch.randn(2, 16)).shape == (2, *row)
    assert max(p.numel() for p in network.parameters()) <= 16 * 32 * 256, "small whatever the row's size"


def test_every_weight_of_a_decoder_reaches_its_output():
    for modality, shape in (("series", {"channels": 2, "length": 50}), ("image", {"channels": 3, "size": (12, 20)})):
        network = MODALITIES[modality].decoder(shape, 8)
        network(torch.randn(4, 8)).square().sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_table_decoder_says_its_categories_and_others_have_none():
    assert categories_of(TableDecoder(8, 1, [3])) == (3,)
    assert categories_of(nn.Linear(8, 3)) == ()


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"the decoder makes \(2, 3\) of 2 vectors, and the rows need \(2, 4\)"):
        decode(nn.Linear(8, 3), torch.ones(2, 8), torch.ones(2, 4))
    with pytest.raises(UserError, match=r"the decoder makes \(2, 5\) of 2 vectors, and the rows need \(2, 6\)"):
        decode(TableDecoder(8, 2, [3]), torch.ones(2, 8), torch.ones(2, 4))
