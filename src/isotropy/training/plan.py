"""How long a training is and how it is cut into passes, steps and batches."""

from dataclasses import dataclass

from torch import Tensor

from isotropy import rng
from isotropy.errors import UserError, counted
from isotropy.views.multiview import Dataset, Order, OrderedDataset

MOST_EPOCHS = 10**9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a training.

    Args:
        rows: rows in the data set, at least 2.
        batch_size: rows of one step over all ranks, at least 2.
        epochs: passes over the data that the encoder makes, above 0; a part of one is allowed.
        passes_per_epoch: passes of the method that make one epoch of the encoder.
        keep_last: keep the last, smaller batch of a pass; else it is dropped, unless the data is smaller than a batch.
            A last batch of a single row is always dropped: nothing in it can be compared.

    Raises: UserError for a number outside its range.

    Example:
        >>> plan = Plan(rows=100, batch_size=32, epochs=2)
        >>> plan.per_pass, plan.steps
        (3, 6)
    """

    rows: int
    batch_size: int
    epochs: float
    passes_per_epoch: int = 1
    keep_last: bool = False

    def __post_init__(self) -> None:
        if self.rows < 2:
            raise UserError(f"the data has {counted(self.rows, 'row')}: training needs at least 2")
        if self.batch_size < 2:
            raise UserError(f"batch_size = {self.batch_size}: a batch needs at least 2 rows")
        if not 0 < self.epochs <= MOST_EPOCHS:
            raise UserError(f"epochs = {self.epochs} must be a number above 0 and at most {MOST_EPOCHS:,}")

    @property
    def per_pass(self) -> int:
        """Steps in one pass over the data."""
        full, rest = divmod(self.rows, self.batch_size)
        return full + (rest > 1 and (self.keep_last or full == 0))

    @property
    def per_epoch(self) -> int:
        """Steps in one epoch of the encoder."""
        return self.per_pass * self.passes_per_epoch

    @property
    def steps(self) -> int:
        """Steps in the whole training."""
        return max(1, round(self.epochs * self.per_epoch))

    @property
    def smallest(self) -> int:
        """Rows of the smallest batch."""
        rest = self.rows % self.batch_size
        return rest if self.per_pass > self.rows // self.batch_size else self.batch_size

    def order(self, seed: int, pass_: int, dataset: Dataset | None = None) -> Order:
        """Return the order of the rows in a pass, a pure function of (seed, pass): the data set's own if it has one."""
        if isinstance(dataset, OrderedDataset):
            return dataset.order(seed, pass_)
        return rng.order(seed, pass_, self.rows)

    def batch(self, order: Order, place: int) -> Tensor:
        """Return the rows of the batch at `place` (from 0) in a pass with this `order`."""
        return order[place * self.batch_size : (place + 1) * self.batch_size]
