"""Functions over data sets of Ray Data: each is lazy but for its answer, and holds no more than a few blocks."""

import warnings
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError
from isotropy.evaluation.metrics import METRICS
from isotropy.finetuning import load as load_finetuned
from isotropy.representation import load
from isotropy.scale.stages import ADDITIVE, Embed, InPieces, Nearest, Predict, Score

if TYPE_CHECKING:
    from ray.data import Dataset

# Rows of a batch: an actor holds the arrays that are made of so many, beside the block that it fills.
BATCH_ROWS = 4096
# Of an actor's allocators: what a block took is given back when it is gone, in place of being kept for the next one.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


def embed(
    dataset: "Dataset", run: str | Path, *, column: str | None = None, keep: Sequence[str] | None = None,
    name: str = "embedding", standardise: bool = False, actors: int = 1, num_cpus: float = 1,
    batch_size: int = BATCH_ROWS,
) -> "Dataset":  # fmt: skip
    """Return a data set with the embeddings of all rows in a column of tensors, computed where the blocks are.

    They equal those of `Representation.transform` to the bit, on one kind of machine with `num_cpus` threads. An actor
    holds `batch_size` rows and two blocks of its output (`DataContext.target_max_block_size`). Blocks come in any
    order unless `DataContext.execution_options.preserve_order` is set; rows within one stay in theirs.

    Args:
        dataset: rows; of a table its columns by name, others may stand beside them.
        run: a run's directory, or an artefact's, which every machine can read.
        column, keep, name, standardise: as of `Embed`. A checkpoint needs its id column among `keep`.
        actors: processes that hold the encoder, at most: as many as leave a processor of the cluster to reading.
        num_cpus: of each, and its number of threads. For GPUs put `Embed` into `map_batches` with `num_gpus`.
        batch_size: rows that an actor takes at once.

    Raises:
        UserError: no such run, or Ray is not installed. What a batch raises ends the job as Ray's error, with its line.
    """
    # Before a cluster starts, a wrong path is one line.
    load(Path(run))
    options = {
        "run": str(Path(run).resolve()),
        "column": column,
        "keep": keep,
        "name": name,
        "standardise": standardise,
    }
    return _mapped(dataset, Embed, options, actors, num_cpus, batch_size)


def predict(
    dataset: "Dataset", model: str | Path, *, column: str | None = None, keep: Sequence[str] | None = None,
    actors: int = 1, num_cpus: float = 1, batch_size: int = BATCH_ROWS,
) -> "Dataset":  # fmt: skip
    """Return a data set with the predictions of a fine-tuned model: see `Predict`, and `embed` for the other arguments.

    Raises:
        UserError: no such model, or Ray is not installed.
    """
    load_finetuned(model)
    options = {"model": str(Path(model).resolve()), "column": column, "keep": keep}
    return _mapped(dataset, Predict, options, actors, num_cpus, batch_size)


def search(
    dataset: "Dataset", queries: ArrayLike, top_k: int = 10, *, id_column: str, column: str = "embedding",
    actors: int = 1, num_cpus: float = 1, batch_size: int = 16 * BATCH_ROWS,
) -> tuple[NDArray[Any], NDArray[np.float32]]:  # fmt: skip
    """Return the ids and cosines of the rows most similar to each query among all rows, both (M, top_k), best first.

    They are what `isotropy.search.nearest` gives of all rows at once in the order of their ids, to the bit, whatever
    the blocks are. This process holds M * top_k answers a batch, never the rows.

    Args:
        dataset: rows with their embeddings, as `embed` gives them.
        queries: (M, width), as `Representation.transform` gives them.
        top_k: of each. id_column: unique names or numbers of the rows. column: of the embeddings.
        actors, num_cpus, batch_size: as of `embed`.

    Raises:
        UserError: fewer rows than `top_k`, or Ray is not installed.
    """
    asked = np.asarray(queries)
    options = {"queries": asked, "top_k": top_k, "column": column, "id_column": id_column}
    found = _mapped(dataset.select_columns([id_column, column]), Nearest, options, actors, num_cpus, batch_size)
    batches = found.iter_batches(batch_size=None, batch_format="numpy")
    empty: dict[str, Any] = {"query": np.empty(0, np.int64), "id": None, "score": np.empty(0, np.float32)}
    best = reduce(lambda one, other: _best(one, other, top_k), batches, empty)
    if len(best["query"]) < top_k * len(asked):
        raise UserError(f"top_k = {top_k}: the data set has {len(best['query']) // max(1, len(asked))} rows")
    return best["id"].reshape(-1, top_k), best["score"].reshape(-1, top_k)


def score(
    dataset: "Dataset", model: str | Path, label: str, *, column: str | None = None,
    actors: int = 1, num_cpus: float = 1, batch_size: int = BATCH_ROWS,
) -> dict[str, float]:  # fmt: skip
    """Return how well a fine-tuned model predicts a label over all rows that have it: its metrics by name, and `rows`.

    Classes: accuracy, balanced accuracy, macro F1, log loss. Numbers: R2, RMSE, MAE. They are those of all rows at
    once, but for the last digits of sums; the AUROC, which ranks all rows, is not among them.

    Args:
        dataset: rows that the model was not trained on. label: the column of the truth.
        model, column, actors, num_cpus, batch_size: as of `predict`.

    Raises:
        UserError: no such model, no row has a label, or Ray is not installed.
    """
    task = load_finetuned(model).target.task
    options = {"model": str(Path(model).resolve()), "label": label, "column": column}
    found = _mapped(dataset, Score, options, actors, num_cpus, batch_size)
    rows, sums = 0, {name: np.zeros(1) for name in ADDITIVE[task]}
    for batch in found.iter_rows():
        rows += int(batch["rows"])
        sums = {name: before + np.asarray(batch[name]) for name, before in sums.items()}
    if not rows:
        raise UserError(f"label {label}: no row has one: there is nothing to score")
    return {"rows": float(rows), **{name: float(METRICS[task][name].value(sums[name] / rows)) for name in sums}}


def _mapped(
    dataset: "Dataset", stage: type, options: dict[str, Any], actors: int, num_cpus: float,
    batch_size: int,
) -> "Dataset":  # fmt: skip
    try:
        import ray
        from ray.data import ActorPoolStrategy, DataContext
    except ImportError as error:
        raise UserError("Ray is not installed: pip install 'isotropy[scale]'") from error
    # What reads needs a CPU, and so does what leaves out the rows of an earlier run, an actor too.
    needed = num_cpus + 1 + (DataContext.get_current().checkpoint_config is not None)
    if ray.is_initialized() and (there := ray.cluster_resources().get("CPU", 0)) < needed:
        warnings.warn(
            f"the cluster has {there:g} CPUs, and {needed:g} are needed: where no machine joins it the job waits "
            "without end (ray.init(num_cpus=...))",
            stacklevel=3,
        )
    # As many as are asked for at once (`size`) may take all CPUs, and reading would wait for one without end.
    return dataset.map_batches(
        InPieces, fn_constructor_kwargs={"stage": stage, "options": options, "rows": batch_size},
        compute=ActorPoolStrategy(min_size=1, max_size=actors), batch_format="pyarrow", batch_size=None,
        num_cpus=num_cpus, runtime_env={"env_vars": _ALLOCATORS},
    )  # fmt: skip


def _best(one: dict[str, Any], other: dict[str, Any], top_k: int) -> dict[str, Any]:
    """Return the `top_k` best answers of each query of two batches, equal ones in the order of their ids."""
    ids = other["id"] if one["id"] is None else np.concatenate([one["id"], other["id"]])
    query, score = (np.concatenate([one[name], other[name]]) for name in ("query", "score"))
    order = np.lexsort((ids, -score, query))
    sorted_query = query[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_query, sorted_query)
    order = order[rank < top_k]
    return {"query": query[order], "id": ids[order], "score": score[order]}
