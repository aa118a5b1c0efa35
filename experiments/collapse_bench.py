"""Is the verdict on a training right? Planted failures and healthy runs, half of them never tuned on.

    python experiments/collapse_bench.py --data DIR --half third_held_out --records DIR [--out FILE]

Every run is `isotropy.training.fit` with the default recipe and a small encoder, watched as `isotropy fit` watches it,
and judged after every record. A planted failure is found where the last verdict is one that is right for it; "done" is
the share of the training after which such a verdict stood without a change. A healthy run, one of a method as it is, is
right where nothing but "healthy" or "unknown" was ever said. Thresholds are chosen on the tuned runs of a round and all
runs of the rounds before it, and committed before its held-out ones are made. The halves are those of
`collapse_cases.HALVES`; the record keeps what each round found by the rules of its own day.
"""

import argparse
import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from collapse_cases import BATCH, HALVES, HEALTHY, Case
from collapse_planted import PLANTED, SameRow
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.feature_extraction.text import HashingVectorizer
from small_images import decoded

from isotropy.data import Data, read
from isotropy.diagnostics.verdict import verdict
from isotropy.methods import METHODS
from isotropy.runs.diagnose import run_facts
from isotropy.runs.monitor import Monitor
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import Diverged, fit

ROWS, WATCHED = 1500, 256
SMALL = {
    "image": {"encoder.width": 64, "encoder.stem": 8},
    "series": {"encoder.steps": 4},
    "table": {"encoder.width": 64, "encoder.hidden": 64, "encoder.depth": 3},
}
FILES = {
    "epilepsy": ("epilepsy.npz", {"key": "X", "modality": "series"}),
    "har": ("uci_har.npz", {"key": "X_train"}),
    "fashion": ("fashion_mnist.npz", {"key": "X_train"}),
    "dry_bean": ("dry_bean.parquet", {"drop": ["restored", "Class"]}),
    "adult": ("adult.parquet", {"drop": ["split", "income"]}),
    "italy_few": ("ucr_small.npz", {"key": "ItalyPowerDemand_X_train", "modality": "series"}),
    "italy": ("ucr_small.npz", {"key": "ItalyPowerDemand_X_test", "modality": "series"}),
}
UCR = {"gunpoint": "GunPoint", "arrowhead": "ArrowHead", "motions": "BasicMotions"}
METHODS.update(PLANTED)


def loudness(folder: Path) -> np.ndarray:
    """Return the spoken digits as series (N, 1, 100): the log of the mean amplitude of pieces of 32 samples."""
    held = np.load(folder / "fsdd.npz")
    audio, ends = held["audio"], held["offsets"]
    clips = np.zeros((len(ends) - 1, 3200), dtype=np.float32)
    for clip, begin, end in zip(clips, ends[:-1], ends[1:], strict=True):
        clip[: end - begin] = np.abs(audio[begin:end].astype(np.float32))[:3200]
    return np.log(clips.reshape(len(clips), 1, 100, 32).mean(axis=3) + 1)


def photographs(folder: Path) -> np.ndarray:
    """Return the first training images of Tiny ImageNet (N, 3, 32, 32), each pixel the mean of 2 x 2."""
    pixels = decoded(np.load(folder / "tiny_imagenet50_a.npz"), "train", ROWS)
    return pixels.reshape(ROWS, 3, 32, 2, 32, 2).mean(axis=(3, 5)).round().astype(np.uint8)


def both_parts(folder: Path, name: str) -> np.ndarray:
    """Return the training and the test series of one of the small UCR sets, one after the other."""
    held = np.load(folder / "ucr_small.npz")
    return np.concatenate([held[f"{name}_X_train"], held[f"{name}_X_test"]])


def words(folder: Path) -> np.ndarray:
    """Return how often words of 48 kinds (by their hash) occur in the sentences of SST-2, as logarithms."""
    sentences = pd.read_parquet(folder / "sst2.parquet")["sentence"]
    counts = HashingVectorizer(n_features=48, alternate_sign=False, norm=None).transform(sentences)
    return np.log1p(counts.toarray())


def rows_of(name: str, folder: Path) -> Data:
    """Return at most 1500 rows of a data set, spread over it, without labels."""
    if name == "digits":
        data = read((load_digits().images * 255 / 16).round().astype(np.uint8), modality="image")
    elif name == "cancer":
        data = read(load_breast_cancer().data, modality="table")
    elif name == "wine":
        data = read(load_wine().data, modality="table")
    elif name == "fsdd":
        data = read(loudness(folder), modality="series")
    elif name == "cifar":
        data = read(decoded(np.load(folder / "cifar10_jpeg.npz"), "train", ROWS), modality="image")
    elif name == "tiny":
        data = read(photographs(folder), modality="image")
    elif name in UCR:
        data = read(both_parts(folder, UCR[name]), modality="series")
    elif name == "sst2":
        data = read(words(folder), modality="table")
    else:
        file, options = FILES[name]
        data = read(folder / file, **options)
    return data.take(np.linspace(0, len(data) - 1, min(ROWS, len(data))).astype(np.int64))


def prepared_of(case: Case, folder: Path) -> Prepared:
    """Return what a case trains with."""
    data = rows_of(case.data, folder)
    settings: dict[str, Any] = {"train.batch_size": BATCH, "train.precision": "float32"}
    settings |= {} if "encoder" in case.settings else SMALL[data.modality]
    if case.data == "digits":
        settings |= {"views.flip": 0, "views.scale": [0.5, 1.0]}
    recipe = Recipe.default(case.base, data.modality).changed(settings | case.settings)
    made = prepare(replace(recipe, method=case.method or case.base), data)
    epochs = case.steps / (len(made.dataset) // made.recipe.train.batch_size)
    made = made.with_epochs(epochs)
    return replace(made, views=SameRow(made.views)) if case.same_row else made


def records_of(case: Case, folder: Path) -> dict[str, Any]:
    """Train, and return the records, what is known of the training, and the error that ended it."""
    made = prepared_of(case, folder)
    rows = len(made.dataset)
    watched = made.dataset.batch(torch.linspace(0, rows - 1, min(WATCHED, rows)).long())
    watch = Monitor(made.method, watched, made.preprocess.to_input, deepcopy(made.method.encoder))
    records, begin = [watch.at_start()], process_time()
    try:
        arguments = made.recipe.train.arguments()
        for step in fit(made.method, made.dataset, made.views, optim=made.recipe.optim, **arguments):
            if (seen := watch.at(step)) is not None:
                records.append({k: None if np.isnan(v) else float(v) for k, v in seen.items()})
    except Diverged as stopped:
        records.append({"step": records[-1]["step"], "diverged": str(stopped)})
    return {"facts": made.facts(), "records": records, "seconds": round(process_time() - begin, 1)}


def judged(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict after every record of a run, and whether the last one, and the way there, are right.

    A planted failure is found early where the right verdict stands, to the end, from the first fifth on.
    """
    facts, records = run_facts(case.base, found["facts"]), found["records"]
    names = [verdict(records[:count], facts).name for count in range(1, len(records) + 1)]
    right = [name in case.expected for name in names]
    held = next((n for n in range(len(right)) if all(right[n:])), None)
    alarms = sorted({name for name in names if name not in ("healthy", "unknown")})
    done = None if held is None else round(records[held]["step"] / facts.steps, 3)
    return {
        "case": case.name,
        "data": case.data,
        "expected": list(case.expected),
        "verdict": names[-1],
        "right": held is not None if case.expected != HEALTHY else not alarms,
        "done": done,
        "seen": alarms,
        "evidence": verdict(records, facts).to_json()["evidence"],
        "processor_seconds": found["seconds"],
    }


def summary(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the confusion matrix and the counts."""
    planted = [one for one in entries if one["expected"] != list(HEALTHY)]
    matrix: dict[str, dict[str, int]] = {}
    for one in entries:
        row = matrix.setdefault(" or ".join(one["expected"]), {})
        row[one["verdict"]] = row.get(one["verdict"], 0) + 1
    return {
        "planted": len(planted),
        "found": sum(one["right"] for one in planted),
        "found_in_first_fifth": sum(one["right"] and one["done"] <= 0.2 for one in planted),
        "healthy": len(entries) - len(planted),
        "without_any_alarm": sum(one["right"] for one in entries if one not in planted),
        "confusion": matrix,
    }


def main() -> None:
    """Run the cases of one half where their records are not there yet, and judge them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--half", choices=list(HALVES), required=True)
    parser.add_argument("--records", type=Path, required=True, help="folder in which records are kept")
    parser.add_argument("--out", type=Path, help="record to write this half into")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.records.mkdir(parents=True, exist_ok=True)
    entries = []
    for case in HALVES[arguments.half]:
        path = arguments.records / f"{case.name} on {case.data}.json"
        if not path.exists():
            path.write_text(json.dumps(records_of(case, arguments.data)))
        entries.append(judged(case, json.loads(path.read_text())))
        one = entries[-1]
        print(f"{'right' if one['right'] else 'WRONG'} {case.name} on {case.data}: {one['verdict']}", flush=True)
    result = {**summary(entries), "cases": entries}
    print(json.dumps({name: value for name, value in result.items() if name != "cases"}, indent=1))
    if arguments.out:
        record = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        command = f"python experiments/collapse_bench.py --data DIR --half {arguments.half} --records DIR --out FILE"
        which, part = arguments.half.split("_", 1)
        # What was added by hand (probes made afterwards, notes) stays.
        record.setdefault(f"{which}_round", {}).setdefault(part, {}).update({"command": command, **result})
        arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
