"""The runner of all papers: it trains what is missing, judges the claims, and writes the tables into the READMEs.

A script of a paper lists its `Run`s, `Claim`s and `Table`s and calls `main`. A run that stands in results.jsonl is
not made again; a run that stands there with another recipe is stale and is. Every row is flat: study, data, variant,
seed, digest, and numbers.

    python papers/music/music.py                what is missing, then the README
    python papers/music/music.py --table        the README alone
    python papers/music/music.py --quick --data DIR     one seed of everything in seconds, nothing is kept
"""

import argparse
import copy
import fcntl
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.stats import t
from torch import nn

from isotropy.data import Data
from isotropy.evaluation import knn_probe, linear_probe
from isotropy.evaluation.intervals import difference, interval
from isotropy.io.atomic import write_atomically
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

Row = dict[str, Any]
Rows = list[Row]
BEGIN, END = "<!-- made from results.jsonl -->", "<!-- end of what is made -->"
DAGGER = "† The seed varied weights and batches, but not the method's own draws (projectors, masks): to be made again."
QUICK_SECONDS, QUICK_EPOCHS = 0.5, 0.05
_WARM_UP_STEPS, _MEASURED_STEPS = 3, 8


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
    only: Callable[[Row], bool] = lambda row: True


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


def paired(first: dict[int, float], second: dict[int, float]) -> Difference | None:
    """Return first minus second over the seeds that both have; None where they have none in common."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return Difference(mean, float("-inf"), float("inf"), count)
    half = float(t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)
    return Difference(mean, mean - half, mean + half, count)


def select(rows: Rows, **values: Any) -> Rows:
    """Return the rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in values.items())]


def by_seed(rows: Rows, column: str, **values: Any) -> dict[int, float]:
    """Return a number of the selected rows by seed."""
    return {row["seed"]: row[column] for row in select(rows, **values) if row.get(column) is not None}


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
    recipe: Recipe | Prepared,
    data: Data | None = None,
    *,
    cpu_seconds: float | None = None,
    quick: bool = False,
    at_step: Callable[[Any], object] | None = None,
) -> Trained:
    """Train once, for the recipe's epochs or for a budget; the one place where papers/ calls the training loop.

    Args:
        recipe: or what was prepared from it.
        data: needed with a recipe.
        cpu_seconds: the budget. A schedule that decays ends with it; a constant rate is cut off by it.
        quick: train for a moment, to see that it runs.
        at_step: called with every step; its time is not counted.
    """
    prepared = recipe if isinstance(recipe, Prepared) else prepare(recipe, data)
    if quick:
        cpu_seconds, prepared = None, prepared.with_epochs(QUICK_EPOCHS)
    constant = prepared.recipe.optim.final == 1.0
    if cpu_seconds is not None and not constant:
        prepared = prepared.with_epochs(epochs_within(prepared, cpu_seconds))
    _load()
    spent, begin, step = 0.0, process_time(), None
    arguments = prepared.recipe.train.arguments()
    for step in fit(prepared.method, prepared.dataset, prepared.views, optim=prepared.recipe.optim, **arguments):
        if at_step is not None:
            spent += process_time() - begin
            at_step(step)
            begin = process_time()
        if constant and cpu_seconds is not None and spent + process_time() - begin > cpu_seconds:
            break
    assert step is not None
    spent += process_time() - begin
    prepared.method.encoder.eval()
    row = {"steps": step.number, "epochs": round(step.epoch, 2), "cpu_seconds": round(spent, 1)}
    return Trained(prepared, row | {"loss": round(step.loss, 4), "width": prepared.method.encoder.width})


@cache
def _load() -> None:
    """Take one step of an optimiser: torch loads for seconds when it does so first, which is no run's time."""
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight]).step()


def epochs_within(prepared: Prepared, cpu_seconds: float) -> float:
    """Return how many epochs take so many CPU seconds, measured on a few steps of a copy, with three digits."""
    train, times = prepared.recipe.train, []
    arguments = train.arguments() | {"epochs": 1000.0}
    method = copy.deepcopy(prepared.method)
    for step in fit(method, prepared.dataset, prepared.views, optim=prepared.recipe.optim, **arguments):
        times.append(process_time())
        if step.number == _WARM_UP_STEPS + _MEASURED_STEPS:
            break
    per_step = (times[-1] - times[_WARM_UP_STEPS - 1]) / _MEASURED_STEPS
    passes = prepared.method.passes_per_epoch
    return float(f"{max(cpu_seconds / per_step, 1.0) * train.batch_size / len(prepared.dataset) / passes:.3g}")


def features(prepared: Prepared, encoder: nn.Module | None = None, parts: Any = None) -> tuple[Any, Any, Any, Any]:
    """Return training vectors and labels, test vectors and labels; `parts` are other row numbers of both."""
    encoder, labels = encoder or prepared.method.encoder, np.asarray(prepared.data.labels)
    found = []
    for index in parts or (prepared.train, prepared.test):
        rows = prepared.rows[torch.from_numpy(index)]
        found += [embed_rows(encoder, prepared.preprocess.to_input, rows), labels[index]]
    return tuple(found)  # type: ignore[return-value]


def raw_features(prepared: Prepared) -> tuple[Any, Any, Any, Any]:
    """Return the values themselves as vectors."""
    labels = np.asarray(prepared.data.labels)
    x, y = (
        prepared.preprocess.features(prepared.rows[torch.from_numpy(part)]) for part in (prepared.train, prepared.test)
    )
    return x, labels[prepared.train], y, labels[prepared.test]


def probe(vectors: tuple[Any, Any, Any, Any], before: Row | None = None, prefix: str = "") -> Row:
    """Return linear and k-NN accuracy with 95% intervals over test rows, and the paired gain over `before`.

    The entries "right" say which test rows a probe got right: they are for the next call and are not kept.
    """
    found: Row = {}
    for name, kind in (("linear", linear_probe), ("knn", knn_probe)):
        made = kind(*vectors)
        spread = interval(made.task, made.terms)
        found |= {f"{prefix}{name}{end}": round(spread[key], 4) for key, end in _ENDS.items()}
        found[f"right {name}"] = made.terms
        if before is not None:
            gain = difference(made.task, made.terms, before[f"right {name}"])
            found |= {f"gain_{name}{end}": round(gain[key], 4) for key, end in _ENDS.items()}
    return found


_ENDS = {"score": "", "low": "_low", "high": "_high"}


def measured(recipe: Recipe | Prepared, data: Data | None, *, quick: bool, cpu_seconds: float | None = None) -> Row:
    """Return a row: what a run took, its scores, and those of the same encoder before training."""
    prepared = recipe if isinstance(recipe, Prepared) else prepare(recipe, data)
    untrained = probe(features(prepared, copy.deepcopy(prepared.method.encoder).eval()), prefix="untrained_")
    made = train_once(prepared, cpu_seconds=cpu_seconds, quick=quick)
    return made.row | untrained | probe(features(made.prepared))


def with_method(prepared: Prepared, method: nn.Module) -> Prepared:
    """Return the same with another method, for example one that wraps the encoder anew."""
    return replace(prepared, method=method)


# Results


def digest(settings: str) -> str:
    """Return a short digest of a recipe's TOML (or of any text that settles a run) without its seed."""
    lines = [line for line in settings.splitlines() if not line.startswith("seed = ")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def read_rows(path: Path) -> Rows:
    """Return the rows of a file of results, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def finished(rows: Rows, run: Run) -> bool:
    """Return whether a run has a row, made with today's recipe; rows from before there were digests count."""
    digests = [row.get("digest") for row in rows if key_of(row) == run.key]
    return any(found is None or found == digest(run.settings) for found in digests)


def key_of(row: Row) -> tuple[str, str, str, int]:
    """Return what names a row."""
    return row["study"], row["data"], row["variant"], row["seed"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change a file: two calls may fill the same results."""
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
    """Make the runs that have no row yet."""
    for run in runs:
        if not finished(read_rows(path), run):
            row = keep(path, run, run.make(False))
            print(run.key, {k: v for k, v in row.items() if isinstance(v, int | float)}, flush=True)


# READMEs


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
    """Return the rows of a study in Markdown: the mean over seeds with the range."""
    rows = [row for row in rows if row["study"] == about.study and about.only(row)]
    cells: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        cells.setdefault(tuple(str(row[name]) for name in about.by), []).append(row)
    lines = []
    for names, group in cells.items():
        numbers = []
        for column in about.columns.values():
            values = [row[column] for row in group if row.get(column) is not None]
            numbers.append(shown(values) if values else "")
        lines.append([*names[:-1], names[-1] + dagger(group), str(len(group)), *numbers])
    return markdown([*about.by, "seeds", *about.columns], lines)


def verdicts(rows: Rows, claims: Iterable[Claim]) -> str:
    """Return claim, place, result and verdict of every claim in Markdown."""
    lines = []
    for claim in claims:
        of = select(rows, study=claim.study)
        result, verdict = (of and claim.criterion(of)) or ("", "open: no runs")
        lines.append([claim.name, claim.place, result, verdict + dagger(of)])
    return markdown(["claim", "source", "result", "verdict"], lines)


def block(rows: Rows, claims: Iterable[Claim], tables: Iterable[Table]) -> str:
    """Return what stands between the marks of a README."""
    parts = [verdicts(rows, claims)] if claims else []
    return "\n\n".join([*parts, *(f"**{each.title}**\n\n{table(rows, each)}" for each in tables)])


def between_marks(text: str, made: str) -> str:
    """Return a page with `made` between its marks."""
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}"


def main(
    script: str,
    about: str,
    runs: Callable[[Path | None, int], Iterable[Run]],
    page: Callable[[Rows], str],
    seeds: int = 3,
) -> None:
    """Serve the command line of a paper's script.

    Args:
        script: its `__file__`; results.jsonl and README.md lie beside it.
        about: its docstring.
        runs: returns the runs for a folder of data sets and a number of seeds.
        page: returns what stands between the README's marks.
        seeds: by default.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data sets (papers/data.py names their sources)")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--only", nargs="*", default=[], help="studies, data sets or variants")
    parser.add_argument("--table", action="store_true", help="write the README from the rows that are there")
    parser.add_argument("--quick", action="store_true", help="make one seed of every run in a moment, keep nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path, readme = Path(script).with_name("results.jsonl"), Path(script).with_name("README.md")
    wanted = [] if options.table else runs(options.data, 1 if options.quick else options.seeds)
    if options.only:
        wanted = (run for run in wanted if {run.study, run.data, run.variant} & set(options.only))
    if options.quick:
        for run in wanted:
            row = run.make(True)
            print(run.key, {k: v for k, v in row.items() if isinstance(v, int | float)}, flush=True)
        sys.exit()
    fill(path, wanted)
    write_atomically(readme, between_marks(readme.read_text(), page(read_rows(path))).encode())
