"""The common stability mechanism (arXiv 2402.14957): hypotheses H0 to H5, each with a verdict."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
from figures import Circle, Dots, Panel
from pages import Claim, Table
from results import Run
from rows import Rows, select
from runner import Paper

from stability import hypotheses, toys, variants


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: the toy, then the table, images, and the many momenta last."""
    for batch, kind in toys.KINDS:
        for weight in toys.LAMBDAS:
            variant = f"{batch}-batch, {kind}, lambda {weight:g}"
            yield Run("toy", "clusters", variant, seed, partial(toys.clusters, float(weight), batch, kind, seed))
    for variant in toys.PLANE:
        yield Run("plane", "square", variant, seed, partial(toys.plane, variant, seed))
    for data in variants.DATA:
        for variant in variants.SHORT:
            recipe = variants.recipe_of(data, variant, seed)
            make = partial(variants.trajectory, recipe, variant, partial(sets.subset, data), folder)
            yield Run("runs", data, variant, seed, make, recipe.to_toml() + variant)
    for data in variants.LONGER:
        for variant in variants.LONG:
            recipe = variants.recipe_of(data, variant, seed, variants.LONGER)
            make = partial(variants.trajectory, recipe, variant, partial(sets.whole, data), folder)
            yield Run("longer", data, variant, seed, make, recipe.to_toml() + variant)


CLAIMS = [
    Claim("H0a: all six methods raise a and shorten the centre", "abstract", "runs", hypotheses.six),
    Claim("H0b: k-NN is better where the centre is shorter", "abstract", "runs", hypotheses.tracks),
    Claim("H1: SimSiam needs no predictor if the centre is removed", "theory", "runs",
          partial(hypotheses.in_every_cell, hypotheses.removal, "c2: ")),
    Claim("H2: Barlow Twins without decorrelation keeps off the point and loses rank", "theory", "runs",
          partial(hypotheses.in_every_cell, hypotheses.decorrelation, "")),
    Claim("H3: SwAV's prototypes need not learn", "theory", "runs",
          partial(hypotheses.in_every_cell, hypotheses.prototypes, "")),
    Claim("H4: BYOL's centre and k-NN depend on the momentum", "theory", "runs",
          partial(hypotheses.in_every_cell, hypotheses.momenta, "")),
    Claim("H5: -a + lambda c2 collapses at 0 and not inside (0, 1); best inside", "theory", "toy", toys.simplified),
    Claim("a long a and a short centre say that a representation is good", "abstract", "plane",
          toys.alike_in_the_plane),
    Claim("longer, H0a: all six shorten the centre, by .8 deviations", "abstract", "longer",
          partial(hypotheses.at_length, hypotheses.shortens, variants.SIX)),
    Claim("longer, H0b: rho of c2 and k-NN is below -.3", "abstract", "longer",
          partial(hypotheses.at_length, hypotheses.tracks_at_length, variants.SIX)),
    Claim("longer, H1: no predictor where the centre is removed; k-NN gains .8 deviations", "theory", "longer",
          partial(hypotheses.at_length, hypotheses.removed_at_length, variants.REMOVALS)),
    Claim("longer, H5: lambda inside (0, 1) is best by .8 deviations", "theory", "longer",
          partial(hypotheses.at_length, hypotheses.u_shape,
                  tuple(f"lambda {weight:g}" for weight in variants.WEIGHTS))),
]  # fmt: skip


def _last(rows: Rows) -> Rows:
    """Return the rows with the last value of every trajectory, and k-NN before training."""
    return [
        {name: value[-1] if isinstance(value, list) else value for name, value in row.items()}
        | ({"knn_untrained": row["knn"][0]} if isinstance(row["knn"], list) else {})
        for row in rows
    ]


TABLES = [
    Table("At the end of training", "runs", {"c2 of z": "z_centre", "a of z": "z_alignment", "rank of z": "z_rank",
          "c2 of h": "h_centre", "k-NN": "knn", "k-NN untrained": "knn_untrained"}),
    Table("At the end of longer runs", "longer", {"epochs": "epochs", "c2 of z": "z_centre",
          "a of z": "z_alignment", "rank of z": "z_rank", "k-NN": "knn", "k-NN untrained": "knn_untrained",
          "CPU seconds": "cpu_seconds"}),
    Table("Four groups in the plane", "plane", {"a": "alignment", "c2": "centre", "k-NN": "knn"}, ("variant",)),
    Table("The simplified objective on clusters", "toy",
          {"c2": "centre", "a": "alignment", "rank": "rank", "k-NN": "knn"},
          ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Panel]:
    """Return c2 at the end and its correlation with k-NN, by data set at length, and the plane's counter-example."""
    made: list[Panel] = []
    names = {name: name for name in (*variants.SIX, *variants.REMOVALS)}
    for data in variants.LONGER:
        of = select(rows, study="longer", data=data)
        if any(len(select(of, variant=name)) < 3 for name in names):
            continue
        title = f"{data}, {of[0]['epochs']:g} epochs"
        made.append(Dots.of(title, "squared length of the centre, c2", _last(of), "z_centre", names, variants.SIX))
        tracked = [
            (name, [hypotheses.rho(row["z_centre"], row["knn"]) for row in select(of, variant=name)])
            for name in variants.SIX
        ]
        axis = "rank correlation of c2 and k-NN"
        made.append(Dots(title, axis, tracked, [("H0b: below", -0.3)], variants.SIX))
    for variant in ("two points", "four points"):
        for row in select(rows, study="plane", seed=0, variant=variant):
            below = f"alignment {row['alignment']:.2f}, c2 {abs(row['centre']):.2f}, k-NN {row['knn']:.2f}"
            made.append(Circle(f"plane, {variant}", row["angles"], below))
    return made


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, prepare=_last, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
