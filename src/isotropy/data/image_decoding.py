"""Images decoded in their order, on all cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data.image_listing import ImageFile
from isotropy.decoding.answers import Answer, Content, content_of, head_of, image_in, image_of, together
from isotropy.decoding.image_files import Form, Head
from isotropy.decoding.processes import Processes
from isotropy.errors import UserError

# Images in flight at a time: bounds the memory while all cores decode.
CHUNK = 256
# Small files of a question to a process: asking costs nothing beside the work, and all processes end together.
_TOGETHER = 128
# Images of a task: one task each would cost as much as a small image.
_GROUP = 8
# Below this shorter side most of a decode is Python, and threads of it only wait for the interpreter's lock.
SMALL_SIDE = 96
# So many small images pay for the start of processes that decode them side by side (docs/log.md).
MANY = 4_000
# Images whose headers tell whether most are small.
_SAMPLE = 32


def decoded(files: Sequence[ImageFile], form: Form, name: str) -> NDArray[np.uint8]:
    """Return images (N, channels, height, width) of a form, decoded on all cores.

    Raises:
        UserError: one that cannot be read, which is named; `name` is what all of them are called.
    """
    out = np.empty((len(files), form.channels, *form.size), dtype=np.uint8)
    place = 0
    for part in decode_each(files, form, small=max(form.size) < SMALL_SIDE):
        for image in part.told:
            if isinstance(image, str):
                raise UserError(
                    f"{name}: the image {files[place].name} cannot be read ({image}): fix it, or take it out"
                )
            place += 1
        out[place - len(part.told) : place] = part.pixels
    return out


@contextmanager
def processes_for(files: Sequence[ImageFile]) -> Iterator[tuple[Processes | None, list[Head]]]:
    """Give processes that decode images where there are many small ones and cores for them, else None.

    Beside them stands what the headers of some of the images tell, from the first to the last.
    """
    count = min(8, _cores())
    if count < 2 or len(files) < MANY:
        yield None, []
        return
    sample = list(heads_each(files[:: len(files) // _SAMPLE]))
    if not are_small(sample) or any(one.deep for one in sample):
        yield None, []
        return
    with Processes(count) as processes:
        yield processes, sample


def decode_each(
    files: Sequence[ImageFile], form: Form, processes: Processes | None = None, *, small: bool = True
) -> Iterator[Answer]:
    """Yield the images in order, some files together; what headers tell is told where processes decode.

    Args:
        processes: decode; without them small images are decoded here while their files are read ahead, and large ones
            in threads.
    """
    rows = _TOGETHER if processes is not None else CHUNK if small else _GROUP
    parts = [files[part] for part in batched(len(files), rows=rows)]
    found: Iterator[Answer]
    if processes is not None:
        found = processes.answers(map(_readable, parts), form)
    elif small:
        data = mapped(content_of, _readable(files))
        found = (together([image_in(next(data), form) for _ in _readable(part)], form, []) for part in parts)
    else:
        images = mapped(lambda content: image_of(content, form), _readable(files))
        found = (together([next(images) for _ in _readable(part)], form, []) for part in parts)
    return map(_whole, parts, found)


def _whole(files: Sequence[ImageFile], answer: Answer) -> Answer:
    """Return an answer about the readable ones of some files as one about all of them."""
    told = iter(answer.told)
    return replace(answer, told=[file.reason if file.content is None else next(told) for file in files])


def heads_each(files: Sequence[ImageFile]) -> Iterator[Head]:
    """Yield what the headers of the readable files tell."""
    return (one for one in mapped(head_of, _readable(files)) if one is not None)


def median_side(heads: Sequence[Head]) -> int:
    """Return the median of images' shorter sides, 0 of none."""
    return sorted(one.side for one in heads)[len(heads) // 2] if heads else 0


def are_small(heads: Sequence[Head]) -> bool:
    """Return whether most of a decode is Python."""
    return bool(heads) and median_side(heads) < SMALL_SIDE


def mapped(function: Callable[[Content], Any], contents: Sequence[Content]) -> Iterator[Any]:
    """Yield `function` of each file in order, in threads: files make wait, and Pillow's decode has no lock."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for part in batched(len(contents), rows=CHUNK):
            groups = [contents[part][group] for group in batched(len(contents[part]), rows=_GROUP)]
            for results in pool.map(lambda group: [function(content) for content in group], groups):
                yield from results


def _readable(files: Sequence[ImageFile]) -> list[Content]:
    return [file.content for file in files if file.content is not None]


def _cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
