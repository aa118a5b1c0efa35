"""What is done with each batch: callable classes for `Dataset.map_batches`, an object of which lives in each actor."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data.frames import arrow_to_pandas
from isotropy.errors import UserError
from isotropy.evaluation.metrics import METRICS
from isotropy.evaluation.task import class_name, has_label
from isotropy.finetuning import FineTuned
from isotropy.finetuning import load as load_finetuned
from isotropy.representation import Representation, load
from isotropy.scale.batches import array_of, check_columns, column_of, rows_of
from isotropy.search import nearest

# Metrics that are means over rows, so that those of blocks can be added up; a rank, as of the AUROC, needs all at once.
ADDITIVE = {
    "classes": ("accuracy", "balanced accuracy", "macro F1", "log loss"),
    "numbers": ("R2", "RMSE", "MAE"),
}


class InPieces:
    """A stage that gets whole blocks and takes them in pieces: `map_batches(InPieces, batch_size=None, ...)`.

    Where Ray makes the batches itself, it first copies a block that consists of many chunks.

    Args:
        stage: `Embed` or another of these classes. options: its keywords. rows: of a piece, at most.

    Example:
        >>> in_pieces = InPieces(lambda: pa.Table.to_pydict, {}, rows=2)
        >>> list(in_pieces(pa.table({"id": [4, 5, 6]})))
        [{'id': [4, 5]}, {'id': [6]}]
    """

    def __init__(self, stage: Callable[..., Any], options: Mapping[str, Any], rows: int) -> None:
        self.stage, self.rows = stage(**options), rows

    def __call__(self, block: pa.Table) -> Iterator[Any]:
        """Yield what the stage makes of each piece; of a block without rows it is asked too, for the columns."""
        for part in batched(max(1, len(block)), rows=self.rows):
            yield self.stage(block.slice(part.start, part.stop - part.start))


class Embed:
    """Adds the embeddings of a batch's rows to it: `dataset.map_batches(Embed, batch_format="pyarrow", ...)`.

    They are those of `Representation.transform`, bit for bit on one kind of machine with as many threads.

    Args:
        run: a run's directory, or an artefact's, which every machine can read; or a `Representation`.
        column: the column of arrays (series, images), one a row; None for a table, whose columns are taken by name.
        keep: names of the columns that stay beside them; None for all.
        name: of the new column, a tensor of the embedding's width. standardise: as of `transform`.

    Raises:
        UserError: what `load` and `transform` raise, a column that is not there, or one that has the new name.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
        >>> batch = pa.table({"id": np.arange(50), **{f"x{place}": x[:, place] for place in range(3)}})
        >>> out = Embed(made, keep=["id"])(batch)
        >>> out.column_names, bool((array_of(out, "embedding") == made.transform(x)).all())
        (['id', 'embedding'], True)
    """

    def __init__(
        self, run: str | Path | Representation, *, column: str | None = None, keep: Sequence[str] | None = None,
        name: str = "embedding", standardise: bool = False,
    ) -> None:  # fmt: skip
        self._made = run if isinstance(run, Representation) else load(run)
        self._column, self._keep, self._name, self._standardise = column, keep, name, standardise

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return what is kept of a batch, and the embeddings of its rows."""
        kept = _kept(batch, self._keep, self._name)
        pieces = [np.empty((0, self._made.width), np.float32)]
        if len(batch):
            rows = rows_of(batch, self._made.preprocess, self._column)
            pieces = list(self._made.iterate(rows, standardise=self._standardise))
        z = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return kept.append_column(self._name, column_of(z))


class Predict:
    """Adds the predictions of a fine-tuned model to a batch: `dataset.map_batches(Predict, batch_format="pyarrow")`.

    The column `prediction` holds a class's name or a number, and `probability` a tensor of each class's.

    Args:
        model: a folder of `isotropy finetune`, which every machine can read, or a `FineTuned`.
        column, keep: as of `Embed`.

    Raises:
        UserError: what `isotropy.load_finetuned` and `FineTuned.predict` raise, or a column that is not there.
    """

    def __init__(
        self, model: str | Path | FineTuned, *, column: str | None = None, keep: Sequence[str] | None = None
    ) -> None:
        self._model = model if isinstance(model, FineTuned) else load_finetuned(model)
        self._column, self._keep = column, keep

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return what is kept of a batch, and the predictions of its rows."""
        kept = _kept(batch, self._keep, "prediction")
        found = predictions(self._model, batch, self._column)
        if self._model.task == "numbers":
            return kept.append_column("prediction", pa.array(found))
        names = [class_name(name) for name in self._model.classes]
        said = pa.array(np.asarray(names, dtype=object)[found.argmax(axis=1)], pa.string())
        kept = kept.append_column("prediction", said)
        return kept.append_column("probability", column_of(found))


class Nearest:
    """Gives, of a batch of a corpus, the rows nearest to each query: at most `top_k` rows a query.

    Args:
        queries: (M, width). top_k: of each. column: of the embeddings. id_column: what the answers are named by.
    """

    def __init__(self, queries: NDArray[Any], top_k: int, *, column: str, id_column: str) -> None:
        self._queries, self._top_k, self._column, self._id = queries, top_k, column, id_column

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return columns query, id and score, the best of each query first."""
        check_columns(batch, [self._id, self._column])
        # In the order of their ids, by which equal scores are ordered.
        batch = batch.sort_by(self._id)
        rows = array_of(batch, self._column)
        count = min(self._top_k, len(rows))
        indices, scores = nearest(self._queries, rows, count)
        ids = batch.column(self._id).take(pa.array(indices.ravel()))
        query = np.repeat(np.arange(len(indices)), count)
        return pa.table({"query": query, "id": ids, "score": scores.ravel()})


class Score:
    """Gives one row of sums for a batch: what each metric of `ADDITIVE` needs, over the rows that have a label.

    Args:
        model: as of `Predict`. label: the column of the truth. column: as of `Embed`.
    """

    def __init__(self, model: str | Path | FineTuned, *, label: str, column: str | None = None) -> None:
        self._model = model if isinstance(model, FineTuned) else load_finetuned(model)
        self._label, self._column = label, column

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the number of labelled rows, and the sums of the terms of each metric."""
        check_columns(batch, [self._label])
        labels = arrow_to_pandas(batch.select([self._label]))[self._label].to_numpy()
        here = has_label(labels)
        batch = batch.filter(pa.array(here))
        terms = _terms(self._model, labels[here], predictions(self._model, batch, self._column))
        sums = {name: [some.sum(axis=0).tolist()] for name, some in terms.items()}
        return pa.table({"rows": [len(batch)], **sums})


def predictions(model: FineTuned, batch: pa.Table, column: str | None) -> NDArray[np.float64]:
    """Return probabilities (N, K), or numbers (N,), of the rows of a batch."""
    if not len(batch):
        return np.empty((0, len(model.classes)) if model.classes else 0)
    preprocess = model.representation.preprocess
    found: NDArray[np.float64] = model.predictions_stored(preprocess.transform(rows_of(batch, preprocess, column)))
    return found


def _terms(model: FineTuned, labels: NDArray[Any], found: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return each row's terms of each metric, (N, c)."""
    if model.task == "classes":
        codes = model.target.encoded(labels)
        return {name: METRICS["classes"][name].terms(codes, found) for name in ADDITIVE["classes"]}
    truth = labels.astype(np.float64)
    error, centred = truth - found, truth - model.target.mean
    # About the mean of the training labels, the same in all batches, where METRICS takes that of the rows at hand.
    squares = np.stack([error**2, centred**2, centred], axis=1)
    return {"R2": squares, "RMSE": squares[:, :1], "MAE": np.abs(error)[:, None]}


def _kept(batch: pa.Table, keep: Sequence[str] | None, name: str) -> pa.Table:
    names = batch.column_names if keep is None else list(keep)
    check_columns(batch, names)
    if name in names:
        raise UserError(f"a column is called {name!r} already: name the new one otherwise, or keep others (keep=)")
    return batch.select(names)
