"""The command of all papers: it trains what is missing, judges the claims, and writes the tables.

A script lists what it trains (`runs`, for one seed), claims and tables, and makes a `Paper` of them. A run that stands
in results.jsonl is not made again, unless with another recipe; one that was killed goes on from its last checkpoint.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import figures
import torch
from pages import Claim, Table, between_marks, table, verdicts
from results import Run, fill, say
from rows import Rows, read_rows

from isotropy.errors import nearest
from isotropy.io.atomic import write_atomically


@dataclass(frozen=True)
class Paper:
    """A script of papers/; results.jsonl, README.md (with the claims) and tables.md lie beside it.

    Attributes:
        script: its `__file__`. about: its docstring.
        runs: the runs for a folder of data sets and a seed. claims, tables: what is said of the rows.
        seeds: how many by default. prepare: what the tables show of them. back: more tables, in Markdown.
        panels: of the figure, in rows of `columns`; none for none.
    """

    script: str
    about: str
    runs: Callable[[Path | None, int], Iterable[Run]]
    claims: list[Claim]
    tables: list[Table]
    seeds: int = 3
    prepare: Callable[[Rows], Rows] = lambda rows: rows
    back: Callable[[Rows], list[str]] = lambda rows: []
    panels: Callable[[Rows], Sequence[figures.Panel]] = lambda rows: []
    columns: int = 3

    def path(self, name: str) -> Path:
        """Return a file beside the script."""
        return Path(self.script).with_name(name)

    def pages(self) -> dict[Path, str]:
        """Return the text of both pages, made from the results."""
        rows, readme = read_rows(self.path("results.jsonl")), self.path("README.md").read_text()
        made = self.back(rows) + [table(self.prepare(rows), each) for each in self.tables]
        title, note = readme.partition("\n")[0], "Made from results.jsonl; claims and verdicts: [README](README.md)."
        return {
            self.path("README.md"): between_marks(readme, verdicts(rows, self.claims)),
            self.path("tables.md"): "\n\n".join([f"{title}: the tables", note, *made]) + "\n",
        }

    def main(self) -> None:
        """Serve the command line: make what is missing, then the pages."""
        parser = argparse.ArgumentParser(description=self.about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument(
            "--data", type=Path, help="folder of the data sets (papers/data_sets.py names their sources)"
        )
        parser.add_argument("--seeds", type=int, default=self.seeds)
        parser.add_argument("--only", nargs="*", default=[], help="studies, data sets or variants")
        parser.add_argument("--table", action="store_true", help="write the pages from the rows that are there")
        parser.add_argument("--quick", action="store_true", help="make one seed of every run in a moment, keep nothing")
        options = parser.parse_args()
        torch.set_num_threads(1)
        seeds = 0 if options.table else 1 if options.quick else options.seeds
        wanted = (run for seed in range(seeds) for run in self.runs(options.data, seed))
        if options.only:
            known = {name for run in self.runs(options.data, 0) for name in (run.study, run.data, run.variant)}
            for name in set(options.only) - known:
                parser.error(f"--only: no study, data set or variant {name!r}{nearest(name, sorted(known))}")
            wanted = (run for run in wanted if {run.study, run.data, run.variant} & set(options.only))
        if options.quick:
            for run in wanted:
                say(run, run.make(True))
            sys.exit()
        fill(self.path("results.jsonl"), wanted)
        for path, text in self.pages().items():
            write_atomically(path, text.encode())
        panels, figure = self.panels(read_rows(self.path("results.jsonl"))), self.path("figure.svg")
        if panels and not figures.shows(figure, panels):
            write_atomically(figure, figures.drawn(panels, self.columns))
