"""Read inputs that a seeded mutator damaged: each is read, or refused in one line, and nothing else happens.

    python benchmarks/damaged.py --out benchmarks/results/damaged.json [--count 1000] [--seed 0]

Of every kind (tables, arrays, images, recipes, artefacts, checkpoints) one good file is written, then damaged: cut,
bytes flipped, overwritten, doubled, or numbers made long. Counts go to the JSON file, and what was neither read nor
refused (another exception, more than `--seconds`, a file left behind) with its number, which makes it again.
"""

import argparse
import json
import random
import resource
import shutil
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import isotropy
from isotropy.encoders import build
from isotropy.errors import UserError
from isotropy.representation import Representation, load
from isotropy.runs.directory import Run
from isotropy.runs.recipe import Recipe
from isotropy.training import checkpoint

OLD = Path(__file__).parents[1] / "tests" / "fixtures" / "run-0.1"


def good(folder: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """Return the files to damage, and what reads the copy of each folder."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"age": rng.normal(size=40), "day": pd.date_range("2020-01-01", periods=40), "job": rng.choice(list("abc"), 40)}
    )
    table.to_csv(folder / "t.csv", index=False)
    table.to_parquet(folder / "t.parquet")
    np.save(folder / "a.npy", rng.normal(size=(20, 2, 16)).astype(np.float32))
    np.savez(folder / "a.npz", X=rng.integers(0, 255, (20, 8, 8), dtype=np.uint8), y=np.arange(20) % 2)
    (folder / "pets").mkdir()
    for number in range(4):
        pixels = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pets" / f"{number}.{'png' if number % 2 else 'jpg'}")
    shutil.copytree(OLD / "finished", folder / "run")
    shutil.copytree(OLD / "broken", folder / "broken")
    data = isotropy.read(table)
    preprocess = isotropy.data.TablePreprocess.learn(data.values)
    made = build("table_quantiles", "table", preprocess.shape, width=8, hidden=8)
    Representation(made, preprocess, method="masked").save(folder / "artefact")

    def learnt(path: Path) -> Any:
        data = isotropy.read(path)
        return isotropy.data.PREPROCESS[data.modality].learn(data.values).transform(data.values)

    def diagnosed(path: Path) -> Any:
        return isotropy.diagnose(path.parent), Run(path.parent).read_comparisons(), Run(path.parent).preprocess

    def embedded(path: Path) -> Any:
        return load(path.parent).transform(table)

    files = {name: (folder / name, learnt) for name in ("t.csv", "t.parquet", "a.npy", "a.npz")}
    files |= {f"pets/{n}": (folder / "pets" / n, lambda path: isotropy.read(path.parent)) for n in ("0.jpg", "1.png")}
    files |= {f"artefact/{n}": (folder / "artefact" / n, embedded) for n in ("model.json", "encoder.safetensors")}
    files["run/recipe.toml"] = folder / "run" / "recipe.toml", Recipe.from_toml
    for name in ("data.json", "probes.json", "diagnostics.jsonl"):
        files[f"run/{name}"] = folder / "run" / name, diagnosed
    last = checkpoint.listed(folder / "broken" / "checkpoints")[-1]
    files["checkpoint"] = last, checkpoint.about
    return files


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return data with one to three damages."""
    content = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(max(len(content), 1))
        how = dice.choice(["cut", "flip", "overwrite", "double", "header", "number", "empty"])
        if how == "cut":
            del content[place:]
        elif how == "flip" and content:
            content[place] ^= 1 << dice.randrange(8)
        elif how == "overwrite":
            content[place : place + 8] = dice.randbytes(8)
        elif how == "double":
            content[place:place] = content[place : place + 64]
        elif how == "header" and len(content) > 16:
            content[dice.randrange(16)] = 255
        elif how == "number" and (digits := [n for n, one in enumerate(content) if 48 <= one <= 57]):
            at = dice.choice(digits)
            content[at : at + 1] = b"9" * dice.choice([2, 12, 400])
        elif how == "empty" and dice.random() < 0.1:
            content.clear()
    return bytes(content)


def outcome(read: Callable[[Path], Any], path: Path, seconds: int) -> str:
    """Return "read", "refused" or what else happened."""
    signal.alarm(seconds)
    try:
        read(path)
    except UserError as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except TimeoutError:
        return f"more than {seconds} s"
    except Exception as error:
        return repr(error)[:300]
    finally:
        signal.alarm(0)
    return "read"


def late(*_: Any) -> None:
    raise TimeoutError


def main() -> None:
    """Damage and read `--count` files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=20)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, late)
    counts: dict[str, Counter[str]] = {}
    faults = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = good(folder)
        before = set(folder.rglob("*"))
        for place in range(asked.count):
            kind = list(files)[place % len(files)]
            path, read = files[kind]
            whole = path.read_bytes()
            path.write_bytes(damaged(whole, random.Random(f"{asked.seed} {place}")))
            found = outcome(read, path, asked.seconds)
            path.write_bytes(whole)
            if left := {one for one in folder.rglob("*")} - before:
                found = f"left behind: {sorted(map(str, left))}"
                before |= left
            counts.setdefault(kind, Counter())[found if found in ("read", "refused") else "fault"] += 1
            if found not in ("read", "refused"):
                faults.append({"number": place, "kind": kind, "fault": found})
    about = {
        "command": f"python benchmarks/damaged.py --count {asked.count} --seed {asked.seed}",
        "counts": counts,
        "faults": faults,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "seconds": round(time.perf_counter() - started, 1),
    }
    asked.out.write_text(json.dumps(about, indent=1) + "\n")
    print(json.dumps({"counts": counts, "faults": len(faults)}))


if __name__ == "__main__":
    main()
