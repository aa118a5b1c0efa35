"""How a network is fine-tuned, as data, and what was measured to suit each kind of data."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from isotropy.errors import UserError, nearest
from isotropy.modalities import VIEWS_OF_THE_DATA, Modality
from isotropy.training.precision import PRECISIONS
from isotropy.validation import at_least, fraction, nonnegative, positive

# Settings of the modality's views while fine-tuning, for one view of a row; of another modality rows stay as they are.
AUGMENTATION: dict[str, dict[str, Any]] = {
    "table": {},
    "series": {"scale": 0.1, "jitter": 0.1},
    "image": {"scale": (0.5, 1.0), "jitter": (0.2, 0.2, 0.2, 0.0), "grey": 0.0},
}
# What those who set views get where they do not say it: the modality's own default is one number for each of two views.
ONE_VIEW: dict[str, dict[str, Any]] = {"table": {"corrupt": 0.0}}
# Steps of a round, after which the held-out rows are looked at: of few rows a pass is hardly a step.
ROUND_STEPS = 20
_FEW, _FEW_HEAVY = 5000, 1000
_MOST, _LEAST, _STEPS_PER_PASS = 256, 16, 8


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a network is fine-tuned.

    The head starts as the linear probe: the first of the two stages, a head on the frozen encoder, is solved and not
    trained. `frozen_epochs` more of it may follow, with dropout and augmentation, before all layers learn.

    Args:
        epochs: passes over the labelled rows, at most.
        frozen_epochs: how many of them the head learns alone.
        lr: the learning rate of the head and the last layer, after a warm-up of one pass; constant from there on.
        first_layer_rate: the rate of the first layer as a fraction of that of the last, in (0, 1]; geometric between.
        weight_decay: of AdamW, on matrices.
        dropout: fraction of the embedding's units that the head does not see in training.
        encoder_dropout: fraction of the units inside the blocks of `table_quantiles` and `table_resnet` that is hidden
            from what follows; other encoders keep the dropout that they have.
        averaging: what is evaluated and kept is an average of the weights over about 1 / (1 - averaging) steps.
        batch_size: rows of a step; by default at most 256, and so that a pass has 8 steps.
        patience: rounds (passes, or at least 20 steps) without a lower loss on the held-out rows before the end.
        validation: fraction of the labelled rows that is held out to choose the epoch by, where many have a label.
        folds: where few have one, each of these is held out once, in so many folds; at least 2.
        folds_below: labelled rows that are no longer few; by default 5,000, and 1,000 of what costs more to train:
            encoders with convolutions or attention.
        joint: weight of the self-supervised loss on all rows beside the label's; 0 for the label's alone.
        views: settings of the modality's views, None for `AUGMENTATION`'s, {} for rows as they are.
        precision: "auto", "float32" or "bf16".

    Raises: UserError for a number outside its range.
    """

    epochs: int = 100
    frozen_epochs: int = 0
    lr: float = 1e-3
    first_layer_rate: float = 1.0
    weight_decay: float = 1e-2
    dropout: float = 0.1
    encoder_dropout: float = 0.2
    averaging: float = 0.99
    batch_size: int | None = None
    patience: int = 12
    validation: float = 0.15
    folds: int = 5
    folds_below: int | None = None
    joint: float = 0.0
    views: Mapping[str, Any] | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, patience=self.patience)
        at_least(0, frozen_epochs=self.frozen_epochs)
        at_least(2, folds=self.folds)
        positive(lr=self.lr, first_layer_rate=self.first_layer_rate, validation=self.validation)
        nonnegative(weight_decay=self.weight_decay, joint=self.joint)
        fraction(
            dropout=self.dropout,
            encoder_dropout=self.encoder_dropout,
            averaging=self.averaging,
            validation=self.validation,
        )
        if self.first_layer_rate > 1:
            raise UserError(f"first_layer_rate must be in (0, 1], not {self.first_layer_rate!r}")
        if self.batch_size is not None:
            at_least(2, batch_size=self.batch_size)
        if self.folds_below is not None:
            at_least(0, folds_below=self.folds_below)
        if self.precision not in PRECISIONS:
            raise UserError(f"precision = {self.precision!r} is unknown (valid: {', '.join(PRECISIONS)})")

    def check_views(self, modality: Modality) -> None:
        """Raise UserError where `views` holds what the modality's views do not take."""
        if self.views is None:
            return
        if not isinstance(self.views, Mapping):
            raise UserError(f"views = {self.views!r} must be a dictionary of settings of the {modality.name}'s views")
        named = inspect.signature(modality.views).parameters
        valid = [name for name in named if name not in (*VIEWS_OF_THE_DATA, "num_views")]
        for name in self.views:
            if name not in valid:
                raise UserError(f"views has no setting {name!r}{nearest(str(name), valid)}")

    def few(self, encoder: nn.Module) -> int:
        """Return from how many labelled rows on a part is held out, and not folds, in tuning an encoder."""
        if self.folds_below is not None:
            return self.folds_below
        return _FEW_HEAVY if getattr(encoder, "convolutional", False) else _FEW

    def batch(self, rows: int) -> int:
        """Return the rows of a step for so many labelled rows.

        Example:
            >>> [FineTuning().batch(rows) for rows in (40, 500, 50_000)]
            [16, 32, 256]
        """
        if self.batch_size is not None:
            return self.batch_size
        size = _LEAST
        while size < _MOST and 2 * size * _STEPS_PER_PASS <= rows:
            size *= 2
        return size
