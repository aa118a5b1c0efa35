"""What is wrong with the rows: copies, outliers, wrong labels, leaks, blanks; each beside the bulk of the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from isotropy.audit import labels as reading
from isotropy.audit import tails
from isotropy.audit.alignment import fitting
from isotropy.audit.duplicates import Near, by_agreement, by_alignment, by_distance, sets_of, without_gain
from isotropy.audit.given import Given, given
from isotropy.audit.issue import KINDS, Audit, Issue
from isotropy.audit.linkage import beside
from isotropy.evaluation.task import has_label
from isotropy.representation import Representation
from isotropy.search import neighbour_graph

_NEIGHBOURS = 30
_PLAIN = 5  # candidates by the values, beside those by the embedding
_FITTING, _ALL = 6, 8192  # candidates by all parts of all rows, of so many rows at most: it grows with their square
_LAID = 1_000_000  # candidates of all rows whose crops are compared, about
_LOCAL = 10  # of them say how dense it is
_WIDEST = 1024  # columns that a linear classifier learns from
_AXIS_ROWS = 4096


def audit(
    representation: Representation, data: Any, *, labels: ArrayLike | None = None, part: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Audit:  # fmt: skip
    """Return what is wrong with the rows of a data set.

    Every row gets a score in [0, 1] for each kind of issue, low is worse, and is named where its score is improbable
    beside the bulk of the others: no threshold is a fixed number. Near duplicates of images and series are laid on
    each other; of tables the distance of the columns counts, which finds them better than embeddings do.

    Args:
        representation: that embeds them. data: as `Representation.transform` takes it, or `Data` with labels, parts
            and groups. labels: (N,) classes or numbers, missing ones None or NaN. part: (N,) "train" or "test".
        groups: (N,) what rows belong to, such as subjects.

    Raises:
        UserError: fewer than 12 rows, labels, parts or groups of another length, or what `transform` raises.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> x[7] = x[3]
        >>> made = Representation(TableMLP(numeric=3, width=16), TablePreprocess.learn(x), method="lfr")
        >>> audit(made, x).listed("exact_duplicate")[["row", "other"]].values.tolist()
        [[3, 7], [7, 3]]
    """
    return issues_of(given(representation, data, labels=labels, part=part, groups=groups))


def issues_of(of: Given, progress: Callable[[str], None] = lambda what: None) -> Audit:
    """Return all issues of what is given; a kind that needs what is not given is left out.

    `progress` is told what is done next.
    """
    progress("finding the neighbours of every row")
    count, notes = len(of.vectors), list(of.notes)
    k = min(_NEIGHBOURS, count - 1)
    # Combinations of usual values, as tables have them, are unusual in their direction, and single values in distance.
    table = of.raw is not None and of.raw.features is not None
    space = _directions(of.vectors) if table else of.vectors
    near = neighbour_graph(space, k)
    raw_near = None if of.raw is None or of.raw.features is None else neighbour_graph(of.raw.features, k)
    found: dict[str, Issue] = {}
    progress("comparing neighbours, for copies")
    copies, pairs = _duplicates(of, near, raw_near)
    found |= copies
    if of.part is not None and (of.part == "test").any() and (of.part == "train").any():
        found["twin"] = _twins(of.part, found, pairs)
    if of.labels is not None:
        progress("reading the labels out of fold")
        found |= _labels(of, space, near, notes)
    progress("looking for outliers")
    if raw_near is None:
        found["outlier"] = _outliers(near, "the embedding")
    else:
        far = _outliers(raw_near, "its columns")
        found["outlier"] = _either(_outliers(near, "directions of the embedding"), far)
    if of.groups is not None:
        found["group"] = _groups(of, near)
    if of.raw is not None:
        found["blank"] = _blank(of.raw.variation, table=of.raw.columns is not None)
    else:
        notes.append("the rows themselves are not at hand: only their embeddings are audited")
    known = {} if of.part is None else {"part": of.part}
    if of.labels is not None:
        known[of.name if of.name not in ("part", "row") else f"label {of.name}"] = of.labels
    return Audit({kind: found[kind] for kind in KINDS if kind in found}, known, tuple(notes))


Neighbours = tuple[NDArray[np.float64], NDArray[np.int64]]


def _duplicates(of: Given, near: Neighbours, raw_near: Neighbours | None) -> tuple[dict[str, Issue], NDArray[np.int64]]:
    """Return copies and near copies, and the set of each row (N,), -1 for none."""
    rows, raw = np.arange(len(of.vectors)), of.raw
    pictured = raw is not None and raw.pictures is not None
    first = rows if raw is None else raw.first
    sizes = np.bincount(first, minlength=len(rows))[first]
    exact = sizes > 1
    if pictured:
        assert raw is not None and raw.pictures is not None
        # Copies of another gain or brightness are next to each other without them, whatever the embedding says.
        plain = neighbour_graph(without_gain(raw.pictures), min(_PLAIN, len(rows) - 1))[1]
        each = max(_LAID // len(rows), _LOCAL)
        likely = rows[:, None][:, :0]
        if len(rows) <= _ALL:
            likely = fitting(raw.pictures, min(_FITTING, len(rows) - 1), raw.blocks)
        candidates = np.concatenate([likely, near[1][:, :each], plain], axis=1)
        found = by_alignment(raw.pictures, candidates, ~exact, raw.blocks, likely=likely.shape[1])
        method = "laid on each other, after the embedding"
    elif raw_near is not None:
        assert raw is not None and raw.columns is not None and raw.codes is not None
        candidates = np.concatenate([raw_near[1][:, :_LOCAL], beside(raw.columns)], axis=1)
        found, method = (
            by_agreement(raw.columns, raw.codes, candidates, ~exact),
            "agreement of the columns beyond chance",
        )
    else:
        found, method = by_distance(*_local(near)), "distance in the embedding"
    partner = np.where(exact, _other_copy(first), found.partner)
    # Copies take no part in what is usual, and are copies already.
    probability = np.where(exact, 1.0, found.probability)
    close = tails.rare(probability) & ~exact
    sets = sets_of(len(rows), [(rows[exact], first[exact]), (rows[close], partner[close])])
    score = np.where(exact, 0.0, tails.lower_is_worse(found.closeness))
    issues = {
        "near_duplicate": Issue(
            close, score, _near_reason(found, partner, pictured, raw_near is not None), method,
            np.where(close, partner, -1), {"near_duplicate_set": sets, "nearest_row": partner},
        )
    }  # fmt: skip
    if raw is not None:
        issues["exact_duplicate"] = Issue(
            exact, np.where(exact, 0.0, 1.0),
            lambda row: f"equal to row {partner[row]}" + (f" and {sizes[row] - 2} more" if sizes[row] > 2 else ""),
            "equal as stored", np.where(exact, partner, -1),
        )  # fmt: skip
    return issues, sets


def _local(near: Neighbours) -> Neighbours:
    """Return the ten nearest rows, among which the density is about the same."""
    return near[0][:, :_LOCAL], near[1][:, :_LOCAL]


def _near_reason(found: Near, partner: NDArray[np.int64], pictures: bool, columns: bool) -> Any:
    def reason(row: int) -> str:
        other, distance = partner[row], found.distance[row]
        if pictures:
            return f"fits row {other} with a correlation of {1 - distance**2:.4f}"
        if columns:
            return f"agrees with row {other} in {found.agreeing[row]} columns, beyond what chance allows"
        return f"{distance:.3g} from row {other} in the embedding, far closer than to its other neighbours"

    return reason


def _other_copy(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the next row of its set of copies, the first one for the last; itself where it is alone."""
    order = np.lexsort((np.arange(len(first)), first))
    following = np.roll(order, -1)
    last = first[following] != first[order]
    following[last] = first[order][last]
    out = np.empty_like(order)
    out[order] = following
    return out


def _twins(part: NDArray[np.str_], found: dict[str, Issue], sets: NDArray[np.int64]) -> Issue:
    train, test = part == "train", (part == "test") & (sets >= 0)
    members: dict[int, int] = {}
    for row in np.flatnonzero(train & (sets >= 0))[::-1]:
        members[int(sets[row])] = int(row)
    other = np.array([members.get(int(sets[row]), -1) if test[row] else -1 for row in range(len(part))])
    issue, near = other >= 0, found["near_duplicate"]
    equal = found["exact_duplicate"].issue if "exact_duplicate" in found else np.zeros(len(part), dtype=bool)

    def reason(row: int) -> str:
        how = "a copy of" if equal[row] else "nearly"
        return f"this test row is {how} training row {other[row]}: its score counts what was seen"

    score = np.where(part == "test", np.where(issue, near.score, np.maximum(near.score, 0.5)), 1.0)
    return Issue(issue, score, reason, "duplicates on both sides of the split", other)


def _outliers(near: Neighbours, space: str) -> Issue:
    # Copies lie close to each other however far out they are: the last of the neighbours tells.
    distance = near[0][:, min(_LOCAL, near[0].shape[1]) - 1 :].mean(axis=1)
    probability = tails.upper(np.log(np.maximum(distance, 1e-12)))
    usual = float(np.median(distance))

    def reason(row: int) -> str:
        times = distance[row] / usual if usual > 0 else np.inf
        return f"its neighbours are {times:.1f} times as far as usual in {space}; nearest is row {near[1][row, 0]}"

    score = 1 - tails.lower_is_worse(distance)
    return Issue(tails.rare(probability), score, reason, f"distance to neighbours in {space}")


def _either(one: Issue, other: Issue) -> Issue:
    """Return rows that have either issue; the score is that of `one`, and lower where `other` names the row."""
    score = np.where(other.issue, np.minimum(one.score, other.score), one.score)

    def reason(row: int) -> str:
        return other.reason(row) if other.issue[row] else one.reason(row)

    return Issue(one.issue | other.issue, score, reason, f"{one.method}, or in its columns")


def _labels(of: Given, space: NDArray[np.float32], near: Neighbours, notes: list[str]) -> dict[str, Issue]:
    assert of.labels is not None
    if of.task == "labels":
        notes.append(f"label {of.name}: several labels a row are not audited")
        return {}
    there = np.flatnonzero(has_label(of.labels))
    values = of.labels[there]
    if len(there) < 3 * reading._FOLDS or len(pd.unique(values)) < 2:
        notes.append(f"label {of.name}: too few labels, or one class only: labels are not audited")
        return {}
    # Neighbours among the labelled rows alone.
    if len(there) < len(of.vectors):
        k = min(near[0].shape[1], len(there) - 1)
        near = neighbour_graph(space[there], k)
    groups = None if of.groups is None else pd.factorize(of.groups[there], use_na_sentinel=False)[0].astype(np.int64)
    raw = of.raw
    columns, codes = (None, None) if raw is None or raw.columns is None else (raw.columns[there], raw.codes)
    features = _standardised(of.vectors[there])
    if of.task == "numbers":
        return {"label": _wrong_numbers(of, there, features, columns, codes, groups)}
    y, names = pd.factorize(values, sort=False)
    y = y.astype(np.int64)
    found = reading.read_classes(y, features, near, columns, codes, groups)
    issue, likelier, score = reading.confident(found.probabilities, y)
    rows, place = len(of.vectors), np.full(len(of.vectors), -1)
    place[there] = np.arange(len(there))

    def reason(row: int) -> str:
        at = place[row]
        given_p, other_p = found.probabilities[at, y[at]], found.probabilities[at, likelier[at]]
        return f"labelled {names[y[at]]}, reads as {names[likelier[at]]} ({other_p:.0%} against {given_p:.0%})"

    named = np.full(rows, None, dtype=object)
    predicted = found.probabilities.argmax(axis=1)
    named[there] = [str(names[code]) for code in predicted]
    out = {
        "label": Issue(
            _spread(issue, there, rows, False), _spread(score, there, rows, 1.0), reason,
            f"out of fold by {found.by}, right in {(predicted == y).mean():.0%}", None, {"predicted_label": named},
        )
    }  # fmt: skip
    sits, own, rival, most = reading.misplaced(y, near[1])
    k = near[1].shape[1]

    def sits_reason(row: int) -> str:
        at = place[row]
        return f"{most[at]} of its {k} neighbours are {names[rival[at]]}, {round(own[at] * k)} are {names[y[at]]}"

    method = f"classes of {k} neighbours in the embedding"
    return out | {
        "misplaced": Issue(_spread(sits, there, rows, False), _spread(own, there, rows, 1.0), sits_reason, method)
    }


def _wrong_numbers(
    of: Given, there: NDArray[np.int64], features: NDArray[np.float32], columns: NDArray[np.float32] | None,
    codes: NDArray[np.bool_] | None, groups: NDArray[np.int64] | None,
) -> Issue:  # fmt: skip
    assert of.labels is not None
    y = of.labels[there].astype(np.float64)
    read = reading.read_numbers(y, features, columns, codes, groups)
    off = np.abs(y - read.probabilities[:, 0])
    # Both signs of a normal residual: its median is .6745 of a deviation.
    probability = tails.upper(np.log(np.maximum(off, 1e-12 + 1e-9 * float(off.max(initial=0.0)))))
    place = np.full(len(of.vectors), -1)
    place[there] = np.arange(len(there))

    def reason(row: int) -> str:
        at = place[row]
        return f"labelled {y[at]:g}, reads as {read.probabilities[at, 0]:.4g}"

    issue, score = tails.rare(probability), 1 - tails.lower_is_worse(off)
    rows = len(of.vectors)
    predicted = _spread(read.probabilities[:, 0], there, rows, np.nan)
    return Issue(
        _spread(issue, there, rows, False), _spread(score, there, rows, 1.0), reason, f"out of fold by {read.by}", None,
        {"predicted_label": predicted},
    )  # fmt: skip


def _groups(of: Given, near: Neighbours) -> Issue:
    """Return rows whose neighbours give their group away: most are of it, and improbably many beside chance."""
    assert of.groups is not None
    codes = pd.factorize(of.groups, use_na_sentinel=False)[0]
    k = near[1].shape[1]
    own = (codes[near[1]] == codes[:, None]).sum(axis=1)
    chance = (np.bincount(codes)[codes] - 1) / (len(codes) - 1)
    if of.labels is not None and of.task == "classes":
        # A subject that has one class only is near itself for that: chance is among rows of the class.
        kinds = pd.factorize(of.labels, use_na_sentinel=False)[0]
        both = pd.factorize(codes.astype(np.int64) * (int(kinds.max()) + 1) + kinds)[0]
        chance = np.maximum(chance, (np.bincount(both)[both] - 1) / np.maximum(np.bincount(kinds)[kinds] - 1, 1))
    probability = binom.sf(own - 1, k, np.clip(chance, 0, 1))
    issue = tails.rare(probability) & (2 * own > k)
    names = np.asarray(of.groups).astype(str)

    def reason(row: int) -> str:
        return f"{own[row]} of its {k} neighbours are {of.group_name} {names[row]} ({chance[row] * k:.1f} by chance)"

    # Where chance alone explains all, the score is 1.
    score = 1 - np.clip((own / k - chance) / np.maximum(1 - chance, 1e-9), 0, 1)
    return Issue(issue, score, reason, f"groups of {k} neighbours in the embedding")


def _blank(variation: NDArray[np.float64], *, table: bool) -> Issue:
    score = np.clip(variation, 0, 1) if table else tails.lower_is_worse(variation)
    if table:
        issue = variation == 0
    else:
        scale = float(np.median(variation))
        issue = variation <= 1e-6 * scale
        if not issue.all():
            # Series that were scaled one by one all vary alike, and what is rare among them is not nearly constant.
            nearer = variation[~issue] < scale / 2
            issue[~issue] |= tails.rare(tails.upper(-np.log(variation[~issue]))) & nearer

    def reason(row: int) -> str:
        if table:
            return "no value is there"
        if variation[row] <= 1e-6 * scale:
            return "every value is the same"
        return f"varies {variation[row] / scale:.2g} times as much as usual"

    return Issue(issue, score, reason, "values that are there" if table else "deviation of the values")


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return standardised features (N, D), each row of length 1."""
    z = _standardised(x)
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def _spread(values: NDArray[Any], rows: NDArray[np.int64], count: int, missing: Any) -> NDArray[Any]:
    """Return values of some rows as values of all `count` rows."""
    out = np.full(count, missing, dtype=np.asarray(values).dtype)
    out[rows] = values
    return out


def _standardised(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features (N, D) with mean 0 and deviation 1, of wide ones the 1,024 leading principal axes."""
    spread = x.std(axis=0)
    kept = spread > 1e-6 * (1e-6 + np.abs(x.mean(axis=0)))
    z = (x[:, kept] - x[:, kept].mean(axis=0)) / spread[kept]
    if z.shape[1] <= _WIDEST:
        return z.astype(np.float32)
    some = z[np.unique(np.linspace(0, len(z) - 1, min(len(z), _AXIS_ROWS)).astype(np.int64))]
    axes = np.linalg.eigh(some.T @ some)[1][:, -_WIDEST:]
    out = z @ axes
    return (out / out.std(axis=0).mean()).astype(np.float32)
