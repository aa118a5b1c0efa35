"""Atomic writes: a file or folder is complete or absent; what a killed process left is removed by the next one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from isotropy.io.lock import locked


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` that takes its place when the block ends; on any error it is removed."""
    name, handle = _begun(path, folder=False)
    try:
        yield name
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        name.unlink(missing_ok=True)
        # A full disk names no file.
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(name)):
            error.filename = str(path)
        raise
    finally:
        os.close(handle)
    _sync(path.parent)


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Make a folder for what the block writes in it; it goes again, as do parents made with it, if nothing is in them.

    Raises:
        OSError: the disk does not take it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for place in made:
            with suppress(OSError):  # something is in it
                place.rmdir()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, where nothing is yet, that gets this name when the block ends without error.

    Raises:
        OSError: the disk does not take it, or something is there by then.
    """
    with making(path.parent):
        name, handle = _begun(path, folder=True)
        try:
            yield name
            os.chmod(name, 0o755)
            name.rename(path)
        except BaseException:
            shutil.rmtree(name, ignore_errors=True)
            raise
        finally:
            os.close(handle)
        _sync(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before, whatever happens meanwhile."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _begun(path: Path, *, folder: bool) -> tuple[Path, int]:
    """Make a file or folder to write in under a name of its own, and lock it, so that others see that it is alive."""
    prefix = f".{path.name}.writing-"
    for old in path.parent.glob(f"{escape(prefix)}*"):
        _remove_if_abandoned(old)
    while True:
        if folder:
            name = tempfile.mkdtemp(dir=path.parent, prefix=prefix)
            handle = os.open(name, os.O_RDONLY)
        else:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix)
        # Another process may have taken it for abandoned before it was locked.
        if locked(handle, wait=True) is None or os.fstat(handle).st_nlink:
            return Path(name), handle
        os.close(handle)


def _remove_if_abandoned(path: Path) -> None:
    """Remove what a process that is gone was writing; what is locked is being written now."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        if locked(handle):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
