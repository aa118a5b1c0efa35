"""What LFR needs of rows that do not change: kept for all of them where that fits, else made batch by batch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.batch import Batch, filled, unwrap
from isotropy.methods.lfr.projectors import targets
from isotropy.views.multiview import Dataset

# Memory for what is kept of all rows. Beyond it every batch computes its own: the same numbers up to rounding (1e-6).
MOST_BYTES = 4 << 30
# Rows that the frozen encoder embeds at once: fixed, so that a resumed run finds the same bits.
_CHUNK = 256


class Cache:
    """The targets of a data set's rows, and the frozen encoder's vectors of them; a copy or a pickle starts empty."""

    def __init__(self) -> None:
        self._source: Dataset | None = None
        self._chosen: list[int] = []
        self._projectors: list[nn.Module] = []
        self._targets: Tensor | None = None
        self._codes: Tensor | None = None
        self._weights: list[Tensor] = []

    def is_of(self, dataset: Dataset, chosen: list[int]) -> bool:
        """Return whether it holds the targets that these projectors make of this data set."""
        return self._source is dataset and self._chosen == chosen

    @torch.no_grad()
    def make_targets(self, dataset: Dataset, chosen: list[int], make: Callable[[int], nn.Module], width: int) -> None:
        """Compute the targets (`width` each) of all rows, or keep the projectors where those would be too many.

        `make` returns each of the `chosen` projectors by its number, frozen and on the data's device.
        """
        self._source, self._chosen, self._codes = dataset, chosen, None
        self._projectors, self._targets = [], None
        rows = self._rows(torch.arange(1))
        if not _fits(len(dataset), len(chosen) * width, rows):
            self._projectors = [make(number) for number in chosen]
            return
        self._targets = rows.new_empty(len(dataset), len(chosen), width)
        for k, number in enumerate(chosen):  # one at a time: projectors can be large
            self._targets[:, k] = targets(make(number), dataset)

    @torch.no_grad()
    def make_codes(self, encoder: nn.Module, width: int) -> None:
        """Compute the encoder's vectors (width) of all rows in eval mode, if they fit and are not there already."""
        encoder.eval()
        assert self._source is not None
        if not _fits(len(self._source), width, self._rows(torch.arange(1))):
            return
        weights = list(encoder.state_dict().values())
        if self._codes is None or not all(map(torch.equal, weights, self._weights)):
            chunks = torch.arange(len(self._source)).split(_CHUNK)
            self._codes = torch.cat([encoder(self._inputs(index)) for index in chunks])
            self._weights = [weight.clone() for weight in weights]

    def drop_codes(self) -> None:
        """Forget the encoder's vectors: it is about to move."""
        self._codes, self._weights = None, []

    @torch.no_grad()
    def targets(self, index: Tensor) -> Tensor:
        """Return the targets (B, K, width), unit rows, of the rows `index`."""
        if self._targets is not None:
            return self._targets.index_select(0, index.to(self._targets.device))
        rows = self._rows(index)
        # In full precision, as those that are kept are.
        with torch.autocast(rows.device.type, enabled=False):
            return torch.stack([functional.normalize(projector(rows), dim=1) for projector in self._projectors], 1)

    @torch.no_grad()
    def codes(self, index: Tensor, encoder: nn.Module) -> Tensor:
        """Return the vectors (B, width) that the frozen encoder makes of the rows `index`."""
        if self._codes is not None:
            return self._codes.index_select(0, index.to(self._codes.device))
        rows = self._inputs(index)
        with torch.autocast(rows.device.type, enabled=False):
            return encoder(rows)

    def _inputs(self, index: Tensor) -> Tensor | Batch:
        assert self._source is not None, "before_pass comes before forward"
        return unwrap(self._source.to_input(self._source.batch(index)))

    def _rows(self, index: Tensor) -> Tensor:
        """Return rows as projectors take them: a series goes on with 0, the mean, where it has ended."""
        return filled(self._inputs(index))

    def __reduce__(self) -> tuple[type["Cache"], tuple[()]]:
        return (Cache, ())


def _fits(rows: int, numbers: int, like: Tensor) -> bool:
    return rows * numbers * like.element_size() <= MOST_BYTES
