"""The default representation of series on 52 UCR sets beside what is free, and its encoder beside TS2Vec's."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
from pages import Claim, Table
from results import Run
from rows import Difference, Row, Rows, mean, short, t_interval
from runner import Paper
from train import Trained, train_once

from isotropy import Recipe
from isotropy.data import Data
from isotropy.evaluation import linear_probe
from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.evaluators.few_labels import few_labels
from isotropy.evaluation.evidence import both_parts, free
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.features.random_convolutions import NAME as CONVOLUTIONS
from isotropy.runs.prepare import default_epochs

RANKED, FEW = "all labels", "few labels"
JOINED, ENCODER, SUMMARY = "default (joined)", "encoder alone", "summary features"
REPRESENTATIONS = (JOINED, ENCODER, "untrained, joined", SUMMARY, CONVOLUTIONS)
# Million steps of series that a training reads at most, over all epochs and views.
MOST_STEPS = 0.5
WITHIN, FASTER = 0.02, 3.0
OURS, THEIRS = "multiscale_cnn", "TS2Vec's network"
ENCODERS: dict[str, dict[str, Any]] = {
    OURS: {},
    THEIRS: {
        "encoder": "dilated_resnet",
        "encoder.hidden": 64,
        "encoder.depth": 10,
        "encoder.width": 320,
        "encoder.pooling": "max",
    },
}
# The eight of middle length (176 to 300 steps) of the sets that have two series in most classes.
MIDDLE = (
    "Adiac", "ArrowHead", "Coffee", "CricketX", "DodgerLoopDay", "DodgerLoopWeekend", "FiftyWords", "ToeSegmentation1",
)  # fmt: skip
BATCH_FEW = 64
SIZES = (1, 2, 5, 10)  # labels a class, of which the most that a set allows is reported


def _trained(recipe: Recipe, data: Data, quick: bool) -> Trained:
    """Train for the default length, or until `MOST_STEPS` were read, by two views of each series."""
    rows, length = len(data.part("train")), np.shape(data.values)[-1]
    epochs = min(default_epochs(recipe, rows), max(1.0, round(MOST_STEPS * 1e6 / (2 * rows * length))))
    return train_once(recipe.changed({"train.epochs": epochs}), data, quick=quick)


def _all_labels(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Return the accuracy of a linear probe on every representation, of all training labels."""
    made = _trained(recipe, sets.whole(f"ucr/{name}", folder), quick)
    prepared, trained = made.prepared, made.prepared.representation()
    parts = prepared.train, prepared.test
    joined = both_parts(trained.embed_stored, prepared.rows, *parts)
    initial = trained.with_encoder(prepared.untrained().eval(), prepared.rows, prepared.train)
    found = free(initial, prepared.rows, *parts, trained=joined)
    found |= {
        JOINED: joined,
        ENCODER: both_parts(trained.of_encoder().embed_stored, prepared.rows, *parts),
        "untrained, joined": found[UNTRAINED],
    }
    labels = np.asarray(prepared.data.labels)
    y, y_test = (labels[part] for part in parts)
    scores = {
        which: linear_probe(found[which][0], y, found[which][1], y_test, metric="accuracy").score
        for which in REPRESENTATIONS
    }
    return made.row | {which: short(score) for which, score in scores.items()}


def _few_labels(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Return the accuracy of the encoder's vectors alone, from as many labels a class as the set has, up to ten."""
    made = _trained(recipe, sets.whole(f"ucr/{name}", folder), quick)
    prepared, trained = made.prepared, made.prepared.representation().of_encoder()
    parts = prepared.train, prepared.test
    labels = np.asarray(prepared.data.labels)
    problem = Problem.of(*(labels[part] for part in parts), metric="accuracy", sizes=SIZES)
    vectors = both_parts(trained.embed_stored, prepared.rows, *parts)
    *_, last = few_labels(Features(*vectors), problem)
    return made.row | {"few": short(float(last.terms.mean())), "size": last.detail["size"]}


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: every set with all labels, then eight with few."""
    recipe = Recipe.default("auto", "series").changed({"train.seed": seed})
    for name in sets.UCR:
        made: Callable[[bool], Row] = partial(_all_labels, recipe, name, folder)
        yield Run(RANKED, name, recipe.method, seed, made, f"{recipe.to_toml()}{MOST_STEPS}")
    for name in MIDDLE:
        for which, changes in ENCODERS.items():
            changed = recipe.changed({**changes, "train.batch_size": BATCH_FEW})
            made = partial(_few_labels, changed, name, folder)
            yield Run(FEW, name, which, seed, made, f"{changed.to_toml()}{MOST_STEPS}{SIZES}")


# Claims


def _by_set(rows: Rows, column: str, variant: str = "") -> dict[str, float]:
    """Return the mean over seeds of a number of each set."""
    found = [row for row in rows if variant in ("", row["variant"])]
    return {name: mean(found, column, data=name) for name in dict.fromkeys(row["data"] for row in found)}


def _over_sets(first: dict[str, float], second: dict[str, float]) -> Difference | None:
    """Return first minus second with its 95% t-interval over the sets that both have."""
    names = first.keys() & second.keys()
    return Difference(*t_interval(first[name] - second[name] for name in sorted(names)), len(names)) if names else None


def ranks(rows: Rows) -> dict[str, float]:
    """Return the mean rank over sets of every representation among all of them: 1 is the best, ties share theirs."""
    scores = np.array([list(_by_set(rows, which).values()) for which in REPRESENTATIONS])
    return dict(zip(REPRESENTATIONS, rankdata(-scores, axis=0).mean(axis=1).tolist(), strict=True))


def _extent(rows: Rows) -> str:
    names, seeds = {row["data"] for row in rows}, {row["seed"] for row in rows}
    return f"{len(names)} sets, {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}"


def _decided(holds: bool, rows: Rows) -> str:
    """Return the verdict on the 52 sets, which fewer leave open."""
    there = len({row["data"] for row in rows})
    return ("holds" if holds else "does not hold") if there == len(sets.UCR) else f"open: {there} sets"


def _outranks(which: str) -> Callable[[Rows], tuple[str, str] | None]:
    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = ranks(rows)
        said = "; ".join(f"{name} {rank:.2f}" for name, rank in sorted(found.items(), key=lambda one: one[1]))
        return f"{said} ({_extent(rows)})", _decided(found[which] < found[SUMMARY], rows)

    return criterion


def _against_convolutions(which: str, least: float) -> Callable[[Rows], tuple[str, str] | None]:
    """Return a criterion: the mean accuracy is more than `least` above that of random convolutions."""

    def criterion(rows: Rows) -> tuple[str, str] | None:
        mine, theirs = (_by_set(rows, column) for column in (which, CONVOLUTIONS))
        gap = _over_sets(mine, theirs)
        assert gap is not None
        scores = [float(np.mean(list(found.values()))) for found in (mine, theirs)]
        wins, losses = (sum(sign * (mine[name] - theirs[name]) > 0 for name in mine) for sign in (1, -1))
        said = f"{scores[0]:.3f} and {scores[1]:.3f}; difference {gap}; better on {wins}, worse on {losses}"
        return f"{said} ({_extent(rows)})", _decided(gap.mean > least, rows)

    return criterion


def _half_not_chosen_on(rows: Rows) -> tuple[str, str] | None:
    """Return the same of the sets on which no default was chosen, which are every other one of their names."""
    rows = [row for row in rows if row["data"] in sets.UCR[1::2]]
    if not rows:
        return None
    means = {which: np.mean(list(_by_set(rows, which).values())) for which in REPRESENTATIONS}
    found = ranks(rows)
    said = "; ".join(f"{which} {mean:.3f}, rank {found[which]:.2f}" for which, mean in means.items())
    return f"{said} ({_extent(rows)})", "shown"


def _no_worse(rows: Rows) -> tuple[str, str] | None:
    ours, theirs = (_by_set(rows, "few", which) for which in ENCODERS)
    gap = _over_sets(ours, theirs)
    if gap is None:
        return None
    means = [float(np.mean([found[name] for name in ours.keys() & theirs.keys()])) for found in (ours, theirs)]
    said = f"{OURS} {means[0]:.3f}, {THEIRS} {means[1]:.3f}; difference {gap} over {gap.pairs} sets ({_extent(rows)})"
    return said, ("holds" if gap.mean >= 0 else "does not hold") if gap.pairs == len(MIDDLE) else "open"


def _faster(rows: Rows) -> tuple[str, str] | None:
    ours, theirs = (_by_set(rows, "cpu_seconds", which) for which in ENCODERS)
    ratios = [theirs[name] / ours[name] for name in MIDDLE if name in ours and name in theirs]
    if not ratios:
        return None
    said = f"{np.median(ratios):.1f} times in the median, {min(ratios):.1f} to {max(ratios):.1f} ({_extent(rows)})"
    return said, ("holds" if min(ratios) >= FASTER else "does not hold") if len(ratios) == len(MIDDLE) else "open"


GOAL = "goal, 52 UCR sets"
CLAIMS = [
    Claim("mean rank above summary features: what the user gets", GOAL, RANKED, _outranks(JOINED)),
    Claim("mean rank above summary features: the encoder alone", GOAL, RANKED, _outranks(ENCODER)),
    Claim("within .02 mean accuracy of random convolutions (MiniRocket): the encoder alone", GOAL, RANKED,
          _against_convolutions(ENCODER, -WITHIN)),
    Claim("joined with random convolutions above them alone", GOAL, RANKED, _against_convolutions(JOINED, 0.0)),
    Claim("the 26 sets on which no default was chosen", GOAL, RANKED, _half_not_chosen_on),
    Claim("few-label score no worse than of TS2Vec's network on 8 sets", "goal", FEW, _no_worse),
    Claim("at least 3 times as many series a second in training as TS2Vec's network", "goal", FEW, _faster),
]  # fmt: skip
TABLES = [
    Table("All labels, linear probe", RANKED, {which: which for which in REPRESENTATIONS}, ("data",)),
    Table("Few labels, the encoder's vectors alone", FEW, {"accuracy": "few", "CPU seconds": "cpu_seconds"}),
]
PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES)

if __name__ == "__main__":
    PAPER.main()
