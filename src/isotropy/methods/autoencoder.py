from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from isotropy.batch import filled, masks_of
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.decoders import categories_of, decode, told
from isotropy.objectives import reconstruction
from isotropy.views.multiview import MultiView


class Autoencoder(Method):
    """From the encoder's vector of a row a decoder must give the row back; no views, no augmentation.

    With a decoder d, the loss is `objectives.reconstruction` of d(f(x)) for x.
    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks" (Science 2006).

    Args:
        make_decoder: makes d, a network from (B, width) to rows (as the encoder takes them), given the width. One
            with `categories`, as `isotropy.nn.decoders.TableDecoder`, gives a logit per category in place of its code.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = Autoencoder(TableMLP(numeric=3, width=8), make_decoder=lambda width: nn.Linear(width, 3))
        >>> outputs = method(MultiView(torch.arange(4), lambda: [torch.randn(4, 3)]))
        >>> list(method.loss(**outputs))
        ['error']
    """

    mechanism = "targets"
    min_views = 1

    def __init__(self, encoder: nn.Module, *, make_decoder: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = make_decoder(width_of(encoder))

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" and "target", one of each for every view, and "there" where views have masks."""
        tensors = [filled(x) for x in views.inputs]
        found: Outputs = {
            "prediction": [decode(self.decoder, h, x) for h, x in zip(views.through(self.encoder), tensors)],
            "target": [told(self.encoder, x) for x in tensors],
        }
        masks = masks_of(views.inputs)
        return found if masks is None else {**found, "there": masks}

    def loss(
        self, prediction: list[Tensor], target: list[Tensor], there: list[Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return "error", the mean over views, rows and cells: of those that are `there`."""
        categories = categories_of(self.decoder)
        masks: Sequence[Tensor | None] = there or [None] * len(target)
        errors = [
            reconstruction(p, x, hidden=cells, categories=categories)
            for p, x, cells in zip(prediction, target, masks, strict=True)
        ]
        return {"error": torch.stack(errors).mean()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 0 for rows that are given back; codes of one point cost as much as the data vary."""
        return {"perfection": 0.0}
