"""Decoded images in a file that is mapped to memory, kept until a file, its time or the form asked for changes."""

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from tokenize import TokenError
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from isotropy.data.image_decoding import are_small, decode_each, heads_each, processes_for
from isotropy.data.image_form import form_from
from isotropy.data.image_listing import ImageFile
from isotropy.decoding.answers import Answer
from isotropy.decoding.image_files import Form, Head
from isotropy.errors import UserError
from isotropy.io.atomic import replacing, write_atomically
from isotropy.io.checksum import checksum
from isotropy.io.json_file import Count, departure
from isotropy.io.tables import Npy

VERSION = 2
Progress = Callable[[int, int], None] | None


def cache() -> Path:
    """Return the folder for what can be made again: `ISOTROPY_CACHE`, or isotropy in `XDG_CACHE_HOME` or ~/.cache."""
    if own := os.environ.get("ISOTROPY_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isotropy"


def stored(
    files: Sequence[ImageFile], origin: str, asked: dict[str, Any], store: Path | None, progress: Progress
) -> tuple[dict[str, Any], NDArray[np.uint8] | None]:
    """Return the index of images and their pixels, decoded now or at an earlier call.

    Args:
        files: the images. origin: tells these images from others. asked: of their form, by `asked_form`.
        store: folder of the array and its index; None takes one in `cache`. progress: hears the images done, and all.

    Raises:
        UserError: no room for the array.
    """
    key = _digest("\n".join([f"{VERSION} {sorted(asked.items())}", *(f"{one.name} {one.stamp}" for one in files)]))
    place = store if store is not None else cache() / "images" / _digest(f"{origin} {sorted(asked.items())}")
    found = _index(place, key)
    if found is None:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata; an image that it can decode is good enough.
            warnings.simplefilter("ignore")
            found = _decode_all(files, place, key, asked, progress), _load(place, key)
    return found


class _FormOf(TypedDict):
    """What the images of an index were brought to."""

    size: tuple[Count, Count]
    fit: str
    background: str
    levels: NotRequired[tuple[float, float]]


class _Index(TypedDict):
    """What an index says of decoded images: those that were read, with their places among all, and the others."""

    key: str
    form: _FormOf
    channels: Count
    crc32: NotRequired[str]
    files: list[str]
    places: list[Count]
    bad: list[tuple[str, str]]
    lost: dict[str, Count]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _index(place: Path, key: str) -> tuple[dict[str, Any], NDArray[np.uint8] | None] | None:
    """Return the index and the images of an earlier decode of the same files; None if any of it is damaged."""
    try:
        index = json.loads((place / "index.json").read_text("utf-8"))
        if departure(index, _Index) or index["key"] != key or len(index["places"]) != len(index["files"]):
            return None
        if any(place >= len(index["files"]) + len(index["bad"]) for place in index["places"]):
            return None
        values = _load(place, key)
        wanted = (len(index["files"]), index["channels"], *index["form"]["size"])
        if index["files"] and (values is None or values.shape != wanted or values.dtype != np.uint8):
            return None
        # Indexes of older versions have none.
        if values is not None and "crc32" in index and index["crc32"] != checksum(_array(place, key)):
            warnings.warn(f"the decoded images in {place} were damaged, and are decoded again", stacklevel=2)
            return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, TokenError):
        return None
    return index, values


def _array(place: Path, key: str) -> Path:
    return place / f"images-{key}.npy"


def _load(place: Path, key: str) -> NDArray[np.uint8] | None:
    path = _array(place, key)
    if not path.is_file():
        return None
    images: NDArray[np.uint8] = np.load(path, mmap_mode="c", allow_pickle=False)
    return images


def _decode_all(
    files: Sequence[ImageFile], place: Path, key: str, asked: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Decode all files into `place` and return the index; what is there already stays valid until the end."""
    place.mkdir(parents=True, exist_ok=True)
    array = _array(place, key).name
    try:
        with replacing(place / array) as temporary:
            form, found = _decoded(temporary, files, asked, progress)
            sum_of_pixels = checksum(temporary)
        said = {name: asked[name] for name in ("fit", "background")} | {"size": list(form.size)}
        said |= {"levels": list(form.levels)} if form.levels else {}
        index = {"key": key, "form": said, "channels": form.channels, "crc32": sum_of_pixels, **found}
        write_atomically(place / "index.json", json.dumps(index).encode())
    except OSError as error:
        raise UserError(f"the decoded images cannot be written to {place}: {error.strerror}") from error
    for old in place.glob("images-*.npy"):
        if old.name != array:
            old.unlink(missing_ok=True)
    return index


def _decoded(
    path: Path, files: Sequence[ImageFile], asked: dict[str, Any], progress: Progress
) -> tuple[Form, dict[str, Any]]:
    """Write the images to one .npy file; return the form that all headers together give, and what `_write` does."""
    with processes_for(files) as (processes, sample):
        if processes is None:
            heads = list(heads_each(files))
            form = form_from(files, asked, heads)
            return form, _write(path, files, decode_each(files, form, small=are_small(heads)), form, progress)
        # Most likely all files are as the sample is: they are decoded as if they were, while their headers are read.
        form, heads = form_from(files, asked, sample), list[Head]()
        found = _write(path, files, decode_each(files, form, processes), form, progress, heads)
        other = form_from(files, asked, heads)
        if other != form:
            found = _write(path, files, decode_each(files, other, processes), other, progress)
        return other, found


def _write(
    path: Path,
    files: Sequence[ImageFile],
    parts: Iterable[Answer],
    form: Form,
    progress: Progress,
    heads: list[Head] | None = None,
) -> dict[str, Any]:
    """Write the decoded images to one .npy file; return the good ones, the bad ones with reasons, and what is lost.

    `heads` takes what the headers of the readable ones tell.
    """
    free, need = shutil.disk_usage(path.parent).free, len(files) * form.channels * form.size[0] * form.size[1]
    if need > free:
        raise UserError(
            f"the decoded images take {need / 1e9:.1f} GB and {path.parent} has {free / 1e9:.1f} GB free: choose "
            "another place (ISOTROPY_CACHE) or a smaller size"
        )
    places: list[int] = []
    bad: list[tuple[str, str]] = []
    lost: Counter[str] = Counter()
    with closing(Npy(path, (form.channels, *form.size), np.uint8)) as out:
        done = 0
        for part in parts:
            out.write(part.pixels)
            for place, told in enumerate(part.told, done):
                if isinstance(told, str):
                    bad.append((files[place].name, told))
                    continue
                places.append(place)
                if told:
                    lost.update(told)
            done += len(part.told)
            if heads is not None:
                heads += part.heads
            if progress is not None:
                progress(done, len(files))
    return {"files": [files[place].name for place in places], "places": places, "bad": bad, "lost": dict(lost)}
