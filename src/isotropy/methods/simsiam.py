import torch
from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.methods.pairs import crossed
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import cosine_distance
from isotropy.validation import at_least
from isotropy.views.multiview import MultiView


class SimSiam(Method):
    """A predictor must turn one view's projection into the other's, which counts as a constant: BYOL without a teacher.

    The loss is -cos(h(z), sg(z')) of z = g(f(x)), averaged over both directions; sg stops the gradient.
    Chen and He, "Exploring Simple Siamese Representation Learning" (CVPR 2021, arXiv 2011.10566), equations 1 to 4.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear, BatchNorm without affine).
        predictor_hidden: width of the hidden layer of h (Linear, BatchNorm, ReLU, Linear); a bottleneck.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = SimSiam(TableMLP(numeric=3, width=8), projector=(16, 8), predictor_hidden=4)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> [z.requires_grad for z in outputs["target"]], list(method.loss(**outputs))
        ([False, False], ['distance'])
    """

    mechanism = "predictor"
    unscheduled = ("predictor",)
    compared = "target"
    predicts = ("prediction", "target")

    def __init__(self, encoder: nn.Module, *, projector: Widths = (512, 512, 512), predictor_hidden: int = 128) -> None:
        super().__init__()
        at_least(1, predictor_hidden=predictor_hidden)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector), norm_last=True, affine_last=False, bias_last=False)
        self.predictor = mlp((projector[-1], predictor_hidden, projector[-1]))

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" of all views and "target", the projections of the global ones, each (B, D)."""
        z = [self.projector(h) for h in views.through(self.encoder)]
        return {
            "prediction": [self.predictor(x) for x in z],
            "target": [x.detach() for x in z[: len(views.global_views.inputs)]],
        }

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return "distance", the mean over rows and pairs of minus the cosine, in [-1, 1]."""
        distances = [cosine_distance(p, y) for p, y in crossed(prediction, target)]
        return {"distance": torch.stack(distances).mean() / 2 - 1}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return -1 twice: SimSiam's loss cannot tell perfection from collapse."""
        return {"point collapse": -1.0, "perfection": -1.0}
