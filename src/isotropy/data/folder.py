"""Images in files or in a column, brought to one form, and how many of them may be unreadable."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.image_form import Size, asked_form, check_options
from isotropy.data.image_listing import ImageFile, listing
from isotropy.data.image_store import Progress, stored
from isotropy.decoding.image_files import SUFFIXES
from isotropy.errors import UserError


@dataclass(frozen=True)
class ImageFolder:
    """Decoded images (N, channels, height, width), mapped to memory, and the names of their files.

    Attributes:
        bad: (name, reason) of the images that could not be read. ignored: the number of files that are no images.
        form: keywords of `isotropy.data.read` that bring other images to the same form.
        lost: how many images are "transparent", "animated", or "cut" to a form of another shape.
        places: of the images in what was given.
    """

    values: NDArray[np.uint8]
    files: list[str]
    bad: list[tuple[str, str]]
    ignored: int
    form: dict[str, Any] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    places: Sequence[int] = ()


def read_folder(folder: Path, **options: Any) -> ImageFolder:
    """Return the images below `folder`, hidden folders apart, or the one that it is, decoded now or at an earlier call.

    Args:
        options: those of `read_images`.

    Raises:
        UserError: no image, or what `read_images` raises.
    """
    check_options(options)
    files, ignored = listing(folder)
    if not files:
        raise UserError(f"{folder} holds no image ({ignored} other files): {', '.join(sorted(SUFFIXES))} are read")
    return read_images(files, str(folder.resolve()), str(folder), ignored=ignored, **options)


def read_images(
    files: Sequence[ImageFile],
    origin: str,
    name: str,
    *,
    ignored: int = 0,
    size: Size = None,
    channels: int | None = None,
    fit: str | None = None,
    background: str | None = None,
    levels: Sequence[float] | None = None,
    max_bad: float = 0,
    store: Path | None = None,
    progress: Progress = None,
) -> ImageFolder:
    """Return images, decoded now or at an earlier call.

    Every image is turned upright (EXIF) and resized (antialiased). Of an animated one the first picture is taken.

    Args:
        files: the images. origin: tells these images from others. name: what they are called in messages.
        ignored: how many other files there were.
        size: the side, or height and width; None takes the largest of 32, 64, 96, 128 and 224 that the median shorter
            side reaches.
        channels: 1 for grey, 3 for RGB, 4 for RGB with transparency, more for the pages of TIFF stacks; None takes
            grey if all images are, else RGB.
        fit: "crop" cuts the middle out of an image of another shape, "pad" keeps it whole between borders, "stretch"
            distorts it; by default "crop".
        background: the colour behind transparent pixels and of borders; by default white.
        levels: black and white of images of more than 8 bits or of floats; by default found in all of them.
        max_bad: how many images may be unreadable, or below 1 which fraction of them; they are left out.
        store: folder for the decoded array and its index; None takes one in `cache`. It is decoded anew when a
            file name, size or time has changed. A decode that is interrupted leaves nothing behind.
        progress: called as (images done, images in all).

    Raises:
        UserError: more unreadable images than `max_bad` (they are named), or no room for the array.
    """
    asked = asked_form(size, channels, fit, background, levels)
    index, values = stored(files, origin, asked, store, progress)
    bad = [(name, reason) for name, reason in index["bad"]]
    allowed = max_bad * len(files) if 0 < max_bad < 1 else max_bad
    if len(bad) > allowed or not index["files"]:
        named = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise UserError(
            f"{name}: {len(bad)} of {len(files)} images cannot be read ({named}{more}): fix or remove them, or, "
            f"where rows are not streamed, allow them to be skipped (max_bad={len(bad)}; --max-bad {len(bad)} on the "
            "command line)"
        )
    assert values is not None
    return ImageFolder(values, index["files"], bad, ignored, index["form"], index["lost"], index["places"])


def max_bad_of(text: float | str) -> float:
    """Return how many images may be unreadable, of a number, of "5", or of a share as .05 or "5%".

    Example:
        >>> max_bad_of("5%"), max_bad_of("12"), max_bad_of(3)
        (0.05, 12.0, 3.0)
    """
    share = isinstance(text, str) and text.strip().endswith("%")
    try:
        number = float(str(text).strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if (
        not 0 <= number < float("inf")
        or (number != int(number) and number > 1 and not share)
        or (share and number > 100)
    ):
        raise UserError(f"max_bad = {text} is no number of images, nor a share as 0.05 or 5%")
    # All of them is a number that is never reached: of images none would be left.
    return min(number / 100, 0.999999) if share else number
