"""Images, grey or in colour, of one size."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isotropy.data import ArrayDataset, ImagePreprocess
from isotropy.methods.lfr.projectors import image_projector
from isotropy.modalities.modality import Modality
from isotropy.nn.decoders import image_decoder
from isotropy.views import ImageViews


def _example_rows(shape: Mapping[str, Any], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, shape["channels"], *shape["size"]), generator=generator, dtype=torch.uint8)


def _view_arguments(preprocess: ImagePreprocess, dataset: ArrayDataset) -> dict[str, Any]:
    return {"size": preprocess.size, "mean": preprocess.mean, "std": preprocess.std}


IMAGE = Modality(
    preprocess=ImagePreprocess,
    views=ImageViews,
    view_arguments=_view_arguments,
    default_encoder="small_resnet",
    default_method="simclr",
    decoder=image_decoder,
    random_projector=image_projector,
    example_rows=_example_rows,
)
