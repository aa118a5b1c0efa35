"""The runner of all papers: it trains what is missing, judges the claims, and writes the tables.

A script lists what it trains (`runs`, for one seed), claims and tables, and makes a `Paper` of them. A run that stands
in results.jsonl is not made again, unless with another recipe; one that was killed goes on from its last checkpoint.
Rows are flat: study, data, variant, seed, digest, numbers.
"""

import argparse
import fcntl
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import figures
import numpy as np
import torch
from progress import Checkpoints as Checkpoints
from progress import Progress, alone
from progress import short as short
from scipy.stats import t
from torch import nn

from isotropy import Planned, Recipe, Stepped, train
from isotropy.data import Data
from isotropy.evaluation import baselines, knn_probe, linear_probe
from isotropy.evaluation.intervals import difference, interval
from isotropy.io.atomic import write_atomically
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared
from isotropy.training import Diverged

Row = dict[str, Any]
Rows = list[Row]
Vectors = tuple[Any, Any, Any, Any]
BEGIN, END = "<!-- made from results.jsonl -->", "<!-- end of what is made -->"
DAGGER = "† The seed varied weights and batches, but not the method's own draws (projectors, masks): to be made again."
QUICK_EPOCHS = 0.05
_WARM_UP_STEPS, _MEASURED_STEPS = 3, 8
_ENDS = {"score": "", "low": "_low", "high": "_high"}


@dataclass(frozen=True)
class Run:
    """One run: `make(quick)` trains and returns its numbers; `settings` is the text that its digest is of."""

    study: str
    data: str
    variant: str
    seed: int
    make: Callable[[bool], Row] = field(compare=False)
    settings: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What names the run in the results."""
        return self.study, self.data, self.variant, self.seed


@dataclass(frozen=True)
class Claim:
    """A claim of a paper; `criterion(rows of the study)` returns result and verdict, or None: no rows yet."""

    name: str
    place: str
    study: str
    criterion: Callable[[Rows], tuple[str, str] | None]


@dataclass(frozen=True)
class Table:
    """A table over the rows of a study: a line for each value of `by`, a column for each number."""

    title: str
    study: str
    columns: dict[str, str]
    by: tuple[str, ...] = ("data", "variant")


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences with its 95% t-interval over seeds; without bounds for one pair."""

    mean: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if self.pairs < 2:
            return f"{self.mean:+.3f} (one seed)"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def t_interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the mean with its 95% t-interval, which one value leaves open."""
    found = np.array(list(values), dtype=np.float64)
    center, count = float(found.mean()), len(found)
    half = float(t.ppf(0.975, count - 1) * found.std(ddof=1) / count**0.5) if count > 1 else float("inf")
    return center, center - half, center + half


def paired(
    rows: Rows, one: str, other: str, column: str = "linear", than: str = "", **values: Any
) -> Difference | None:
    """Return a number of a variant minus that (or number `than`) of another, over their common seeds, if any."""
    first, second = by_seed(rows, column, variant=one, **values), by_seed(rows, than or column, variant=other, **values)
    return differences(first, second)


def differences(first: dict[int, float], second: dict[int, float]) -> Difference | None:
    """Return first minus second over the seeds that both have; None where they have none in common."""
    seeds = sorted(first.keys() & second.keys())
    return Difference(*t_interval(first[seed] - second[seed] for seed in seeds), len(seeds)) if seeds else None


def select(rows: Rows, **values: Any) -> Rows:
    """Return the rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in values.items())]


def by_seed(rows: Rows, column: str, **values: Any) -> dict[int, float]:
    """Return a number of the selected rows by seed."""
    return {row["seed"]: row[column] for row in select(rows, **values) if row.get(column) is not None}


def dots(
    title: str, axis: str, rows: Rows, column: str, variants: dict[str, str], strong: Iterable[str] = (), **more: Any
) -> figures.Dots:
    """Return a panel with a number of variants, each under its name; those without rows are left out."""
    found = [(name, sorted(by_seed(rows, column, variant=variant).values())) for variant, name in variants.items()]
    return figures.Dots(title, axis, [line for line in found if line[1]], strong=tuple(strong), **more)


def mean(rows: Rows, column: str, **values: Any) -> float:
    """Return the mean of a number over the selected rows."""
    return float(np.mean([row[column] for row in select(rows, **values)]))


def reproduced(holds: bool) -> str:
    """Return the verdict on a claim that was decided."""
    return "reproduced" if holds else "not reproduced"


# Training and scores


@dataclass(frozen=True)
class Trained:
    """What a run left: `prepared` holds the trained method, `row` says what it took."""

    prepared: Prepared
    row: Row


def train_once(
    recipe: Recipe,
    data: Data,
    *,
    cpu_seconds: float | None = None,
    quick: bool = False,
    change: Callable[[Any], object] | None = None,
    watch: Callable[[Prepared, Any], object] | None = None,
) -> Trained:
    """Train once, for the recipe's epochs or for a budget; within `fill` a training that was killed goes on.

    Args:
        cpu_seconds: the budget. A schedule that decays ends with it; a constant rate is cut off by it.
        quick: train for a moment, to see that it runs.
        change: what is done to the method before it trains, such as a fault injected.
        watch: called before the first step with None, and after every one with it; its time is not counted. What is
            watched by anything but `Checkpoints` begins again.
    """
    constant = recipe.optim.final == 1.0
    kept = Progress.of(recipe, watch)
    if quick:
        cpu_seconds, recipe = None, recipe.changed({"train.epochs": QUICK_EPOCHS})
    elif cpu_seconds is not None and not constant and not kept.resumes:
        recipe = recipe.changed({"train.epochs": epochs_within(recipe, data, cpu_seconds)})
    _load()
    begin = 0.0
    try:
        for event in train(data, monitor=False, **kept.arguments(recipe)):
            if isinstance(event, Planned):
                prepared = event.prepared
                if change is not None:
                    change(prepared.method)
                if watch is not None and not kept.resumes:
                    watch(prepared, None)
            elif isinstance(event, Stepped):
                spent, step = kept.spent + process_time() - begin, event.step
                if constant and cpu_seconds is not None and spent > cpu_seconds:
                    event.stop(save=False)
                if watch is not None:
                    watch(prepared, step)
                kept.add({"steps": step.number, "epochs": step.epoch, "cpu_seconds": spent, "loss": step.loss})
            else:
                break
            begin = process_time()
    except Diverged:
        kept.remove()
        raise
    kept.remove()
    prepared.method.encoder.eval()
    digits = {"epochs": 2, "cpu_seconds": 1, "loss": 4}
    row = {name: round(value, digits.get(name)) for name, value in kept.last.items()}
    return Trained(prepared, row | {"width": prepared.method.encoder.width})


@cache
def _load() -> None:
    # torch loads for seconds at the first step of an optimiser, which is no run's time.
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight]).step()


def epochs_within(recipe: Recipe, data: Data, cpu_seconds: float) -> float:
    """Return how many epochs take so many CPU seconds, measured on a few steps, with three digits.

    Not `train`'s own budget, which is of seconds by the clock: runs share the machine (decision 0013).
    """
    times = []
    for event in train(data, recipe.changed({"train.epochs": 1000.0}), monitor=False):
        if isinstance(event, Planned):
            rows_per_epoch = len(event.prepared.dataset) * event.prepared.method.passes_per_epoch
        elif isinstance(event, Stepped):
            times.append(process_time())
            if len(times) == _WARM_UP_STEPS + _MEASURED_STEPS:
                event.stop(save=False)
    per_step = (times[-1] - times[_WARM_UP_STEPS - 1]) / _MEASURED_STEPS
    return float(f"{max(cpu_seconds / per_step, 1.0) * recipe.train.batch_size / rows_per_epoch:.3g}")


def spread_rows(prepared: Prepared, most: int) -> Any:
    """Return row numbers of at most so many training rows, spread over them."""
    return prepared.train[np.linspace(0, len(prepared.train) - 1, min(most, len(prepared.train))).astype(int)]


def embedded(prepared: Prepared, rows: Any, encoder: nn.Module | None = None) -> Any:
    """Return the vectors of rows, by the method's encoder or another."""
    chosen = prepared.rows[torch.from_numpy(rows)]
    return embed_rows(encoder or prepared.method.encoder, prepared.preprocess.to_input, chosen)


def features(prepared: Prepared, encoder: nn.Module | None = None, parts: Any = None) -> Vectors:
    """Return training vectors and labels, test vectors and labels; `parts` are other row numbers of both."""
    labels, (train_rows, test_rows) = np.asarray(prepared.data.labels), parts or (prepared.train, prepared.test)
    x, y = (embedded(prepared, rows, encoder) for rows in (train_rows, test_rows))
    return x, labels[train_rows], y, labels[test_rows]


def baseline(prepared: Prepared, which: str, parts: Any = None) -> Vectors:
    """Return the vectors of what needs no training, by the beginning of its name, with labels, as `features` does."""
    if which.startswith("untrained"):
        return features(prepared, prepared.untrained().eval(), parts)
    labels, parts = np.asarray(prepared.data.labels), parts or (prepared.train, prepared.test)
    stored = [prepared.rows[torch.from_numpy(part)] for part in parts]
    raw = [prepared.preprocess.features(rows) for rows in stored]
    series = [rows.numpy() for rows in stored] if prepared.recipe.modality == "series" else None
    found = baselines.collect(*raw, width=prepared.method.encoder.width, series=series)
    x, y = next(pair for name, pair in found.items() if name.startswith(which))
    return x, labels[parts[0]], y, labels[parts[1]]


def scored(name: str, terms: Any) -> Row:
    """Return an accuracy with its 95% interval over test rows, from which rows were right."""
    found = interval("classes", terms)
    return {f"{name}{end}": round(found[key], 4) for key, end in _ENDS.items()}


def probe(vectors: Vectors, before: Row | None = None, prefix: str = "") -> Row:
    """Return linear and k-NN accuracy with 95% intervals over test rows, and the paired gain over `before`.

    The entries "right" say which test rows a probe got right: they are for the next call and are not kept.
    """
    found: Row = {}
    for name, kind in (("linear", linear_probe), ("knn", knn_probe)):
        terms = kind(*vectors, metric="accuracy").terms
        found |= scored(f"{prefix}{name}", terms) | {f"right {name}": terms}
        if before is not None:
            gain = difference("classes", terms, before[f"right {name}"])
            found |= {f"gain_{name}{end}": round(gain[key], 4) for key, end in _ENDS.items()}
    return found


def few_labels(vectors: Vectors, *, seed: int, labels: int = 10, draws: int = 5) -> float:
    """Return the linear accuracy with so many labels a class, the mean over draws."""
    x, y, x_test, y_test = vectors
    draw, scores = np.random.default_rng(seed), []
    for _ in range(draws):
        rows = np.concatenate([draw.permutation(np.flatnonzero(y == each))[:labels] for each in np.unique(y)])
        scores.append(linear_probe(x[rows], y[rows], x_test, y_test, metric="accuracy", seed=seed).score)
    return round(float(np.mean(scores)), 4)


def beside_untrained(prepared: Prepared) -> Row:
    """Return the scores of a trained encoder and those of the same encoder before training."""
    return probe(baseline(prepared, "untrained"), prefix="untrained_") | probe(features(prepared))


def measured(recipe: Recipe, data: Data, cpu_seconds: float | None = None, *, quick: bool) -> Row:
    """Return a row: what a run took, its scores, and those of the same encoder before training."""
    made = train_once(recipe, data, cpu_seconds=cpu_seconds, quick=quick)
    return made.row | beside_untrained(made.prepared)


# Results


def digest(settings: str) -> str:
    """Return a short digest of a recipe's TOML (or of any text that settles a run) without its seed."""
    lines = [line for line in settings.splitlines() if not line.startswith("seed = ")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def read_rows(path: Path) -> Rows:
    """Return the rows of a file of results, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key_of(row: Row) -> tuple[str, str, str, int]:
    """Return what names a row."""
    return row["study"], row["data"], row["variant"], row["seed"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Two calls may fill the same results.
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(path: Path, run: Run, numbers: Row) -> Row:
    """Write a run's row, in place of a stale one; the file is always whole."""
    row = dict(zip(("study", "data", "variant", "seed"), run.key)) | {"digest": digest(run.settings), **numbers}
    row = {name: value for name, value in row.items() if not name.startswith("right ")}
    with _locked(path):
        rows = [old for old in read_rows(path) if key_of(old) != run.key] + [row]
        write_atomically(path, ("\n".join(json.dumps(each) for each in rows) + "\n").encode())
    return row


def fill(path: Path, runs: Iterable[Run]) -> None:
    """Make the runs that have no row of today's recipe, each in one process; killed, it goes on from a checkpoint.

    A row without a digest counts as one, and is named, unless the seed did not reach its method.
    """
    for run in runs:
        rows = [row for row in read_rows(path) if key_of(row) == run.key and row.get("seed_reached") is not False]
        digests = [row.get("digest") for row in rows]
        if None in digests:
            print(
                f"{run.key}: skipped, its row has no digest (converted from older results): its recipe is not checked"
            )
        elif digest(run.settings) not in digests:
            with alone(path.with_name("unfinished") / digest(f"{run.key} {run.settings}")) as mine:
                if mine:
                    _say(run, keep(path, run, run.make(False)))
                else:
                    print(f"{run.key}: skipped, another process makes it")


def _say(run: Run, row: Row) -> None:
    print(run.key, {name: value for name, value in row.items() if isinstance(value, int | float)}, flush=True)


# Pages


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
        of = select(rows, study=claim.study)
        result, verdict = (of and claim.criterion(of)) or ("", "open: no runs")
        lines.append([claim.name, claim.place, result, verdict + dagger(of)])
    return markdown(["claim", "source", "result", "verdict"], lines)


def between_marks(text: str, made: str) -> str:
    """Return a page with `made` between its marks."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}"


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
    panels: Callable[[Rows], list[figures.Panel]] = lambda rows: []
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
            wanted = (run for run in wanted if {run.study, run.data, run.variant} & set(options.only))
        if options.quick:
            for run in wanted:
                _say(run, run.make(True))
            sys.exit()
        fill(self.path("results.jsonl"), wanted)
        for path, text in self.pages().items():
            write_atomically(path, text.encode())
        panels, figure = self.panels(read_rows(self.path("results.jsonl"))), self.path("figure.svg")
        if panels and not figures.shows(figure, panels):
            write_atomically(figure, figures.drawn(panels, self.columns))
