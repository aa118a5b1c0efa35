"""H0 to H5 of the common stability mechanism (arXiv 2402.14957), each with a verdict.

    python experiments/stability.py --data DIR [--most N] [--out docs/results/stability.json]
    python experiments/stability.py --table

Said: a method is stable because it makes a sample's expected representation long (a = E[z.z'] of two views of a
sample) and that of all samples, the centre, short (c2 = E[z.z''] of two samples). The paper's protocol is not known;
ours is small: 3000 training rows of CIFAR-10 halved to 16 x 16 pixels (small_resnet, stem 8, width 64, 5 epochs), of
HAR at half the sampling rate (dilated_resnet, 16 channels, 3 blocks, width 64, 5 epochs) and of Dry Bean (table_mlp,
128 wide, width 64, 16 epochs), batches of 128, projectors of 256 and 128, AdamW at 1e-3 and all else by default; 3
seeds. At ten checkpoints, the first before training: a and c2 without bias on two new looks at 512 training rows, of
what the loss compares (z) and of the encoder's vectors (h), and the encoder's 20-nearest-neighbour accuracy on 800
held-out rows. Intervals are 95% bootstraps over runs. The criteria were written before the runs; each stands in its
`protocol`. One entry per run; a run that is there already is not made again.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kruskal, spearmanr
from stability_runs import LAMBDAS as WEIGHTS
from stability_runs import MOMENTA, SETTINGS, SIX, VARIANTS, run
from stability_toy import KINDS, LAMBDAS, toy

SEEDS = (0, 1, 2)
REMOVALS = ("simsiam", "no predictor", "nothing removed", "T1 penalty", "T2 subtraction")
STEADY = tuple(f"momentum {m:g}" for m in MOMENTA)
Runs = list[dict[str, Any]]
Found = dict[str, Any]
Sets = tuple[str, ...]


def ends(runs: Runs, variant: str, data: str, key: str) -> list[float]:
    """Return the last value of `key`, one per seed."""
    return [run[key][-1] for run in runs if (run["variant"], run["data"]) == (variant, data)]


def rounded(values: list[float]) -> list[float]:
    return [round(float(value), 3) for value in values]


def mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 3)


def bootstrap(values: list[float]) -> list[float]:
    """Return the mean and its 95% percentile interval over resampled runs."""
    x = np.array([value for value in values if np.isfinite(value)])
    if not len(x):
        return [float("nan")] * 3
    means = x[np.random.default_rng(0).integers(len(x), size=(5000, len(x)))].mean(axis=1)
    return rounded([x.mean(), *np.quantile(means, [0.025, 0.975])])


def judged(flags: list[bool]) -> str:
    """Return the verdict on a claim that should hold in every cell: undecided where only some hold."""
    return "reproduced" if all(flags) else "undecided" if any(flags) else "not reproduced"


def six(runs: Runs, sets: Sets) -> Found:
    """H0a: do all six raise a and lower c2?"""
    cells: Found = {}
    for data in sets:
        for method in SIX:
            mine = [run for run in runs if (run["variant"], run["data"]) == (method, data)]
            moved = {
                f"{kind}_{key}": rounded([run[f"{kind}_{key}"][-1] - run[f"{kind}_{key}"][0] for run in mine])
                for kind in "zh"
                for key in ("alignment", "centre")
            }
            holds = {kind: min(moved[f"{kind}_alignment"]) > 0 > max(moved[f"{kind}_centre"]) for kind in "zh"}
            cells[f"{data}, {method}"] = moved | {"holds in z": holds["z"], "holds in h": holds["h"]}
    failed = {kind: [name for name, cell in cells.items() if not cell[f"holds in {kind}"]] for kind in "zh"}
    return {
        "claim": "SimCLR, BYOL, SwAV, SimSiam, Barlow Twins and DINO all raise a and lower c2.",
        "protocol": "Last less first checkpoint, each seed. Reproduced where a rises and c2 falls in all seeds of all "
        "18 cells of z, not reproduced where in none, else undecided; h beside it.",
        "result": {"cells": cells, "fails in z": failed["z"], "fails in h": failed["h"]},
        "verdict": judged([cell["holds in z"] for cell in cells.values()]),
        "verdict in h": judged([cell["holds in h"] for cell in cells.values()]),
    }


def tracks(runs: Runs, sets: Sets) -> Found:
    """H0b: does the centre track k-NN?"""
    result: Found = {}
    for kind in "zh":
        rho = {
            (r["data"], r["variant"], r["seed"]): _rho(r[f"{kind}_centre"], r["knn"])
            for r in runs
            if _six(r) and r["data"] in sets
        }
        result[f"{kind}, over checkpoints, all"] = bootstrap([*rho.values()])
        for name in SIX:
            result[f"{kind}, over checkpoints, {name}"] = bootstrap([v for k, v in rho.items() if k[1] == name])
        for data in sets:
            result[f"{kind}, over checkpoints, {data}"] = bootstrap([v for k, v in rho.items() if k[0] == data])
            every = [r for r in runs if r["data"] == data]
            result[f"{kind}, over last checkpoints of all {len(every)} runs, {data}"] = _over(every, f"{kind}_centre")
    low, high = result["z, over checkpoints, all"][1:]
    return {
        "claim": "The centre's length tracks collapse: over training k-NN is better where c2 is smaller.",
        "protocol": "Spearman's rho of c2 and k-NN over a run's ten checkpoints, its mean over the six methods' runs "
        "and the interval of that mean; over all runs' last checkpoints (the planted ones too), an interval of rho "
        "itself. Reproduced where the interval over all in z is below 0, not reproduced where it is above, else "
        "undecided.",
        "result": result,
        "verdict": "reproduced" if high < 0 else "not reproduced" if low > 0 else "undecided",
    }


def _six(run: dict[str, Any]) -> bool:
    return run["variant"] in SIX


def _rho(one: list[float], other: list[float]) -> float:
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else float("nan")


def _over(runs: Runs, key: str) -> list[float]:
    pairs = np.array([(run[key][-1], run["knn"][-1]) for run in runs])
    rng = np.random.default_rng(0)
    drawn = [_rho(*pairs[rng.integers(len(pairs), size=len(pairs))].T) for _ in range(1000)]
    return rounded([_rho(*pairs.T), *np.nanquantile(drawn, [0.025, 0.975])])


def removal(runs: Runs, sets: Sets) -> Found:
    """H1: SimSiam without a predictor."""
    names = REMOVALS
    result, flags = table_of(runs, sets, names, ("z_centre", "z_rank_uncentred", "z_spread", "knn")), []
    for data in sets:
        control = ends(runs, "nothing removed", data, "z_centre")
        removed = [ends(runs, name, data, "z_centre") for name in names[3:]]
        better = [
            mean(ends(runs, n, data, "knn")) > mean(ends(runs, "nothing removed", data, "knn")) for n in names[3:]
        ]
        flags.append(min(control) > 0.9 and max(map(max, removed)) < 0.1 and all(better))
    return {
        "claim": "Without its predictor SimSiam collapses to a point, and it does not where the centre is removed.",
        "protocol": "'nothing removed' is the cosine with the other view's projection, no gradient through it, the "
        "projector without a last norm; T1 adds lambda c2 (Center, 0.5), T2 subtracts half the moving mean from the "
        "target (CenterSubtraction, 0.5). 'no predictor' is SimSiam with the identity there and its last batch norm "
        "kept. A data set counts where c2 of z ends above 0.9 with nothing removed and below 0.1 with T1 and T2, all "
        "seeds, and T1 and T2 have the better mean k-NN. Reproduced where all three count.",
        "result": result,
        "verdict": judged(flags),
    }


def decorrelation(runs: Runs, sets: Sets) -> Found:
    """H2: Barlow Twins without decorrelation."""
    names, keys = ("barlow_twins", "no off-diagonal"), ("z_centre", "h_centre", "z_rank", "h_rank", "knn")
    flags = []
    for data in sets:
        whole, without = ([ends(runs, name, data, key) for key in ("h_centre", "z_rank")] for name in names)
        flags.append(max(without[0]) < 0.9 and max(without[1]) < min(whole[1]))
    return {
        "claim": "Without its off-diagonal term Barlow Twins does not fall to one point, since standardisation takes "
        "the centre away; it loses rank.",
        "protocol": "lambda = 0. z is the standardised projection, whose centre is 0 by construction; a data set "
        "counts where c2 of h ends below 0.9 in all seeds and the effective rank of z is lower than any with the term.",
        "result": table_of(runs, sets, names, keys),
        "verdict": judged(flags),
    }


def prototypes(runs: Runs, sets: Sets) -> Found:
    """H3: SwAV with fixed prototypes."""
    names, flags = ("swav", "fixed prototypes"), []
    for data in sets:
        learnt, fixed = (ends(runs, name, data, "knn") for name in names)
        flags.append(mean(fixed) >= mean(learnt) - 0.02 and max(ends(runs, names[1], data, "z_centre")) < 0.9)
    return {
        "claim": "SwAV stays stable where its prototypes are random unit vectors that never move.",
        "protocol": "64 prototypes. A data set counts where the mean k-NN is at most 0.02 below that of learnt "
        "prototypes and c2 of z ends below 0.9 in all seeds.",
        "result": table_of(runs, sets, names, ("z_centre", "z_alignment", "used", "marginal", "knn")),
        "verdict": judged(flags),
    }


def momenta(runs: Runs, sets: Sets) -> Found:
    """H4: BYOL over momenta."""
    names, flags, tests = STEADY, [], {}
    for data in sets:
        p = [kruskal(*[ends(runs, name, data, key) for name in names]).pvalue for key in ("z_centre", "knn")]
        every = [run for run in runs if run["data"] == data and run["variant"] in names]
        tests[data] = {"p of c2": rounded(p[:1])[0], "p of k-NN": rounded(p[1:])[0], "rho": _over(every, "z_centre")}
        flags.append(max(p) < 0.05)
    return {
        "claim": "BYOL's centre and k-NN depend on the teacher's momentum.",
        "protocol": "The momentum does not change over training. Kruskal and Wallis over six momenta of three seeds; a "
        "data set counts where p < 0.05 for c2 of z and for k-NN. rho: Spearman of the two over the 18 runs.",
        "result": {"tests": tests, **table_of(runs, sets, names, ("z_centre", "z_alignment", "eta", "knn"))},
        "verdict": judged(flags),
    }


def simplified(runs: Runs, toys: Runs) -> Found:
    """H5: the simplified objective over lambda."""
    result: Found = {}
    point, shape = [], []
    for kind in KINDS:
        mine = {w: [t for t in toys if (t["batch"], t["views"], t["lambda"]) == (*kind, w)] for w in LAMBDAS}
        for w, each in mine.items():
            keys = ("centre", "alignment", "rank", "rank_uncentred", "knn")
            result[f"toy, {kind[0]}-batch, {kind[1]}, lambda {w:g}"] = {k: mean([t[k] for t in each]) for k in keys}
        inside = [t["centre"] for w in (0.1, 0.5, 0.9) for t in mine[w]]
        point.append(min(t["centre"] for t in mine[0.0]) > 0.9 and max(inside) < 0.1)
        knn = {w: mean([t["knn"] for t in each]) for w, each in mine.items()}
        shape.append(max(knn[0.1], knn[0.5], knn[0.9]) > max(knn[0.0], knn[2.0], knn[5.0]) + 0.01)
    names = [f"lambda {w:g}" for w in WEIGHTS]
    result |= table_of(runs, ("dry_bean",), names, ("z_centre", "z_alignment", "z_rank", "knn"))
    return {
        "claim": "-a + lambda c2 collapses at lambda = 0 and not within (0, 1); k-NN over lambda has the shape of a U "
        "turned over, its best inside (0, 1); the same with all rows in a batch and with shifted views.",
        "protocol": "experiments/stability_toy.py. The first part counts where c2 ends above 0.9 at lambda = 0 and "
        "below 0.1 at 0.1, 0.5 and 0.9, all seeds; the second where the best mean k-NN inside is more than 0.01 above "
        "those at 0, 2 and 5; each in all four settings. Dry Bean over lambda beside it.",
        "result": result,
        "collapse": dict(zip(map(" ".join, KINDS), point)),
        "U-shape": dict(zip(map(" ".join, KINDS), shape)),
        "verdict": f"point collapse: {judged(point)}; U-shape: {judged(shape)}",
    }


def table_of(runs: Runs, sets: Sets, names: Any, keys: tuple[str, ...]) -> Found:
    """Return, for each data set and variant, the last values of all seeds, and k-NN before training."""
    found: Found = {}
    for where in sets:
        for name in names:
            mine = [run for run in runs if (run["variant"], run["data"]) == (name, where)]
            before = rounded([run["knn"][0] for run in mine])
            found[f"{where}, {name}"] = {k: rounded(ends(runs, name, where, k)) for k in keys if k in mine[0]} | {
                "knn untrained": before
            }
    return found


HYPOTHESES: dict[str, tuple[Callable[[Runs, Sets], Found], Sets]] = {
    "H0a": (six, SIX),
    "H0b": (tracks, SIX),
    "H1": (removal, REMOVALS),
    "H2": (decorrelation, ("barlow_twins", "no off-diagonal")),
    "H3": (prototypes, ("swav", "fixed prototypes")),
    "H4": (momenta, STEADY),
}


def whole(runs: Runs, data: str, variants: Sets) -> bool:
    """Return whether every seed of every variant is there."""
    there = {(run["variant"], run["seed"]) for run in runs if run["data"] == data}
    return all((name, seed) in there for name in variants for seed in SEEDS)


def hypotheses(runs: Runs, toys: Runs) -> Found:
    """Judge each hypothesis on the data sets that have all its runs, and name those that have not."""
    found: Found = {}
    for name, (judge, variants) in HYPOTHESES.items():
        sets = tuple(data for data in SETTINGS if whole(runs, data, variants))
        if sets:
            left = [data for data in SETTINGS if data not in sets]
            found[name] = judge(runs, sets) | {"judged on": sets}
            if left:
                so_far = found[name]["verdict"]
                found[name] |= {"not run whole": left, "verdict": f"undecided (on {', '.join(sets)}: {so_far})"}
    if len(toys) == len(KINDS) * len(LAMBDAS) * len(SEEDS) and whole(
        runs, "dry_bean", tuple(f"lambda {w:g}" for w in WEIGHTS)
    ):
        found["H5"] = simplified(runs, toys)
    return found


def written(out: Path, runs: Runs, toys: Runs, found: Found) -> None:
    """Write all that there is, a line per run."""
    about: Found = {
        "command": "python experiments/stability.py --data DIR",
        "protocol": __doc__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread, torch {torch.__version__}",
        "hypotheses": found,
    }
    lines = [json.dumps(about, indent=1)[:-2]]
    for name, each in (("runs", runs), ("toy", toys)):
        lines.append(f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, each)) + "\n ]")
    out.write_text(",\n".join(lines) + "\n}\n")


def order(data: str, name: str, seed: int) -> tuple[bool, ...]:
    """Return what sorts the runs: the table first, then images, and the many momenta on those and on series last."""
    return data != "dry_bean", name in STEADY, data != "cifar"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/stability.json"))
    parser.add_argument("--most", type=int, help="stop after so many new runs; 0 judges what is there")
    parser.add_argument("--table", action="store_true", help="print the hypotheses and their verdicts")
    given = parser.parse_args()
    known = json.loads(given.out.read_text()) if given.out.is_file() else {"runs": [], "toy": [], "hypotheses": {}}
    runs, toys = known["runs"], known["toy"]
    todo = [
        (data, name, seed)
        for seed in SEEDS
        for name in VARIANTS
        for data in SETTINGS
        if data == "dry_bean" or not name.startswith("lambda")
    ]
    todo.sort(key=lambda cell: order(*cell))
    there = {(run["data"], run["variant"], run["seed"]) for run in runs}
    toys_todo = [(w, *kind, seed) for seed in SEEDS for kind in KINDS for w in LAMBDAS]
    if given.table:
        for name, found in known["hypotheses"].items():
            print(name, found["verdict"], json.dumps(found["result"], indent=1), sep="\n")
        return
    if given.data is None:
        sys.exit("give --data DIR, the folder with cifar10_jpeg.npz, uci_har.npz and dry_bean.parquet")
    torch.set_num_threads(1)
    for w, batch, views, seed in toys_todo:
        if not any((t["lambda"], t["batch"], t["views"], t["seed"]) == (w, batch, views, seed) for t in toys):
            toys.append(toy(w, batch, views, seed))
    for data, name, seed in [cell for cell in todo if cell not in there][: given.most]:
        runs.append(run(data, name, seed, given.data))
        print(data, name, seed, {k: runs[-1][k][-1] for k in ("z_centre", "z_alignment", "knn")}, flush=True)
        written(given.out, runs, toys, known["hypotheses"])
    written(given.out, runs, toys, hypotheses(runs, toys))


if __name__ == "__main__":
    main()
