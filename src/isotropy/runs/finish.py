"""The end of a run: what is learnt is measured on every label, and the run's directory is completed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.diagnostics.verdict import verdict
from isotropy.errors import UserError
from isotropy.evaluation.evaluate import chosen_rows
from isotropy.evaluation.evidence import codes_evidence, evidence
from isotropy.evaluation.problem import Problem, Size, size_text
from isotropy.evaluation.score import evaluator_title
from isotropy.representation import Representation
from isotropy.runs.budget import without
from isotropy.runs.diagnose import run_facts
from isotropy.runs.directory import Run
from isotropy.runs.division import Division, Label
from isotropy.runs.embeddings import embedded
from isotropy.runs.events import Evaluated, Finished, Planned
from isotropy.runs.measured import measured
from isotropy.runs.monitor import Monitor
from isotropy.training import comm

_HELD_BYTES = 1 << 29  # of embeddings that probes and export share; more are made again, piece by piece


@dataclass(frozen=True)
class Probing:
    """How labels are evaluated; `sizes` are those of the few-label curve, `progress` hears what is done next."""

    evaluators: Sequence[str]
    baselines: Sequence[str]
    sizes: Sequence[Size] | None
    progress: Callable[[str], None] = lambda what: None


def refuse_sizes(sizes: Sequence[Size] | None, division: Division, most: Sequence[int] = ()) -> None:
    """Raise UserError where no label has training rows for any of the sizes asked for: before a training, not after.

    Args:
        sizes: of the few-label curve, None where none are asked for. most: training and test rows that are probed.
    """
    limits = []
    for label in division.labels if sizes and len(division.test) else ():
        parts = label.values[division.train], label.values[division.test]
        rows = chosen_rows(*parts, task=label.task, most=most)
        problem = Problem.of(parts[0][rows[0]], parts[1][rows[1]], task=label.task, sizes=tuple(sizes or ()))
        if label.task == "labels" or problem.possible_sizes()[0]:
            return
        possible = f"possible are {problem.size_limits()}" if problem.size_limits() else "no size is possible"
        asked = ", ".join(size_text(size, label.task) for size in problem.sizes)
        limits.append(f"label {label.name} with {len(rows[0]):,} training rows allows no curve at {asked}: {possible}")
    if limits:
        raise UserError(f"label budget: {'; '.join(limits)}")


def finish(
    planned: Planned, run: Run | None, records: list[dict[str, Any]], watch: Monitor | None, probing: Probing
) -> Iterator[Evaluated | Finished]:
    """Evaluate every label, complete the run's directory, and say how the run went; the first rank alone measures.

    Args:
        run: None keeps everything in memory. records: of the monitor. watch: None for a run without one, which has no
            verdict.
    """
    started = perf_counter()
    prepared, made = planned.prepared, planned.prepared.representation()
    found: list[dict[str, Any]] = []
    codes, said = None, None
    if comm.rank() == 0:
        if run is not None:
            made.save_weights(run.folder)
        vectors = _held_vectors(planned, made, probing.progress) if run is not None else None
        for label in _probed_labels(planned):
            found.append(_evidence(planned, made, label, probing, vectors))
            yield Evaluated(found[-1])
        codes = _codes(planned, made)
        if run is not None:
            # With what finishes the run as its last file: a kill in between is made good by a resume.
            run.export(
                prepared, made, found, codes, vectors, measured=lambda: measured(watch, perf_counter() - started),
                progress=probing.progress,
            )  # fmt: skip
        if watch is not None:
            said = verdict(records, run_facts(prepared.recipe.method, prepared.facts()), probes=found)
    yield Finished(made, prepared, records, found, codes, said, planned.folder)


def _probed_labels(planned: Planned) -> Sequence[Label]:
    """Return the labels that there are test rows for."""
    return planned.prepared.division.labels if len(planned.prepared.test) else ()


def _held_vectors(
    planned: Planned, made: Representation, progress: Callable[[str], None]
) -> NDArray[np.float32] | None:
    """Return the embeddings of all rows where probes use them too, and memory can hold them."""
    rows = planned.prepared.rows
    if not _probed_labels(planned) or 4 * len(rows) * made.width > _HELD_BYTES:
        return None
    vectors = np.empty((len(rows), made.width), dtype=np.float32)
    for piece, found in embedded(made, rows, progress):
        vectors[piece] = found
    return vectors


def _codes(planned: Planned, made: Representation) -> dict[str, Any] | None:
    """Return what the codes say of the first label, None for a method without codes."""
    if not made.coder:
        return None
    prepared, labels = planned.prepared, planned.prepared.division.labels
    values, task = (labels[0].values, labels[0].task) if labels else (None, None)
    return codes_evidence(made, prepared.rows, values, prepared.train, prepared.test, task=task)


def _evidence(
    planned: Planned, made: Representation, label: Label, probing: Probing, vectors: NDArray[np.float32] | None
) -> dict[str, Any]:
    prepared = planned.prepared
    evaluators = without(probing.evaluators, planned.left_out, label)
    notes = prepared.division.notes_on(label)
    if gone := [name for name in probing.evaluators if name not in evaluators]:
        said = ", ".join(evaluator_title(name) for name in gone)
        notes = [*notes, f"Not measured, as with so many classes it takes longer than the budget: {said}."]
    return evidence(
        made,
        prepared.untrained(),
        prepared.rows,
        label.values,
        prepared.train,
        prepared.test,
        label=label.name,
        task=label.task,
        groups=prepared.division.groups,
        notes=notes,
        evaluators=evaluators,
        baselines=probing.baselines,
        sizes=probing.sizes,
        vectors=vectors,
        most=planned.probed,
        device=prepared.device,
        progress=lambda name: probing.progress(f"probing {name}"),
    )
