"""A finished run as what searches, audits and clusters work on: its embeddings, and the data behind them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.data import Data, read
from isotropy.errors import UserError
from isotropy.io.tables import read_embeddings
from isotropy.representation import ROWS, Representation, load
from isotropy.runs.directory import Run

FILE = ROWS


@dataclass(frozen=True)
class Embedded:
    """The embeddings of all rows of a finished run, in the order of its data.

    Attributes:
        run: their run directory. vectors: (N, width). part: (N,) "train", "test" or "unused".
        beside: the other columns of embeddings.parquet, (N,) each, by name: labels as text (the first one is "label"),
            and where windows were cut from.
    """

    run: Run
    vectors: NDArray[np.float32]
    part: NDArray[np.str_]
    beside: dict[str, NDArray[Any]]

    @classmethod
    def opened(cls, folder: Path | str) -> "Embedded":
        """Return what the run directory `folder` holds.

        Raises:
            UserError: no run, one that is not finished, or embeddings that are gone, damaged or of another width.
        """
        run = Run.opened(folder)
        if not run.finished:
            raise UserError(f"{folder}: is not finished: go on with: isotropy fit --resume {folder}")
        path = run.folder / FILE
        try:
            vectors, rest = read_embeddings(path)
            part = rest.pop("part").to_numpy(dtype=np.str_)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise UserError(f"{path}: missing or damaged ({str(error).splitlines()[0]})") from error
        return cls(run, vectors, part, {str(name): column.to_numpy() for name, column in rest.items()})

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.vectors)

    @cached_property
    def representation(self) -> Representation:
        """The run's encoder."""
        return load(self.run.folder)

    def read_data(self) -> tuple[Data, Tensor | Batch]:
        """Return the data that the run began with, read as it was then, and its rows as they are stored.

        Raises:
            UserError: data that was in memory alone, has moved, or is not what it was.
        """
        recipe = self.run.recipe
        if "path" not in recipe.data:
            raise UserError(f"{self.run.folder}: its data was in memory alone, and is not kept with the run")
        options = {name: value for name, value in recipe.data.items() if name != "path"}
        data = read(recipe.data["path"], **options)
        rows = self.run.preprocess.transform(data.values)
        self.run.refuse_other_data(rows)
        return data, rows
