"""Tables, series, images, and arrays of any shape: the kinds of data that the library comes with."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from isotropy.batch import Batch
from isotropy.data import ArrayDataset, ArrayPreprocess, ImagePreprocess, SeriesPreprocess, TablePreprocess
from isotropy.features.series import own_series
from isotropy.methods.lfr.projectors import array_projector, image_projector, series_projector, table_projector
from isotropy.modalities.modality import Modality
from isotropy.nn.decoders import array_decoder, image_decoder, series_decoder, table_decoder
from isotropy.views import ArrayViews, ImageViews, SeriesViews, TableViews


def _table_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    generator = Generator().manual_seed(0)
    numbers = torch.randn(count, shape["numeric"], generator=generator)
    codes = [torch.randint(levels, (count, 1), generator=generator) for levels in shape["categories"]]
    return torch.cat([numbers, *codes], dim=1)


def _series_rows(shape: Mapping[str, Any], count: int) -> Tensor | Batch:
    rows = torch.randn(count, shape["channels"], shape["length"], generator=Generator().manual_seed(0))
    if not shape.get("unequal"):
        return rows
    ends = 1 + torch.arange(count) % shape["length"]
    mask = (torch.arange(shape["length"]) < ends[:, None, None]).expand(rows.shape).contiguous()
    return Batch(rows.masked_fill(~mask, 0.0), mask)


def _image_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    size = (count, shape["channels"], *shape["size"])
    return torch.randint(256, size, generator=Generator().manual_seed(0), dtype=torch.uint8)


def _array_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    return torch.randn(count, *shape["sizes"], generator=Generator().manual_seed(0))


def _table_arguments(preprocess: TablePreprocess, dataset: ArrayDataset) -> dict[str, Any]:
    return {"values": dataset.rows, "index": dataset.index, "numeric": preprocess.schema.numeric}


def _table_features(preprocess: TablePreprocess, rows: Tensor) -> Tensor:
    return torch.from_numpy(preprocess.features(rows))


def _own_series(rows: Tensor | Batch) -> NDArray[Any]:
    return own_series(rows, min(3, rows.shape[2]))


def _image_arguments(preprocess: ImagePreprocess, dataset: ArrayDataset) -> dict[str, Any]:
    return {"size": preprocess.size, "mean": preprocess.mean, "std": preprocess.std}


TABLE = Modality(
    preprocess=TablePreprocess,
    views=TableViews,
    view_arguments=_table_arguments,
    default_encoder="table_quantiles",
    default_method="masked",
    decoder=table_decoder,
    random_projector=table_projector,
    example_rows=_table_rows,
    as_columns=TablePreprocess.columns,
    free=("columns",),
    free_input=_table_features,
    default_embedding="joined",
)
SERIES = Modality(
    preprocess=SeriesPreprocess,
    views=SeriesViews,
    default_encoder="multiscale_cnn",
    default_method="simclr",
    decoder=series_decoder,
    random_projector=series_projector,
    example_rows=_series_rows,
    as_series=_own_series,
    free=("series_summary", "random_convolutions", "series_course"),
    default_embedding="joined",
)
IMAGE = Modality(
    preprocess=ImagePreprocess,
    views=ImageViews,
    view_arguments=_image_arguments,
    default_encoder="small_resnet",
    default_method="simclr",
    decoder=image_decoder,
    random_projector=image_projector,
    example_rows=_image_rows,
    free=("pixels", "patches"),
    default_embedding="joined",
)
ARRAY = Modality(
    preprocess=ArrayPreprocess,
    views=ArrayViews,
    default_encoder="array_mlp",
    default_method="lfr",
    decoder=array_decoder,
    random_projector=array_projector,
    example_rows=_array_rows,
)
