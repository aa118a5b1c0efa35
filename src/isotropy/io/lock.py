"""Locks on open files and folders, which end with their process, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOLCK, ENOTSUP
from pathlib import Path

from isotropy.errors import UserError

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


def locked(handle: int, *, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed, and return whether that worked.

    Args:
        handle: of the file. wait: whether to wait until it is free.

    Returns: True; False where another one has it; None where the system or the disk knows no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (ENOLCK, ENOTSUP):  # as some network file systems say
            return None
        raise
    return True


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs; where there are no locks, nothing is held.

    Raises:
        UserError: another training holds it, of another process or of this one.
        OSError: the folder cannot be opened.
    """
    # The folder itself: no file of the lock's own could be left behind.
    handle = os.open(folder, os.O_RDONLY)
    try:
        if locked(handle) is False:
            raise UserError(
                f"{folder}: another training is writing it now, in another process or not closed in this one: wait for "
                "its end, or choose another folder"
            )
        yield
    finally:
        os.close(handle)
