"""One way from rows to embeddings, the same bits wherever a row stands and whoever stands beside it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from isotropy.data import Preprocess
from isotropy.encoders import ENCODERS
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation
from isotropy.representation.embedding import embed_rows, steady_chunk
from representation.examples import SHAPES, encoder_of

NAMES = [*ENCODERS, "timm:test_resnet", "wrapped gru", "narrow"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_same_bits_in_every_subset_and_order(name: str, threads: int) -> None:
    if name.startswith("timm:"):
        pytest.importorskip("timm")
    encoder, modality = encoder_of(name)
    preprocess = _Stored(modality)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        representation = Representation(encoder, preprocess, method="lfr")
        rows = MODALITIES[modality].example_rows(SHAPES[modality], representation.chunk + 13)
        whole = representation.embed_stored(rows)
        order = torch.from_numpy(np.random.default_rng(1).permutation(len(rows)))
        assert np.array_equal(representation.embed_stored(rows[order]), whole[order])
        for part in (slice(5, 6), slice(3, 40), slice(len(rows) - 1, None)):
            assert np.array_equal(representation.embed_stored(rows[part]), whole[part])
    finally:
        torch.set_num_threads(before)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    assert len(np.unique(whole, axis=0)) > 1


class _Stored(Preprocess):
    """Rows that are stored already."""

    shape: dict[str, Any] = {}

    def __init__(self, modality: str) -> None:
        self.modality = modality  # type: ignore[misc]
        self.shape = SHAPES[modality]

    def to_input(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.float() / 255 if self.modality == "image" else rows


def test_networks_that_are_not_steady_in_a_chunk_go_row_by_row() -> None:
    class Placed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1e-6 * (torch.arange(len(x)) == len(x) - 1)[:, None]

    rows = torch.randn(64, 3)
    assert steady_chunk(Placed(), lambda x: x, rows) == 1
    assert steady_chunk(nn.Identity(), lambda x: x, rows) == 64


def test_embedding_leaves_the_encoder_as_it_was() -> None:
    encoder = nn.Sequential(nn.Linear(3, 20), nn.BatchNorm1d(20), nn.Dropout(0.5)).train()
    encoder[2].eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    rows = torch.randn(300, 3)
    with torch.autocast("cpu", torch.bfloat16):
        first = embed_rows(encoder, lambda x: x, rows)
    assert [module.training for module in encoder] == [True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    # Eval mode, float32.
    encoder.eval()
    np.testing.assert_allclose(first, encoder(rows).detach().numpy(), atol=1e-6)
