"""`isotropy probe`: is a label easier to read from the embeddings than from what costs nothing?"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from isotropy.cli.inputs import load_on, read_with_bar
from isotropy.cli.show import OUT, note, say
from isotropy.cli.table import show_evidence
from isotropy.data import ArrayDataset
from isotropy.errors import UserError
from isotropy.evaluation.baselines import check_baselines
from isotropy.evaluation.evaluate import check_evaluators
from isotropy.evaluation.evidence import evidence
from isotropy.runs.directory import Run
from isotropy.runs.prepare import parts
from isotropy.runs.recipe import build


def probe(
    folder: Path,
    origin: dict[str, Any],
    *,
    evaluators: Sequence[str],
    baselines: Sequence[str],
    seed: int,
    device: str,
) -> None:
    """Run `isotropy probe RUN PATH --label NAME`."""
    if origin["label"] is None and origin["label_key"] is None:
        raise UserError("probe needs labels: --label COLUMN, or --label-key ARRAY for an .npz")
    check_evaluators(evaluators)
    run = Run.opened(folder)
    made = load_on(run.folder, device)
    check_baselines(baselines, made.preprocess.modality)
    label = origin["label"]
    if label in made.preprocess.column_names:
        raise UserError(
            f"--label {label}: the encoder was trained with this column as an input, so a probe would only read it "
            f"back; train another run with --drop {label}"
        )
    data = read_with_bar({**origin, "modality": made.preprocess.modality})
    say(data.description)
    assert data.labels is not None
    rows = made.preprocess.transform(data.values)
    train, test = parts(data, seed)
    if data.split is None:
        note("no test part is named: a fifth of the rows is held out from the probes (the encoder may have seen it)")
    initial = build(run.recipe, made.preprocess, ArrayDataset(rows, made.preprocess))[0].encoder
    name = origin["label"] or origin["label_key"]
    with OUT.status("") if OUT.is_terminal else nullcontext() as status:
        found = evidence(
            made, initial, rows, np.asarray(data.labels), train, test, label=name, evaluators=evaluators,
            baselines=baselines, progress=lambda what: status.update(f"probing {what}") if status else None,
        )  # fmt: skip
    run.keep_evidence([found])
    show_evidence(found)
