"""Images that are still to be decoded: files below a folder, and what tells that one has changed."""

import os
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG

from isotropy.decoding.answers import Content
from isotropy.decoding.image_files import SUFFIXES
from isotropy.errors import UserError

_SPECIAL = "no file"


@dataclass(frozen=True)
class ImageFile:
    """An image that is still to be decoded.

    Attributes:
        name: in messages. stamp: what changes when it changes. path: where it lies, or its bytes, or None with the
            `reason` why there is nothing to read.
    """

    name: str
    stamp: str
    content: Content | None
    reason: str = ""


def image_file(path: str, name: str) -> ImageFile:
    """Return a file as an image to be decoded; what is no file is one that cannot be read."""
    try:
        about = os.stat(path)
    except OSError as error:
        reason = error.strerror or str(error)
        return ImageFile(name, f"missing: {reason}", None, reason)
    # A named pipe or a device would hang, or never end.
    if not S_ISREG(about.st_mode):
        return ImageFile(name, _SPECIAL, None, "no regular file")
    return ImageFile(name, f"{about.st_size} {about.st_mtime_ns}", path)


def shown(name: str) -> str:
    r"""Return a file's name as text that can be written anywhere: bytes that are not UTF-8 become \xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def listing(folder: Path) -> tuple[list[ImageFile], int]:
    """Return the images below a folder, links to folders followed, in order, and how many other files there are.

    A file is an image by itself.
    """
    if folder.is_file():
        return [image_file(str(folder), shown(folder.name))], 0
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
        above, prefix = os.path.join(root, ""), "" if below == "." else f"{below}/"
        for name in names:
            if name[name.rfind(".") :].lower() not in SUFFIXES or name.startswith("."):
                others += 1
                continue
            relative = prefix + name
            image = image_file(above + name, relative if relative.isascii() else shown(relative))
            if image.stamp == _SPECIAL:
                others += 1
            else:
                images.append((relative, image))
    return [image for _, image in sorted(images, key=itemgetter(0))], others
