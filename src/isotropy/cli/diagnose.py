"""`isotropy diagnose`: is it collapsing, by which numbers, and what to try."""

import json
import sys
from pathlib import Path

from isotropy.cli.show import say
from isotropy.diagnosis import diagnose as of_run
from isotropy.diagnostics.verdict import Verdict


def diagnose(folder: Path, *, as_json: bool) -> None:
    """Run `isotropy diagnose RUN`."""
    found = of_run(folder)
    if as_json:
        sys.stdout.write(json.dumps(found.to_json(), indent=1) + "\n")
    else:
        show(found)


def show(found: Verdict) -> None:
    """Print a verdict: its sentence, the numbers that it rests on, and what to try."""
    say(f"verdict     {found.name}: {found.sentence}")
    for one in found.evidence:
        say(
            f"            {one.number} is {one.value:.4g}, {one.relation} {one.threshold:.4g}, since step {one.since:,}"
        )
    for text in found.advice:
        say(f"try         {text}")
