"""What a graph takes of each kind of data, the arithmetic of its preprocessing, and example rows of the user's kind."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from isotropy.data import ArrayPreprocess, ImagePreprocess, Preprocess, SeriesPreprocess, TablePreprocess
from isotropy.data.column_schema import LIMIT, ColumnSchema
from isotropy.encoders import OneHot
from isotropy.errors import UserError

_TEXTS = ("a short text", "another one", "something else entirely", "x")


class Inputs(nn.Module):
    """From a graph's inputs to stored rows, to an encoder's input and to what free features read of them.

    Attributes:
        about: the inputs in their order, each {"name", "dtype", "shape"}, the first axis "batch".
    """

    about: list[dict[str, Any]]

    def stored(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return rows as the preprocessing stores them."""
        raise NotImplementedError

    def to_encoder(self, rows: Tensor) -> Tensor:
        """Return stored rows as the encoder's input; by default as they are."""
        return rows

    def to_features(self, rows: Tensor) -> Tensor:
        """Return stored rows as free features read them; by default as they are."""
        return rows

    def contract(self) -> dict[str, Any]:
        """Return what else a program must know to make the inputs, JSON-able."""
        return {}

    def example(self, count: int, seed: int) -> Any:
        """Return rows as a user has them, with missing and unseen values where there may be some."""
        raise NotImplementedError


class _Standardise(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Any, std: Any, shape: tuple[int, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(list(values), dtype=torch.float64).reshape(shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class TableInputs(Inputs):
    """Numbers (B, D) float64, NaN where missing, and codes (B, K) int64."""

    fill: Tensor
    flagged: Tensor

    def __init__(self, preprocess: TablePreprocess) -> None:
        super().__init__()
        schema = preprocess.schema
        self.columns = schema.columns
        self.seen = list(schema.seen)
        self.texts = {name: asdict(one) for name, one in schema.texts.items()}
        self.numbers = [column for column in schema.columns if column.kind != "categorical"]
        sizes = {"numbers": len(self.numbers), "codes": len(schema.categories)}
        dtypes = {"numbers": "float64", "codes": "int64"}
        self.about = [
            {"name": name, "dtype": dtypes[name], "shape": ["batch", size]} for name, size in sizes.items() if size
        ]
        if self.numbers:
            means, deviations = [one.mean for one in self.numbers], [one.std for one in self.numbers]
            self.standardise = _Standardise(means, deviations, (1, -1))
            self.register_buffer("fill", torch.tensor([one.fill for one in self.numbers], dtype=torch.float64))
            flagged = [place for place, one in enumerate(self.numbers) if one.missing]
            self.register_buffer("flagged", torch.tensor(flagged, dtype=torch.int64))
        self.one_hot = OneHot(schema.numeric, schema.categories)

    def stored(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return rows (B, numbers + indicators + codes) float32."""
        parts = []
        if self.numbers:
            gone = inputs[0].isnan()
            scaled = self.standardise(inputs[0]).clamp(-LIMIT, LIMIT)
            parts.append(torch.where(gone, self.fill, scaled).float())
            if self.flagged.shape[0]:
                parts.append(gone.index_select(1, self.flagged).float())
        if len(inputs) > bool(self.numbers):
            parts.append(inputs[-1].float())
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def to_features(self, rows: Tensor) -> Tensor:
        """Return rows with codes one-hot."""
        return self.one_hot(rows)

    def contract(self) -> dict[str, Any]:
        """Return the columns in the order of the inputs: where each comes from and how it is read."""
        found: dict[str, Any] = {"seen": self.seen, "columns": [_read_by(column) for column in self.columns]}
        return found | ({"texts": self.texts} if self.texts else {})

    def example(self, count: int, seed: int) -> pd.DataFrame:
        """Return a frame of the training's columns."""
        rng = np.random.default_rng(seed)
        return pd.DataFrame({one.source: _example_column(one, count, rng) for one in self.columns})


def _read_by(column: ColumnSchema) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "source": column.source, "kind": column.kind}
    found |= {"missing": column.missing}
    if column.kind == "categorical":
        return found | {"levels": list(column.levels)}
    if column.reading[:1] == ("letters",):
        return found | {"letters": [int(column.reading[2]), int(column.reading[3])]}
    if column.of_text:
        return found | {"axis": int(column.reading[2])}
    return found | ({"reading": list(column.reading)} if column.reading else {})


def _example_column(column: ColumnSchema, count: int, rng: np.random.Generator) -> NDArray[Any]:
    gone = rng.random(count) < (0.2 if column.missing else 0.0)
    if column.of_text:
        return _some_of(_TEXTS, gone, rng)
    if column.kind == "categorical":
        return _some_of([*column.levels, "a level that training never had"], gone, rng)
    if column.kind == "boolean":
        return _some_of([False, True], gone, rng)
    numbers = np.where(gone, np.nan, column.mean + column.std * rng.normal(size=count))
    if column.kind == "datetime":
        return pd.to_datetime(pd.Series(numbers).round(3), unit="s", utc=True).to_numpy()
    return numbers


def _some_of(choices: Sequence[Any], gone: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[Any]:
    found = np.array(choices, dtype=object)[rng.integers(len(choices), size=len(gone))]
    found[gone] = None
    return found


class SeriesInputs(Inputs):
    """Series (B, channels, time) float64 of the training's channels and length, NaN where a value is missing."""

    kept: Tensor

    def __init__(self, preprocess: SeriesPreprocess) -> None:
        super().__init__()
        if preprocess.unequal:
            raise UserError(
                "export: the series of the training differ in length, and a graph takes series of one length: train on "
                "windows of one length (--window)"
            )
        shape = ["batch", preprocess.channels, preprocess.length]
        self.about = [{"name": "series", "dtype": "float64", "shape": shape}]
        self.recordings = None if preprocess.recordings is None else preprocess.recordings.to_json()
        self.register_buffer("kept", torch.tensor(preprocess.kept, dtype=torch.int64))
        self.standardise = _Standardise(preprocess.mean, preprocess.std, (1, -1, 1))

    def stored(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return series (B, kept channels, time) float32, gaps interpolated, standardised; 0 without any value."""
        series = interpolated(inputs[0].index_select(1, self.kept))
        scaled = self.standardise(series).clamp(-LIMIT, LIMIT)
        return torch.where(scaled.isnan(), 0.0, scaled).float()

    def contract(self) -> dict[str, Any]:
        """Return how recordings were cut, where the series are windows of some."""
        return {} if self.recordings is None else {"recordings": self.recordings}

    def example(self, count: int, seed: int) -> NDArray[np.float64]:
        """Return series of normal numbers about the training's mean, with gaps in every third one."""
        rng = np.random.default_rng(seed)
        series = rng.normal(size=(count, *self.about[0]["shape"][1:]))
        mean, std = (one.numpy(force=True)[0] for one in (self.standardise.mean, self.standardise.std))
        series[:, self.kept.numpy(force=True)] = series[:, self.kept.numpy(force=True)] * std + mean
        inside = np.arange(series.shape[2]) % max(2, series.shape[2] - 1) > 0
        series[(np.arange(count) % 3 == 1)[:, None, None] & (rng.random(series.shape) < 0.3) & inside] = np.nan
        return series


def interpolated(series: Tensor) -> Tensor:
    """Return series (B, C, T) with NaN interpolated along time, the ends held; no value at all stays NaN.

    Example:
        >>> interpolated(torch.tensor([[[torch.nan, 1.0, torch.nan, 3.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 3.0]]]
    """
    gone, length = series.isnan(), series.shape[2]
    steps = torch.arange(length, dtype=torch.int64, device=series.device)
    before = _running_maximum(torch.where(gone, -1, steps), length)
    after = length - 1 - _running_maximum(torch.where(gone.flip(2), -1, steps), length).flip(2)
    before, after = torch.where(before < 0, after, before), torch.where(after == length, before, after)
    left, right = (series.gather(2, place.clamp(0, length - 1)) for place in (before, after))
    share = (steps - before).to(series.dtype) / (after - before).clamp(min=1)
    return torch.where(gone, left + (right - left) * share, series)


def _running_maximum(x: Tensor, length: int) -> Tensor:
    """Return the largest value so far along the last axis, in log2(length) steps, each of which doubles the reach."""
    reach = 1
    while reach < length:
        x = torch.maximum(x, functional.pad(x[..., :-reach], (reach, 0), value=-1))
        reach *= 2
    return x


class ImageInputs(Inputs):
    """Images (B, channels, height, width) uint8 of the training's size."""

    scale: Tensor
    shift: Tensor

    def __init__(self, preprocess: ImagePreprocess) -> None:
        super().__init__()
        self.about = [{"name": "images", "dtype": "uint8", "shape": ["batch", preprocess.channels, *preprocess.size]}]
        self.told = {"scale": preprocess.scale, "files": dict(preprocess.form)}
        mean, std = torch.tensor([preprocess.mean, preprocess.std], dtype=torch.float64)[..., None, None]
        self.register_buffer("scale", (1 / (255 * std)).float())
        self.register_buffer("shift", (-mean / std).float())

    def stored(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the images as they are."""
        return inputs[0]

    def to_encoder(self, rows: Tensor) -> Tensor:
        """Return images as float32, normalised by the training's mean and deviation of each channel."""
        return rows.float() * self.scale + self.shift

    def contract(self) -> dict[str, Any]:
        """Return what floats mean, and how files were brought to the size."""
        return self.told

    def example(self, count: int, seed: int) -> NDArray[np.uint8]:
        """Return images of random pixels."""
        shape = (count, *self.about[0]["shape"][1:])
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class ArrayInputs(Inputs):
    """Arrays (B, ...) float64 of the training's shape."""

    def __init__(self, preprocess: ArrayPreprocess) -> None:
        super().__init__()
        self.about = [{"name": "rows", "dtype": "float64", "shape": ["batch", *preprocess.sizes]}]
        self.standardise = _Standardise(preprocess.mean, preprocess.std, (1, -1, *[1] * (len(preprocess.sizes) - 1)))

    def stored(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return rows as float32, standardised."""
        return self.standardise(inputs[0]).float()

    def example(self, count: int, seed: int) -> NDArray[np.float64]:
        """Return normal numbers about the training's mean."""
        rows = np.random.default_rng(seed).normal(size=(count, *self.about[0]["shape"][1:]))
        return rows * self.standardise.std.numpy(force=True) + self.standardise.mean.numpy(force=True)


_OF: dict[type[Preprocess], Any] = {
    TablePreprocess: TableInputs, SeriesPreprocess: SeriesInputs, ImagePreprocess: ImageInputs,
    ArrayPreprocess: ArrayInputs,
}  # fmt: skip


def inputs_of(preprocess: Preprocess) -> Inputs:
    """Return the inputs for a preprocessing; UserError for a kind of data that has none, or unequal series."""
    kind = _OF.get(type(preprocess))
    if kind is None:
        raise UserError(
            f"export: {preprocess.modality} data has no graph of its preprocessing: export the encoder alone"
        )
    made: Inputs = kind(preprocess)
    return made
