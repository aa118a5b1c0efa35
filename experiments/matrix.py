"""Methods and modalities at equal budget: is any of them a dead row?

    python experiments/matrix.py --data DIR --seeds 1            the screen: one seed, 40 processor seconds
    python experiments/matrix.py --data DIR                      three seeds
    python experiments/matrix.py --data DIR --only lfr har       some methods, some data sets
    python experiments/matrix.py --data DIR --longer --only ...  four times as long, kept beside the others
    python experiments/matrix.py --table [--longer]              what is there, as Markdown

DIR holds fashion_mnist.npz, uci_har.npz, epilepsy.npz, adult.parquet and dry_bean.parquet as their sources describe
them; the digits come with scikit-learn. Every method of the registry runs on Fashion-MNIST, HAR and Adult where its
`modalities` say that it can, and the papers' own methods, those for one modality alone, and those that the first data
set of a modality did not tell from their encoder before training, on the other three, too.
The budget is 40 *processor seconds* of the training loop in one process with one thread, so that two runs are made at
once on two cores. How many epochs that is, is measured once per method and data set, and is the same for all seeds; a
neighbour on the same core can still double the seconds that they take (the results say what they were). There are as
many processes at once as --jobs; each makes many runs. What is there already is not made again, unless it failed or its
settings are others now; several calls may write to the same files at the same time.

The verdict: + in the table says that for every seed the 95% interval of the accuracy minus that of the same encoder
before training, paired over test rows, lies above 0, - that all lie below. A method beats the random encoder on a data
set where one probe has a + and neither a -.
"""

import argparse
import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from matrix_data import DATA
from matrix_run import PROBE_ROWS, WATCHED, digest
from matrix_table import equivariant, table, verdicts
from matrix_worker import BASELINE, Job, Worker, made

from isotropy.errors import UserError
from isotropy.io.atomic import write_atomically
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES

# The papers' own methods, and one to compare them with.
PAPERS = {"lfr", "music", "cissl", "dissl", "center", "center_subtraction", "simclr"}
# Methods for one modality alone have no second one to be useful on: they run on both of its data sets.
ALONE = {name for name, kind in METHODS.items() if len(kind.modalities) == 1}
# Not told from the untrained encoder on HAR or Adult: the modality's second data set is asked, too.
UNSETTLED = {"simsiam", "barlow_twins", "stab", "diet"}
STAGES = ("full", "longer")
LONGER = 4  # Times the budget, for methods of which the budget is thought to be the reason.
PROTOCOL = (
    f"One process and one thread a run. Probes learn from at most {PROBE_ROWS} stratified training rows and are "
    f"scored on at most {PROBE_ROWS} stratified test rows, the same for all (seed 0). Intervals: 95% bootstrap over "
    "test rows; gain: trained minus untrained encoder of the same seed, paired. processor_seconds: of the training "
    f"loop. effective_rank and mean_norm: on {WATCHED} training rows. right: which test rows were right, as bits."
)


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
        if method in (about.hosts or (PAPERS | ALONE | UNSETTLED if about.papers else METHODS))
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
        empty = {"modality": modality, "protocol": PROTOCOL, "baselines": {}, "full": {}, "longer": {}}
        return json.loads(path.read_text()) if path.exists() else empty

    def cell(self, method: str, data: str) -> dict[str, Any]:
        """Return what is there of a method on a data set."""
        return self.read(DATA[data].modality)[self.stage].get(data, {}).get(method, {})

    def per_epoch(self, method: str, data: str) -> float | None:
        """Return the processor seconds of an epoch, if they were measured in either stage with today's settings."""
        content = self.read(DATA[data].modality)
        for stage in (self.stage, *STAGES):
            cell = content[stage].get(data, {}).get(method, {})
            if cell.get("digest") == digest(method, data) and cell.get("calibration"):
                return float(cell["calibration"]["seconds_per_epoch"])
        return None

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


def fill(options: argparse.Namespace, pairs: list[tuple[str, str]]) -> None:
    """Make what is missing: the baselines, then cell by cell the first seed with its calibration and the others."""
    kept = Kept(options.out, options.runs, stage_of(options))
    budget, seeds = LONGER * options.seconds if options.longer else options.seconds, range(options.seeds)
    settings = {pair: {"digest": digest(*pair), "budget": budget} for pair in pairs}
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(options.jobs):
        workers.put(Worker(options.data, patience=20 * budget + 600))

    def run(job: Job, **budget: float | None) -> dict[str, Any]:
        worker = workers.get()
        known = kept.read(job.modality)["baselines"].get(job.data, {})
        result = worker.run(job, known, **budget)
        workers.put(worker)
        print(said(job, result), flush=True)
        if job.method != BASELINE or "entry" not in result:
            kept.keep(job, result, settings.get((job.method, job.data), {}))
        return result.get("entry", {})

    def cell(pair: tuple[str, str]) -> None:
        for seed in seeds if options.force else missing(kept.cell(*pair), settings[pair], seeds):
            epochs = kept.cell(*pair)["calibration"]["epochs"] if seed != seeds[0] else None
            entry = run(Job(*pair, seed), processor=budget, per_epoch=kept.per_epoch(*pair), epochs=epochs)
            if "failed" in entry and seed == seeds[0]:
                return

    wanted = [pair for pair in pairs if options.force or missing(kept.cell(*pair), settings[pair], seeds)]
    lacking = {(name, seeds[0]) for _, name in wanted if lacks(kept.read(DATA[name].modality)["baselines"], name)}
    print(f"{len(lacking)} baselines, {len(wanted)} cells", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda pair: run(Job(BASELINE, *pair)), sorted(lacking)))
        list(pool.map(cell, wanted))
    while not workers.empty():
        workers.get().close()


def stage_of(options: argparse.Namespace) -> str:
    """Return which results are meant: those at the budget of all, or the longer runs."""
    return "longer" if options.longer else "full"


def lacks(baselines: dict[str, Any], data: str) -> bool:
    """Return whether a data set has no baselines yet; untrained encoders are added by the runs that begin with them."""
    return "free" not in baselines.get(data, {})


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
    parser.add_argument("--longer", action="store_true", help=f"{LONGER} times the budget")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0, help="processor seconds of training")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--force", action="store_true", help="also what is there already")
    parser.add_argument("--table", action="store_true", help="show what is there")
    parser.add_argument("--runs", type=Path, default=Path("runs/matrix"), help="where the lock lies")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "DATA", "SEED"), help="one run, its result as JSON")
    parser.add_argument("--processor", type=float, default=40.0, help="of --one: processor seconds")
    parser.add_argument("--epochs", type=float, help="of --one: instead of --processor")
    options = parser.parse_args()
    stage = stage_of(options)
    kept = Kept(options.out, options.runs, stage)
    if options.table:
        contents = [kept.read(kind) for kind in MODALITIES if not options.modality or kind in options.modality]
        tables = [table(each, stage) for each in contents if each[stage]]
        print("\n\n".join([*tables, verdicts(contents, stage), equivariant(contents, stage)]))
    elif options.data is None:
        parser.error("--data DIR says where the data sets are")
    elif options.one:
        print(json.dumps(single(options, kept)))
    else:
        fill(options, chosen(options.only, options.modality))


def single(options: argparse.Namespace, kept: Kept) -> dict[str, Any]:
    """Make one run here and return its result; a user's error ends it with one line."""
    job = Job(options.one[0], options.one[1], int(options.one[2]))
    known = kept.read(job.modality)["baselines"].get(job.data, {})
    try:
        return made(job, options.data, known, processor=options.processor, per_epoch=None, epochs=options.epochs)
    except UserError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
