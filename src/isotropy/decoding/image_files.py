"""One image file as pixels of a wanted form: upright, over a ground, at its depth, brought to a size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from isotropy.decoding import jpeg
from isotropy.errors import UserError, nearest

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"))
FITS = ("crop", "pad", "stretch")
WHITE = "white"
_TIFF = ": one channel a page is, of at most 32 bits, or .npy"
# Of an image that is cut to the form less than this fraction of its area is left: it is counted, and said.
MUCH_CUT = 0.6
# Bytes in which the headers of most files lie.
_HEADERS = 1 << 12
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "F"))
# Where a JPEG file can say how it is turned.
_TURNS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_ALPHA_MODES = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
# Whole numbers of more than 8 bits come from sensors of so many bits; the least that holds all is meant.
_SENSOR_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What images are brought to.

    Attributes:
        size: height and width. channels: 1 grey, 3 RGB, 4 RGB with transparency, or the pages of a stack.
        fit: how an image of another shape is: "crop" to the middle, "pad" with the background, or "stretch".
        background: a colour, as CSS names it, that lies behind transparent pixels and fills borders.
        levels: black and white of images of more than 8 bits or of floats; None where there are none.
    """

    size: tuple[int, int]
    channels: int
    fit: str = "crop"
    background: str = WHITE
    levels: tuple[float, float] | None = None


@dataclass(frozen=True)
class Head:
    """What a file's header tells: its shorter side, and whether it is grey, or deeper than 8 bits."""

    side: int
    grey: bool
    deep: bool


@dataclass(frozen=True)
class Decoded:
    """An image (channels, height, width) uint8, and what of it is not there: "transparent", "animated", "cut"."""

    pixels: NDArray[np.uint8]
    lost: tuple[str, ...]


def check_fit(fit: str, background: str) -> None:
    """Raise UserError for an unknown way of fitting or colour."""
    if fit not in FITS:
        raise UserError(f"fit = {fit!r} is unknown{nearest(fit, FITS)}")
    try:
        ImageColor.getrgb(background)
    except ValueError:
        raise UserError(f"background = {background!r} is no colour: give a name as 'black', or '#rrggbb'") from None


def head(file: BinaryIO) -> Head | None:
    """Return what an image's header tells; None if it cannot be read."""
    start = file.read(_HEADERS)
    if start.startswith(jpeg.START) and (frame := jpeg.frame(start)) and all(frame.size):
        return Head(min(frame.size), frame.channels == 1, deep=False)
    file.seek(0)
    try:
        with Image.open(file) as image:
            deep = _is_deep(image)
            return Head(min(image.size), deep or image.mode in _GREY_MODES, deep)
    except MemoryError:
        raise
    except Exception:
        # Decoders of damaged files raise nearly anything; the decode itself tells the reason.
        return None


def extrema(file: BinaryIO) -> tuple[float, float, bool] | None:
    """Return the least and largest number of a deep image, and whether all are whole; None if it is none."""
    try:
        with Image.open(file) as image:
            if not _is_deep(image):
                return None
            values = np.asarray(image)
            whole = values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
            return float(values.min()), float(values.max()), whole
    except MemoryError:
        raise
    except Exception:
        return None


def levels_of(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Return which numbers are black and white, from the least and largest of all images.

    Whole numbers are of the fewest of 8, 10, 12, 14 or 16 bits that hold them; floats are in [0, 1] or [-1, 1]; all
    else is stretched from the least to the largest.

    Example:
        >>> levels_of(0, 4000, whole=True), levels_of(0.0, 0.8, whole=False), levels_of(-3.0, 9.0, whole=False)
        ((0.0, 4095.0), (0.0, 1.0), (-3.0, 9.0))
    """
    if low >= 0 and high <= 1 and not (whole and high == 0):
        return 0.0, 1.0
    if whole and low >= 0:
        for bits in _SENSOR_BITS:
            if high < 1 << bits:
                return 0.0, float((1 << bits) - 1)
    if low >= -1 and high <= 1:
        return -1.0, 1.0
    return low, high


def decode(data: bytes, form: Form) -> Decoded | str:
    """Return an image file's bytes in a form, or why they cannot be read."""
    try:
        segments = jpeg.segments(data) if data.startswith(jpeg.START) else {}
        if not _is_whole(data, segments):
            return "image file is truncated (its end is missing)"
        height, width = form.size
        plain = jpeg.plain_image(data, segments, (2 * width, 2 * height))
        if plain is not None and plain.size == (width, height) and len(plain.getbands()) == form.channels:
            return Decoded(_channels_first(np.asarray(plain)), ())
        if plain is not None:
            return _formed([plain], form, channels=form.channels, animated=False)
        with Image.open(BytesIO(data)) as opened:
            # A JPEG file can be decoded at a half, a quarter or an eighth, still above the size wanted.
            opened.draft(None, (2 * width, 2 * height))
            stack = form.channels not in (1, 3) and getattr(opened, "n_frames", 1) == form.channels
            images = _frames(opened) if stack else [_upright(opened)]
            animated = not stack and _is_animated(opened)
            return _formed(images, form, channels=1 if stack else form.channels, animated=animated)
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        if reason and "BytesIO" not in reason:
            return reason[:100]
        # Of TIFF files Pillow reads neither other numbers of interleaved channels nor floats of 64 bits.
        tiff = data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
        return f"no image that Pillow knows{_TIFF if tiff else ''}"


def _formed(images: Iterable[Any], form: Form, *, channels: int, animated: bool) -> Decoded | str:
    """Return an image, or the pages of a stack, in a form, or why they do not fit it."""
    lost = ["animated"] if animated else []
    planes = []
    for image in images:
        image, transparent = _flattened(image, form, channels=channels)
        lost += ["transparent"] * (transparent and "transparent" not in lost)
        if form.fit == "crop" and _kept(image.size, form.size) < MUCH_CUT and "cut" not in lost:
            lost.append("cut")
        fitted = np.asarray(_fitted(image, form))
        planes.append(fitted[..., None] if fitted.ndim == 2 else fitted)
    pixels = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    if pixels.shape[2] != form.channels:
        return f"it has {pixels.shape[2]} channels, not {form.channels}"
    return Decoded(_channels_first(pixels), tuple(lost))


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels (height, width) or (height, width, channels) as (channels, height, width)."""
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _is_deep(image: Any) -> bool:
    return image.mode == "F" or image.mode.startswith("I")


def _is_animated(image: Any) -> bool:
    # Photos of phones hold a second picture for depth (MPO), which is no animation.
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _upright(image: Any) -> Any:
    """Return an image turned as its file says; one that says nothing is not copied, as Pillow does."""
    if image.format == "JPEG" and not any(name in image.info for name in _TURNS):
        return image
    return ImageOps.exif_transpose(image)


def _frames(image: Any) -> Iterator[Any]:
    for place in range(image.n_frames):
        image.seek(place)
        yield image.copy()


def _flattened(image: Any, form: Form, *, channels: int) -> tuple[Any, bool]:
    """Return an image as "L", "RGB", "RGBA" or "F" (levels 0 to 255), and whether anything was transparent."""
    if _is_deep(image):
        if form.levels is None:
            raise ValueError("its depth is that of no other image of the training (more than 8 bits, or floats)")
        low, high = form.levels
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("holds NaN or infinity")
        scaled = Image.fromarray(((values - low) * (255 / ((high - low) or 1.0))).clip(0, 255).astype(np.float32))
        return scaled if channels == 1 else _grey_to(scaled, channels), False
    transparent = False
    if channels == 4:
        return image.convert("RGBA"), False
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        transparent = image.getchannel("A").getextrema()[0] < 255
        if transparent:
            ground = Image.new("RGBA", image.size, ImageColor.getrgb(form.background))
            image = Image.alpha_composite(ground, image)
    grey = channels == 1 or (channels != 3 and image.mode in _GREY_MODES)
    wanted = "L" if grey else "RGB"
    return image if image.mode == wanted else image.convert(wanted), transparent


def _grey_to(image: Any, channels: int) -> Any:
    levels = Image.fromarray(np.rint(np.asarray(image)).astype(np.uint8))
    return levels.convert("RGB") if channels == 3 else levels


def _kept(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """Return which fraction of an image (width, height) is left of a crop to the shape of (height, width)."""
    width, height = size
    ratio = (width / height) / (wanted[1] / wanted[0])
    return min(ratio, 1 / ratio)


def _fitted(image: Any, form: Form) -> Any:
    wanted = (form.size[1], form.size[0])
    if image.size == wanted:
        return image
    if form.fit == "stretch":
        return image.resize(wanted, Image.Resampling.BILINEAR)
    if form.fit == "pad":
        colour = ImageColor.getrgb(form.background)
        grey = ImageColor.getcolor(form.background, "L")
        ground: dict[str, Any] = {
            "L": grey,
            "F": float(grey[0] if isinstance(grey, tuple) else grey),
            "RGB": colour[:3],
        }
        return ImageOps.pad(image, wanted, Image.Resampling.BILINEAR, color=ground.get(image.mode, colour))
    return ImageOps.fit(image, wanted, Image.Resampling.BILINEAR)


def _is_whole(data: bytes, segments: dict[int, int]) -> bool:
    """Return whether a file has the end that its format prescribes; Pillow takes some without their last bytes."""
    if data.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" in data
    if data.startswith(jpeg.START):
        return jpeg.is_whole(data, segments)
    if data.startswith(b"GIF8"):
        return data.rstrip(b"\0").endswith(b";")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True
