"""Encoders: networks that turn a batch of inputs into vectors (B, width), and how to make one by name."""

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from isotropy.encoders.any_array import ArrayMLP
from isotropy.encoders.dilated import DilatedResNet
from isotropy.encoders.encoder import Encoder, FrameEncoder
from isotropy.encoders.equivariant.c4 import C4CNN, D4CNN, C4ResNet
from isotropy.encoders.equivariant.cyclic import CyclicCNN, CyclicSeriesCNN
from isotropy.encoders.equivariant.equivariant import Equivariant, equivariance_error
from isotropy.encoders.equivariant.scales import DilationCNN, ScaleCNN
from isotropy.encoders.image import SmallResNet
from isotropy.encoders.multiscale import MultiScaleCNN
from isotropy.encoders.quantiles import TableQuantiles
from isotropy.encoders.series import GRU, SeriesCNN, SeriesMLP, SeriesTransformer
from isotropy.encoders.table import OneHot, TableMLP, TableResNet
from isotropy.encoders.timm import Timm
from isotropy.encoders.wrap import Wrapped, wrap
from isotropy.errors import UserError, nearest
from isotropy.io.json_file import check_arguments
from isotropy.registry import find, name_of, refuse_unimported

__all__ = [
    "ArrayMLP",
    "C4CNN",
    "D4CNN",
    "ENCODERS",
    "GRU",
    "C4ResNet",
    "CyclicCNN",
    "CyclicSeriesCNN",
    "DilatedResNet",
    "DilationCNN",
    "Encoder",
    "Equivariant",
    "FrameEncoder",
    "MultiScaleCNN",
    "OneHot",
    "ScaleCNN",
    "SeriesCNN",
    "SeriesMLP",
    "SeriesTransformer",
    "SmallResNet",
    "TableMLP",
    "TableQuantiles",
    "TableResNet",
    "Timm",
    "Wrapped",
    "any_length",
    "build",
    "encoder_name",
    "equivariance_error",
    "from_spec",
    "normalisation",
    "refuse_unimported_encoder",
    "spec",
    "wrap",
]

ENCODERS: dict[str, type[Encoder]] = {
    "array_mlp": ArrayMLP,
    "c4_cnn": C4CNN,
    "c4_resnet": C4ResNet,
    "cyclic_cnn": CyclicCNN,
    "cyclic_series_cnn": CyclicSeriesCNN,
    "d4_cnn": D4CNN,
    "dilation_cnn": DilationCNN,
    "scale_cnn": ScaleCNN,
    "dilated_resnet": DilatedResNet,
    "gru": GRU,
    "multiscale_cnn": MultiScaleCNN,
    "series_cnn": SeriesCNN,
    "series_mlp": SeriesMLP,
    "series_transformer": SeriesTransformer,
    "small_resnet": SmallResNet,
    "table_mlp": TableMLP,
    "table_quantiles": TableQuantiles,
    "table_resnet": TableResNet,
}


def build(name: str, modality: str, shape: Mapping[str, Any], /, **options: Any) -> Encoder:
    """Return a new encoder by name, made for data of a shape, with weights from torch's generator.

    Args:
        name: a key of `ENCODERS`, "timm:MODEL" for any image model of timm, or "module:Class".
        modality, shape: of the data, as `Preprocess` says them.
        options: keyword arguments of the encoder's constructor beyond the shape.

    Raises: UserError for an unknown name or option (with the nearest valid one), or an encoder of another modality.

    Example:
        >>> build("series_cnn", "series", {"channels": 9, "length": 128}, dropout=0.0).width
        2304
    """
    kind = _kind(name)
    if kind.modality not in (modality, "any"):
        suited = sorted(other for other, made in ENCODERS.items() if made.modality == modality)
        raise UserError(
            f"encoder {name!r} takes {kind.modality} data, but this is {modality} data (valid: {', '.join(suited)})"
        )
    named = [name for name in inspect.signature(kind).parameters if name != "model"]
    for option in options:
        if option not in named or option in shape:
            choices = [other for other in named if other not in shape]
            raise UserError(f"encoder {name!r} has no option {option!r}{nearest(option, choices)}")
    arguments = {key: value for key, value in shape.items() if key in named} | options
    if kind is Timm:
        arguments["model"] = name.removeprefix("timm:")
    encoder = kind(**arguments)
    # A class of the user's may not keep what it was made with.
    encoder.arguments = getattr(encoder, "arguments", arguments)
    return encoder


def normalisation(
    name: str, shape: Mapping[str, Any], /, **options: Any
) -> tuple[Sequence[float], Sequence[float]] | None:
    """Return mean and deviation of each channel that the pretrained weights of an encoder were made for, or None."""
    return _kind(name).normalisation({**shape, **options, "model": name.removeprefix("timm:")})


def any_length(name: str) -> bool:
    """Return whether the encoder of this name takes series of another length than in training.

    Example:
        >>> any_length("dilated_resnet"), any_length("series_cnn")
        (True, False)
    """
    return _kind(name).any_length


def spec(encoder: Encoder) -> dict[str, Any]:
    """Return what `from_spec` rebuilds the encoder's architecture from: {"name", "arguments"}, JSON-able.

    A class of the user's is named "module:Class"; a wrapped network and what no other process can import is "custom".

    Example:
        >>> spec(TableMLP(numeric=3, width=8))["name"]
        'table_mlp'
    """
    kind = type(encoder)
    if isinstance(encoder, Timm):
        return {"name": f"timm:{encoder.arguments['model']}", "arguments": dict(encoder.arguments)}
    if not isinstance(encoder, Wrapped) and hasattr(encoder, "arguments") and kind.__module__ != "__main__":
        with suppress(UserError):
            return {"name": encoder_name(kind), "arguments": dict(encoder.arguments)}
    return {"name": "custom", "arguments": {}}


def from_spec(spec: Mapping[str, Any]) -> Encoder:
    """Return a new encoder of the architecture that `spec` says, with fresh weights.

    Raises: UserError for a custom network, an unknown name, a class of a module that is not imported, or arguments
        that do not fit.
    """
    if spec.get("name") == "custom":
        raise UserError("the encoder is a network of your own: make it, wrap it, and pass it when loading")
    name = str(spec.get("name"))
    refuse_unimported_encoder(name)
    try:
        kind = _kind(name)
    except UserError as error:
        raise UserError(f"{error}; or pass the network when loading") from error
    arguments: Any = spec.get("arguments")
    try:
        check_arguments(kind, arguments)
    except UserError as error:
        raise UserError(f"the encoder's specification does not fit {spec.get('name')!r}: {error}") from error
    if arguments.get("pretrained"):
        raise UserError("the encoder's specification asks for pretrained weights: its own are in a file")
    return kind(**arguments)


def _kind(name: str) -> type[Encoder]:
    if name.startswith("timm:"):
        return Timm
    kind = find(ENCODERS, name, "encoder")
    if kind is None:
        raise UserError(f"unknown encoder {name!r}{nearest(name, [*ENCODERS, 'timm:resnet18'])}")
    if not (isinstance(kind, type) and issubclass(kind, Encoder)):
        raise UserError(f"encoder {name!r} is no subclass of isotropy.encoders.Encoder")
    return kind


def refuse_unimported_encoder(name: str) -> None:
    """Raise UserError for the name of an encoder, read from a file, that only executing another module would find."""
    if not name.startswith("timm:"):
        refuse_unimported(name, "encoder")


def encoder_name(kind: type[Encoder]) -> str:
    """Return the name that `build` makes an encoder's class by: registered, or "module:Class"."""
    return name_of(ENCODERS, kind, "encoder")
