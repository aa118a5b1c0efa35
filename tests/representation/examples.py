"""Small encoders and data that the tests of embeddings and artefacts share."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from isotropy.data import PREPROCESS
from isotropy.encoders import ENCODERS, build, wrap
from isotropy.representation import Representation

SHAPES: dict[str, dict[str, Any]] = {
    "table": {"numeric": 5, "categories": [4, 2]},
    "series": {"channels": 3, "length": 41},
    "image": {"channels": 1, "size": [20, 20]},
    "array": {"sizes": [2, 3, 4, 5]},
}


def encoder_of(name: str) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    if name == "wrapped gru":
        network = nn.GRU(41, 7, batch_first=True)
        return wrap(network, example=torch.randn(2, 3, 41), take=0, pool="flatten"), "series"
    if name == "narrow":
        network = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        return wrap(network, width=3), "table"
    modality = "image" if name.startswith("timm:") else ENCODERS[name].modality
    return lively(build(name, modality, SHAPES[modality])), modality


def lively(encoder: nn.Module) -> nn.Module:
    """Give batch norms statistics of their own, as training would."""
    for module in encoder.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return encoder


def values_of(modality: str, rows: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if modality == "image":
        return random.integers(0, 256, (rows, 1, 20, 20), dtype=np.uint8)
    if modality == "array":
        return random.normal(size=(rows, 2, 3, 4, 5))
    if modality == "series":
        return random.normal(size=(rows, 3, 41))
    frame = pd.DataFrame(random.normal(size=(rows, 5)), columns=list("abcde"))
    frame["f"] = random.choice(["red", "green", "blue"], rows)
    frame["g"] = random.choice(["x", "y"], rows)
    frame.loc[frame.index[::7], "f"] = None
    return frame


def made(name: str) -> tuple[Representation, Any]:
    _, modality = encoder_of(name)
    values = values_of(modality, 150)
    preprocess = PREPROCESS[modality].learn(values)
    encoder = lively(build(name, modality, preprocess.shape)) if name in ENCODERS else encoder_of(name)[0]
    return Representation(encoder, preprocess, method="lfr"), values
