"""What an explorer of embeddings reads: a place on a map, neighbours and scores of every row, as columns."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from isotropy.clusters.axes import Floats, principal
from isotropy.clusters.pictures import PICTURE_ROWS, SEEN, pictures
from isotropy.errors import UserError
from isotropy.runs import columns
from isotropy.runs.columns import Column, add_columns, name_for
from isotropy.runs.embedded import FILE, Embedded
from isotropy.search import nearest

AUDIT = "audit.parquet"
NEIGHBOURS = 10
# Of more rows each would take minutes.
NEIGHBOUR_ROWS, UMAP_ROWS = 50_000, 100_000
_LISTS = pa.struct([("ids", pa.list_(pa.int32())), ("distances", pa.list_(pa.float32()))])


def flat_map(vectors: Floats, *, seed: int = 0) -> tuple[Floats, str]:
    """Return places (N, 2) of embeddings on a map, and what made it: UMAP where it is installed, else PCA.

    UMAP takes the leading 50 principal axes of at most 100,000 rows; of more rows the map is PCA's.

    Raises: what `principal` raises.

    Example:
        >>> places, how = flat_map(np.eye(4, dtype=np.float32))
        >>> places.shape, how
        ((4, 2), 'PCA')
    """
    x = principal(vectors, seed=seed)
    if 16 <= len(x) <= UMAP_ROWS and find_spec("umap") is not None:
        from umap import UMAP

        with threadpool_limits(limits=1):
            return np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(x), dtype=np.float32), "UMAP"
    places = np.zeros((len(x), 2), dtype=np.float32)
    places[:, : min(2, x.shape[1])] = x[:, :2]
    return places, "PCA"


def neighbour_lists(vectors: Floats, k: int = NEIGHBOURS) -> Any:
    """Return the nearest rows of each row as an arrow column {"ids": [...], "distances": [...]}, nearest first.

    Distances are 1 - cosine, in [0, 2]; no row is its own neighbour.

    Example:
        >>> neighbour_lists(np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32), 1).to_pylist()[0]
        {'ids': [2], 'distances': [0.0]}
    """
    k = min(k, len(vectors) - 1)
    places, cosines = nearest(vectors, vectors, k, leave_out=np.arange(len(vectors)))
    ends = pa.array(np.arange(0, k * len(vectors) + 1, max(k, 1)), pa.int32())
    lists = [
        pa.ListArray.from_arrays(ends, pa.array(flat.reshape(-1).astype(kind)))
        for flat, kind in ((places, np.int32), ((1 - cosines).clip(0, 2), np.float32))
    ]
    return pa.StructArray.from_arrays(lists, fields=list(_LISTS))


def prepare_explorer(
    folder: Path | str, *, seed: int = 0, progress: Callable[[str], None] = lambda what: None
) -> tuple[dict[str, str], list[str]]:
    """Write x, y, neighbors, pictures and the scores of an audit, where there is one, into embeddings.parquet.

    Args:
        folder: of a finished run. seed: of the map. progress: is told what is done next.

    Returns:
        the names of the columns by role, and what was done or left out, a line each.

    Raises:
        UserError: no finished run, embeddings that have no map, or a disk that does not take the file.
    """
    found = Embedded.opened(folder)
    path = found.run.folder / FILE
    progress("drawing the map")
    places, how = flat_map(found.vectors, seed=seed)
    notes = [f"the map is by {how}" + ("" if how == "UMAP" or find_spec("umap") else " (by UMAP with umap-learn)")]
    added = {name_for(role, path): Column(places[:, axis], role) for axis, role in enumerate((columns.X, columns.Y))}
    if len(found) <= NEIGHBOUR_ROWS:
        progress("finding neighbours")
        lists = neighbour_lists(found.vectors)
        added[name_for(columns.NEIGHBORS, path)] = Column(lists, columns.NEIGHBORS)
    else:
        notes.append(f"neighbours are left out beyond {NEIGHBOUR_ROWS:,} rows: see `isotropy search`")
    shown, unseen = _pictures(found, path, progress)
    scores, said = _scores(found, path)
    progress("writing")
    added |= shown
    add_columns(path, added | scores, dropped=[columns.SCORE, columns.PICTURE])
    return {one.role: name for name, one in added.items()}, notes + unseen + said


def _pictures(found: Embedded, path: Path, progress: Callable[[str], None]) -> tuple[dict[str, Column], list[str]]:
    """Return small pictures of images and series, where the data can be read again."""
    if found.representation.modality not in SEEN or len(found) > PICTURE_ROWS:
        return {}, []
    progress("drawing pictures")
    try:
        made = pictures(found.read_data()[0])
    except UserError as error:
        return {}, [f"no pictures: {error}"]
    return {name_for(columns.PICTURE, path): Column(made, columns.PICTURE)}, []


def _scores(found: Embedded, path: Path) -> tuple[dict[str, Column], list[str]]:
    """Return the verdicts and scores that an audit wrote, by free names."""
    audit = found.run.folder / AUDIT
    if not audit.is_file():
        return {}, []
    try:
        table = pq.read_table(audit)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{audit}: missing or damaged ({str(error).splitlines()[0]})") from error
    if table.num_rows != len(found):
        return {}, [f"{audit}: has {table.num_rows:,} rows, not {len(found):,}: left out; audit the run again"]
    schema = columns.schema_of(path)
    taken = [name for name in schema.names if columns.roles(schema).get(name) != columns.SCORE]
    names = [name for name in table.column_names if re.fullmatch(r"is_\w+_issue|\w+_score", name)]
    given = {
        columns.free_name(name, "audit", taken): Column(table[name].combine_chunks(), columns.SCORE) for name in names
    }
    return given, [f"of {audit.name} {len(given)} columns, the verdicts and scores of the audit"]
