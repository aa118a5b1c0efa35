"""When a goal holds, on the ten sets of the report half."""

from typing import Any

import numpy as np
from pages import Claim
from rows import Rows, select

from defaults.halves import GOAL
from defaults.measured import ENDS
from isotropy.runs.auto import method_for


def sign(rows: Rows, column: str, end: str = "") -> str:
    """Return + where every seed's paired interval of a gain is above 0, - where all are below, else =."""
    gain = f"{column}_gain{end}"
    if any(row.get(f"{gain}_low") is None for row in rows):
        return ""
    gaps = [(row[f"{gain}_low"], row[f"{gain}_high"]) for row in rows]
    return "+" if all(low > 0 for low, _ in gaps) else "-" if all(high < 0 for _, high in gaps) else "="


def _counted(column: str, above: int, ends: tuple[str, ...], least: float = -1.0) -> Any:
    """Return a criterion: the method that is chosen for a set is above what is beside it on so many of the ten sets."""

    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = [own for name in GOAL if (own := chosen(rows, name))]
        marks = [{sign(one, column, end) for end in ends} for one in found]
        up, down = sum(mark == {"+"} for mark in marks), sum("-" in mark for mark in marks)
        gaps = [np.mean([row.get(f"{column}_gain{end}") or 0.0 for row in one]) for one in found for end in ends]
        worst = min(gaps, default=0.0)
        lost = down > 0 if least <= -1 else worst < least
        said = f"above on {up}, below on {down} of {len(found)} sets; worst {worst:+.3f}"
        return said, "holds" if up >= above and not lost and len(found) == len(GOAL) else "does not hold"

    return criterion


def _factors(ends: tuple[str, ...]) -> Any:
    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = [own for name in GOAL if (own := chosen(rows, name))]
        factors = [
            min(np.mean([row[f"label_factor{end}"] or np.inf for row in one]) for end in ends)
            for one in found
            if "label_factor" in one[0]
        ]
        three, five = (int(np.sum(np.array(factors) >= least)) for least in (3, 5))
        said = f"at least 3 on {three}, at least 5 on {five} of {len(found)}"
        return said, "holds" if three >= 4 and five >= 2 else "does not hold"

    return criterion


def chosen(rows: Rows, name: str) -> Rows:
    """Return the rows of a set that the method has which `auto` takes for it."""
    found = select(rows, study="report", data=name)
    if not found:
        return []
    facts = found[0]
    return select(found, variant=method_for(facts["modality"]))


PLACE = "goal, on ten sets of the report half"
CLAIMS = [
    claim
    for beside, ends in (("everything free", ENDS[:1]), ("that and our embedding untrained", ENDS))
    for claim in (
        Claim(f"10 labels a class: above {beside} on 7 of 10, below on none", PLACE, "report",
              _counted("few", 7, ends)),
        Claim(f"label factor at 10 a class beside {beside}: at least 3 on 4 sets, at least 5 on 2", PLACE, "report",
              _factors(ends)),
        Claim(f"all labels: above {beside} on 4 of 10, below on none", PLACE, "report", _counted("all", 4, ends)),
        Claim(f"search: above {beside} on 5 of 10, below by more than .01 on none", PLACE, "report",
              _counted("search", 5, ends, -0.01)),
    )
]  # fmt: skip
