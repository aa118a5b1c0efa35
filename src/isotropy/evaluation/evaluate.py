"""Is the representation better than what costs nothing? Scores beside baselines, on the same rows, and a sentence."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError, nearest
from isotropy.evaluation.evaluators import DEFAULT, EVALUATORS
from isotropy.evaluation.intervals import LEVEL, RESAMPLES, difference, interval
from isotropy.evaluation.score import Measurement, Score, deciding, evaluator_title, number
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import Task, encode, has_label, task_of

FORMAT = 2
TRAIN_ROWS = 10_000
TEST_ROWS = 20_000
Array = NDArray[Any]
Representations = Mapping[str, tuple[Any, Any]]
Progress = Callable[[str], None]


def evaluate(
    representations: Representations,
    train_y: ArrayLike,
    test_y: ArrayLike,
    *,
    ours: str,
    label: str = "label",
    task: Task | None = None,
    evaluators: Sequence[str] = DEFAULT,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate every representation on the same rows and say whether `ours` beats the strongest of the others.

    All are evaluated on the same rows: those with a label, at most 10,000 stratified training and 20,000 test rows
    (`chosen_rows`). Intervals are 95% bootstrap intervals over the test rows; differences are paired. The outcome is
    that of the first evaluator, against the baseline with the best score: "beats" where the whole interval of the
    difference lies above 0, "loses" where it lies below, else "no measurable difference". Taking the best of several
    baselines on the test rows favours them slightly, not us.

    Args:
        representations: name -> (training features (N, D), test features (M, D)); D may differ. Arrays that are
            not in memory are only indexed by rows.
        train_y: labels (N,), missing ones NaN or None.
        test_y: labels (M,).
        ours: the name of the trained representation; the others are baselines.
        label: what the label is called, for sentences.
        task: "classes" or "numbers"; by default what `task.task_of` says.
        evaluators: names in `EVALUATORS`; the first decides.
        seed: of subsamples, folds and resamples.
        progress: called with the name of each representation before it is evaluated.

    Returns:
        A dictionary that JSON can hold: format, label, task, classes, chance (the score of the commonest class), rows,
        seed, level, resamples, ours, decided_by, best, outcome, sentence, notes, and scores: a flat list of
        `Score.to_json`, ours first.

    Raises:
        UserError: one class only, no baseline, a name that does not exist, and what `linear_probe` raises.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(2, size=400)
        >>> good, bad = y[:, None] + rng.normal(size=(400, 1)) / 4, rng.normal(size=(400, 1))
        >>> pairs = {"isotropy": (good[:200], good[200:]), "raw features": (bad[:200], bad[200:])}
        >>> found = evaluate(pairs, y[:200], y[200:], ours="isotropy")
        >>> found["outcome"], found["best"]
        ('beats', 'raw features')
    """
    check_evaluators(evaluators)
    if ours not in representations:
        raise UserError(f"there is no representation {ours!r} to compare{nearest(ours, representations)}")
    if len(representations) < 2:
        raise UserError("there is nothing to compare with: give at least one baseline beside the representation")
    train_y, test_y = np.asarray(train_y), np.asarray(test_y)
    train_rows, test_rows = chosen_rows(train_y, test_y, seed=seed)
    train_labels, test_labels = train_y[train_rows], test_y[test_rows]
    task = task or task_of(train_y)
    notes = _notes(train_y, test_y, train_labels, test_labels, task)
    scores: list[Score] = []
    for name in [ours, *(name for name in representations if name != ours)]:
        if progress is not None:
            progress(name)
        train_z, test_z = _features(name, representations[name], train_y, test_y, train_rows, test_rows)
        for evaluator in evaluators:
            start = time.perf_counter()
            measurements = EVALUATORS[evaluator](train_z, train_labels, test_z, test_labels, task=task, seed=seed)
            for measured in measurements:
                notes += [f"{evaluator_title(evaluator)} on {name}: {note}." for note in measured.notes]
                key = (evaluator, measured.metric, measured.labels)
                beside = next((s for s in scores if (s.evaluator, s.metric, s.labels) == key), None)
                seconds, start = time.perf_counter() - start, time.perf_counter()
                scores.append(_score(name, train_z.shape[1], evaluator, measured, beside, task, seconds, seed))
    comparison = {
        "format": FORMAT,
        "label": label,
        "task": task,
        **_facts(task, train_labels, test_labels),
        "rows": {"train": len(train_rows), "test": len(test_rows)},
        "seed": seed,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "ours": ours,
        "decided_by": evaluators[0],
        "notes": notes,
        "scores": [score.to_json() for score in scores],
    }
    return {**comparison, **conclusion(comparison)}


def check_evaluators(names: Sequence[str]) -> None:
    """Refuse names that are not in `EVALUATORS`, names given twice, and none at all."""
    if not names:
        raise UserError(f"there is nothing to evaluate with: choose among {', '.join(EVALUATORS)}")
    for number_, name in enumerate(names):
        if name not in EVALUATORS:
            raise UserError(f"evaluator {name!r} is unknown{nearest(name, EVALUATORS)}")
        if name in names[:number_]:
            raise UserError(f"evaluator {name!r} is given twice")


def chosen_rows(train_y: ArrayLike, test_y: ArrayLike, *, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and test rows that `evaluate` uses: those with a label, capped, stratified by class.

    Whoever computes wide features only for probing can take these rows first; `evaluate` then takes them all.
    """
    chosen = []
    for labels, cap in ((np.asarray(train_y), TRAIN_ROWS), (np.asarray(test_y), TEST_ROWS)):
        rows = np.flatnonzero(has_label(labels))
        if len(rows) > cap and task_of(labels) == "classes":
            rows = rows[stratified(labels[rows], cap, seed=seed)]
        elif len(rows) > cap:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:cap])
        chosen.append(rows)
    return chosen[0], chosen[1]


def conclusion(comparison: dict[str, Any]) -> dict[str, Any]:
    """Return the best baseline, the outcome and one sentence, from the scores of a comparison.

    Example:
        >>> us = {"representation": "isotropy", "evaluator": "linear", "labels": 9, "value": 0.846}
        >>> raw = {"representation": "raw features", "evaluator": "linear", "labels": 9, "value": 0.853}
        >>> raw["difference"] = {"value": -0.007, "low": -0.012, "high": -0.002}
        >>> facts = {"label": "digit", "ours": "isotropy", "decided_by": "linear", "scores": [us, raw]}
        >>> print(conclusion(facts)["sentence"])
        digit: raw features reach .853, the trained encoder .846: training did not help for this label.
    """
    scores = deciding(comparison)
    us = scores.pop(comparison["ours"])
    best = max(scores.values(), key=lambda score: float(score["value"]))
    gap, name = best["difference"], best["representation"]
    subject = f"the {name}" if name.endswith("encoder") else name
    reach = "reach" if name.endswith("features") else "reaches"
    mine, theirs = number(us["value"]), number(best["value"])
    if gap["low"] > 0:
        outcome = "beats"
        said = f"the trained encoder reaches {mine} and beats the strongest baseline, {subject} with {theirs}."
    elif gap["high"] < 0:
        outcome = "loses"
        said = f"{subject} {reach} {theirs}, the trained encoder {mine}: training did not help for this label."
    else:
        outcome = "no measurable difference"
        said = (
            f"the trained encoder reaches {mine}, the strongest baseline, {subject}, {theirs}: "
            "no measurable difference."
        )
    return {"best": name, "outcome": outcome, "sentence": f"{comparison['label']}: {said}"}


def _features(
    name: str, pair: tuple[Any, Any], train_y: Array, test_y: Array, train_rows: Array, test_rows: Array
) -> tuple[Array, Array]:
    """Return the chosen rows of one representation; only these are read."""
    chosen = []
    for part, features, labels, rows in zip(("training", "test"), pair, (train_y, test_y), (train_rows, test_rows)):
        if len(features) != len(labels):
            raise UserError(f"{name}: there are {len(features)} {part} rows and {len(labels)} labels")
        chosen.append(np.asarray(features if len(rows) == len(features) else features[rows]))
    return chosen[0], chosen[1]


def _score(
    name: str,
    width: int,
    evaluator: str,
    measured: Measurement,
    ours: Score | None,
    task: Task,
    seconds: float,
    seed: int,
) -> Score:
    """Return a measurement with its interval, and its paired difference from ours where there is one."""
    found = interval(task, measured.terms, seed=seed)
    gap = None
    if ours is not None:
        gap = difference(task, ours.terms, measured.terms, seed=seed)
        gap = {"value": gap["score"], "low": gap["low"], "high": gap["high"]}
    return Score(
        representation=name,
        width=int(width),
        evaluator=evaluator,
        metric=measured.metric,
        labels=measured.labels,
        value=found["score"],
        low=found["low"],
        high=found["high"],
        terms=measured.terms,
        difference=gap,
        seconds=round(seconds, 3),
        detail=measured.detail,
    )


def _facts(task: Task, train: Array, test: Array) -> dict[str, Any]:
    """Return the number of classes, and the score of always giving the commonest class (or the mean)."""
    if task == "numbers":
        return {"classes": None, "chance": 0.0}
    codes, truth, classes = encode(train, test)
    commonest = int(np.bincount(codes).argmax())
    return {"classes": len(classes), "chance": float((truth == commonest).mean())}


def _notes(train_y: Array, test_y: Array, train: Array, test: Array, task: Task) -> list[str]:
    """Return what a reader of the scores has to know of the rows, one sentence each."""
    notes = []
    for part, given, used in (("training", train_y, train), ("test", test_y, test)):
        there = int(has_label(given).sum())
        if there < len(given):
            notes.append(f"{len(given) - there:,} of {len(given):,} {part} rows have no label and were left out.")
        if len(used) < there:
            notes.append(f"Probed on {len(used):,} of {there:,} {part} rows, the same ones for all representations.")
    if task == "classes":
        unseen = int((encode(train, test)[1] < 0).sum())
        if unseen:
            notes.append(f"{unseen:,} test rows have a class that no training row has: they count as errors.")
    if len(test) < 100:
        notes.append(f"Only {len(test)} test rows: the intervals are rough.")
    return notes
