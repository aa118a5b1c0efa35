"""What is wrong with the rows: copies, outliers, wrong labels, leaks, blanks; each beside the bulk of the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from isotropy.audit import tails
from isotropy.audit.copies import LOCAL, Neighbours, copies_of, twins
from isotropy.audit.dependence import inconsistent
from isotropy.audit.given import Given, Raw, given
from isotropy.audit.issue import KINDS, Audit, Issue, label_name
from isotropy.audit.wrong_labels import label_issues, standardised
from isotropy.io.written import written
from isotropy.representation import Representation
from isotropy.search import neighbour_graph

_NEIGHBOURS = 30


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
    table = of.raw is not None and of.raw.features is not None
    space = _directions(of.vectors) if table else of.vectors
    near = neighbour_graph(space, k)
    raw_near = None if of.raw is None or of.raw.features is None else neighbour_graph(of.raw.features, k)
    found: dict[str, Issue] = {}
    progress("comparing neighbours, for copies")
    copies, pairs = copies_of(of, near, raw_near)
    found |= copies
    if of.part is not None and (of.part == "test").any() and (of.part == "train").any():
        found["twin"] = twins(of.part, found, pairs)
    if of.labels is not None:
        progress("reading the labels out of fold")
        found |= label_issues(of, space, near, notes)
    progress("looking for outliers")
    found["outlier"] = _outliers(near, "the embedding") if raw_near is None else _outliers(raw_near, "its columns")
    if of.raw is not None and of.raw.columns is not None and of.raw.columns.shape[1] > 1:
        assert of.raw.codes is not None
        progress("looking for values that do not go together")
        found["inconsistent"] = inconsistent(of.raw.columns, of.raw.codes, of.raw.names)
    if of.groups is not None:
        found["group"] = _groups(of, near)
    if of.raw is not None:
        found["blank"] = _blank(of.raw)
    else:
        notes.append("the rows themselves are not at hand: only their embeddings are audited")
    known = {} if of.part is None else {"part": of.part}
    if of.labels is not None:
        known[label_name(of.name)] = of.labels
    return Audit({kind: found[kind] for kind in KINDS if kind in found}, known, tuple(notes))


def _outliers(near: Neighbours, space: str) -> Issue:
    # Copies lie close to each other however far out they are: the last of the neighbours tells.
    distance = near[0][:, min(LOCAL, near[0].shape[1]) - 1 :].mean(axis=1)
    probability = tails.upper(np.log(np.maximum(distance, 1e-12)))
    usual = float(np.median(distance))

    def reason(row: int) -> str:
        nearest = f"nearest is row {near[1][row, 0]}"
        if not usual > 0:
            return (
                f"its neighbours are at some distance in {space}, where those of most rows are equal to them; {nearest}"
            )
        times = distance[row] / usual
        far = written(times, 2 if times < 10 else 3)
        return f"its neighbours are {far} times as far as usual in {space}; {nearest}"

    score = 1 - tails.lower_is_worse(distance)
    return Issue(tails.rare(probability), score, reason, f"distance to neighbours in {space}")


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


def _blank(raw: Raw) -> Issue:
    if raw.columns is not None:
        score = np.clip(raw.variation, 0, 1)
        return Issue(raw.empty, score, lambda row: "no value is there", "values that are there")
    variation = raw.variation
    # Where most rows are constant, what is usual is that of the others.
    scale = float(np.median(variation[variation > 0])) if (variation > 0).any() else 0.0
    constant = variation <= 1e-6 * scale
    issue = constant.copy()
    if not issue.all():
        # Nearer to 0 than to any row that is not named: rows that are only quiet go over into the others.
        issue[~issue] |= tails.beyond_gap(-np.log(variation[~issue]), np.log(2))

    def reason(row: int) -> str:
        if constant[row]:
            return "every value is the same" + (", or none is there" if raw.empty[row] else "")
        return f"varies {written(variation[row] / scale, 2)} times as much as usual"

    return Issue(issue, tails.lower_is_worse(variation), reason, "deviation of the values, and a gap beside it")


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return standardised features (N, D), each row of length 1."""
    z = standardised(x)
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
