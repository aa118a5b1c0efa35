"""Methods and modalities at equal budget: is any of them a dead row?

    python experiments/matrix.py --data DIR --screen             one seed, 20 s
    python experiments/matrix.py --data DIR                      three seeds, 40 s
    python experiments/matrix.py --data DIR --only lfr har       some methods, some data sets
    python experiments/matrix.py --table [--screen]              what is there, as Markdown

DIR holds fashion_mnist.npz, uci_har.npz, epilepsy.npz, adult.parquet and dry_bean.parquet as their sources describe
them; the digits come with scikit-learn. Every method of the registry runs on Fashion-MNIST, HAR and Adult where its
`modalities` say that it can, and the papers' own methods on the other three, too. A budget of 40 s is 80 *processor
seconds* of the training loop in one process with one thread: what two cores have in that time, counted so that a busy
machine changes nothing. How many epochs that is, is measured once per method and data set, and is the same for all
seeds. There are as many processes at once as --jobs. What is there already is not made again, unless it failed or
its settings are others now; several calls may write to the same files at the same time.

The verdict: a method beats the random encoder on a data set where, for every seed, the 95% interval of its linear
accuracy minus that of the same encoder before training, paired over test rows, lies above 0 (+ in the table; - where
all lie below).
"""

import argparse
import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix_data import DATA
from matrix_run import PROBE_ROWS, WATCHED, baseline, digest, one
from matrix_table import table, verdicts

from isotropy.atomic import write_atomically
from isotropy.errors import UserError
from isotropy.methods import METHODS
from isotropy.recipe import MODALITIES

PAPERS = {"lfr", "music", "cissl", "dissl", "center", "center_subtraction", "lejepa"}
PAPERS |= {"simclr", "byol", "swav", "simsiam", "barlow_twins", "dino"}
BASELINE = "baseline"
PROTOCOL = (
    f"One process and one thread a run. Probes learn from at most {PROBE_ROWS} stratified training rows and are "
    f"scored on at most {PROBE_ROWS} stratified test rows, the same for all (seed 0). Intervals: 95% bootstrap over "
    "test rows; gain: trained minus untrained encoder of the same seed, paired. processor_seconds: of the training "
    f"loop. effective_rank and mean_norm: on {WATCHED} training rows. right: which test rows were right, as bits."
)


@dataclass(frozen=True)
class Job:
    """One run: a method (or the baselines) on a data set with a seed."""

    method: str
    data: str
    seed: int

    @property
    def modality(self) -> str:
        """Where its result is kept."""
        return DATA[self.data].modality


def modalities(method: str) -> tuple[str, ...]:
    """Return the modalities that a method says it is for; all where it says nothing."""
    return tuple(getattr(METHODS[method], "modalities", MODALITIES))


def chosen(only: Iterable[str], modality: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (method, data set) pairs of the matrix that are asked for; nothing given means all."""
    names = set(only)
    unknown = names - set(METHODS) - set(DATA)
    if unknown:
        raise SystemExit(f"no method and no data set: {', '.join(sorted(unknown))}")
    methods, sets = names & set(METHODS) or set(METHODS), names & set(DATA) or set(DATA)
    kinds = set(modality) or set(MODALITIES)
    return [
        (method, name)
        for method in METHODS
        for name, about in DATA.items()
        if method in methods and name in sets and about.modality in kinds and about.modality in modalities(method)
        if not about.papers or method in PAPERS or set(modalities(method)) < set(MODALITIES)
    ]


class Kept:
    """The JSON files, one per modality, and the lock under which they are changed."""

    def __init__(self, folder: Path, runs: Path, stage: str) -> None:
        self.folder, self.lock, self.stage = folder, runs / "lock", stage

    def path(self, modality: str) -> Path:
        """Return the file of a modality."""
        return self.folder / f"matrix-{modality}.json"

    def read(self, modality: str) -> dict[str, Any]:
        """Return what is there."""
        path = self.path(modality)
        empty = {"modality": modality, "protocol": PROTOCOL, "baselines": {}, "screen": {}, "full": {}}
        return json.loads(path.read_text()) if path.exists() else empty

    def cell(self, method: str, data: str) -> dict[str, Any]:
        """Return what is there of a method on a data set."""
        return self.read(DATA[data].modality)[self.stage].get(data, {}).get(method, {})

    @contextmanager
    def changing(self, modality: str) -> Iterator[dict[str, Any]]:
        """Hand out what is there, and write it when it was changed; one process at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self.read(modality)
            yield content
            write_atomically(self.path(modality), written({**content, "protocol": PROTOCOL}).encode())

    def keep(self, job: Job, result: dict[str, Any], settings: dict[str, Any]) -> None:
        """Add a result: baselines to those of the data set, an entry to its cell, in place of a stale one."""
        with self.changing(job.modality) as content:
            known = content["baselines"].setdefault(job.data, {})
            known.setdefault("untrained", {}).update(result.pop("untrained", {}))
            if job.method == BASELINE:
                known.update(result)
                return
            cells = content[self.stage].setdefault(job.data, {})
            if not current(cells.get(job.method, {}), settings):
                cells[job.method] = {**settings, "calibration": None, "seeds": {}}
            cell = cells[job.method]
            cell["calibration"] = result.get("calibration") or cell["calibration"]
            cell["seeds"][str(job.seed)] = result["entry"]


def written(content: dict[str, Any]) -> str:
    """Return JSON in which every innermost list or object stands on a line of its own.

    Example:
        >>> print(written({"a": {"b": [1, 2]}}), end="")
        {
         "a": {
          "b": [1, 2]
         }
        }
    """
    text = json.dumps(content, indent=1)
    return re.sub(r"[\[{]\n[^\[\]{}]*[\]}]", lambda found: "".join(_ends(found.group())), text) + "\n"


def _ends(text: str) -> tuple[str, str, str]:
    """Return a list or object on one line: its bracket, what it holds, its bracket."""
    return text[0], " ".join(text[1:-1].split()), text[-1]


def current(cell: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether a cell was made with these settings (digest, budget).

    Example:
        >>> current({"digest": "a", "seeds": {}}, {"digest": "a"}), current({}, {"digest": "a"})
        (True, False)
    """
    return all(cell.get(name) == value for name, value in settings.items())


def missing(cell: dict[str, Any], settings: dict[str, Any], seeds: Iterable[int]) -> list[int]:
    """Return the seeds that a cell has no result of, made with these settings; a run that failed is none.

    Example:
        >>> cell = {"digest": "a", "seeds": {"0": {"epochs": 3}, "1": {"failed": "why"}}}
        >>> missing(cell, {"digest": "a"}, range(3)), missing(cell, {"digest": "b"}, range(3))
        ([1, 2], [0, 1, 2])
    """
    there = cell["seeds"] if current(cell, settings) else {}
    return [seed for seed in seeds if str(seed) not in there or "failed" in there[str(seed)]]


def start(job: Job, options: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """Run a job in a process of its own with one thread, and return its result, or its one line if it failed."""
    command = [sys.executable, __file__, "--one", job.method, job.data, str(job.seed), *arguments]
    command += ["--data", str(options.data), "--out", str(options.out)]
    threads = {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}
    patience = 40 * options.seconds + 600
    try:
        done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return {"entry": {"seed": job.seed, "failed": f"no end after {patience:g} s"}}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
    return {"entry": {"seed": job.seed, "failed": lines[-1]}}


def fill(options: argparse.Namespace, pairs: list[tuple[str, str]]) -> None:
    """Make what is missing: the baselines, then every cell's first seed with its calibration, then the others."""
    kept = Kept(options.out, options.runs, "screen" if options.screen else "full")
    budget, seeds = 2 * options.seconds, range(1 if options.screen else options.seeds)
    settings = {pair: {"digest": digest(*pair), "budget": budget} for pair in pairs}

    def asked(pair: tuple[str, str], few: Iterable[int]) -> list[Job]:
        wanted = list(few) if options.force else missing(kept.cell(*pair), settings[pair], few)
        return [Job(*pair, seed) for seed in wanted]

    def run(job: Job) -> None:
        pair, arguments = (job.method, job.data), ["--processor", str(budget)]
        if pair in settings and job.seed != seeds[0]:
            if missing(kept.cell(*pair), settings[pair], seeds[:1]):
                return
            arguments = ["--epochs", str(kept.cell(*pair)["calibration"]["epochs"])]
        result = start(job, options, arguments)
        print(said(job, result), flush=True)
        if job.method != BASELINE or "entry" not in result:
            kept.keep(job, result, settings.get(pair, {}))

    wanted = [job for pair in pairs for job in asked(pair, seeds)]
    first = [job for job in wanted if job.seed == seeds[0]]
    lacking = {(job.data, job.seed) for job in wanted if lacks(kept.read(job.modality)["baselines"], job)}
    waves = [
        [Job(BASELINE, *pair) for pair in sorted(lacking)],
        first,
        [job for job in wanted if job.seed != seeds[0]],
    ]
    print(", ".join(f"{len(wave)} {what}" for wave, what in zip(waves, ("baselines", "first runs", "further runs"))))
    with ThreadPoolExecutor(options.jobs) as pool:
        for wave in waves:
            list(pool.map(run, wave))


def lacks(baselines: dict[str, Any], job: Job) -> bool:
    """Return whether a data set has no untrained encoder of the job's seed, or nothing at all."""
    known = baselines.get(job.data, {})
    return "free" not in known or job.seed not in {each["seed"] for each in known["untrained"].values()}


def said(job: Job, result: dict[str, Any]) -> str:
    """Return one line about a run that ended."""
    entry = result.get("entry", {})
    if "failed" in entry:
        return f"{job.data} {job.method} {job.seed}: failed: {entry['failed']}"
    if not entry:
        return f"{job.data} {job.method} {job.seed}"
    scores = {kind: entry[kind]["score"] for kind in ("linear", "knn")}
    gain = "{score:+.3f}, {low:+.3f} to {high:+.3f}".format(**entry["gain"]["linear"])
    return (
        f"{job.data} {job.method} {job.seed}: linear {scores['linear']:.3f} ({gain}), k-NN {scores['knn']:.3f}, "
        f"rank {entry['effective_rank']}, {entry['epochs']:g} epochs in {entry['processor_seconds']} s, "
        f"evaluated in {entry['evaluation_seconds']} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--modality", nargs="*", default=[], choices=MODALITIES)
    parser.add_argument("--only", nargs="*", default=[], help="methods and data sets")
    parser.add_argument("--screen", action="store_true", help="one seed at 20 s")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of training on two cores")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--force", action="store_true", help="also what is there already")
    parser.add_argument("--table", action="store_true", help="show what is there")
    parser.add_argument("--runs", type=Path, default=Path("runs/matrix"), help="where the lock lies")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "DATA", "SEED"), help="one run, its result as JSON")
    parser.add_argument("--processor", type=float, default=80.0, help="of --one: processor seconds")
    parser.add_argument("--epochs", type=float, help="of --one: instead of --processor")
    options = parser.parse_args()
    stage = "screen" if options.screen else "full"
    kept = Kept(options.out, options.runs, stage)
    if options.seconds is None:
        options.seconds = 20.0 if options.screen else 40.0
    if options.table:
        contents = [kept.read(kind) for kind in MODALITIES if not options.modality or kind in options.modality]
        print("\n\n".join([*(table(each, stage) for each in contents if each[stage]), verdicts(contents, stage)]))
    elif options.data is None:
        parser.error("--data DIR says where the data sets are")
    elif options.one:
        print(json.dumps(single(options, kept)))
    else:
        fill(options, chosen(options.only, options.modality))


def single(options: argparse.Namespace, kept: Kept) -> dict[str, Any]:
    """Make one run and return its result; a user's error ends it with one line."""
    method, name, seed = options.one[0], options.one[1], int(options.one[2])
    known = kept.read(DATA[name].modality)["baselines"].get(name, {})
    try:
        if method == BASELINE:
            return baseline(name, options.data, seed, known)
        budget = {"processor": options.processor, "epochs": options.epochs}
        return one(method, name, options.data, seed, known=known, **budget)
    except UserError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
