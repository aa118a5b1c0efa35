"""Good files of every kind, written by isotropy itself into the working folder, and the commands that read each."""

import contextlib
import io
import json
import os
import shutil
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from PIL import Image
from safetensors.torch import load_file
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
    write_shards(table, series, rng)
    plain = ["t.csv", "t.parquet", "t.feather", "t.arrow", "a.npy", "a.npz", "c.npz", "m.mat", "s.ts", "f.arff"]
    plain += ["rows.tar", "arrays.tar"]
    # The function takes a tenth of the command's time.
    kinds = [
        Kind(name, [*[["read", name]] * 4, *([one.format(name) for one in words] for words in _ways(name, fit))])
        for name in plain
    ]
    saved = [*[["read", "saved"]] * 4, [one.format("saved") for one in fit]]
    kinds += [Kind(f"saved/{name}", saved, "saved") for name in ("state.json", "data-00000-of-00001.arrow")]
    kinds.append(Kind("w.wav", [*[["read", "w.wav", "100"]] * 4, [one.format("w.wav") for one in cut]]))
    pets = [one.format("pets") for one in fit] + ["--size", "8", "--method", "simclr"]
    allowing = [*pets, "--max-bad", "1"]
    each = [*[["read", "pets"]] * 6, pets, allowing]
    return kinds + [Kind(f"pets/{name}", each) for name in ("a/0.jpg", "b/1.png")]


def _ways(name: str, fit: list[str]) -> list[list[str]]:
    """Return the commands that read a file whole and, of formats that can be, in its blocks."""
    return [fit, [*fit, "--stream"]] if name.endswith((".csv", ".parquet", ".arrow", ".npy", ".tar")) else [fit]


def write_shards(table: pd.DataFrame, series: Any, rng: np.random.Generator) -> None:
    """Write tar files of rows and of arrays, and the table as a stream of Arrow and as `save_to_disk` leaves it."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    Path("saved").mkdir()
    for place in (Path("t.arrow"), Path("saved/data-00000-of-00001.arrow")):
        with pa.ipc.new_stream(place, arrow.schema) as writer:
            writer.write_table(arrow, max_chunksize=25)
    Path("saved/state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    with tarfile.open("rows.tar", "w") as rows, tarfile.open("arrays.tar", "w") as arrays:
        for number in range(20):
            about = json.dumps({"a": float(rng.normal()), "b": "xy"[number % 2], "c": {"d": 1}}).encode()
            _add(rows, f"r{number}.json", about)
            _add(rows, f"r{number}.txt", b"some words %d" % number)
            _add(rows, f"r{number}.cls", b"%d" % (number % 2))
            held = io.BytesIO()
            np.save(held, series[number])
            _add(arrays, f"r{number}.npy", held.getvalue())
            _add(arrays, f"r{number}.json", about)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


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
    shutil.copy("t.parquet", "new.parquet")
    shutil.copy("run/encoder.safetensors", "w.safetensors")
    torch.save(load_file("w.safetensors"), "w.pt")
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
    last = checkpoint.paths(Path("stopped/checkpoints"))[-1].name
    resume = ["fit", "--resume", "stopped", "--evaluate", "linear"]
    # A resume trains: the function that reads what it reads takes a tenth of its time.
    seen = [*[["look", "stopped"]] * 4, resume, ["diagnose", "stopped"]]
    names = (f"checkpoints/{last}", "data.json", "metrics.jsonl", "diagnostics.jsonl", "recipe.toml")
    return [Kind(f"stopped/{name}", seen, "stopped") for name in names]


def files_of_others() -> list[Kind]:
    """Return the files of a fine-tuned model, of a folder for hubs, of shards, of a comparison, and a recipe."""
    predict = ["predict", "tuned", "t.csv", "--out", "p.csv"]
    tuned = ("finetuned.json", "head.safetensors", "model.json", "encoder.safetensors", "embedding.safetensors")
    kinds = [Kind(f"tuned/{name}", [predict], "tuned", ("p.csv",)) for name in tuned]
    hub = ["load", "hub", "t.csv"]
    kinds += [Kind(f"hub/{name}", [hub], "hub", ("e.csv",)) for name in ("config.json", "model.safetensors")]
    kinds += [
        Kind(f"shards.parquet/{name}", [SHARDS], "shards.parquet") for name in ("_shards.json", "part-00001.parquet")
    ]
    begin = ["fit", "t.csv", *TINY, "--dry-run", "--epochs", "1", "--out", "no", "--method", "music", "--init"]
    kinds += [Kind(name, [[*begin, name]]) for name in ("w.safetensors", "w.pt")]
    kinds.append(Kind("new.parquet", new_rows("new.parquet"), written=("e.csv", "p.csv", "e.parquet")))
    kinds.append(Kind("compared/leaderboard.json", [["report", "compared"]], "compared"))
    kinds.append(Kind("compared/comparison.json", [*[["state", "compared"]] * 3, COMPARE], "compared"))
    free = next(Path("compared/evidence").glob("free-*.npz"))
    kinds.append(Kind(str(free), [COMPARE], "compared"))
    begun = ["fit", "t.csv", "--recipe", "own.toml", "--dry-run", "--out", "no"]
    kinds.append(Kind("own.toml", [*[["recipe", "own.toml"]] * 4, begun]))
    return kinds


def new_rows(path: str) -> list[list[str]]:
    """Return the commands that a run and a model take new rows by."""
    return [
        ["embed", "run", path, "--out", "e.csv", "--keep", "kind", "--keep", "day"],
        ["embed", "run", path, "--out", "e.parquet", "--keep", "job"],
        ["probe", "run", path, *LABEL, "--evaluate", "linear"],
        ["predict", "tuned", path, "--out", "p.csv", "--keep", "age"],
        ["search", "run", path, "-k", "3"],
    ]  # fmt: skip


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
