from math import log

import torch
from torch import Tensor, nn

from isotropy import rng
from isotropy.batch import without_mask
from isotropy.encoders.encoder import FrameEncoder
from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, with_frames
from isotropy.nn.attention import Block
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import nt_xent, temporal_contrast
from isotropy.objectives.rows import l2_normalize
from isotropy.validation import at_least, fraction, positive, some_weight
from isotropy.views.multiview import MultiView

_MOST_STEPS = 6


class TSTCC(Method):
    """The context of a weak view's past predicts a strong view's future and the reverse; contexts are contrasted.

    With c_t a transformer's context of a view's unit frames up to a random t, the loss is the weighted sum of
    `objectives.temporal_contrast` of W_k c_t for the other view's frames t + k, and `objectives.nt_xent` of g(c_t).
    Eldele et al., "Time-Series Representation Learning via Temporal and Contextual Contrasting" (IJCAI 2021, arXiv
    2106.14112), equations 1 to 6.

    Args:
        encoder: f, with frames along time; its first view should be weak, its second strong.
        timesteps: K, future frames that are predicted; by default 6, or one less than there are.
        context_width: width of the context, which `num_heads` divides.
        depth, num_heads: blocks of the context's transformer, and heads of their attention.
        dropout: fraction of each block's additions that is dropped in training, in [0, 1).
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, Linear).
        temporal_weight, contextual_weight: of the two contrasts, at least 0 and not both 0.
        temperature: of the contextual contrast, in units of cosine, above 0.

    Example:
        >>> from isotropy.encoders import SeriesCNN
        >>> method = TSTCC(SeriesCNN(channels=2, length=64), context_width=8, depth=1)
        >>> outputs = method(MultiView(torch.arange(6), lambda: [torch.randn(6, 2, 64), torch.randn(6, 2, 64)]))
        >>> [tuple(p.shape) for p in outputs["prediction"]], list(method.loss(**outputs))
        ([(6, 6, 128), (6, 6, 128)], ['temporal', 'contextual'])
    """

    mechanism = "contrast"
    encoder: FrameEncoder
    modalities = ("series",)
    takes_masks = False
    gathered = ("prediction", "future", "context")
    max_views = 2

    def __init__(
        self,
        encoder: nn.Module,
        *,
        timesteps: int | None = None,
        context_width: int = 100,
        depth: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
        projector: Widths = (64, 32),
        temporal_weight: float = 1.0,
        contextual_weight: float = 0.7,
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        self.follows = timesteps is None
        timesteps = _MOST_STEPS if timesteps is None else timesteps
        at_least(1, timesteps=timesteps, context_width=context_width, depth=depth, num_heads=num_heads)
        fraction(dropout=dropout)
        some_weight(temporal_weight=temporal_weight, contextual_weight=contextual_weight)
        positive(temperature=temperature)
        self.encoder = with_frames(encoder)
        self.width, self.timesteps = self.encoder.frame_width, timesteps
        self.context = _Context(self.width, context_width, depth, num_heads, dropout)
        self.predictor = nn.Linear(context_width, timesteps * self.width)
        self.projector = mlp((context_width, *projector))
        self.temporal_weight, self.contextual_weight, self.temperature = temporal_weight, contextual_weight, temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" and "future", each (B, K, frame width), and "context", for both views."""
        for view in views.inputs:
            without_mask(view, "TS-TCC")
        frames = [l2_normalize(z.transpose(1, 2)) for z in views.through(self.encoder.frames)]
        count = frames[0].shape[1]
        now, steps = self._now(count), self._steps(count)
        contexts = self.context(torch.cat([z[:, : now + 1] for z in frames])).chunk(len(frames))
        return {
            "prediction": [self.predictor(c).view(len(c), self.timesteps, self.width)[:, :steps] for c in contexts],
            "future": [z[:, now + 1 : now + 1 + steps] for z in frames],
            "context": [self.projector(c) for c in contexts],
        }

    def loss(self, prediction: list[Tensor], future: list[Tensor], context: list[Tensor]) -> dict[str, Tensor]:
        """Return "temporal", summed over both directions, and "contextual", weighted, in nats."""
        across = temporal_contrast(prediction[0], future[1]) + temporal_contrast(prediction[1], future[0])
        contextual = nt_xent(context[0], context[1], temperature=self.temperature)
        return {"temporal": self.temporal_weight * across, "contextual": self.contextual_weight * contextual}

    def monitored(self, **outputs: list[Tensor]) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the contexts, and each view's predictions beside the other's future."""
        predictions = [x.flatten(1) for x in outputs["prediction"]]
        futures = [x.flatten(1) for x in reversed(outputs["future"])]
        return {"views": outputs["context"], "prediction": predictions, "target": futures}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all samples are one point."""
        temporal, contextual = 2 * log(batch_size), log(2 * batch_size - 1)
        return {"point collapse": self.temporal_weight * temporal + self.contextual_weight * contextual}

    def _steps(self, frames: int) -> int:
        """Return how many frames are predicted of a series of so many."""
        return min(self.timesteps, frames - 1) if self.follows else self.timesteps

    def _now(self, frames: int) -> int:
        """Return the last frame that a context reads."""
        steps = self._steps(frames)
        if frames < 2:
            raise UserError(
                f"TS-TCC predicts the future of a series, and the encoder gives {frames} frame of these: take longer "
                "series, or an encoder with a frame for each step, as dilated_resnet"
            )
        if frames <= steps:
            raise UserError(
                f"TS-TCC predicts timesteps = {steps} frames after at least one, and "
                f"the encoder gives {frames} of these series: lower timesteps below {frames}"
            )
        words = rng.bits(self.rng.of_step(1), 1)
        return int(rng.integers(words, frames - steps))


class _Context(nn.Module):
    """A transformer without places whose first token, learnt, ends as the context of the frames behind it."""

    def __init__(self, width: int, hidden: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Linear(width, hidden)
        self.token = nn.Parameter(torch.randn(1, 1, hidden))
        self.blocks = nn.Sequential(*[Block(hidden, heads=heads, hidden=64, dropout=dropout) for _ in range(depth)])

    def forward(self, frames: Tensor) -> Tensor:
        tokens = self.embed(frames)
        context: Tensor = self.blocks(torch.cat([self.token.to(tokens).expand(len(tokens), -1, -1), tokens], 1))
        return context[:, 0]
