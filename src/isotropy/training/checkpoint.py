"""A checkpoint is one safetensors file, its JSON in the metadata: whole or not there at all."""

import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.io.atomic import write_atomically
from isotropy.io.json_file import Count, Positive, checked, parse_json

FORMAT = 1
KEPT = 2
# What stands before the checksum, the last of what a checkpoint says.
_SUM = ', "crc32": "'

_REMEDY = "delete it: an earlier one is taken, or the run begins again"


class Identity(TypedDict):
    """Which training it belongs to, of whose facts the number of steps is read by name."""

    steps: Count


class Conditions(TypedDict):
    """What the bits depend on beside that."""

    threads: Positive


class Beside(TypedDict):
    """What the run keeps with it: the lengths of its logs in bytes."""

    offsets: NotRequired[dict[str, Count]]


class About(TypedDict):
    """What a checkpoint says of itself."""

    step: Count
    identity: Identity
    conditions: Conditions
    about: Beside


class Diverged(UserError):
    """The loss or a weight is no longer finite; the last good checkpoint stays as it is."""


def save(
    folder: Path, step: int, method: nn.Module, optimizer: torch.optim.Optimizer, about: Mapping[str, Any]
) -> Path:
    """Write the checkpoint of `step` into `folder` and keep the last two.

    Raises: Diverged for a weight that is not finite, and nothing is written; UserError where the disk does not take the
        file, and the earlier checkpoints stay.
    """
    tensors = _tensors(method, optimizer)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise Diverged(
                f"{name.split('/', 1)[1]} is not finite after step {step}: no checkpoint was written; lower optim.lr"
            )
    path = folder / f"step-{step:09d}.safetensors"
    said = json.dumps({**about, "format": FORMAT, "step": step})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        # In one entry: safetensors writes several in an order that changes from call to call.
        said = f'{said[:-1]}{_SUM}{_checksum(said, tensors)}"}}'
        write_atomically(path, to_bytes(tensors, {"isotropy": said}))
    except OSError as error:
        raise UserError(
            f"{path}: the checkpoint of step {step} could not be written ({error.strerror}); "
            f"{'the earlier ones are untouched' if paths(folder) else 'there is no earlier one'}: make room and resume"
        ) from error
    # What a killed process was writing stays under its temporary name, and a damaged later checkpoint under its own
    # (the run went on from an earlier one); no other process writes here.
    kept = [old for old in paths(folder) if old <= path][-KEPT:]
    for old in [*folder.glob("step-*.safetensors"), *folder.glob(".step-*")]:
        if old not in kept:
            old.unlink()
    return path


def paths(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, the newest last."""
    return sorted(folder.glob("step-*.safetensors"))


def last_good(folder: Path) -> Path | None:
    """Return the newest checkpoint that can be read, None without any: from an older one a run ends in the same bits.

    Raises: UserError where there are some and none can be read.
    """
    path = None
    for path in reversed(paths(folder)):
        try:
            about(path)
            return path
        except UserError as error:
            warnings.warn(f"{error}; it is passed over", stacklevel=2)
    if path is not None:
        raise UserError(f"{folder}: no checkpoint can be read; delete the folder to begin from the start")
    return None


def about(path: Path) -> dict[str, Any]:
    """Return what the checkpoint says of itself.

    Raises: UserError for no such file, or one that is not a checkpoint of this library or was damaged since.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, "pt") as file:
            found, known, digits = (file.metadata() or {})["isotropy"].partition(_SUM)
            found += "}" * bool(known)
            # Checkpoints of older versions have none.
            if known and digits != f'{_checksum(found, _read(file))}"}}':
                raise UserError(f"{path}: damaged: its checksum is not that of what it holds")
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{path}: damaged, or not a checkpoint of isotropy") from error
    header = parse_json(found, dict[str, Any], str(path), _REMEDY)
    if (version := header.get("format")) != FORMAT:
        raise UserError(f"{path}: checkpoint format {version}, this version reads {FORMAT}")
    return dict(checked(header, About, str(path), _REMEDY))


def load(path: Path, method: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Copy the checkpoint into `method` and `optimizer`; return what it says of itself.

    Raises: UserError for a damaged or foreign file, or one of another network.
    """
    header = about(path)
    with safe_open(path, "pt") as file:
        saved = _read(file)
    state = method.state_dict()
    stored = {name.removeprefix("method/") for name in saved if name.startswith("method/")}
    wrong = sorted(stored ^ state.keys()) or sorted(
        name for name in stored if saved[f"method/{name}"].shape != state[name].shape
    )
    if wrong:
        raise UserError(f"{path}: was made by another network, method or version of isotropy ({wrong[0]} differs)")
    with torch.no_grad():
        for name, tensor in state.items():
            tensor.copy_(saved[f"method/{name}"])
        for name, parameter in method.named_parameters():
            prefix = f"optim/{name}/"
            for key in [k for k in saved if k.startswith(prefix)]:
                optimizer.state[parameter][key.removeprefix(prefix)] = _like(parameter, saved[key])
    return header


def _read(file: Any) -> dict[str, Tensor]:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no iterator)


def _checksum(about: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the CRC-32 of what a checkpoint says and holds, whatever the order of its tensors is."""
    value = zlib.crc32(about.encode())
    for name, tensor in sorted(tensors.items()):
        value = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"


def _like(parameter: Tensor, saved: Tensor) -> Tensor:
    # In the parameter's own memory format: a fused optimiser pairs channels-last weights with contiguous states
    # wrongly, and silently.
    if saved.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=saved.dtype).copy_(saved)
    return saved.to(parameter.device)


def _tensors(method: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"method/{name}": tensor.detach() for name, tensor in method.state_dict().items()}
    for name, parameter in method.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optim/{name}/{key}"] = value.detach()
    return tensors
