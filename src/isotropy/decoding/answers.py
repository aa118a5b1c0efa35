"""What is asked of image files, many at a time, and how questions and answers are written as bytes."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isotropy.decoding.image_files import Decoded, Form, Head, decode, head

# An image file: where it is, or its bytes.
Content = str | bytes
# Lengths of the JSON that says what is there, and of the bytes behind it.
_LENGTHS = struct.Struct(">QQ")


@dataclass(frozen=True)
class Answer:
    """What was found in some files.

    Attributes:
        told: of each file what its image lost, as in `Decoded`, or why it cannot be read.
        pixels: (M, channels, height, width) uint8 of those that can be read.
        heads: what the headers of the readable ones tell.
    """

    told: list[tuple[str, ...] | str]
    pixels: NDArray[np.uint8]
    heads: list[Head]


def answer(files: Sequence[Content], form: Form) -> Answer:
    """Return the images of files in a form, and what their headers tell."""
    contents = [content_of(file) for file in files]
    found = [head(BytesIO(data)) for data in contents if isinstance(data, bytes)]
    return together([image_in(data, form) for data in contents], form, [one for one in found if one is not None])


def together(images: Sequence[Decoded | str], form: Form, heads: list[Head]) -> Answer:
    """Return images, or why they cannot be read, as one answer."""
    pixels = [one.pixels for one in images if isinstance(one, Decoded)]
    shape = (0, form.channels, *form.size)
    told = [one if isinstance(one, str) else one.lost for one in images]
    return Answer(told, np.stack(pixels) if pixels else np.empty(shape, dtype=np.uint8), heads)


def head_of(file: Content) -> Head | None:
    """Return what the header of a file tells; None if it cannot be read."""
    try:
        with opened(file) as stream:
            return head(stream)
    except OSError:
        # The decode itself tells the reason.
        return None


def image_of(file: Content, form: Form) -> Decoded | str:
    """Return the image of a file in a form, or why it cannot be read."""
    return image_in(content_of(file), form)


def image_in(data: bytes | OSError, form: Form) -> Decoded | str:
    """Return the image in a file's bytes, or why it cannot be read."""
    return decode(data, form) if isinstance(data, bytes) else data.strerror or str(data)


def content_of(file: Content) -> bytes | OSError:
    """Return the bytes of a file, or why they cannot be read."""
    if isinstance(file, bytes):
        return file
    try:
        # A buffer would be of no use to one reading of all.
        with open(file, "rb", buffering=0) as stream:
            return stream.read()
    except OSError as error:
        return error


def opened(file: Content) -> BinaryIO:
    """Return a file to be read; OSError where it cannot be opened."""
    return BytesIO(file) if isinstance(file, bytes) else open(file, "rb")


def question(files: Sequence[Content], form: Form) -> tuple[bytes, bytes]:
    """Return what asks for the images of files in a form, as JSON and the bytes behind it."""
    named = [file if isinstance(file, str) else len(file) for file in files]
    asked = {"files": named, "form": asdict(form)}
    return json.dumps(asked).encode(), b"".join(file for file in files if isinstance(file, bytes))


def reply(asked: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Return the answer to a question, as JSON and the pixels behind it."""
    said = json.loads(asked)
    files: list[Content] = []
    at = 0
    for file in said["files"]:
        files.append(file if isinstance(file, str) else content[at : at + file])
        at += 0 if isinstance(file, str) else file
    form: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in said["form"].items()}
    found = answer(files, Form(**form))
    heads = [[one.side, one.grey, one.deep] for one in found.heads]
    return json.dumps([found.told, heads]).encode(), found.pixels.tobytes()


def read_reply(said: bytes, pixels: bytes, form: Form) -> Answer:
    """Return the answer that a reply holds."""
    told, heads = json.loads(said)
    images = np.frombuffer(pixels, dtype=np.uint8).reshape(-1, form.channels, *form.size)
    return Answer([one if isinstance(one, str) else tuple(one) for one in told], images, [Head(*one) for one in heads])


def send(target: IO[bytes], told: bytes, content: bytes) -> None:
    """Write JSON and the bytes behind it to a pipe."""
    target.write(_LENGTHS.pack(len(told), len(content)) + told)
    target.write(content)
    target.flush()


def receive(source: IO[bytes]) -> tuple[bytes, bytes]:
    """Return JSON and the bytes behind it from a pipe; EOFError where it ends."""
    lengths = _exactly(source, _LENGTHS.size)
    told, content = _LENGTHS.unpack(lengths)
    return _exactly(source, told), _exactly(source, content)


def _exactly(source: IO[bytes], count: int) -> bytes:
    found = source.read(count)
    if len(found) < count:
        raise EOFError
    return found
