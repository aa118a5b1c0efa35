from torch import Tensor, nn

from isotropy import rng
from isotropy.batch import without_mask
from isotropy.encoders.encoder import FrameEncoder
from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, with_frames
from isotropy.objectives import hierarchical_contrast
from isotropy.validation import fraction, positive, within
from isotropy.views.multiview import MultiView


class TS2Vec(Method):
    """Two overlapping crops of a series, with steps masked at random, agree on the steps that they share.

    The loss is `objectives.hierarchical_contrast` of the shared steps' frames.
    Yue et al., "TS2Vec: Towards Universal Representation of Time Series" (AAAI 2022, arXiv 2106.10466), equations 1-3.

    Args:
        encoder: for series of any length, with one frame for each time step.
        instance_weight: alpha, in [0, 1]; the contrast over time has 1 - alpha.
        mask_ratio: probability that a time step of a crop is hidden, in [0, 1).
        temperature: what products are divided by, above 0; 1 in the paper.

    Example:
        >>> import torch
        >>> from isotropy.encoders import DilatedResNet
        >>> method = TS2Vec(DilatedResNet(channels=2, width=8, depth=2))
        >>> outputs = method(MultiView(torch.arange(6), lambda: [torch.randn(6, 2, 40)]))
        >>> outputs["frames"][0].shape == outputs["frames"][1].shape, list(method.loss(**outputs))
        (True, ['instance', 'temporal'])
    """

    mechanism = "contrast"
    encoder: FrameEncoder
    modalities = ("series",)
    takes_masks = False
    gathered = ("frames",)
    min_views = 1
    max_views = 1

    def __init__(
        self, encoder: nn.Module, *, instance_weight: float = 0.5, mask_ratio: float = 0.5, temperature: float = 16.0
    ) -> None:
        super().__init__()
        positive(temperature=temperature)
        fraction(mask_ratio=mask_ratio)
        within(0, 1, instance_weight=instance_weight)
        self.encoder = with_frames(encoder)
        if not self.encoder.any_length:
            raise UserError(
                f"TS2Vec crops series, and the encoder {type(encoder).__name__} takes one length: take dilated_resnet, "
                "or give wrap any_length=True"
            )
        self.instance_weight, self.mask_ratio, self.temperature = instance_weight, mask_ratio, temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return "frames": the shared steps' features from both crops, each (B, T', frame width)."""
        x = without_mask(views.inputs[0], "TS2Vec")
        (first, left), (right, last) = self._crops(x.shape[2])
        early = self._frames(self._masked(x[..., first:right], views.index, 0))
        late = self._frames(self._masked(x[..., left:last], views.index, 1))
        return {"frames": [early[:, left - first :], late[:, : right - left]]}

    def loss(self, frames: list[Tensor]) -> dict[str, Tensor]:
        """Return "instance" and "temporal", weighted, in nats."""
        return hierarchical_contrast(frames[0], frames[1], alpha=self.instance_weight, temperature=self.temperature)

    def monitored(self, frames: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the mean of each crop's shared frames."""
        return {"views": [x.mean(dim=1) for x in frames]}

    def _crops(self, length: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return a <= b and c <= d such that the crops [a, c) and [b, d) share [b, c), of two steps or more."""
        words = rng.bits(self.rng.of_step(1), 4)[0]

        def between(place: int, low: int, high: int) -> int:
            return low + int(rng.integers(words[place], high - low + 1))

        shared = between(0, min(2, length), length)
        left = between(1, 0, length - shared)
        right = left + shared
        return (between(2, 0, left), left), (right, between(3, right, length))

    def _masked(self, x: Tensor, index: Tensor, crop: int) -> Tensor:
        hidden = rng.masks(rng.halves(self.rng.of_samples(index, crop), x.shape[2]), self.mask_ratio)
        return x.masked_fill(hidden[:, None].to(x.device), 0.0)

    def _frames(self, x: Tensor) -> Tensor:
        frames = self.encoder.frames(x).transpose(1, 2)
        if frames.shape[1] != x.shape[2]:
            raise UserError(
                f"TS2Vec compares time steps, and the encoder {type(self.encoder).__name__} gives {frames.shape[1]} "
                f"frames for {x.shape[2]} steps: take dilated_resnet, or gru with stride 1"
            )
        return frames
