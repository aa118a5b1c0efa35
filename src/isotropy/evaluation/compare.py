"""Is the representation better than what costs nothing? Scores beside baselines, on the same rows, in words."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError, nearest
from isotropy.evaluation.intervals import LEVEL, RESAMPLES, difference, interval
from isotropy.evaluation.knn import knn_probe
from isotropy.evaluation.labels import SCORE_NAME, Task, encode, known, task_of
from isotropy.evaluation.probe import Probe, linear_probe
from isotropy.evaluation.splits import stratified

TRAIN_ROWS = 10_000
TEST_ROWS = 20_000
Array = NDArray[Any]
Representations = Mapping[str, tuple[Any, Any]]
Progress = Callable[[str], None]


def evidence(
    representations: Representations,
    train_y: ArrayLike,
    test_y: ArrayLike,
    *,
    ours: str,
    label: str = "label",
    task: Task | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Probe every representation on the same rows and say whether `ours` beats the strongest of the others.

    All are probed linearly and by k-NN on the same rows: those with a label, at most 10,000 stratified training
    and 20,000 test rows (`chosen_rows`). Intervals are 95% bootstrap intervals over the test rows; differences are
    paired. The verdict is on the linear score against the baseline whose linear score is best: "beats" where the
    whole interval of the difference lies above 0, "loses" where it lies below, else "no measurable difference".
    Taking the best of several baselines on the test rows favours them slightly, not us.

    Args:
        representations: name -> (training features (N, D), test features (M, D)); D may differ. Arrays that are
            not in memory are only indexed by rows.
        train_y: labels (N,), missing ones NaN or None.
        test_y: labels (M,).
        ours: the name of the trained representation; the others are baselines.
        label: what the label is called, for sentences.
        task: "classes" or "numbers"; by default what `labels.task_of` says.
        seed: of subsamples, folds and resamples.
        progress: called with the name of each representation before it is probed.

    Returns:
        A dictionary that JSON can hold: label, task, score_name, classes, chance (the score of the commonest class),
        rows, seed, level, resamples, ours, best, outcome, sentence, notes, and representations: a list, ours
        first, of {name, width, linear, knn} where both probes have score, low, high, seconds and what was
        chosen, and baselines have difference: {linear, knn}, ours minus this one.

    Raises:
        UserError: one class only, no baseline, a name that does not exist, and what `linear_probe` raises.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(2, size=400)
        >>> good, bad = y[:, None] + rng.normal(size=(400, 1)) / 4, rng.normal(size=(400, 1))
        >>> pairs = {"isotropy": (good[:200], good[200:]), "raw features": (bad[:200], bad[200:])}
        >>> found = evidence(pairs, y[:200], y[200:], ours="isotropy")
        >>> found["outcome"], found["best"]
        ('beats', 'raw features')
    """
    if ours not in representations:
        raise UserError(f"there is no representation {ours!r} to compare{nearest(ours, representations)}")
    if len(representations) < 2:
        raise UserError("there is nothing to compare with: give at least one baseline beside the representation")
    train_y, test_y = np.asarray(train_y), np.asarray(test_y)
    train_rows, test_rows = chosen_rows(train_y, test_y, seed=seed)
    train_labels, test_labels = train_y[train_rows], test_y[test_rows]
    task = task or task_of(train_y)
    names = [ours, *(name for name in representations if name != ours)]
    probes: dict[str, tuple[Probe, Probe]] = {}
    for name in names:
        if progress is not None:
            progress(name)
        train_x, test_x = _features(name, representations[name], train_y, test_y, train_rows, test_rows)
        probes[name] = (
            linear_probe(train_x, train_labels, test_x, test_labels, task=task, seed=seed),
            knn_probe(train_x, train_labels, test_x, test_labels, task=task),
        )
    entries = [_entry(name, representations[name][0].shape[1], probes[name], probes[ours], seed) for name in names]
    facts = {
        "label": label,
        "task": task,
        "score_name": SCORE_NAME[task],
        **_facts(task, train_labels, test_labels),
        "rows": {"train": len(train_rows), "test": len(test_rows)},
        "seed": seed,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "ours": ours,
    }
    notes = _notes(train_y, test_y, train_labels, test_labels, task, entries)
    return {**facts, **verdict(label, entries), "notes": notes, "representations": entries}


def chosen_rows(train_y: ArrayLike, test_y: ArrayLike, *, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and test rows that `evidence` uses: those with a label, capped, stratified by class.

    Whoever computes wide features only for probing can take these rows first; `evidence` then keeps them all.
    """
    kept = []
    for labels, cap in ((np.asarray(train_y), TRAIN_ROWS), (np.asarray(test_y), TEST_ROWS)):
        rows = np.flatnonzero(known(labels))
        if len(rows) > cap and task_of(labels) == "classes":
            rows = rows[stratified(labels[rows], cap, seed=seed)]
        elif len(rows) > cap:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:cap])
        kept.append(rows)
    return kept[0], kept[1]


def verdict(label: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the best baseline, the outcome and one sentence, from the entries of `evidence` (ours first).

    Example:
        >>> us = {"name": "isotropy", "linear": {"score": 0.846}}
        >>> raw = {"name": "raw features", "linear": {"score": 0.853}}
        >>> raw["difference"] = {"linear": {"score": -0.007, "low": -0.012, "high": -0.002}}
        >>> print(verdict("digit", [us, raw])["sentence"])
        digit: .853 with raw features, .846 with the trained encoder: training did not pay for this label.
    """
    us, *others = entries
    best = max(others, key=lambda entry: entry["linear"]["score"])
    gap = best["difference"]["linear"]
    mine, theirs = number(us["linear"]["score"]), number(best["linear"]["score"])
    if gap["low"] > 0:
        outcome = "beats"
        said = f"{mine} with the trained encoder beats its strongest baseline, {best['name']} with {theirs}."
    elif gap["high"] < 0:
        outcome = "loses"
        said = f"{theirs} with {best['name']}, {mine} with the trained encoder: training did not pay for this label."
    else:
        outcome = "no measurable difference"
        said = (
            f"{mine} with the trained encoder, {theirs} with {best['name']}, its strongest baseline: "
            "no measurable difference."
        )
    return {"best": best["name"], "outcome": outcome, "sentence": f"{label}: {said}"}


def number(value: float) -> str:
    """Return a score with three digits and without the zero in front, as the field writes it.

    Example:
        >>> number(0.8456), number(1.0), number(-0.02)
        ('.846', '1.000', '-.020')
    """
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.3f}"


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


def _entry(name: str, width: int, found: tuple[Probe, Probe], ours: tuple[Probe, Probe], seed: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "width": int(width)}
    for kind, probe in zip(("linear", "knn"), found):
        spread = interval(probe.task, probe.terms, seed=seed)
        entry[kind] = {**spread, **probe.detail, "seconds": round(probe.seconds, 3)}
    if found is not ours:
        both = zip(("linear", "knn"), ours, found)
        entry["difference"] = {
            kind: difference(mine.task, mine.terms, theirs.terms, seed=seed) for kind, mine, theirs in both
        }
    return entry


def _facts(task: Task, train: Array, test: Array) -> dict[str, Any]:
    """Return the number of classes, and the score of always giving the commonest class (or the mean)."""
    if task == "numbers":
        return {"classes": None, "chance": 0.0}
    codes, truth, classes = encode(train, test)
    commonest = int(np.bincount(codes).argmax())
    return {"classes": len(classes), "chance": float((truth == commonest).mean())}


def _notes(
    train_y: Array, test_y: Array, train: Array, test: Array, task: Task, entries: list[dict[str, Any]]
) -> list[str]:
    """Return what a reader of the scores has to know beside them, one sentence each."""
    notes = []
    for part, given, used in (("training", train_y, train), ("test", test_y, test)):
        there = int(known(given).sum())
        if there < len(given):
            notes.append(f"{len(given) - there:,} of {len(given):,} {part} rows have no label and were left out.")
        if len(used) < there:
            notes.append(f"Probed on {len(used):,} of {there:,} {part} rows, the same ones for all representations.")
    if task == "classes":
        unseen = int((encode(train, test)[1] < 0).sum())
        if unseen:
            notes.append(f"{unseen:,} test rows have a class that no training row has: they count as errors.")
    for entry in entries:
        if not entry["linear"]["converged"]:
            steps = entry["linear"]["steps"]
            notes.append(f"The linear probe on {entry['name']} stopped after {steps} steps before it converged.")
    if len(test) < 100:
        notes.append(f"Only {len(test)} test rows: the intervals are rough.")
    return notes
