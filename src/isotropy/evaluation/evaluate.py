"""Is the representation better than what costs nothing? Scores beside baselines, on the same rows, and a sentence."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError, nearest, refuse_text
from isotropy.evaluation.baselines.propagation import Propagation
from isotropy.evaluation.evaluators import DEFAULT, EVALUATORS, ONE_CLASS_A_ROW
from isotropy.evaluation.evaluators.search import best_form
from isotropy.evaluation.features import Features
from isotropy.evaluation.intervals import LEVEL, RESAMPLES
from isotropy.evaluation.measured import Measured, concluded, measure
from isotropy.evaluation.notes import left_out, notes_on
from isotropy.evaluation.problem import DRAWS, Problem, Size
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import Task, checked_task, has_label, refuse_one_class, refuse_unknown, task_of
from isotropy.threads import side_by_side

FORMAT = 3
TRAIN_ROWS = 10_000
TEST_ROWS = 20_000
PROPAGATION = "label propagation"
Array = NDArray[Any]
Progress = Callable[[str], None]


def evaluate(
    representations: Mapping[str, Any],
    train_y: ArrayLike,
    test_y: ArrayLike,
    *,
    ours: str,
    label: str = "label",
    task: Task | None = None,
    evaluators: Sequence[str] = DEFAULT,
    sizes: Sequence[Size] | None = None,
    draws: int = DRAWS,
    groups: ArrayLike | None = None,
    further_y: ArrayLike | None = None,
    parts: Mapping[str, Mapping[str, slice]] | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate every representation on the same rows and say whether `ours` beats the strongest of the others.

    All are evaluated on the same rows: those with a label, at most 10,000 stratified training and 20,000 test rows
    (`chosen_rows`). Each is probed in the form that suits it best (as it is, standardised, whitened), chosen on
    training rows. Intervals are 95% bootstrap intervals over the test rows, and for few labels over their draws too;
    differences are paired. With all labels, ours is read by the evaluator that does best on held-out training rows and
    compared with the best score of anything free: taking the best of many on the test rows favours them, not us.

    Args:
        representations: name -> (training features (N, D), test features (M, D)), or another candidate of
            `evaluation.baselines`; D may differ. Arrays that are not in memory are only indexed by rows. A third array
            are features (F, D) of further training rows.
        train_y: labels (N,), missing ones NaN or None.
        test_y: labels (M,).
        ours: the name of the trained representation; the others are baselines.
        label: what the label is called, for sentences.
        task: "classes", "numbers" or "labels" (several a row); by default what `task.task_of` says of all labels.
        evaluators: names in `EVALUATORS`.
        sizes: of the few-label curve: labels a class (rows, for numbers), or fractions of the training rows.
        draws: how many times few labels are drawn.
        groups: of the training rows (N,): linear probe and k-NN then choose by rows of other groups.
        further_y: labels of the further training rows (F,), none missing, from which the linear probe alone learns:
            10,000 rows are enough for a choice and many for other evaluators.
        parts: name of a representation -> columns of it, by name, that k-NN and search may read alone, where that does
            better on training rows.
        device: where large fits are computed.
        seed: of subsamples, folds, draws and resamples.
        progress: called with the name of each representation before it is evaluated.

    Returns:
        A dictionary that JSON can hold: format, label, task, classes, majority (the score of always giving the
        commonest class, in the leading metric), search_by_chance (the precision of rows that are drawn at random),
        rows, seed, level, resamples, ours, metric, notes, scores (a flat list of `Score.to_json`, ours first), and what
        `conclusion.conclude` draws from them.

    Raises:
        UserError: one class only, no baseline, a name that does not exist, features that are not finite.

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
    if groups is not None and len(np.asarray(groups)) != len(train_y):
        raise UserError(f"there are {len(np.asarray(groups))} groups for {len(train_y)} training labels")
    task = checked_task(_together(train_y, test_y), task, label)
    rows = chosen_rows(train_y, test_y, task=task, seed=seed)
    labels = train_y[rows[0]], test_y[rows[1]]
    _refuse_empty(*labels)
    problem = Problem.of(
        *labels,
        task=task,
        seed=seed,
        sizes=tuple(sizes) if sizes else None,
        draws=draws,
        device=device,
        groups=None if groups is None else np.asarray(groups)[rows[0]],
        further_y=further_y,
    )
    if task == "classes":
        refuse_unknown(problem.test_y, labels[1])
        refuse_one_class(problem.test_y, labels[1])
    asked = tuple(evaluators)
    if not any(_reads(name, problem) for name in asked):
        evaluators = (*asked, "linear")  # nothing would be measured at all
    counts = len(train_y), len(test_y)
    candidates = {
        name: _candidate(name, representations[name], counts, rows, (parts or {}).get(name))
        for name in [ours, *(name for name in representations if name != ours)]
    }
    found = _measured(candidates, problem, evaluators, progress or (lambda name: None))
    said = [note for one in found for note in one.notes]
    notes = [*notes_on(train_y, test_y, problem, rows, label), *said, *left_out(problem, asked, evaluators)]
    return concluded(facts_of(problem, ours=ours, label=label, notes=notes), found[0], found[1:])


def _reads(evaluator: str, problem: Problem) -> bool:
    """Return whether an evaluator measures something of a representation; boosted trees read columns alone."""
    if evaluator == "few_labels":
        return bool(problem.possible_sizes()[0])
    return problem.task == "classes" if evaluator in ONE_CLASS_A_ROW else evaluator != "trees"


def _measured(
    candidates: Mapping[str, Any], problem: Problem, evaluators: Sequence[str], announce: Progress
) -> list[Measured]:
    """Return what is measured of every candidate, and where few labels are asked of label propagation on the free ones.

    Args:
        announce: called with the name of each before it is measured.
    """

    def measured(name: str) -> Measured:
        announce(name)
        return measure(name, candidates[name], problem, evaluators)

    # What takes longest begins first, so that no thread is left alone with it.
    order = sorted(candidates, key=lambda name: (isinstance(candidates[name], Features), -candidates[name].width))
    done = dict(zip(order, side_by_side(measured, order), strict=True))
    found = [done[name] for name in candidates]
    if "few_labels" in evaluators and problem.task != "labels":
        announce(PROPAGATION)
        free = dict(list(candidates.items())[1:])
        forms = {one.name: form for one in found if (form := one.searched_form) is not None}
        found.append(measure(PROPAGATION, propagation_of(free, forms, problem), problem, ["few_labels"]))
    return found


def with_budget(names: Sequence[str], sizes: Sequence[Size] | None) -> tuple[str, ...]:
    """Return the evaluators, checked, with the few-label curve where its sizes are given."""
    check_evaluators(names)
    return tuple(names) if sizes is None or "few_labels" in names else (*names, "few_labels")


def check_evaluators(names: Sequence[str]) -> None:
    """Refuse names that are not in `EVALUATORS`, names given twice, and none at all."""
    refuse_text(names, "evaluators")
    if not names:
        raise UserError(f"there is nothing to evaluate with: choose among {', '.join(EVALUATORS)}")
    for number_, name in enumerate(names):
        if name not in EVALUATORS:
            raise UserError(f"evaluator {name!r} is unknown{nearest(name, EVALUATORS)}")
        if name in names[:number_]:
            raise UserError(f"evaluator {name!r} is given twice")


def chosen_rows(
    train_y: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task | None = None,
    seed: int = 0,
    most: Sequence[int] = (),
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and test rows that `evaluate` uses: those with a label, capped, stratified by class.

    `most` training and test rows, by default 10,000 and 20,000.

    Whoever computes wide features only for probing can take these rows first; `evaluate` then takes them all.
    """
    parts = np.asarray(train_y), np.asarray(test_y)
    task = task or task_of(_together(*parts))
    chosen = []
    for labels, cap in zip(parts, most or (TRAIN_ROWS, TEST_ROWS), strict=True):
        rows = np.flatnonzero(has_label(labels))
        if len(rows) > cap and task == "classes":
            rows = rows[stratified(labels[rows], cap, seed=seed)]
        elif len(rows) > cap:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:cap])
        chosen.append(rows)
    return chosen[0], chosen[1]


def _together(train_y: Array, test_y: Array) -> Array:
    """Return the labels of both parts, of which none is refused for its shape."""
    for labels in (train_y, test_y):
        has_label(labels)
    return np.concatenate([train_y.astype(object), test_y.astype(object)])


def _refuse_empty(train_y: Array, test_y: Array) -> None:
    for part, labels in (("training", train_y), ("test", test_y)):
        if not len(labels):
            raise UserError(f"no row of the {part} part has a label: a probe needs some")


def _candidate(
    name: str, given: Any, counts: tuple[int, int], rows: tuple[Array, Array], own: Mapping[str, slice] | None
) -> Any:
    """Return the features of the chosen rows; other candidates come with these rows already."""
    if not isinstance(given, tuple):
        return given
    parts = []
    for part, features, count, chosen in zip(("training", "test"), given[:2], counts, rows, strict=True):
        if len(features) != count:
            raise UserError(f"{name}: {len(features)} {part} features do not go with {count} labels")
        parts.append(features if len(chosen) == count else features[chosen])
    try:
        return Features(*parts, *given[2:], parts=own)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def facts_of(problem: Problem, *, ours: str, label: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return what `evaluate` says of a label and the rows, beside the scores."""
    return {
        "format": FORMAT,
        "label": label,
        "task": problem.task,
        "classes": len(problem.classes) or None,
        "majority": _majority(problem),
        "search_by_chance": _search_by_chance(problem),
        "metric": problem.leading,
        "rows": {"train": len(problem.train_y), "test": len(problem.test_y)},
        "seed": problem.seed,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "ours": ours,
        "notes": list(notes),
    }


def propagation_of(free: Mapping[str, Any], forms: Mapping[str, tuple[float, str]], problem: Problem) -> Propagation:
    """Return label propagation on the free features, and in the form, with which training rows find each other best.

    Args:
        free: baselines by name, of which one at least is `Features`.
        forms: name -> how well training rows find each other, and the form in which they do; may hold others, and is
            found here for those that it lacks, as where search was not asked for.
    """
    features = {name: one for name, one in free.items() if isinstance(one, Features)}
    if problem.task != "classes":
        return Propagation(next(iter(features.values())).standardised, problem.drawn_test_rows())
    searched = {name: forms[name] if name in forms else _searched(one, problem) for name, one in features.items()}
    best = max(searched, key=lambda name: searched[name][0])
    form = next(form for form in features[best].readings() if form.name == searched[best][1])
    return Propagation(form, problem.drawn_test_rows())


def _searched(features: Features, problem: Problem) -> tuple[float, str]:
    value, form = best_form(features, problem)
    return value, form.name


def _majority(problem: Problem) -> float:
    """Return what always giving the commonest class (or the mean) scores, in the leading metric, or about what."""
    if problem.task == "numbers":
        return 0.0
    if problem.task == "labels":
        return float(problem.test_y[:, problem.test_y.any(axis=0)].mean())
    if problem.leading == "AUROC":
        return 0.5
    if problem.leading == "balanced accuracy":
        return 1 / len(np.unique(problem.test_y[problem.test_y >= 0]))
    return float((problem.test_y == np.bincount(problem.train_y).argmax()).mean())


def _search_by_chance(problem: Problem) -> float | None:
    """Return how often a training row that is drawn at random has the class of a test row; None without classes."""
    if problem.task != "classes":
        return None
    known = problem.test_y[problem.test_y >= 0]
    return float((np.bincount(problem.train_y, minlength=len(problem.classes)) / len(problem.train_y))[known].mean())
