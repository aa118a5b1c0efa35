"""What the MUSIC paper claims, on scikit-learn's digits: no deep projector, no large batch, no large embedding; and
what each of the three terms prevents.

    python experiments/music_claims.py [--epochs 60] [--only full "transform alone"] [--out FILE]
    python experiments/music_claims.py --table

Protocol: 1797 images of 8 x 8, a fifth of them held out; a small residual network; 16 segments of 8 units, one hidden
layer in the projector, batch 256 and AdamW at 2e-3 unless the run says otherwise; equal epochs, so that a larger batch
has fewer steps; 3 seeds of weights, views, order and split. On the held-out rows: a linear probe of the encoder (not of
the projector), the share of a segment's units that are some row's code (mean over segments), the mean of the largest
probability of a segment, and the normalised mutual information of pairs of segments. Means over all seeds decide; the
bounds stand in `verdicts`. One JSON entry per run; a run that is there already is not made again.
"""

import argparse
import json
import platform
from pathlib import Path
from time import process_time

import numpy as np
import torch
from sklearn.datasets import load_digits

from isotropy.data import read
from isotropy.diagnostics.codes import bins_used, mutual_information
from isotropy.evaluation import linear_probe
from isotropy.representation.embedding import embed_rows
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

BASE = {
    "encoder.stem": 8, "encoder.width": 64, "views.flip": 0.0, "views.scale": [0.5, 1.0], "train.precision": "float32",
    "method.projector": [256, 128], "method.num_segments": 16, "optim.lr": 2e-3, "train.batch_size": 256,
}  # fmt: skip
RUNS = {
    "untrained": {"train.epochs": 0.001, "optim.lr": 1e-12},
    "full": {},
    "no off-diagonal": {"method.off_diagonal": 0.0},
    "no diagonal": {"method.diagonal": 0.0},
    "no transform": {"method.transform": 0.0},
    "transform alone": {"method.diagonal": 0.0, "method.off_diagonal": 0.0},
    "off-diagonal alone": {"method.diagonal": 0.0, "method.transform": 0.0},
    "projector without a hidden layer": {"method.projector": [128]},
    "projector with two hidden layers": {"method.projector": [256, 256, 128]},
    "batch 64": {"train.batch_size": 64},
    "batch 512": {"train.batch_size": 512},
    "embedding of 32 (4 segments)": {"method.projector": [256, 32], "method.num_segments": 4},
    "embedding of 512 (64 segments)": {"method.projector": [256, 512], "method.num_segments": 64},
}
SEEDS = (0, 1, 2)


def run(name: str, seed: int, epochs: float) -> dict:
    digits = load_digits()
    data = read((digits.images * 255 / 16).round().astype(np.uint8), label=digits.target, modality="image")
    settings = {**BASE, "train.epochs": epochs, "train.seed": seed, **RUNS[name]}
    prepared = prepare(Recipe.default("music", "image").changed(settings), data)
    method, recipe = prepared.method, prepared.recipe
    start = process_time()
    for step in fit(method, prepared.dataset, prepared.views, optim=recipe.optim, **recipe.train.arguments()):
        terms = step.terms
    seconds = process_time() - start
    features = embed_rows(method.encoder, prepared.preprocess.to_input, prepared.rows)
    whole = torch.nn.Sequential(method.encoder, method.projector)
    logits = torch.from_numpy(embed_rows(whole, prepared.preprocess.to_input, prepared.rows[prepared.test]))
    segments, units = method.projector.num_segments, method.projector.units
    codes = method.projector.codes(logits).numpy()
    pairs = mutual_information(codes, units)[np.triu_indices(segments, 1)]
    train, test, y = prepared.train, prepared.test, np.asarray(data.labels)
    return {
        "run": name,
        "seed": seed,
        "epochs": epochs,
        "settings": {key: value for key, value in RUNS[name].items()},
        "probe": linear_probe(features[train], y[train], features[test], y[test]).score,
        "bins": float(bins_used(codes).mean() / units),
        "confidence": float(logits.view(len(codes), segments, units).softmax(2).amax(2).mean()),
        "information": float(np.nanmean(pairs)) if np.isfinite(pairs).any() else None,
        "last_terms": terms,
        "seconds": round(seconds, 1),
    }


def of(entries: list[dict], name: str, key: str) -> float:
    return float(np.mean([entry[key] for entry in entries if entry["run"] == name]))


def verdicts(entries: list[dict]) -> list[dict]:
    """Return claim, result and verdict; a claim of the first kind holds within two points of the full run's probe."""
    seeds = {name: {entry["seed"] for entry in entries if entry["run"] == name} for name in RUNS}
    names = [name for name in RUNS if seeds[name] >= set(SEEDS)]
    if "full" not in names:
        return []
    base, found = of(entries, "full", "probe"), []

    def add(claim: str, said: str, holds: bool) -> None:
        found.append({"claim": claim, "result": said, "verdict": "reproduced" if holds else "not reproduced"})

    for claim, sizes in (
        ("no deep projector is needed", ("projector without a hidden layer", "projector with two hidden layers")),
        ("no large batch is needed", ("batch 64", "batch 512")),
        ("no large embedding is needed", ("embedding of 32 (4 segments)", "embedding of 512 (64 segments)")),
    ):
        if set(sizes) <= set(names):
            small, large = (of(entries, name, "probe") for name in sizes)
            said = f"probe {base:.3f}; {sizes[0]}: {small:.3f}; {sizes[1]}: {large:.3f}"
            add(claim, said, small > max(base, large) - 0.02)
    for name, bound, above in (("full", 0.9, True), ("transform alone", 0.4, False)):
        if name in names:
            bins = of(entries, name, "bins")
            claim = f"{name}: at {'least' if above else 'most'} {bound} of the units are used"
            add(claim, f"{bins:.2f}", bins >= bound if above else bins <= bound)
    if "off-diagonal alone" in names:
        confidence, probe = (of(entries, "off-diagonal alone", key) for key in ("confidence", "probe"))
        said = f"mean largest probability {confidence:.3f} (uniform: .125), probe {probe:.3f} (full: {base:.3f})"
        holds = confidence < 0.2 and probe < base - 0.1
        add("off-diagonal alone: all units are equally likely, and little is learnt", said, holds)
    return found


def table(entries: list[dict]) -> str:
    lines = [
        "| run | linear probe | units used | largest probability | information of pairs |",
        "|---|---|---|---|---|",
    ]
    for name in RUNS:
        rows = [entry for entry in entries if entry["run"] == name]
        if rows:
            said = [
                f"{np.mean(x):.3f} ± {np.std(x):.3f}" for x in ([e["probe"] for e in rows], [e["bins"] for e in rows])
            ]
            pairs = [entry["information"] for entry in rows if entry["information"] is not None]
            more = [f"{of(entries, name, 'confidence'):.2f}", f"{np.mean(pairs):.2f}" if pairs else "undefined"]
            lines.append(f"| {' | '.join([name, *said, *more])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=float, default=60.0)
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--out", type=Path, default=Path("docs/results/music_claims.json"))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    entries = json.loads(given.out.read_text())["runs"] if given.out.is_file() else []
    if given.table:
        print(table(entries), "", *verdicts(entries), sep="\n")
        return
    for seed in SEEDS:
        for name in given.only:
            if any((entry["run"], entry["seed"]) == (name, seed) for entry in entries):
                continue
            entries.append(run(name, seed, given.epochs))
            print(entries[-1], flush=True)
            about = {
                "command": f"python experiments/music_claims.py --epochs {given.epochs:g}",
                "protocol": __doc__,
                "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
                "verdicts": verdicts(entries),
                "runs": entries,
            }
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(about, indent=1) + "\n")
    print(table(entries))


if __name__ == "__main__":
    main()
