"""Any image model of timm by name, from the extra `isotropy[images]`; timm is imported when one is made."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder
from isotropy.errors import UserError, nearest

# Below this many pixels a residual network keeps its resolution: the stem of the CIFAR networks.
_SMALL = 96


class Timm(Encoder):
    """A timm model without its classifier, globally pooled.

    Residual networks get a 3x3 stem of stride 1 without max-pooling for images below 96 pixels, as is usual for
    CIFAR; pretrained ones keep the stem that they were trained with.

    Args:
        model: name in timm, such as "resnet18".
        pretrained: load timm's weights (needs a network).
        small_stem: force or forbid the 3x3 stem; by default it follows the size.

    Raises: UserError where timm is not installed, does not know the model, or the model cannot take the size.
    """

    modality = "image"
    convolutional = True

    def __init__(
        self,
        *,
        model: str,
        channels: int,
        size: Sequence[int],
        pretrained: bool = False,
        small_stem: bool | None = None,
    ) -> None:
        super().__init__()
        timm = _timm()
        if not timm.is_model(model):
            hint = nearest(model, timm.list_models())
            hint = hint if "did you mean" in hint else " (timm.list_models() lists them)"
            raise UserError(f"timm has no model {model!r}{hint}")
        # Only transformers of a fixed input size are told the size; the others take any.
        fixed = _known(model).fixed_input_size
        sized = {"img_size": tuple(size)} if fixed else {}
        try:
            self.model: nn.Module = timm.create_model(
                model, pretrained=pretrained, in_chans=channels, num_classes=0, **sized
            )
        except OSError as error:
            raise UserError(f"cannot load pretrained weights of timm:{model}: {error}") from error
        residual = isinstance(self.model, timm.models.resnet.ResNet)
        if small_stem is None:
            small_stem = residual and not pretrained and min(size) < _SMALL
        if small_stem:
            if not residual:
                raise UserError(f"timm:{model} is no residual network and has no small stem")
            self.model.conv1 = _small_stem(self.model.conv1)
            self.model.maxpool = nn.Identity()
        # Rebuilt ones get their weights from a file, so `pretrained` is not of the architecture.
        self.arguments = {"model": model, "channels": channels, "size": list(size), "small_stem": small_stem}
        self.width = self._measured_width(torch.zeros(1, channels, *size))

    @classmethod
    def normalisation(cls, arguments: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]] | None:
        """Return what timm says of the weights that it offers, for images of as many channels."""
        about = _known(arguments["model"])
        if about is None or len(about.mean) != arguments["channels"]:
            return None
        return about.mean, about.std

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for images (B, channels, height, width)."""
        return self.model(x)

    @torch.no_grad()
    def _measured_width(self, example: Tensor) -> int:
        """Return the output's length; what models say of themselves misses heads before the classifier."""
        self.eval()
        try:
            output = self.model(example)
        except (RuntimeError, AssertionError) as error:
            height, width = example.shape[2:]
            raise UserError(
                f"timm:{self.arguments['model']} cannot take images of {height} x {width}: {error}"
            ) from error
        self.train()
        return int(output.shape[1])


def _timm() -> ModuleType:
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        # A torchvision that does not fit the installed torch fails with RuntimeError.
        raise UserError(f"models of timm need the images extra: pip install isotropy[images] ({error})") from error
    return timm


def _known(model: str) -> Any:
    """Return what timm says of the weights that it offers for a model, which its tag names; None where it has none."""
    try:
        return _timm().get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError as error:
        name, _, tag = model.partition(".")
        tags = [one.partition(".")[2] for one in _timm().list_pretrained(f"{name}.*")]
        raise UserError(f"timm has no weights {tag!r} of {name!r}{nearest(tag, tags)}") from error


def _small_stem(stem: nn.Module) -> nn.Module:
    """Return a stem of stride 1 in place of `stem`, which is a 7x7 convolution or a few 3x3 ones."""
    if isinstance(stem, nn.Sequential):
        for layer in stem:
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
        return stem
    assert isinstance(stem, nn.Conv2d)
    small = nn.Conv2d(stem.in_channels, stem.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    return small
