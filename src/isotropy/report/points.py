"""What the map shows of a run: at most 20,000 of its rows, where they stand, what they are and what is near them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data import Data
from isotropy.errors import UserError
from isotropy.evaluation.task import task_of
from isotropy.io.tables import dimensions
from isotropy.report import pictures
from isotropy.report.columns import Column, column, within
from isotropy.report.map import Layout, layouts, nearest, sample, umap_layout, unit_square
from isotropy.report.packed import codes, fractions
from isotropy.runs.columns import CLUSTER, COLUMN, NEIGHBORS, PICTURE, ROW, SCORE, X, Y, schema_of, sources
from isotropy.runs.directory import Run
from isotropy.runs.embedded import data_of
from isotropy.threads import side_by_side

ROWS = 20_000
BYTES = 3_100_000  # of columns and pictures, in the page
COLUMN_BYTES = 400_000  # of columns, whatever pictures take
FILE = "embeddings.parquet"
DISTANCE = "distance to its neighbours"
# Roles of columns in the file: which are not shown, and where the others stand.
_NOT_SHOWN = (ROW, X, Y, NEIGHBORS, PICTURE)
_SOURCES = {"column": "data", "group": "data", "window": "run", "score": "audit"}


@dataclass(frozen=True)
class Points:
    """The rows on the map.

    Attributes:
        rows: (M,) their numbers in the data, sorted. of: how many rows the data has. width: of their embeddings.
        layouts: the first is shown. neighbours, cosines: (M, k), places among the points, best first.
        columns: the label first. left_out: names of columns that would make the page too large.
        pictures: what `pictures.sprite` or `pictures.lines` gives, None of tables and where the data are gone.
        note: why raw rows are not shown, empty where they are. kept: whether columns that the run keeps stand for them.
    """

    rows: NDArray[np.int64]
    of: int
    width: int
    layouts: list[Layout]
    neighbours: NDArray[np.int64]
    cosines: NDArray[np.float32]
    columns: list[Column]
    left_out: list[str]
    pictures: dict[str, Any] | None = None
    note: str = ""
    kept: bool = False

    def __len__(self) -> int:
        """Return how many rows are shown."""
        return len(self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return them as the page's script reads them."""
        last = max(len(self) - 1, 0)
        return {
            "rows": codes(self.rows, int(self.rows.max(initial=0))),
            "layouts": [
                {"name": one.name, "note": one.note, "places": fractions(one.places, 0.0, 1.0)} for one in self.layouts
            ],
            "neighbours": codes(self.neighbours, last),
            "cosines": fractions(self.cosines, -1.0, 1.0),
            "columns": [one.to_json() for one in self.columns],
            "pictures": self.pictures,
        }


def read_points(
    run: Run,
    *,
    labels: Mapping[str, str | None],
    audit: pd.DataFrame | None = None,
    wanted: Iterable[int] = (),
    data: Data | None = None,
    rows: int = ROWS,
    umap: bool = False,
) -> Points:
    """Return the rows of a run on the map: all, or a sample and those that are `wanted`.

    Args:
        labels: name -> task of those that were probed; None is what the texts look like.
        audit: a frame with a row for each row of the data, whose scores colour the map.
        data: what the run began with, where it is at hand; else it is read again, and raw rows are left out where that
            cannot be. rows: at most. umap: whether the first map is by UMAP.

    Raises:
        UserError: where embeddings.parquet is not Parquet or holds no embedding, or UMAP is not installed.
    """
    path = run.folder / FILE
    file, schema = _opened(path), schema_of(path)
    names, total = schema.names, file.count_rows()
    wide = dimensions_of(schema)
    if not wide or not total:
        raise UserError(f"{path} holds no embeddings: it has no row, or no float32 column")
    chosen = np.union1d(sample(total, rows), np.array([row for row in wanted if row < total], dtype=np.int64))
    roles = {name: _role(schema.field(name)) for name in names if name not in set(wide)}
    beside = [name for name in roles if roles[name] not in _NOT_SHOWN]
    beside = [name for name in beside if not pa.types.is_nested(schema.field(name).type)]
    if audit is not None and len(audit) == total:
        # The explorer's columns hold the same scores.
        beside = [name for name in beside if roles[name] != SCORE]
    try:
        frame = file.take(chosen, columns=[*wide, *beside], batch_size=4096).to_pandas(ignore_metadata=True)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    vectors = frame[wide].to_numpy(dtype=np.float32)
    # Each of them waits for one core most of the time.
    finders: list[Callable[[NDArray[np.float32]], Any]] = [nearest, layouts]
    (places, cosines), arranged = side_by_side(lambda find: find(vectors), finders)
    note = ""
    if data is None:
        try:
            data = data_of(run)[0]
        except UserError as error:
            note = str(error).removeprefix(f"{run.folder}: ")
        except FileNotFoundError as error:
            note = str(error)
    if data is not None and len(data) != total:
        data, note = None, "the data has another number of rows now"
    found = _columns(frame[beside], labels, roles, sources(schema))
    if cosines.size:
        apart = np.rint((1 - cosines.mean(axis=1, dtype=np.float64)) * 1e6) / 1e6
        found.append(Column(DISTANCE, "run", "numbers", apart))
    if audit is not None and len(audit) == total:
        found += _scores(audit.iloc[chosen])
    drawn = None
    if data is not None:
        found += _data_columns(data, chosen, {*(one.name for one in found), *sources(schema).values()})
        drawn = _pictures(run, data, set(wanted), chosen)
    kept, left = within(found, max(COLUMN_BYTES, BYTES - len(json.dumps(drawn))))
    maps = [*([umap_layout(vectors)] if umap else []), *arranged, *_kept_layout(file, chosen, roles)]
    stand_in = bool(note) and COLUMN in roles.values()
    return Points(chosen, total, len(wide), maps, places, cosines, kept, left, drawn, note, stand_in)


def dimensions_of(schema: Any) -> list[str]:
    """Return the columns of an arrow schema that are embeddings: z0, z1, ... at its end, else all of float32."""
    try:
        return dimensions(schema.names)
    except ValueError:
        return [field.name for field in schema if field.type == pa.float32()]


def _opened(path: Path) -> Any:
    try:
        return ds.dataset(path, format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _role(field: Any) -> str:
    """Return what the file says that a column is, empty where it does not, as in those of older versions."""
    return (field.metadata or {}).get(b"isotropy", b"").decode()


def _kept_layout(file: Any, chosen: NDArray[np.int64], roles: Mapping[str, str]) -> list[Layout]:
    """Return the map that `isotropy explore` wrote, where it did: UMAP's, if that was installed."""
    axes = {role: name for name, role in roles.items() if role in ("x", "y")}
    if len(axes) < 2:
        return []
    flat = file.take(chosen, columns=[axes["x"], axes["y"]]).to_pandas().to_numpy(dtype=np.float64)
    return [Layout("as explored", "The map that isotropy explore wrote.", unit_square(flat))] if len(flat) else []


def _columns(
    frame: pd.DataFrame, labels: Mapping[str, str | None], roles: Mapping[str, str], called: Mapping[str, str]
) -> list[Column]:
    """Return the columns beside the embeddings: the probed labels, under their names, then the others.

    Columns have the names that they are `called` by in the user's data, where no other column has it.
    """
    named = dict(labels)
    first = next(iter(named), None)
    # A run calls its first label "label"; what it is called is known where it was probed.
    title = {name: shown for name, shown in called.items() if shown not in frame}
    title |= {"label": first} if first is not None and first not in frame else {}
    names = [str(name) for name in frame]
    # A label may be called as a column of the run is, and files of older versions say of none what it is.
    known = any(roles.values())
    order = [name for name in names if roles[name] == "label" or not known and (name == "label" or name in named)]
    found = []
    for name in [*order, *(name for name in names if name not in order)]:
        shown = title.get(name) or name
        task = named.get(shown, named.get(called.get(name, name)) if name in order else None)
        if name in order and task is None:
            task = task_of(frame[name].to_numpy())
        source = "label" if name in order else _SOURCES.get(roles[name], "run")
        values = frame[name]
        if roles[name] == CLUSTER:
            numbers = pd.to_numeric(values, errors="coerce")
            values = numbers.where(numbers >= 0)  # in the file rows in none have -1
        found.append(
            column(str(shown), values, source, "classes" if task == "labels" or roles[name] == CLUSTER else task)
        )
    return [one for one in found if one is not None and _says_something(one)]


def _says_something(one: Column) -> bool:
    """Return whether a column has more than one value: one "part" for all rows colours nothing."""
    if one.source == "label":
        return True
    known = one.values if one.levels else one.values[~np.isnan(one.values)]
    return len(known) > 0 and bool((known != known[0]).any())


def _scores(audit: pd.DataFrame) -> list[Column]:
    # The label may be called "label credit_score".
    names = [name for name in audit if re.fullmatch(r"\w+_score", str(name))]
    return [
        one
        for name in names
        if (one := column(str(name).removesuffix("_score").replace("_", " ") + " (audit)", audit[name], "audit"))
    ]


def _data_columns(data: Data, chosen: NDArray[np.int64], taken: set[str]) -> list[Column]:
    """Return the columns of a table, and what stands beside rows of any kind."""
    given: dict[str, Any] = {}
    if isinstance(data.values, pd.DataFrame):
        given |= {str(name): data.values[name].iloc[chosen] for name in data.values}
    elif data.modality in ("table", "array") and np.ndim(data.values) == 2:
        rows = np.asarray(data.values[chosen])
        given |= {f"x{place}": rows[:, place] for place in range(rows.shape[1])}
    for name, values in {"group": data.groups, "time": data.times}.items():
        if values is not None and name not in taken:
            given.setdefault(name, values[chosen])
    found = (column(name, values, "data") for name, values in given.items() if name not in taken)
    return [one for one in found if one is not None]


def _pictures(run: Run, data: Data, wanted: set[int], chosen: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return small pictures of images or series; of many images those that are wanted, and a sample."""

    def raw(places: NDArray[np.int64]) -> NDArray[Any]:
        return np.asarray(data.take(chosen[places]).values)

    if data.modality == "image":
        room = min(len(chosen), pictures.most(data.values.shape[-2:]))
        listed = np.flatnonzero(np.isin(chosen, sorted(wanted)))[:room]
        others = np.setdiff1d(np.arange(len(chosen)), listed)
        place = np.union1d(listed, others[sample(len(others), room - len(listed))])
        return pictures.sprite(raw(place), place)
    if data.modality == "series":
        _, channels, longest = data.values.shape
        pieces = batched(len(chosen), row_bytes=4 * channels * longest)
        every = np.arange(len(chosen))
        known: Sequence[Any] = run.about.get("windows", {}).get("format", {}).get("channels") or ()
        names = [str(name) for name in known]
        names = names if len(names) == channels else [f"channel {place + 1}" for place in range(channels)]
        return pictures.lines((raw(every[piece]) for piece in pieces), len(chosen), longest, names)
    return None
