"""The model card of a run: what its directory says of the data, the evidence and the verdict."""

from pathlib import Path
from typing import Any

from isotropy.errors import UserError
from isotropy.evaluation.score import evaluator_title, number
from isotropy.representation import MODEL
from isotropy.representation.card import card
from isotropy.representation.files import read_about
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run


def model_card(folder: Path | str, *, name: str = "", licence: str = "") -> str:
    """Return the model card of a finished run in Markdown.

    Args:
        folder: the run's directory. name: what the model is called, by default as the folder.
        licence: of the weights, by its identifier, as "mit"; the card says where nobody named one.

    Raises:
        UserError: no finished run, or a damaged file of one.
    """
    run = Run.opened(folder)
    run.refuse_if_unfinished()
    about, verdict = run.about, diagnose(run.folder)
    found = run.read_comparisons()
    try:
        trained = f"{about['description']}; {about['training_rows']:,} of {about['rows']:,} rows trained the encoder."
    except KeyError as error:
        raise UserError(f"{run.folder / 'data.json'}: damaged: {error} is missing: restore it from a copy") from None
    return card(
        read_about(run.folder / MODEL),
        name=name or run.folder.resolve().name,
        licence=licence,
        data=[trained],
        evidence=[line for comparison in found for line in _evidence(comparison)],
        verdict=[f"**{verdict.name}**: {verdict.sentence}"],
    )


def _evidence(comparison: dict[str, Any]) -> list[str]:
    """Return a label's sentence and its tables: with all labels, and with few."""
    rows = comparison["rows"]
    lines = [comparison.get("sentence") or comparison["label"], ""]
    lines += [f"{comparison['metric']} on {rows['test']:,} test rows, 95% intervals:", ""]
    lines += ["| representation | score | read by |", "| --- | --- | --- |"]
    for one in comparison["ranking"]:
        interval = f"{number(one['value'])} [{number(one['low'])}, {number(one['high'])}]"
        lines.append(f"| {one['representation']} | {interval} | {evaluator_title(one['evaluator'])} |")
    lines.append("")
    if comparison["few_labels"]:
        lines += ["| labels | this encoder | best that is free |", "| --- | --- | --- |"]
        for one in comparison["few_labels"]:
            best = f"{number(one['value'])} ({one['best']})"
            lines.append(f"| {one['size']} | {number(one['ours'])} | {best} |")
        lines.append("")
    return lines
