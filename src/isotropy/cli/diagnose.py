"""`isotropy diagnose`: is it collapsing, by which numbers, and what to try."""

from pathlib import Path
from typing import Any

from isotropy.cli.show import say, waiting
from isotropy.cli.table import show_evidence
from isotropy.diagnostics.verdict import Verdict
from isotropy.evaluation.together import mean_lines
from isotropy.runs.compare import Comparison, compare
from isotropy.runs.diagnose import diagnose as of_run
from isotropy.runs.directory import Run


def diagnose(folders: list[Path]) -> dict[str, Any]:
    """Run `isotropy diagnose RUN...`: the evidence and the verdict of one run, or the comparison of several."""
    with waiting("reading"):
        result = of_run(folders[0]) if len(folders) == 1 else compare(folders)
    if isinstance(result, Verdict):
        found = Run.opened(folders[0]).read_comparisons()
        for entry in found:
            show_evidence(entry)
            say("")
        for line in mean_lines(found):
            say(line, "bold")
        show(result)
    else:
        show_comparison(result)
    return result.to_json()


def show(verdict: Verdict) -> None:
    """Print a verdict: its sentence, the numbers that it rests on, what is known, and what to try."""
    say(f"verdict     {verdict.name}: {verdict.sentence}")
    for f in verdict.evidence:
        say(f"            {f.number} is {f.value:.4g}, {f.relation} {f.threshold:.4g}, since step {f.since:,}")
    for one in verdict.answers:
        say(f"{one.question + '?':<23}{one.answer}{': ' if one.because else ''}{one.because}")
    for text in verdict.advice:
        say(f"try         {text}")


def show_comparison(found: Comparison) -> None:
    """Print what can be said of several runs: a line for each, then which one is best, if any can be named."""
    width = max(len(one.run) for one in found.runs)
    for one in found.runs:
        score = "" if one.score is None else f"  {found.label} {one.score:.3f} [{one.low:.3f}, {one.high:.3f}]"
        say(f"{one.run:<{width}}  {one.method}: {one.verdict}{score}")
    say(f"best        {found.best or 'none can be named'}")
    say(f"            {found.sentence}")
