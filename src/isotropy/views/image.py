"""Views of images: crop, flip, colour, blur, solarise and normalise, on whole batches of uint8 images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor

from isotropy import rng
from isotropy.errors import UserError, nearest
from isotropy.validation import at_least, nonnegative, per_view
from isotropy.views import blur, colour, crop
from isotropy.views.multiview import RandomViews

# Columns of a view's draw: crop box, flip, jitter, greyscale, blur or not, its sigma, solarise.
_FLIP = crop.BOX_COLUMNS
_JITTER = _FLIP + 1
_GREY = _JITTER + colour.COLUMNS
_BLUR, _SIGMA, _SOLARISE = _GREY + 1, _GREY + 2, _GREY + 3
_COLUMNS = _SOLARISE + 1

# How many source or result pixels are worked on at once on a CPU, so that they stay in its cache: 2 images of 256 px.
_CHUNK_PIXELS = 1 << 17


@dataclass(frozen=True)
class ViewSettings:
    """The settings of one view; `ImageViews` says what they mean."""

    size: tuple[int, int]
    scale: tuple[float, float]
    ratio: tuple[float, float]
    interpolation: str
    flip: float
    jitter: tuple[float, float, float, float]
    jitter_p: float
    grey: float
    blur: float
    sigma: tuple[float, float]
    solarise: float
    exact_hue: bool


class ImageViews(RandomViews):
    """Random views of images.

    In this order: a random resized crop with antialiasing and a flip; brightness, contrast, saturation and hue in an
    order drawn per sample, and greyscale; one clamp to [0, 1]; Gaussian blur; solarise; normalisation.

    Args:
        size: pixels of a view's side, or (height, width).
        mean, std: per channel, of values in [0, 1].
        num_views: how many views of `size` a sample gets.
        scale, ratio: least and largest fraction of the source's area that a crop covers, and its width / height.
        interpolation: "bilinear" or "bicubic".
        flip, jitter_p, grey, blur, solarise: probability that a sample is flipped left to right, jittered, made grey,
            blurred, and that its values from 128/255 on are inverted: one number for all views or one per view.
        jitter: strengths of brightness, contrast, saturation (factors U(1 - s, 1 + s)) and hue (U(-s, s) turns,
            at most 0.5). With other than three channels the last two and `grey` do nothing.
        sigma: least and largest standard deviation of the blur, in pixels.
        hue: "rotation" about the grey axis (fast; within 2 to 4 grey levels of HSV) or "exact" in HSV.
        crops: further views: mappings with "count", and any of the settings above for these views alone.

    Example:
        >>> views = ImageViews(size=32, mean=[0.5] * 3, std=[0.25] * 3, solarise=[0.0, 0.2],
        ...                    crops=[{"count": 4, "size": 16, "scale": [0.05, 0.2], "solarise": 0.0}])
        >>> rows = torch.zeros(2, 3, 40, 40, dtype=torch.uint8)
        >>> [tuple(view.shape) for view in views.make(rows, torch.tensor([5, 9]), seed=0, pass_=0)][1:3]
        [(2, 3, 32, 32), (2, 3, 16, 16)]
    """

    name = "image views"

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        num_views: int = 2,
        scale: Sequence[float] = (0.2, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
        flip: float | Sequence[float] = 0.5,
        jitter: Sequence[float] = (0.4, 0.4, 0.4, 0.1),
        jitter_p: float | Sequence[float] = 0.8,
        grey: float | Sequence[float] = 0.2,
        blur: float | Sequence[float] = 0.0,
        sigma: Sequence[float] = (0.1, 2.0),
        solarise: float | Sequence[float] = 0.0,
        hue: str = "rotation",
        crops: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        if len(mean) != len(std) or not all(s > 0 for s in std):
            raise UserError("mean and std: give one number per channel each, std above 0")
        self.mean = torch.tensor(mean, dtype=torch.float64)
        self.std = torch.tensor(std, dtype=torch.float64)
        settings: dict[str, Any] = {
            "size": size, "scale": scale, "ratio": ratio, "interpolation": interpolation, "flip": flip,
            "jitter": jitter, "jitter_p": jitter_p, "grey": grey, "blur": blur, "sigma": sigma,
            "solarise": solarise, "hue": hue,
        }  # fmt: skip
        self.settings = _settings(num_views, settings)
        for group in crops:
            own = dict(group)
            number = own.pop("count", 1)
            for name in own:
                if name not in settings:
                    raise UserError(f"crops: unknown setting {name!r}{nearest(name, [*settings, 'count'])}")
            alike = {name: _alike(name, settings[name], group) for name in _PER_VIEW if name not in own}
            self.settings += _settings(number, {**settings, **alike, **own})
        self.count = len(self.settings)

    def make(self, x: Tensor, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the views, each (B, C, height, width) float32, of images `x` (B, C, H, W) uint8."""
        if x.ndim != 4 or x.dtype != torch.uint8:
            raise UserError(f"image views: expected uint8 images (B, C, H, W), got {x.dtype} {tuple(x.shape)}")
        if x.shape[1] != len(self.mean):
            raise UserError(f"image views: images of {x.shape[1]} channels, but mean and std for {len(self.mean)}")
        keys = [rng.keys(seed, pass_, view, index) for view in range(self.count)]
        return [self._view(x, rng.uniforms(rng.bits(k, _COLUMNS)), view) for k, view in zip(keys, self.settings)]

    def _view(self, x: Tensor, uniforms: Tensor, view: ViewSettings) -> Tensor:
        batch, channels, height, width = x.shape
        box = crop.boxes(uniforms[:, :_FLIP], height, width, scale=view.scale, ratio=view.ratio)
        axis = partial(crop.taps, interpolation=view.interpolation)
        vertical = axis(box[:, 0], box[:, 2], height, view.size[0])
        flip = uniforms[:, _FLIP] < view.flip
        horizontal = axis(box[:, 1], box[:, 3], width, view.size[1], flip=flip)
        steps = self._colour(uniforms, view, channels)
        plan = [part.to(x.device) for part in (*vertical, *horizontal, *steps)]
        out = torch.empty(batch, channels, *view.size, device=x.device)
        pixels = max(height * width, view.size[0] * view.size[1])
        chunk = max(1, _CHUNK_PIXELS // pixels if x.device.type == "cpu" else batch)
        for start in range(0, batch, chunk):
            part = slice(start, start + chunk)
            down, weight_down, across, weight_across, *maps = (tensor[part] for tensor in plan)
            images = crop.resample(x[part], (down, weight_down), (across, weight_across))
            self._paint(images, maps, out[part])
            self._finish_(out[part], uniforms[part], view)
        return out

    def _colour(self, uniforms: Tensor, view: ViewSettings, channels: int) -> list[Tensor]:
        """Return own, pull (B, C, C) from grey levels to normalised values; before them, for exact hue, another
        such pair from grey levels to [0, 1], and the turns (B,)."""
        factors = colour.factors(uniforms[:, _JITTER:_GREY], view.jitter, view.jitter_p)
        grey = uniforms[:, _GREY] < view.grey
        scale = (1 / self.std)[:, None]
        if view.exact_hue and channels == 3 and view.jitter[3] > 0:
            before, after = colour.around_hue(factors, grey)
            turns = factors.values[:, colour.HUE]
            steps = [before.own / 255, before.pull / 255, turns, after.own * scale, after.pull * scale]
        else:
            both = colour.compose(factors, channels, grey=grey)
            steps = [both.own * scale / 255, both.pull * scale / 255]
        return [step.to(torch.float32) for step in steps]

    def _paint(self, images: Tensor, maps: list[Tensor], out: Tensor) -> None:
        """Write (B, C, height, width) grey levels after the colour maps, normalised and clamped, to `out`."""
        shape = images.shape
        pixels = images.flatten(2)
        if len(maps) == 5:
            own, pull, turns, *maps = maps
            pixels = colour.apply(pixels, own, _dot(pull, colour.mean_pixel(images))).clamp_(0, 1)
            images = colour.shift_hue_(pixels, turns).view(shape)
        own, pull = maps
        lowest = (-self.mean / self.std).to(torch.float32)
        offset = _dot(pull, colour.mean_pixel(images)) + lowest.to(images.device)
        colour.apply(pixels, own, offset, out=out.flatten(2))
        for channel, (low, high) in enumerate(self._range()):
            out[:, channel].clamp_(low, high)

    def _finish_(self, images: Tensor, uniforms: Tensor, view: ViewSettings) -> None:
        """Blur and solarise some of the normalised images, in place."""
        if view.blur > 0:
            chosen = (uniforms[:, _BLUR] < view.blur).nonzero()[:, 0]
            low, high = view.sigma
            sigma = (low + (high - low) * uniforms[chosen, _SIGMA]).to(images.device)
            chosen = chosen.to(images.device)
            if len(chosen):
                images[chosen] = blur.blur(images[chosen], sigma, blur.radius(high))
        if view.solarise > 0:
            chosen = (uniforms[:, _SOLARISE] < view.solarise).nonzero()[:, 0].to(images.device)
            picked = images[chosen]
            for channel, (low, high) in enumerate(self._range()):
                plane = picked[:, channel]
                # Half way is between grey levels 127 and 128, the first that is inverted.
                picked[:, channel] = torch.where(plane >= (low + high) / 2, low + high - plane, plane)
            images[chosen] = picked

    def _range(self) -> list[tuple[float, float]]:
        """Return what 0 and 1 become by normalisation, per channel."""
        return list(zip((-self.mean / self.std).tolist(), ((1 - self.mean) / self.std).tolist()))


_PER_VIEW = ("flip", "jitter_p", "grey", "blur", "solarise")


def _dot(pull: Tensor, mean: Tensor) -> Tensor:
    return (pull * mean[:, None]).sum(2)


def _alike(name: str, value: Any, group: Mapping[str, Any]) -> Any:
    if isinstance(value, Sequence) and len(set(value)) > 1:
        raise UserError(f"crops: {name} differs between the views, so give it in the crop group {dict(group)} too")
    return value[0] if isinstance(value, Sequence) else value


def _settings(number: int, given: Mapping[str, Any]) -> list[ViewSettings]:
    """Return the settings of so many views, checked."""
    at_least(1, num_views=number)
    per: dict[str, Any] = {name: per_view(name, given[name], number) for name in _PER_VIEW}
    _known("interpolation", given["interpolation"], crop.INTERPOLATIONS)
    _known("hue", given["hue"], ("rotation", "exact"))
    size = given["size"]
    height, width = (size, size) if isinstance(size, int) else size
    for side in (height, width):
        at_least(1, size=side)
    jitter = tuple(float(strength) for strength in given["jitter"])
    for strength in jitter:
        nonnegative(jitter=strength)
    if len(jitter) != 4 or jitter[3] > 0.5:
        raise UserError("jitter: give four strengths, for brightness, contrast, saturation and hue (at most 0.5)")
    sigma = _pair("sigma", given["sigma"])
    if any(per["blur"]) and min(height, width) <= blur.radius(sigma[1]):
        raise UserError(f"blur: sigma {sigma[1]:g} needs more than {blur.radius(sigma[1])} px; lower sigma or blur 0")
    same: dict[str, Any] = {
        "size": (height, width), "scale": _pair("scale", given["scale"], most=1.0), "sigma": sigma, "jitter": jitter,
        "ratio": _pair("ratio", given["ratio"]), "interpolation": given["interpolation"],
        "exact_hue": given["hue"] == "exact",
    }  # fmt: skip
    return [ViewSettings(**same, **{name: values[view] for name, values in per.items()}) for view in range(number)]


def _known(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UserError(f"{name}: unknown {value!r}{nearest(str(value), choices)}")


def _pair(name: str, value: Sequence[float], *, most: float = inf) -> tuple[float, float]:
    low, high = (float(v) for v in value) if len(value) == 2 else (0.0, 0.0)
    if not 0 < low <= high <= most:
        raise UserError(f"{name}: give two numbers, 0 < least <= largest <= {most:g}, not {list(value)}")
    return low, high
