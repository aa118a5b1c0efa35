"""The artefact: a trained encoder with all that it needs to turn new data into vectors, in two files."""

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from isotropy import encoders
from isotropy.atomic import write_atomically
from isotropy.data import PREPROCESS, Data, ImagePreprocess, Preprocess, read
from isotropy.data.arrays import taken
from isotropy.data.tensors import as_array
from isotropy.embedding import chunk_size, embed_rows, example_rows, steady_chunk
from isotropy.encoders import Encoder, wrap
from isotropy.encoders.encoder import to_channels_last
from isotropy.errors import UserError

__all__ = ["Representation", "embed_rows", "load"]

FORMAT = 1
MODEL, WEIGHTS = "model.json", "encoder.safetensors"
# Chunks that `iterate` reads and yields at once.
_CHUNKS = 16


class Representation:
    """A trained encoder that turns data as the user has them into vectors.

    The same row has the same embedding, bit for bit, in any subset and order of rows, in every process on one
    machine with one number of threads; elsewhere the embeddings agree to about 1e-5.

    Args:
        encoder: a copy of it is kept, in float32 and eval mode, on its device.
        preprocess: as it was learnt on the training rows.
        method: the name of the method that trained it.
        scores: what is known of its quality, JSON-able.
        chunk: rows that go through the encoder at once; by default found as `isotropy.embedding` says.

    Attributes:
        width: length of an embedding. names: of its columns, z0, z1, ...
        made_with: versions and device, of where it was made.

    Raises:
        UserError: a network that has no `width`.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
        >>> z = made.transform(x)
        >>> z.shape, z.dtype, bool((made.transform(x[[4, 2]]) == z[[4, 2]]).all())
        ((50, 16), dtype('float32'), True)
    """

    def __init__(
        self,
        encoder: nn.Module,
        preprocess: Preprocess,
        *,
        method: str,
        scores: Sequence[Any] = (),
        chunk: int | None = None,
    ) -> None:
        encoder = encoder if isinstance(encoder, Encoder) else wrap(encoder, width=getattr(encoder, "width", None))
        self.encoder = _canonical(copy.deepcopy(encoder))
        self.preprocess = preprocess
        self.method = method
        self.scores = list(scores)
        self.made_with = {
            "isotropy": version("isotropy"),
            "torch": str(torch.__version__),
            "device": self.device.type,
        }
        if chunk is None:
            rows = example_rows(preprocess.modality, preprocess.shape, 1)
            rows = example_rows(preprocess.modality, preprocess.shape, chunk_size(self.encoder, tuple(rows.shape[1:])))
            chunk = steady_chunk(self.encoder, preprocess.prepare, rows)
        self.chunk = chunk

    @property
    def modality(self) -> str:
        """ "table", "series" or "image"."""
        return self.preprocess.modality

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.encoder.width

    @property
    def names(self) -> list[str]:
        """Names of an embedding's columns."""
        return [f"z{place}" for place in range(self.width)]

    @property
    def title(self) -> str:
        """What it is called beside its baselines."""
        return f"isotropy ({self.method})"

    @property
    def device(self) -> torch.device:
        """Where the encoder works."""
        tensors = [*self.encoder.parameters(), *self.encoder.buffers()]
        return tensors[0].device if tensors else torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:
        """Move the encoder to a device; embeddings there agree with those elsewhere to about 1e-5."""
        self.encoder.to(device)
        return self

    def transform(self, values: Any) -> NDArray[np.float32]:
        """Return the embeddings (N, width) float32 of rows as the user has them.

        Args:
            values: a DataFrame, an array, a tensor, `Data`, or a path as `isotropy.data.read` takes it; of
                the training's columns, channels or size.

        Raises:
            UserError: rows that differ in form from those of the training, named.
        """
        return self.embed_stored(self.preprocess.store(self._values(values)))

    def iterate(self, values: Any, progress: Callable[[int, int], None] | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield what `transform` returns in pieces, so that memory does not grow with the number of rows.

        Args:
            values: as for `transform`.
            progress: called with the rows done and all rows after each piece.
        """
        values = self._values(values)
        rows, piece = len(values), self.chunk * _CHUNKS
        for start in range(0, rows, piece):
            part = values.iloc[start : start + piece] if isinstance(values, pd.DataFrame) else values[start:][:piece]
            yield self.embed_stored(self.preprocess.store(part))
            if progress is not None:
                progress(min(start + piece, rows), rows)

    def embed_stored(self, rows: Tensor) -> NDArray[np.float32]:
        """Return the embeddings (N, width) float32 of rows as the preprocessing stores them."""
        return embed_rows(self.encoder, self.preprocess.prepare, rows, self.chunk)

    def _values(self, values: Any) -> Any:
        """Return values in the form that the preprocessing takes."""
        scale = self.preprocess.scale if isinstance(self.preprocess, ImagePreprocess) else None
        if isinstance(values, (str, Path)):
            shape: dict[str, Any] = {}
            if isinstance(self.preprocess, ImagePreprocess) and Path(values).is_dir():
                shape = {"size": self.preprocess.size[0], "channels": self.preprocess.channels}
            values = read(values, modality=self.modality, scale=scale, **shape)
        if isinstance(values, Data):
            return values.values
        if isinstance(values, pd.DataFrame):
            if self.modality == "table":
                return values
            values = values.to_numpy()
        return taken(as_array(values), self.modality, scale=scale)[0]

    def save(self, folder: Path | str) -> None:
        """Write encoder.safetensors and model.json into `folder`, each whole or not at all.

        Raises:
            UserError: the disk does not take them.
        """
        weights = self.save_weights(folder)
        about = {
            "format": FORMAT,
            "method": self.method,
            "modality": self.modality,
            "encoder": {**encoders.spec(self.encoder), "width": self.width},
            "preprocess": self.preprocess.to_json(),
            "chunk": self.chunk,
            "scores": self.scores,
            "made_with": self.made_with,
            "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()},
        }
        _write(Path(folder) / MODEL, json.dumps(about, indent=1, allow_nan=False).encode())

    def save_weights(self, folder: Path | str) -> bytes:
        """Write encoder.safetensors alone into `folder` and return its bytes; raises what `save` raises."""
        state = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.encoder.state_dict().items()}
        weights = to_bytes({name: tensor.contiguous() for name, tensor in state.items()})
        _write(Path(folder) / WEIGHTS, weights)
        return weights


def load(
    folder: Path | str, encoder: nn.Module | None = None, *, device: torch.device | str | None = None
) -> Representation:
    """Return the representation in `folder`, from its two files alone.

    Args:
        folder: a run's directory, or where `Representation.save` wrote.
        encoder: the network, where it was one of the user's own; its weights are read from the file.
        device: where it shall work; by default the kind that it was made on, or else the CPU.

    Raises:
        UserError: a missing, damaged or foreign file, named.
    """
    folder = Path(folder)
    about = _read_about(folder / MODEL)
    try:
        preprocess = PREPROCESS[about["modality"]].from_json(about["preprocess"])
        made = _network(about["encoder"], encoder)
        chunk, method, scores = about["chunk"], str(about["method"]), list(about["scores"])
        digest, made_with = about["weights"]["sha256"], {**about["made_with"]}
        if not isinstance(chunk, int) or chunk < 1:
            raise UserError(f"a chunk of {chunk!r} rows is not possible")
    except UserError as error:
        raise UserError(f"{folder / MODEL}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{folder / MODEL}: damaged, or not an artefact of isotropy ({error!r})") from error
    _fill(made, folder / WEIGHTS, digest)
    if device is None:
        device = "cuda" if made_with.get("device") == "cuda" and torch.cuda.is_available() else "cpu"
    representation = Representation(made.to(device), preprocess, method=method, scores=scores, chunk=chunk)
    representation.made_with = made_with
    return representation


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise UserError(f"{path.parent}: the artefact could not be written ({error.strerror})") from error


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file: its folder holds no trained encoder (is the run finished?)") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: damaged, or not an artefact of isotropy ({error})") from error
    number = about.get("format") if isinstance(about, dict) else None
    if not isinstance(number, int):
        raise UserError(f"{path}: not an artefact of isotropy (it has no format number)")
    if number > FORMAT:
        raise UserError(f"{path}: format {number} is of a newer isotropy; this one reads {FORMAT}: upgrade it")
    return dict(about)


def _network(spec: Mapping[str, Any], own: nn.Module | None) -> Encoder:
    """Return the encoder that `spec` names, or a copy of the user's own network, with weights still to come."""
    if own is None:
        return encoders.from_spec(spec)
    if spec["name"] != "custom" and not isinstance(own, Encoder):
        raise UserError(f"the encoder is a {spec['name']}, which needs no network of your own")
    made = wrap(copy.deepcopy(own), width=None if isinstance(own, Encoder) else int(spec["width"]))
    return made.float()


def _fill(encoder: Encoder, path: Path, digest: str) -> None:
    """Copy the weights in `path` into `encoder`; refuse what is not exactly what was saved for it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(f"{path}: truncated, damaged or of another artefact (its checksum is not that in {MODEL})")
    try:
        saved = from_bytes(data)
    except SafetensorError as error:
        raise UserError(f"{path}: damaged, or not a safetensors file ({error})") from error
    state = encoder.state_dict()
    if strange := sorted(saved.keys() ^ state.keys()):
        owner = "the file" if strange[0] in saved else "the encoder"
        raise UserError(f"{path}: does not fit the encoder: only {owner} has {strange[0]!r}")
    for name, tensor in state.items():
        if tensor.shape != saved[name].shape:
            shapes = f"{tuple(saved[name].shape)}, the encoder needs {tuple(tensor.shape)}"
            raise UserError(f"{path}: does not fit the encoder: {name!r} has shape {shapes}")
        tensor.copy_(saved[name])


def _canonical(encoder: Encoder) -> Encoder:
    """Return the encoder with every tensor in one memory layout, whatever happened to it before.

    The layout decides which kernel runs, and so the last bits; a loaded encoder begins contiguous, a trained one
    may hold its tensors in any order. So each is written anew before the network as a whole takes channels-last.
    """
    encoder.float().eval()
    for tensor in [*encoder.parameters(), *encoder.buffers()]:
        tensor.data = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor.data)
    if encoder.convolutional:
        to_channels_last(encoder)
    return encoder
