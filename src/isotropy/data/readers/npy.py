"""Files of one array (.npy), mapped to memory copy-on-write: only what is used is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.files import opening
from isotropy.data.readers.reader import Reader
from isotropy.errors import UserError


def _read(path: Path, na: Sequence[str]) -> NDArray[Any]:
    with opening(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path} is not a .npy file inside (an .npz archive?): rename it")
        return array


NPY = Reader(_read)
