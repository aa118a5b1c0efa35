"""The theorems on toys: heads, labellings, DISSL's categories and their threshold, and the three conditions."""

from collections.abc import Callable
from math import comb, log
from typing import Any

import numpy as np
import torch
from measures import effective_dimension, invariance_ratio, unseen_mass, worst_invariant_task
from pages import OPEN, reproduced
from rows import Difference, Row, Rows, by_seed, mean, select, short, t_interval
from scipy.optimize import linprog
from torch import Tensor, nn

from isotropy.diagnostics import effective_rank
from isotropy.evaluation import linear_probe, mlp_probe
from isotropy.methods import DISSL
from issl.toys import DISSL_HEADS, LABELS, MAKERS, Flips, K, new_views, trained


def halves(one: Tensor, rows: Flips) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return vectors and labels of the first half of the rows and of the second."""
    half, y = len(rows) // 2, rows.labels
    return one[:half], y[:half], one[half:], y[half:]


def heads(name: str, width: int, seed: int, quick: bool) -> Row:
    """Return which heads make the features themselves, and not their projection, linearly readable."""
    rows = Flips(60, seed)
    one, other = new_views(trained(MAKERS[name], rows, width, 600, 128, seed, quick).encoder, rows)
    found = _gap(*halves(one, rows), seed=seed)
    return _rounded(found | {"invariance": invariance_ratio(one, other), "rank": effective_rank(one)})


def _gap(*parts: Any, seed: int) -> Row:
    linear, mlp = (probe(*parts, metric="accuracy", seed=seed).score for probe in (linear_probe, mlp_probe))
    return {"linear": linear, "mlp": mlp, "gap": mlp - linear}


def _errors(train: Any, classes: Any, test: Any, test_classes: Any, *, seed: int) -> Row:
    """Return the mean error with n labels drawn at random, ten times, for each n of LABELS."""
    random, found = np.random.default_rng(seed), {}
    train, classes, test, test_classes = (np.asarray(part) for part in (train, classes, test, test_classes))
    for n in LABELS:
        scores = []
        for _ in range(10):
            rows = random.permutation(len(train))[:n]
            if len(np.unique(classes[rows])) == 1:  # nothing to fit: the one label there is
                scores.append(float(np.mean(test_classes == classes[rows[0]])))
            else:
                scores.append(
                    linear_probe(train[rows], classes[rows], test, test_classes, metric="accuracy", seed=seed).score
                )
        found[f"error_{n}"] = 1 - float(np.mean(scores))
    return found


def _rounded(row: Row) -> Row:
    return {name: round(float(value), 4) for name, value in row.items()}


def labellings(width: int, seed: int, quick: bool) -> Row:
    """Return the fraction of all labellings in two of 8 points that some affine plane realises, and Cover's count."""
    orbits, count = 8, 0
    rows = np.column_stack([np.random.default_rng(seed).normal(size=(orbits, width)), np.ones(orbits)])
    for code in range(2 ** (orbits - 1)):  # a labelling and its opposite are realised together
        signs = np.where((code >> np.arange(orbits)) & 1, 1.0, -1.0)
        count += linprog(np.zeros(width + 1), -signs[:, None] * rows, -np.ones(orbits), bounds=(None, None)).status == 0
    cover = 2 * sum(comb(orbits - 1, i) for i in range(width + 1)) / 2**orbits
    return {"expected": cover, "found": count / 2 ** (orbits - 1)}


def categories(weight: float, orbits: int, count: int, batch: int, steps: int, seed: int, quick: bool) -> Row:
    """Return how many categories DISSL uses, and their entropies."""
    return _rounded(_codes(weight, orbits, count, batch, steps, seed, quick))


def _codes(weight: float, orbits: int, count: int, batch: int, steps: int, seed: int, quick: bool) -> Row:
    """Train DISSL and return what its teacher makes of a new view of every row."""
    rows = Flips(orbits, seed)
    options = DISSL_HEADS | {"num_categories": count, "balance_weight": weight}
    method = trained(lambda f: DISSL(f, **options), rows, 32, steps, batch, seed, quick)
    logits = new_views(nn.Sequential(method.encoder, method.teacher), rows)[0] / method.temperature
    p = logits.double().softmax(dim=1)
    marginal = p.mean(dim=0)
    entropy = -float((marginal * marginal.clamp_min(1e-300).log()).sum())
    given = -float((p * p.clamp_min(1e-300).log()).sum(dim=1).mean())
    return {"used": len(p.argmax(dim=1).unique()), "marginal": entropy, "given": given}


# On either side of 1 + beta = 1.8, and the steps after which the imbalance of the categories is looked at.
THRESHOLD, EARLY = (1.5, 1.7, 1.9, 2.1), 60


def threshold(weight: float, seed: int, quick: bool) -> Row:
    """Return how far the categories are from equally common, log C - H[M], at the start and early, and their number."""
    first, early, last = (_codes(weight, 20, 20, 128, steps, seed, quick) for steps in (1, EARLY, 1600))
    found = {"start": log(20) - first["marginal"], "early": log(20) - early["marginal"]}
    return {name: short(value, ".3g") for name, value in found.items()} | {"used": last["used"]}


def unseen(orbits: int, samples: int, seed: int, quick: bool) -> Row:
    """Return the error of an ideal representation after n labels beside the law."""
    seen = np.sort(np.random.default_rng(seed).integers(orbits, size=(20_000, samples)), axis=1)
    found = 1 - float(np.mean((np.diff(seen, axis=1) > 0).sum(axis=1) + 1)) / orbits
    return {"expected": unseen_mass(samples, orbits), "found": found}


def conditions(kind: type[Flips], name: str, width: int, seed: int, quick: bool) -> Row:
    """Train an encoder, or leave it as it is, and measure the three conditions."""
    rows = kind(K, seed)
    made = trained(MAKERS.get(name), rows, width, 1000, 128, seed, quick)
    one, other = new_views(made.encoder if name in MAKERS else made, rows)
    if name == "given":
        one = other = nn.init.orthogonal_(torch.empty(K, width))[rows.labels]
    parts = halves(one, rows)
    found = _gap(*parts, seed=seed) | {"invariance": invariance_ratio(one, other)}
    found |= {"dimension": effective_dimension(one)} | worst_invariant_task(*parts, seed=seed)
    return {"width": width} | _rounded(found | _errors(*parts, seed=seed))


def readable(rows: Rows) -> tuple[str, str]:
    """Judge whether a linear probe reads what a head has made readable, by the gap to an MLP."""
    gaps = {m: list(by_seed(rows, "gap", variant=f"{m}, d = 8").values()) for m in ("simclr", "cissl", "dissl")}
    said = ", ".join(f"{name} {Difference(*t_interval(values), len(values))}" for name, values in gaps.items())
    return f"gap: {said}", reproduced(min(gaps["simclr"]) > 0.4 and max(gaps["cissl"]) < 0.02)


def covers(rows: Rows) -> tuple[str, str]:
    """Judge the fraction of labellings by Cover's count."""
    error = max(abs(row["found"] - row["expected"]) for row in rows)
    whole = all(row["found"] == 1 for row in select(rows, variant="d = 7"))
    less = select(rows, variant="d = 6")[0]["expected"] < 1
    return f"equal to Cover's count within {error:.0e}, 1.0 from d = 7", reproduced(error < 1e-12 and whole and less)


def uses_all(rows: Rows) -> tuple[str, str]:
    """Judge how many categories are used on either side of the threshold."""
    used = [mean(rows, "used", variant=f"lambda = {weight}") for weight in (2.3, 1.5, 0.9, 0.0)]
    said = ", ".join(f"{count:.1f}" for count in used) + " at lambda 2.3, 1.5, .9, 0; at most 14 at 1.5 was expected"
    holds = used[0] >= 18 and used[1] <= 14 and all(more > fewer for more, fewer in zip(used, used[1:]))
    return said, reproduced(holds)


def spreads(rows: Rows) -> tuple[str, str]:
    """Judge over how many categories a sample spreads."""
    above, below = (mean(rows, "given", variant=f"lambda = {weight}") for weight in (2.3, 1.5))
    holds = mean(rows, "used", variant="lambda = 2.3") > 150 and above > 0.5 * log(8) and below < 0.3
    return f"H[M|X] {above:.2f} nats at 2.3, {below:.2f} at 1.5", reproduced(holds)


def follows_the_law(rows: Rows) -> tuple[str, str]:
    """Judge the error after n labels by the law."""
    error = max(abs(row["found"] - row["expected"]) for row in rows)
    return f"within {error:.4f}", reproduced(error < 0.005)


def unmet(row: Row) -> list[str]:
    """Return the conditions that an encoder misses."""
    met = {
        "predictability": row["linear"] >= 0.99,
        "invariance": row["invariance"] <= 0.1,
        "dimension": row["dimension"] >= K - 1,
    }
    return [name for name, holds in met.items() if not holds]


def excess(row: Row) -> float:
    """Return how far the error is above the law, the mean over numbers of labels."""
    return float(np.mean([row[f"error_{n}"] - unseen_mass(n, K) for n in LABELS]))


def good(row: Row) -> bool:
    """Return whether an encoder is good on its worst task."""
    return row["worst"] >= 0.99


def misses_alone(name: str, row: Row) -> bool:
    """Return whether an encoder misses one condition and no other."""
    return unmet(row) == [name]


def without_exception(choose: Callable[[Row], Any], wrong: Callable[[Row], Any], rows: Rows) -> tuple[str, str]:
    """Judge a statement about all chosen encoders: undecided where no run could have contradicted it."""
    chosen = [row for row in rows if choose(row)]
    exceptions = sum(bool(wrong(row)) for row in chosen)
    return f"{exceptions} of {len(chosen)} do not", reproduced(not exceptions) if chosen else "undecided: no such run"


def imbalance(rows: Rows) -> tuple[str, str]:
    """Judge the sign of an imbalance's growth, which follows from the loss to second order about uniform codes.

    With p(x) = 1/C + m + e(x) and E e = 0, I(M; X) gains C/2 E|e|^2 and H(M) loses C/2 |m|^2, so that the loss has
    (lambda - 1 - beta) C/2 |m|^2: categories that happen to be common become more so only below 1 + beta.
    """
    grown = {w: [row["early"] / row["start"] for row in select(rows, variant=f"lambda = {w}")] for w in THRESHOLD}
    said = ", ".join(f"x{np.mean(values):.2f} at {w}" for w, values in grown.items() if values)
    used = ", ".join(f"{mean(rows, 'used', variant=f'lambda = {w}'):.1f}" for w, values in grown.items() if values)
    if any(len(values) < 3 for values in grown.values()):
        return said, OPEN
    holds = all((value > 1) == (weight < 1.8) for weight, values in grown.items() for value in values)
    return f"{said}; used in the end {used}", reproduced(holds)
