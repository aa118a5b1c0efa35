"""Read inputs that a seeded mutator damaged: each is read, or refused in one line, and nothing else happens.

    python benchmarks/damaged.py --out benchmarks/results/damaged.json [--count 1000] [--seed 0] [--only runs]

Of every kind (tables, arrays, recordings, images, tar files, recipes, weights, and all files of runs, artefacts,
fine-tuned models, checkpoints, caches, shards and comparisons) a good file is written by isotropy itself, then damaged:
its bytes, or as often its form (`mutations_of_forms`), with the checksums beside it made anew, as a stranger would.
Whatever reads it is called as users call it, drawn among the commands of the kind. Counts go to the JSON file, and what
was neither read nor refused in one line (a traceback, more than `--seconds`, a file left behind or outside, memory that
a header claimed) with its number, which makes it again.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from good_files import Kind, command, write_data, write_runs
from mutations import damaged_bytes
from mutations_of_forms import damaged_form

MEMORY = 12 << 30
# What commands may leave in a run directory beside what was there.
WRITTEN = ("report.html", "audit", "audit.json", "audit.parquet", "clusters.json", "huggingface")


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def outcome(words: list[str], seconds: int) -> str:
    """Return "read", "refused" or what else happened."""
    try:
        with limited(seconds):
            code, said = command(*words)
    except BaseException as error:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if "/isotropy/" in one.filename]
        place = f"{frames[-1].filename.rpartition('/isotropy/')[2]}:{frames[-1].lineno}" if frames else "elsewhere"
        return f"{f'{error!r}'[:200]} at {place}"
    lines = [line for line in said.splitlines() if not line.startswith("note: ")]
    if code == 0:
        return "read" if not lines else f"read, and said {lines}"
    if code not in (2, 3) or len(lines) != (code == 2) or any(not line.startswith("isotropy: ") for line in lines):
        return f"exit code {code}, and said {lines}"[:300]
    if any(ord(one) < 32 or one == "\x7f" for one in lines[0]) or "memory is not enough" in said:
        return f"said {lines[0]!r}"[:300]
    return "refused"


def left_behind(before: set[Path], kind: Kind) -> list[str]:
    """Return files that are there and should not: none but those that commands write, and none half-written."""
    new = [path for path in set(Path().rglob("*")) - before if not path.is_relative_to("other cache")]
    allowed = [Path(one) for one in kind.written]
    allowed += [Path(kind.whole, one) for one in WRITTEN] + [Path("stopped"), Path("run/checkpoints"), Path("cache")]
    found = [path for path in new if path.name.startswith(".") or not any(map(path.is_relative_to, allowed))]
    return sorted(map(str, found))


def tried(kind: Kind, number: int, seed: int, seconds: int, before: set[Path]) -> str:
    """Damage the file of a kind, let a command read it, restore everything, and return what happened."""
    dice = random.Random(f"{seed} {kind.file} {number}")
    path = Path(kind.file)
    whole = path.read_bytes()
    formed = damaged_form(path, whole, dice) if dice.random() < 0.5 else None
    path.write_bytes(damaged_bytes(whole, dice) if formed is None else formed)
    if formed is not None:
        seal(path, whole)
    words = dice.choice(kind.commands)
    found = outcome(words, seconds)
    if left := left_behind(before, kind):
        found = f"left behind: {left}"[:300]
    clean(kind, before)
    return found if found in ("read", "refused") else f"{' '.join(words)}: {found}"


def seal(path: Path, whole: bytes) -> None:
    """Put the checksum of a damaged file in place of that of the whole one, in all JSON beside it."""
    data = path.read_bytes()
    sums = [(hashlib.sha256(some).hexdigest(), f"{zlib.crc32(some):08x}") for some in (whole, data)]
    for beside in path.parent.glob("*.json"):
        text = beside.read_text("utf-8", "surrogatepass")
        for old, new in zip(*sums):
            text = text.replace(old, new)
        beside.write_text(text, "utf-8", "surrogatepass")


def clean(kind: Kind, before: set[Path]) -> None:
    """Remove what a command wrote, and bring back what the kind restores from the copy that was kept."""
    for one in set(Path().rglob("*")) - before:
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)
    name = kind.restored
    kept = Path("../kept", name)
    if kept.is_dir():
        shutil.rmtree(name, ignore_errors=True)
        shutil.copytree(kept, name)
    else:
        shutil.copy2(kept, name)


def written(counts: dict[str, Any], faults: list[dict[str, Any]], asked: argparse.Namespace, spent: float) -> None:
    """Write the record as far as it is; `spent` are CPU seconds."""
    about = {
        "command": f"python benchmarks/damaged.py --count {asked.count} --seed {asked.seed}",
        "inputs": asked.count * len(counts),
        "counts": counts,
        "faults": faults,
        "peak_memory_mb": max(asked.peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024),
        "cpu_seconds": round(spent, 1),
    }
    asked.out.write_text(json.dumps(about, indent=1) + "\n")


def group_of(file: str) -> str:
    """Return what kind of input a file is counted as."""
    name, folder = Path(file).name, Path(file).parts[0]
    if name == "recipe.toml" or folder == "own.toml":
        return "recipes"
    if folder == "hub" or name in ARTEFACT and folder == "run":
        return "artefacts"
    return GROUPS.get(folder) or GROUPS.get(Path(file).suffix) or folder


ARTEFACT = ("model.json", "encoder.safetensors", "embedding.safetensors", "coder.safetensors")
GROUPS = {
    ".mat": "recordings", ".ts": "recordings", ".arff": "recordings", ".wav": "recordings", "pets": "images",
    "run": "runs", "stopped": "checkpoints", "tuned": "fine-tuned models", "cache": "caches", "compared": "comparisons",
    "shards.parquet": "shards", ".tar": "tar files", "saved": "saved data sets", "new.parquet": "new rows",
    "w.pt": "weights", "w.safetensors": "weights",
}  # fmt: skip


def campaign(kinds: list[Kind], asked: argparse.Namespace, began: float) -> None:
    """Damage so many files of every group, and write the record after each."""
    counts: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    spent = 0.0
    if asked.only and asked.out.is_file():
        # A group that is tried again replaces what the record holds of it.
        held = json.loads(asked.out.read_text())
        asked.peak = held["peak_memory_mb"]
        counts, spent = held["counts"], held["cpu_seconds"]
        faults = [one for one in held["faults"] if group_of(one["file"]) != asked.only]
    count, seed, seconds = asked.count, asked.seed, asked.seconds
    before = set(Path().rglob("*"))
    outside = set(Path("..").iterdir())
    for kind in kinds:
        os.environ["ISOTROPY_CACHE"] = kind.cache
        for words in (list(one) for one in dict.fromkeys(map(tuple, kind.commands))):
            if (said := outcome(words, seconds)) != "read":
                raise SystemExit(f"{kind.file}, as it was written: {' '.join(words)}: {said} {command(*words)}")
            clean(kind, before)
    for group in dict.fromkeys(group_of(kind.file) for kind in kinds):
        started, found = time.process_time(), Counter[str]()
        files = [kind for kind in kinds if group_of(kind.file) == group]
        for number in range(count):
            kind = files[number % len(files)]
            os.environ["ISOTROPY_CACHE"] = kind.cache
            said = tried(kind, number, seed, seconds, before)
            if set(Path("..").iterdir()) != outside:
                said = "a file outside"
            found[said if said in ("read", "refused") else "fault"] += 1
            if said not in ("read", "refused"):
                faults.append({"file": kind.file, "number": number, "fault": said})
                print(faults[-1], file=sys.stderr, flush=True)
        counts[group] = {"files": len(files), **found}
        print(f"{group}: {counts[group]}, {time.process_time() - started:.0f} s", file=sys.stderr, flush=True)
        written(counts, faults, asked, spent + time.process_time() - began)


def main() -> None:
    """Damage and read `--count` files of every kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", default="", help="a group of the record, as t.csv or runs")
    asked = parser.parse_args()
    asked.out, asked.peak = asked.out.resolve(), 0
    started = time.process_time()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ISOTROPY_CACHE"] = "other cache"
        Path(folder, "work").mkdir()
        os.chdir(Path(folder, "work"))
        kinds = write_data(np.random.default_rng(0))
        # Runs take a minute, and files of data need none.
        if asked.only not in map(group_of, (kind.file for kind in kinds)):
            kinds += write_runs()
        shutil.copytree(".", "../kept")
        # What a header claims must not be taken before it is checked.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        campaign([kind for kind in kinds if asked.only in ("", group_of(kind.file))], asked, started)
        os.chdir("/")


if __name__ == "__main__":
    main()
