"""The verdict on a run directory."""

from pathlib import Path
from typing import Any

from isotropy.diagnostics.rules import Training
from isotropy.diagnostics.verdict import Verdict, verdict
from isotropy.errors import UserError
from isotropy.runs.directory import Run


def diagnose(folder: Path | str) -> Verdict:
    """Return the verdict on the training in a run directory, finished or not; its `to_json` is plain data.

    Args:
        folder: as `isotropy fit` wrote it. Where a label was probed, the probes have their say.

    Raises:
        UserError: no such directory, none of a run, or one of its files is damaged.
    """
    run = Run.opened(folder)
    folder, method = run.folder, run.recipe.method
    records = run.read_records()
    try:
        return verdict(records, known(method, run.about), probes=run.read_comparisons())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: damaged, or of an older isotropy ({error!r})") from error


def known(method: str, about: dict[str, Any]) -> Training:
    """Return what a verdict has to know of a training, from `Prepared.facts` or what data.json holds of it."""
    # Runs of older versions did not say how long they are: nothing can be said of them.
    training = about.get("training", {"steps": 0, "batch_size": 0, "width": 0})
    return Training(method=method, reference_losses=about.get("reference_losses", {}), **training)
