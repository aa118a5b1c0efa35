"""HDF5, .h5 (with the package h5py): arrays by key, as /group/name."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.archive import Archive
from isotropy.data.formats import package
from isotropy.data.recordings.slices import Steps, of_array


def read(path: Path, *, reversed_axes: bool = False) -> Archive:
    """Return the arrays of a file; `reversed_axes` as MATLAB stores them. Tables of several types are left out."""
    h5py = package("h5py", path.suffix)
    shapes: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.names is None and item.shape is not None:
            shape = item.shape[::-1] if reversed_axes else item.shape
            shapes[name] = f"{shape} {'text' if h5py.check_string_dtype(item.dtype) else item.dtype}"

    with h5py.File(path, "r") as file:
        file.visititems(visit)

    def load(key: str) -> NDArray[Any]:
        with h5py.File(path, "r") as file:
            item = file[key]
            array = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
        array = np.asarray(array)
        return array.T if reversed_axes else array

    return Archive(path, shapes, load)


def steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    """Return the steps of the array of a key, or of the one that a file is read for; None where it is no recording."""
    h5py = package("h5py", path.suffix)
    archive = read(path)
    key = archive.choose() if key is None else key
    if key not in archive.shapes:
        return None

    def part(steps: slice, turned: bool) -> NDArray[Any]:
        with h5py.File(path, "r") as file:
            return np.asarray(file[key][:, steps] if turned else file[key][steps])

    with h5py.File(path, "r") as file:
        return of_array(file[key], order, part)
