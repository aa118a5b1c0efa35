"""A map of embeddings in two dimensions, small enough for a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from isotropy.diagnostics.rank import effective_rank
from isotropy.errors import UserError
from isotropy.evaluation.task import has_label, task_of
from isotropy.io.tables import dimensions

ROWS = 2000
TSNE_FROM = 100  # rows; below, t-SNE has too few neighbours to arrange
STEPS = 500


def embedding_map(path: str | Path, *, labels: Mapping[str, str | None], rows: int = ROWS) -> dict[str, Any]:
    """Return a 2-D map of at most `rows` evenly spaced rows of an embeddings file, which is read batch by batch.

    The columns z0, z1, ... at the file's end, else all of float32, are the embedding. The map is coloured by the column
    of the first of `labels` (a run calls it "label"), else by that of another one.

    Args:
        path: of a Parquet file. labels: name -> task of those that were probed; None is what the texts look like.
        rows: at most.

    Returns:
        {"points": [[x, y], ...] in [0, 1], "rows", "of", "width", "how", "label", "task", "values"}; values are
        strings (classes) or numbers, None where missing; label is None where no column gives a colour.

    Raises:
        UserError: where the file is not Parquet or has no float32 column.
    """
    try:
        file = ds.dataset(path, format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    columns = _dimensions_of(file.schema)
    total = file.count_rows()
    if not columns or not total:
        raise UserError(f"{path} holds no embeddings: it has no row, or no float32 column")
    wanted = dict(list(labels.items())[:1]) | {"label": next(iter(labels.values()), None)} | dict(labels)
    label = next((name for name in wanted if name in file.schema.names and name not in columns), None)
    spaced = np.arange(min(rows, total)) * total // min(rows, total)
    frame = file.take(spaced, columns=[*columns, *([label] if label else [])], batch_size=4096).to_pandas()
    points, how = layout(frame[columns].to_numpy(dtype=np.float32))
    found = {"points": points.round(4).tolist(), "how": how, "label": label}
    found |= {"rows": len(frame), "of": total, "width": len(columns)}
    if label:
        values = frame[label].to_numpy(dtype=object)
        found["task"] = wanted[label] or task_of(values)
        convert = float if found["task"] == "numbers" else str
        found["values"] = [convert(value) if there else None for value, there in zip(values, has_label(values))]
    return found


def layout(x: NDArray[Any], *, seed: int = 0) -> tuple[NDArray[np.float64], str]:
    """Return positions (N, 2) in the unit square, keeping proportions, and the name of what made them.

    From 100 rows on t-SNE (perplexity 30, from the first 50 principal axes; 3 to 6 s for 2000 rows), below that, or
    where the embeddings use fewer than 3 directions, of which t-SNE would make a pattern, the two principal axes.

    Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008).

    Example:
        >>> layout(np.eye(4))[1]
        'PCA'
    """
    x = np.asarray(x, dtype=np.float64)
    rank = effective_rank(x)
    if len(x) < 2 or not rank >= 1:
        return np.full((len(x), 2), 0.5), "PCA"
    wide = PCA(n_components=min(50, *x.shape), random_state=seed).fit_transform(x / np.abs(x).max())
    flat, how = np.zeros((len(x), 2)), "PCA"
    flat[:, : min(2, wide.shape[1])] = wide[:, :2]
    if len(x) >= TSNE_FROM and rank >= 3:
        # One thread: on cores that others use too, t-SNE's threads wait for each other (45 s instead of 6 s).
        with threadpool_limits(limits=1):
            model = TSNE(init="pca", max_iter=STEPS, random_state=seed)
            flat, how = model.fit_transform(wide.astype(np.float32)), "t-SNE"
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    return np.asarray(0.5 + (flat - low - span / 2) / max(span.max(), 1e-12), dtype=np.float64), how


def _dimensions_of(schema: Any) -> list[str]:
    try:
        return dimensions(schema.names)
    except ValueError:
        return [field.name for field in schema if field.type == pa.float32()]
