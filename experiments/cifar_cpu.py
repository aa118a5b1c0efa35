"""CIFAR-10 on a processor: a subset, a small network and a minute, beside the k-NN scores that lightly publishes.

    python experiments/cifar_cpu.py --data DIR [--seeds 1] [--seconds 60]
    python experiments/cifar_cpu.py --table

This is no comparison of like with like, and decides nothing about a published score. Lightly: all 50,000 images,
ResNet-18 (11 million weights), batch 512, 200 epochs, 90 minutes on a GPU, k-NN with k = 200 and temperature .1, the
best epoch on the test rows. Here: the first 10,000 training and 4000 test images of a JPEG copy (DIR holds
cifar10_jpeg.npz), small_resnet with stem 8 and width 128, batch 256, every method's default head and optimiser,
`--seconds` of processor time on one thread (the table says how many epochs that is), crops from .2 of the area, flips,
colour jitter, grey; k-NN with k = 20, the last state. Beside them what costs next to nothing: raw pixels, PCA to the
encoder's width, and the encoder before training.

Criterion, written before the runs: a method works at this size where the 95% bootstrap interval over test rows of its
difference to the encoder before training is above 0 in every seed, in k-NN and in the linear probe; it is of use where
the same holds against the better of raw pixels and PCA, too. One seed says nothing of the order of methods. A run that
is kept already is not made again.
"""

import numpy as np
from budgeted import command_line, keep, kept, train
from matrix_run import KINDS, Judge, paired
from small_images import cifar10

from isotropy.data import Data
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

# k-NN after 200 epochs at batch 512, from lightly's table; none is published for VICReg, MUSIC and DISSL.
PUBLISHED = {"simclr": 0.848, "swav": 0.842}
METHODS = ("simclr", "vicreg", "music", "dissl", "swav")
RANDOM = "untrained encoder"
SETTINGS = {"encoder.stem": 8, "encoder.width": 128, "train.batch_size": 256}


def free(seed: int, data: Data) -> list[dict]:
    """Return the untrained encoder's scores and, with seed 0, those of raw pixels and PCA."""
    prepared = prepare(Recipe.default("simclr", "image").changed({**SETTINGS, "train.seed": seed}), data)
    judge = Judge(prepared, prepared.train, prepared.test)
    found = {RANDOM: judge.probe(judge.embed()), **(judge.free() if seed == 0 else {})}
    return [{"method": name, "seed": seed, **scores} for name, scores in found.items()]


def one(method: str, seed: int, seconds: float, data: Data, runs: list[dict]) -> dict:
    """Train and return what it took, the scores, and their differences to what is free."""
    prepared = prepare(Recipe.default(method, "image").changed({**SETTINGS, "train.seed": seed}), data)
    made = train(prepared, seconds)
    judge = Judge(prepared, prepared.train, prepared.test)
    scores = judge.probe(judge.embed())
    gains = {
        run["method"]: paired(scores, run, len(judge.test))
        for run in runs
        if "gains" not in run and run["seed"] in (0, seed) and (run["method"] != RANDOM or run["seed"] == seed)
    }
    facts = {"steps": made.steps, "epochs": made.epochs, "cpu_seconds": made.seconds, "loss": made.loss}
    for kind in KINDS:
        del scores[kind]["right"]
    return {"method": method, "seed": seed, "seconds": seconds, **facts, **scores, "gains": gains}


def verdicts(runs: list[dict]) -> list[dict]:
    """Return claim, result and verdict for every method by the criterion of the script."""
    raw = [run for run in runs if "gains" not in run and run["method"] != RANDOM]
    untrained = dict.fromkeys(KINDS, RANDOM)
    best = {kind: max(raw, key=lambda run: run[kind]["score"])["method"] for kind in KINDS}
    found = []
    for method in METHODS:
        mine = [run["gains"] for run in runs if run["method"] == method]
        if not mine:
            continue
        works, useful = (
            all(gains[others[kind]][kind]["low"] > 0 for gains in mine for kind in KINDS)
            for others in (untrained, best)
        )
        said = []
        for kind in KINDS:
            for other in (untrained[kind], best[kind]):
                gains = [each[other][kind] for each in mine]
                low, high = min(gain["low"] for gain in gains), max(gain["high"] for gain in gains)
                said.append(f"{kind} {np.mean([g['score'] for g in gains]):+.3f} [{low:+.3f}, {high:+.3f}] to {other}")
        verdict = "holds" if works else "does not hold"
        verdict += "; above raw pixels and PCA, too" if useful else "; not above raw pixels and PCA in both probes"
        claim = f"{method} beats the untrained encoder on a part of CIFAR-10 (seeds: {len(mine)})"
        found.append({"claim": claim, "result": ", ".join(said), "verdict": verdict})
    return found


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown: with one seed the interval over test rows, else the range over seeds."""
    lines = [
        "| | seeds | processor s | epochs | k-NN | linear | published k-NN (not like with like) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(run["method"] for run in sorted(runs, key=lambda run: "gains" in run)):
        mine = [run for run in runs if run["method"] == name]
        spent = [f"{np.mean([run.get(key, 0) for run in mine]):.3g}" for key in ("cpu_seconds", "epochs")]
        said = []
        for kind in ("knn", "linear"):
            scores = [run[kind]["score"] for run in mine]
            ends = (mine[0][kind]["low"], mine[0][kind]["high"]) if len(mine) == 1 else (min(scores), max(scores))
            said.append(f"{np.mean(scores):.3f} ({ends[0]:.3f} to {ends[1]:.3f})")
        known = f"{PUBLISHED[name]:.3f}" if name in PUBLISHED else ("none" if name in METHODS else "")
        row = [name, str(len(mine)), *(spent if name in METHODS else ["", ""]), *said, known]
        lines.append(f"| {' | '.join(row)} |")
    more = [f"- {each['claim']}: **{each['verdict']}**. {each['result']}." for each in verdicts(runs)]
    return "\n".join([*lines, "", *more])


def main() -> None:
    parser = command_line(__doc__, "cifar_cpu", seeds=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    data = cifar10(options.data)
    command = f"python experiments/cifar_cpu.py --data DIR --seeds {options.seeds} --seconds {options.seconds:g}"
    for seed in range(options.seeds):
        for method in (RANDOM, *METHODS):
            if any((run["method"], run["seed"]) == (method, seed) for run in runs):
                continue
            runs += free(seed, data) if method == RANDOM else [one(method, seed, options.seconds, data, runs)]
            keep(options.out, command, runs, protocol=__doc__, verdicts=verdicts(runs))
            print({key: value for key, value in runs[-1].items() if key != "gains"}, flush=True)


if __name__ == "__main__":
    main()
