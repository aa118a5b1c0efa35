"""The criteria of H0 to H4 on trajectories: in every cell of short runs, and in effect sizes at length."""

from typing import Any

import numpy as np
from rows import Difference, Rows, differences, select
from scipy.stats import kruskal, spearmanr

from stability.variants import DATA, INSIDE, LONGER, MOMENTA, REMOVALS, SIX, WEIGHTS


def _ends(rows: Rows, variant: str, data: str, column: str) -> list[float]:
    """Return the last value of a number, one for each seed."""
    return [row[column][-1] for row in select(rows, variant=variant, data=data)]


def _worth(rows: Rows, variant: str, data: str) -> float:
    return float(np.mean(_ends(rows, variant, data, "knn")))


def judged(holds: list[bool]) -> str:
    """Return the verdict on what should hold everywhere."""
    return "reproduced" if all(holds) else "undecided" if any(holds) else "not reproduced"


def in_every_cell(judge: Any, before: str, rows: Rows) -> tuple[str, str]:
    """Judge a claim that should hold on every data set: `judge(rows, data)` says whether, and what was found."""
    found = [judge(rows, data) for data in DATA]
    said = "; ".join(f"{data} {text}" for data, (_, text) in zip(DATA, found))
    return before + said, judged([holds for holds, _ in found])


def six(rows: Rows) -> tuple[str, str]:
    """Judge whether a rises and c2 falls in all six methods."""
    longer, shorter, both = 0, 0, []
    for data in DATA:
        for method in SIX:
            mine = select(rows, variant=method, data=data)
            up = [row["z_alignment"][-1] > row["z_alignment"][0] for row in mine]
            down = [row["z_centre"][-1] < row["z_centre"][0] for row in mine]
            longer, shorter = longer + sum(up), shorter + all(down)
            both.append(all(up) and all(down))
    return f"a rises in {longer} of 54 runs; c2 falls in all seeds of {shorter} of 18 cells", judged(both)


def rho(one: Any, other: Any) -> float:
    """Return Spearman's correlation, NaN where one of the two does not change."""
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else float("nan")


def _bootstrap(values: list[float]) -> tuple[float, float, float]:
    """Return the mean and its 95% percentile interval over runs."""
    x = np.array([value for value in values if np.isfinite(value)])
    means = x[np.random.default_rng(0).integers(len(x), size=(5000, len(x)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(x.mean()), float(low), float(high)


def tracks(rows: Rows) -> tuple[str, str]:
    """Judge the correlation of c2 with k-NN along a run."""
    mine = [row for row in rows if row["variant"] in SIX]
    groups = [("all", mine, "z"), *((data, select(mine, data=data), "z") for data in DATA), ("all, of h", mine, "h")]
    found = [_bootstrap([rho(row[f"{kind}_centre"], row["knn"]) for row in group]) for _, group, kind in groups]
    said = [f"{name} {m:+.2f} [{low:+.2f}, {high:+.2f}]" for (name, _, _), (m, low, high) in zip(groups, found)]
    _, low, high = found[0]
    return "rho: " + ", ".join(said), "reproduced" if high < 0 else "not reproduced" if low > 0 else "undecided"


def removal(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge SimSiam without its predictor, with and without removal of the centre."""
    control, *removed = (_ends(rows, name, data, "z_centre") for name in REMOVALS)
    worth = [_worth(rows, name, data) for name in REMOVALS]
    none, penalty, subtraction = (float(np.mean(values)) for values in (control, *removed))
    said = f"{none:.3f} with nothing removed, {penalty:.3f} penalty, {subtraction:.3f} subtraction"
    return min(control) > 0.9 and max(map(max, removed)) < 0.1 and min(worth[1:]) > worth[0], said


def decorrelation(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge Barlow Twins without its off-diagonal term."""
    whole, without = (_ends(rows, name, data, "z_rank") for name in ("barlow_twins", "no off-diagonal"))
    holds = max(_ends(rows, "no off-diagonal", data, "h_centre")) < 0.9 and max(without) < min(whole)
    return holds, f"rank {np.mean(without):.1f} instead of {np.mean(whole):.1f}"


def prototypes(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge fixed prototypes beside learnt ones."""
    learnt, fixed = (_worth(rows, name, data) for name in ("swav", "fixed prototypes"))
    holds = fixed >= learnt - 0.02 and max(_ends(rows, "fixed prototypes", data, "z_centre")) < 0.9
    return holds, f"k-NN {fixed:.3f} fixed, {learnt:.3f} learnt"


def momenta(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge whether the momentum moves c2 and k-NN."""
    groups = ([_ends(rows, f"momentum {m:g}", data, name) for m in MOMENTA] for name in ("z_centre", "knn"))
    centre, knn = (float(kruskal(*values).pvalue) for values in groups)
    return max(centre, knn) < 0.05, f"p = {centre:.3f} (c2), {knn:.2f} (k-NN)"


def _effect(rows: Rows, data: str, one: str, other: str) -> tuple[float, Difference]:
    """Return the mean paired difference of k-NN at the end of training over its deviation between seeds, and itself."""
    first, second = ({r["seed"]: r["knn"][-1] for r in select(rows, data=data, variant=name)} for name in (one, other))
    gaps, found = [first[seed] - second[seed] for seed in first.keys() & second.keys()], differences(first, second)
    assert found is not None, "`at_length` judges where three seeds are"
    return float(found.mean / max(np.std(gaps, ddof=1), 1e-4)), found


def at_length(judge: Any, needed: tuple[str, ...], rows: Rows) -> tuple[str, str] | None:
    """Judge on every data set that has three seeds of what is needed.

    The plan asks for all of them: one set that fails decides, and while one is missing that all others hold does not.
    """
    complete = [d for d in LONGER if all(len(select(rows, data=d, variant=name)) >= 3 for name in needed)]
    found = {data: judge(rows, data) for data in complete}
    if not found:
        return None
    said = "; ".join(f"{data} {text}" for data, (_, text) in found.items())
    missing = [data for data in LONGER if data not in found]
    failed = [data for data, (holds, _) in found.items() if not holds]
    if failed:
        return said, f"not reproduced: not on {', '.join(failed)}" + (
            f" ({', '.join(missing)} open)" if missing else ""
        )
    return said, f"open: {', '.join(missing)} missing (so far: reproduced)" if missing else "reproduced"


def shortens(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge whether c2 falls in all six methods."""
    falls, means = [], []
    for method in SIX:
        moved = [row["z_centre"][-1] - row["z_centre"][0] for row in select(rows, data=data, variant=method)]
        falls.append(float(np.mean(moved) / max(np.std(moved, ddof=1), 1e-4)))
        means.append(float(np.mean(moved)))
    clear = sum(fall < -0.8 for fall in falls)
    rises = [f"{method} (by {mean:.3f})" for method, fall, mean in zip(SIX, falls, means) if fall > 0.8]
    return clear == len(SIX), f"clearly shorter in {clear} of 6, clearly longer: {', '.join(rises) or 'none'}"


def tracks_at_length(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge the correlation of c2 with k-NN along a run."""
    mine = [row for row in select(rows, data=data) if row["variant"] in SIX]
    center, low, high = _bootstrap([rho(row["z_centre"], row["knn"]) for row in mine])
    return high < -0.3, f"rho {center:+.2f} [{low:+.2f}, {high:+.2f}]"


def removed_at_length(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge SimSiam without its predictor, with and without removal of the centre."""
    control, *removed = (_ends(rows, name, data, "z_centre") for name in REMOVALS)
    gains = [_effect(rows, data, name, REMOVALS[0]) for name in REMOVALS[1:]]
    centres = ", ".join(f"{np.mean(values):.3f}" for values in (control, *removed))
    holds = min(control) > 0.9 and max(map(max, removed)) < 0.1 and min(effect for effect, _ in gains) > 0.8
    said = " and ".join(f"{effect:+.1f} deviations ({gap})" for effect, gap in gains)
    return holds, f"c2 {centres}; k-NN gains {said}"


def u_shape(rows: Rows, data: str) -> tuple[bool, str]:
    """Judge whether a lambda inside (0, 1) is best."""
    worth = {weight: _worth(rows, f"lambda {weight:g}", data) for weight in WEIGHTS}
    best = max(INSIDE, key=lambda weight: worth[weight])
    gains = {weight: _effect(rows, data, f"lambda {best:g}", f"lambda {weight:g}") for weight in (0.0, 2.0, 5.0)}
    said = ", ".join(f"{value:.3f} at {weight:g}" for weight, value in worth.items())
    above = ", ".join(f"{gap} above {weight:g}" for weight, (_, gap) in gains.items())
    return min(effect for effect, _ in gains.values()) > 0.8, f"k-NN {said}; {best:g} is {above}"
