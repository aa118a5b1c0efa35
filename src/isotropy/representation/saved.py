"""What the files of an artefact hold, read back and checked; foreign and damaged ones are one line of error."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from isotropy.data import Preprocess, preprocess_from
from isotropy.encoders import Encoder
from isotropy.errors import UserError
from isotropy.modalities import MODALITIES
from isotropy.nn.segments import SegmentHead
from isotropy.representation.embeddings import EMBEDDINGS
from isotropy.representation.files import (
    CODER,
    CONFIG,
    EMBEDDING,
    MODEL,
    TENSORS,
    WEIGHTS,
    fill,
    network,
    read_about,
    read_tensors,
)
from isotropy.representation.learned import Embedding

# The file of each part's weights, but for hubs, which have one of all.
FILES = {"encoder": WEIGHTS, "embedding": EMBEDDING, "coder": CODER}


@dataclass(frozen=True)
class Saved:
    """The parts of an artefact, on the CPU.

    Attributes:
        place: the file that says what it is. about: what it says.
        encoder, preprocess, coder, embedding: as of `Representation`.
    """

    place: Path
    about: Mapping[str, Any]
    encoder: Encoder
    preprocess: Preprocess
    coder: SegmentHead | None
    embedding: Embedding | None


def read_preprocess(folder: Path) -> Preprocess:
    """Return what the artefact in a folder learnt of its training rows; errors are those of `load`."""
    try:
        return preprocess_from(read_about(folder / MODEL)["preprocess"])
    except UserError as error:
        raise UserError(str(error) if MODEL in str(error) else f"{folder / MODEL}: {error}") from error


def _refuse_other_shape(arguments: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
    """Raise UserError where an encoder takes rows of another shape than its preprocessing gives.

    A code of a level that the encoder does not have would show at the first row with it, and not before.
    """
    for name, value in shape.items():
        if name in ("numeric", "categories", "channels") and name in arguments and arguments[name] != value:
            raise UserError(f"encoder and preprocessing do not fit: {name} is {arguments[name]} and {value}")


def read_saved(folder: Path, encoder: nn.Module | None) -> Saved:
    """Return the parts of the artefact in a folder; arguments and errors are those of `load`."""
    hub = not (folder / MODEL).is_file() and (folder / CONFIG).is_file()
    place = folder / (CONFIG if hub else MODEL)
    about = read_about(place)
    try:
        preprocess = preprocess_from(about["preprocess"])
        if preprocess.modality != about["modality"]:
            raise UserError(f"modality is {about['modality']!r}, and its preprocessing is of {preprocess.modality!r}")
        _refuse_other_shape(about["encoder"].get("arguments") or {}, preprocess.shape)
        example_rows = MODALITIES[preprocess.modality].example_rows
        weights = folder / (TENSORS if hub else WEIGHTS)
        made = network(
            about["encoder"], encoder, lambda: preprocess.to_input(example_rows(preprocess.shape, 2)), weights
        )
        spec = about.get("coder") or {}
        coder = SegmentHead(spec["widths"], num_segments=spec["num_segments"]) if spec else None
        given = about.get("embedding") or {}
        kind = EMBEDDINGS[given["name"]] if given else None
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{place}: damaged, or not an artefact of isotropy ({error!r})") from error

    def saved(part: str, known: Mapping[str, Any]) -> tuple[Path, str, str, str]:
        path = folder / (TENSORS if hub else FILES[part])
        return path, known["sha256"], place.name, known.get("before", "")

    fill(made, *saved("encoder", about["weights"]))
    if coder is not None:
        fill(coder, *saved("coder", spec))
    embedding = None
    if kind is not None:
        path, *rest = saved("embedding", given)
        tensors = read_tensors(path, *rest)
        try:
            embedding = kind.of_spec(given, tensors)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: does not fit what {place.name} says of it ({error!r})") from error
    return Saved(place, about, made, preprocess, coder, embedding)
