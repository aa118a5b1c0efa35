"""Weights to begin with: of a run, of a safetensors file, or of a state dictionary."""

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from isotropy.data import Preprocess, TablePreprocess
from isotropy.encoders import Encoder, refuse_unimported_encoder
from isotropy.errors import UserError
from isotropy.representation.files import MODEL, WEIGHTS, read_about, read_tensors
from isotropy.runs.initial_columns import Columns, columns_of_run

# Where training scripts put the weights in what they save.
_NESTS = ("state_dict", "model_state_dict", "model", "encoder", "teacher", "student", "module")
_NAMED = 4
# Arguments of encoders that new data bring (`Preprocess.shape`), what the name of one of timm says, and weights, which
# are the run's own.
_OF_DATA = frozenset(
    ["channels", "length", "unequal", "size", "sizes", "numeric", "categories", "numbers", "model", "pretrained"]
)


@dataclass(frozen=True)
class Begun:
    """What an encoder got from a file.

    Attributes:
        matched: names in the encoder that have the file's values, of `count`.
        missing: those that are not in the file. unused: names in the file that are not in the encoder.
        differing: names whose shapes differ, with that of the file and that of the encoder.
        columns: what was taken of a table's columns, where they are known by name.
    """

    matched: list[str]
    count: int
    missing: list[str]
    unused: list[str]
    differing: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    columns: Columns | None = None

    @property
    def words(self) -> str:
        """Return what matched, what did not, and which shapes differ."""
        said = [f"{len(self.matched)} of {self.count} weights taken"]
        if self.columns is not None:
            said.append(self.columns.words)
        if self.differing:
            shapes = [f"{name} {there} in the file, {here} here" for name, there, here in self.differing[:_NAMED]]
            said.append(f"of another shape: {'; '.join(shapes)}{_more(self.differing)}")
        if self.missing:
            said.append(f"not in the file: {', '.join(self.missing[:_NAMED])}{_more(self.missing)}")
        if self.unused:
            said.append(f"not used: {', '.join(self.unused[:_NAMED])}{_more(self.unused)}")
        return "; ".join(said)


def begin_with(encoder: nn.Module, weights: str | Path, preprocess: Preprocess | None = None) -> Begun:
    """Copy the weights that fit by name and shape into an encoder, whatever comes before the names in the file.

    Args:
        weights: a run's folder, a .safetensors file, or a file of `torch.save(network.state_dict())`.
        preprocess: of the encoder's rows; a table's columns then are found by their names in a run.

    Raises:
        UserError: no such file, one that holds no weights, or none that fits.
    """
    place = Path(weights).expanduser()
    saved = read_weights(place)
    schema = preprocess.schema if isinstance(preprocess, TablePreprocess) else None
    if columns := columns_of_run(encoder, schema, place):
        saved |= columns.weights
    state = encoder.state_dict()
    ours, theirs = _best_beginnings(state, saved)
    named = {ours + name.removeprefix(theirs): value for name, value in saved.items() if name.startswith(theirs)}
    found = [name for name in state if name in named]
    matched = [name for name in found if named[name].shape == state[name].shape]
    if not any(state[name].dim() > 1 for name in matched):
        raise UserError(
            f"{weights}: no weights fit the encoder: it has {', '.join(list(state)[:_NAMED])}, ..., the file "
            f"{', '.join(list(saved)[:_NAMED])}, ...{_of_other_shapes(saved, state)}"
        )
    with torch.no_grad():
        for name in matched:
            state[name].copy_(named[name])
            if not torch.isfinite(state[name]).all():
                raise UserError(f"{weights}: {name} holds numbers that are not finite: begin with other weights")
    kept = {theirs + name.removeprefix(ours) for name in found}
    shapes = [(n, tuple(named[n].shape), tuple(state[n].shape)) for n in found if n not in matched]
    missing = [name for name in state if name not in named]
    return Begun(matched, len(state), missing, [name for name in saved if name not in kept], shapes, columns)


def _of_other_shapes(saved: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """Return words for the weights whose names fit and whose shapes do not."""
    found = [
        f"{name} is {tuple(value.shape)} there and {tuple(state[own].shape)} here"
        for name, value in saved.items()
        for own in state
        if f".{own}".endswith(f".{name}") and state[own].shape != value.shape
    ]
    return f"; {', '.join(found[:_NAMED])}" if found else ""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return tensors by name; UserError for a file that holds no weights."""
    if path.is_dir():
        if (path / MODEL).is_file():
            return read_tensors(path / WEIGHTS, read_about(path / MODEL)["weights"]["sha256"])
        path = path / WEIGHTS
    if not path.is_file():
        raise UserError(f"{path}: no such file: weights come from a run, a .safetensors file or a .pt state dictionary")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            safe = path.suffix == ".safetensors"
            content = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    # Bytes of a damaged pickle are instructions, which may end in any error.
    except Exception as error:
        how = "save its weights alone (torch.save(network.state_dict(), path))"
        raise UserError(f"{path}: damaged, or more than weights, which is never read: {how}") from error
    found = _tensors(content)
    if not found:
        raise UserError(f"{path}: holds no weights by name: give torch.save(network.state_dict(), path)")
    return found


def encoder_of_run(weights: str | Path) -> dict[str, Any]:
    """Return the settings that make a run's encoder again; {} for a file, or for a network of the user's own.

    Raises:
        UserError: a damaged run, or a class of a module that this process has not imported.
    """
    about = Path(weights).expanduser() / MODEL
    if not about.is_file():
        return {}
    made = read_about(about)["encoder"]
    name = made["name"]
    try:
        refuse_unimported_encoder(name)
    except UserError as error:
        raise UserError(f"{about}: {error}") from error
    options = {key: value for key, value in made["arguments"].items() if key not in _OF_DATA}
    return {} if name == "custom" else {"encoder": name, **{f"encoder.{key}": one for key, one in options.items()}}


def beginning(weights: str | Path | None, count: int | None, *, encoder_named: bool) -> dict[str, Any]:
    """Return the settings of a recipe that begins with weights and keeps the first `count` layers as they are.

    The encoder is that of a run whose weights they are, unless one is named.
    """
    own = {} if weights is None or encoder_named else encoder_of_run(weights)
    place = None if weights is None else str(Path(weights).expanduser().resolve())
    given = {"init.weights": place, "init.freeze": count}
    return own | {name: value for name, value in given.items() if value is not None}


def freeze(encoder: nn.Module, count: int) -> list[str]:
    """Keep the first `count` layers of an encoder as they are, in eval mode; return the names of what is kept.

    A layer is a module with a matrix or kernel of weights, and the norms behind it.

    Raises:
        UserError: not fewer than the layers that there are.
    """
    parts = [(name, part) for name, part in encoder.named_modules() if list(part.parameters(recurse=False))]
    starts = [n for n, (_, part) in enumerate(parts) if any(w.dim() > 1 for w in part.parameters(recurse=False))]
    if not 0 <= count < len(starts):
        raise UserError(f"init.freeze = {count}: the encoder has {len(starts)} layers, and the last has to be trained")
    kept = parts[: starts[count]] if count else []
    for _, part in kept:
        part.requires_grad_(False)
    if isinstance(encoder, Encoder):
        encoder.held = tuple(part for _, part in kept)
    return [name for name, _ in kept]


def _tensors(content: Any, depth: int = 0) -> dict[str, Tensor]:
    """Return the weights in what a training script saved."""
    if not isinstance(content, Mapping) or depth > len(_NESTS):
        return {}
    found = {str(name): value for name, value in content.items() if isinstance(value, Tensor) and _is_plain(value)}
    if len(found) > 1 or (found and len(found) == len(content)):
        return found
    nested = [_tensors(content[name], depth + 1) for name in _NESTS if name in content]
    return max(nested, key=len, default=found)


def _is_plain(value: Tensor) -> bool:
    """Return whether a tensor is numbers of one shape: not sparse, quantised, complex or without values."""
    odd = value.is_quantized or value.is_meta or value.is_complex()
    return value.layout == torch.strided and not odd


def _best_beginnings(state: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> tuple[str, str]:
    """Return what names in the encoder and in a file begin with, so that most others agree in rest and shape.

    Of equally many the shortest, then the first ones. Each name is looked at once: a file may have very many.
    """
    ends: dict[str, list[tuple[str, torch.Size]]] = {}
    for name, value in state.items():
        for own in _beginnings(name):
            ends.setdefault(name.removeprefix(own), []).append((own, value.shape))
    fitting = Counter[tuple[str, str]]({("", ""): 0})
    for name, value in saved.items():
        for theirs in _beginnings(name):
            fitting.update(
                (own, theirs) for own, shape in ends.get(name.removeprefix(theirs), ()) if shape == value.shape
            )
    return max(fitting, key=lambda pair: (fitting[pair], -len(pair[0]), -len(pair[1])))


def _beginnings(name: str) -> list[str]:
    """Return what a name begins with, up to each of its first three dots: "", "model.", "model.encoder.", ..."""
    parts = name.split(".")[:-1][:3]
    return [".".join(parts[:count]) + "." * (count > 0) for count in range(len(parts) + 1)]


def _more(names: list[Any]) -> str:
    return f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
