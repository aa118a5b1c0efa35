"""The base space of an equivariant encoder: the places its features stand at, and what moving the input does to them.

An encoder f is equivariant to a group where f(T_g x) = rho(g) f(x). For features that are functions on a base space,
f(x): places -> R^K, it means that a transformed input seen at a fixed place is the original seen at a moved place:

    f(T_g x)(p) = f(x)(g^-1 p).                                                       (E)

A view is therefore given by where it starts to read, `start` (per sample). `read` reads a feature map there;
`moved` transforms the inputs so that a read at `home` sees the same. Keller, Suau and Zappella, "Homomorphic
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
    """Places along one or more axes of a feature map (B, K, *shape), and the action that moves inputs between them.

    Attributes:
        shape: lengths of the axes. exact: whether (E) holds up to rounding; else resampling makes it approximate.
    """

    shape: tuple[int, ...]
    exact: bool = True

    @abstractmethod
    def home(self, size: int) -> Tensor:
        """Return the place (axes,) int64 that is read of a transformed input."""

    @abstractmethod
    def starts(self, size: int) -> Tensor:
        """Return all places (M, axes) int64 at which `size` places per axis can be read."""

    @abstractmethod
    def steps(self, distance: int | None) -> Tensor:
        """Return the steps (M, axes) int64 of this topographic distance; None: all but none.

        Raises:
            UserError: no place is that far.
        """

    @abstractmethod
    def step(self, start: Tensor, step: Tensor) -> Tensor:
        """Return where `step` (B, axes) leads from `start` (B, axes)."""

    @abstractmethod
    def places(self, start: Tensor, size: int) -> Tensor:
        """Return the flat places (B, size^axes) that a read from `start` (B, axes) takes, in order."""

    @abstractmethod
    def moved(self, x: Tensor, start: Tensor, size: int) -> Tensor:
        """Return the inputs transformed so that a read at `home` sees what a read of `x` at `start` sees."""

    def inside(self, start: Tensor, size: int) -> Tensor:
        """Return (B,) booleans: whether `size` places per axis can be read from `start` (B, axes) on."""
        return torch.ones(len(start), dtype=torch.bool)

    def read(self, maps: Tensor, start: Tensor, size: int) -> Tensor:
        """Return (B, K * size^axes): what feature maps (B, K, *shape) hold from `start` (B, axes) on."""
        places = self.places(start.to(maps.device), size)
        flat = maps.flatten(2)
        return flat.gather(2, places.unsqueeze(1).expand(-1, flat.shape[1], -1)).flatten(1)

    def check(self, size: int) -> None:
        """Raise a UserError unless `size` places per axis are there to be read."""
        if not 1 <= size <= min(self.shape):
            shown = " x ".join(map(str, self.shape))
            raise UserError(
                f"base size {size}: the encoder's base space has {shown} places; give 1 to {min(self.shape)}"
            )


class Turns(BaseSpace):
    """Quarter turns of square images, with reflections or without: the groups C4 and D4.

    Element k < 4 turns by k quarter turns (as `torch.rot90`), element 4 + k mirrors left to right first.

    Args:
        mirrors: whether reflections belong to it (D4, 8 elements), or not (C4, 4).

    Example:
        >>> Turns(mirrors=False).shape, Turns(mirrors=True).shape
        ((4,), (8,))
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

    def home(self, size: int) -> Tensor:
        """Return the identity."""
        return torch.zeros(1, dtype=torch.int64)

    def starts(self, size: int) -> Tensor:
        """Return all elements."""
        return torch.arange(self.shape[0]).unsqueeze(1)

    def steps(self, distance: int | None) -> Tensor:
        """Return the elements that need `distance` quarter turns (and mirrorings)."""
        turns = torch.arange(4)
        length = torch.minimum(turns, 4 - turns)
        length = torch.cat([length, length + 1])[: self.shape[0]]
        found = (length > 0) if distance is None else length == distance
        return _some(found.nonzero(), distance, int(length.max()))

    def step(self, start: Tensor, step: Tensor) -> Tensor:
        """Return the product of start and step."""
        return self.table[start[:, 0], step[:, 0]].unsqueeze(1)

    def places(self, start: Tensor, size: int) -> Tensor:
        """Return start times the first `size` elements."""
        return self.table.to(start.device)[start[:, 0], :size]

    def moved(self, x: Tensor, start: Tensor, size: int) -> Tensor:
        """Return the images turned and mirrored by the inverse of `start`, each by its own."""
        out = torch.empty_like(x)
        element = self.inverse[start[:, 0].cpu()]
        for g in element.unique().tolist():
            rows = (element == g).nonzero()[:, 0].to(x.device)
            out[rows] = act(x[rows], g)
        return out


class Shifts(BaseSpace):
    """Cyclic shifts along the last axes of the input; one place of the map is `stride` steps of the input.

    Args:
        shape: lengths of the feature map's axes. stride: steps of the input that one place is.

    Example:
        >>> Shifts((8,), stride=4).moved(torch.arange(32.0).view(1, 1, 32), torch.tensor([[1]]), 1)[0, 0, :2]
        tensor([4., 5.])
    """

    def __init__(self, shape: tuple[int, ...], *, stride: int) -> None:
        self.shape, self.stride = shape, stride

    def home(self, size: int) -> Tensor:
        """Return the origin."""
        return torch.zeros(len(self.shape), dtype=torch.int64)

    def starts(self, size: int) -> Tensor:
        """Return all places: a read goes round the end."""
        return torch.tensor(list(product(*map(range, self.shape))))

    def steps(self, distance: int | None) -> Tensor:
        """Return the shifts whose longest side, the short way round, is `distance` places."""
        every = self.starts(1)
        sizes = torch.tensor(self.shape)
        length = torch.minimum(every, sizes - every).amax(dim=1)
        found = (length > 0) if distance is None else length == distance
        return _some(every[found], distance, int(length.max()))

    def step(self, start: Tensor, step: Tensor) -> Tensor:
        """Return start plus step, round the end."""
        return (start + step) % torch.tensor(self.shape)

    def places(self, start: Tensor, size: int) -> Tensor:
        """Return the places of a patch of `size` per axis, row by row."""
        flat = torch.zeros(len(start), 1, dtype=torch.int64, device=start.device)
        for axis, length in enumerate(self.shape):
            along = (start[:, axis : axis + 1] + torch.arange(size, device=start.device)) % length
            flat = (flat.unsqueeze(2) * length + along.unsqueeze(1)).flatten(1)
        return flat

    def moved(self, x: Tensor, start: Tensor, size: int) -> Tensor:
        """Return the inputs rolled back by `start` places."""
        for axis, length in enumerate(self.shape):
            steps = x.shape[2 + axis]
            offset = start[:, axis : axis + 1].to(x.device) * self.stride
            index = (torch.arange(steps, device=x.device) + offset) % (length * self.stride)
            shape = [len(x), 1, *(steps if a == axis else 1 for a in range(len(self.shape)))]
            x = x.gather(2 + axis, index.view(shape).expand_as(x))
        return x


class Scales(BaseSpace):
    """Sizes in steps of 2: level s sees the input as level 0 sees it shrunk by 2^s. It does not wrap.

    Inputs are resampled, so (E) holds approximately; what would lie outside is zero.

    Args:
        levels: how many there are. axes: of the input that are resampled (1 series, 2 images).

    Example:
        >>> Scales(3, axes=1).starts(2).tolist()
        [[0], [1]]
    """

    exact = False

    def __init__(self, levels: int, *, axes: int) -> None:
        self.shape, self.axes = (levels,), axes

    def home(self, size: int) -> Tensor:
        """Return the middle, so that inputs are stretched and shrunk alike."""
        return torch.tensor([(self.shape[0] - size) // 2])

    def starts(self, size: int) -> Tensor:
        """Return the levels from which `size` of them are there: never one outside."""
        return torch.arange(self.shape[0] - size + 1).unsqueeze(1)

    def steps(self, distance: int | None) -> Tensor:
        """Return the steps down and up of `distance` levels."""
        every = torch.arange(1 - self.shape[0], self.shape[0])
        found = (every != 0) if distance is None else every.abs() == distance
        return _some(every[found].unsqueeze(1), distance, self.shape[0] - 1)

    def step(self, start: Tensor, step: Tensor) -> Tensor:
        """Return start plus step, which may lie outside."""
        return start + step

    def inside(self, start: Tensor, size: int) -> Tensor:
        """Return whether all `size` levels from `start` on are there."""
        return (start[:, 0] >= 0) & (start[:, 0] <= self.shape[0] - size)

    def places(self, start: Tensor, size: int) -> Tensor:
        """Return `size` levels from `start` on."""
        places = start + torch.arange(size, device=start.device)
        assert int(places.min()) >= 0 and int(places.max()) < self.shape[0], "a read outside the levels"
        return places

    def moved(self, x: Tensor, start: Tensor, size: int) -> Tensor:
        """Return the inputs resampled about their middle: level `start` becomes level `home`."""
        # Level s reads at steps of 2^s: what it sees, the home level sees of the input shrunk by 2^(s - home).
        factor = 2.0 ** (start[:, 0].to(x) - float(self.home(size)[0]))
        images = x if self.axes == 2 else x.unsqueeze(2)
        theta = torch.zeros(len(x), 2, 3, dtype=x.dtype, device=x.device)
        theta[:, 0, 0] = factor
        theta[:, 1, 1] = factor if self.axes == 2 else 1.0
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        out = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
        return out if self.axes == 2 else out.squeeze(2)


def act(x: Tensor, element: int) -> Tensor:
    """Return images (..., H, W) under one element of D4: mirrored left to right where element >= 4, then turned.

    Example:
        >>> act(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), 1).tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """
    return torch.rot90(x.flip(-1) if element >= 4 else x, element % 4, (-2, -1))


@cache
def _tables() -> tuple[Tensor, Tensor]:
    """Return D4's products and inverses, found by letting it act on a patch whose images all differ."""
    patch = torch.arange(9).view(3, 3)
    names = {tuple(act(patch, g).flatten().tolist()): g for g in range(8)}
    table = [[names[tuple(act(act(patch, b), a).flatten().tolist())] for b in range(8)] for a in range(8)]
    return torch.tensor(table), torch.tensor([row.index(0) for row in table])


def _some(steps: Tensor, distance: int | None, most: int) -> Tensor:
    if not len(steps):
        raise UserError(f"distance {distance}: places of this base space lie 0 to {most} apart")
    return steps
