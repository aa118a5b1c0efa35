from collections.abc import Callable

import torch
from torch import Tensor, nn

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
        """Return "prediction" and "target", one of each for every view."""
        tensors = views.tensors
        return {
            "prediction": [decode(self.decoder, h, x) for h, x in zip(views.through(self.encoder), tensors)],
            "target": [told(self.encoder, x) for x in tensors],
        }

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return "error", the mean over views, rows and cells."""
        categories = categories_of(self.decoder)
        errors = [reconstruction(p, x, categories=categories) for p, x in zip(prediction, target, strict=True)]
        return {"error": torch.stack(errors).mean()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 0 for rows that are given back; codes of one point cost as much as the data vary."""
        return {"perfection": 0.0}
