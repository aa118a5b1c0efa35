"""Arrays in files of numpy, .npy and .npz: never more of them than their files hold."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from isotropy.data.archive import Archive
from isotropy.data.opening import opening
from isotropy.data.recordings.slices import Steps, of_array
from isotropy.errors import UserError


def read_npz(path: Path, na: Sequence[str]) -> Archive:
    """Return the arrays of a file, which are read one by one; no text means a missing value in them."""
    with opening(path), ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        shapes = {name.removesuffix(".npy"): _header(archive, name) for name in members}

    def load(key: str) -> NDArray[Any]:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[key])

    return Archive(path, shapes, load)


def _header(archive: ZipFile, name: str) -> str:
    """Return shape and type of a member, from its header alone; ValueError where it does not fit the member's size."""
    with archive.open(name) as member:
        shape, dtype, _ = checked_header(member, archive.getinfo(name).file_size, name.removesuffix(".npy"))
    return f"{shape} {dtype}"


def checked_header(file: Any, size: int, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return the shape and type that the header of an open .npy file says, and whether columns stand one by one.

    ValueError: the file holds less.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} has the shape {shape}, with a negative length")
    # In Python's numbers, which do not overflow.
    need = prod(shape) * dtype.itemsize
    if not dtype.hasobject and need > size - file.tell():
        raise ValueError(
            f"{name} has the shape {shape} of {dtype}, {need:,} bytes, and {size - file.tell():,} are there"
        )
    return shape, dtype, by_columns


def read_npy(path: Path, na: Sequence[str]) -> NDArray[Any]:
    """Map an array copy-on-write: only what is used is read."""
    with opening(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
        with open(path, "rb") as file:
            start = file.read(len(np.lib.format.MAGIC_PREFIX))
            if start == np.lib.format.MAGIC_PREFIX:
                file.seek(0)
                checked_header(file, path.stat().st_size, "the array")
            elif start[:1] not in (b"P", b"\x80"):
                # Neither an archive nor a pickle, which are told below.
                raise ValueError("it does not begin as one")
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path} is not a .npy file inside (an .npz archive?): rename it")
        return array


def npy_steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    """Return the steps of an array, mapped to memory; None of another array than `of_array` takes."""
    array = read_npy(path, [])
    return of_array(array, order, lambda steps, turned: array[:, steps] if turned else array[steps])
