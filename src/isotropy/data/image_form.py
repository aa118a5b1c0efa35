"""The form that images are brought to: what is asked of it, and what their headers tell."""

from collections.abc import Sequence
from typing import Any

from isotropy.data.image_decoding import heads_each, mapped, median_side
from isotropy.data.image_listing import ImageFile
from isotropy.decoding.answers import Content, opened
from isotropy.decoding.image_files import WHITE, Form, Head, check_fit, extrema, levels_of
from isotropy.errors import UserError

SIZES = (32, 64, 96, 128, 224)
Size = int | Sequence[int] | None


def form_of(
    files: Sequence[ImageFile],
    *,
    size: Size = None,
    channels: int | None = None,
    fit: str | None = None,
    background: str | None = None,
    levels: Sequence[float] | None = None,
) -> Form:
    """Return the form that `read_images` would bring images to, of what is asked and of their headers."""
    return form_from(files, asked_form(size, channels, fit, background, levels), list(heads_each(files)))


def asked_form(
    size: Size,
    channels: int | None,
    fit: str | None,
    background: str | None,
    levels: Sequence[float] | None,
) -> dict[str, Any]:
    """Return what is asked of the form of images, checked; None is found in them."""
    check_options({"size": size, "channels": channels})
    asked = {"size": size, "channels": channels, "fit": fit or "crop", "background": background or WHITE}
    check_fit(str(asked["fit"]), str(asked["background"]))
    return asked | {"levels": None if levels is None else [float(one) for one in levels]}


def check_options(options: dict[str, Any]) -> None:
    """Raise UserError for a size or a number of channels that no image has."""
    size, channels = options.get("size"), options.get("channels")
    sides = [] if size is None else [size] if isinstance(size, int) else list(size)
    if size is not None and (len(sides) not in (1, 2) or any(not isinstance(n, int) or n < 1 for n in sides)):
        raise UserError(f"the image size must be at least 1, or (height, width), not {size}")
    if channels is not None and channels < 1:
        raise UserError(f"images have at least 1 channel, not {channels}")


def form_from(files: Sequence[ImageFile], asked: dict[str, Any], heads: Sequence[Head]) -> Form:
    """Return the form that images are brought to; what was not asked for is found in them.

    Args:
        heads: what the headers of the readable ones tell.
    """
    size, channels, levels = asked["size"], asked["channels"], asked["levels"]
    if size is None:
        size = max((s for s in SIZES if s <= median_side(heads)), default=SIZES[0])
    if channels is None:
        channels = 1 if heads and all(one.grey for one in heads) else 3
    if levels is None and any(one.deep for one in heads):
        contents = [file.content for file in files if file.content is not None]
        ranges = [one for one in mapped(_range, contents) if one is not None]
        if ranges:
            low, high, whole = (list(column) for column in zip(*ranges, strict=True))
            levels = levels_of(min(low), max(high), whole=all(whole))
    sides = [size, size] if isinstance(size, int) else [*size, *size][:2]
    shape = (int(sides[0]), int(sides[1]))
    levels = None if levels is None else (float(levels[0]), float(levels[1]))
    return Form(size=shape, channels=channels, levels=levels, fit=asked["fit"], background=asked["background"])


def _range(content: Content) -> tuple[float, float, bool] | None:
    try:
        with opened(content) as file:
            return extrema(file)
    except OSError:
        # The decode itself tells the reason.
        return None
