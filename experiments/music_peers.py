"""MUSIC against Barlow Twins and VICReg at equal budget and equal embedding size, on small images.

    python experiments/music_peers.py --data DIR [--seeds 3] [--only digits]
    python experiments/music_peers.py --table

Claim (Niu and Wang 2022, abstract): MUSIC beats Barlow Twins and VICReg, and needs no large embedding. Published
numbers were not found.

Protocol: one network (small_resnet, stem 8, width 64), one head (64, 256, D), D = 32 or 256, MUSIC's segments of 8
units, batch 256, the default optimiser, equal epochs (digits 60, Fashion-MNIST 10: as many steps for all; processor
seconds stand beside), the methods' default weights, 3 seeds of weights, views and order. DIR holds fashion_mnist.npz,
of which 3000 training and 2000 test rows are used at 14 px. Linear probe and k-NN of the encoder, beside raw pixels,
PCA and the untrained encoder. The longer run is three times as long, at D = 32, seed 0: an order of one seed,
in which differences below .01 are noise.

Criterion, written before the runs: "beats" is reproduced where the 95% t-interval of the paired differences of the
linear probe (MUSIC minus peer, over seeds) is above 0 for both peers in at least 3 of the 4 cells of data and size;
"needs no large embedding" is reproduced where MUSIC at D = 32 is at most .01 below MUSIC at D = 256 on both data sets.
Fewer than 3 seeds: no verdict. A run that is kept already is not made again.
"""

import numpy as np
from budgeted import Difference, command_line, features, keep, kept, paired, probe, probed, trained
from small_images import VIEWS, digits, fashion

from isotropy.data import Data
from isotropy.evaluation.baselines import collect
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

HEADS = {"music": "method.projector", "barlow_twins": "method.projector", "vicreg": "method.expander"}
SIZES = (32, 256)
EPOCHS = {"digits": 60.0, "fashion": 10.0}
LONGER, LONG_SIZE = 3, 32
UNITS, WIDTH, LARGEST_LOSS = 8, 64, 0.01
FREE = ("raw features", f"PCA ({WIDTH})", "untrained encoder")


def recipe_of(method: str, name: str, size: int, seed: int) -> Recipe:
    """Return the recipe of a run: nothing differs between methods but the loss."""
    settings = {"encoder.stem": 8, "encoder.width": WIDTH, "train.batch_size": 256, "train.seed": seed, **VIEWS[name]}
    settings |= {HEADS[method]: [256, size], **({"method.num_segments": size // UNITS} if method == "music" else {})}
    return Recipe.default(method, "image").changed(settings)


def one(method: str, name: str, size: int, seed: int, longer: int, data: Data) -> dict:
    """Return a run: what it was, what it took, its scores."""
    prepared = prepare(recipe_of(method, name, size, seed), data)
    made = trained(prepared, EPOCHS[name] * longer)
    facts = {"steps": made.steps, "epochs": made.epochs, "cpu_seconds": made.seconds, "loss": made.loss}
    what = {"method": method, "data": name, "size": size, "seed": seed, "longer": longer}
    return {**what, **facts, "trained": probe(prepared, made.encoder)}


def free(name: str, seed: int, data: Data) -> list[dict]:
    """Return the baselines' scores: what costs nothing to learn."""
    prepared = prepare(recipe_of("music", name, SIZES[0], seed), data)
    train_x, train_y, test_x, test_y = features(prepared, prepared.untrained().eval())
    pixels = prepared.rows.flatten(1).float().numpy() / 255
    pairs = collect(pixels[prepared.train], pixels[prepared.test], width=WIDTH, untrained=(train_x, test_x))
    scores = {key: probed(x, train_y, y, test_y) for key, (x, y) in pairs.items()}
    return [
        {"method": key, "data": name, "size": 0, "seed": seed, "longer": 1, "trained": score}
        for key, score in scores.items()
    ]


def scores(runs: list[dict], method: str, name: str, size: int, longer: int = 1) -> dict[int, float]:
    """Return the linear scores of a cell by seed."""
    cell = (method, name, size, longer)
    chosen = [run for run in runs if (run["method"], run["data"], run["size"], run["longer"]) == cell]
    return {run["seed"]: run["trained"]["linear"]["score"] for run in chosen}


def verdicts(runs: list[dict]) -> list[dict]:
    """Return claim, result and verdict by the criterion of the script."""
    said, won, complete = [], 0, 0
    for name in EPOCHS:
        for size in SIZES:
            own = scores(runs, "music", name, size)
            gaps = {peer: paired(own, scores(runs, peer, name, size)) for peer in list(HEADS)[1:]}
            if all(isinstance(gap, Difference) for gap in gaps.values()):
                said.append(f"{name}, D = {size}: " + ", ".join(f"{gap} to {peer}" for peer, gap in gaps.items()))
                complete += all(gap.pairs >= 3 for gap in gaps.values())
                won += all(gap.low > 0 for gap in gaps.values())
    found = [
        {
            "claim": "MUSIC beats Barlow Twins and VICReg at equal budget and embedding size",
            "result": f"above both in {won} of {complete} complete cells. " + "; ".join(said),
            "verdict": ("reproduced" if won >= 3 else "not reproduced") if complete == 4 else "open: seeds are missing",
        }
    ]
    losses = {name: paired(*(scores(runs, "music", name, size) for size in SIZES)) for name in EPOCHS}
    if all(loss and loss.pairs >= 3 for loss in losses.values()):
        holds = all(loss.mean >= -LARGEST_LOSS for loss in losses.values())
        said = [f"{name}: D = {SIZES[0]} minus D = {SIZES[1]} {loss}" for name, loss in losses.items()]
        verdict = "reproduced" if holds else "not reproduced"
        found.append({"claim": "MUSIC needs no large embedding", "result": "; ".join(said), "verdict": verdict})
    return [*found, *(ranking(runs, name) for name in EPOCHS if scores(runs, "music", name, LONG_SIZE, LONGER))]


def ranking(runs: list[dict], name: str) -> dict:
    """Return whether a longer run of one seed ranks the three alike."""
    order = {}
    for longer in (1, LONGER):
        cells = {method: scores(runs, method, name, LONG_SIZE, longer).get(0, np.nan) for method in HEADS}
        order[longer] = sorted(cells, key=lambda method: -cells[method])
        order[longer, "said"] = ", ".join(f"{method} {cells[method]:.3f}" for method in order[longer])
    return {
        "claim": f"the ranking on {name} does not change with {LONGER} times the length (D = {LONG_SIZE}, seed 0)",
        "result": f"{order[1, 'said']}; longer: {order[LONGER, 'said']}",
        "verdict": "holds" if order[1] == order[LONGER] else "changes",
    }


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown: means over seeds with the lowest and highest."""
    lines = [
        "| data | D | length | method | seeds | processor s | linear | k-NN |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cells = {(run["data"], run["size"], run["longer"], run["method"]): [] for run in runs}
    for run in runs:
        cells[run["data"], run["size"], run["longer"], run["method"]].append(run)
    for (name, size, longer, method), mine in sorted(cells.items(), key=lambda item: item[0]):
        seconds = f"{np.mean([run['cpu_seconds'] for run in mine]):.0f}" if size else ""
        said = []
        for kind in ("linear", "knn"):
            values = [run["trained"][kind]["score"] for run in mine]
            said.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        row = [name, str(size or ""), f"x{longer}" if size else "", method, str(len(mine)), seconds, *said]
        lines.append(f"| {' | '.join(row)} |")
    more = [f"- {each['claim']}: **{each['verdict']}**. {each['result']}." for each in verdicts(runs)]
    return "\n".join([*lines, "", *more])


def main() -> None:
    parser = command_line(__doc__, "music_peers")
    parser.add_argument("--only", nargs="*", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--no-longer", action="store_true", help="leave the longer runs for another time")
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    sets = {name: digits() if name == "digits" else fashion(options.data) for name in options.only}
    short = [(*cell, seed, 1) for seed in range(options.seeds) for cell in _cells(options.only)]
    long = [(method, name, LONG_SIZE, 0, LONGER) for name in options.only for method in HEADS]
    for method, name, size, seed, longer in short if options.no_longer else short + long:
        keys = [(run["method"], run["data"], run["size"], run["seed"], run["longer"]) for run in runs]
        if (FREE[-1], name, 0, seed, 1) not in keys:
            made = free(name, seed, sets[name])
            runs += made if seed == 0 else made[-1:]  # raw pixels and PCA have no seed
        if (method, name, size, seed, longer) in keys:
            continue
        runs.append(one(method, name, size, seed, longer, sets[name]))
        print({key: value for key, value in runs[-1].items() if key != "trained"}, runs[-1]["trained"], flush=True)
        command = f"python experiments/music_peers.py --data DIR --seeds {options.seeds}"
        keep(options.out, command, runs, protocol=__doc__, verdicts=verdicts(runs))


def _cells(names: list[str]) -> list[tuple[str, str, int]]:
    return [(method, name, size) for name in names for size in SIZES for method in HEADS]


if __name__ == "__main__":
    main()
