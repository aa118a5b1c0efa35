"""LFR against other training without augmentation of the user's making, on HAR, Epilepsy and Income.

    python experiments/lfr_peers.py --data DIR [--seeds 1] [--seconds 12] [--only har]
    python experiments/lfr_peers.py --table

Claim (Sui et al., ICLR 2024, table 1, from a secondary source): LFR reaches 93.1 (HAR), 97.9 (Epilepsy) and 85.2
(Income), the best of the self-supervised methods there; a random encoder is good on all three already.

Protocol, the authors': official test rows of HAR and Income (Income without rows that miss a value), random ones of
Epilepsy; of the training rows of HAR and Epilepsy 80% (the rest, their validation rows, is never read); their encoders
(a convolutional network of three blocks, 2304 and 3072 wide; a perceptron of 256); Adam, batch 128, constant rates.
Linear evaluation on frozen, unscaled vectors: HAR and Epilepsy one linear layer, cross entropy, Adam 3e-4, weight
decay 3e-4, batch 128, 100 epochs; Income scikit-learn's logistic regression, C = 1 (here at most 1000 steps, theirs
100,000). The last state is scored, not the best on test rows.

Not the authors': LFR's targets are 256 wide (theirs as wide as the encoder); every method trains for the same processor
seconds and no longer than the authors' epochs (`share` says how far it came: LFR 200, 200, 100; autoencoder the same;
DIET 500, 500, 100; TS-TCC 40; SCARF and STab 100); HAR is rebuilt from the raw recordings; values are standardised per
channel or column on the training rows; SCARF's donors are one row a cell. DIR holds uci_har.npz, epilepsy.npz and
adult.parquet; run it from the repository's root, whose recipes it takes.

Criterion, written before the runs: on a data set the claim "best" is reproduced where the 95% t-interval of the paired
differences (LFR minus another, over 3 seeds) is above 0 for every peer and the random encoder, and the claim of the
score where LFR's mean is within one point of the published one. A verdict on runs that did not reach the authors'
epochs says so. Fewer than 3 seeds: no verdict. The difference to the raw features, the cheapest rival, is said beside
it and decides nothing, as in the paper. A run that is kept already at this length is not made again.
"""

from pathlib import Path

import numpy as np
import torch
from budgeted import command_line, features, keep, kept, paired, trained
from sklearn.linear_model import LogisticRegression
from torch import nn

from isotropy.data import Data, read
from isotropy.evaluation import knn_probe
from isotropy.evaluation.intervals import interval
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe

PUBLISHED = {"har": 0.931, "epilepsy": 0.979, "income": 0.852}
PEERS = {
    "har": ("lfr", "autoencoder", "diet", "ts_tcc"),
    "epilepsy": ("lfr", "autoencoder", "diet", "ts_tcc"),
    "income": ("lfr", "autoencoder", "diet", "scarf", "stab"),
}
RANDOM, RAW = "random encoder", "raw features"
SERIES = {
    "optim.name": "adam", "optim.lr": 3e-4, "optim.weight_decay": 3e-4, "optim.betas": (0.9, 0.99),
    "optim.warmup": 0.0, "optim.final": 1.0, "optim.decay_vectors": True, "train.batch_size": 128,
    "train.keep_last": True,
}  # fmt: skip
# The authors' settings of their baselines on series, for which there are no recipes.
BASELINES = {"autoencoder": {"train.epochs": 200.0}, "diet": {"train.epochs": 500.0, "method.label_smoothing": 0.8}}
SEED_OF_ROWS = 42
EVALUATION = {"epochs": 100, "batch": 128, "rate": 3e-4, "decay": 3e-4}
SHORT, NEAR = 0.99, 0.01


def load(name: str, folder: Path) -> Data:
    """Return a data set with the authors' training and test rows."""
    if name == "income":
        data = read(folder / "adult.parquet", label="income", split="split")
        return data.take(np.flatnonzero(~(data.values == "?").any(axis=1).to_numpy()))
    if name == "epilepsy":
        content = np.load(folder / "epilepsy.npz")
        values, labels = content["X"].astype(np.float32)[:, None], (content["y"] != 0).astype(np.int8)
        part = np.where(content["is_test_random"], "test", "train")
        data = read(values, modality="series", label=labels, split=part)
    else:
        keys = {"label_key": "y_train", "test_key": "X_test", "test_label_key": "y_test"}
        data = read(folder / "uci_har.npz", key="X_train", **keys)
    train = np.random.default_rng(SEED_OF_ROWS).permutation(data.part("train"))
    return data.take(np.sort(np.concatenate([train[: round(0.8 * len(train))], data.part("test")])))


def recipe_of(method: str, name: str, seed: int) -> Recipe:
    """Return the authors' settings of a method on a data set, with targets of 256."""
    if method in BASELINES and name != "income":
        recipe = Recipe.default(method, "series").changed({**SERIES, **BASELINES[method]})
    else:
        recipe = Recipe.from_toml(Path("recipes") / f"{method}-{name}.toml")
    changes = {"train.seed": seed, **({"method.target_width": 256} if method == "lfr" else {})}
    return recipe.changed(changes)


def layer(train_x: torch.Tensor, train_y: torch.Tensor, test_x: torch.Tensor, seed: int) -> np.ndarray:
    """Return what one linear layer, trained as the authors do, predicts of the test rows."""
    torch.manual_seed(seed)
    model = nn.Linear(train_x.shape[1], int(train_y.max()) + 1)
    optimiser = torch.optim.Adam(
        model.parameters(), lr=EVALUATION["rate"], betas=(0.9, 0.99), weight_decay=EVALUATION["decay"], foreach=True
    )
    for _ in range(EVALUATION["epochs"]):
        order = torch.randperm(len(train_x))
        for rows in order[: len(order) // EVALUATION["batch"] * EVALUATION["batch"]].split(EVALUATION["batch"]):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(train_x[rows]), train_y[rows]).backward()
            optimiser.step()
    with torch.no_grad():
        return model(test_x).argmax(dim=1).numpy()


def evaluated(name: str, vectors: tuple, seed: int) -> dict:
    """Return the authors' linear evaluation and, beside it, k-NN with this package's 20 neighbours."""
    train_x, labels, test_x, truth = vectors
    classes, train_y = np.unique(labels, return_inverse=True)
    steps = None
    if name == "income":
        model = LogisticRegression(C=1.0, max_iter=1000).fit(train_x, train_y)
        predicted, steps = model.predict(test_x), int(model.n_iter_[0])
    else:
        tensors = (torch.from_numpy(train_x), torch.from_numpy(train_y), torch.from_numpy(test_x))
        predicted = layer(*tensors, seed=seed)
    terms = (classes[predicted] == truth).astype(np.float64)[:, None]
    near = knn_probe(train_x, labels, test_x, truth)
    linear = {key: round(value, 4) for key, value in interval("classes", terms).items()}
    return {"linear": linear, "knn": {"score": round(near.score, 4)}, "probe_steps": steps}


def one(method: str, name: str, seed: int, seconds: float, data: Data) -> dict:
    """Return a run: what it was, how far it came, its scores."""
    what = {"method": method, "data": name, "seed": seed, "seconds": seconds}
    prepared = prepare(recipe_of("lfr" if method in (RANDOM, RAW) else method, name, seed), data)
    if method == RAW:
        return {**what, **evaluated(name, raw(prepared), seed)}
    if method == RANDOM:
        return {**what, **evaluated(name, features(prepared, prepared.untrained().eval()), seed)}
    published = prepared.recipe.train.epochs
    made = trained(prepared, published, seconds)
    facts = {"epochs": made.epochs, "share": round(made.epochs / published, 4), "cpu_seconds": made.seconds}
    facts |= {"steps": made.steps, "loss": made.loss}
    return {**what, **facts, **evaluated(name, features(prepared, made.encoder), seed)}


def raw(prepared: Prepared) -> tuple:
    """Return what an encoder is given, flat; categories as ones and zeros."""
    if prepared.recipe.modality == "table":
        return features(prepared, prepared.untrained().expand)
    return features(prepared, nn.Flatten())


def scores(runs: list[dict], method: str, name: str, seconds: float) -> dict[int, float]:
    """Return the linear scores of a cell by seed; what is not trained has no length."""
    free = method in (RANDOM, RAW)
    chosen = [run for run in runs if (run["method"], run["data"]) == (method, name)]
    return {run["seed"]: run["linear"]["score"] for run in chosen if free or run["seconds"] == seconds}


def verdicts(runs: list[dict]) -> list[dict]:
    """Return claim, result and verdict for every data set and length by the criterion of the script."""
    found = []
    for name, published in PUBLISHED.items():
        for seconds in sorted({run["seconds"] for run in runs if run["data"] == name and run["method"] == "lfr"}):
            own = scores(runs, "lfr", name, seconds)
            gaps = {other: paired(own, scores(runs, other, name, seconds)) for other in (*PEERS[name][1:], RANDOM)}
            gaps = {other: gap for other, gap in gaps.items() if gap}
            lengths = [run["share"] for run in runs if run["data"] == name and run.get("share") is not None]
            at = "" if min(lengths) > SHORT else f" at {seconds:g} s (not the authors' length)"
            complete = len(own) >= 3 and all(gap.pairs >= 3 for gap in gaps.values()) and len(gaps) == len(PEERS[name])
            best = all(gap.low > 0 for gap in gaps.values())
            if raw := scores(runs, RAW, name, seconds):
                gaps[RAW] = paired(own, dict.fromkeys(own, raw[0]))
            mean = float(np.mean(list(own.values())))
            for claim, said, holds in (
                (f"{name}: LFR is best", ", ".join(f"{gap} to {other}" for other, gap in gaps.items()), best),
                (f"{name}: LFR reaches {published:.3f}", f"{mean:.3f}", abs(mean - published) <= NEAR),
            ):
                word = ("reproduced" if holds else "not reproduced") + at
                found.append({"claim": claim, "result": said, "verdict": word if complete else f"open{at}: seeds"})
    return found


def table(runs: list[dict]) -> str:
    """Return the runs as a table in Markdown: means over seeds with the lowest and highest."""
    lines = [
        "| data | processor s | method | seeds | epochs | of the authors' | linear | k-NN | published |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    cells: dict[tuple, list[dict]] = {}
    for run in runs:
        cells.setdefault((run["data"], run["seconds"] if "share" in run else 0, run["method"]), []).append(run)
    for (name, seconds, method), mine in sorted(cells.items(), key=lambda item: item[0]):
        trained_ = "share" in mine[0]
        said = ["", ""]
        if trained_:
            epochs, share = (float(np.mean([run[key] for run in mine])) for key in ("epochs", "share"))
            said = [f"{epochs:.1f}", f"{share:.1%}"]
        for kind in ("linear", "knn"):
            values = [run[kind]["score"] for run in mine]
            said.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        known = f"{PUBLISHED[name]:.3f}" if method == "lfr" else ""
        row = [name, f"{seconds:g}" if trained_ else "", method, str(len(mine)), *said, known]
        lines.append(f"| {' | '.join(row)} |")
    more = [f"- {each['claim']}: **{each['verdict']}**. {each['result']}." for each in verdicts(runs)]
    return "\n".join([*lines, "", *more])


def main() -> None:
    parser = command_line(__doc__, "lfr_peers", seeds=1)
    parser.add_argument("--seconds", type=float, default=12.0, help="1e9 for the authors' epochs")
    parser.add_argument("--only", nargs="*", default=list(PUBLISHED), choices=list(PUBLISHED))
    options = parser.parse_args()
    runs = kept(options.out)
    if options.table:
        print(table(runs))
        return
    sets = {name: load(name, options.data) for name in options.only}
    command = f"python experiments/lfr_peers.py --data DIR --seeds {options.seeds} --seconds {options.seconds:g}"
    for seed in range(options.seeds):
        for name, data in sets.items():
            for method in (*([RAW] if seed == 0 else []), RANDOM, *PEERS[name]):
                if seed in scores(runs, method, name, options.seconds):
                    continue
                runs.append(one(method, name, seed, options.seconds, data))
                print(runs[-1], flush=True)
                keep(options.out, command, runs, protocol=__doc__, verdicts=verdicts(runs))


if __name__ == "__main__":
    main()
