"""A map of embeddings in two dimensions, small enough for a page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from isotropy.diagnostics.rank import effective_rank
from isotropy.errors import UserError
from isotropy.evaluation.task import has_label, task_of

ROWS = 2000
TSNE_FROM = 100  # rows; below, t-SNE has too few neighbours to arrange
PERPLEXITY = 30.0
STEPS = 500


def embedding_map(path: str | Path, *, labels: list[str], rows: int = ROWS) -> dict[str, Any]:
    """Return a 2-D map of at most `rows` evenly spaced rows of an embeddings file.

    The file's float32 columns are the embedding, the others say something about the rows; the map is coloured
    by the first column named in `labels`, else by a column "label" where there is one. Read batch by batch.

    Returns:
        {"points": [[x, y], ...] in [0, 1], "rows", "of", "width", "how", "label", "task", "values"}; values are
        strings (classes) or numbers, None where missing; label is None where no column gives a colour.

    Raises:
        UserError: where the file is not Parquet or has no float32 column.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    columns = [field.name for field in file.schema_arrow if field.type == pa.float32()]
    if not columns or not file.metadata.num_rows:
        raise UserError(f"{path} holds no embeddings: it has no row, or no float32 column")
    there = set(file.schema_arrow.names) - set(columns)
    label = next((name for name in [*labels, "label"] if name in there), None)
    frame = _spaced_rows(file, [*columns, *([label] if label else [])], rows)
    x = frame[columns].to_numpy(dtype=np.float32)
    points, how = layout(x)
    found: dict[str, Any] = {
        "points": points.round(4).tolist(),
        "rows": len(x),
        "of": file.metadata.num_rows,
        "width": len(columns),
        "how": how,
        "label": label,
    }
    if label:
        found |= _colours(frame[label].to_numpy(dtype=object))
    return found


def layout(x: NDArray[Any], *, seed: int = 0) -> tuple[NDArray[np.float64], str]:
    """Return positions (N, 2) in the unit square, keeping proportions, and the name of what made them.

    t-SNE (perplexity 30, started from the two principal axes, on the first 50 of them, fixed seed) from 100 rows
    on, 3 to 6 s for 2000 (500 steps); it shows neighbourhoods. Below that, or where the embeddings use fewer
    than 3 directions, where t-SNE would draw a pattern out of noise, the two principal axes.

    Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008).

    Example:
        >>> layout(np.eye(4))[1]
        'PCA'
    """
    x = np.asarray(x, dtype=np.float64)
    rank = effective_rank(x)
    if len(x) < 2 or not rank >= 1:
        return np.full((len(x), 2), 0.5), "PCA"
    x = x / np.abs(x).max()
    wide = PCA(n_components=min(50, *x.shape), random_state=seed).fit_transform(x)
    flat = np.zeros((len(x), 2))
    flat[:, : min(2, wide.shape[1])] = wide[:, :2]
    how = "PCA"
    if len(x) >= TSNE_FROM and rank >= 3:
        # One thread: on cores that others use too, t-SNE's threads wait for each other (45 s instead of 6 s).
        with threadpool_limits(limits=1):
            model = TSNE(perplexity=PERPLEXITY, init="pca", max_iter=STEPS, random_state=seed)
            flat = model.fit_transform(wide.astype(np.float32))
        how = "t-SNE"
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    return np.asarray(0.5 + (flat - low - span / 2) / max(span.max(), 1e-12), dtype=np.float64), how


def _spaced_rows(file: pq.ParquetFile, columns: list[str], rows: int) -> pd.DataFrame:
    total = file.metadata.num_rows
    wanted = np.arange(min(rows, total)) * total // min(rows, total)
    parts, start = [], 0
    for batch in file.iter_batches(batch_size=4096, columns=columns):
        here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
        parts.append(batch.take(pa.array(here)).to_pandas())
        start += batch.num_rows
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _colours(values: NDArray[Any]) -> dict[str, Any]:
    task = task_of(values)
    convert = str if task == "classes" else float
    return {"task": task, "values": [convert(v) if there else None for v, there in zip(values, has_label(values))]}
