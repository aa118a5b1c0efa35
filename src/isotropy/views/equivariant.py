"""Structured views: views that are read from one feature map at moved places, and the same moves done to the input.

For an encoder that is equivariant to a group both give the same views (Keller, Suau and Zappella, "Homomorphic
Self-Supervised Learning", TMLR 2023, arXiv 2211.08282, section 3), so that training by `StructuredViews` and by
`MovedViews` differs in the views alone. The first runs the encoder once a batch, and calls no augmentation.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from isotropy import rng
from isotropy.encoders.equivariant.space import BaseSpace
from isotropy.errors import UserError
from isotropy.validation import at_least
from isotropy.views.multiview import Dataset, MultiView


class Places:
    """Where the views of a sample start to read, a pure function of (seed, pass, sample index, view).

    The first view starts anywhere; every other one lies `distance` from it. Never outside a base space that does not
    wrap.

    Args:
        base: the encoder's base space. num_views: how many a sample gets.
        distance: topographic distance (lambda) of a view from the first, in places; none for any other place.
        base_size: places per axis that a view reads.

    Raises:
        UserError: a base size or a distance that the base space does not have.

    Example:
        >>> from isotropy.encoders.equivariant.space import Turns
        >>> first, second = Places(Turns(mirrors=False), num_views=2, distance=2)(torch.arange(8), seed=0, pass_=0)
        >>> ((second - first) % 4).unique()
        tensor([2])
    """

    def __init__(self, base: BaseSpace, *, num_views: int = 2, distance: int | None = None, base_size: int = 1) -> None:
        at_least(1, num_views=num_views, base_size=base_size)
        self.count = num_views
        base.check(base_size)
        self.base, self.base_size = base, base_size
        starts, steps = base.starts(base_size), base.steps(distance)
        inside = torch.stack([base.inside(base.step(starts, step.expand_as(starts)), base_size) for step in steps], 1)
        reachable = inside.any(dim=1)
        if not reachable.any():
            raise UserError(
                f"distance {distance} with base size {base_size}: no two reads of {tuple(base.shape)} places lie "
                "so far apart; make one of them smaller"
            )
        self._starts, self._steps = starts[reachable], steps
        # For every start the numbers of the steps that stay inside, first, and how many they are.
        self._choices = inside[reachable].int().argsort(dim=1, descending=True, stable=True)
        self._numbers = inside[reachable].sum(dim=1)

    def __call__(self, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the starts (B, axes) int64 of every view of the samples `index` (B,), on the CPU."""
        words = [rng.bits(rng.keys(seed, pass_, view, index), 1)[:, 0] for view in range(self.count)]
        place = rng.integers(words[0], len(self._starts))
        first = self._starts[place]
        found = [first]
        for word in words[1:]:
            # A number below a bound that differs from row to row: integers() of each row's own count.
            number = ((word >> 32) & 0xFFFFFFFF) * self._numbers[place] >> 32
            found.append(self.base.step(first, self._steps[self._choices[place, number]]))
        return found


class StructuredViews:
    """Views in feature space: the encoder sees the plain input once, and every view reads its feature map elsewhere.

    Args:
        base: the encoder's base space. num_views: how many a sample gets.
        distance: topographic distance of a view from the first (the strength of the augmentation), in places of the
            base space; none for any other place.
        base_size: places per axis that a view reads; as many as the encoder's `read`.
        pooled: for all views or per view, whether it is the mean of the whole map instead: one local and one
            pooled view are local-to-global Deep InfoMax.

    Raises:
        UserError: a base size or a distance that the base space does not have, or numbers that do not fit the views.

    Example:
        >>> from isotropy.encoders import C4CNN
        >>> encoder = C4CNN(channels=1, size=(8, 8), width=4)
        >>> StructuredViews(base=encoder.base, distance=1).count
        2
    """

    def __init__(
        self,
        *,
        base: BaseSpace,
        num_views: int = 2,
        distance: int | None = None,
        base_size: int = 1,
        pooled: bool | Sequence[bool] = False,
    ) -> None:
        self.places = Places(base, num_views=num_views, distance=distance, base_size=base_size)
        self.pooled = (pooled,) * num_views if isinstance(pooled, bool) else tuple(pooled)
        if len(self.pooled) != num_views:
            raise UserError(f"pooled: {len(self.pooled)} values for {num_views} views; give one, or one per view")
        if any(self.pooled) and base_size > 1:
            raise UserError(f"pooled views have the width of one place, and base_size = {base_size}: set it to 1")

    @property
    def count(self) -> int:
        """How many views a sample gets."""
        return self.places.count

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` (B,) in pass number `pass_`."""
        return _Read(dataset, index, self.places, self.pooled, self.places(index, seed=seed, pass_=pass_))


class _Read(MultiView):
    """One plain input, and views that are read from its feature map."""

    def __init__(
        self, dataset: Dataset, index: Tensor, places: Places, pooled: tuple[bool, ...], starts: list[Tensor]
    ) -> None:
        super().__init__(index, lambda: [dataset.to_input(dataset.batch(index))] * places.count)
        self._places, self._pooled, self._starts = places, pooled, starts

    def through(self, module: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return what each view reads, (B, K base_size^axes); `module` runs once."""
        maps = _fibres(module, self.tensors[0])
        base, size = self._places.base, self._places.base_size
        return [
            maps.flatten(2).mean(dim=2) if pooled else base.read(maps, start, size)
            for start, pooled in zip(self._starts, self._pooled, strict=True)
        ]


class MovedViews:
    """Views in input space: the input is transformed by the encoder's own group, and read at a fixed place.

    The same draws as `StructuredViews` of the same base space, so both are the same views where the encoder's
    equivariance is exact. A network without a feature map gives its output vector.

    Args:
        base: the base space. num_views, distance, base_size: as for `StructuredViews`.

    Raises:
        UserError: a base size or a distance that the base space does not have.

    Example:
        >>> from isotropy.encoders.equivariant.space import Turns
        >>> MovedViews(base=Turns(mirrors=False)).count
        2
    """

    def __init__(self, *, base: BaseSpace, num_views: int = 2, distance: int | None = None, base_size: int = 1) -> None:
        self.places = Places(base, num_views=num_views, distance=distance, base_size=base_size)

    @property
    def count(self) -> int:
        """How many views a sample gets."""
        return self.places.count

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` (B,) in pass number `pass_`."""
        starts = self.places(index, seed=seed, pass_=pass_)
        base, size = self.places.base, self.places.base_size

        def make() -> list[Tensor]:
            plain = dataset.to_input(dataset.batch(index))
            return [base.moved(plain, start, size) for start in starts]

        return _Moved(index, make, self.places)


class _Moved(MultiView):
    """Transformed inputs, read at home where the module has a feature map."""

    def __init__(self, index: Tensor, make: Callable[[], list[Tensor]], places: Places) -> None:
        super().__init__(index, make)
        self._places = places

    def through(self, module: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return what each view reads at home, (B, K base_size^axes), or the module's output without a feature map."""
        if not hasattr(module, "fibres"):
            return super().through(module)
        maps = _fibres(module, torch.cat(self.tensors))
        base, size = self._places.base, self._places.base_size
        home = base.home(size).expand(len(maps), -1)
        return list(base.read(maps, home, size).chunk(len(self.tensors)))


def _fibres(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not hasattr(module, "fibres"):
        raise UserError(
            f"structured views read a feature map, and {type(module).__name__} has none: take an equivariant encoder "
            "(c4_cnn, d4_cnn, c4_resnet, cyclic_cnn, scale_cnn, cyclic_series_cnn, dilation_cnn)"
        )
    maps: Tensor = module.fibres(x)
    return maps
