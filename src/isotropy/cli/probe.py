"""`isotropy probe`: is a label easier to read from the embeddings than from what costs nothing?"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from isotropy.cli.inputs import as_the_run, as_trained, load_on, read_with_bar
from isotropy.cli.show import note, say, waiting
from isotropy.cli.table import show_evidence
from isotropy.data import ArrayDataset, Data
from isotropy.data.label_sets import SEVERAL
from isotropy.data.other_kind import as_trained_on
from isotropy.errors import UserError
from isotropy.evaluation.baselines import check_baselines
from isotropy.evaluation.evaluate import with_budget
from isotropy.evaluation.evidence import evidence
from isotropy.evaluation.problem import label_budget as sizes_of
from isotropy.evaluation.together import mean_lines
from isotropy.representation import Representation
from isotropy.runs.building import build
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.finish import refuse_sizes
from isotropy.runs.settings import label_names


def probe(
    folder: Path,
    origin: dict[str, Any],
    *,
    evaluators: Sequence[str],
    baselines: Sequence[str],
    label_budget: str | None,
    seed: int,
    device: str,
) -> list[dict[str, Any]]:
    """Run `isotropy probe RUN PATH --label NAME`; return the evidence for each label."""
    if not {"label", "label_key"} & set(origin):
        raise UserError("probe needs labels: --label COLUMN, or --label-key ARRAY for an .npz")
    sizes = sizes_of(label_budget)
    evaluators = with_budget(evaluators, sizes)
    run = Run.opened(folder)
    made = load_on(run.folder, device)
    check_baselines(baselines, made.preprocess.modality)
    refuse_inputs(origin, made)
    data = read_as_the_run(run.recipe.data, origin, made)
    say(data.description)
    with waiting("preparing the rows"):
        rows = made.preprocess.transform(data.values)
    division = divide(data, seed, label_names(origin))
    refuse_sizes(sizes, division)
    if data.split is None:
        note(f"no test part is named: {_held_out(data)} held out from the probes (the encoder may have seen it)")
    with waiting("probing") as now:
        initial = build(run.recipe, made.preprocess, ArrayDataset(rows, made.preprocess))[0].encoder
        found = [
            evidence(
                made, initial, rows, wanted.values, division.train, division.test, label=wanted.name, task=wanted.task,
                evaluators=evaluators, notes=division.notes_on(wanted), sizes=sizes,
                groups=division.groups, baselines=baselines, device=made.device,
                progress=lambda what: now(f"probing {what}"),
            )
            for wanted in division.labels
        ]  # fmt: skip
    run.keep_evidence(found)
    for entry in found:
        show_evidence(entry)
    for line in mean_lines(found):
        say(line, "bold")
    return found


def refuse_inputs(origin: dict[str, Any], made: Representation) -> None:
    """Raise UserError for a label that is an input of the encoder."""
    for label in set(label_names(origin)) & set(made.preprocess.column_names):
        raise UserError(
            f"--label {label}: the encoder was trained with this column as an input, so a probe would only read it "
            f"back; train another run with --drop {label}"
        )


def read_as_the_run(before: dict[str, Any], origin: dict[str, Any], made: Representation) -> Data:
    """Read the data as the run did: a label by the same name is the same task, and the same groups or times divide."""
    origin = as_the_run(before, origin)
    with as_trained_on(made.preprocess, origin["path"], origin.get("key")):
        return _read(before, as_trained(origin, made))


def _read(before: dict[str, Any], origin: dict[str, Any]) -> Data:
    if "task" not in origin and _same_labels(label_names(origin), label_names(before), before.get("task")):
        origin = {**origin, "task": before.get("task")}
    if origin.get("like") is not None:
        return read_with_bar(origin)
    by = [name for name in ("group", "time") if isinstance(before.get(name), str)]
    if not by or {"split", "test_key", "group", "time"} & set(origin):
        return read_with_bar(origin)
    column = before[by[0]]
    if column not in label_names(origin):
        with suppress(UserError):
            return read_with_bar({**origin, by[0]: column})
    data = read_with_bar(origin)
    note(f"the run's rows were divided by the {by[0]} {column}, and these are not: {by[0]} could be on both sides")
    return data


def _same_labels(asked: Sequence[str], before: Sequence[str], task: str | None) -> bool:
    """Return whether the labels are those of the run, or some of them that were probed one by one."""
    return asked == before or (task != SEVERAL and set(asked) <= set(before))


def _held_out(data: Data) -> str:
    if data.times is not None:
        return "the last fifth in time is"
    return "a fifth of the rows is" if data.groups is None else "a fifth of the groups is"
