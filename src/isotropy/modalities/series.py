"""Series (channels, time) of one length."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isotropy.data import SeriesPreprocess
from isotropy.methods.lfr.projectors import series_projector
from isotropy.modalities.modality import Modality
from isotropy.nn.decoders import series_decoder
from isotropy.views import SeriesViews


def _example_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, shape["channels"], shape["length"], generator=generator)


SERIES = Modality(
    preprocess=SeriesPreprocess,
    views=SeriesViews,
    default_encoder="series_cnn",
    default_method="lfr",
    decoder=series_decoder,
    random_projector=series_projector,
    example_rows=_example_rows,
    as_series=Tensor.numpy,
)
