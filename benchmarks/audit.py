"""Average precision of `isotropy audit` on injected copies, wrong labels and foreign rows, beside its peers.

    python benchmarks/audit.py FOLDER WORK --peers PYTHON [set ...]

FOLDER holds the data sets of papers/sources.toml. Cases and runs (a minute each, without labels) are kept in WORK and
taken from there. PYTHON is an environment with cleanlab and imagehash: it runs benchmarks/audit_peers.py. The results
go to benchmarks/results/audit.json, a set at a time.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd
from audit_cases import IMAGES, SERIES, TABLES, case
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

from isotropy.audit import audit_run
from isotropy.runs.embedded import Embedded

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "audit.json"
BUDGET = "60s"


def trained(name, found, work):
    """Return the folder of a run on the case, trained where there is none."""
    key = name.replace("/", "_")
    folder = work / f"run-{key}"
    if found.modality == "table":
        path, options = work / f"{key}.parquet", []
        if not path.exists():
            found.values.to_parquet(path)
    else:
        path, options = work / f"{key}.npz", ["--key", "X"]
        if not path.exists():
            np.savez(path, X=found.values)
    if not (folder / "model.json").exists():
        command = ["isotropy", "fit", str(path), *options, "--modality", found.modality, "--budget", BUDGET]
        subprocess.run([*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


def raw_features(run):
    """Return the rows (N, F) as the run stores them, each column standardised."""
    x = run.representation.preprocess.features(run.read_data()[1]).astype(np.float64)
    return ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)).astype(np.float32)


def by_neighbours(x, labels, k=10):
    """Return scores by issue of plain k-nearest neighbours: nearest distance, mean distance, part with the label."""
    distance, near = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)
    distance, near = distance[:, 1:], near[:, 1:]
    found = {"near_duplicate": distance[:, 0], "outlier": -distance.mean(axis=1)}
    if labels is not None:
        found["label"] = (labels[near] == labels[:, None]).mean(axis=1)
    return found


def copied_already(values):
    """Return which rows (N,) equal another one: copies too, whether they were injected or not."""
    if isinstance(values, pd.DataFrame):
        return values.duplicated(keep=False).to_numpy()
    digests = pd.Series([hash(row.tobytes()) for row in values])
    return digests.duplicated(keep=False).to_numpy()


def precision(marks, score):
    return round(float(average_precision_score(marks, -np.asarray(score))), 4)


def measured(name, folder, work, peers):
    found = case(name, folder)
    marks = {"near_duplicate": found.copy | copied_already(found.values), "outlier": found.foreign}
    labels = None if found.labels is None else pd.factorize(found.labels)[0]
    if labels is not None:
        marks["label"] = found.wrong
    at = trained(name, found, work)
    wall, cpu = perf_counter(), process_time()
    audit = audit_run(at, found.labels if labels is not None else None, write=False)
    seconds = {"wall": round(perf_counter() - wall, 1), "cpu": round(process_time() - cpu, 1)}
    # Foreign rows of tables have usual values in a combination that is not: there is a kind of its own for these.
    kinds = dict(zip(marks, marks)) | ({"outlier": "inconsistent"} if found.modality == "table" else {})
    ours = {kind: audit.issues[kinds[kind]].score for kind in marks}
    run = Embedded.opened(at)
    features = {"raw": raw_features(run), "the embedding": run.vectors}
    given = {f"features {key}": x for key, x in features.items()}
    if labels is not None:
        given["labels"] = labels
    if found.modality == "image":
        given["pixels"] = found.values
    np.savez(work / "case.npz", **given)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.environ.get("PEERS_PATH", "")
    command = [peers, str(HERE / "audit_peers.py"), str(work / "case.npz"), str(work / "scores.npz")]
    subprocess.run(command, check=True, env=environment)
    table = {"isotropy audit": ours}
    for key, x in features.items():
        table[f"k-NN on {key}"] = by_neighbours(x, labels)
    with np.load(work / "scores.npz") as scores:
        for entry in scores.files:
            who, kind = entry.split("|")
            table.setdefault(who, {})[kind] = scores[entry]
    exact = audit.issues["exact_duplicate"].score
    table["exact hashing"] = {"near_duplicate": exact}
    named = {}
    for kind, truth in marks.items():
        issue = audit.issues[kinds[kind]].issue | (
            audit.issues["exact_duplicate"].issue if kind == "near_duplicate" else False
        )
        named[kind] = {"named": int(issue.sum()), "right": int((issue & truth).sum()), "injected": int(truth.sum())}
    return {
        "modality": found.modality, "rows": len(found.copy), "seconds": seconds, "named": named,
        "by": {kind: audit.issues[kinds[kind]].method for kind in marks},
        "average_precision": {
            who: {kind: precision(marks[kind], score) for kind, score in scores.items() if kind in marks}
            for who, scores in table.items()
        },
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--peers", required=True)
    parser.add_argument("sets", nargs="*")
    given = parser.parse_intermixed_args()
    given.work.mkdir(exist_ok=True)
    for name in given.sets or (*IMAGES, *SERIES, *TABLES):
        found = measured(name, given.folder, given.work, given.peers)
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(kept | {name: found}, indent=1) + "\n")
        print(name, found["seconds"], found["named"])
        for who, scores in found["average_precision"].items():
            print(f"  {who:28s}", scores, flush=True)


if __name__ == "__main__":
    main()
