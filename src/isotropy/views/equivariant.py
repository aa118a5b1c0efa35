"""Structured views: crops of one feature map at several offsets, and the same transformations done to the input.

For an encoder that is equivariant to a group both give the same views (Keller, Suau and Zappella, "Homomorphic
Self-Supervised Learning", TMLR 2023, arXiv 2211.08282, section 3), so that training by `StructuredViews` and by
`MovedViews` differs in the views alone. The first runs the encoder once per batch and augments nothing.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from isotropy import rng
from isotropy.batch import without_mask
from isotropy.encoders.equivariant.equivariant import Equivariant
from isotropy.encoders.equivariant.space import BaseSpace
from isotropy.errors import UserError
from isotropy.nn.ema import Teacher
from isotropy.validation import at_least
from isotropy.views.multiview import Dataset, MultiView


class Offsets:
    """The offsets of the views of a sample, a pure function of (seed, pass, sample index, view).

    The first offset is uniform; every other one lies `distance` from it, never outside a base space that does not wrap.

    Args:
        base: the encoder's base space. num_views: how many a sample gets.
        distance: topographic distance (lambda) of a view from the first, in positions: the strength of the
            augmentation; none for any other position.
        base_size: positions per axis of a view; as many as the encoder's `read`.

    Raises: UserError for a base size or a distance that the base space does not have.

    Example:
        >>> from isotropy.encoders.equivariant.space import Rotations
        >>> first, second = Offsets(Rotations(mirrors=False), num_views=2, distance=2)(torch.arange(8), seed=0, pass_=0)
        >>> ((second - first) % 4).unique()
        tensor([2])
    """

    def __init__(self, base: BaseSpace, *, num_views: int = 2, distance: int | None = None, base_size: int = 1) -> None:
        at_least(1, num_views=num_views, base_size=base_size)
        base.check(base_size)
        self.base, self.count, self.base_size = base, num_views, base_size
        offsets, displacements = base.offsets(base_size), base.displacements(distance)
        inside = torch.stack(
            [base.inside(base.add(offsets, d.expand_as(offsets)), base_size) for d in displacements], 1
        )
        reachable = inside.any(dim=1)
        if not reachable.any():
            raise UserError(
                f"distance {distance} with base size {base_size}: no two crops of {tuple(base.shape)} positions lie "
                "so far apart; make one of them smaller"
            )
        self._offsets, self._displacements = offsets[reachable], displacements
        # For every offset the numbers of the displacements that stay inside, first, and how many they are.
        self._choices = inside[reachable].int().argsort(dim=1, descending=True, stable=True)
        self._numbers = inside[reachable].sum(dim=1)

    def __call__(self, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the offsets (B, axes) int64 of every view of the samples `index` (B,), on the CPU."""
        bits = [rng.bits(rng.keys(seed, pass_, view, index), 1)[:, 0] for view in range(self.count)]
        number = rng.integers(bits[0], len(self._offsets))
        first = self._offsets[number]
        views = [first]
        for word in bits[1:]:
            # A number below a bound that differs from row to row: integers() of each row's own count.
            choice = ((word >> 32) & 0xFFFFFFFF) * self._numbers[number] >> 32
            views.append(self.base.add(first, self._displacements[self._choices[number, choice]]))
        return views


class StructuredViews:
    """Views in feature space: the encoder sees the plain input once, and every view is another crop of its feature map.

    Args:
        base, num_views, distance, base_size: as for `Offsets`.
        pooled: for all views or per view, whether it is the mean of the whole map instead: one local and one
            pooled view are local-to-global Deep InfoMax.

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
        self.offsets = Offsets(base, num_views=num_views, distance=distance, base_size=base_size)
        self.count = num_views
        self.pooled = (pooled,) * num_views if isinstance(pooled, bool) else tuple(pooled)
        if len(self.pooled) != num_views:
            raise UserError(f"pooled: {len(self.pooled)} values for {num_views} views; give one, or one per view")
        if any(self.pooled) and base_size > 1:
            raise UserError(f"pooled views have the width of one position, and base_size = {base_size}: set it to 1")

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` (B,) in pass number `pass_`."""
        return _Cropped(dataset, index, self.offsets, self.pooled, self.offsets(index, seed=seed, pass_=pass_))


class _Cropped(MultiView):
    """One plain input, and views that are crops of its feature map."""

    def __init__(
        self, dataset: Dataset, index: Tensor, offsets: Offsets, pooled: tuple[bool, ...], drawn: list[Tensor]
    ) -> None:
        super().__init__(index, lambda: [dataset.to_input(dataset.batch(index))] * offsets.count)
        self._base, self._size, self._pooled, self._drawn = offsets.base, offsets.base_size, pooled, drawn

    def through(self, module: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return the crop of each view, (B, K base_size^axes); `module` runs once."""
        fibres = _fibres(module)
        if fibres is None:
            raise UserError(
                f"structured views are crops of a feature map, and {type(module).__name__} has none: "
                "take an equivariant encoder "
                "(c4_cnn, d4_cnn, c4_resnet, cyclic_cnn, scale_cnn, cyclic_series_cnn, dilation_cnn)"
            )
        maps = fibres(self.tensors[0])
        return [
            maps.flatten(2).mean(dim=2) if pooled else self._base.crop(maps, offset, self._size)
            for offset, pooled in zip(self._drawn, self._pooled, strict=True)
        ]


class MovedViews:
    """Views in input space: the input is transformed by the encoder's own group, and cropped at a fixed offset.

    The draws are those of `StructuredViews` with the same arguments, so both are the same views where the encoder's
    equivariance is exact. A network without a feature map gives its output vector.
    """

    def __init__(self, *, base: BaseSpace, num_views: int = 2, distance: int | None = None, base_size: int = 1) -> None:
        self.offsets = Offsets(base, num_views=num_views, distance=distance, base_size=base_size)
        self.count = num_views

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` (B,) in pass number `pass_`."""
        return _Moved(dataset, index, self.offsets, self.offsets(index, seed=seed, pass_=pass_))


class _Moved(MultiView):
    """Transformed inputs, cropped at the origin where the module has a feature map."""

    def __init__(self, dataset: Dataset, index: Tensor, offsets: Offsets, drawn: list[Tensor]) -> None:
        self._base, self._size = offsets.base, offsets.base_size

        def make() -> list[Tensor]:
            plain = without_mask(dataset.to_input(dataset.batch(index)), "moved views")
            return [self._base.transformed(plain, offset, self._size) for offset in drawn]

        super().__init__(index, make)

    def through(self, module: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return each view's crop at the origin, (B, K base_size^axes); without a feature map, the module's output."""
        fibres = _fibres(module)
        if fibres is None:
            return super().through(module)
        maps = fibres(torch.cat(self.tensors))
        origin = self._base.origin(self._size).expand(len(maps), -1)
        return list(self._base.crop(maps, origin, self._size).chunk(len(self.tensors)))


def _fibres(module: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor] | None:
    """Return what makes a module's feature map, without a graph where it is a teacher's; None where it has none."""
    if isinstance(module, Teacher):
        fibres = _fibres(module.module)
        return None if fibres is None else torch.no_grad()(fibres)
    return module.fibres if isinstance(module, Equivariant) else None
