"""The verdict on a run, from its directory."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from isotropy.diagnostics.rules.records import RunFacts
from isotropy.diagnostics.verdict import Verdict, verdict
from isotropy.errors import UserError
from isotropy.methods import find_method
from isotropy.runs.directory import Run


def diagnose(folder: Path | str) -> Verdict:
    """Return the verdict on a run directory, finished or not; its `to_json` is plain data.

    Args:
        folder: as `isotropy fit` wrote it. Where a label was probed, the probes have their say.

    Raises:
        UserError: no such directory, none of a run, or one of its files is damaged.
    """
    run = Run.opened(folder)
    folder, method = run.folder, run.recipe.method
    records, about, probes = run.read_records(), run.about, run.read_comparisons()
    try:
        return verdict(records, run_facts(method, about), probes=probes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}: damaged, or of an older isotropy ({error!r})") from error


def run_facts(method: str, about: dict[str, Any]) -> RunFacts:
    """Return what a verdict has to know of a run, from `Prepared.facts` or what data.json holds of it."""
    parts = frozenset[str]()
    with suppress(UserError):  # a class of the user's own that cannot be imported here
        parts = find_method(method).parts()
    # Runs of older versions do not say how long they are: their verdict is "unknown".
    training = about.get("training", {"steps": 0, "batch_size": 0, "width": 0})
    return RunFacts(method, parts=parts, reference_losses=about.get("reference_losses", {}), **training)
