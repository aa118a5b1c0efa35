"""MATLAB's .mat: arrays of numbers by name; version 7.3 is HDF5 inside (with the package h5py)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from isotropy.data.archive import Archive
from isotropy.data.formats import hdf5

_OTHER = ("cell", "struct", "object", "opaque", "function", "unknown")


def read(path: Path) -> Archive:
    """Return the arrays of a file; cells, structs and sparse matrices are left out."""
    with path.open("rb") as file:
        if file.read(128).startswith(b"MATLAB 7.3"):
            return hdf5.read(path, reversed_axes=True)
    try:
        found = whosmat(path)
    except MatReadError as error:
        raise ValueError(str(error)) from error
    shapes = {name: f"{shape} {kind}" for name, shape, kind in found if kind not in (*_OTHER, "sparse")}

    def load(key: str) -> NDArray[Any]:
        array = np.asarray(loadmat(path, variable_names=[key])[key])
        # MATLAB has no vectors: labels are a row.
        return array[0] if array.ndim == 2 and array.shape[0] == 1 else array

    return Archive(path, shapes, load)
