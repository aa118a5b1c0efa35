"""The one way from rows to embeddings: chunks of one fixed size, in eval mode, in float32, without gradient."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, batched, map_rows, take, tensors_of, unwrap
from isotropy.data import Preprocess
from isotropy.encoders import Encoder
from isotropy.encoders.encoder import to_channels_last
from isotropy.errors import need_memory

Network = TypeVar("Network", bound=nn.Module)
# Rows of a chunk for networks without and with convolutions or attention: the latter gain nothing from more, and
# a single row costs a whole chunk.
_LIGHT, _HEAVY = 256, 64
# Large rows (images) come in smaller chunks, so that a chunk holds at most this many numbers.
_MOST_NUMBERS = 1 << 22
_LEAST = 8
# Rows with masks come in groups of one length each, most of which would not fill more.
_GROUPED = 8


def embed_rows(
    encoder: nn.Module, to_input: Callable[[Any], Tensor | Batch], rows: Tensor | Batch, chunk: int | None = None
) -> NDArray[np.float32]:
    """Return the embeddings of `rows`, (N, width) float32; the encoder's modes are as before afterwards.

    Every chunk is filled up to `chunk` rows in a buffer of its own, since the same row in a batch of another
    size, or at another memory alignment, can differ in the last bits.

    Args:
        encoder: any network that gives one vector per row, on any device.
        to_input: turns stored rows into the encoder's input.
        rows: (N, ...) as they are stored; a file's map is read chunk by chunk. Of a `Batch` the mask is used too.
        chunk: rows that go through the encoder at once; by default `chunk_size` of them.

    Example:
        >>> encoder = nn.Linear(3, 2)
        >>> rows = torch.randn(300, 3)
        >>> whole = embed_rows(encoder, lambda x: x, rows, 256)
        >>> whole.shape, bool((whole[7:9] == embed_rows(encoder, lambda x: x, rows[7:9], 256)).all())
        ((300, 2), True)
    """
    rows = unwrap(rows)
    chunk = chunk or chunk_size(encoder, tuple(rows.shape[1:]))
    place = next(encoder.parameters(), rows).device
    # A buffer of torch's own begins at a multiple of 64 bytes, which a slice of a user's array may not.
    buffer = map_rows(rows, lambda x: torch.zeros((chunk, *x.shape[1:]), dtype=x.dtype, device=place))
    embeddings: NDArray[np.float32] | None = None
    with evaluating(encoder, place):
        for places in batched(max(len(rows), 1), rows=chunk):
            part = rows[places]
            # What stands behind a last, shorter part changes nothing in its rows.
            for kept, new in zip(tensors_of(buffer), tensors_of(part), strict=True):
                kept[: len(part)] = new
            output = encoder(unwrap(to_input(buffer)))[: len(part)].to("cpu", torch.float32)
            if embeddings is None:
                embeddings = np.empty((len(rows), *output.shape[1:]), dtype=np.float32)
            embeddings[places.start : places.start + len(part)] = output.numpy()
    assert embeddings is not None
    return embeddings


def embed_groups(
    embed: Callable[[Any], NDArray[np.float32]], groups: Sequence[tuple[Tensor, Tensor | Batch]]
) -> NDArray[np.float32]:
    """Return the embeddings of rows in groups, (N, width), each group by itself.

    Args:
        embed: returns the embeddings of a group.
        groups: the places (M,) of rows among the N, and these rows, as `Preprocess.together` gives them.

    Example:
        >>> encoder, rows = nn.Linear(3, 2), torch.randn(4, 3)
        >>> groups = [(torch.tensor([3, 0]), rows[[3, 0]]), (torch.tensor([1, 2]), rows[[1, 2]])]
        >>> embed = partial(embed_rows, encoder, lambda x: x)
        >>> bool((embed_groups(embed, groups) == embed(rows)).all())
        True
    """
    found = [(places.numpy(force=True), embed(rows)) for places, rows in groups]
    if len(found) == 1:
        return found[0][1]
    out = np.empty((sum(len(places) for places, _ in found), *found[0][1].shape[1:]), dtype=np.float32)
    for places, vectors in found:
        out[places] = vectors
    return out


def embed_together(
    encoder: nn.Module, preprocess: Preprocess, rows: Tensor | Batch, chunk: int | None = None
) -> NDArray[np.float32]:
    """Return what `embed_rows` does, of rows in the groups of the preprocessing: long series do not fill short ones up.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> table = TablePreprocess.learn(np.eye(3))
        >>> embed_together(nn.Linear(3, 2), table, table.transform(np.eye(3))).shape
        (3, 2)
    """
    return embed_groups(lambda some: embed_rows(encoder, preprocess.to_input, some, chunk), preprocess.together(rows))


def chunk_size(encoder: nn.Module, shape: tuple[int, ...]) -> int:
    """Return how many rows of a stored shape an encoder embeds at once: a power of two from 8 to 256.

    Example:
        >>> chunk_size(nn.Linear(3, 2), (3,))
        256
    """
    chunk = _HEAVY if getattr(encoder, "convolutional", False) else _LIGHT
    while chunk > _LEAST and chunk * prod(shape) > _MOST_NUMBERS:
        chunk //= 2
    return chunk


def chunk_of(encoder: nn.Module, example_rows: Callable[[int], Tensor | Batch]) -> int:
    """Return how many rows an encoder embeds at once, given what makes example rows; fewer where they have masks."""
    one = example_rows(1)
    size = chunk_size(encoder, tuple(one.shape[1:]))
    return min(size, _GROUPED) if isinstance(one, Batch) else size


def steady_chunk(encoder: nn.Module, to_input: Callable[[Any], Tensor | Batch], example: Tensor | Batch) -> int:
    """Return a chunk size at which a row's bits do not depend on its place in the chunk: `len(example)`, or 1.

    In narrow layers some kernels start a row's sum at its memory alignment (measured: MKL, 2 to 11 outputs of inputs
    whose number is no multiple of 4). So it is tried, on rows moved along by one and by half a chunk of the varied rows
    `example`; where a bit differs, rows go through one by one, which is always steady.
    """
    chunk = len(example)
    once = embed_rows(encoder, to_input, example, chunk)
    for places in (1, chunk // 2 + 1):
        moved = embed_rows(encoder, to_input, map_rows(example, partial(torch.roll, shifts=places, dims=0)), chunk)
        if not np.array_equal(np.roll(once, places, axis=0), moved, equal_nan=True):
            return 1
    return chunk


def repeated(rows: Tensor | Batch, count: int) -> Tensor | Batch:
    """Return the first `count` of rows, all of them again and again where they are fewer.

    Example:
        >>> repeated(torch.tensor([[1.0], [2.0]]), 3).tolist()
        [[1.0], [2.0], [1.0]]
    """
    return take(rows, torch.arange(count) % len(rows))


@contextmanager
def evaluating(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Eval mode and full float32 whatever the caller has set; all of it is put back.

    Within one of these others change nothing, so that several threads may be in theirs at once.
    """
    need_memory()
    training = [module for module in encoder.modules() if module.training]
    precision = torch.get_float32_matmul_precision()
    encoder.eval()
    torch.set_float32_matmul_precision("highest")
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False), exact:
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        for module in training:
            module.training = True


def canonical(network: Network) -> Network:
    """Return the network with every tensor in one memory layout, whatever happened to it before."""
    network.float().eval()
    if isinstance(network, Encoder) and network.held:
        # Kept in training only: what goes on from here, fine-tuning, may train all of it.
        network.requires_grad_(True)
        network.held = ()
    # The layout decides which kernel runs, and so the last bits, and a trained network may have any.
    for tensor in [*network.parameters(), *network.buffers()]:
        tensor.data = torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor.data)
    if isinstance(network, Encoder) and network.convolutional:
        to_channels_last(network)
    return network
