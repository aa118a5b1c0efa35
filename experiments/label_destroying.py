"""Does an augmentation that contradicts the label make SimCLR lose it, where LFR, which augments nothing, does not?

    python experiments/label_destroying.py --data DIR [--seeds 3] [--seconds 30]
    python experiments/label_destroying.py --table

DIR holds uci_har.npz. The task: windows of a phone's sensors, each multiplied with one of five gains (.7 to 1.4), as
if recorded by five devices; the label is the device. Gravity makes it readable. Scaling by a random factor is a usual
augmentation of such series (TS-TCC's code multiplies with N(2, 1.1)); it tells SimCLR that the gain should
not matter. The expectation that SimCLR unlearns it did not hold in the first runs (docs/log.md).
SimCLR without that augmentation, and every encoder before training, stand beside it.
"""

import argparse
from pathlib import Path

import numpy as np
from budgeted import keep, kept, mean, measured

from isotropy.data import Data, read
from isotropy.recipe import Recipe

GAINS = (0.7, 0.84, 1.0, 1.19, 1.41)
TRAIN, TEST = 4000, 2000
OTHER_LOOKS = {"views.jitter": 0.05, "views.permute": 4}
ARMS = {
    "simclr with scaling": ("simclr", {"views.scale": 0.5, **OTHER_LOOKS}),
    "simclr without scaling": ("simclr", {"views.scale": 0.0, **OTHER_LOOKS}),
    "lfr": ("lfr", {}),
}


def devices(folder: Path) -> Data:
    """Return HAR windows under random gains, labelled by the gain; the parts share no subject."""
    content, rng = np.load(folder / "uci_har.npz"), np.random.default_rng(0)
    parts = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        windows = content[f"X_{part}"]
        parts.append(windows[rng.permutation(len(windows))[:count]] * content["scale"][:, None])
    device = rng.integers(len(GAINS), size=TRAIN + TEST)
    values = np.concatenate(parts) * np.asarray(GAINS, dtype=np.float32)[device, None, None]
    where = np.repeat(["train", "test"], [TRAIN, TEST])
    return read(values.astype(np.float32), label=device, split=where, modality="series")


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown with the verdict below, means over seeds."""
    lines = [
        "| training | seeds | linear, trained | linear, untrained | k-NN, trained | k-NN, untrained |",
        "|---|---|---|---|---|---|",
    ]
    for name in ARMS:
        mine = [run for run in runs if run["arm"] == name]
        scores = [mean(mine, which, kind) for kind in ("linear", "knn") for which in ("trained", "untrained")]
        lines.append(f"| {name} | {len(mine)} | " + " | ".join(scores) + " |")
    return "\n".join([*lines, "", verdict(runs)])


def verdict(runs: list[dict]) -> str:
    """Return what the linear scores say: reproduced where no seed contradicts."""

    def scores(arm: str, which: str = "trained") -> list[float]:
        return [run[which]["linear"]["score"] for run in runs if run["arm"] == arm]

    loses = max(scores("simclr with scaling")) < min(scores("simclr with scaling", "untrained"))
    keeps = min(scores("lfr")) > max(scores("simclr with scaling"))
    blame = min(scores("simclr without scaling")) > max(scores("simclr with scaling"))
    said = "SimCLR with scaling ends below its untrained encoder" if loses else "SimCLR with scaling does not lose"
    said += ", LFR stays above it" if keeps else ", LFR does not stay above it"
    said += "; without scaling SimCLR does better" if blame else "; without scaling SimCLR does no better"
    return f"Verdict: {'reproduced' if loses and keeps and blame else 'not reproduced'}. {said}, in every seed."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--out", type=Path, default=Path("docs/results/label_destroying.json"))
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    data = devices(options.data)
    command = f"python experiments/label_destroying.py --data DIR --seeds {options.seeds} --seconds {options.seconds:g}"
    for seed in range(options.seeds):
        for arm, (method, settings) in ARMS.items():
            if any((run["arm"], run["seed"]) == (arm, seed) for run in runs):
                continue
            recipe = Recipe.default(method, "series").changed({**settings, "train.seed": seed})
            runs.append({"arm": arm, "seed": seed, **measured(recipe, data, options.seconds)})
            keep(options.out, command, runs)
            print(arm, seed, runs[-1], flush=True)


if __name__ == "__main__":
    main()
