from torch import Tensor, nn
from torch.func import functional_call

from isotropy import rng
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import byol
from isotropy.validation import at_least, fraction
from isotropy.views.multiview import MultiView


class STab(Method):
    """Two copies of the encoder with different weights dropped must agree on a row: no augmentation is needed.

    The loss is SimSiam's, -cos(h(z), sg(z')), of z = g(f(x; m w / (1 - p))): a random mask m for each view drops the
    encoder's weights w with probability p.
    Hajiramezanali et al., "STab: Self-supervised Learning for Tabular Data" (NeurIPS 2022 workshop on table
    representation learning), as the baseline of Sui et al. (ICLR 2024, arXiv 2310.07756).

    Args:
        drop_rate: p, in [0, 1).
        projector: widths of g (Linear, BatchNorm, ReLU, ..., Linear, BatchNorm without affine); none leaves it out.
        predictor_hidden: width of the hidden layer of h (Linear, BatchNorm, ReLU, Linear); none makes it linear.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = STab(TableMLP(numeric=3, width=8))
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3)]))
        >>> len(outputs["prediction"]), list(method.loss(**outputs))
        (2, ['distance'])
    """

    mechanism = "predictor"
    unscheduled = ("predictor",)
    min_views = 1
    compared = "target"
    predicts = ("prediction", "target")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        drop_rate: float = 0.1,
        projector: Widths = (512, 256),
        predictor_hidden: int | None = 128,
    ) -> None:
        super().__init__()
        if predictor_hidden is not None:
            at_least(1, predictor_hidden=predictor_hidden)
        fraction(drop_rate=drop_rate)
        self.encoder = encoder
        widths = (width_of(encoder), *projector)
        self.projector: nn.Module = nn.Identity()
        if projector:
            self.projector = mlp(widths, norm_last=True, affine_last=False, bias_last=False)
        width = widths[-1]
        self.predictor = mlp((width, width) if predictor_hidden is None else (width, predictor_hidden, width))
        self.drop_rate = drop_rate

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" and "target", (B, D) for every mask: two for a single view, or one a view."""
        inputs = views.inputs if len(views.inputs) > 1 else views.inputs * 2
        h = [functional_call(self.encoder, self._masked(view), (x,)) for view, x in enumerate(inputs)]
        z = [self.projector(x) for x in h]
        return {"prediction": [self.predictor(x) for x in z], "target": [x.detach() for x in z]}

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return "distance", the mean over rows and pairs of minus the cosine, in [-1, 1]."""
        pairs = len(prediction) * (len(prediction) - 1)
        return {"distance": byol(prediction, target) / (2 * pairs) - 1}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return -1 twice: SimSiam's loss cannot tell perfection from collapse."""
        return {"point collapse": -1.0, "perfection": -1.0}

    def _masked(self, view: int) -> dict[str, Tensor]:
        """Return the encoder's matrices and kernels under mask number `view`, by name."""
        weights = [(name, weight) for name, weight in self.encoder.named_parameters() if weight.ndim > 1]
        keys, masked = self.rng.of_step(len(weights), view), {}
        for key, (name, weight) in zip(keys[:, None], weights):
            dropped = rng.masks(rng.halves(key.to(weight.device), weight.numel()), self.drop_rate).view(weight.shape)
            masked[name] = weight.masked_fill(dropped, 0.0) / (1 - self.drop_rate)
        return masked
