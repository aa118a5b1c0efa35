"""The pages of a paper, made from its rows: claims with their verdicts, and tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from rows import Difference, Rows, select

BEGIN, END = "<!-- made from results.jsonl -->", "<!-- end of what is made -->"
OPEN = "open: seeds are missing"
DAGGER = "† The seed varied weights and batches, but not the method's own draws (projectors, masks): to be made again."


@dataclass(frozen=True)
class Claim:
    """A claim of a paper; `criterion(rows of its studies)` returns result and verdict, or None: no rows yet.

    A claim about one data set of a study names it, and is judged, and marked, by the rows of that alone.
    """

    name: str
    place: str
    study: str | tuple[str, ...]
    criterion: Callable[[Rows], tuple[str, str] | None]
    data: str | None = None


@dataclass(frozen=True)
class Table:
    """A table over the rows of a study: a line for each value of `by`, a column for each number."""

    title: str
    study: str
    columns: dict[str, str]
    by: tuple[str, ...] = ("data", "variant")


def beside(gaps: dict[str, Difference | None], *, least: float = 0.0, seeds: int = 3) -> tuple[str, str] | None:
    """Return result and verdict of something beside others: more than `least` above each, by the interval's low end."""
    said = ", ".join(f"{gap} to {other}" for other, gap in gaps.items() if gap)
    if not said:
        return None
    if any(gap is None or gap.pairs < seeds for gap in gaps.values()):
        return said, OPEN
    return said, reproduced(all(gap is not None and gap.low > least for gap in gaps.values()))


def reproduced(holds: bool) -> str:
    """Return the verdict on a claim that was decided."""
    return "reproduced" if holds else "not reproduced"


def shown(values: list[float]) -> str:
    """Return a mean with its range, as 0.950 (0.940 to 0.960)."""
    center = float(np.mean(values))
    digits = 3 if abs(center) < 10 else 1
    if len(values) == 1 or min(values) == max(values):
        return f"{center:.{digits}f}"
    return f"{center:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def dagger(rows: Rows) -> str:
    """Return the mark of rows whose seed did not reach the method's own draws."""
    return " †" if any(row.get("seed_reached") is False for row in rows) else ""


def markdown(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown, with the dagger's line below where one of its cells has the mark."""
    heads, lines = list(heads), [list(line) for line in lines]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *lines])
    return f"{text}\n\n{DAGGER}" if "†" in text else text


def table(rows: Rows, about: Table) -> str:
    """Return the rows of a study in Markdown under its title: the mean over seeds with the range."""
    cells: dict[tuple[str, ...], Rows] = {}
    for row in select(rows, study=about.study):
        cells.setdefault(tuple(str(row[name]) for name in about.by), []).append(row)
    lines = []
    for names, group in cells.items():
        numbers = [[row[column] for row in group if row.get(column) is not None] for column in about.columns.values()]
        found = [shown(values) if values else "" for values in numbers]
        lines.append([*names[:-1], names[-1] + dagger(group), str(len(group)), *found])
    return f"**{about.title}**\n\n" + markdown([*about.by, "seeds", *about.columns], lines)


def verdicts(rows: Rows, claims: Iterable[Claim]) -> str:
    """Return claim, place, result and verdict of every claim in Markdown."""
    lines = []
    for claim in claims:
        studies = (claim.study,) if isinstance(claim.study, str) else claim.study
        of = [row for row in rows if row["study"] in studies and claim.data in (None, row["data"])]
        result, verdict = (of and claim.criterion(of)) or ("", "open: no runs")
        lines.append([claim.name, claim.place, result, verdict + dagger(of)])
    return markdown(["claim", "source", "result", "verdict"], lines)


def between_marks(text: str, made: str) -> str:
    """Return a page with `made` between its marks."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}"
