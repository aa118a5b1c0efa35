"""`isotropy probe`: is a label easier to read from the embeddings than from what costs nothing?"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from isotropy.cli.inputs import load_on, read_with_bar
from isotropy.cli.show import OUT, note, say
from isotropy.cli.table import show_evidence
from isotropy.data import ArrayDataset
from isotropy.errors import UserError
from isotropy.evaluation.evaluate import with_budget
from isotropy.evaluation.evidence import evidence
from isotropy.evaluation.problem import label_budget as sizes_of
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.recipe import build, label_names


def probe(
    folder: Path,
    origin: dict[str, Any],
    *,
    evaluators: Sequence[str],
    label_budget: str | None,
    seed: int,
    device: str,
) -> None:
    """Run `isotropy probe RUN PATH --label NAME`."""
    if origin["label"] is None and origin["label_key"] is None:
        raise UserError("probe needs labels: --label COLUMN, or --label-key ARRAY for an .npz")
    sizes = sizes_of(label_budget)
    evaluators = with_budget(evaluators, sizes)
    run = Run.opened(folder)
    made = load_on(run.folder, device)
    _repeat(run.recipe.data, origin)
    label = origin["label"]
    if label in made.preprocess.column_names:
        raise UserError(
            f"--label {label}: the encoder was trained with this column as an input, so a probe would only read it "
            f"back; train another run with --drop {label}"
        )
    data = read_with_bar({**origin, "modality": made.preprocess.modality})
    say(data.description)
    rows = made.preprocess.transform(data.values)
    division = divide(data, seed, label_names(origin))
    if data.split is None:
        note("no test part is named: a fifth of the rows is held out from the probes (the encoder may have seen it)")
    initial = build(run.recipe, made.preprocess, ArrayDataset(rows, made.preprocess))[0].encoder
    wanted = division.labels[0]
    with OUT.status("") if OUT.is_terminal else nullcontext() as status:
        found = evidence(
            made, initial, rows, wanted.values, division.train, division.test, label=wanted.name, task=wanted.task,
            evaluators=evaluators, notes=division.notes, sizes=sizes,
            progress=lambda what: status.update(f"probing {what}") if status else None,
        )  # fmt: skip
    run.keep_evidence([found])
    show_evidence(found)


def _repeat(before: dict[str, Any], origin: dict[str, Any]) -> None:
    """Read the label as the run did, where it is the same one and nothing else is said."""
    same = label_names(before) == label_names(origin)
    if same and origin["task"] is None:
        origin["task"] = before.get("task")
