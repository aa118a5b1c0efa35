"""Cosines of rows: fast ones of rows of length 1, and exact ones on a grid of whole numbers."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched
from isotropy.errors import UserError

# Numbers of candidates that are multiplied at once: they stay in the cache.
AT_ONCE = 1 << 18
# A row is rounded to 26 bits below its norm's power of two: sums of products then stay below 2^53.
_BITS = 26
# Norms of float32 whose square neither overflows nor loses digits.
_SAFE = (1e-15, 1e15)


def cosines(queries: Tensor, rows: Tensor, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cosines of queries (M, d) and rows of the numbers `places`, (M, k) both, as `nearest` gives them.

    Example:
        >>> x = torch.eye(3)
        >>> cosines(x[:1], x, np.array([[2, 0]])).tolist()
        [[0.0, 1.0]]
    """
    out = np.empty(places.shape, dtype=np.float32)
    for part in batched(len(places), rows=max(1, AT_ONCE // max(1, queries.shape[1] * places.shape[1]))):
        asked, norms = on_grid(queries[part])
        grid, lengths = on_grid(rows[torch.from_numpy(places[part].ravel())])
        products = (grid.view(*places[part].shape, -1) * asked[:, None]).sum(2)
        out[part] = cosine(products, norms[:, None], lengths.view(products.shape))
    return out


def inverse_lengths(rows: Tensor, name: str, start: int) -> Tensor:
    """Return one over the length of each row, (N,) float32, 0 for a row of zeros; NaN where float32 is too narrow."""
    norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32 if rows.dtype != torch.float64 else None)
    if not bool(((norms > _SAFE[0]) & (norms < _SAFE[1])).all()):
        odd = ~rows.isfinite().all(1)
        if bool(odd.any()):
            raise UserError(
                f"{name}: row {start + int(odd.int().argmax())} holds a value that is not finite: nothing is near to it"
            )
    scale = (1 / norms).float()
    scale[~((norms > _SAFE[0]) & (norms < _SAFE[1]))] = torch.nan
    return scale


def unit_rows(rows: Tensor, name: str, start: int = 0) -> Tensor:
    """Return rows (N, d) of length 1 in float32, rows of zeros as they are.

    Args:
        name, start: what the rows are called, and the number of the first, where one is not finite (UserError).

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0]]), "rows")
        tensor([[0.6000, 0.8000]])
    """
    return scaled(rows, inverse_lengths(rows, name, start))


def scaled(rows: Tensor, scale: Tensor, out: Tensor | None = None) -> Tensor:
    """Return rows of length 1 in float32."""
    out = torch.empty(rows.shape) if out is None else out
    torch.mul(rows if rows.dtype == torch.float32 else rows.float(), scale[:, None], out=out)
    odd = scale.isnan()
    if bool(odd.any()):
        grid, norms = on_grid(rows[odd])
        out[odd] = (grid / norms.sqrt().clamp(min=1)[:, None]).float()
    return out


def on_grid(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows times a power of two as whole numbers of at most 26 bits together, and their squared lengths."""
    x = rows.double()
    if rows.dtype == torch.float64:
        x = x * _power(-torch.frexp(x.abs().amax(1)).exponent)
    # einsum adds a row up in one order, whatever the other rows are; what follows is exact in any order.
    norms = torch.from_numpy(np.sqrt(np.einsum("nd,nd->n", x.numpy(), x.numpy())))
    grid = (x * _power(_BITS - torch.frexp(norms).exponent)).round_()
    return grid, grid.square().sum(1)


def _power(exponents: Tensor) -> Tensor:
    """Return powers of two, (N, 1) float64."""
    return torch.from_numpy(np.ldexp(1.0, exponents.clamp(-1000, 1000).numpy())).unsqueeze(1)


def cosine(products: Tensor, one: Tensor, other: Tensor) -> NDArray[np.float32]:
    """Return cosines of products on the grid and of the squared lengths of their rows; 0 where one is of zeros."""
    lengths = (one * other).sqrt()
    return torch.where(lengths > 0, products / lengths, 0.0).clamp(-1, 1).float().numpy()
