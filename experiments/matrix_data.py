"""The data sets of the matrix."""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from isotropy.data import Data, read
from isotropy.evaluation import split
from isotropy.evaluation.splits import stratified


@dataclass(frozen=True)
class Dataset:
    """A data set of the matrix.

    Attributes:
        modality: of its rows. file: in the folder of data; none for scikit-learn's digits.
        options: of `isotropy.data.read`.
        most: training rows that are kept, drawn stratified; 0 for all.
        views: what views of its rows must be like, for methods that compare views and say nothing else.
        papers: whether it is here for the methods of the papers alone.
        encoder: instead of the modality's. hosts: the methods it is here for, instead of all.
    """

    modality: str
    file: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    most: int = 0
    views: dict[str, Any] = field(default_factory=dict)
    papers: bool = False
    # Not shown, so that the digests of results stay: the encoder is part of the recipe, and hosts settle no run.
    encoder: str = field(default="", repr=False)
    hosts: tuple[str, ...] = field(default=(), repr=False)


# Under which views in feature space, and the same moves of the input, are compared.
HOSTS = ("simclr", "byol", "simsiam", "barlow_twins", "vicreg", "music")
_PARTS = {"key": "X_train", "label_key": "y_train", "test_key": "X_test", "test_label_key": "y_test"}
DATA = {
    "fashion": Dataset("image", "fashion_mnist.npz", _PARTS, most=10_000),
    # A digit is not its mirror image, and a small part of one is no digit.
    "digits": Dataset("image", views={"flip": 0, "scale": [0.5, 1.0]}, papers=True),
    "har": Dataset("series", "uci_har.npz", _PARTS),
    "epilepsy": Dataset(
        "series",
        "epilepsy.npz",
        {"key": "X", "label_key": "y", "split": "is_test_recording", "modality": "series"},
        papers=True,
    ),
    "adult": Dataset("table", "adult.parquet", {"label": "income", "na": ["?"], "split": "split"}),
    "dry_bean": Dataset("table", "dry_bean.parquet", {"label": "Class", "drop": ["restored"]}, papers=True),
}


def _equivariant(base: str, encoder: str, **views: Any) -> Dataset:
    """Return a data set with an equivariant encoder, whose views are moved by the encoder's group."""
    return replace(DATA[base], encoder=encoder, views=views, hosts=HOSTS)


EQUIVARIANT = {
    "fashion/c4/structured": _equivariant("fashion", "c4_cnn", name="structured"),
    "fashion/c4/moved": _equivariant("fashion", "c4_cnn", name="moved"),
    "har/cyclic/structured": _equivariant("har", "cyclic_series_cnn", name="structured", distance=4),
    "har/cyclic/moved": _equivariant("har", "cyclic_series_cnn", name="moved", distance=4),
    "har/dilation/structured": _equivariant("har", "dilation_cnn", name="structured"),
    "har/dilation/moved": _equivariant("har", "dilation_cnn", name="moved"),
}
DATA |= EQUIVARIANT


@cache
def load(name: str, folder: Path) -> Data:
    """Return a data set of the matrix with labels and parts, read once; Epilepsy's label is seizure or not."""
    about = DATA[name]
    if name == "digits":
        digits = load_digits()
        part = np.full(len(digits.target), "train")
        part[split(digits.target, test=0.3, seed=0)[1]] = "test"
        pixels = (digits.images * 255 / 16).round().astype(np.uint8)
        return read(pixels, modality="image", label=digits.target, split=part)
    data = read(folder / about.file, **about.options)
    if name == "epilepsy":
        data = Data(data.values, data.modality, (data.labels == 0).astype(np.int8), data.split, data.description)
    train, test = data.part("train"), data.part("test")
    if not 0 < about.most < len(train):
        return data
    return data.take(np.concatenate([train[stratified(data.labels[train], about.most)], test]))
