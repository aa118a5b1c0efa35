from collections.abc import Callable, Sequence
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy import rng
from isotropy.batch import Batch, filled, masks_of
from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.decoders import categories_of, decode, told
from isotropy.objectives import normalise_patches, reconstruction
from isotropy.validation import at_least, fraction, inside
from isotropy.views.multiview import MultiView


class Masked(Method):
    """Parts of a row are hidden, and encoder and decoder must tell them from the rest.

    The loss is `objectives.reconstruction` of d(f(x)), hidden cells of x being 0, for those cells: columns of a table,
    pieces of one channel of a series, square patches (normalised) of an image.
    He et al., "Masked Autoencoders Are Scalable Vision Learners" (MAE; CVPR 2022, arXiv 2111.06377), section 3.

    Args:
        make_decoder: makes d, as `Autoencoder` takes it.
        mask_ratio: fraction of the columns or patches that is hidden, in (0, 1), rounded up; at least one is visible,
            except of a table of one column, from which an encoder learns nothing.
        least_ratio: where given, from 0 to `mask_ratio`: each row hides a number of its own, uniform between these two
            fractions, and at least one, so that the encoder learns from rows that are nearly whole, as it embeds them.
        patch_size: length of a hidden piece of a series, or side of a patch of an image.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = Masked(TableMLP(numeric=4, width=8), make_decoder=lambda width: nn.Linear(width, 4))
        >>> outputs = method(MultiView(torch.arange(3), lambda: [torch.randn(3, 4)]))
        >>> outputs["hidden"][0].sum(1).tolist(), list(method.loss(**outputs))
        ([2, 2, 2], ['error'])
    """

    mechanism = "targets"
    min_views = 1

    def __init__(
        self,
        encoder: nn.Module,
        *,
        make_decoder: Callable[[int], nn.Module],
        mask_ratio: float = 0.5,
        least_ratio: float | None = None,
        patch_size: int = 4,
    ) -> None:
        super().__init__()
        at_least(1, patch_size=patch_size)
        inside(0, 1, mask_ratio=mask_ratio)
        if least_ratio is not None:
            fraction(least_ratio=least_ratio)
            if least_ratio > mask_ratio:
                raise UserError(f"least_ratio = {least_ratio} is above mask_ratio = {mask_ratio}")
        self.encoder = encoder
        self.decoder = make_decoder(width_of(encoder))
        self.mask_ratio, self.least_ratio, self.patch_size = mask_ratio, least_ratio, patch_size

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction", "target" and "hidden", one of each for every view."""
        tensors = [filled(x) for x in views.inputs]
        masks: Sequence[Tensor | None] = masks_of(views.inputs) or [None] * len(tensors)
        hidden = [self._hidden(x, there, views.index, view) for view, (x, there) in enumerate(zip(tensors, masks))]
        fill = getattr(self.encoder, "hidden_cell", 0.0)
        seen = MultiView(
            views.index,
            lambda: [Batch(x.masked_fill(h, fill), there) for x, h, there in zip(tensors, hidden, masks)],
        )
        return {
            "prediction": [decode(self.decoder, h, x) for h, x in zip(seen.through(self.encoder), tensors)],
            "target": [
                normalise_patches(x, self.patch_size) if x.ndim == 4 else told(self.encoder, x) for x in tensors
            ],
            "hidden": hidden,
        }

    def loss(self, prediction: list[Tensor], target: list[Tensor], hidden: list[Tensor]) -> dict[str, Tensor]:
        """Return "error", the mean over views, rows and hidden cells."""
        categories = categories_of(self.decoder)
        errors = [
            reconstruction(p, x, hidden=cells, categories=categories)
            for p, x, cells in zip(prediction, target, hidden, strict=True)
        ]
        return {"error": torch.stack(errors).mean()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 0 for hidden cells that are told; codes of one point cost as much as the data vary."""
        return {"perfection": 0.0}

    def _hidden(self, x: Tensor, there: Tensor | None, index: Tensor, view: int) -> Tensor:
        """Return which cells are hidden, booleans of the shape of `x`, but for an image's channels: 1 for all.

        Of those that are `there` alone, as many in proportion; of a series of one patch none.
        """
        # Columns stand alone; series are cut within each channel; an image's patch has all its channels.
        grid: tuple[int, ...] = (x.shape[1],) if x.ndim < 4 else (1,)
        grid += tuple(-(-side // self.patch_size) for side in x.shape[2:])
        cells = torch.Size(grid).numel()
        # Not by what is visible: 10 (1 - .8) falls below 2 by a rounding.
        hidden = min(cells - 1, ceil(cells * self.mask_ratio - 1e-9))
        if x.ndim == 2:
            hidden = max(1, hidden)
        if hidden == 0:
            raise UserError(
                f"a row {tuple(x.shape[1:])} is one patch of {self.patch_size}: take a smaller method.patch_size"
            )
        keys = self.rng.of_samples(index.to(x.device), view)
        if self.least_ratio is not None:
            mask = self._between(self._patches(there, len(x), cells, x.device), keys)
        elif there is None:
            chosen = rng.bits(keys, cells).topk(hidden, dim=1, largest=False, sorted=False).indices
            mask = torch.zeros(len(x), cells, dtype=torch.bool, device=x.device).scatter(1, chosen, True)
        else:
            mask = self._hidden_of(self._patches(there, len(x), cells, x.device), keys)
        mask = mask.view(len(x), *grid)
        for axis in range(2, x.ndim):
            mask = mask.repeat_interleave(self.patch_size, axis).narrow(axis, 0, x.shape[axis])
        return mask if there is None else mask & there

    def _hidden_of(self, patches: Tensor, keys: Tensor) -> Tensor:
        """Return which of those patches (B, P) that are there are hidden."""
        count = patches.sum(1, keepdim=True)
        return _first(torch.minimum(count - 1, (count * self.mask_ratio - 1e-9).ceil()), patches, keys)

    def _between(self, patches: Tensor, keys: Tensor) -> Tensor:
        """Return which of those patches (B, P) that are there are hidden: a number of its own of each row."""
        assert self.least_ratio is not None
        count = patches.sum(1, keepdim=True)
        most = torch.minimum(count - 1, (count * self.mask_ratio - 1e-9).ceil().long())
        most = most.clamp(min=1) if patches.shape[1] == 1 else most  # a table of one column
        least = torch.minimum(most, (count * self.least_ratio - 1e-9).ceil().long().clamp(min=1))
        drawn = rng.bits(keys, 1, start=patches.shape[1])
        return _first(least + rng.integers(drawn, most - least + 1), patches, keys)

    def _patches(self, there: Tensor | None, rows: int, cells: int, device: torch.device) -> Tensor:
        """Return which columns or patches of each row are there, (B, P)."""
        if there is None:
            return torch.ones(rows, cells, dtype=torch.bool, device=device)
        return functional.max_pool1d(there.float(), self.patch_size, ceil_mode=True).flatten(1) > 0


def _first(hidden: Tensor, patches: Tensor, keys: Tensor) -> Tensor:
    """Return so many patches of each row, in a random order in which those that are not there come last."""
    words = rng.bits(keys, patches.shape[1]).masked_fill(~patches, torch.iinfo(torch.int64).max)
    return rng.orders(rng.orders(words)) < hidden
