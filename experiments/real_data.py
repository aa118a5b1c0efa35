"""The spine's methods on real data, from file to evidence: what trains, in what time, and against which baselines.

    python experiments/real_data.py --data DIR [--only har adult] [--out docs/results/real_data.json]
    python experiments/real_data.py --table

DIR holds uci_har.npz, epilepsy.npz, adult.parquet and fashion_mnist.npz as their sources describe them. Every run
is an `isotropy fit` with the default recipe and a fixed number of epochs, chosen for about five minutes on one
or two cores; its command, times and scores are kept as JSON, one entry per run. A run that is there already is not made
again.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

HAR = "--key X_train --label-key y_train --test-key X_test --test-label-key y_test"
FASHION = HAR
EPILEPSY = "--key X --label-key seizure --split is_test_random --modality series"
# data set, method, epochs, file, options
RUNS = [
    ("har", "lfr", 15, "uci_har.npz", HAR),
    ("har", "simclr", 30, "uci_har.npz", HAR),
    ("epilepsy", "lfr", 15, "epilepsy_binary.npz", EPILEPSY),
    ("epilepsy", "simclr", 30, "epilepsy_binary.npz", EPILEPSY),
    ("adult", "lfr", 50, "adult.parquet", "--label income --na ?"),
    ("adult", "simclr", 50, "adult.parquet", "--label income --na ?"),
    ("fashion", "simclr", 3, "fashion_mnist.npz", FASHION),
    ("fashion", "byol", 3, "fashion_mnist.npz", FASHION),
    ("fashion", "vicreg", 3, "fashion_mnist.npz", FASHION),
    ("fashion", "lfr", 3, "fashion_mnist.npz", FASHION),
]  # fmt: skip


def epilepsy_binary(dataset: Path, target: Path) -> None:
    """Write the usual task of the Bonn set: seizure (class 0) against the rest, with the random split."""
    content = np.load(dataset)
    np.savez(
        target, X=content["X"], seizure=(content["y"] == 0).astype(np.int8), is_test_random=content["is_test_random"]
    )


def run(data: Path, folder: Path, name: str, method: str, epochs: int, file: str, options: str) -> dict:
    out = folder / f"{name}-{method}"
    arguments = [*shlex.split(options), "--method", method, "--epochs", str(epochs)]
    start = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "isotropy", "fit", str(data / file), *arguments, "--out", str(out)], check=True
    )
    timing = [json.loads(line)["seconds"] for line in (out / "timing.jsonl").read_text().splitlines()]
    return {
        "data": name,
        "method": method,
        "command": f"isotropy fit {file} {shlex.join(arguments)}",
        "epochs": epochs,
        "steps": len(timing),
        "training_seconds": round(sum(timing), 1),
        "all_seconds": round(perf_counter() - start, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.cpu.get_capabilities().get('cpu_name', '?')}",
        "evidence": json.loads((out / "probes.json").read_text())[0],
        "health": json.loads((out / "diagnostics.jsonl").read_text().splitlines()[-1]),
    }


def table(kept: list[dict]) -> str:
    """Return the results as a table in Markdown: linear accuracy with its interval, k-NN, and the verdict."""
    lines = [
        "| data | method | epochs, time | trained | untrained | raw | PCA | summary | k-NN, best other | outcome |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in kept:
        found = entry["evidence"]
        by_name = {each["name"]: each for each in found["representations"]}
        ours = by_name.pop(found["ours"])
        kinds = {name.split(" (")[0]: each for name, each in by_name.items()}
        score = {name: f"{each['linear']['score']:.3f}" for name, each in kinds.items()}
        linear = ours["linear"]
        others = max(each["knn"]["score"] for each in by_name.values())
        lines.append(
            f"| {entry['data']} | {entry['method']} | {entry['epochs']}, {entry['training_seconds']:.0f} s "
            f"| **{linear['score']:.3f}** [{linear['low']:.3f}, {linear['high']:.3f}] | {score['untrained encoder']} "
            f"| {score['raw features']} | {score['PCA']} | {score.get('summary features', '')} "
            f"| {ours['knn']['score']:.3f} / {others:.3f} | {found['outcome']} ({found['best']}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    parser.add_argument("--only", nargs="*", help="data sets or data-method pairs, as har or har-lfr")
    parser.add_argument("--runs", type=Path, default=Path("runs/real_data"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/real_data.json"))
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.out.read_text())))
        return
    options.runs.mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(options.out.read_text()) if options.out.exists() else []
    for name, method, epochs, file, arguments in RUNS:
        if options.only and not {name, f"{name}-{method}"} & set(options.only):
            continue
        if any(entry["data"] == name and entry["method"] == method for entry in kept):
            continue
        data = options.data
        if file == "epilepsy_binary.npz":
            data = options.runs
            epilepsy_binary(options.data / "epilepsy.npz", data / file)
        kept.append(run(data, options.runs, name, method, epochs, file, arguments))
        options.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
