"""The one interface of the library: a method is `forward` and `loss`, cut where the whole batch meets."""

from inspect import signature
from typing import Any

from torch import Tensor, nn

from isotropy.encoders.encoder import FrameEncoder
from isotropy.errors import UserError
from isotropy.methods.pairs import crossed
from isotropy.nn.segments import SegmentHead
from isotropy.rng import Stream
from isotropy.views.multiview import Dataset, MultiView

Outputs = dict[str, Tensor | list[Tensor]]


class Method(nn.Module):
    """A self-supervised method: an encoder with its heads, what is computed of the views, and the loss of that.

    `forward` uses parameters and never writes them; `loss` sees the whole batch (the rows of all ranks where
    `gathered` names them), reads parameters detached at most, and is deterministic. An argument out of its range and
    an encoder without a width are refused (UserError). docs/methods says where a method departs from its paper. In what
    they say of themselves f is the encoder, g the projector, h the predictor, and x' another view than x.

    Attributes:
        encoder: the module to export; has a `width`.
        gathered: the row outputs that `loss` needs from all ranks: all of them or none.
        averaged: the row outputs of which `loss` and `update` get the mean (1, ...) over all ranks, with gradient.
        compared: the output whose views diagnostics compare.
        predicts: the outputs (prediction, target) of a method whose views predict each other, None without such.
        has_teacher: whether it learns from a moving average of its encoder, `teacher_encoder`.
        mechanism: what keeps it from collapse, where advice differs by it: a "predictor" against a stopped gradient,
            "contrast" with other samples, shared "codes", or fixed "targets"; empty for a term of its own.
        unscheduled: names of submodules whose learning rate stays constant.
        modalities: which kinds of data it takes, a recipe refuses the others; None for all that are registered.
        takes_masks: whether it learns from views with a mask: series of unequal length.
        min_views: how many views a sample must have.
        max_views: how many it uses, where more would be made for nothing: they are refused; None for any number.
        passes_per_epoch: passes over the data that make one epoch of the encoder.
        progress: the fraction of training done, in [0, 1]; the loop sets it before `forward`.
        rng: what the method draws from; the loop sets it before `before_pass` and before every `forward`.
    """

    encoder: nn.Module
    gathered: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    compared: str = "z"
    predicts: tuple[str, str] | None = None
    mechanism: str = ""
    has_teacher: bool = False
    unscheduled: tuple[str, ...] = ()
    modalities: tuple[str, ...] | None = None
    takes_masks: bool = True
    min_views: int = 2
    max_views: int | None = None
    passes_per_epoch: int = 1
    progress: float = 0.0
    rng: Stream = Stream()

    @classmethod
    def takes(cls, modality: str) -> bool:
        """Return whether it learns from data of a modality."""
        return cls.modalities is None or modality in cls.modalities

    @classmethod
    def parts(cls) -> frozenset[str]:
        """Return what it has, by which advice is chosen.

        "views" where views of a sample are compared, "teacher", "decoder", its `mechanism`, and "method.NAME" for every
        setting.

        Example:
            >>> from isotropy.methods import LFR
            >>> "views" in LFR.parts(), "method.num_projectors" in LFR.parts()
            (False, True)
        """
        named = {*signature(cls).parameters}
        found = {f"method.{name}" for name in named - {"encoder", "make_projector", "make_decoder", "n_samples"}}
        has = {"views": cls.min_views > 1, "teacher": cls.has_teacher, "decoder": "make_decoder" in named}
        return frozenset(found | {name for name, there in has.items() if there} | {cls.mechanism} - {""})

    def forward(self, views: MultiView) -> Outputs:
        """Return named outputs, each (B, ...) or a list of such, one per view."""
        raise NotImplementedError

    def loss(self, *_: Any, **outputs: Any) -> dict[str, Tensor]:
        """Return named, weighted scalar terms, whose sum is the loss.

        Where nothing is gathered, each is a mean over rows or a function of `averaged` outputs alone.
        """
        raise NotImplementedError

    def monitored(self, *_: Any, **outputs: Any) -> dict[str, list[Tensor]]:
        """Return what diagnostics read of a step's outputs: by default those that `compared` and `predicts` name.

        Keys, where the method has such: "views", the vectors (B, D) that are compared, one of each view; "prediction"
        and "target" (B, D), side by side; "assignments", probabilities (B, K) of each of the variables that a row has
        categories in; "teacher" and "student", probabilities (B, K) that shall agree.
        """
        z = outputs.get(self.compared)
        monitored = {"views": z} if isinstance(z, list) else {}
        if self.predicts is not None:
            predictions, targets = zip(*crossed(*(outputs[name] for name in self.predicts)))
            monitored |= {"prediction": [*predictions], "target": [*targets]}
        return monitored

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss in those known situations that have a closed form.

        Keys: "point collapse", "uniform codes", "one code", "perfection" and "independence" (of the views).
        """
        return {}

    def check_batch_size(self, batch_size: int) -> None:
        """Raise a UserError where batches of so many rows (a last, smaller one aside) cannot be learnt from."""

    def update(self, **outputs: Any) -> None:
        """Move what is not learnt by gradient (teachers, centres, queues), after the optimiser's step."""

    def ema_encoder(self) -> nn.Module | None:
        """Return the moving average of the encoder that a method learns from, `teacher_encoder`; None without one."""
        return getattr(self, "teacher_encoder", None)

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the modules that sit pass `pass_` out: no gradient, eval mode, no optimiser step."""
        return ()

    def coder(self) -> SegmentHead | None:
        """Return the head on the encoder that gives new rows codes, to be exported beside it; None without one."""
        return None

    def before_pass(self, dataset: Dataset, pass_: int) -> None:
        """Prepare what pass `pass_` needs from the data; the same from the weights alone when resumed."""


def width_of(encoder: nn.Module) -> int:
    """Return the length of an encoder's output vectors, or raise a UserError where it does not say it."""
    width = getattr(encoder, "width", None)
    if not isinstance(width, int):
        raise UserError(
            f"the encoder {type(encoder).__name__} does not say its width: "
            "give isotropy.encoders.wrap(network, example=rows) instead of the bare network"
        )
    return width


def with_frames(encoder: nn.Module) -> FrameEncoder:
    """Return the encoder, or raise a UserError where it gives no features along time."""
    if not isinstance(encoder, FrameEncoder):
        raise UserError(
            f"the encoder {type(encoder).__name__} has no features along time: take series_cnn, dilated_resnet, gru, "
            "series_transformer or another FrameEncoder, or wrap a network that has frame_width and "
            "frames(x) -> (B, frame_width, steps)"
        )
    return encoder
