"""The base space of an equivariant encoder: the positions of its feature map, and how the group acts on them.

An encoder f is equivariant to a group where f(T_g x) = rho(g) f(x). For features that are functions on a base space,
f(x): positions -> R^K, it means that the features of a transformed input at a fixed position are those of the
original input at a transformed position:

    f(T_g x)(p) = f(x)(g^-1 p).                                                       (E)

A view is therefore a crop of the feature map at an `offset` (per sample). `crop` takes it; `transformed` transforms
the inputs so that a crop at `origin` gives the same. Keller, Suau and Zappella, "Homomorphic
Self-Supervised Learning" (TMLR 2023, arXiv 2211.08282), section 3.
"""

from abc import ABC, abstractmethod
from functools import cache
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from isotropy.errors import UserError


class BaseSpace(ABC):
    """Positions along one or more axes of a feature map (B, K, *shape), and the group that acts on them.

    Attributes:
        shape: lengths of the axes.
        exact: whether (E) holds up to rounding; else resampling makes it approximate.
    """

    shape: tuple[int, ...]
    exact: bool = True

    @abstractmethod
    def distances(self) -> tuple[Tensor, Tensor]:
        """Return all displacements (M, axes) int64, and the topographic distance (M,) of each."""

    @abstractmethod
    def add(self, offset: Tensor, displacement: Tensor) -> Tensor:
        """Return `offset` (B, axes) displaced by `displacement` (B, axes)."""

    @abstractmethod
    def positions(self, offset: Tensor, size: int) -> Tensor:
        """Return the flat positions (B, size^axes) of the crop at `offset` (B, axes), in order."""

    @abstractmethod
    def transformed(self, x: Tensor, offset: Tensor, size: int) -> Tensor:
        """Return the inputs transformed so that their crop at `origin` equals the crop of `x` at `offset`."""

    def offsets(self, size: int) -> Tensor:
        """Return all offsets (M, axes) int64 of crops of `size` positions per axis that lie inside."""
        positions = torch.tensor(list(product(*map(range, self.shape))))
        return positions[self.inside(positions, size)]

    def origin(self, size: int) -> Tensor:
        """Return the offset (axes,) int64 at which a transformed input is cropped: zero, or the identity."""
        return torch.zeros(len(self.shape), dtype=torch.int64)

    def displacements(self, distance: int | None) -> Tensor:
        """Return the displacements (M, axes) int64 of this topographic distance; None: all but zero.

        Raises: UserError where no position is that far.
        """
        candidates, distances = self.distances()
        wanted = distances > 0 if distance is None else distances == distance
        if not wanted.any():
            raise UserError(f"distance {distance}: positions of this base space lie 0 to {int(distances.max())} apart")
        return candidates[wanted]

    def inside(self, offset: Tensor, size: int) -> Tensor:
        """Return (B,) booleans: whether a crop of `size` positions per axis at `offset` (B, axes) lies inside.

        All do in a base space that wraps around, or is a group.
        """
        return torch.ones(len(offset), dtype=torch.bool)

    def crop(self, maps: Tensor, offset: Tensor, size: int) -> Tensor:
        """Return (B, K * size^axes): the crop of feature maps (B, K, *shape) at `offset` (B, axes)."""
        positions = self.positions(offset.to(maps.device), size)
        flat = maps.flatten(2)
        return flat.gather(2, positions.unsqueeze(1).expand(-1, flat.shape[1], -1)).flatten(1)

    def check(self, size: int) -> None:
        """Raise a UserError unless the feature map has `size` positions per axis."""
        if not 1 <= size <= min(self.shape):
            shown = " x ".join(map(str, self.shape))
            raise UserError(
                f"base size {size}: the encoder's base space has {shown} positions; give 1 to {min(self.shape)}"
            )


class Rotations(BaseSpace):
    """Rotations of square images by multiples of 90 degrees: the group C4, or with `mirrors` the group D4.

    Element k < 4 rotates by 90 k degrees (as `torch.rot90`); element 4 + k flips left to right first.

    Example:
        >>> Rotations(mirrors=True).table[1, 3]  # a quarter turn after three
        tensor(0)
    """

    def __init__(self, *, mirrors: bool) -> None:
        self.shape = (8 if mirrors else 4,)

    @property
    def table(self) -> Tensor:
        """The (n, n) table of products: T_table[a, b] = T_a T_b."""
        return _tables()[0][: self.shape[0], : self.shape[0]]

    @property
    def inverse(self) -> Tensor:
        """The (n,) inverses."""
        return _tables()[1][: self.shape[0]]

    def distances(self) -> tuple[Tensor, Tensor]:
        """Return all elements, and how many quarter turns and flips each needs."""
        turns = torch.arange(4)
        turned = torch.minimum(turns, 4 - turns)
        return self.offsets(1), torch.cat([turned, turned + 1])[: self.shape[0]]

    def add(self, offset: Tensor, displacement: Tensor) -> Tensor:
        """Return the product of both elements."""
        return self.table[offset[:, 0], displacement[:, 0]].unsqueeze(1)

    def positions(self, offset: Tensor, size: int) -> Tensor:
        """Return `offset` times each of the first `size` elements."""
        return self.table.to(offset.device)[offset[:, 0], :size]

    def transformed(self, x: Tensor, offset: Tensor, size: int) -> Tensor:
        """Return the images, each under the inverse of its own element."""
        out = torch.empty_like(x)
        element = self.inverse[offset[:, 0].cpu()]
        for g in element.unique().tolist():
            rows = (element == g).nonzero()[:, 0].to(x.device)
            out[rows] = act(x[rows], g)
        return out


class Translations(BaseSpace):
    """Cyclic translations along the last axes of the input; one position of the map is `stride` steps of the input.

    Example:
        >>> x = torch.arange(32.0).view(1, 1, 32)
        >>> Translations((8,), stride=4).transformed(x, torch.tensor([[1]]), 1)[0, 0, :2]
        tensor([4., 5.])
    """

    def __init__(self, shape: tuple[int, ...], *, stride: int) -> None:
        self.shape, self.stride = shape, stride

    def distances(self) -> tuple[Tensor, Tensor]:
        """Return all translations, and the length of each along its longest axis, the short way round."""
        translations = self.offsets(1)
        return translations, torch.minimum(translations, torch.tensor(self.shape) - translations).amax(dim=1)

    def add(self, offset: Tensor, displacement: Tensor) -> Tensor:
        """Return the sum, wrapped around."""
        return (offset + displacement) % torch.tensor(self.shape)

    def positions(self, offset: Tensor, size: int) -> Tensor:
        """Return the positions of a patch of `size` per axis, row by row."""
        flat = torch.zeros(len(offset), 1, dtype=torch.int64, device=offset.device)
        for axis, length in enumerate(self.shape):
            along = (offset[:, axis : axis + 1] + torch.arange(size, device=offset.device)) % length
            flat = (flat.unsqueeze(2) * length + along.unsqueeze(1)).flatten(1)
        return flat

    def transformed(self, x: Tensor, offset: Tensor, size: int) -> Tensor:
        """Return the inputs rolled back by `offset` positions."""
        for axis, length in enumerate(self.shape):
            steps = x.shape[2 + axis]
            rolled = offset[:, axis : axis + 1].to(x.device) * self.stride
            index = (torch.arange(steps, device=x.device) + rolled) % (length * self.stride)
            shape = [len(x), 1, *(steps if a == axis else 1 for a in range(len(self.shape)))]
            x = x.gather(2 + axis, index.view(shape).expand_as(x))
        return x


class Scales(BaseSpace):
    """Sizes in steps of 2: each of `levels` levels s sees the input as level 0 sees it shrunk by 2^s. Does not wrap.

    The last `axes` (1 or 2) axes of inputs are resampled, so (E) holds approximately; what would lie outside is zero.

    Example:
        >>> Scales(3, axes=1).offsets(2).tolist()
        [[0], [1]]
    """

    exact = False

    def __init__(self, levels: int, *, axes: int) -> None:
        self.shape, self.axes = (levels,), axes

    def origin(self, size: int) -> Tensor:
        """Return the middle, so that inputs are as often stretched as shrunk."""
        return torch.tensor([(self.shape[0] - size) // 2])

    def distances(self) -> tuple[Tensor, Tensor]:
        """Return the displacements down and up, and how many levels each passes."""
        levels = torch.arange(1 - self.shape[0], self.shape[0])
        return levels.unsqueeze(1), levels.abs()

    def add(self, offset: Tensor, displacement: Tensor) -> Tensor:
        """Return the sum, which may lie outside."""
        return offset + displacement

    def inside(self, offset: Tensor, size: int) -> Tensor:
        """Return whether all `size` levels lie inside."""
        return (offset[:, 0] >= 0) & (offset[:, 0] <= self.shape[0] - size)

    def positions(self, offset: Tensor, size: int) -> Tensor:
        """Return `size` levels from `offset` on."""
        levels = offset + torch.arange(size, device=offset.device)
        assert int(levels.min()) >= 0 and int(levels.max()) < self.shape[0], "a crop outside the levels"
        return levels

    def transformed(self, x: Tensor, offset: Tensor, size: int) -> Tensor:
        """Return the inputs resampled about their middle: level `offset` becomes level `origin`."""
        # Level s samples the input at steps of 2^s; level `origin` sees the same of the input shrunk by 2^(s - origin).
        factor = 2.0 ** (offset[:, 0].to(x) - float(self.origin(size)[0]))
        images = x if self.axes == 2 else x.unsqueeze(2)
        theta = torch.zeros(len(x), 2, 3, dtype=x.dtype, device=x.device)
        theta[:, 0, 0] = factor
        theta[:, 1, 1] = factor if self.axes == 2 else 1.0
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        out = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
        return out if self.axes == 2 else out.squeeze(2)


def act(x: Tensor, element: int) -> Tensor:
    """Return images (..., H, W) under one element of D4: flipped left to right where element >= 4, then rotated.

    Example:
        >>> act(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), 1).tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """
    return torch.rot90(x.flip(-1) if element >= 4 else x, element % 4, (-2, -1))


@cache
def _tables() -> tuple[Tensor, Tensor]:
    """Return D4's products and inverses, from its action on a patch whose eight images all differ."""
    patch = torch.arange(9).view(3, 3)
    elements = {tuple(act(patch, g).flatten().tolist()): g for g in range(8)}
    table = [[elements[tuple(act(act(patch, b), a).flatten().tolist())] for b in range(8)] for a in range(8)]
    return torch.tensor(table), torch.tensor([row.index(0) for row in table])
