"""A folder of images, decoded once into a uint8 array in a file that is mapped to memory."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from isotropy.batch import batched
from isotropy.errors import UserError
from isotropy.io.atomic import replacing, write_atomically
from isotropy.io.tables import Npy

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"))
SIZES = (32, 64, 96, 128, 224)
GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"))
VERSION = 1
# Images in flight at a time: bounds the memory while all cores decode.
CHUNK = 256

Progress = Callable[[int, int], None] | None


@dataclass(frozen=True)
class ImageFolder:
    """A decoded folder: images (N, channels, size, size), mapped to memory, and the paths of their files below it.

    `bad` are (path, reason) of the images that could not be read, `ignored` the number of files that are no images.
    """

    values: NDArray[np.uint8]
    files: list[str]
    bad: list[tuple[str, str]]
    ignored: int


def read_folder(
    folder: Path,
    *,
    size: int | None = None,
    channels: int | None = None,
    max_bad: int = 0,
    store: Path | None = None,
    progress: Progress = None,
) -> ImageFolder:
    """Return the images below `folder`, hidden folders apart, decoded now or at an earlier call.

    Every image is turned upright (EXIF), resized (antialiased) so that its shorter side is `size`, and cut to
    the central square.

    Args:
        size: None takes the largest of 32, 64, 96, 128 and 224 that the median shorter side reaches.
        channels: 1 for grey, 3 for RGB; None takes grey if all images are.
        max_bad: how many images may be unreadable; they are left out.
        store: folder for the decoded array and its index; None takes one in `cache`. It is decoded anew when a
            file name, size or time has changed. A decode that is interrupted leaves nothing behind.
        progress: called as (images done, images in all).

    Raises:
        UserError: no image, more unreadable ones than `max_bad` (they are named), or no room for the array.
    """
    if size is not None and size < 1:
        raise UserError(f"the image size must be at least 1, not {size}")
    if channels not in (None, 1, 3):
        raise UserError(f"images have 1 or 3 channels, not {channels}")
    files, ignored = _listing(folder)
    if not files:
        raise UserError(f"{folder} holds no image ({ignored} other files): {', '.join(sorted(SUFFIXES))} are read")
    key = _key(folder, files, size, channels)
    place = store if store is not None else cache() / "images" / _digest(f"{folder.resolve()} {size} {channels}")
    index = _index(place, key)
    if index is None:
        index = _decode(folder, files, place, key, size, channels, progress)
    bad = [(name, reason) for name, reason in index["bad"]]
    if len(bad) > max_bad or not index["files"]:
        named = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise UserError(
            f"{folder}: {len(bad)} of {len(files)} images cannot be read ({named}{more}): fix or remove them, or "
            f"allow them to be skipped (--max-bad {len(bad)})"
        )
    values = np.load(place / index["array"], mmap_mode="c", allow_pickle=False)
    return ImageFolder(values, index["files"], bad, ignored)


def cache() -> Path:
    """Return the folder for what can be made again: `ISOTROPY_CACHE`, or isotropy in `XDG_CACHE_HOME` or ~/.cache."""
    if own := os.environ.get("ISOTROPY_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isotropy"


def _listing(folder: Path) -> tuple[list[str], int]:
    """Return the images below a folder, in order, and how many other files there are."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names]
    images = [path for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(path.relative_to(folder).as_posix() for path in images), len(found) - len(images)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _key(folder: Path, files: Sequence[str], size: int | None, channels: int | None) -> str:
    stats = [(name, (folder / name).stat()) for name in files]
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return _digest("\n".join([f"{VERSION} {size} {channels}", *lines]))


def _index(place: Path, key: str) -> dict[str, Any] | None:
    """Return the index of an earlier decode of the same files, or None."""
    try:
        index = json.loads((place / "index.json").read_text("utf-8"))
        usable = index["key"] == key and (not index["files"] or (place / index["array"]).is_file())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return index if usable else None


def _decode(
    folder: Path,
    files: Sequence[str],
    place: Path,
    key: str,
    size: int | None,
    channels: int | None,
    progress: Progress,
) -> dict[str, Any]:
    """Decode all files into `place` and return the index; what is there already stays valid until the end."""
    place.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Pillow warns about odd metadata; an image that it can decode is good enough.
        warnings.simplefilter("ignore")
        if size is None or channels is None:
            heads = [head for head in _mapped(_head, [folder / name for name in files]) if head is not None]
            sides = sorted(side for side, _ in heads) or [0]
            size = size or max((s for s in SIZES if s <= sides[len(sides) // 2]), default=SIZES[0])
            channels = channels or (1 if heads and all(grey for _, grey in heads) else 3)
        free, need = shutil.disk_usage(place).free, len(files) * channels * size * size
        if need > free:
            raise UserError(
                f"the decoded images take {need / 1e9:.1f} GB and {place} has {free / 1e9:.1f} GB free: choose "
                "another place (ISOTROPY_CACHE) or a smaller size"
            )
        array = f"images-{key}.npy"
        try:
            with replacing(place / array) as temporary:
                good, bad = _write(temporary, folder, files, size, channels, progress)
            index = {"key": key, "array": array, "files": good, "bad": bad}
            write_atomically(place / "index.json", json.dumps(index).encode())
        except OSError as error:
            raise UserError(f"the decoded images cannot be written to {place}: {error.strerror}") from error
    for old in place.glob("images-*.npy"):
        if old.name != array:
            old.unlink(missing_ok=True)
    return index


def _write(
    path: Path, folder: Path, files: Sequence[str], size: int, channels: int, progress: Progress
) -> tuple[list[str], list[tuple[str, str]]]:
    """Write the decoded images to one .npy file; return the names of the good ones, and (name, reason) of the bad."""
    good: list[str] = []
    bad: list[tuple[str, str]] = []
    decoded = _mapped(lambda path: decode(path, size, channels), [folder / name for name in files])
    with closing(Npy(path, (channels, size, size), np.uint8)) as file:
        for done, (name, image) in enumerate(zip(files, decoded, strict=True), start=1):
            if isinstance(image, str):
                bad.append((name, image))
            else:
                file.write(image[None])
                good.append(name)
            if progress is not None:
                progress(done, len(files))
    return good, bad


def _mapped(function: Callable[[Path], Any], paths: Sequence[Path]) -> Iterator[Any]:
    """Yield `function` of each path in order, on all cores (Pillow decodes outside the interpreter's lock)."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for part in batched(len(paths), rows=CHUNK):
            yield from pool.map(function, paths[part])


def _head(path: Path) -> tuple[int, bool] | None:
    """Return the shorter side and whether the image is grey, from its header; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            return min(image.size), image.mode in GREY_MODES
    except MemoryError:
        raise
    except Exception:
        # Decoders of damaged files raise nearly anything; the decode itself tells the reason.
        return None


def decode(path: Path, size: int, channels: int) -> NDArray[np.uint8] | str:
    """Return an image file as (channels, size, size) uint8, or why it cannot be read."""
    try:
        with Image.open(path) as opened:
            # A JPEG file can be decoded at a half, a quarter or an eighth, still above the size wanted.
            opened.draft(None, (2 * size, 2 * size))
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                levels = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
                image = Image.fromarray(levels.astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            square = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
            pixels = np.asarray(square, dtype=np.uint8).reshape(size, size, channels)
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).replace(repr(str(path)), "the file").split())
        return reason[:100] or type(error).__name__
