"""Files of several arrays (.npz): the values, and beside them labels, parts and a test part of its own."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from isotropy.data.files import opening
from isotropy.errors import UserError, nearest

# Taken without being asked for, in this order, from a file of several arrays.
USUAL_KEYS = ("X_train", "X", "data", "x")


class Archive:
    """The arrays of a .npz file, read one by one.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with opening(path), ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            self.shapes = {name.removesuffix(".npy"): _header(archive, name) for name in members}

    def __getitem__(self, key: str) -> NDArray[Any]:
        """Return one array; UserError with the nearest name where there is none of this name."""
        if key not in self.shapes:
            raise UserError(f"{self.path} has no array {key!r}{nearest(key, self.shapes)}")
        with opening(self.path), np.load(self.path, allow_pickle=False) as arrays:
            return np.asarray(arrays[key])

    def choose(self) -> str:
        """Return the key of the array to take when none was named.

        Raises:
            UserError: several arrays and none with a usual name; they are listed with their shapes.
        """
        usual = [key for key in USUAL_KEYS if key in self.shapes]
        if usual or len(self.shapes) == 1:
            return (usual or list(self.shapes))[0]
        found = ", ".join(f"{key} {shape}" for key, shape in self.shapes.items())
        raise UserError(f"{self.path} holds {found or 'no array'}: name one with key")


def _header(archive: ZipFile, name: str) -> str:
    """Return shape and type of a member, from its header alone."""
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    return f"{shape} {dtype}"


def check_keys(key: str, label_key: Any, split: Any, test_key: str | None, test_label_key: str | None) -> None:
    """Raise UserError unless every array is read as one thing, and a test part comes whole."""
    named = [name for name in (key, label_key, split, test_key, test_label_key) if isinstance(name, str)]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise UserError(f"array {twice[0]!r} cannot be read as two things: values, labels and parts are kept apart")
    if test_label_key is not None and (test_key is None or label_key is None):
        raise UserError("test_label_key needs test_key and label_key beside it")
    if test_key is not None and label_key is not None and test_label_key is None:
        raise UserError("test_key beside label_key needs test_label_key: the labels of the test part")
    if test_key is not None and split is not None:
        raise UserError("test_key and split both say what the test part is: give one of them")
