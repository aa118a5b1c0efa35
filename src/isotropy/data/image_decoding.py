"""Images decoded in their order, on all cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data.image_files import Decoded, Form, decode
from isotropy.data.image_listing import ImageFile
from isotropy.errors import UserError

# Images in flight at a time: bounds the memory while all cores decode.
CHUNK = 256
# Images of a task: one task each would cost as much as a small image.
_GROUP = 8
# Below this shorter side most of a decode is Python, and threads of it only wait for the interpreter's lock.
SMALL_SIDE = 96


def decoded(files: Sequence[ImageFile], form: Form, name: str) -> NDArray[np.uint8]:
    """Return images (N, channels, height, width) of a form, decoded on all cores.

    Raises:
        UserError: one that cannot be read, which is named; `name` is what all of them are called.
    """
    out = np.empty((len(files), form.channels, *form.size), dtype=np.uint8)
    for place, image in enumerate(decode_each(files, form, small=max(form.size) < SMALL_SIDE)):
        if isinstance(image, str):
            raise UserError(f"{name}: the image {files[place].name} cannot be read ({image}): fix it, or take it out")
        out[place] = image.pixels
    return out


def decode_each(files: Sequence[ImageFile], form: Form, *, small: bool) -> Iterator[Decoded | str]:
    """Yield each image in order, or why it cannot be read. Files are read ahead; small images are decoded here."""
    if small:
        return (_pixels(data, form) for data in mapped(_content, files))
    return mapped(lambda file: _pixels(_content(file), form), files)


def _content(file: ImageFile) -> bytes | str:
    """Return the bytes of a file, or why it cannot be read."""
    try:
        with file.open() as opened:
            return opened.read()
    except OSError as error:
        return error.strerror or str(error)


def _pixels(data: bytes | str, form: Form) -> Decoded | str:
    return data if isinstance(data, str) else decode(data, form)


def mapped(function: Callable[[ImageFile], Any], files: Sequence[ImageFile]) -> Iterator[Any]:
    """Yield `function` of each file in order, in threads: files make wait, and Pillow's decode has no lock."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for part in batched(len(files), rows=CHUNK):
            groups = [files[part][group] for group in batched(len(files[part]), rows=_GROUP)]
            for results in pool.map(lambda group: [function(file) for file in group], groups):
                yield from results
