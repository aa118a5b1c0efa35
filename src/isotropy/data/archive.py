"""Files of several arrays, read one by one, and tables as such."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.frames import stacked
from isotropy.data.opening import opening
from isotropy.errors import UserError, nearest

# Arrays that are taken without being asked for, in this order, from a file of several.
USUAL_KEYS = ("X_train", "X", "data", "x")


class Archive:
    """The arrays of a file of several, read one by one; `shapes` says of each what it is.

    Args:
        path: of the file. shapes: name -> shape and type. load: returns the array of a name.
        usual: names of arrays that are taken without being asked for.
    """

    def __init__(
        self,
        path: Path,
        shapes: dict[str, str],
        load: Callable[[str], NDArray[Any]],
        usual: Sequence[str] = USUAL_KEYS,
    ) -> None:
        self.path = path
        self.shapes = shapes
        self._load, self._usual = load, usual

    def __getitem__(self, key: str) -> NDArray[Any]:
        """Return one array; UserError with the nearest name where there is none of this name."""
        if key not in self.shapes:
            raise UserError(f"{self.path} has no array {key!r}{nearest(key, self.shapes)}")
        with opening(self.path):
            return np.asarray(self._load(key))

    def choose(self, taken: Collection[Any] = ()) -> str:
        """Return the key of the only array that is not `taken`, or of one with a usual name; else UserError lists all.

        Example:
            >>> Archive(Path("a.npz"), {"emb": "(9, 4)", "kind": "(9,)"}, lambda key: np.zeros(9)).choose(["kind"])
            'emb'
        """
        usual = [key for key in self._usual if key in self.shapes]
        left = [key for key in self.shapes if key not in taken]
        if usual or len(left) == 1:
            return (usual or left)[0]
        if not self.shapes:
            raise UserError(f"{self.path} holds no array")
        found = ", ".join(f"{key} {shape}" for key, shape in self.shapes.items())
        raise UserError(f"{self.path} holds {found}: name one with key (--key)")


def columns_of(frame: pd.DataFrame, name: str, usual: Sequence[str] = USUAL_KEYS) -> Archive:
    """Return the columns of a table as arrays: those of lists of one length as (N, ...)."""

    def load(key: str) -> NDArray[Any]:
        array = stacked(frame[key]) if frame[key].dtype == object else None
        return frame[key].to_numpy() if array is None else array

    return Archive(Path(name), {str(column): f"{frame[column].dtype}" for column in frame.columns}, load, usual)
