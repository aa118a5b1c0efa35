"""Tables: standardised numbers, then categories as codes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isotropy.data import ArrayDataset, TablePreprocess
from isotropy.methods.lfr.projectors import table_projector
from isotropy.modalities.modality import Modality
from isotropy.nn.decoders import table_decoder
from isotropy.views import TableViews


def _example_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(count, shape["numeric"], generator=generator)
    codes = [torch.randint(levels, (count, 1), generator=generator) for levels in shape["categories"]]
    return torch.cat([numbers, *codes], dim=1)


def _view_arguments(preprocess: TablePreprocess, dataset: ArrayDataset) -> dict[str, Any]:
    return {"values": dataset.rows, "index": dataset.index, "numeric": preprocess.schema.numeric}


TABLE = Modality(
    preprocess=TablePreprocess,
    views=TableViews,
    view_arguments=_view_arguments,
    default_encoder="table_mlp",
    default_method="lfr",
    decoder=table_decoder,
    random_projector=table_projector,
    example_rows=_example_rows,
    as_columns=TablePreprocess.columns,
)
