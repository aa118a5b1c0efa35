"""A trained representation and what it has to beat, on the same labelled rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, batched, spread_out, take, tensors_of
from isotropy.diagnostics.codes import bins_used, mutual_information, purity, usage
from isotropy.evaluation import leaks
from isotropy.evaluation.baselines import UNTRAINED, collect, trees
from isotropy.evaluation.baselines.extra import EXTRAS, check_baselines
from isotropy.evaluation.evaluate import TEST_ROWS, chosen_rows, evaluate
from isotropy.evaluation.evaluators import DEFAULT
from isotropy.evaluation.notes import row_notes
from isotropy.evaluation.problem import Size
from isotropy.evaluation.task import Task, decided, encode, has_label
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation

Rows = NDArray[np.int64]
# Further training rows, at most, from which the linear probe learns: on a CPU they would cost more than they tell.
FURTHER_ROWS = {"cpu": 0, "cuda": 90_000, "mps": 90_000}
Number = TypeVar("Number", bound=np.generic)


def evidence(
    trained: Representation,
    untrained: nn.Module,
    rows: Tensor | Batch,
    labels: NDArray[Any],
    train: Rows,
    test: Rows,
    *,
    label: str,
    task: Task | None = None,
    evaluators: Sequence[str] = DEFAULT,
    sizes: Sequence[Size] | None = None,
    baselines: Sequence[str] = (),
    groups: NDArray[Any] | None = None,
    notes: Sequence[str] = (),
    vectors: NDArray[np.float32] | None = None,
    most: Sequence[int] = (),
    device: torch.device | str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return the scores of the trained encoder beside its baselines; see `evaluation.evaluate`.

    Args:
        trained: the representation; knows its preprocessing.
        untrained: the same encoder as it was before training; it is joined with whatever the trained one is.
        rows: all rows as they are stored (N, ...).
        labels: (N,), missing ones NaN or None.
        train: the rows that probes learn from. test: the rows that they are scored on.
        label: what the label is called.
        task: "classes" or "numbers"; by default what all labels look like.
        evaluators: names in `EVALUATORS`. sizes: of the few-label curve.
        baselines: names in `baselines.EXTRAS` of those on request, beside those that are always there and
            those that the embedding is joined with.
        groups: of all rows, (N,), where whole groups are on one side of the split.
        notes: what a reader of the scores has to know, before the notes of the evaluation.
        vectors: the embeddings of all rows (N, width) where they are made already.
        most: training and test rows that are probed at most; by default 10,000 and 20,000.
        device: where large fits are computed; on a GPU the linear probe learns from up to 100,000 rows.
        progress: called with the name of each representation before it is evaluated.

    Raises:
        UserError: labels that cannot be probed (one class) and baselines of other data, named.
    """
    check_baselines(baselines, trained.modality)
    baselines = with_parts_of(trained.embedding.name, trained.modality, baselines)
    # Features are made for the probed rows alone: those of large images would not fit otherwise.
    task = decided(labels, task, label)
    chosen = chosen_rows(labels[train], labels[test], task=task, most=most)
    parts, (train, test) = (train, test), (train[chosen[0]], test[chosen[1]])
    notes = [*notes, *row_notes(labels[parts[0]], labels[parts[1]], chosen)]
    further = _further(labels, parts[0], train, torch.device(device))
    if len(further):
        notes.append(f"The linear probe learns from {len(train) + len(further):,} training rows.")
    beside = np.concatenate([test, further])
    if vectors is None:
        ours = both_parts(trained.embed_stored, rows, train, beside)
    else:
        ours = vectors[train], vectors[beside]
    initial = trained.with_encoder(untrained, rows, parts[0])
    others = free(initial, rows, train, beside, baselines, trained=ours)
    candidates = {name: _divided(one, len(test)) for name, one in {trained.title: ours, **others}.items()}
    notes += leaks.duplicates(rows, parts, (train, test), candidates["raw features"][:2])
    found = evaluate(
        candidates,
        labels[train],
        labels[test],
        ours=trained.title,
        label=label,
        task=task,
        evaluators=evaluators,
        sizes=sizes,
        groups=None if groups is None else groups[train],
        further_y=labels[further] if len(further) else None,
        parts={trained.title: trained.embedding.parts, UNTRAINED: initial.embedding.parts},
        device=str(device),
        progress=progress,
    )
    return {**found, "notes": list(dict.fromkeys([*notes, *found["notes"]]))}


def _further(labels: NDArray[Any], train: Rows, chosen: Rows, device: torch.device) -> Rows:
    """Return training rows with a label beside the chosen ones, for the linear probe; none on a CPU."""
    rest = np.setdiff1d(train[has_label(labels[train])], chosen)
    most = FURTHER_ROWS.get(device.type, 0)
    return rest[np.random.default_rng(0).permutation(len(rest))[:most]]


def _divided(candidate: Any, count: int) -> Any:
    """Return a candidate with `count` test rows, and as further training rows what stands behind them."""
    if isinstance(candidate, trees.Columns):
        return replace(candidate, test=candidate.test[:count])
    train, beside = candidate
    return (train, beside) if len(beside) == count else (train, beside[:count], beside[count:])


def with_parts_of(embedding: str, modality: str, baselines: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the baselines with those on request that an embedding is joined with: what it has to beat, too.

    Example:
        >>> with_parts_of("joined", "image"), with_parts_of("learned", "image")
        (('patches',), ())
    """
    parts = MODALITIES[modality].free if embedding == "joined" else ()
    return tuple(dict.fromkeys([*baselines, *(name for name in parts if name in EXTRAS)]))


def free(
    untrained: Representation,
    rows: Tensor | Batch,
    train: Rows,
    test: Rows,
    baselines: Sequence[str] = (),
    *,
    trained: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> dict[str, Any]:
    """Return everything that needs no training, by name, on training and test rows: what a representation has to beat.

    Args:
        untrained: what the encoder gave before training; PCA is as wide as it.
        rows: all rows as they are stored. train, test: row numbers.
        baselines: names in `baselines.EXTRAS` of those on request.
        trained: training and test rows as the trained encoder's representation embeds them, where that is known: what
            both have in common is taken from it.
    """
    preprocess = untrained.preprocess
    modality = MODALITIES[preprocess.modality]
    if trained is None:
        initial = both_parts(untrained.embed_stored, rows, train, test)
    else:
        own = both_parts(untrained.of_encoder().embed_stored, rows, train, test)
        initial = (
            untrained.embedding.with_vectors(trained[0], own[0]),
            untrained.embedding.with_vectors(trained[1], own[1]),
        )
    found: dict[str, Any] = collect(
        *both_parts(preprocess.features, rows, train, test),
        width=untrained.width,
        untrained=initial,
        series=None if modality.as_series is None else both_parts(modality.as_series, rows, train, test),
    )
    if (columns := raw_columns(untrained, rows, train, test)) is not None:
        found[trees.NAME] = columns
    for extra in (EXTRAS[name] for name in baselines):
        some = train[spread_out(len(train), extra.rows)]
        learnt = extra.learn(take(rows, torch.from_numpy(some)))
        found[extra.title] = both_parts(learnt, rows, train, test)
    return found


def raw_columns(made: Representation, rows: Tensor | Batch, train: Rows, test: Rows) -> trees.Columns | None:
    """Return the columns that boosted trees read of training and test rows; None where the data has none."""
    as_columns = MODALITIES[made.modality].as_columns
    if as_columns is None:
        return None
    (columns, kinds), (others, _) = (
        as_columns(made.preprocess, take(rows, torch.from_numpy(p))) for p in (train, test)
    )
    return trees.Columns(columns, others, kinds)


def both_parts(
    vectors: Callable[[Any], NDArray[Number]], rows: Tensor | Batch, train: Rows, test: Rows
) -> tuple[NDArray[Number], NDArray[Number]]:
    """Return `vectors` of training and of test rows; see `in_pieces`."""
    return in_pieces(vectors, rows, train), in_pieces(vectors, rows, test)


def codes_evidence(
    made: Representation,
    rows: Tensor | Batch,
    labels: NDArray[Any] | None,
    train: Rows,
    test: Rows,
    *,
    task: Task | None = None,
) -> dict[str, Any]:
    """Return what the codes of a representation that has some are worth, as a dictionary that JSON can hold.

    Measured on the rows that nothing was learnt from, where there are any, and on 20,000 of them at most; see
    `isotropy.diagnostics.codes` for the measures.

    Args:
        made: has a coder. rows: all rows as they are stored.
        labels: (N,) or None. train, test: row numbers; `test` may be empty.
        task: of the labels; by default what all of them look like.

    Returns:
        segments, units, rows; bins_used and usage, one per segment; mutual_information: {mean, highest, segments: the
        pair that it is of} over pairs of segments (None where there is no pair); with classes as labels also purity,
        one per segment, its majorities learnt on at most 10,000 training rows, and chance, that of one code for all.
    """
    assert made.coder is not None, "only a method with codes has evidence for them"
    scored = test if len(test) else train
    learnt = train[:0]
    if labels is not None and len(test) and decided(labels, task) == "classes":
        chosen = chosen_rows(labels[train], labels[test], task="classes")
        learnt, scored = train[chosen[0]], test[chosen[1]]
    elif len(scored) > TEST_ROWS:
        scored = scored[np.linspace(0, len(scored) - 1, TEST_ROWS).astype(np.int64)]
    codes = in_pieces(made.codes_stored, rows, scored)
    units = made.coder.units
    found: dict[str, Any] = {
        "segments": made.coder.num_segments,
        "units": units,
        "rows": len(scored),
        "bins_used": bins_used(codes).tolist(),
        "usage": usage(codes, units).tolist(),
        "mutual_information": _summarised(mutual_information(codes, units)),
    }
    if labels is not None and len(learnt):
        old, new, _ = encode(labels[learnt], labels[scored])
        majority = np.bincount(old).argmax()
        pure = purity(codes, new, learnt_on=(in_pieces(made.codes_stored, rows, learnt), old))
        found |= {"purity": pure.tolist(), "chance": float((new == majority).mean())}
    return found


def _summarised(information: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return the mean and the highest entry above the diagonal; pairs that are undefined are left out."""
    pairs = np.argwhere(np.triu(np.isfinite(information), k=1))
    if not len(pairs):
        return None
    values = information[pairs[:, 0], pairs[:, 1]]
    highest = int(values.argmax())
    return {"mean": float(values.mean()), "highest": float(values[highest]), "segments": pairs[highest].tolist()}


def in_pieces(vectors: Callable[[Any], NDArray[Number]], rows: Tensor | Batch, places: Rows) -> NDArray[Number]:
    """Return `vectors` of the rows `places`, (M, ...), of which only a bounded piece is taken at a time.

    Args:
        vectors: gives one vector per row, whatever the other rows are.
        rows: (N, ...) as they are stored; may be a file's map.
        places: (M,), at least one.
    """
    out: NDArray[Number] | None = None
    for some in batched(len(places), row_bytes=sum(x[:1].nbytes for x in tensors_of(rows))):
        piece = vectors(take(rows, torch.from_numpy(places[some])))
        if out is None:
            out = np.empty((len(places), *piece.shape[1:]), dtype=piece.dtype)
        out[some] = piece
    assert out is not None, "the parts of a probe have rows"
    return out
