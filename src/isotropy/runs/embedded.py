"""A finished run as what searches, audits and clusters work on: its embeddings, and the data behind them."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.data import Data, read
from isotropy.errors import UserError
from isotropy.io.tables import dimensions, read_vectors
from isotropy.representation import ROWS, Representation, load
from isotropy.representation.saved import read_preprocess
from isotropy.runs import columns
from isotropy.runs.directory import Run

FILE = ROWS
_NOT_READ = (columns.ROW, columns.NEIGHBORS, columns.PICTURE)
_USERS = (columns.COLUMN, columns.GROUP)


@dataclass(frozen=True)
class Embedded:
    """The embeddings of all rows of a finished run, in the order of its data.

    Attributes:
        run: their run directory. vectors: (N, width). part: (N,) "train", "test" or "unused".
        beside: the other columns of embeddings.parquet, (N,) each, by name: labels, classes as text (the first one
            is "label"), and where windows were cut from.
        columns: what is kept of the user's table, and groups, likewise. added: what was found out since: clusters,
            places on a map, scores. A column is one of the three by its role in the file, never by its name.
        sources, roles: the name in the user's data, and the role (`runs.columns`), of the columns of the file, by name;
            nothing in files of older versions.
    """

    run: Run
    vectors: NDArray[np.float32]
    part: NDArray[np.str_]
    beside: dict[str, NDArray[Any]]
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    added: dict[str, NDArray[Any]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path | str) -> "Embedded":
        """Return what the run directory `folder` holds.

        Raises:
            UserError: no run, one that is not finished, or embeddings that are gone, damaged or of another width.
        """
        run = Run.opened(folder)
        run.refuse_if_unfinished()
        path = run.folder / FILE
        schema = columns.schema_of(path)
        known = columns.roles(schema)
        try:
            vectors = read_vectors(path)
            # Lists of neighbours would be two arrays a row, and pictures more.
            left_out = {*dimensions(schema.names), *(name for name, role in known.items() if role in _NOT_READ)}
            table = pq.read_table(path, columns=[name for name in schema.names if name not in left_out])
            rest = table.to_pandas(ignore_metadata=True)  # what pandas would keep there is not written
            part = rest.pop("part").to_numpy(dtype=np.str_)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise UserError(f"{path}: missing or damaged ({str(error).splitlines()[0]})") from error
        beside: dict[str, NDArray[Any]] = {}
        users: dict[str, NDArray[Any]] = {}
        added: dict[str, NDArray[Any]] = {}
        for name, column in rest.items():
            role = known.get(str(name), columns.LABEL)
            found = beside if role in (columns.LABEL, columns.WINDOW) else users if role in _USERS else added
            found[str(name)] = column.to_numpy()
        return cls(run, vectors, part, beside, users, added, columns.sources(schema), known)

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
        return data_of(self.run)


def data_of(run: Run) -> tuple[Data, Tensor | Batch]:
    """Return the data that a run began with, and its rows as they are stored; see `Embedded.read_data`."""
    recipe = run.recipe
    if "path" not in recipe.data:
        raise UserError(f"{run.folder}: its data was in memory alone, and is not kept with the run")
    options = {name: value for name, value in recipe.data.items() if name != "path"}
    data = read(recipe.data["path"], **options)
    # As the encoder reads them: where a file of the run was changed, they are not the rows that it began with.
    rows = (read_preprocess(run.folder) if run.finished else run.preprocess).transform(data.values)
    run.refuse_other_data(rows)
    return data, rows
