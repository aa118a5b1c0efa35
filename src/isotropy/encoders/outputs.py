"""What networks of other people return, as vectors: tensors, tuples, recurrent states, dictionaries, model outputs."""

from collections.abc import Mapping
from math import prod
from typing import Any

from torch import Tensor

from isotropy.errors import UserError, nearest

# How tokens (B, T, D), or the places of a map (B, C, ...), become one vector.
POOLS = ("mean", "max", "first", "last", "flatten")
# Names under which the models of other libraries keep one vector a row, and one a token, best first.
_VECTORS = ("pooler_output", "x_norm_clstoken", "embeddings", "image_embeds", "text_embeds")
_TOKENS = ("last_hidden_state", "x_norm_patchtokens")


def as_vectors(output: Any, rows: int, take: str | int | None = None, pool: str | None = None) -> tuple[Tensor, str]:
    """Return what a network gave for so many rows as (rows, width), and words for what was taken ("" for all of it).

    Without `take`: of a recurrent network's (steps, last state) the last state; of a model output `pooler_output`, or
    else `last_hidden_state`, whose tokens are averaged; of another tuple the first tensor, and of another dictionary
    the only one. What has more than two dimensions and no `pool` is flattened.

    Args:
        output: a tensor, a tuple or list, a dictionary, or an object with such attributes.
        take: the place in a tuple, or the name in a dictionary, of what is meant.
        pool: a name of `POOLS`, along T of tokens (B, T, D), or the places of a map (B, C, ...) of at least four axes.

    Raises:
        UserError: nothing that can be meant, or not one row per input.

    Example:
        >>> import torch
        >>> steps, state = torch.nn.GRU(3, 5, batch_first=True)(torch.randn(2, 7, 3))
        >>> as_vectors((steps, state), 2)[0].shape, as_vectors((steps, state), 2, take=0, pool="mean")[0].shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """
    if take is None:
        tensor, words, pool = _chosen(output, rows, pool)
    else:
        tensor, words = _named(output, take), ""
    if not isinstance(tensor, Tensor):
        raise UserError(f"a wrapped network must return a tensor, or a tuple that begins with one, not {_kind(tensor)}")
    if tensor.dim() == 0 or len(tensor) != rows:
        raise UserError(f"a wrapped network must return one row per input: {rows} in, {tuple(tensor.shape)} out")
    if not tensor.is_floating_point():
        raise UserError(f"a wrapped network must return real numbers, not {tensor.dtype}")
    if sum(length > 1 for length in tensor.shape[1:]) > 1 and pool is None:
        shape = f"(rows, {', '.join(map(str, tensor.shape[1:]))})"
        words = "; ".join(part for part in (words, f"{shape} is flattened to {prod(tensor.shape[1:])} numbers") if part)
    return _pooled(tensor, pool).reshape(rows, -1), words


def check_reading(take: str | int | None, pool: str | None) -> None:
    """Raise UserError for a `take` or `pool` that cannot be meant."""
    if pool is not None and pool not in POOLS:
        raise UserError(f"pool = {pool!r} is unknown{nearest(pool, POOLS)}")
    if take is not None and (isinstance(take, bool) or not isinstance(take, str | int)):
        raise UserError(f"take = {take!r} must be the place in a tuple (0, 1, ...) or a name in a dictionary")


def _chosen(output: Any, rows: int, pool: str | None) -> tuple[Any, str, str | None]:
    """Return the part of an output that is taken unasked, words for it, and its pooling."""
    if isinstance(output, Tensor):
        return output, "", pool
    if (state := _last_state(output, rows)) is not None:
        return state, f"of (steps, last state) the last state is taken, {state.shape[1]} numbers", pool
    named = _tensors(output)
    for name in (*_VECTORS, *_TOKENS):
        if name in named:
            tokens = name in _TOKENS and pool is None and named[name].dim() == 3
            words = f"{name} is taken" + (", the mean of its tokens" if tokens else "")
            return named[name], words, "mean" if tokens else pool
    if isinstance(output, tuple | list) and output:
        if not isinstance(output[0], Tensor):
            raise UserError(
                f"a wrapped network must return a tensor, or a tuple that begins with one, not one that begins with "
                f"{_kind(output[0])}: name the part with take"
            )
        return output[0], "of a tuple the first part is taken" if len(output) > 1 else "", pool
    if len(named) == 1:
        name, tensor = next(iter(named.items()))
        return tensor, f"{name} is taken", pool
    if named:
        raise UserError(f"the network returns {', '.join(named)}: say which with wrap(network, take=NAME)")
    return output, "", pool


def _last_state(output: Any, rows: int) -> Tensor | None:
    """Return (B, directions x H) of a recurrent network's (steps, h) or (steps, (h, c)); None for anything else."""
    if not isinstance(output, tuple) or len(output) != 2:
        return None
    steps, state = output
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], Tensor):
        state = state[0]
    if not (isinstance(steps, Tensor) and isinstance(state, Tensor) and steps.dim() == state.dim() == 3):
        return None
    width = state.shape[2]
    directions = steps.shape[2] // width if width and steps.shape[2] in (width, 2 * width) else 0
    if len(steps) != rows or state.shape[1] != rows or not directions or len(state) % directions:
        return None
    return state[-directions:].transpose(0, 1).reshape(rows, -1)


def _tensors(output: Any) -> dict[str, Tensor]:
    """Return the tensors of a dictionary, a named tuple or an object, by name."""
    if isinstance(output, Mapping):
        found = dict(output)
    elif hasattr(output, "_asdict"):
        found = output._asdict()
    else:
        found = getattr(output, "__dict__", {})
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _named(output: Any, take: str | int) -> Any:
    """Return the part of an output that is called `take`."""
    if isinstance(take, int):
        if not isinstance(output, tuple | list):
            raise UserError(f"take = {take} is a place in a tuple, and the network returns {_kind(output)}")
        if not -len(output) <= take < len(output):
            raise UserError(f"take = {take}: the network returns {len(output)} parts, counted from 0")
        return output[take]
    named = _tensors(output)
    if take not in named:
        found = nearest(take, named) if named else f": the network returns {_kind(output)}"
        raise UserError(f"the network returns no {take!r}{found}")
    return named[take]


def _pooled(tensor: Tensor, pool: str | None) -> Tensor:
    if pool in (None, "flatten") or tensor.dim() == 2:
        return tensor
    if tensor.dim() == 3:
        ends = {"first": 0, "last": -1}
        if pool in ends:
            return tensor[:, ends[pool]]
        return tensor.mean(1) if pool == "mean" else tensor.amax(1)
    if tensor.dim() < 3 or pool in ("first", "last"):
        raise UserError(f"pool = {pool!r} is for tokens (rows, T, D), and the network gives {tuple(tensor.shape)}")
    places = tuple(range(2, tensor.dim()))
    return tensor.mean(places) if pool == "mean" else tensor.amax(places)


def _kind(value: Any) -> str:
    """Return what a value is called in a message."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
