"""The columns of embeddings.parquet: what each one is, and how further ones are added.

A field's metadata says its role, so that a reader depends on no name; files of older versions say none.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isotropy.data import Data
from isotropy.errors import UserError
from isotropy.io.atomic import replacing
from isotropy.io.tables import dimensions

ROW, PART, LABEL, WINDOW, GROUP = "row", "part", "label", "window", "group"
COLUMN = "column"  # of the user's table
CLUSTER, X, Y, NEIGHBORS, PICTURE, SCORE = "cluster", "x", "y", "neighbors", "picture", "score"
# A column of the user's that has one of these names, or that of a dimension, is kept under another.
RESERVED = (PART, ROW, CLUSTER, X, Y, NEIGHBORS, PICTURE)
CLUSTERS = "clusters.json"  # written beside the column of clusters
AUDIT = ("audit.parquet", "audit.json", "audit")  # what an audit of the embeddings leaves: two files and a folder
MOST_COLUMNS, MOST_LETTERS = 100, 300  # of the user's table that are kept
_ROLE, _SOURCE = b"isotropy", b"isotropy.name"
_PIECE = 16384


@dataclass(frozen=True)
class Column:
    """A column beside the embeddings.

    Attributes:
        values: (N,) as pyarrow takes them, None or NaN where missing. role: what it is, as `COLUMN`.
        source: its name in the user's data, where that is another.
    """

    values: Any
    role: str
    source: str = ""

    @property
    def array(self) -> Any:
        """The values as an arrow array."""
        array = pa.array(self.values, from_pandas=True)
        return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array


def free_name(name: str, role: str, taken: Collection[str]) -> str:
    """Return the name, or one with the role before it where the name is reserved or taken.

    Example:
        >>> free_name("age", "column", ["part"]), free_name("z0", "column", []), free_name("x", "column", ["column x"])
        ('age', 'column z0', 'column column x')
    """
    while name in taken or name in RESERVED or re.fullmatch(r"z\d+", name):
        name = f"{role} {name}"
    return name


def name_for(role: str, path: Path) -> str:
    """Return what the column of a role that is found out later is called in a file.

    That is the role's name, but for a file of an older version where a label has it.
    """
    schema = schema_of(path)
    taken = [name for name in schema.names if roles(schema).get(name) != role]
    names = chain([role], (f"{role} {number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def field(name: str, kind: Any, role: str, source: str = "") -> Any:
    """Return the field of a schema that says what the column is."""
    return pa.field(name, kind, metadata={_ROLE: role.encode(), **({_SOURCE: source.encode()} if source else {})})


def schema_of(path: Path) -> Any:
    """Return the columns of a file of embeddings.

    Raises:
        UserError: it is missing or damaged: two columns of one name, embeddings that are not float32, or a role that is
            no text.
    """
    try:
        schema = pq.read_schema(path)
        _check(schema)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: missing or damaged ({str(error).splitlines()[0]})") from error
    return schema


def _check(schema: Any) -> None:
    """Raise ValueError where columns are not as `field` and the embeddings make them."""
    names = schema.names
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise ValueError(f"two columns are called {twice!r}")
    # What a user calls z3 may stand before them in files of older versions.
    wide = dimensions(names) if names and re.fullmatch(r"z\d+", names[-1]) else []
    if odd := next((name for name in wide if schema.field(name).type != pa.float32()), None):
        raise ValueError(f"the column {odd!r} is {schema.field(odd).type}, not float32")
    for read in (roles, sources):
        read(schema)  # of bytes that are no text a UnicodeDecodeError, which is a ValueError


def roles(schema: Any) -> dict[str, str]:
    """Return the role of every column that has one, by name."""
    return {one.name: one.metadata[_ROLE].decode() for one in schema if one.metadata and _ROLE in one.metadata}


def sources(schema: Any) -> dict[str, str]:
    """Return the name in the user's data of every column with a role, by name."""
    return {name: (schema.field(name).metadata.get(_SOURCE) or name.encode()).decode() for name in roles(schema)}


def kept_columns(data: Data, taken: Collection[str]) -> dict[str, Column]:
    """Return what is kept of the user's data beside embeddings, by free names: the columns of a table, and groups.

    At most 100 columns of a frame, and of a text at most 300 letters; fractions are float64.
    """
    found: dict[str, Column] = {}
    if data.groups is not None and data.windows is None:
        found[free_name("group", GROUP, taken)] = Column(_as_text(pd.Series(data.groups)), GROUP)
    if isinstance(data.values, pd.DataFrame):
        for place, name in enumerate(list(data.values.columns)[:MOST_COLUMNS]):
            free = free_name(str(name), COLUMN, {*taken, *found})
            values = _plain(data.values.iloc[:, place])
            found[free] = Column(values, COLUMN, "" if free == str(name) else str(name))
    return found


class EmbeddingsWriter:
    """Writes pieces of embeddings, in the order of the rows, with the columns beside them."""

    def __init__(self, path: Path, beside: Mapping[str, Column], names: Sequence[str]) -> None:
        self.arrays = {name: one.array for name, one in beside.items()}
        fields = [field(name, x.type, beside[name].role, beside[name].source) for name, x in self.arrays.items()]
        self.schema = pa.schema([*fields, *((name, pa.float32()) for name in names)])
        self.rows, self.file = 0, pq.ParquetWriter(path, self.schema)

    def write(self, vectors: NDArray[np.float32]) -> None:
        """Append rows (B, width)."""
        parts = [x.slice(self.rows, len(vectors)) for x in self.arrays.values()]
        parts += [pa.array(column) for column in np.ascontiguousarray(vectors.T)]
        self.file.write_table(pa.table(parts, schema=self.schema))
        self.rows += len(vectors)


@contextmanager
def writing_embeddings(path: Path, beside: Mapping[str, Column], names: Sequence[str]) -> Iterator[EmbeddingsWriter]:
    """Give a writer of an embeddings file that appears, in place of an older one, when the block ends without an error.

    Args:
        beside: all values of the columns before the embeddings. names: of the columns of embeddings, z0, z1, ...

    Raises:
        OSError: the disk does not take it.
    """
    with replacing(path) as temporary:
        writer = EmbeddingsWriter(temporary, beside, names)
        with writer.file:
            yield writer


def add_columns(path: Path, columns: Mapping[str, Column], dropped: Iterable[str] = ()) -> None:
    """Write an embeddings file anew with further columns before its dimensions, a row group at a time and atomically.

    A column of the same name and role is replaced in its place.

    Args:
        path: of a file with z0, z1, ... at its end. columns: by name, (N,) each. dropped: roles whose columns go.

    Raises:
        UserError: a file that is damaged, another number of rows, or a name that a column of another role has.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:  # with its buffer pyarrow keeps the whole file
            schema, rows = schema_of(path), file.metadata.num_rows
            known, wide = roles(schema), dimensions(schema.names)
            arrays = {name: one.array for name, one in columns.items()}
            for name, array in arrays.items():
                if len(array) != rows:
                    raise UserError(f"{path}: has {rows:,} rows, and the column {name!r} {len(array):,}")
                if name in schema.names and known.get(name) != columns[name].role:
                    raise UserError(f"{path}: has a column {name!r} already, which is not the {columns[name].role}")
            gone = set(dropped)
            beside = [one for one in schema if one.name not in set(wide) and known.get(one.name) not in gone]
            made = {name: field(name, x.type, columns[name].role, columns[name].source) for name, x in arrays.items()}
            fields = {one.name: one for one in beside} | made | {name: schema.field(name) for name in wide}
            wanted = pa.schema(list(fields.values()))
            with replacing(path) as temporary, pq.ParquetWriter(temporary, wanted) as writer:
                begin = 0
                for piece in file.iter_batches(batch_size=_PIECE):
                    parts = [
                        arrays[name].slice(begin, len(piece)) if name in arrays else piece.column(name)
                        for name in fields
                    ]
                    writer.write_table(pa.table(parts, schema=wanted))
                    begin += len(piece)
    except (pa.ArrowException, ValueError) as error:
        raise UserError(f"{path}: missing or damaged ({str(error).splitlines()[0]})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read or written ({error.strerror or error})") from error


def _plain(column: "pd.Series[Any]") -> Any:
    """Return a column of a table as parquet and its readers take it: numbers, truth values, dates or short texts."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype) or not isinstance(kind, np.dtype) and kind.kind not in "iufbM":
        return _as_text(column)
    if kind.kind == "f":
        return column.astype("float64")
    return column if kind.kind in "iubM" else _as_text(column)


def _as_text(column: "pd.Series[Any]") -> Any:
    """Return values as texts of bounded length, missing ones as such."""
    return column.astype("string").str.slice(0, MOST_LETTERS)
