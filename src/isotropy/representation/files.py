"""The artefact's files: weights as safetensors, all else in model.json, and one line for whatever is wrong in them."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from isotropy import encoders
from isotropy.batch import Batch
from isotropy.encoders import Encoder, wrap
from isotropy.encoders.wrap import has_lazy_weights, refuse_no_module
from isotropy.errors import UserError
from isotropy.io.atomic import new_folder, write_atomically
from isotropy.io.json_file import Count, checked, read_json
from isotropy.nn.bounded import MOST_WEIGHTS, bounded

FORMAT = 2
MODEL, WEIGHTS, CODER = "model.json", "encoder.safetensors", "coder.safetensors"
EMBEDDING = "embedding.safetensors"
# The same as hubs expect it: one file of settings, and one of all tensors, each under its part's name.
CONFIG, TENSORS = "config.json", "model.safetensors"
# What a run writes beside them: the embeddings of its rows.
ROWS = "embeddings.parquet"


Rows = Annotated[int, range(1, 1 << 24)]
# So many weights a network may have whatever its file holds: of a file that was cut short its checksum tells.
_FREE = 1 << 26
_AS_TRAINED = "give the network as it was trained, or restore the file from a copy"
REMEDY = "not an artefact of isotropy, or damaged: restore it from a copy"


class EncoderSpec(TypedDict):
    """Which encoder it is, and its constructor's arguments."""

    name: str
    arguments: dict[str, Any]
    width: NotRequired[Count]


class Weights(TypedDict):
    """The checksum of a file of tensors, and what stands before its network's names there."""

    sha256: str
    before: NotRequired[str]


class Coder(TypedDict):
    """The arguments of `SegmentHead`, and its weights."""

    widths: list[Rows]
    num_segments: Rows
    sha256: str
    before: NotRequired[str]


class EmbeddingSpec(TypedDict):
    """What `Embedding.of_spec` takes, and its tensors."""

    name: str
    width: NotRequired[Rows]
    features: NotRequired[list[str]]
    sha256: str
    before: NotRequired[str]


class Model(TypedDict):
    """model.json."""

    format: Count
    method: str
    modality: str
    encoder: EncoderSpec
    preprocess: dict[str, Any]
    chunk: Rows
    scores: list[dict[str, Any]]
    made_with: dict[str, str]
    weights: Weights
    coder: NotRequired[Coder]
    embedding: NotRequired[EmbeddingSpec]


def write_weights(networks: Mapping[str, nn.Module], path: Path) -> str:
    """Write weights, each under what stands before its network's names, and return the file's checksum.

    Raises:
        OSError: the disk does not take them.
    """
    state = {
        before + name: tensor.detach().to("cpu", copy=True).contiguous()
        for before, module in networks.items()
        for name, tensor in module.state_dict().items()
    }
    weights = to_bytes(state)
    write_atomically(path, weights)
    return hashlib.sha256(weights).hexdigest()


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """Give where to write an artefact: in its folder or, where there is none, in one that gets this name at the end.

    Raises:
        UserError: the disk does not take a file; a new folder is not there then.
    """
    try:
        with nullcontext(folder) if folder.exists() else new_folder(folder) as place:
            yield place
    except OSError as error:
        raise UserError(f"{folder}: the artefact could not be written ({error.strerror or error})") from error


def read_about(
    path: Path, kind: Any = Model, wanted: str = "a trained encoder", newest: int = FORMAT
) -> dict[str, Any]:
    """Return what model.json, or another file of that `kind`, says of an artefact.

    Raises:
        UserError: there is none, it is not that of an artefact, or of a newer version.
    """
    if not path.is_file():
        hint = " (is the run finished?)" if path.name == MODEL else ""
        raise UserError(f"{path}: no such file: its folder holds no {wanted.partition(' ')[2]}{hint}")
    about = read_json(path, dict[str, Any], REMEDY)
    number = about.get("format")
    if isinstance(number, int) and number > newest:
        raise UserError(f"{path}: format {number} is of a newer isotropy; this one reads {newest}: upgrade it")
    return dict(checked(about, kind, str(path), REMEDY))


def network(
    spec: Mapping[str, Any], own: nn.Module | None, example: Callable[[], Tensor | Batch], weights: Path
) -> Encoder:
    """Return the encoder that `spec` names, or a copy of the user's own network, with weights still to come.

    No network is made that has more weights than the file of `weights` has bytes, if many. `example` makes a batch,
    from which lazy modules of an own network learn their shapes.
    """
    if own is None:
        with bounded(max(weights.stat().st_size, _FREE) if weights.is_file() else MOST_WEIGHTS):
            return encoders.from_spec(spec)
    refuse_no_module(own)
    if spec["name"] != "custom" and not isinstance(own, Encoder):
        raise UserError(f"the encoder is a {spec['name']}, which needs no network of your own")
    if isinstance(own, Encoder):
        return copy.deepcopy(own).float()
    with torch.random.fork_rng(devices=[]):
        rows = example() if has_lazy_weights(own) else None
        return wrap(copy.deepcopy(own), width=int(spec["width"]), example=rows).float()


def read_tensors(path: Path, digest: str, about: str = MODEL, before: str = "") -> dict[str, Tensor]:
    """Return the tensors in `path`, or those of one network, without what stands before their names.

    Refused is a file that is not the one that was saved.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{path}: truncated, damaged or of another artefact (its checksum is not that in {about})")
    try:
        found = from_bytes(data)
        return {name.removeprefix(before): tensor for name, tensor in found.items() if name.startswith(before)}
    except SafetensorError as error:
        raise UserError(f"{path}: damaged, or not a safetensors file ({error})") from error


def fill(module: nn.Module, path: Path, digest: str, about: str = MODEL, before: str = "") -> None:
    """Copy the weights in `path` into `module`; refuse what is not exactly what was saved for it."""
    saved = read_tensors(path, digest, about, before)
    state = module.state_dict()
    if strange := sorted(saved.keys() ^ state.keys()):
        owner = "the file" if strange[0] in saved else "the network"
        raise UserError(f"{path}: does not fit the network: only {owner} has {strange[0]!r}: {_AS_TRAINED}")
    for name, tensor in state.items():
        if tensor.shape != saved[name].shape:
            shapes = f"{tuple(saved[name].shape)}, the network needs {tuple(tensor.shape)}"
            raise UserError(f"{path}: does not fit the network: {name!r} has shape {shapes}: {_AS_TRAINED}")
        tensor.copy_(saved[name])
