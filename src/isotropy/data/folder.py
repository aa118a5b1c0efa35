"""Images in files or in a column, decoded once into a uint8 array in a file that is mapped to memory."""

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data.image_files import (
    SUFFIXES,
    WHITE,
    Decoded,
    Form,
    Head,
    check_fit,
    decode,
    extrema,
    head,
    levels_of,
)
from isotropy.errors import UserError
from isotropy.io.atomic import replacing, write_atomically
from isotropy.io.tables import Npy

SIZES = (32, 64, 96, 128, 224)
VERSION = 2
# Images in flight at a time: bounds the memory while all cores decode.
CHUNK = 256
# Images of a task: one task each would cost as much as a small image.
_GROUP = 8
# Below this shorter side most of a decode is Python, and threads of it only wait for the interpreter's lock.
_SMALL_SIDE = 96
_SPECIAL = "no file"

Progress = Callable[[int, int], None] | None
Size = int | Sequence[int] | None


@dataclass(frozen=True)
class ImageFile:
    """An image that is still to be decoded: its name, how it is opened, and what changes when it changes."""

    name: str
    open: Callable[[], BinaryIO]
    stamp: str


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
    """Return the images below `folder`, hidden folders apart, decoded now or at an earlier call.

    Args:
        options: those of `read_images`.

    Raises:
        UserError: no image, or what `read_images` raises.
    """
    _check_options(options)
    files, ignored = _listing(folder)
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
    asked = _asked(size, channels, fit, background, levels)
    key = _digest("\n".join([f"{VERSION} {sorted(asked.items())}", *(f"{one.name} {one.stamp}" for one in files)]))
    place = store if store is not None else cache() / "images" / _digest(f"{origin} {sorted(asked.items())}")
    found = _index(place, key)
    if found is None:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata; an image that it can decode is good enough.
            warnings.simplefilter("ignore")
            found = _decode_all(files, place, key, asked, progress), _load(place, key)
    index, values = found
    bad = [(name, reason) for name, reason in index["bad"]]
    allowed = max_bad * len(files) if 0 < max_bad < 1 else max_bad
    if len(bad) > allowed or not index["files"]:
        named = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise UserError(
            f"{name}: {len(bad)} of {len(files)} images cannot be read ({named}{more}): fix or remove them, or "
            f"allow them to be skipped (max_bad={len(bad)}; --max-bad {len(bad)} on the command line)"
        )
    assert values is not None
    return ImageFolder(values, index["files"], bad, ignored, index["form"], index["lost"], index["places"])


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
    heads, side = _heads(files)
    return _form(files, _asked(size, channels, fit, background, levels), heads, side)


def decoded(files: Sequence[ImageFile], form: Form, name: str) -> NDArray[np.uint8]:
    """Return images (N, channels, height, width) of a form, decoded on all cores.

    Raises:
        UserError: one that cannot be read, which is named; `name` is what all of them are called.
    """
    out = np.empty((len(files), form.channels, *form.size), dtype=np.uint8)
    for place, image in enumerate(_decoded(files, form, small=max(form.size) < _SMALL_SIDE)):
        if isinstance(image, str):
            raise UserError(f"{name}: the image {files[place].name} cannot be read ({image}): fix it, or take it out")
        out[place] = image.pixels
    return out


def cache() -> Path:
    """Return the folder for what can be made again: `ISOTROPY_CACHE`, or isotropy in `XDG_CACHE_HOME` or ~/.cache."""
    if own := os.environ.get("ISOTROPY_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isotropy"


def image_file(path: Path, name: str) -> ImageFile:
    """Return a file as an image to be decoded; what is no file is one that cannot be read."""
    try:
        about = path.stat()
    except OSError as error:
        reason = error.strerror or str(error)
        return ImageFile(name, lambda: _unreadable(reason), f"missing: {reason}")
    # A named pipe or a device would hang, or never end.
    if not S_ISREG(about.st_mode):
        return ImageFile(name, lambda: _unreadable("no regular file"), _SPECIAL)
    return ImageFile(name, lambda: open(path, "rb"), f"{about.st_size} {about.st_mtime_ns}")


def _unreadable(reason: str) -> BinaryIO:
    raise OSError(reason)


def shown(name: str) -> str:
    r"""Return a file's name as text that can be written anywhere: bytes that are not UTF-8 become \xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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


def _asked(
    size: Size,
    channels: int | None,
    fit: str | None,
    background: str | None,
    levels: Sequence[float] | None,
) -> dict[str, Any]:
    _check_options({"size": size, "channels": channels})
    asked = {"size": size, "channels": channels, "fit": fit or "crop", "background": background or WHITE}
    check_fit(str(asked["fit"]), str(asked["background"]))
    return asked | {"levels": None if levels is None else [float(one) for one in levels]}


def _check_options(options: dict[str, Any]) -> None:
    size, channels = options.get("size"), options.get("channels")
    sides = [] if size is None else [size] if isinstance(size, int) else list(size)
    if size is not None and (len(sides) not in (1, 2) or any(not isinstance(n, int) or n < 1 for n in sides)):
        raise UserError(f"the image size must be at least 1, or (height, width), not {size}")
    if channels is not None and channels < 1:
        raise UserError(f"images have at least 1 channel, not {channels}")


def _listing(folder: Path) -> tuple[list[ImageFile], int]:
    """Return the images below a folder, links to folders followed, in order, and how many other files there are."""
    images: list[tuple[str, ImageFile]] = []
    others = 0
    # Of every folder on the way here, links followed, what it is on the disk: a link may lead back to one of them.
    ways: dict[str, frozenset[str]] = {}

    def refuse(error: OSError) -> None:
        raise UserError(f"{shown(str(error.filename))} cannot be read: {error.strerror}") from error

    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        here, before = os.path.realpath(root), ways.get(os.path.dirname(root), frozenset())
        if here in before:
            folders.clear()
            continue
        ways[root] = before | {here}
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(root).relative_to(folder).as_posix()
        for name in names:
            if Path(name).suffix.lower() not in SUFFIXES or name.startswith("."):
                others += 1
                continue
            relative = name if below == "." else f"{below}/{name}"
            image = image_file(Path(root, name), shown(relative))
            if image.stamp == _SPECIAL:
                others += 1
            else:
                images.append((relative, image))
    return [image for _, image in sorted(images, key=itemgetter(0))], others


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _index(place: Path, key: str) -> tuple[dict[str, Any], NDArray[np.uint8] | None] | None:
    """Return the index and the images of an earlier decode of the same files; None if any of it is damaged."""
    try:
        index = json.loads((place / "index.json").read_text("utf-8"))
        if index["key"] != key or not all(isinstance(name, str) for name in index["files"]):
            return None
        if any(len(pair) != 2 for pair in index["bad"]) or len(index["places"]) != len(index["files"]):
            return None
        values = _load(place, key)
        wanted = (len(index["files"]), index["channels"], *index["form"]["size"])
        if index["files"] and (values is None or values.shape != wanted or values.dtype != np.uint8):
            return None
        dict(index["lost"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return index, values


def _load(place: Path, key: str) -> NDArray[np.uint8] | None:
    path = place / f"images-{key}.npy"
    if not path.is_file():
        return None
    images: NDArray[np.uint8] = np.load(path, mmap_mode="c", allow_pickle=False)
    return images


def _decode_all(
    files: Sequence[ImageFile], place: Path, key: str, asked: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Decode all files into `place` and return the index; what is there already stays valid until the end."""
    heads, side = _heads(files)
    form = _form(files, asked, heads, side)
    height, width = form.size
    place.mkdir(parents=True, exist_ok=True)
    free, need = shutil.disk_usage(place).free, len(files) * form.channels * height * width
    if need > free:
        raise UserError(
            f"the decoded images take {need / 1e9:.1f} GB and {place} has {free / 1e9:.1f} GB free: choose "
            "another place (ISOTROPY_CACHE) or a smaller size"
        )
    array = f"images-{key}.npy"
    said = {name: asked[name] for name in ("fit", "background")} | {"size": [height, width]}
    said |= {"levels": list(form.levels)} if form.levels else {}
    try:
        with replacing(place / array) as temporary:
            found = _write(temporary, files, _decoded(files, form, small=side < _SMALL_SIDE), form, progress)
        index = {"key": key, "form": said, "channels": form.channels, **found}
        write_atomically(place / "index.json", json.dumps(index).encode())
    except OSError as error:
        raise UserError(f"the decoded images cannot be written to {place}: {error.strerror}") from error
    for old in place.glob("images-*.npy"):
        if old.name != array:
            old.unlink(missing_ok=True)
    return index


def _heads(files: Sequence[ImageFile]) -> tuple[list[Head], int]:
    """Return what the headers of the readable files tell, and the median of their shorter sides."""
    heads = [one for one in _mapped(lambda file: _tried(head, file), files) if one is not None]
    return heads, sorted(one.side for one in heads)[len(heads) // 2] if heads else 0


def _form(files: Sequence[ImageFile], asked: dict[str, Any], heads: Sequence[Head], side: int) -> Form:
    """Return the form that images are brought to; what was not asked for is found in them.

    Args:
        heads: what the headers of the readable ones tell. side: the median of their shorter sides.
    """
    size, channels, levels = asked["size"], asked["channels"], asked["levels"]
    if size is None:
        size = max((s for s in SIZES if s <= side), default=SIZES[0])
    if channels is None:
        channels = 1 if heads and all(one.grey for one in heads) else 3
    if levels is None and any(one.deep for one in heads):
        ranges = [one for one in _mapped(lambda file: _tried(extrema, file), files) if one is not None]
        if ranges:
            low, high, whole = (list(column) for column in zip(*ranges, strict=True))
            levels = levels_of(min(low), max(high), whole=all(whole))
    sides = [size, size] if isinstance(size, int) else [*size, *size][:2]
    shape = (int(sides[0]), int(sides[1]))
    levels = None if levels is None else (float(levels[0]), float(levels[1]))
    return Form(size=shape, channels=channels, levels=levels, fit=asked["fit"], background=asked["background"])


def _tried(function: Callable[[BinaryIO], Any], file: ImageFile) -> Any:
    try:
        with file.open() as opened:
            return function(opened)
    except OSError:
        # The decode itself tells the reason.
        return None


def _decoded(files: Sequence[ImageFile], form: Form, *, small: bool) -> Iterator[Decoded | str]:
    """Yield each image in order, or why it cannot be read. Files are read ahead; small images are decoded here."""
    if small:
        return (_pixels(data, form) for data in _mapped(_content, files))
    return _mapped(lambda file: _pixels(_content(file), form), files)


def _content(file: ImageFile) -> bytes | str:
    """Return the bytes of a file, or why it cannot be read."""
    try:
        with file.open() as opened:
            return opened.read()
    except OSError as error:
        return error.strerror or str(error)


def _pixels(data: bytes | str, form: Form) -> Decoded | str:
    return data if isinstance(data, str) else decode(data, form)


def _write(
    path: Path, files: Sequence[ImageFile], images: Iterable[Decoded | str], form: Form, progress: Progress
) -> dict[str, Any]:
    """Write the decoded images to one .npy file; return the good ones, the bad ones with reasons, and what is lost."""
    good: list[str] = []
    places: list[int] = []
    bad: list[tuple[str, str]] = []
    lost: Counter[str] = Counter()
    with closing(Npy(path, (form.channels, *form.size), np.uint8)) as out:
        for place, (file, image) in enumerate(zip(files, images, strict=True)):
            if isinstance(image, str):
                bad.append((file.name, image))
            else:
                out.write(image.pixels[None])
                good.append(file.name)
                places.append(place)
                lost.update(image.lost)
            if progress is not None:
                progress(place + 1, len(files))
    return {"files": good, "places": places, "bad": bad, "lost": dict(lost)}


def _mapped(function: Callable[[ImageFile], Any], files: Sequence[ImageFile]) -> Iterator[Any]:
    """Yield `function` of each file in order, in threads: files make wait, and Pillow's decode has no lock."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for part in batched(len(files), rows=CHUNK):
            groups = [files[part][group] for group in batched(len(files[part]), rows=_GROUP)]
            for results in pool.map(lambda group: [function(file) for file in group], groups):
                yield from results
