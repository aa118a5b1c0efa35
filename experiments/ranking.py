"""Which numbers rank trainings without labels? Inside one method, and across methods.

    python experiments/ranking.py --data DIR [--only simclr digits] [--out FILE.json]
    python experiments/ranking.py --table

Five methods, each with six settings (rates, batches, views) on six data sets: short trainings of small encoders, with
the same number of epochs for all settings. At every checkpoint the numbers that need no label, and a linear probe that
does.

- Settings: Spearman's correlation of a number with the probe over the last checkpoints of the settings of one method on
  one data set.
- Checkpoints: the same over the checkpoints of one training; its mean over the settings.
- Across methods: the same over the default trainings of all methods on one data set.

An interval is Student's, over the data sets (the mean of methods for each): the data set is what is new to a user. The
number that ranks best, and its sign, is chosen on three data sets; what holds is what it does on the other three.
A run that is in the file is not made again.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from budgeted import kept
from scipy.stats import spearmanr, t
from small_images import digits
from stability_runs import subset

from isotropy.data import Data
from isotropy.diagnostics import alpha_req, encoder_numbers, lidar, stability, uniformity, views_rank
from isotropy.evaluation import linear_probe
from isotropy.methods import METHODS as REGISTRY
from isotropy.representation.embedding import embed_rows
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import Diverged, fit

CHOSEN_ON, HELD_OUT = ("digits", "har", "dry_bean"), ("fashion", "epilepsy", "adult")
EPOCHS = {"digits": 20.0, "har": 6.0, "dry_bean": 15.0, "fashion": 4.0, "epilepsy": 6.0, "adult": 12.0}
METHODS = ("simclr", "byol", "vicreg", "lfr", "autoencoder")
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # of training, where a checkpoint is looked at
WATCHED, VIEWS = 384, 6
ENCODERS: dict[str, dict[str, Any]] = {
    "image": {"encoder.stem": 8, "encoder.width": 64},
    "series": {"encoder": "dilated_resnet", "encoder.hidden": 16, "encoder.depth": 3, "encoder.width": 64},
    "table": {"encoder.width": 64, "encoder.hidden": 128, "encoder.depth": 3},
}
WEAK: dict[str, dict[str, Any]] = {
    "image": {"views.scale": [0.8, 1.0]},
    "series": {"views.scale": 0.03, "views.jitter": 0.03},
    "table": {"views.corrupt": [0.0, 0.1]},
}
STRONG: dict[str, dict[str, Any]] = {
    "image": {"views.scale": [0.05, 0.3]},
    "series": {"views.scale": 1.0, "views.jitter": 1.0},
    "table": {"views.corrupt": [0.9, 0.9]},
}
FACTORS = {"default": 1.0, "rate x 0.1": 0.1, "rate x 5": 5.0}
ONLY_RATES = {"rate x 0.01": 0.01, "rate x 20": 20.0}  # Where a method has no views to vary.
BATCHES = {"batch 512": 512}
HIGHER = "linear"


def settings_of(method: str, modality: str) -> dict[str, dict[str, Any]]:
    """Return the six settings of a method: what each changes in its default recipe."""
    rate = Recipe.default(method, modality).optim.lr
    views = REGISTRY[method].min_views > 1
    factors = FACTORS if views else FACTORS | ONLY_RATES
    found = {name: {"optim.lr": rate * factor} for name, factor in factors.items()}
    found |= {name: {"train.batch_size": size} for name, size in BATCHES.items()}
    return found | ({"weak views": WEAK[modality], "strong views": STRONG[modality]} if views else {})


def rows_of(name: str, folder: Path) -> Data:
    """Return a data set with its parts: at most 3000 training rows and 800 for tests."""
    return digits() if name == "digits" else subset(name, folder)


def run(method: str, name: str, setting: str, folder: Path) -> dict[str, Any]:
    """Train once and return the numbers of the checkpoints."""
    data = rows_of(name, folder)
    recipe = Recipe.default(method, data.modality).changed(
        {**ENCODERS[data.modality], "train.precision": "float32", "train.epochs": EPOCHS[name]}
    )
    views = REGISTRY[method].min_views > 1
    spared = {"views.flip": 0.0} if views and name == "digits" else {}  # A digit is not its mirror image.
    changes = spared | settings_of(method, data.modality)[setting]
    made = prepare(recipe.changed(changes), data)
    before = embedded(made, made.train)
    begin, looking, seen, why = process_time(), 0.0, [], ""
    try:
        for step in fit(
            made.method, made.dataset, made.views, optim=made.recipe.optim, **made.recipe.train.arguments()
        ):
            if step.number in {max(1, round(share * step.steps)) for share in SHARES}:
                paused = process_time()
                seen.append({"done": round(step.number / step.steps, 3), "loss": step.loss, **view(made, before)})
                looking += process_time() - paused
    except Diverged as error:
        why = str(error)
    columns = {key: [digits_of(each.get(key)) for each in seen] for key in (seen[-1] if seen else {})}
    facts = {"method": method, "data": name, "setting": setting, "seconds": round(process_time() - begin - looking, 1)}
    return {**facts, **({"diverged": why} if why else {}), **columns}


def embedded(made: Prepared, rows: np.ndarray) -> np.ndarray:
    """Return the encoder's vectors of at most 384 of the rows, spread over them."""
    some = rows[np.linspace(0, len(rows) - 1, min(WATCHED, len(rows))).astype(int)]
    return embed_rows(made.method.encoder, made.preprocess.to_input, made.rows[torch.from_numpy(some)])


def view(made: Prepared, before: np.ndarray) -> dict[str, float]:
    """Return the numbers of a checkpoint that need no label, and the linear probe.

    Those of views are of the encoder's own vectors, of `LOOKS` new views of the method's own kind; a method without
    views has none of them.
    """
    z = embedded(made, made.train)
    found = encoder_numbers(z, before) | {"uniformity": uniformity(z), "alpha": alpha_req(z, first=2, last=40)[0]}
    if REGISTRY[made.recipe.method].min_views > 1:
        places = torch.linspace(0, len(made.dataset) - 1, WATCHED).long()
        made.method.encoder.eval()
        with torch.no_grad():
            passes = [made.views(made.dataset, places, seed=7, pass_=n) for n in range(VIEWS // 2)]
            views = [h.float() for views in passes for h in views.through(made.method.encoder)]
        made.method.encoder.train()
        found |= {name: stability(views[:2])[name] for name in ("centre", "alignment", "spread")}
        found["views_rank"] = views_rank(views[:2])
        found["lidar"] = lidar(torch.cat(views), torch.arange(len(views[0])).repeat(len(views)))["lidar"]
    labels = made.data.labels
    parts = [
        (embed_rows(made.method.encoder, made.preprocess.to_input, made.rows[torch.from_numpy(part)]), labels[part])
        for part in (made.train, made.test)
    ]
    return found | {HIGHER: linear_probe(*parts[0], *parts[1]).score}


def digits_of(value: float | None) -> float | None:
    """Return a number with four digits; None where there is none."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def rho(numbers: list[float | None], scores: list[float | None]) -> float | None:
    """Return Spearman's correlation over the places where both are there; None below four, or where one never moves.

    Example:
        >>> rho([1.0, 2.0, 3.0, None, 5.0], [0.1, 0.2, 0.3, 0.9, 0.4])
        1.0
    """
    pairs = [(a, b) for a, b in zip(numbers, scores) if a is not None and b is not None]
    if len(pairs) < 4 or len({a for a, _ in pairs}) == 1 or len({b for _, b in pairs}) == 1:
        return None
    return round(float(spearmanr(*zip(*pairs)).statistic), 3)


def correlations(runs: list[dict[str, Any]], kind: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return Spearman's correlations as number -> method ("all" across methods) -> data set."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    names = sorted({key for run in runs for key, value in run.items() if isinstance(value, list)} - {"done", HIGHER})
    for number, data in product(names, EPOCHS):
        here = [run for run in runs if run["data"] == data and run.get(number)]
        if kind == "across":
            default = [run for run in here if run["setting"] == "default"]
            groups = {"all": [rho([r[number][-1] for r in default], [r[HIGHER][-1] for r in default])]}
        else:
            groups = {}
            for method in METHODS:
                of = [run for run in here if run["method"] == method]
                if kind == "settings":
                    groups[method] = [rho([r[number][-1] for r in of], [r[HIGHER][-1] for r in of])]
                else:
                    groups[method] = [rho(r[number], r[HIGHER]) for r in of]
        for method, values in groups.items():
            there = [value for value in values if value is not None]
            if there:
                found.setdefault(number, {}).setdefault(method, {})[data] = float(np.mean(there))
    return found


def spread(by_method: dict[str, dict[str, float]], sets: tuple[str, ...]) -> dict[str, float] | None:
    """Return the mean over data sets of the mean over methods, with its 95% interval over data sets."""
    means = [np.mean(there) for name in sets if (there := [each[name] for each in by_method.values() if name in each])]
    if len(means) < 2:
        return None
    half = float(t.ppf(0.975, len(means) - 1) * np.std(means, ddof=1) / len(means) ** 0.5)
    mean = float(np.mean(means))
    return {"mean": round(mean, 3), "low": round(max(-1.0, mean - half), 3), "high": round(min(1.0, mean + half), 3)}


def ranking(runs: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return every number's correlation, and the one chosen on three data sets with what it does on the others."""
    of = correlations(runs, kind)
    chosen = {number: found for number, by in of.items() if (found := spread(by, CHOSEN_ON))}
    best = max(chosen, key=lambda number: abs(chosen[number]["mean"])) if chosen else None
    if best is None:
        return {"numbers": {}, "chosen": None}
    lower = chosen[best]["mean"] < 0
    by = {m: {d: -rho if lower else rho for d, rho in sets.items()} for m, sets in of[best].items()}
    said = {"number": best, "better": "lower" if lower else "higher"}
    return {
        "numbers": {number: {"all six": spread(by, tuple(EPOCHS)), "by_method": by} for number, by in of.items()},
        "chosen": {**said, "on": spread(by, CHOSEN_ON), "held_out": spread(by, HELD_OUT)},
    }


def table(runs: list[dict[str, Any]]) -> str:
    """Return the correlations in Markdown: the mean over data sets with its interval, and each method's mean."""
    lines = []
    for kind in ("settings", "checkpoints", "across"):
        found = ranking(runs, kind)
        heads = ["all methods"] if kind == "across" else ["mean [95% over data sets]", *METHODS]
        lines += [f"### {kind}", "", f"| number | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
        for number, each in found["numbers"].items():
            every = each["all six"]
            cells = [f"{every['mean']:+.2f} [{every['low']:+.2f}, {every['high']:+.2f}]" if every else ""]
            if kind != "across":
                of = each["by_method"]
                cells += [f"{np.mean(list(of[m].values())):+.2f}" if m in of else "" for m in METHODS]
            lines.append(f"| {number} | {' | '.join(cells)} |")
        if chosen := found["chosen"]:
            lines += ["", f"Chosen on {', '.join(CHOSEN_ON)}: {chosen['better']} {chosen['number']} ({chosen['on']})"]
            lines += [f"On the others: {chosen['held_out']}", ""]
    return "\n".join(lines)


def of_the_matrix(folder: Path) -> str:
    """Return the same across all methods of the matrix (experiments/matrix.py), whose runs keep two of the numbers."""
    lines = ["| number | data | methods | correlation with the linear probe, mean over seeds |", f"|{'---|' * 4}"]
    for path in sorted(folder.glob("matrix-*.json")):
        for data, cells in json.loads(path.read_text())["full"].items():
            of = [[run for run in cell["seeds"].values() if "failed" not in run] for cell in cells.values()]
            scores = [float(np.mean([run[HIGHER]["score"] for run in runs])) for runs in of if runs]
            for number in ("effective_rank", "mean_norm"):
                values = [float(np.mean([run[number] or 0.0 for run in runs])) for runs in of if runs]
                if len(scores) > 9 and (found := rho(values, scores)) is not None:
                    lines.append(f"| {number} | {data} | {len(scores)} | {found:+.2f} |")
    return "\n".join(lines)


def written(content: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    """Return JSON in which every run stands on a line of its own."""
    head = json.dumps(content, indent=1).removesuffix("\n}")
    return head + ',\n "runs": [\n' + ",\n".join(f"  {json.dumps(run)}" for run in runs) + "\n ]\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="methods and data sets")
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    parser.add_argument("--out", type=Path, default=Path("docs/results/ranking.json"))
    options = parser.parse_args()
    if options.data is None and not options.table:
        parser.error("--data DIR is needed to train")
    torch.set_num_threads(1)
    runs = kept(options.out)
    there = {(run["method"], run["data"], run["setting"]) for run in runs}
    methods, sets = set(options.only) & set(METHODS) or METHODS, set(options.only) & set(EPOCHS) or EPOCHS
    wanted = [] if options.table else [(m, d) for d in EPOCHS for m in METHODS if m in methods and d in sets]
    for method, data in wanted:
        for setting in settings_of(method, rows_of(data, options.data).modality):
            if (method, data, setting) in there:
                continue
            runs.append(run(method, data, setting, options.data))
            found = {kind: ranking(runs, kind)["chosen"] for kind in ("settings", "checkpoints", "across")}
            content = {"command": "python experiments/ranking.py --data DIR", "torch": torch.__version__, **found}
            options.out.write_text(written(content, runs))
            print(json.dumps({k: v for k, v in runs[-1].items() if not isinstance(v, list)}), flush=True)
    print(table(runs), of_the_matrix(options.out.parent), sep="\n")


if __name__ == "__main__":
    main()
