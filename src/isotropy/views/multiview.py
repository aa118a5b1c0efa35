"""What a method gets of a batch: its views, and their features through a module. There is no field for labels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from isotropy.batch import Batch, unwrap, without_mask


class Dataset(Protocol):
    """Unlabelled rows that can be drawn by index."""

    modality: str

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def batch(self, index: Tensor) -> Tensor | Batch:
        """Return the rows `index` (B,) as they are stored, on the device of the source; a batch has a mask."""
        ...

    def to_input(self, rows: Any) -> Tensor | Batch:
        """Return stored rows as the floating-point input that an encoder takes."""
        ...


@runtime_checkable
class OrderedDataset(Dataset, Protocol):
    """A data set that says in which order its rows are drawn best, as where they stand in files."""

    def order(self, seed: int, pass_: int) -> "Order":
        """Return the order of all rows in a pass: a pure function of (seed, pass)."""
        ...


class Order(Protocol):
    """An order of rows, of which consecutive places are asked for; a tensor (N,) is one."""

    def __getitem__(self, places: slice, /) -> Tensor:
        """Return the rows at these places, int64."""
        ...


class MultiView:
    """The views of one batch, made at first use: for a method that works on cached features, never.

    Args:
        index: (B,) int64 on the CPU, the rows' places in the data set.
        make: returns the list of views, each (B, ...); a `Batch` where values are missing.
    """

    def __init__(self, index: Tensor, make: Callable[[], Sequence[Tensor | Batch]]) -> None:
        self.index = index
        self.seconds = 0.0
        self._make = make
        self._views: list[Tensor | Batch] | None = None

    @property
    def inputs(self) -> list[Tensor | Batch]:
        """The views as an encoder takes them, (B, ...) each; the time that making them took is added to `seconds`."""
        if self._views is None:
            start = perf_counter()
            self._views = [unwrap(view) for view in self._make()]
            self.seconds += perf_counter() - start
        return self._views

    @property
    def tensors(self) -> list[Tensor]:
        """The views, each (B, ...), for a method that reads their values; a UserError where one has a mask."""
        return [without_mask(view, "the method") for view in self.inputs]

    @property
    def global_views(self) -> "MultiView":
        """The views of the first view's shape: all of them, or the large crops of a multi-crop, which come first.

        Example:
            >>> views = MultiView(torch.arange(4), lambda: [torch.ones(4, 3, 8, 8)] * 2 + [torch.ones(4, 3, 6, 6)] * 6)
            >>> len(views.global_views.tensors)
            2
        """
        shapes = [view.shape for view in self.inputs]
        count = shapes.count(shapes[0])
        return self if count == len(shapes) else MultiView(self.index, lambda: self.inputs[:count])

    def through(self, module: Callable[[Any], Tensor]) -> list[Tensor]:
        """Return `module`'s output for every view, in their order; views of one shape share one run.

        So a batch norm in `module` has the statistics of all views of one size together.
        """
        inputs = self.inputs
        groups: dict[torch.Size, list[int]] = {}
        for place, view in enumerate(inputs):
            groups.setdefault(view.shape[1:], []).append(place)
        features: dict[int, Tensor] = {}
        for places in groups.values():
            rows = inputs[places[0]] if len(places) == 1 else Batch.cat([inputs[place] for place in places])
            for place, part in zip(places, module(rows).chunk(len(places)), strict=True):
                features[place] = part
        return [features[place] for place in range(len(inputs))]


class ViewMaker(Protocol):
    """Makes the views of a batch, a pure function of (seed, pass, sample index)."""

    @property
    def count(self) -> int:
        """How many views a sample gets."""
        ...

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` in pass number `pass_`."""
        ...


class RandomViews(ABC):
    """Makes views of stored rows, each a pure function of (seed, pass, sample index, view).

    Attributes:
        name: what its messages call it.
        takes_masks: whether `make` takes a `Batch` with a mask, and returns such.
        count: how many views a sample gets.
    """

    name: ClassVar[str]
    takes_masks: ClassVar[bool] = False
    count: int

    @abstractmethod
    def make(self, x: Any, index: Tensor, *, seed: int, pass_: int) -> Sequence[Tensor | Batch]:
        """Return the views, each (B, ...) float32 on the device of `x`.

        Args:
            x: (B, ...) rows as stored; a UserError where they are of another kind.
            index: (B,) int64 on the CPU, the samples' places in the data set.
            seed, pass_: seed of the run, number of the pass over the data.
        """

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index` (B,) in pass number `pass_`, made at first use."""

        def views() -> Sequence[Tensor | Batch]:
            rows = unwrap(dataset.batch(index))
            return self.make(rows if self.takes_masks else without_mask(rows, self.name), index, seed=seed, pass_=pass_)

        return MultiView(index, views)


class Plain:
    """One view: the row itself, as the encoder takes it (for methods without augmentation)."""

    count = 1

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return the views of the rows `index`; `seed` and `pass_` change nothing here."""
        return MultiView(index, lambda: [dataset.to_input(dataset.batch(index))])
