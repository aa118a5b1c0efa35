"""Read inputs that a seeded mutator damaged: each is read, or refused in one line, and nothing else happens.

    python benchmarks/damaged.py --out benchmarks/results/damaged.json [--count 1000] [--seed 0] [--only runs]

Of every kind (tables, arrays, recordings, images, recipes, and all files of runs, artefacts, fine-tuned models,
checkpoints, caches, shards and comparisons) a good file is written by isotropy itself, then damaged: its bytes, or of
JSON as often its fields. Whatever reads it is called as users call it, drawn among the commands of the kind. Counts go
to the JSON file, and what was neither read nor refused in one line (a traceback, more than `--seconds`, a file left
behind or outside, memory that a header claimed) with its number, which makes it again.
"""

import argparse
import contextlib
import io
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
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mutations import damaged_bytes, damaged_json
from PIL import Image
from scipy.io import savemat, wavfile

import isotropy
from isotropy.cli import main as isotropy_command
from isotropy.cli.show import visible
from isotropy.data import PREPROCESS
from isotropy.errors import UserError
from isotropy.runs.comparison_folder import read_state
from isotropy.runs.directory import Run
from isotropy.runs.recipe import Recipe
from isotropy.training import checkpoint

TINY = ["--set", "encoder.width=8", "--set", "encoder.hidden=8", "--set", "train.batch_size=16"]
MEMORY = 12 << 30
# What commands may leave in a run directory beside what was there.
WRITTEN = ("report.html", "audit", "audit.json", "audit.parquet", "clusters.json", "huggingface")


@dataclass(frozen=True)
class Kind:
    """A file to damage, what is restored after each input, and the commands that read it."""

    file: str
    commands: list[list[str]]
    # The folder, or file, that is copied anew for each input.
    whole: str = ""
    written: tuple[str, ...] = ()
    # The folder of decoded images.
    cache: str = "other cache"

    @property
    def restored(self) -> str:
        """What is copied anew after each input."""
        return self.whole or self.file


def learnt(path: str, *window: str) -> None:
    """Read a file as Python code does, and learn its preprocessing."""
    warnings.simplefilter("ignore")
    data = isotropy.read(path, **({"window": window[0]} if window else {}))
    PREPROCESS[data.modality].learn(data.values).transform(data.values)


def loaded(folder: str, rows: str) -> None:
    """Load an artefact, and embed rows."""
    isotropy.load(folder).transform(rows)


def looked_at(folder: str) -> None:
    """Read what a resume of a run reads before it trains."""
    run = Run(folder)
    checkpoint.last_good(run.checkpoints)
    _ = run.recipe, run.about, run.preprocess, run.read_records(), run.trained_seconds


FUNCTIONS: dict[object, Callable[..., Any]] = {
    "read": learnt, "load": loaded, "look": looked_at, "recipe": lambda path: Recipe.from_toml(Path(path)),
    "state": lambda folder: read_state(Path(folder)), "small pets": lambda: isotropy.read("pets", size=8),
}  # fmt: skip


def command(*words: object) -> tuple[int, str]:
    """Run `isotropy` in this process, or one of `FUNCTIONS`; return the exit code and what it said on stderr."""
    if words[0] in FUNCTIONS:
        try:
            FUNCTIONS[words[0]](*words[1:])
        except UserError as error:
            return 2, f"isotropy: {visible(str(error))}\n"
        return 0, ""
    code: Any = 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            isotropy_command([str(word) for word in words])
        except SystemExit as end:
            code = end.code
    return int(code or 0), said.getvalue()


def sure(*words: object) -> None:
    code, said = command(*words)
    assert code == 0, (words, said)


def write_data(rng: np.random.Generator) -> list[Kind]:
    """Write files of data into the working folder."""
    day = pd.date_range("2020-01-01", periods=60).astype(str)
    table = pd.DataFrame({"age": rng.normal(size=60), "pay": rng.normal(size=60), "day": day})
    table["job"], table["kind"] = rng.choice(list("abc"), 60), rng.choice(["x", "=y"], 60)
    table.to_csv("t.csv", index=False)
    table.to_parquet("t.parquet")
    table.to_feather("t.feather")
    series = rng.normal(size=(20, 2, 16)).astype(np.float32)
    np.save("a.npy", series)
    np.savez("a.npz", X=rng.integers(0, 255, (20, 8, 8), dtype=np.uint8), y=np.arange(20) % 2)
    np.savez_compressed("c.npz", X=series, y=np.arange(20) % 2)
    savemat("m.mat", {"X": series.astype(np.float64)})
    wavfile.write("w.wav", 100, (1000 * np.sin(np.arange(800))).astype(np.int16))
    values = "\n".join(f"{','.join(f'{x:.3f}' for x in row[0])}:{'ab'[n % 2]}" for n, row in enumerate(series))
    Path("s.ts").write_text(f"@problemName s\n@univariate true\n@classLabel true a b\n@data\n{values}\n")
    attributes = "".join(f"@attribute x{n} numeric\n" for n in range(4))
    rows = "\n".join(f"{','.join(f'{x:.3f}' for x in row[0][:4])},{'ab'[n % 2]}" for n, row in enumerate(series))
    Path("f.arff").write_text(f"@relation f\n{attributes}@attribute class {{a,b}}\n@data\n{rows}\n")
    for number in range(6):
        place = Path("pets", "ab"[number % 2], f"{number}.{'png' if number % 2 else 'jpg'}")
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(place)
    fit = ["fit", "{}", "--dry-run", "--epochs", "1", "--out", "no"]
    cut = [*fit, "--window", "100"]
    plain = ["t.csv", "t.parquet", "t.feather", "a.npy", "a.npz", "c.npz", "m.mat", "s.ts", "f.arff"]
    # The function takes a tenth of the command's time.
    kinds = [Kind(name, [*[["read", name]] * 4, [one.format(name) for one in fit]]) for name in plain]
    kinds.append(Kind("w.wav", [*[["read", "w.wav", "100"]] * 4, [one.format("w.wav") for one in cut]]))
    pets = [one.format("pets") for one in fit] + ["--size", "8", "--method", "simclr"]
    allowing = [*pets, "--max-bad", "1"]
    each = [*[["read", "pets"]] * 6, pets, allowing]
    return kinds + [Kind(f"pets/{name}", each) for name in ("a/0.jpg", "b/1.png")]


LABEL = ["--label", "kind"]
COMPARE = ["compare", "t.csv", *LABEL, "--methods", "simclr", "--budget", "30s", *TINY[:4], "--out", "compared"]
SHARDS = ["embed", "run", "t.csv", "--shard-rows", "20", "--out", "shards.parquet"]


def write_runs() -> list[Kind]:
    """Train a small run of a table, with all that can be found of it, and a model, a comparison and shards of it."""
    sure("fit", "t.csv", *LABEL, "--method", "music", *TINY, "--epochs", 3, "--evaluate", "linear", "--out", "run")
    for verb in (["audit"], ["cluster", "-k", "2"], ["export", "--to", "huggingface"]):
        sure(verb[0], "run", *verb[1:])
    sure("finetune", "run", "t.csv", *LABEL, "--budget", "3s", "--out", "tuned")
    sure(*SHARDS)
    sure(*COMPARE)
    shutil.copytree("run/huggingface", "hub")
    shutil.rmtree("run/huggingface")
    shutil.copy("run/recipe.toml", "own.toml")
    stopped_run()
    return [*files_of_a_run(), *files_of_a_stopped_run(), *files_of_others(), *files_of_the_cache()]


def files_of_a_run() -> list[Kind]:
    """Return the files of the run, with the commands that read each."""
    embed = ["embed", "run", "t.csv", "--out", "e.csv", "--keep", "kind"]
    probe = ["probe", "run", "t.csv", *LABEL, "--evaluate", "linear"]
    tune = ["finetune", "run", "t.csv", *LABEL, "--budget", "1s", "--out", "e.tuned", "--joint", "0.5"]
    longer = ["fit", "--resume", "run", "--epochs", "4", "--evaluate", "linear"]
    begin = ["fit", "t.csv", "--init", "run", "--dry-run", "--epochs", "1", "--out", "no"]
    look = [["report", "run"], ["diagnose", "run"], ["diagnose", "run", "stopped"]]
    rows = [["search", "run", "--query", "0-3"], ["audit", "run"], ["cluster", "run", "-k", "2"], ["report", "run"]]
    export = ["export", "run", "--to", "huggingface"]
    use = [embed, probe, *rows, export, begin]
    by_file = {
        "recipe.toml": [*[["recipe", "run/recipe.toml"]] * 8, *look, *use, longer, tune],
        "data.json": [*look, *rows, probe, longer, export],
        "probes.json": [*look, probe, export],
        "model.json": [embed, *use, tune],
        "encoder.safetensors": [embed, *rows[:2], begin],
        "embedding.safetensors": [embed, ["search", "run", "--query", "0"]],
        "coder.safetensors": [[*embed[:-2], "--codes"]],
        "embeddings.parquet": [*rows, *rows, ["explore", "run", "--write-only"]],
        "diagnostics.jsonl": look,
        "metrics.jsonl": [*look, longer],
        "timing.jsonl": [*look, longer],
    }
    by_file |= dict.fromkeys(["measured.json", "codes.json", "clusters.json", "audit.json"], [look[0]])
    by_file |= dict.fromkeys(["audit.parquet", "audit/outlier.csv"], [look[0], rows[1]])
    return [
        Kind(f"run/{name}", commands, "run", ("e.csv", "e.tuned")) for name, commands in by_file.items()
        if Path("run", name).is_file()
    ]  # fmt: skip


def files_of_a_stopped_run() -> list[Kind]:
    """Return the files from which a run that was stopped goes on."""
    last = checkpoint.listed(Path("stopped/checkpoints"))[-1].name
    resume = ["fit", "--resume", "stopped", "--evaluate", "linear"]
    # A resume trains: the function that reads what it reads takes a tenth of its time.
    seen = [*[["look", "stopped"]] * 4, resume, ["diagnose", "stopped"]]
    names = (f"checkpoints/{last}", "data.json", "metrics.jsonl", "diagnostics.jsonl", "recipe.toml")
    return [Kind(f"stopped/{name}", seen, "stopped") for name in names]


def files_of_others() -> list[Kind]:
    """Return the files of a fine-tuned model, of a folder for hubs, of shards, of a comparison, and a recipe."""
    predict = ["predict", "tuned", "t.csv", "--out", "p.csv"]
    kinds = [Kind(f"tuned/{name}", [predict], "tuned", ("p.csv",)) for name in ("finetuned.json", "head.safetensors")]
    hub = ["load", "hub", "t.csv"]
    kinds += [Kind(f"hub/{name}", [hub], "hub", ("e.csv",)) for name in ("config.json", "model.safetensors")]
    kinds.append(Kind("shards.parquet/_shards.json", [SHARDS], "shards.parquet"))
    kinds.append(Kind("compared/leaderboard.json", [["report", "compared"]], "compared"))
    kinds.append(Kind("compared/comparison.json", [*[["state", "compared"]] * 3, COMPARE], "compared"))
    free = next(Path("compared/evidence").glob("free-*.npz"))
    kinds.append(Kind(str(free), [COMPARE], "compared"))
    begun = ["fit", "t.csv", "--recipe", "own.toml", "--dry-run", "--out", "no"]
    kinds.append(Kind("own.toml", [*[["recipe", "own.toml"]] * 4, begun]))
    return kinds


def files_of_the_cache() -> list[Kind]:
    """Return the files of decoded images, whose cache is another one from then on."""
    pets = ["fit", "pets", "--dry-run", "--epochs", "1", "--out", "no", "--size", "8", "--method", "simclr"]
    os.environ["ISOTROPY_CACHE"] = "cache"
    sure(*pets)
    paths = sorted(path for path in Path("cache").rglob("*") if path.is_file())
    os.environ["ISOTROPY_CACHE"] = "other cache"
    return [Kind(str(path), [*[["small pets"]] * 6, pets], "cache", cache="cache") for path in paths]


def stopped_run() -> None:
    """Leave a run that was stopped half way, as after Ctrl-C, with its checkpoints."""
    settings = {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16}
    for event in isotropy.train("t.csv", label="kind", method="byol", settings=settings, epochs=4, out="stopped"):
        if isinstance(event, isotropy.Stepped) and event.step.number == 6:
            event.stop()


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
    structured = path.suffix in (".json", ".jsonl") and dice.random() < 0.5
    path.write_bytes(damaged_json(whole, dice) if structured else damaged_bytes(whole, dice))
    words = dice.choice(kind.commands)
    found = outcome(words, seconds)
    if left := left_behind(before, kind):
        found = f"left behind: {left}"[:300]
    clean(kind, before)
    return found if found in ("read", "refused") else f"{' '.join(words)}: {found}"


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
    "shards.parquet": "shards",
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
